"""Rules that compare notes of rows, which are made in the first pass: no row is read again; a fault is a record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.curate import curate
from pipeline.curate.measure import UNNOTED, Measuring, notes_of
from pipeline.recipe import parse_recipe
from pipeline.rules import NotedRule, open_rules
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.types import Problem, Sample, Verdict
from tests.curate.test_curate import LENGTH, STORY, dataset, fill, items, row, run, verdicts

__all__ = ["dataset"]

GOATS = '''
"""Drops rows whose answer came before, by notes; a goat cannot be noted, and a sheep's note is nothing to write."""
from pipeline.rules import Match, NotedRule, Options


class Twice(NotedRule[Options, Options]):
    """By the answer."""

    def note(self, sample):
        if "goat" in sample.answer:
            raise KeyError("goat")
        return object() if "sheep" in sample.answer else sample.answer

    def among(self, notes, held):
        seen = set()
        for name, note in sorted(notes):
            if note in seen:
                yield Match(name, 2, "drop", "came before")
            seen.add(note)


plugin = Twice
'''
BOTH = ["exact_duplicate", {"same_answer": {"words": 3}}, "label_conflict", "label_set"]
TALE = "The ship left at dawn, and nobody on the quay waved"


def test_rows_are_read_once(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(dataset, [row("a", TALE), row("b", TALE), row("c", STORY)])
    reads: list[int] = []
    read = Dataset.samples

    def counted(self: Dataset, problem: Callable[[Problem], None] | None = None) -> Iterator[Sample]:
        for number, sample in enumerate(read(self, problem), 1):
            reads.append(number)
            yield sample

    monkeypatch.setattr(Dataset, "samples", counted)
    run(dataset, LENGTH)
    alone = len(reads)
    run(dataset, LENGTH, *BOTH)
    assert len(reads) == 2 * alone
    assert {name: verdict.state for name, verdict in verdicts(dataset).items()} == {
        "a": "kept", "b": "dropped", "c": "kept"}


def own(dataset: Dataset, folder: Path, *answers: str) -> dict[str, Verdict]:
    (folder / "twice.py").write_text(GOATS)
    text = ("synth: 1\nname: plots\nsource: {file: rows.jsonl}\ntrain: {user: x}\n"
            "curate: [{length: {min: 20, unit: chars}}, {rule: ./twice.py}]\n")
    recipe = parse_recipe(text, folder / "plots.yaml")
    fill(dataset, [row("abcd"[at], answer) for at, answer in enumerate(answers)])
    curate(dataset, recipe.curate, recipe)
    return verdicts(dataset)


def test_a_fault_on_a_row_that_stands_is_an_error_of_the_rule(dataset: Dataset, tmp_path: Path) -> None:
    found = own(dataset, tmp_path, TALE, TALE, f"{TALE} but a goat")
    assert {name: verdict.state for name, verdict in found.items()} == {"a": "kept", "b": "kept", "c": "kept"}
    last = found["b"].findings[-1]
    assert (last.outcome, last.reason) == ("error", "KeyError: 'goat'")


def test_a_fault_on_a_row_that_is_gone_is_none(dataset: Dataset, tmp_path: Path) -> None:
    found = own(dataset, tmp_path, TALE, TALE, "a goat")
    assert {name: verdict.state for name, verdict in found.items()} == {"a": "kept", "b": "dropped", "c": "dropped"}
    assert found["b"].findings[-1].reason == "came before"


def test_a_note_that_cannot_be_written_is_made_where_it_is_compared(dataset: Dataset, tmp_path: Path) -> None:
    """Sorted with a text, an object raises: what the rule says of it is as if it had read the rows itself."""
    found = own(dataset, tmp_path, TALE, TALE, f"{TALE}, counting sheep")
    assert {name: verdict.state for name, verdict in found.items()} == {"a": "kept", "b": "dropped", "c": "kept"}


def test_one_rule_that_fails_leaves_the_notes_of_others() -> None:
    rules = [rule for rule in open_rules(items(*BOTH)) if isinstance(rule, NotedRule)]
    import marshal

    whole = marshal.loads(notes_of(rules, row("a", TALE)))
    assert len(whole) == 4
    assert UNNOTED not in whole

    def fails(sample: Sample) -> Any:
        raise ValueError(sample.id)

    rules[1].note = fails  # type: ignore[method-assign]
    assert marshal.loads(notes_of(rules, row("a", TALE))) == [whole[0], UNNOTED, *whole[2:]]


def test_other_processes_note_rows_as_this_one_does(tmp_path: Path) -> None:
    (tmp_path / "where.py").write_text('''
"""Says which process measures."""
import os
from pipeline.rules import Decision, Measured, Options, RowRule


class Where(RowRule[Options, Options]):
    """Its number."""

    def measure(self, sample):
        return Measured(os.getpid(), (0, 1))

    def decide(self, measured):
        return Decision("flag", "here")


plugin = Where
''')
    given = [Item(name="./where.py"), *items("exact_duplicate")]
    ticks = iter(range(10_000))
    measuring = Measuring(open_rules(given, folder=tmp_path), given, tmp_path, 2, lambda: next(ticks), look=400)
    found = list(measuring.run((row(f"r{each}", f"{TALE} {each}"), None) for each in range(900)))
    by = [judged.spoke[0].value for _, judged in found]
    assert set(by[:400]) == {os.getpid()}
    assert os.getpid() not in by[400:]
    noted = open_rules(items("exact_duplicate"))[0]
    assert isinstance(noted, NotedRule)
    assert [judged.notes for _, judged in found] == [notes_of([noted], asked.sample) for asked, _ in found]
