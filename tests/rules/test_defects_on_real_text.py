"""The rules for defects on every real text at hand: what they drop of it is broken, or counted here."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.rules import RowRule
from pipeline.types import Sample
from tests.rules.rows import row, rule

DEFECTS = (
    "identity", "api-error", "placeholder", "prompt-echo", "stop-sequence", "control-tokens", "mojibake", "cut-ending",
)


def passages(data: Path) -> Iterator[Sample]:
    """Passages of an answer's length; those of one data set end in the head of an answer, and are none."""
    with gzip.open(data / "curation" / "base.jsonl.gz") as file:
        for line in file:
            found = json.loads(line)
            if found["k"] == "passage" and not found["t"].endswith(" is"):
                yield row(found["t"], "Tell me something.")


def texts(data: Path, name: str, key: str) -> Iterator[Sample]:
    for line in (data / name / f"{name}.jsonl").read_bytes().splitlines():
        found = json.loads(line)
        yield row(found[key], f"Write it well.\n\n{found.get('synopsis', '')}")


def outcomes(samples: Iterator[Sample]) -> tuple[int, Counter[tuple[str, str]]]:
    """How many rows there are, and how many each rule drops or flags."""
    rules = [rule(name) for name in DEFECTS]
    counts: Counter[tuple[str, str]] = Counter()
    total = 0
    for sample in samples:
        total += 1
        for each in rules:
            assert isinstance(each, RowRule)
            counts[each.name, each.finding(sample).outcome] += 1
    assert not [key for key in counts if key[1] == "error"]
    return total, Counter({key: count for key, count in counts.items() if key[1] in ("drop", "flag")})


@pytest.mark.parametrize(("name", "key", "dropped"), [
    ("synopses", "text", {("cut-ending", "drop"): 2}),  # both end within a word
    ("outlines", "outline", {("cut-ending", "drop"): 9}),  # all end in beats without a text
])
def test_stories_and_outlines_lose_what_is_cut(
    name: str, key: str, dropped: dict[tuple[str, str], int], shared_data: Path,
) -> None:
    assert outcomes(texts(shared_data, name, key))[1] == dropped


def test_under_one_passage_in_a_hundred_is_dropped(shared_data: Path) -> None:
    total, found = outcomes(passages(shared_data))
    assert total > 5_000
    dropped = {name: count for (name, outcome), count in found.items() if outcome == "drop"}
    assert dropped.pop("mojibake") == 10, "ten passages are broken, as one sees"
    assert set(dropped) == {"cut-ending"}, "of which some are cut"
    assert dropped["cut-ending"] < 0.005 * total
