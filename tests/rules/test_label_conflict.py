"""The rule `label_conflict`."""

from __future__ import annotations

from typing import Any

from pipeline.types import Sample
from tests.rules.rows import row, rule


def found(rows: list[Sample], held: set[str] = frozenset(), **options: Any) -> dict[str, str]:  # type: ignore[assignment]
    return {m.sample: m.reason for m in rule("label-conflict", **options).compare(rows, held)}  # type: ignore[union-attr]


ROWS = [row("positive", "Good film.", "a"), row("Positive.", "good  film.", "b"), row("negative", "Good film.", "c"),
        row("negative", "Bad film.", "d")]


def test_one_prompt_two_labels_are_told_with_their_rows() -> None:
    assert found(ROWS) == {
        "a": "one prompt, 2 answers: 'positive' 2x, 'negative' 1x",
        "b": "one prompt, 2 answers: 'Positive' 2x, 'negative' 1x",
        "c": "one prompt, 2 answers: 'Positive' 2x, 'negative' 1x"}
    matches = list(rule("label-conflict", act="drop").compare(ROWS, frozenset("a")))  # type: ignore[union-attr]
    assert [(match.sample, match.value, match.outcome) for match in matches] == [("b", 2, "drop"), ("c", 2, "drop")]


def test_a_clear_majority_is_left_alone_where_asked() -> None:
    rows = [row("yes", "Is it?", str(number)) for number in range(9)] + [row("no", "Is it?", "odd")]
    assert len(found(rows)) == 10
    assert set(found(rows, majority=0.9)) == {"odd"}
    assert len(found(rows, majority=0.95)) == 10


def test_rows_without_a_prompt_contradict_nothing() -> None:
    """As of pii/generated_small.json, whose texts came in as answers: `ZIP: 11164` against `ZIP: 43672`."""
    assert not found([row("ZIP: 11164", "", "a"), row("ZIP: 43672", "", "b"), row("ZIP: 43672", "", "c")])


def test_another_system_text_is_another_prompt() -> None:
    def with_system(text: str, answer: str) -> Sample:
        messages = [{"role": "system", "content": text}, {"role": "user", "content": "Good film."},
                    {"role": "assistant", "content": answer}]
        return Sample(text, messages)

    assert found([with_system("Say + or -.", "+"), with_system("Say good or bad.", "good")]) == {}


def test_long_answers_and_questions_without_one_answer_are_left_alone() -> None:
    names = [row(name, "Name a cat.", name) for name in ("Luna", "Milo", "Tiger", "Ruth")]
    assert found(names) == {}
    stories = [row(f"A long day ended on the coast, and {number} ships came in.", "Tell me a story.", number)
               for number in ("two", "six")]
    assert found(stories) == {}
    assert set(found(stories, of="short")) == {"two", "six"}
    assert set(found(stories, of="any")) == {"two", "six"}
