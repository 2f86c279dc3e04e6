"""Finds answers that go round in circles, and drops those; what is merely said twice is flagged.

Measured is the worst stretch of 100 words: how many of them stand in a run of words that the answer had before. Prose
has a run at 8 words, lists with their templates and verse with its refrains at 12, code, JSON and tables at 24; numbers
do not count in lists, tables, JSON and code. Prose in which no 100 characters stand twice is 0.
A chorus, a quotation or a template that comes again stays below both bounds; sentences said twice come between them,
and a paragraph that begins anew comes near to 1. The span is that stretch.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import ClassVar, Literal

from pydantic import Field

from ..kinds import Kind, kind_of
from ..types import Sample
from ..views import NO_SPACES, answered, piece_words, words
from . import Decision, Measured, Options, RowRule, Rule

RUNS: dict[Kind, int] = {"prose": 8, "dialogue": 8, "list": 12, "verse": 12, "code": 24, "table": 24, "json": 24}
"""Kind -> words that make a run. Chosen by us on real text: no bound is met by 6,678 of 6,681 passages."""
MOST, TWICE = 0.9, 0.5
"""Shares above which rows are dropped and flagged. Chosen by us: of 386 GPT-3 synopses 8 are above the first, of 252
outlines 15, each with a paragraph or more that begins anew; 5 and 12 lie between, most of which say a few sentences
twice."""
WINDOW, LEAST = 100, 12
"""Words of a stretch, and of the shortest text that is measured. Chosen by us: a loop runs until the token limit."""
BLOCK, STEP, LINEAR = 40, 60, 6000
"""A text of LINEAR characters at most is first searched for a BLOCK of characters, at every STEP, that comes again: 98
of 100 passages need no more than that, and what comes again over BLOCK + STEP characters is always found."""
NUMBERED: tuple[Kind, ...] = ("list", "table", "json", "code")
"""Kinds whose numbers do not count: those of items differ where the items are the same, and zeros may fill a matrix."""
_NUMBER = re.compile(r"\d+")
_PIECE = re.compile(rf"[{NO_SPACES}]|[^\s{NO_SPACES}]+")
NOTHING = 0.0, 0, 0
SPACED = 2.5
"""Characters a word, below which the words of a text are its characters, and a run has twice as many."""


class Measure(Options):
    """Nothing to set: runs by kind of answer are the rule's version."""


class Bounds(Options):
    """How much is too much."""

    max: float = Field(MOST, ge=0, le=1, description="largest share of 100 words in a row that stood before")
    act: Literal["drop", "flag"] = Field("drop", description="what becomes of a row above it")
    flag: float = Field(TWICE, ge=0, le=1, description="share above which a row is flagged: it says things twice")


class Repetition(RowRule[Measure, Bounds]):
    """Looks at every answer that is trained on; the worst one speaks."""

    version: ClassVar[int] = 2

    def measure(self, sample: Sample) -> Measured | None:
        """The share, 0 to 1, and the stretch that it is of; None for labels and calls of tools."""
        found = [(_repeated(text, kind), text) for text in answered(sample) or ()
                 if (kind := kind_of(text)) != "label"]
        if not found:
            return None
        (share, first, last), text = max(found, key=lambda each: each[0][0])
        span = _span(text, first, last, kind_of(text)) if share and text == sample.answer else None
        return Measured(round(share, 3), span)

    def decide(self, measured: Measured) -> Decision:
        """Compares with the bounds, which are still kept."""
        share = float(measured.value or 0)
        told = f"{share:.0%} of a stretch of {WINDOW} words stood before"
        if share > self.bounds.max:
            return Decision(self.bounds.act, f"goes round in circles: {told} > {self.bounds.max:.0%}")
        if share > self.bounds.flag:
            return Decision("flag", f"says things twice: {told} > {self.bounds.flag:.0%}")
        return Decision("keep")


def _repeated(text: str, kind: Kind) -> tuple[float, int, int]:
    """The share of the worst stretch that stands in runs which stood before, and its first and last counted word."""
    if len(text) <= LINEAR and not _again(_NUMBER.sub("", text) if kind == "list" else text):
        return NOTHING
    found = _counted(words(text), kind)
    if len(found) < LEAST:
        return NOTHING
    apart = len(text) > SPACED * len(found)
    run, window = (RUNS[kind], WINDOW) if apart else (2 * RUNS[kind], 2 * WINDOW)
    seen: set[tuple[str, ...]] = set()
    marks = [0] * len(found)
    end = 0
    for start, gram in enumerate(zip(*(found[at:] for at in range(run)), strict=False)):
        if gram in seen:
            end, first = start + run, max(start, end)
            marks[first:end] = [1] * (end - first)
        else:
            seen.add(gram)
    if not end:
        return NOTHING
    sums = [0, *accumulate(marks)]
    wide = min(window, len(found))
    shares = [after - before for before, after in zip(sums, sums[wide:], strict=False)]
    at = shares.index(max(shares))
    return shares[at] / wide, at, at + wide - 1


def _counted(found: list[str], kind: Kind) -> list[str]:
    """The words that count in a text of a kind."""
    return [word for word in found if not word.isdigit()] if kind in NUMBERED else found


def _span(text: str, first: int, last: int, kind: Kind) -> tuple[int, int]:
    """Where the words from `first` to `last` stand, to the nearest piece between spaces or, without them, letter."""
    start, end, before = 0, len(text), 0
    for piece in _PIECE.finditer(text):
        after = before + _count(piece[0], kind)
        if before <= first < after:
            start = piece.start()
        if before <= last < after:
            end = piece.end()
            break
        before = after
    return start, end


def _count(piece: str, kind: Kind) -> int:
    """How many words of a piece count."""
    if piece.isascii() and piece.isalnum():  # most are one word
        return int(kind not in NUMBERED or not piece.isdigit())
    return len(_counted(piece_words(piece), kind))


def _again(text: str) -> bool:
    """Whether a text says again, letter by letter, what stood before: a BLOCK that begins at a whole step."""
    for start in range(0, len(text) - 2 * BLOCK + 1, STEP):
        if text.find(text[start : start + BLOCK], start + 1) >= 0:
            return True
    return False


plugin: type[Rule[Measure, Bounds]] = Repetition
