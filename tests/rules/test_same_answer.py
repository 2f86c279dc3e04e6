"""The rule `same_answer`."""

from __future__ import annotations

import json
from typing import Any

from pipeline.types import Sample
from tests.rules.rows import row, rule

LONG = "The ship left at dawn, nobody waved, and on the third day it came back without its captain."


def found(rows: list[Sample], held: set[str] = frozenset(), **options: Any) -> dict[str, str]:  # type: ignore[assignment]
    return {m.sample: m.reason for m in rule("same-answer", **options).compare(rows, held)}  # type: ignore[union-attr]


def test_a_long_answer_belongs_to_one_prompt() -> None:
    rows = [row(LONG, "A tale of the sea", "b"), row(LONG.upper() + "\n", "A tale of war", "a"),
            row(LONG, "Of war?", "c")]
    why = "answers as a does, word by word: 3 prompts have it"
    assert found(rows) == {"b": why, "c": why}
    assert set(found(rows, {"b"})) == {"a", "c"}
    assert [m.outcome for m in rule("same-answer", act="flag").compare(rows, set())] == ["flag", "flag"]  # type: ignore[union-attr]


def test_same_prompts_are_the_matter_of_exact_duplicate() -> None:
    assert found([row(LONG, "A tale", "a"), row(LONG, "a  tale", "b")]) == {}


def test_answers_that_go_with_many_prompts_are_left_alone() -> None:
    code = "```python\nfor number in range(10):\n    print(number, 'of', 10, 'in', 'all', 'of', 'them')\n```"
    data = json.dumps({f"key {number}": "some words in a text" for number in range(5)})
    for text in ("positive", "I am sorry, I do not know that.", code, data):
        assert found([row(text, "One?", "a"), row(text, "Two?", "b")]) == {}
    assert set(found([row("I do not know that.", p, p) for p in ("One?", "Two?")], words=4)) == {"Two?"}
