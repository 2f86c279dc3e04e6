"""Rules that ask: on rows that stand, nothing twice, no answer is no score, and what came before a stop is kept.

The judge here is scripted by what the row says: it proves what becomes of answers, and nothing of any judge.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.curate import Ask, AskBill, Curation, calibrate, curate, curve, what_if
from pipeline.engine import Answer
from pipeline.errors import CapReached, DataError, ProviderError, RecipeError
from pipeline.generate import Writer
from pipeline.prices import Price
from pipeline.providers.rehearsal import Rehearsal
from pipeline.sections import Item
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.types import CallRequest, Usage
from tests.curate.test_curate import LENGTH, dataset, fill, items, row, verdicts
from tests.engine.scripted import Said, Scripted, answer, no

__all__ = ["dataset"]
PRICE = Price(1.0, 10.0, None, "2026-11", "a test")
FUNNY: dict[str, Any] = {"judge": {"rubric": "Is it funny?", "min": 3, "max_tokens": 100}}
WORTH = {"gem": 5, "fine": 3, "dull": 2}
"""What the judge sees in a row that holds the word."""


def scored(number: int, words: str = "because", name: str = "score") -> Answer:
    return answer(json.dumps({"reason": words, name: number}))


class Bench:
    """A dataset and a judge. `asked` counts questions sent; `bills` holds what was agreed to."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.says: dict[str, Said | str] = {word: scored(number, f"{word} it is") for word, number in WORTH.items()}
        self.provider = Scripted(self._script)
        self.bills: list[AskBill] = []
        self.model, self.settings = "m", Settings(concurrency=1, retries=0)
        self.price: Price | None = PRICE
        self.prompts: list[str] = []

    def _script(self, asked: CallRequest, turn: int) -> Said:
        text = str(asked.body["messages"][-1]["content"])
        self.prompts.append(text)
        said = next(said for word, said in self.says.items() if f" {word}" in text)
        return answer(said) if isinstance(said, str) else said

    @property
    def asked(self) -> int:
        return self.provider.asked.total()

    def ask(self, retry: bool = False, agreed: Any = None) -> Ask:
        def writer(model: str | None, before: str) -> Writer:
            return Writer(self.provider, model or self.model, self.price)

        return Ask(writer, self.settings, agreed or self.bills.append, None, retry)

    def run(self, *given: Any, diff: bool = False, **how: Any) -> Curation:
        return curate(self.dataset, items(*given), diff=diff, ask=self.ask(**how))

    def found(self, name: str, rule: str = "judge") -> Any:
        return next(each for each in verdicts(self.dataset)[name].findings if each.rule == rule)

    def states(self) -> dict[str, str]:
        return {name: verdict.state for name, verdict in verdicts(self.dataset).items()}


@pytest.fixture
def bench(dataset: Dataset) -> Bench:
    """Four rows: a gem, a fine one, a dull one, and one that is too short to be judged."""
    fill(dataset, [row("a", "this is a gem of a tale"), row("b", "that is a fine enough tale"),
                   row("c", "it is a dull tale to tell"), row("d", "a gem")])
    return Bench(dataset)


def test_rows_that_stand_get_a_score_with_its_words_and_its_call(bench: Bench) -> None:
    done = bench.run(LENGTH, FUNNY)
    assert bench.states() == {"a": "kept", "b": "kept", "c": "dropped", "d": "dropped"}
    assert bench.asked == 3, "nobody is asked about a row that is dropped"
    found = bench.found("c")
    assert (found.value, found.outcome, found.reason) == (2, "drop", "2 < 3: dull it is")
    assert (bench.found("a").value, bench.found("a").reason) == (5, "5: gem it is")
    call = bench.dataset.calls.get(found.calls[0])
    assert call is not None
    assert call.body["max_tokens"] == 100
    assert set(call.body) == {"model", "messages", "max_tokens"}, "nothing is sent that is not written"
    assert bench.found("d").outcome == "unmeasured"
    assert bench.found("d").reason == "not asked: dropped before"
    assert done.tally.by_rule == {"length": 1, "judge": 1}
    assert done.as_json()["asked"] == {
        "who": {"judge": {"name": "scripted:m", "rehearsal": False}}, "scored": {"judge": 3}, "missing": {}, "calls": 3,
        "usd": pytest.approx(3 * 210 / 1e6), "ahead": None}
    (bill,) = bench.bills
    assert (bill.rules, bill.known, bill.new_calls) == ({"judge": 3}, 0, 3)
    assert bill.usd_expected is not None
    assert bill.usd_worst is not None
    assert 0 < bill.usd_expected < bill.usd_worst


def test_the_prompt_holds_the_conversation_and_the_rubric_and_is_no_instruction(bench: Bench) -> None:
    bench.run(FUNNY)
    first = bench.prompts[0]
    mark = next(line for line in first.splitlines() if line.startswith("====="))
    _, talk, _ = first.split(f"\n{mark}\n")
    assert talk == "[user]\nAbout a\n\n[assistant]\nthis is a gem of a tale"
    assert "- score: Is it funny?" in first
    assert "never an instruction" in first.partition(mark)[2]


def test_a_second_curation_asks_nothing_and_a_bound_is_moved_for_nothing(bench: Bench) -> None:
    bench.run(LENGTH, FUNNY)
    again = bench.run(LENGTH, {"judge": {**FUNNY["judge"], "min": 4}})
    assert bench.asked == 3
    assert len(bench.bills) == 1, "no bill where there is nothing to pay"
    assert again.reused == 3 + 4, "scores, and lengths"
    assert bench.found("b").reason == "3 < 4: fine it is"
    assert bench.states() == {"a": "kept", "b": "dropped", "c": "dropped", "d": "dropped"}
    plain = curate(bench.dataset, items(LENGTH, FUNNY))
    assert plain.tally.by_rule == {"length": 1, "judge": 1}, "without anybody to ask the scores are known as well"
    (bench.dataset.path / "verdicts.jsonl").unlink()
    bench.run(LENGTH, FUNNY)
    assert bench.asked == 3, "the calls are there"


@pytest.mark.parametrize("change", [
    {"rubric": "Is it sad?"}, {"rubric": {"criteria": [{"name": "score", "ask": "Is it funny?"}], "scale": [1, 10]}},
    {"temperature": 0.0}, {"model": "other"},
])
def test_another_rubric_or_judge_is_asked_anew(bench: Bench, change: dict[str, Any]) -> None:
    bench.run(FUNNY)
    bench.run({"judge": {**FUNNY["judge"], **change}})
    assert bench.asked == 8
    bench.run(FUNNY)
    assert bench.asked == 8, "and what was asked before stays paid"


def test_a_file_beside_the_recipe_is_the_rubric_and_its_words_count(bench: Bench, tmp_path: Path) -> None:
    from pipeline.recipe import parse_recipe

    text = "synth: 1\nname: plots\nsource: {file: rows.jsonl}\ntrain: {user: x}\ncurate: [judge: {rubric: plot.yaml}]\n"
    recipe = parse_recipe(text, tmp_path / "plots.yaml")

    def run() -> Curation:
        return curate(bench.dataset, recipe.curate, recipe, ask=bench.ask())

    criteria = 'criteria: [{name: score, ask: "Is it funny?"}, {name: style, ask: "Is it plain?", weight: 2}]'
    (tmp_path / "plot.yaml").write_text(criteria)
    said = {"reason": "so so", "score": 1, "style": 5}
    bench.says = {"tale": json.dumps(said), "gem": json.dumps({**said, "style": 4})}
    run()
    assert bench.asked == 4
    assert (bench.found("a").value, bench.found("d").value) == (3.67, 3)
    assert bench.found("a").reason == "3.67: score 1, style 5. so so"
    noted = bench.dataset.manifest()["curation"]["rules"][0]
    assert noted["options"]["rubric"]["criteria"][1] == {"name": "style", "ask": "Is it plain?", "weight": 2.0}
    assert noted["asked"] == {"name": "scripted:m", "rehearsal": False}
    (tmp_path / "plot.yaml").write_text(f"{criteria}  # a comment changes nothing")
    run()
    assert bench.asked == 4
    (tmp_path / "plot.yaml").write_text(criteria.replace("plain", "terse"))
    run()
    assert bench.asked == 8
    (tmp_path / "plot.yaml").unlink()
    with pytest.raises(RecipeError, match=r"plots.yaml:5: .*plot.yaml: No such file"):
        run()


@pytest.mark.parametrize(("said", "why"), [
    ("I would give it a four.", "parse: it is not JSON"),
    ('{"reason": "good", "score": 9}', r"parse: \$.score: one of 1, 2, 3, 4, 5 is wanted"),
    ('{"reason": "good", "score": "4"}', r"parse: \$.score:"), ('{"reason": "good"}', "parse: "), ("", "parse: it is"),
    ('{"score": 4, "score": 5, "reason": ""}', "parse: the key 'score' stands twice"),
    (Answer({"role": "assistant", "content": None, "refusal": "No."}, "stop", Usage(1, 1), "m"), "refused: "),
    (Answer({"role": "assistant", "content": '{"reason": "it'}, "length", Usage(1, 1), "m"), "length: "),
    (Answer({"role": "assistant", "content": '{"reason":"x","score":4}'}, "length", Usage(1, 1), "m"), "length: "),
    (no("content_filter", "not here"), "content_filter: not here"), (no("server", "down"), "server: down"),
])
def test_what_cannot_be_read_is_no_score(bench: Bench, said: Said | str, why: str) -> None:
    import re

    bench.says["dull"] = said
    done = bench.run(LENGTH, FUNNY)
    found = bench.found("c")
    assert (found.value, found.outcome) == (None, "unmeasured")
    assert re.match(why, found.reason), found.reason
    assert bench.states()["c"] == "kept", "no answer drops nobody"
    assert done.asked is not None
    assert done.asked.scored == {"judge": 2}
    assert done.asked.missing["judge"] == {found.reason.partition(":")[0]: 1}


def test_what_cannot_be_read_is_asked_again_on_request_alone(bench: Bench) -> None:
    bench.says["dull"] = "four, I guess"
    bench.run(LENGTH, FUNNY)
    bench.run(LENGTH, FUNNY)
    assert bench.asked == 3
    bench.run(LENGTH, FUNNY, retry=True)
    assert bench.asked == 4
    assert bench.found("c").outcome == "unmeasured", "it said the same"
    bench.says["dull"] = scored(1)
    bench.run(LENGTH, FUNNY)
    assert bench.asked == 4
    bench.run(LENGTH, FUNNY, retry=True)
    assert (bench.asked, bench.found("c").value) == (5, 1)
    (bench.dataset.path / "verdicts.jsonl").unlink()
    bench.run(LENGTH, FUNNY)
    assert (bench.asked, bench.found("c").value) == (5, 1), "the first that can be read counts"
    bench.run(LENGTH, FUNNY, retry=True)
    assert bench.asked == 5


def test_a_failure_of_the_moment_is_asked_again_by_the_next_curation(bench: Bench) -> None:
    bench.says["dull"] = no("server", "down")
    bench.run(LENGTH, FUNNY)
    failures = (bench.dataset.path / "failures.jsonl").read_text()
    assert json.loads(failures)["failure"]["kind"] == "server"
    bench.says["dull"] = scored(2)
    bench.run(LENGTH, FUNNY)
    assert (bench.asked, bench.found("c").value) == (4, 2)
    bench.says["fine"] = no("content_filter", "no")
    bench.run(LENGTH, {"judge": {**FUNNY["judge"], "temperature": 0.0}})
    asked = bench.asked
    bench.run(LENGTH, {"judge": {**FUNNY["judge"], "temperature": 0.0}})
    assert bench.asked == asked, "a final failure would only cost the same again"


def test_the_cap_stops_it_and_what_came_is_kept(bench: Bench) -> None:
    one = bench.run(LENGTH, FUNNY, diff=True).asked
    assert one is not None
    assert one.bill is not None
    assert one.bill.usd_worst is not None
    bench.settings = Settings(concurrency=1, retries=0, max_usd=one.bill.usd_worst / 3 + 0.0003)
    with pytest.raises(CapReached):
        bench.run(LENGTH, FUNNY)
    assert bench.asked == 2
    assert bench.found("a").value == 5
    assert (bench.found("c").outcome, bench.found("c").reason) == ("unmeasured", "not asked")
    assert bench.states()["c"] == "kept"
    bench.settings = Settings(concurrency=1, retries=0)
    bench.run(LENGTH, FUNNY)
    assert bench.asked == 3
    assert bench.bills[-1].rules == {"judge": 1}


def test_a_cap_that_cannot_be_kept_is_refused_before_anything(bench: Bench) -> None:
    bench.settings = Settings(max_usd=1)
    with pytest.raises(RecipeError, match="needs an output limit, and the rule judge sets none") as fault:
        bench.run({"judge": "Is it funny?"})
    assert "judge: {max_tokens: 400, ...}" in fault.value.hint
    bench.price = None
    with pytest.raises(RecipeError, match="needs a price"):
        bench.run(FUNNY)
    assert bench.asked == 0
    assert not (bench.dataset.path / "verdicts.jsonl").exists()


def test_a_host_that_stops_the_run_leaves_the_scores_that_came(bench: Bench) -> None:
    bench.says["fine"] = no("quota", "no credit")
    with pytest.raises(ProviderError):
        bench.run(LENGTH, FUNNY)
    assert bench.found("a").value == 5
    assert bench.states()["b"] == "kept"


def test_who_does_not_agree_finds_everything_as_it_was(bench: Bench) -> None:
    bench.run(LENGTH)
    before = (bench.dataset.path / "verdicts.jsonl").read_bytes()

    class No(Exception):
        pass

    def no_(bill: AskBill) -> None:
        raise No

    with pytest.raises(No):
        bench.run(LENGTH, FUNNY, agreed=no_)
    assert (bench.dataset.path / "verdicts.jsonl").read_bytes() == before
    assert bench.asked == 0


LOW = {"judge": {"rubric": "Is it funny?", "min": 5}}
REHEARSED = Ask(lambda model, before: Writer(Rehearsal(), "rehearsal", None), Settings())


def test_a_rehearsal_drops_rows_that_are_rehearsed(dataset: Dataset) -> None:
    fill(dataset, [row(f"m{n}", f"made up {n} of many", provenance={"rehearsal": True}) for n in range(30)])
    curate(dataset, items(LOW), ask=REHEARSED)
    assert set(Bench(dataset).states().values()) == {"kept", "dropped"}


def test_a_rehearsed_score_drops_no_real_row_and_does_not_count_as_one(dataset: Dataset) -> None:
    fill(dataset, [row(f"r{n}", f"the tale number {n} of many") for n in range(60)])
    bench = Bench(dataset)
    done = curate(dataset, items(LOW), ask=REHEARSED)
    assert set(bench.states().values()) == {"kept"}
    said = [bench.found(f"r{n}") for n in range(60)]
    assert {each.outcome for each in said} == {"keep", "flag", "unmeasured"}, "a share cannot be read, as in life"
    assert all(each.reason.startswith("rehearsed ") for each in said if each.outcome != "unmeasured")
    assert done.asked is not None
    assert done.asked.who["judge"].rehearsal
    bench.says = {"tale": scored(5), "made": scored(5)}
    curate(dataset, items(LOW), ask=bench.ask())
    assert bench.asked == 60, "no made-up score stands for a real one"
    with pytest.raises(DataError, match="labelled"):
        calibrate(dataset, "judge", None)


def test_what_if_answers_from_scores_and_says_what_the_others_would_take(bench: Bench) -> None:
    bench.run(LENGTH, FUNNY)
    found = what_if(bench.dataset, ["judge.min=4"], None, bench.ask())
    assert [(change.sample, change.state, change.why) for change in found.curation.changes] == [
        ("b", "dropped", "judge: 3 < 4: fine it is")]
    assert found.curation.asked is not None
    assert (found.curation.asked.bill, found.curation.asked.missing) == (None, {})
    longer = what_if(bench.dataset, ["length.min=2"], None, bench.ask()).curation
    assert longer.asked is not None
    assert longer.asked.missing == {"judge": {"not asked": 1}}
    assert longer.asked.bill is not None
    assert longer.asked.bill.new_calls == 1
    assert 0 < (longer.asked.bill.usd_expected or 0) < (longer.asked.bill.usd_worst or 0)
    assert bench.asked == 3, "nothing is sent"
    points = curve(bench.dataset, "judge.min", None).points
    assert [(point.at, point.kept) for point in points] == [(2, 3), (3, 2), (5, 1)]


def test_a_score_is_not_lost_while_its_row_is_dropped(bench: Bench) -> None:
    bench.run(FUNNY)
    assert bench.asked == 4
    bench.run(LENGTH, FUNNY)
    assert (bench.found("d").value, bench.states()["d"]) == (5, "dropped")
    found = what_if(bench.dataset, ["length.min=2"], None, bench.ask()).curation
    assert found.asked is not None
    assert found.asked.bill is None, "so that asking what another length would do costs nothing"


def test_a_second_judge_is_asked_about_what_the_first_lets_stand(bench: Bench) -> None:
    other = {"judge": {"rubric": "Is it true?", "min": 5, "max_tokens": 100}}
    bench.run(LENGTH, FUNNY, other)
    assert bench.asked == 5
    assert bench.bills[0].rules == {"judge": 3, "judge-2": 3}, "at most: before the first one has spoken"
    assert bench.found("c", "judge-2").reason == "not asked: dropped before"
    assert bench.states() == {"a": "kept", "b": "dropped", "c": "dropped", "d": "dropped"}


NEAR = "the ferry leaves at six and nobody has told the captain about the goat in the engine room which is"


def test_of_rows_that_are_alike_the_best_one_stays(dataset: Dataset) -> None:
    fill(dataset, [row("a", f"{NEAR} dull"), row("b", f"{NEAR} gem"), row("c", "a tale of its own that is fine")])
    bench = Bench(dataset)
    near = {"near_duplicate": {"threshold": 0.5, "keep": "best", "by": "judge"}}
    bench.run(near, FUNNY)
    assert bench.states() == {"a": "dropped", "b": "kept", "c": "kept"}
    assert bench.asked == 3, "both that are alike were scored before one was dropped"
    assert bench.bills[0].rules == {"judge": 3}
    assert bench.found("a").value == 2
    assert bench.found("a", "near-duplicate").outcome == "drop"
    bench.run(near, FUNNY)
    assert bench.asked == 3


def test_a_person_wins_and_what_they_labelled_is_scored_to_be_compared(bench: Bench) -> None:
    bench.dataset.review("c", "keep", "", by="eva")
    bench.dataset.review("a", "drop", "", by="eva")
    bench.run(LENGTH, FUNNY)
    assert bench.states() == {"a": "dropped", "b": "kept", "c": "kept", "d": "dropped"}
    assert (bench.found("a").value, bench.found("c").outcome) == (5, "drop")


def test_calibration_beside_labels(dataset: Dataset) -> None:
    words = ["dull", "fine", "gem"]
    fill(dataset, [row(f"r{n:02}", f"tale {n} is {words[n % 3]} {'very ' * (n % 7)}") for n in range(42)])
    bench = Bench(dataset)
    bench.run({"judge": {**FUNNY["judge"], "min": 5}})
    for n, sample in enumerate(dataset.samples()):
        if n % 2:
            good = n % 3 > 0 or n == 21
            dataset.review(sample.id, "keep" if good else "drop", sample.digest, by="eva",
                           drawn={"by": "judge", "blind": True})
    found = calibrate(dataset, "judge", None)
    assert (found.bound, found.higher, found.now, found.labels.used) == ("min", True, 5, 21)
    assert (found.chosen.at.at, found.move) == (3, "judge.min=3")
    assert found.chosen.at.precision.value == 1
    assert found.chosen.at.recall.value == pytest.approx(14 / 15, abs=0.02)
    assert found.length is not None


class Raises(Scripted):
    """Cannot even make a body."""

    def body(self, *args: Any) -> dict[str, Any]:
        raise ValueError("no such model")


def test_a_fault_of_a_rule_is_a_record_on_the_row(bench: Bench) -> None:
    bench.provider = Raises()
    done = bench.run(FUNNY)
    assert bench.found("a").outcome == "error"
    assert done.tally.errors_by_rule == {"judge": 4}
    assert done.tally.kept == 4


def test_rules_that_ask_stand_beside_processes_that_measure(dataset: Dataset) -> None:
    """Other processes open the same list and measure by those that ask nobody."""
    fill(dataset, [row(f"r{n}", f"tale {n} is fine, and told at length") for n in range(20)])
    bench = Bench(dataset)
    from pipeline.curate.measure import measurer

    given = items(LENGTH, FUNNY)
    import marshal

    from pipeline.curate.measure import _plain

    (line, _, _), = marshal.loads(measurer(given, None)(marshal.dumps([_plain(next(dataset.samples()), {})])))
    assert [each["rule"] for each in json.loads(b"[%b]" % line)] == ["length"]
    assert bench.run(LENGTH, FUNNY).tally.kept == 20


@pytest.mark.parametrize(("given", "words"), [
    ({"rubric": "x", "min": 7}, "min: 7 is not on the scale"), ({}, "'rubric' is missing"),
    ({"rubric": {"criteria": []}}, "criteria"),
    ({"rubric": {"criteria": [{"name": "reason", "ask": "x"}]}}, "'reason' is no name of a criterion"),
    ({"rubric": {"criteria": [{"name": "a", "ask": "x"}, {"name": "a", "ask": "y"}]}}, "two criteria of one name"),
    ({"rubric": {"criteria": [{"name": "a", "ask": "x"}], "scale": [5, 1]}}, "worst number is less"),
    ({"rubric": "x", "send": True, "params": {"response_format": {}}}, "say the same"),
    ({"rubric": "x", "params": {"messages": []}}, "they come from the prompt"),
    ({"rubric": "plot.yaml"}, "plot.yaml lies beside a recipe"),
])
def test_options_that_mean_nothing(dataset: Dataset, given: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        curate(dataset, [Item(name="judge", options=given)])


def test_a_host_gets_the_schema_where_that_is_asked_for(bench: Bench) -> None:
    bench.run({"judge": {**FUNNY["judge"], "send": "strict"}})
    call = bench.dataset.calls.get(bench.found("a").calls[0])
    assert call is not None
    held = call.body["response_format"]["json_schema"]
    assert (held["name"], held["strict"], held["schema"]["required"]) == ("judge", True, ["reason", "score"])
