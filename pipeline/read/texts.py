"""What a row of any file asks and answers, told by the names of its keys: for texts that are only to be compared.

No shape has to be known, and nothing is refused: a file of prompts alone, a conversation, a benchmark's own columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import orjson

from pipeline.types import SYSTEM_ROLES, text_of

from .look import ANSWERS, LABELS, QUESTIONS

Part = Literal["prompt", "answer", "text"]
_ASKS, _SAYS = ("user", "human"), ("assistant", "gpt", "model", "bot", "chatgpt")
_PASSED = (*SYSTEM_ROLES, "tool", "function", "observation")
"""Turns that are no part of what is asked: many rows share a system text."""
_ANSWERS = frozenset((*ANSWERS, *LABELS, "answers", "chosen", "rejected", "canonical_solution"))
_QUESTIONS = frozenset((*QUESTIONS, "turns"))
_DEEP = 12


class Spoken(NamedTuple):
    """A text of a row, and what it is there; `text` where no name tells it."""

    part: Part
    text: str


def spoken(values: Mapping[str, Any]) -> list[Spoken]:
    """The texts of a row: what it asks as one, each answer, and each other text, as a passage.

    Of a row that neither asks nor answers by its names every text is a `text`. Ids and numbers, and of other rows
    texts of a single word under other names, are left out.

    Args:
        values: the row, as `rows` has it.
    """
    found = list(_walk(values, None, 0))
    asked = [each.text for each in found if each.part == "prompt"]
    said = [each for each in found if each.part == "answer"]
    rest = [each for each in found if each.part == "text" and len(each.text.split()) > 1]
    return [*([Spoken("prompt", "\n".join(asked))] if asked else []), *said, *rest]


def _walk(value: Any, part: Part | None, depth: int) -> Iterator[Spoken]:
    if isinstance(value, str):
        if value.strip():
            yield Spoken(part or "text", value)
    elif depth > _DEEP:
        return
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each, part, depth + 1)
    elif isinstance(value, Mapping):
        role = value.get("role", value.get("from"))
        if isinstance(role, str) and ("content" in value or "value" in value):
            yield from _turn(role.casefold(), value)
            return
        for key, inner in value.items():
            yield from _walk(_thawed(key, inner), _part(str(key)) or part, depth + 1)


def _turn(role: str, value: Mapping[str, Any]) -> Iterator[Spoken]:
    text = text_of(value.get("content", value.get("value")))
    if text.strip() and role not in _PASSED:
        yield Spoken("prompt" if role in _ASKS else "answer" if role in _SAYS else "text", text)


def _part(key: str) -> Part | None:
    name = key.casefold().strip()
    return "prompt" if name in _QUESTIONS else "answer" if name in _ANSWERS else None


def _thawed(key: Any, value: Any) -> Any:
    """A conversation that a table holds as JSON text."""
    if key in ("messages", "conversations", "prompt", "chosen") and isinstance(value, str) and value[:1] == "[":
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value
