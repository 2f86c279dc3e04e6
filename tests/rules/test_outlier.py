"""The rule `outlier`: rows that are far from the others in a number."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.rules import CompareRule, Match
from pipeline.types import Sample
from tests.rules.rows import row, rule


def found(samples: list[Sample], *held: str, **options: Any) -> dict[str, Match]:
    outlier = rule("outlier", **options)
    assert isinstance(outlier, CompareRule)
    return {match.sample: match for match in outlier.compare(iter(samples), frozenset(held))}


def of_lengths(*lengths: int, **fields: Any) -> list[Sample]:
    """Answers of so many words, each with a full stop."""
    return [row(f"{'word ' * (length - 1)}end.", id=f"{at}-{length}", **fields) for at, length in enumerate(lengths)]


USUAL = [40 + at for at in range(30)]


def test_what_is_far_longer_or_shorter_is_named_with_the_median() -> None:
    rows = of_lengths(*USUAL, 400, 8)
    far = found(rows, of="words")
    assert set(far) == {"30-400", "31-8"}
    assert far["30-400"].outcome == "flag"
    assert far["30-400"].reason.startswith("400 words, where 54.5 is the median of 32 rows of prose (z ")
    assert float(far["30-400"].value or 0) > 3.5 > -3.5 > float(far["31-8"].value or 0)
    assert set(found(rows, of="words", side="below")) == {"31-8"}
    assert set(found(rows, of="words", z=20)) == set()
    assert found(rows, "30-400", "31-8", of="words") == {}
    assert found(rows, of="words", act="drop")["31-8"].outcome == "drop"


def test_the_score_is_that_of_iglewicz_and_hoaglin() -> None:
    """On shares, which are taken as they are: the median is 10 %, half of the distances are 1 % or less."""
    texts = [f"{'a' * (100 - count)}{'%' * count}" for count in [9, 10, 11] * 9 + [25]]
    (far,) = found([row(f"x {text}.", id=str(at)) for at, text in enumerate(texts)], of="symbols", by="none").values()
    shares = [(count + 1) / 102 for count in (10, 11, 25)]
    assert far.value == round(0.6745 * (shares[2] - shares[0]) / (shares[1] - shares[0]), 2)


def test_rows_are_compared_within_their_group() -> None:
    short = of_lengths(*(10 + at % 5 for at in range(30)), cell={"kind": "haiku"})
    long = [Sample(f"l{each.id}", each.messages, {"kind": "saga"}) for each in of_lengths(*range(500, 530))]
    stray = Sample("stray", of_lengths(500)[0].messages, {"kind": "haiku"})
    assert found([*short, *long, stray], of="words", by="none") == {}, "half of the rows are no strays"
    assert found([*short, *long, stray], of="words", by="kind") == {}, "all of them are prose"
    renamed = [Sample(each.id, each.messages, {"form": each.cell["kind"]}) for each in (*short, *long, stray)]
    assert set(found(renamed, of="words", by="form")) == {"stray"}


def test_few_rows_and_rows_alike_are_left_alone() -> None:
    assert found(of_lengths(*USUAL[:18], 4000), of="words") == {}
    assert found(of_lengths(*[40] * 30, 41, 4000), of="words") == {}
    assert found([row("", id=str(at)) for at in range(40)]) == {}
    labels = [row("yes" if at % 2 else "no", id=str(at)) for at in range(40)]
    assert found([*labels, *of_lengths(300)]) == {}, "one long answer is no label"


def remarks(samples: list[Sample], **options: Any) -> tuple[str, ...]:
    outlier = rule("outlier", **options)
    assert isinstance(outlier, CompareRule)
    assert list(outlier.compare(iter(samples), frozenset())) == []
    return outlier.remarks


def test_a_group_that_is_left_alone_is_told() -> None:
    rows = of_lengths(*USUAL, *[4000] * 5)
    assert remarks(rows, of="words") == (
        "left 35 rows of prose alone: 5 of them are far by their words, more than a tenth",)
    assert remarks(of_lengths(*USUAL[:18], 4000), of="words") == (
        "looked at no row: no group has 20, the largest 19",)
    assert remarks(of_lengths(*USUAL), of="words") == ()


def test_what_no_row_has_is_told_and_nothing_is_compared() -> None:
    rows = of_lengths(*USUAL, 4000, cell={"place": "Egypt"}, fields={"score": 3})
    assert remarks(rows, by="plaice") == (
        "looked at no row: none has the axis or column 'plaice'; did you mean 'place'?",)
    assert remarks(of_lengths(*USUAL, 4000), by="plaice") == (
        "looked at no row: none has the axis or column 'plaice'",)


def test_rows_are_compared_within_a_value_of_a_column() -> None:
    lengths = {"haiku": [*(10 + at % 5 for at in range(30)), 500], "saga": range(500, 530)}
    rows = [row(each.answer, id=f"{kind}{each.id}", fields={"form": kind})
            for kind in lengths for each in of_lengths(*lengths[kind])]
    assert set(found(rows, of="words", by="form")) == {"haiku30-500"}


def test_the_order_of_rows_does_not_count() -> None:
    rows = of_lengths(*USUAL, 400, 8)
    shuffled = Random(1).sample(rows, len(rows))
    assert found(rows) == found(shuffled)


@pytest.mark.parametrize("options", [{"of": []}, {"of": ["words", "words"]}, {"of": "sentences"}, {"z": 0}])
def test_options_that_mean_nothing(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        rule("outlier", **options)
    assert rule("outlier", value="chars").options["of"] == ["chars"]
    assert rule("outlier", by=None).options["by"] == "none"


def test_synopses_of_one_prompt(shared_data: Path) -> None:
    """Of 386 it names four: one that never ends, two that are summaries of themselves, and a good one with 33
    apostrophes."""
    lines = (shared_data / "synopses" / "synopses.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line) for line in lines]
    far = found([row(each["text"], id=each["name"][:8]) for each in texts])
    assert set(far) == {"cc4a40b5", "589ac832", "543de069", "7ed9392f"}
