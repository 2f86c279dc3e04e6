"""Control tokens of model families: once tokenised they are no text, so none may stand in a row's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple


class Numbered(NamedTuple):
    """Control tokens that differ in a number, as `<|reserved_special_token_7|>`."""

    prefix: str
    suffix: str
    first: int
    last: int


class Family(NamedTuple):
    """How a family's chat text begins and ends. Sources are in control_tokens.json.

    Attributes:
        begin: its BOS; empty where it has none.
        begins: what has one BOS: each row, or each exchange of a row.
        stop: what the model has to learn to say when its answer is over.
        words: of its template, beside control tokens: the names of roles.
        tokens: all that its tokenizer takes for no text.
        numbered: more of these.
    """

    name: str
    begin: str
    begins: Literal["row", "exchange"]
    stop: str
    words: frozenset[str]
    tokens: tuple[str, ...]
    numbered: Numbered | None = None

    def held(self, text: str) -> list[str]:
        """Its control tokens that stand in a text, each once, in order of appearance."""
        return _held(text, _pattern(((self.tokens, self.numbered),)))

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where in a text its control tokens stand, as characters [start, end)."""
        return [match.span() for match in _found(text, _pattern(((self.tokens, self.numbered),)))]

    def without(self, text: str) -> str:
        """A text with a space in place of each control token."""
        left, at = list[str](), 0
        for start, end in self.places(text):
            left.append(text[at:start])
            at = end
        return " ".join([*left, text[at:]])


@cache
def _families() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "control_tokens.json").read_bytes())
    return table


@cache
def family(name: str) -> Family:
    """A family of control_tokens.json that has chat text of its own."""
    table = _families()[name]
    return Family(name, table["begin"], table["begins"], table["stop"], frozenset(table["words"]), *_tokens(name))


def ended_by(token: str) -> list[Family]:
    """The families whose tokenizers know an end token, and put a begin token before a text."""
    return [family(name) for name, table in _families().items() if table.get("begin") and token in table["tokens"]]


@cache
def _tokens(name: str) -> tuple[tuple[str, ...], Numbered | None]:
    table = _families()[name]
    numbered = table.get("numbered")
    return tuple(table["tokens"]), Numbered(
        numbered["prefix"], numbered["suffix"], numbered["from"], numbered["to"]) if numbered else None


class _Pattern(NamedTuple):
    """Of control tokens, the longest first; texts of which each contains one; those that differ in a number."""

    of_any: re.Pattern[str]
    hints: tuple[str, ...]
    numbers: tuple[Numbered, ...]


@cache
def _pattern(told: tuple[tuple[tuple[str, ...], Numbered | None], ...]) -> _Pattern:
    tokens = sorted({token for each, _ in told for token in each}, key=lambda token: (-len(token), token))
    numbers = sorted({numbered for _, numbered in told if numbered}, key=lambda each: -len(each.prefix))
    parts = [*map(re.escape, tokens),
             *(re.escape(each.prefix) + r"(0|[1-9][0-9]{0,6})" + re.escape(each.suffix) for each in numbers)]
    every = [*tokens, *(each.prefix for each in numbers)]
    hints = ("<|",) if every and all(token.startswith("<|") for token in every) else {token[0] for token in every}
    return _Pattern(re.compile("|".join(parts) or r"(?!)"), tuple(sorted(hints)), tuple(numbers))


def _found(text: str, pattern: _Pattern) -> Iterator[re.Match[str]]:
    """Every control token that stands in a text; with a number only where a vocabulary has it."""
    if not any(hint in text for hint in pattern.hints):
        return
    for match in pattern.of_any.finditer(text):
        group = match.lastindex
        if not group or pattern.numbers[group - 1].first <= int(match[group]) <= pattern.numbers[group - 1].last:
            yield match


def _held(text: str, pattern: _Pattern) -> list[str]:
    return list(dict.fromkeys(match[0] for match in _found(text, pattern)))


def control_tokens(text: str, family: str) -> list[str]:
    """The control tokens of a family that stand in a text, each once, in order of appearance.

    Args:
        text: any text.
        family: a name in control_tokens.json, `openai` among them.
    """
    return _held(text, _pattern((_tokens(family),)))


def families() -> tuple[str, ...]:
    """The names in control_tokens.json, `openai` among them."""
    return tuple(_families())


def stops() -> tuple[str, ...]:
    """What ends an answer in any family, each once."""
    return tuple(dict.fromkeys(table["stop"] for table in _families().values() if table.get("stop")))


def places(text: str, names: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every control token of some families that stands in a text, with its place.

    Args:
        text: any text.
        names: of families; all of them where empty.
    """
    for match in _found(text, _together(names or families())):
        yield match[0], match.span()


@cache
def _together(names: tuple[str, ...]) -> _Pattern:
    return _pattern(tuple(map(_tokens, names)))
