"""The stage `augment`: which rows, the price first, children that hold, nothing paid twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline import rows
from pipeline.augment import Augmented, asks, augment, plan_augment
from pipeline.curate import curate
from pipeline.engine import Answer, CallFailed
from pipeline.errors import CapReached, DataError, RecipeError
from pipeline.prices import Price
from pipeline.recipe import Recipe, parse_recipe
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.store.journal import now
from pipeline.types import Call, CallRequest, Failure, Message, Sample, Usage

PRICE = Price(input=1.0, output=2.0, cached=None, date="2026-11-21", source="test")
LONG = "The ferry leaves at six, and nobody has told the captain, who sleeps, about the goat in the engine room. " * 3
RECIPE = """
synth: 1
name: tales
axes: {genre: [farce]}
prompt: "{{genre}}"
train: {user: "{{genre}}"}
generate: {max_tokens: 200}
curate: [{length: {min: 100, unit: bytes}}, refusal, exact_duplicate: {over: answer}]
augment: [{expand: {below: 100}}]
"""


def retold(text: str) -> str:
    """A longer text that keeps little of the old one's wording."""
    return f"{LONG} It was told so: {text[::-1]}"


@dataclass
class Scripted:
    """A provider that answers by a function, and remembers what it was asked."""

    answer: Callable[[str], Answer | Failure]
    namespace: str = "openai"
    rehearsal: bool = False
    asked: list[str] = field(default_factory=list)

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": model, "messages": messages, **parameters}

    async def ask(self, request: CallRequest) -> Answer:
        text = request.body["messages"][-2]["content"]
        self.asked.append(text)
        found = self.answer(text)
        if isinstance(found, Failure):
            raise CallFailed(found)
        return found

    async def models(self) -> list[str]:
        return ["writer-1"]

    async def close(self) -> None:
        pass


class Writer(NamedTuple):
    provider: Scripted
    model: str = "writer-1"
    price: Price | None = PRICE


def saying(change: Callable[[str], str], reason: str = "stop") -> Writer:
    def answer(text: str) -> Answer:
        return Answer({"role": "assistant", "content": change(text)}, reason, Usage(100, 50), "writer-1-2026")

    return Writer(Scripted(answer))


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Dataset]:
    with Dataset.create(tmp_path / "tales") as found:
        yield found


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return parse_recipe(RECIPE, tmp_path / "tales.yaml")


def row(name: str, answer: str, **provenance: Any) -> Sample:
    return Sample(name, [{"role": "user", "content": "farce"}, {"role": "assistant", "content": answer}],
                  cell={"genre": "farce"}, provenance=provenance)


def fill(dataset: Dataset, *samples: Sample) -> None:
    with dataset.sample_writer() as writer:
        for sample in samples:
            writer.add(sample)


def run(recipe: Recipe, dataset: Dataset, writer: Writer, **settings: Any) -> Augmented:
    return augment(recipe, dataset, writer, Settings(retries=0, **settings))


def kept(dataset: Dataset, recipe: Recipe) -> list[str]:
    curate(dataset, recipe.curate, recipe)
    answers = {sample.id: sample.answer for sample in dataset.samples()}
    return sorted(answers[verdict.sample] for verdict in dataset.verdicts() if verdict.state == "kept")


def test_short_rows_are_lengthened_and_their_children_stand_for_them(dataset: Dataset, recipe: Recipe) -> None:
    fill(dataset, row("a", "A goat sleeps."), row("b", LONG), row("c", "A captain wakes."))
    curate(dataset, recipe.curate, recipe)
    writer = saying(retold)
    done = run(recipe, dataset, writer)
    assert (done.touched, done.added, done.refused, done.interrupted) == (2, 2, {}, False)
    assert writer.provider.asked == ["A goat sleeps.", "A captain wakes."]
    assert done.usd_per_row == pytest.approx((100 * 1.0 + 50 * 2.0) / 1e6)
    assert kept(dataset, recipe) == sorted([LONG, retold("A goat sleeps."), retold("A captain wakes.")])
    assert len(list(dataset.samples())) == 5, "parents are kept as dropped rows"


def test_a_second_run_asks_for_nothing(dataset: Dataset, recipe: Recipe) -> None:
    fill(dataset, row("a", "A goat sleeps."))
    run(recipe, dataset, saying(retold))
    writer = saying(retold)
    assert plan_augment(recipe, dataset, writer).rows == {}
    assert run(recipe, dataset, writer).touched == 0
    assert writer.provider.asked == []


def test_a_rehearsed_rewrite_of_a_real_row_stands_aside_and_a_real_one_is_made(
    dataset: Dataset, recipe: Recipe
) -> None:
    fill(dataset, row("a", "A goat sleeps."))
    rehearsal = saying(retold)
    rehearsal.provider.rehearsal, rehearsal.provider.namespace = True, "rehearsal"
    assert plan_augment(recipe, dataset, rehearsal).rehearsed == 1
    done = run(recipe, dataset, rehearsal)
    assert (done.added, done.aside) == (1, 1)
    kept(dataset, recipe)
    assert [row.state for row in rows.read(dataset)] == ["dropped", "aside"]
    real = saying(lambda text: retold(text) + " Truly.")
    assert plan_augment(recipe, dataset, real).rehearsed == 0
    done = run(recipe, dataset, real)
    assert (done.added, done.aside, len(real.provider.asked)) == (1, 0, 1)
    kept(dataset, recipe)
    assert [row.state for row in rows.read(dataset)] == ["dropped", "aside", "kept"]


def test_a_child_that_a_hand_deleted_is_not_made_again(dataset: Dataset, recipe: Recipe) -> None:
    fill(dataset, row("a", "A goat sleeps."))
    run(recipe, dataset, saying(retold))
    path = dataset.path / "samples.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(DataError, match="1 row deleted by hand") as error:
        run(recipe, dataset, saying(retold))
    assert "--adopt" in error.value.hint
    dataset.adopt()
    assert run(recipe, dataset, saying(retold)).touched == 0


def test_the_price_comes_before_anything_is_sent(dataset: Dataset, recipe: Recipe) -> None:
    fill(dataset, row("a", "A goat sleeps."), row("b", LONG))
    writer = saying(retold)
    plan = plan_augment(recipe, dataset, writer)
    assert (plan.rows, plan.new_calls, plan.reused) == ({"expand": 1}, 1, 0)
    assert [row.id for row in plan.touched] == ["a"]
    assert plan.usd_expected is not None
    assert plan.usd_worst is not None
    assert 0 < plan.usd_expected < plan.usd_worst
    assert plan.usd_worst >= 200 * 2.0 / 1e6, "all of max_tokens"
    assert writer.provider.asked == []


SORRY = "I'm sorry, but I can't help with that request. " + "Please ask for something else. " * 5


@pytest.mark.parametrize(("change", "reason", "code"), [
    (str.upper, "stop", "not-longer"), (lambda text: text + " Indeed.", "stop", "still-too-short"),
    (retold, "length", "finish-reason"), (retold, "content_filter", "refusal"),
    (lambda text: SORRY, "stop", "refusal"),
])
def test_an_answer_that_is_no_gain_is_refused_and_counted(
    dataset: Dataset, recipe: Recipe, change: Callable[[str], str], reason: str, code: str
) -> None:
    fill(dataset, row("a", "A goat sleeps."))
    done = run(recipe, dataset, saying(change, reason))
    assert (done.added, done.refused) == (0, {code: 1})
    assert [(refusal.id, refusal.rewrite, refusal.code) for refusal in done.refusals] == [("a", "expand", code)]
    assert [sample.id for sample in dataset.samples()] == ["a"]
    writer = saying(change, reason)
    again = run(recipe, dataset, writer)
    assert (again.refused, writer.provider.asked) == ({code: 1}, []), "what was answered costs nothing"


def test_a_child_that_breaks_a_rule_that_its_parent_keeps_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    recipe = parse_recipe(RECIPE.replace("min: 100,", "min: 100, max: 200,"), tmp_path / "tales.yaml")
    fill(dataset, row("a", "A goat sleeps."))
    done = run(recipe, dataset, saying(retold))
    assert done.refused == {}, "both are out of bounds"
    recipe = parse_recipe(RECIPE.replace("min: 100,", "max: 200,"), tmp_path / "tales.yaml")
    fill(dataset, row("b", "A captain wakes."))
    assert run(recipe, dataset, saying(retold)).refused == {"length": 1}


def test_rows_that_it_cannot_save_are_left_alone(dataset: Dataset, recipe: Recipe) -> None:
    fill(dataset, row("refused", "I can't help with that."), row("by hand", "A goat."), row("copy 1", "A captain."),
         row("copy 2", "A captain."), row("aside", "A rehearsed goat.", rehearsal=True))
    dataset.review("by hand", "drop", "", by="eva")
    curate(dataset, recipe.curate, recipe)
    writer = saying(retold)
    assert run(recipe, dataset, writer).touched == 2
    assert writer.provider.asked == ["A captain."], "the same question is asked once"


def test_a_failed_call_is_counted_and_a_row_in_failures(dataset: Dataset, recipe: Recipe) -> None:
    fill(dataset, row("a", "A goat sleeps."), row("b", "A captain wakes."))

    def answer(text: str) -> Answer | Failure:
        good = Answer({"role": "assistant", "content": retold(text)}, "stop", Usage(100, 50), "writer-1")
        return Failure("bad_request", "no goats", status=400) if "goat" in text else good

    done = run(recipe, dataset, Writer(Scripted(answer)))
    assert (done.added, done.failed) == (1, 1)
    assert len((dataset.path / "failures.jsonl").read_bytes().splitlines()) == 1


def test_a_cap_needs_a_price_and_a_limit(dataset: Dataset, recipe: Recipe) -> None:
    fill(dataset, row("a", "A goat sleeps."))
    with pytest.raises(RecipeError, match="needs a price"):
        run(recipe, dataset, saying(retold)._replace(price=None), max_usd=1.0)


def test_a_cap_counts_what_was_spent_before(dataset: Dataset, recipe: Recipe) -> None:
    """What generating spent is under the same cap: a rewrite that could pass it is not asked for."""
    fill(dataset, row("a", "A goat sleeps."))
    spent = Call("c" * 26, "openai", {}, 0, {"content": "x"}, "stop", Usage(10, 10), "writer-1", 0.1, 0.0098, 1, now())
    dataset.calls.record(spent)
    writer = saying(retold)
    with pytest.raises(CapReached, match=r"\$0.0098 are spent"):
        run(recipe, dataset, writer, max_usd=0.01)
    assert writer.provider.asked == []
    assert run(recipe, dataset, writer, max_usd=0.02).added == 1


OWN = '''
"""Raises."""
from pipeline.rewrites import Options, Rewrite


class Broken(Rewrite[Options]):
    """Raises where it is told to."""

    def applies(self, sample):
        return {applies}

    def messages(self, sample):
        return [*sample.messages, {{"role": "user", "content": "More!"}}]

    def text(self, sample, call):
        raise ValueError("no text")


plugin = Broken
'''


def test_a_rewrite_that_raises(dataset: Dataset, tmp_path: Path) -> None:
    text = RECIPE.replace("expand: {below: 100}", "rewrite: ./broken.py")
    fill(dataset, row("a", "A goat sleeps."))
    (tmp_path / "broken.py").write_text(OWN.format(applies="True"))
    done = run(parse_recipe(text, tmp_path / "tales.yaml"), dataset, saying(retold))
    assert [refusal.reason for refusal in done.refusals] == ["broken raised ValueError: no text"]
    (tmp_path / "broken.py").write_text(OWN.format(applies="sample.nothing"))
    with pytest.raises(RecipeError, match="broken raised AttributeError on row a"):
        run(parse_recipe(text, tmp_path / "tales.yaml"), dataset, saying(retold))


def test_rows_of_a_rehearsal_stay_rehearsed(dataset: Dataset, recipe: Recipe) -> None:
    fill(dataset, row("a", "A goat sleeps.", rehearsal=True))
    run(recipe, dataset, saying(retold))
    assert all(sample.rehearsal for sample in dataset.samples())


def test_a_rehearsed_child_does_not_replace_a_real_row(dataset: Dataset, recipe: Recipe) -> None:
    fill(dataset, row("a", LONG.strip()))
    child = replace(row("a2", LONG + "!", rehearsal=True, replaces="a"), parent="a")
    fill(dataset, child)
    assert LONG.strip() in kept(dataset, recipe)
    states = {verdict.sample: verdict.state for verdict in dataset.verdicts()}
    assert states["a"] == "kept"


# -- rewrites that ask nobody ------------------------------------------------------------------------

MASKING = RECIPE.replace("augment: [{expand: {below: 100}}]", "augment: [mask]").replace("refusal,", "refusal, pii,")


def nobody(text: str) -> str:
    raise AssertionError(f"asked about {text}")


def test_a_local_rewrite_costs_nothing_and_asks_nobody(dataset: Dataset, tmp_path: Path) -> None:
    recipe = parse_recipe(MASKING, tmp_path / "tales.yaml")
    fill(dataset, row("a", f"{LONG} Write to eva@holm.io.", cost_usd=0.5), row("b", LONG))
    curate(dataset, recipe.curate, recipe)
    writer = saying(nobody)
    assert not asks(recipe, dataset)
    plan = plan_augment(recipe, dataset, writer)
    assert (plan.rows, plan.free, plan.new_calls, plan.usd_expected, plan.usd_worst) == ({"mask": 1}, 1, 0, 0.0, 0.0)
    done = run(recipe, dataset, writer._replace(price=None), max_usd=1.0)
    assert (done.touched, done.free, done.added, done.refused, done.usd_per_row) == (1, 1, 1, {}, 0.0)
    texts = kept(dataset, recipe)
    assert len(texts) == 2
    assert not any("eva@holm.io" in text for text in texts)
    assert all("@example." in text for text in texts if "Write to" in text)
    assert len(list(dataset.samples())) == 3, "the parent is kept as a dropped row"
    assert {verdict.sample: verdict.state for verdict in dataset.verdicts()}["a"] == "dropped"
    assert list(dataset.calls.outcomes("answered")) == []


def test_a_second_time_nothing_is_masked(dataset: Dataset, tmp_path: Path) -> None:
    recipe = parse_recipe(MASKING, tmp_path / "tales.yaml")
    fill(dataset, row("a", f"{LONG} Write to eva@holm.io."))
    assert run(recipe, dataset, saying(nobody)).added == 1
    assert run(recipe, dataset, saying(nobody)).touched == 0


def test_rows_that_pii_dropped_are_cured_and_others_are_not(dataset: Dataset, tmp_path: Path) -> None:
    recipe = parse_recipe(MASKING.replace("pii,", "{pii: {act: drop}},"), tmp_path / "tales.yaml")
    fill(dataset, row("a", f"{LONG} Write to eva@holm.io."), row("short", "Write to eva@holm.io."))
    curate(dataset, recipe.curate, recipe)
    assert {verdict.state for verdict in dataset.verdicts()} == {"dropped"}
    assert run(recipe, dataset, saying(nobody)).touched == 1
    assert len(kept(dataset, recipe)) == 1


def test_local_and_asking_rewrites_go_together(dataset: Dataset, tmp_path: Path) -> None:
    recipe = parse_recipe(MASKING.replace("[mask]", "[mask, expand: {below: 100}]"), tmp_path / "tales.yaml")
    fill(dataset, row("a", f"{LONG} Write to eva@holm.io."), row("b", "A goat sleeps."))
    writer = saying(retold)
    assert asks(recipe, dataset)
    plan = plan_augment(recipe, dataset, writer)
    assert (plan.rows, plan.free, plan.new_calls) == ({"mask": 1, "expand": 1}, 1, 1)
    done = run(recipe, dataset, writer)
    assert (done.added, done.free, writer.provider.asked) == (2, 1, ["A goat sleeps."])


def test_what_each_rewrite_gained_and_did_cost(dataset: Dataset, tmp_path: Path) -> None:
    recipe = parse_recipe(MASKING.replace("[mask]", "[mask, expand: {below: 100}]"), tmp_path / "tales.yaml")
    fill(dataset, row("a", f"{LONG} Write to eva@holm.io."), row("b", "A goat sleeps."), row("c", "A captain."))
    writer = saying(lambda text: retold(text) if "goat" in text else "Too short.")
    done = run(recipe, dataset, writer)
    mask, expand = done.by["mask"], done.by["expand"]
    assert (mask.touched, mask.calls, mask.gained, mask.usd, mask.usd_per_row) == (1, 0, 1, 0.0, 0.0)
    assert (expand.touched, expand.calls, expand.gained, expand.refused) == (2, 2, 1, {"not-longer": 1})
    assert expand.usd == pytest.approx(2 * (100 * 1.0 + 50 * 2.0) / 1e6), "a refused answer was paid for, too"
    assert expand.usd_per_row == expand.usd
    assert done.as_json()["by"]["expand"]["refused"] == {"not-longer": 1}
    again = run(recipe, dataset, writer).by["expand"]
    assert (again.touched, again.calls, again.gained, again.usd) == (1, 0, 0, 0.0), "what is known costs nothing"


CUTS = (f"{RECIPE.partition('curate:')[0]}curate: [finish_reason, cut_ending, mojibake]\n"
        "augment: [strip_opener, mend_text, continue]\n")


def test_a_cut_row_is_continued_and_courtesies_and_mojibake_cost_nothing(dataset: Dataset, tmp_path: Path) -> None:
    recipe = parse_recipe(CUTS, tmp_path / "tales.yaml")
    cut = LONG[:LONG.index("captain")] + "cap"
    fill(dataset, row("polite", f"Certainly! {LONG.strip()} I hope this helps!"),
         row("cut", cut, finish_reason="length"),
         row("broken", f"{LONG}The cafÃ© is shut."), row("whole", LONG.strip()))
    curate(dataset, recipe.curate, recipe)
    assert {verdict.sample: verdict.state for verdict in dataset.verdicts()} == {
        "polite": "kept", "cut": "dropped", "broken": "dropped", "whole": "kept"}
    done = run(recipe, dataset, saying(lambda text: "told the captain, who sleeps beside a goat."))
    assert {name: (tally.calls, tally.gained) for name, tally in done.by.items()} == {
        "strip-opener": (0, 1), "continue": (1, 1), "mend-text": (0, 1)}
    assert kept(dataset, recipe) == sorted([
        LONG.strip(), LONG.strip(), f"{LONG}The café is shut.", f"{cut[:-3]}captain, who sleeps beside a goat."])


LOCAL = '''
"""Changes what it is told."""
from pipeline.rewrites import Changed, LocalRewrite, Options


class Local(LocalRewrite[Options]):
    """Upper case."""

    def applies(self, sample):
        return not sample.answer.isupper()

    def change(self, sample):
        {body}


plugin = Local
'''


@pytest.mark.parametrize(("body", "refused"), [
    ("raise ValueError('no text')", {"error": 1}), ("return Changed(sample, 'nothing')", {"unchanged": 1}),
    ("return Changed(sample.with_messages([{'role': 'assistant', 'content': 'GOAT'}]), 'case')", {"length": 1}),
])
def test_a_local_rewrite_that_is_no_gain_is_refused_and_counted(
    dataset: Dataset, tmp_path: Path, body: str, refused: dict[str, int]
) -> None:
    (tmp_path / "local.py").write_text(LOCAL.format(body=body))
    recipe = parse_recipe(RECIPE.replace("expand: {below: 100}", "rewrite: ./local.py"), tmp_path / "tales.yaml")
    fill(dataset, row("a", LONG))
    done = run(recipe, dataset, saying(nobody))
    assert (done.added, done.refused) == (0, refused)
