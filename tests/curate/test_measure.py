"""Row rules in several processes: the same findings in the same order, whatever becomes of a process."""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path

import pytest

from pipeline.curate.measure import Asked, Judge, Judged, Measuring
from pipeline.rules import RowRule, open_rules
from pipeline.sections import Item
from pipeline.types import CallRef, Finding, Sample, Verdict

WHERE = '''
"""Says which process measures; raises on goats, gives what is no JSON on sheep."""
from pipeline.rules import Decision, Measured, Options, RowRule, Rule
import os


class Where(RowRule[Options, Options]):
    """Its number."""

    def measure(self, sample):
        if "goat" in sample.answer:
            raise ValueError("a goat")
        if "sheep" in sample.answer:
            return Measured({1, 2})
        {more}
        return Measured(os.getpid(), (0, 1))

    def decide(self, measured):
        return Decision("flag", "here")


plugin = Where
'''
DIES = "if os.getpid() != {pid}: os._exit(1)"
ITEMS = [Item.model_validate(each) for each in (
    {"length": {"min": 20, "unit": "chars"}}, "refusal", "finish_reason", "exact_duplicate")]


def rows(number: int) -> list[tuple[Sample, Verdict | None]]:
    """Rows with all that a line of JSON may hold, some of them known from before."""
    texts = ("A ferry leaves at six, and nobody told the goat", "short", "I'm sorry, but I can't help with that.",
             "half \ud800 of a pair", "counting sheep takes the whole night", "Wien, im März")
    found = list[tuple[Sample, Verdict | None]]()
    for index in range(number):
        sample = Sample(
            f"row{index}", [{"role": "user", "content": "x"}, {"role": "assistant", "content": texts[index % 6] * 2}],
            cell={"n": index}, fields={"big": 2**80, "none": None, "list": [1.5, {"a": True}]},
            calls=(CallRef("c", "step:answer"),), source={"number": index}, label="a" if index % 2 else None,
            provenance={"finish_reason": "length" if index % 5 == 0 else "stop"},
        )
        known = index % 3 == 0
        verdict = Verdict(sample.id, sample.digest, "kept", (Finding("length", 7, "keep", key=_key()),))
        found.append((sample, verdict if known else None))
    return found


def _key() -> str:
    return open_rules(ITEMS[:1])[0].key


def measured(
    items: list[Item], folder: Path | None, given: list[tuple[Sample, Verdict | None]], processes: int,
) -> list[tuple[Asked, Judged]]:
    ticks = count()
    measuring = Measuring(open_rules(items, folder=folder), items, folder, processes, lambda: next(ticks), look=10)
    return list(measuring.run(given))


def test_other_processes_find_the_same_in_the_same_order(tmp_path: Path) -> None:
    given = rows(700)
    here = measured(ITEMS, None, given, 0)
    assert measured(ITEMS, None, given, 2) == here
    assert [asked.sample.id for asked, _ in here] == [sample.id for sample, _ in given]
    assert {judged.reused for _, judged in here} == {0, 1}
    assert json.loads(f"[{here[3][1].findings.decode()}]")[0] == {
        "rule": "length", "outcome": "drop", "value": 7, "reason": "7 chars < 20", "key": _key()}


def test_they_do_the_work_with_rules_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "where.py").write_text(WHERE.replace("{more}", "pass"))
    items = [*ITEMS, Item(name="./where.py")]
    found = [json.loads(f"[{judged.findings.decode()}]")[-1] for _, judged in measured(items, tmp_path, rows(700), 2)]
    by_others = {line["value"] for line in found[20:] if line["outcome"] == "flag"}
    assert os.getpid() not in by_others
    assert by_others
    assert {line["value"] for line in found[:10] if line["outcome"] == "flag"} == {os.getpid()}
    goat, sheep = found[600], found[604]
    assert (goat["outcome"], goat["reason"]) == ("error", "ValueError: a goat")
    assert (sheep["outcome"], sheep["value"]) == ("error", None)
    assert "set" in sheep["reason"]


def test_a_process_that_dies_costs_no_row(tmp_path: Path) -> None:
    (tmp_path / "where.py").write_text(WHERE.replace("{more}", DIES.format(pid=os.getpid())))
    items = [*ITEMS, Item(name="./where.py")]
    assert measured(items, tmp_path, rows(900), 2) == measured(items, tmp_path, rows(900), 0)


@pytest.mark.parametrize("seconds", [0, 1])
def test_few_or_quick_rows_stay_here(tmp_path: Path, seconds: int) -> None:
    """Where measuring takes no time, or there are fewer than are looked at first, no process is started."""
    (tmp_path / "where.py").write_text(WHERE.replace("{more}", "pass"))
    items = [Item(name="./where.py")]
    ticks = count()
    rules = open_rules(items, folder=tmp_path)
    measuring = Measuring(rules, items, tmp_path, 2, lambda: seconds * next(ticks), look=1_000 if seconds else 10)
    values = {json.loads(judged.findings)["value"] for _, judged in measuring.run(rows(200))}
    assert values == {os.getpid(), None}


def test_only_findings_that_speak_up_are_told() -> None:
    rules = [rule for rule in open_rules(ITEMS) if isinstance(rule, RowRule)]
    sample = Sample("a", [{"role": "assistant", "content": "short"}])
    line, spoke = Judge(rules)(sample, {})
    assert [found.rule for found in spoke] == ["length"]
    assert [each["rule"] for each in json.loads(f"[{line.decode()}]")] == ["length", "refusal", "finish-reason"]
