"""Control tokens of model families: once tokenised they are no text, so none may stand in a row's own."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple


class Family(NamedTuple):
    """How a family's chat text begins and ends. Sources are in control_tokens.json.

    Attributes:
        begin: its BOS.
        begins: what has one BOS: each row, or each exchange of a row.
        stop: what the model has to learn to say when its answer is over.
        words: of its template, beside control tokens: the names of roles.
        tokens: all that its tokenizer takes for no text.
    """

    name: str
    begin: str
    begins: Literal["row", "exchange"]
    stop: str
    words: frozenset[str]
    tokens: tuple[str, ...]


@cache
def _families() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "control_tokens.json").read_bytes())
    return table


@cache
def family(name: str) -> Family:
    """A family that has chat text of its own: llama2 or gemma."""
    table = _families()[name]
    return Family(name, table["begin"], table["begins"], table["stop"], frozenset(table["words"]),
                  tuple(table["tokens"]))


def ended_by(token: str) -> list[Family]:
    """The families whose tokenizers know an end token."""
    return [family(name) for name, table in _families().items() if "begin" in table and token in table["tokens"]]


@cache
def _pattern(family: str) -> tuple[re.Pattern[str], tuple[str, ...], tuple[int, int] | None]:
    """A pattern for a family's tokens, texts of which a token always contains one, and a range of numbers."""
    table = _families()[family]
    parts = [re.escape(token) for token in table["tokens"]]
    numbered = table.get("numbered")
    if numbered:
        parts.append(re.escape(numbered["prefix"]) + r"([0-9]{6})" + re.escape(numbered["suffix"]))
    hints = ("<|",) if all(token.startswith("<|") for token in table["tokens"]) else ("<", "[")
    return re.compile("|".join(parts)), hints, (numbered["from"], numbered["to"]) if numbered else None


def control_tokens(text: str, family: str) -> list[str]:
    """The control tokens of a family that stand in a text, each once, in order of appearance.

    Args:
        text: any text.
        family: openai, llama2 or gemma.
    """
    pattern, hints, numbers = _pattern(family)
    if not any(hint in text for hint in hints):
        return []
    found = []
    for match in pattern.finditer(text):
        if match.lastindex and numbers and not numbers[0] <= int(match[1]) <= numbers[1]:
            continue
        if match[0] not in found:
            found.append(match[0])
    return found
