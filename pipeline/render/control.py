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
        return _held(text, self.tokens, self.numbered)

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where in a text its control tokens stand, as characters [start, end)."""
        return [match.span() for match in _pattern(self.tokens, self.numbered)[0].finditer(text)]

    def without(self, text: str) -> str:
        """A text with a space in place of each control token."""
        return _pattern(self.tokens, self.numbered)[0].sub(" ", text)


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


@cache
def _pattern(tokens: tuple[str, ...], numbered: Numbered | None) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A pattern for control tokens, the longest first, and texts of which each token contains one."""
    parts = [re.escape(token) for token in sorted(tokens, key=len, reverse=True)]
    if numbered:
        parts.append(re.escape(numbered.prefix) + r"(0|[1-9][0-9]{0,6})" + re.escape(numbered.suffix))
    every = [*tokens, *([numbered.prefix] if numbered else [])]
    hints = ("<|",) if every and all(token.startswith("<|") for token in every) else {token[0] for token in every}
    return re.compile("|".join(parts) or r"(?!)"), tuple(sorted(hints))


def _held(text: str, tokens: tuple[str, ...], numbered: Numbered | None) -> list[str]:
    pattern, hints = _pattern(tokens, numbered)
    if not any(hint in text for hint in hints):
        return []
    found: list[str] = []
    for match in pattern.finditer(text):
        if match.lastindex and numbered and not numbered.first <= int(match[1]) <= numbered.last:
            continue
        if match[0] not in found:
            found.append(match[0])
    return found


def control_tokens(text: str, family: str) -> list[str]:
    """The control tokens of a family that stand in a text, each once, in order of appearance.

    Args:
        text: any text.
        family: a name in control_tokens.json, `openai` among them.
    """
    return _held(text, *_tokens(family))


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
    if "<" not in text and "[" not in text:
        return
    pattern, numbers = _together(names or families())
    for match in pattern.finditer(text):
        numbered = next((each for each in numbers if match.lastindex and match[0].startswith(each.prefix)), None)
        if numbered is None or numbered.first <= int(match[match.lastindex or 0]) <= numbered.last:
            yield match[0], match.span()


@cache
def _together(names: tuple[str, ...]) -> tuple[re.Pattern[str], tuple[Numbered, ...]]:
    """One pattern for several families; and the tokens that differ in a number, the longest prefix first."""
    told = [_tokens(name) for name in names]
    tokens = tuple(dict.fromkeys(token for each, _ in told for token in each))
    numbers = sorted({numbered for _, numbered in told if numbered}, key=lambda each: -len(each.prefix))
    parts = [re.escape(each.prefix) + r"(0|[1-9][0-9]{0,6})" + re.escape(each.suffix) for each in numbers]
    return re.compile("|".join([_pattern(tokens, None)[0].pattern, *parts])), tuple(numbers)
