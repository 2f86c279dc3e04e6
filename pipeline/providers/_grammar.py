"""Expands the fragments of stories.txt into sentences, a bank at a time, never the same line twice in a text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

SLOT = re.compile(r"\{([\w.]+)\}")
STICKY = frozenset(
    {"object.genre", "villain.genre", "scheme.genre", "landmark", "belief", "quarrel", "trade", "flaw", "vice", "skill"}
)
"""Banks of which a text uses one fragment only: a story has one stolen crown, not five."""
VALUES = frozenset(
    {"hero", "ally", "rival", "place", "town", "period", "tone", "theme", "kind", "they", "them", "their", "number",
     "amount"}
)
"""Names that come from the story's context and not from a bank."""
_TAIL = re.compile(r",? (?:that|which|who|with|for|from|in|on|to) .*|, .*")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeioAEIO](?!ne\b|nce\b|ne-))")


class Line(NamedTuple):
    """A fragment in parts: texts and (bank, variant, capital) slots by turns; and the values that it needs."""

    parts: tuple[str | tuple[str, str, bool], ...]
    needs: frozenset[str]


@cache
def banks() -> dict[str, tuple[Line, ...]]:
    """The banks of stories.txt by name."""
    found: dict[str, list[Line]] = {}
    lines: list[Line] = []
    for text in (Path(__file__).with_name("stories.txt")).read_text(encoding="utf-8").splitlines():
        if text.startswith("["):
            lines = found.setdefault(text[1:-1], [])
        elif text and not text.startswith("#"):
            lines.append(_line(text))
    return {name: tuple(lines) for name, lines in found.items()}


def _line(text: str) -> Line:
    parts: list[str | tuple[str, str, bool]] = []
    needs = set()
    for index, piece in enumerate(SLOT.split(text)):
        if index % 2 == 0:
            if piece:
                parts.append(piece)
            continue
        name, capital = (piece[:-4], True) if piece.endswith(".cap") else (piece, False)
        bank, _, variant = name.partition(".")
        if bank in VALUES:
            needs.add(bank)
        parts.append((bank, variant, capital))
    return Line(tuple(parts), frozenset(needs))


def fault_of(draw: float, shares: Mapping[str, float]) -> str | None:
    """The fault of an answer, by a number in [0, 1); None for a good one."""
    for name, share in shares.items():
        if draw < share:
            return name
        draw -= share
    return None


class Dice:
    """A small generator of whole numbers (SplitMix64): cheaper to start than `random.Random`, equal everywhere."""

    __slots__ = ("state",)

    def __init__(self, seed: int) -> None:
        self.state = seed & 0xFFFFFFFFFFFFFFFF

    def random(self) -> float:
        """A float in [0, 1)."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = ((self.state ^ (self.state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        return int(self.random() * n)


class Writer:
    """Writes the sentences of one text.

    Args:
        dice: decides every choice.
        values: what the slots of VALUES stand for; lines that need another one are left out.
        variants: slot suffix -> bank suffix, as genre -> horror.
    """

    def __init__(self, dice: Dice, values: Mapping[str, str], variants: Mapping[str, str]) -> None:
        self.dice, self.values, self.variants = dice, dict(values), dict(variants)
        self._used: dict[str, set[int]] = {}
        self._sticky: dict[str, str] = {}

    def say(self, bank: str) -> str:
        """A sentence from a bank: capital first, full stop last."""
        text = self.fragment(bank)
        text = _ARTICLE.sub(r"\1n ", text[:1].upper() + text[1:])
        return text if text[-1] in ".!?:\"'" else f"{text}."

    def fragment(self, bank: str, variant: str = "") -> str:
        """A fragment as it stands in the text, its slots filled."""
        sticky = f"{bank}.{variant}" if variant else bank
        if sticky in self._sticky:
            return self._sticky[sticky]
        text = self._fill(self._pick(bank, variant))
        if sticky in STICKY:
            self._sticky[sticky] = text if bank == "trade" else _short(text)
        return text

    def some(self, bank: str, count: int) -> list[str]:
        """Different fragments of a bank, as many as it has at most."""
        return [self._fill(self._pick(bank, "")) for _ in range(min(count, len(banks()[bank])))]

    def _pick(self, bank: str, variant: str) -> Line:
        name = f"{bank}.{self.variants.get(variant, variant)}" if variant else bank
        lines = banks().get(name) or banks()[bank]
        used = self._used.setdefault(name, set())
        if len(used) == len(lines):
            used.clear()
        for _ in range(400):
            index = self.dice.below(len(lines))
            if index in used:
                continue
            used.add(index)
            if lines[index].needs <= self.values.keys():
                return lines[index]
            if len(used) == len(lines):
                used.clear()
        raise LookupError(f"stories.txt: no line of [{name}] goes without {sorted(VALUES - self.values.keys())}")

    def _fill(self, line: Line) -> str:
        said = []
        for part in line.parts:
            if isinstance(part, str):
                said.append(part)
                continue
            bank, variant, capital = part
            text = self.values[bank] if bank in VALUES else self.fragment(bank, variant)
            said.append(text[:1].upper() + text[1:] if capital else text)
        return "".join(said)


def _short(text: str) -> str:
    """How a thing is named the second time: `a judge with a private income` -> `the judge`."""
    article, _, rest = text.partition(" ")
    if article not in ("a", "an", "the"):
        return text
    head = _TAIL.sub("", rest)
    return f"the {head}" if head else text
