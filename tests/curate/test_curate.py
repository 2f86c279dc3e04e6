"""The stage `curate`: two passes, one state per row, nothing deleted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.curate import Curation, curate
from pipeline.errors import RecipeError, YieldError
from pipeline.recipe import parse_recipe
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.types import Sample, Verdict

STORY = "The ferry leaves at six, and nobody has told the captain about the goat in the engine room"


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Dataset]:
    with Dataset.create(tmp_path / "plots") as found:
        yield found


def fill(dataset: Dataset, samples: Iterable[Sample]) -> None:
    with dataset.sample_writer() as writer:
        for sample in samples:
            assert writer.add(sample)


def row(name: str, answer: str, **fields: Any) -> Sample:
    messages = [{"role": "user", "content": f"About {name}"}, {"role": "assistant", "content": answer}]
    return Sample(name, messages, **fields)


def items(*given: Any) -> list[Item]:
    return [Item.model_validate(each) for each in given]


def run(dataset: Dataset, *given: Any) -> Curation:
    return curate(dataset, items(*given))


def verdicts(dataset: Dataset) -> dict[str, Verdict]:
    return {verdict.sample: verdict for verdict in dataset.verdicts()}


LENGTH = {"length": {"min": 20, "unit": "chars"}}


def test_every_rule_speaks_about_every_row(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short", provenance={"finish_reason": "length"}), row("b", STORY), row("c", STORY)])
    done = run(dataset, LENGTH, "finish_reason", "refusal", {"exact_duplicate": {"over": "answer"}})
    found = verdicts(dataset)
    assert {name: verdict.state for name, verdict in found.items()} == {"a": "dropped", "b": "kept", "c": "dropped"}
    assert [(f.rule, f.outcome) for f in found["a"].findings] == [
        ("length", "drop"), ("finish-reason", "drop"), ("refusal", "keep"), ("exact-duplicate", "unmeasured")]
    assert [(f.rule, f.outcome) for f in found["c"].findings] == [
        ("length", "keep"), ("finish-reason", "not_applicable"), ("refusal", "keep"), ("exact-duplicate", "drop")]
    tally = done.tally
    assert (tally.rows, tally.kept, tally.dropped) == (3, 1, 2)
    assert tally.by_rule == {"length": 1, "finish-reason": 1, "exact-duplicate": 1}
    assert tally.only_by_rule == {"exact-duplicate": 1}


def test_a_dropped_row_represents_nobody(dataset: Dataset) -> None:
    cut = row("a", STORY, provenance={"finish_reason": "length"})
    fill(dataset, [cut, row("b", STORY + "!")])
    run(dataset, "finish_reason", {"near_duplicate": {"threshold": 0.5}})
    assert {name: verdict.state for name, verdict in verdicts(dataset).items()} == {"a": "dropped", "b": "kept"}


def test_comparing_rules_do_not_drop_each_others_representatives(dataset: Dataset) -> None:
    fill(dataset, [row("a", STORY), row("b", STORY), row("c", f"{STORY}. The captain is told at last")])
    run(dataset, {"exact_duplicate": {"over": "answer"}}, {"near_duplicate": {"threshold": 0.5, "keep": "first"}})
    assert {name: verdict.state for name, verdict in verdicts(dataset).items()} == {
        "a": "kept", "b": "dropped", "c": "dropped"}


def test_counts_survive_rows_in_another_order(dataset: Dataset, tmp_path: Path) -> None:
    rows = [row(f"r{index:03}", STORY + " x" * (index % 7), cell={"genre": str(index % 3)}) for index in range(60)]
    fill(dataset, rows)
    rules = (LENGTH, {"near_duplicate": {"threshold": 0.9}})
    first = run(dataset, *rules).as_json()
    Random(3).shuffle(rows)
    with Dataset.create(tmp_path / "shuffled" / "plots") as other:
        fill(other, rows)
        assert run(other, *rules).as_json() == first
        assert verdicts(other) == verdicts(dataset)


def test_the_same_rows_give_the_same_bytes_and_nothing_is_measured_twice(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", STORY)])
    first = run(dataset, LENGTH, "refusal")
    data = first.verdicts.read_bytes()
    again = run(dataset, LENGTH, "refusal")
    assert again.verdicts.read_bytes() == data
    assert (first.reused, again.reused) == (0, 4)


def test_a_moved_bound_is_decided_from_what_was_measured(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", STORY)])
    run(dataset, LENGTH)
    path = dataset.path / "verdicts.jsonl"
    path.write_text(path.read_text().replace('"value":5', '"value":7'))  # what the cache says, not the text
    moved = run(dataset, {"length": {"min": 7, "unit": "chars"}})
    assert (moved.tally.kept, moved.reused) == (2, 2)
    other = run(dataset, {"length": {"min": 7, "unit": "bytes"}})
    assert (other.tally.kept, other.reused) == (1, 0)


def test_a_changed_row_is_measured_again(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", STORY)])
    run(dataset, LENGTH)
    path = dataset.path / "samples.jsonl"
    path.write_text(path.read_text().replace('"short"', '"long enough to stay, by hand"'))
    again = run(dataset, LENGTH)
    assert (again.tally.kept, again.reused) == (2, 1)


def test_a_person_wins_over_rules(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", STORY), row("c", STORY)])
    dataset.review("a", "keep", row("a", "short").digest, by="eva")
    dataset.review("b", "drop", "digest of an earlier text", by="eva")
    done = run(dataset, LENGTH, {"exact_duplicate": {"over": "answer"}})
    found = verdicts(dataset)
    assert {name: verdict.state for name, verdict in found.items()} == {"a": "kept", "b": "dropped", "c": "kept"}
    assert done.tally.by_rule == {"review": 1}
    reasons = {name: f.reason for name, verdict in found.items() for f in verdict.findings if f.rule == "review"}
    assert reasons == {"a": "decided by eva: keep", "b": "decided by eva: drop, on an earlier text of this row"}


def test_a_row_that_a_person_keeps_represents_its_copies(dataset: Dataset) -> None:
    fill(dataset, [row("a", STORY), row("b", STORY)])
    dataset.review("b", "keep", "", by="eva")
    run(dataset, {"exact_duplicate": {"over": "answer"}})
    assert {name: verdict.state for name, verdict in verdicts(dataset).items()} == {"a": "dropped", "b": "kept"}


def child(name: str, parent: str, answer: str) -> Sample:
    return row(name, answer, parent=parent, provenance={"augmentation": "expand", "replaces": parent})


def test_a_rewrite_that_stands_is_in_its_parents_place(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", "short"), child("a2", "a", STORY), child("b2", "b", "also short"),
                   child("a3", "a2", STORY + ", which is brown")])
    done = run(dataset, {"length": {"min": 5, "unit": "chars"}}, LENGTH, {"near_duplicate": {"threshold": 0.3}})
    found = verdicts(dataset)
    assert {name for name, verdict in found.items() if verdict.state == "kept"} == {"a3"}
    assert done.tally.by_rule == {"length-2": 3, "rewritten": 2}
    reasons = {f.reason for f in found["a"].findings if f.rule == "rewritten"}
    assert reasons == {"replaced by a3, which was rewritten from it"}


def test_a_parent_stays_where_its_rewrite_falls_or_where_a_person_keeps_it(dataset: Dataset) -> None:
    fill(dataset, [row("a", STORY), child("a2", "a", "short"), row("b", STORY), child("b2", "b", STORY + " indeed")])
    dataset.review("b", "keep", "", by="eva")
    run(dataset, LENGTH)
    kept = {name for name, verdict in verdicts(dataset).items() if verdict.state == "kept"}
    assert kept == {"a", "b", "b2"}


@pytest.mark.parametrize("held", ["", "a", "ab"])
def test_parents_in_a_circle_do_not_replace_each_other(dataset: Dataset, held: str) -> None:
    fill(dataset, [child("a", "b", STORY), child("b", "a", STORY), child("c", "c", STORY)])
    for name in held:
        dataset.review(name, "keep", "", by="eva")
    run(dataset, LENGTH)
    kept = {name for name, verdict in verdicts(dataset).items() if verdict.state == "kept"}
    assert kept == ({"a", "c"} if held == "a" else {"a", "b", "c"})


OWN = '''
"""Raises on goats, and compares as {how}."""
from pipeline.rules import CompareRule, Decision, Measured, Options, RowRule, Rule


class Goats(RowRule[Options, Options]):
    """Counts goats."""

    def measure(self, sample):
        if "goat" in sample.answer:
            raise ValueError("a goat")
        return Measured(0)

    def decide(self, measured):
        return Decision("keep")


plugin = Goats
'''
BROKEN = '''
"""A comparison that raises."""
from pipeline.rules import CompareRule, Options


class Broken(CompareRule[Options, Options]):
    """Raises."""

    def compare(self, standing, held):
        for sample in standing:
            raise KeyError("nothing")
            yield


plugin = Broken
'''


def test_a_rule_that_raises_is_a_record_on_the_row(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "goats.py").write_text(OWN)
    (tmp_path / "broken.py").write_text(BROKEN)
    text = ("synth: 1\nname: plots\nsource: {file: rows.jsonl}\ntrain: {user: x}\n"
            "curate: [{rule: ./goats.py}, {rule: ./broken.py}]\n")
    recipe = parse_recipe(text, tmp_path / "plots.yaml")
    fill(dataset, [row("a", STORY), row("b", "A story without animals")])
    done = curate(dataset, recipe.curate, recipe)
    found = verdicts(dataset)
    assert [verdict.state for verdict in found.values()] == ["kept", "kept"]
    assert {f.rule: (f.outcome, f.reason) for f in found["a"].findings} == {
        "goats": ("error", "ValueError: a goat"), "broken": ("error", "KeyError: 'nothing'")}
    assert done.tally.flagged == 2
    assert done.tally.errors_by_rule == {"goats": 1, "broken": 2}


def test_code_beside_a_snapshot_is_not_run(dataset: Dataset) -> None:
    (dataset.path / "goats.py").write_text(OWN)
    text = "synth: 1\nname: plots\nsource: {file: rows.jsonl}\ntrain: {user: x}\ncurate: [{rule: ./goats.py}]\n"
    recipe = parse_recipe(text, dataset.path / "recipe.yaml")
    with pytest.raises(RecipeError, match=r"recipe\.yaml:5: .*goats.py"):
        curate(dataset, recipe.curate, recipe)


@pytest.mark.parametrize(("rule", "message", "hint"), [
    ("lenght: {min: 1}", "plots.yaml:6: unknown rule 'lenght'", "did you mean 'length'?"),
    ("length: {min: 1, unit: bytes, mx: 3}", "plots.yaml:6: length: unknown option 'mx'", "did you mean 'max'?"),
])
def test_faults_of_a_recipe_have_a_line(dataset: Dataset, tmp_path: Path, rule: str, message: str, hint: str) -> None:
    text = f"synth: 1\nname: plots\nsource: {{file: rows.jsonl}}\ntrain: {{user: x}}\ncurate:\n  - {rule}\n"
    recipe = parse_recipe(text, tmp_path / "plots.yaml")
    with pytest.raises(RecipeError) as error:
        curate(dataset, recipe.curate, recipe)
    assert (error.value.message, error.value.hint) == (message, hint)


def test_all_dropped_is_told_in_full_and_is_no_success(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", "shorter")])
    done = run(dataset, LENGTH)
    assert [verdict.state for verdict in dataset.verdicts()] == ["dropped", "dropped"]
    with pytest.raises(YieldError, match="all 2 rows are dropped, 2 of them by length") as error:
        done.require_rows("plots")
    assert error.value.hint == "synth inspect plots --rule length"
    assert [example.reason for example in done.tally.examples] == ["5 chars < 20", "7 chars < 20"]


def test_no_row_is_no_success(dataset: Dataset) -> None:
    with pytest.raises(YieldError, match="no row to curate"):
        run(dataset, LENGTH).require_rows("plots")


def test_a_line_that_is_no_row_is_a_problem(dataset: Dataset) -> None:
    fill(dataset, [row("a", STORY)])
    with (dataset.path / "samples.jsonl").open("a") as file:
        file.write("{broken\n")
    done = run(dataset, LENGTH)
    assert (done.tally.rows, len(done.problems)) == (1, 1)


def test_rows_that_stand_aside_are_judged_and_neither_counted_nor_compared(dataset: Dataset) -> None:
    rehearsed = replace(row("a", STORY), provenance={"rehearsal": True})
    fill(dataset, [rehearsed, replace(rehearsed, id="b"), row("c", STORY), row("d", "short")])
    done = run(dataset, LENGTH, {"exact_duplicate": {"over": "answer"}})
    assert done.aside == {"rehearsed": 2}
    assert (done.tally.rows, done.tally.kept, done.tally.by_rule) == (2, 1, {"length": 1})
    found = verdicts(dataset)
    assert {name: verdict.state for name, verdict in found.items()} == {
        "a": "kept", "b": "kept", "c": "kept", "d": "dropped"}
    assert found["a"].findings[-1].outcome == "unmeasured"


def test_the_manifest_holds_rules_with_options_and_counts(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", STORY)])
    run(dataset, LENGTH, LENGTH)
    noted = dataset.manifest()["curation"]
    assert (noted["kept"], noted["by_rule"]) == (1, {"length": 1, "length-2": 1})
    assert [rule["rule"] for rule in noted["rules"]] == ["length", "length-2"]
    assert noted["rules"][0]["options"] == {
        "unit": "chars", "newline": "as-is", "of": "last", "model": None, "min": 20, "max": None}


def test_a_rule_that_falls_on_one_value_is_named_with_its_test(dataset: Dataset) -> None:
    rows = [row(f"r{i}", "short" if i % 4 == 0 and i % 10 else STORY,
                cell={"genre": "noir" if i % 4 == 0 else "epic", "place": "Oslo" if i % 3 else "Lima"})
            for i in range(200)]
    fill(dataset, rows)
    done = run(dataset, LENGTH, "refusal")
    (found,) = done.tally.uneven
    assert (found.rule, found.axis, found.value, found.taken, found.rows, found.of_others, found.others) == (
        "length", "genre", "noir", 40, 50, 0, 150)
    assert found.p < 1e-6
    told = done.told(None)
    assert told["axes"]["genre"]["noir"] == {"rows": 50, "dropped": 40, "by_rule": {"length": 40}}
    assert told["axes"]["genre"]["epic"] == {"rows": 150, "dropped": 0, "by_rule": {}}


def test_two_rules_that_share_the_blame_are_told_together(dataset: Dataset) -> None:
    """Neither is sure of itself on that axis; both together are."""
    fill(dataset, [row(f"r{i}", STORY, cell={"genre": "noir" if i % 2 else "epic"},
                       provenance={1: {"finish_reason": "length"}, 5: {"refusal": "no"}}.get(i % 14, {}))
                   for i in range(70)])
    found = run(dataset, "finish_reason", "refusal").tally.uneven
    assert [(one.rule, one.taken, one.of_others) for one in found] == [("all rules together", 10, 0)]


def test_rules_that_drop_the_same_rows_are_counted_by_pair(dataset: Dataset) -> None:
    cut = {"finish_reason": "length"}
    fill(dataset, [row("a", "short", provenance=cut), row("b", "short", provenance=cut), row("c", "short"),
                   row("d", STORY, provenance=cut), row("e", STORY)])
    done = run(dataset, LENGTH, "finish_reason")
    assert done.tally.overlap == [(("finish-reason", "length"), 2)]
    assert done.tally.only_by_rule == {"length": 1, "finish-reason": 1}
    assert done.told(None)["together"] == [{"rules": ["finish-reason", "length"], "rows": 2}]


def test_an_axis_of_names_is_not_counted_by_name(dataset: Dataset) -> None:
    fill(dataset, [row(f"r{i}", STORY, cell={"hero": f"hero {i}", "genre": "noir"}) for i in range(300)])
    assert {share.axis for share in run(dataset, LENGTH).tally.axes} == {"genre"}


def test_verdicts_are_one_line_each(dataset: Dataset) -> None:
    fill(dataset, [row("a", STORY), row("b", "short")])
    path = run(dataset, LENGTH, "refusal").verdicts
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["sample"] for line in lines] == ["a", "b"]
    assert all(line["digest"] and line["findings"] for line in lines)
