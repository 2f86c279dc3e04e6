"""The rule `label_set`."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import RecipeError
from tests.rules.rows import row, rule

SENTIMENT = ["positive"] * 60 + ["negative"] * 50 + ["neutral"] * 30


def found(answers: list[str], held: set[str] = frozenset(), **options: Any) -> dict[str, tuple[str, str]]:  # type: ignore[assignment]
    rows = [row(text, f"Text {number}", str(number)) for number, text in enumerate(answers)]
    matches = rule("label-set", **options).compare(rows, held)  # type: ignore[union-attr]
    return {answers[int(match.sample)]: (match.outcome, match.reason) for match in matches}


@pytest.mark.parametrize(("answer", "why"), [
    ("Positive.", "is 'positive' but for case and punctuation, as 60 rows have it"),
    ("POSITIVE", "is 'positive' but for case, as"), (" negative", "is 'negative' but for spaces around it, as 50"),
    ("neu-tral", "is 'neutral' but for punctuation"), ("néutral", "is 'neutral' but for accents"),
    ("positve", "is near 'positive' (one letter), as 60 rows have it"),
    ("mixed", "occurs once: the labels are positive"),
    ("The tone is positive, I think.", "is more than a label, it says 'positive'"), ("", "empty, where the labels are"),
])
def test_what_is_no_label_is_flagged_with_the_near_one(answer: str, why: str) -> None:
    outcome, reason = found([*SENTIMENT, answer])[answer]
    assert outcome == "flag"
    assert why in reason


def test_few_rows_have_twins_that_differ_by_case_and_punctuation_alone() -> None:
    rows = ["positive"] * 5 + ["negative"] * 5 + ["Positive.", "Positive", "negatve", "mixed", "neutral"]
    assert found(rows) == {
        "Positive.": ("flag", "'Positive.' is 'positive' but for case and punctuation, as 5 rows have it"),
        "Positive": ("flag", "'Positive' is 'positive' but for case, as 5 rows have it")}


def test_good_rows_stay_and_misspellings_of_several_rows_do_not() -> None:
    assert found(SENTIMENT) == {}
    assert set(found([*SENTIMENT, "positve", "positve", "positve"])) == {"positve"}
    assert found([*SENTIMENT, *["mixed"] * 4]) == {}, "four rows make a label"


@pytest.mark.parametrize("answers", [
    ["C"] * 20 + ["C++"] * 20 + ["C#"] * 20, ["1"] * 20 + ["-1"] * 20 + ["1.5"] * 9 + ["15"] * 9,
    [f"name {number}" for number in range(50)], ["Yes."] * 2 + ["No."], ["positive"] * 30,
    ["It is a story of some length, as others are."] * 30 + ["yes"] * 10,
])
def test_sets_that_are_no_labels_or_have_no_twins_are_left_alone(answers: list[str]) -> None:
    assert found(answers) == {}


def test_labels_that_are_listed_are_the_only_ones() -> None:
    options = {"labels": ["positive", "negative", "neutral", "mixed"]}
    assert found(["mixed", "Positive.", "angry", "negative"], **options) == {
        "Positive.": ("drop", "'Positive.' is 'positive' but for case and punctuation"),
        "angry": ("drop", "'angry' is none of the labels: the labels are positive, negative, neutral, mixed")}
    assert found(["angry"], act="flag", **options)["angry"][0] == "flag"
    assert found(["angry"], {"0"}, **options) == {}


def test_labels_that_cannot_be_meant_are_refused() -> None:
    for labels, why in (([True, False], "quotes"), ([], "none of them empty"), (["a", "a"], "each once")):
        with pytest.raises(RecipeError, match=why):
            rule("label-set", labels=labels)
