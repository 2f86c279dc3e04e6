"""Drops answers that go round in circles: words that stood before, over and over, as of a model that cannot end.

Measured is the worst stretch of 100 words: how many of them stand in a run of words that the answer had before. Prose
has a run at 8 words, lists with their templates and verse with its refrains at 12, code, JSON and tables at 24; numbers
do not count in lists, tables, JSON and code. Prose in which no 100 characters stand twice is 0.
A chorus, a quotation or a template that comes again stays far below the bound; a loop comes near to 1.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Literal

from pydantic import Field

from ..kinds import Kind, kind_of
from ..types import Sample
from ..views import answer, answers, words
from . import Decision, Measured, Options, RowRule, Rule

RUNS: dict[Kind, int] = {"prose": 8, "dialogue": 8, "list": 12, "verse": 12, "code": 24, "table": 24, "json": 24}
"""Kind -> words that make a run. Chosen by us on real text: of 5,578 passages 3 are above the bound, and all three say
the same twice; of 386 GPT-3 synopses 13, of 252 outlines 27, each a loop or a paragraph that comes again."""
WINDOW, LEAST = 100, 12
"""Words of a stretch, and of the shortest text that is measured. Chosen by us: a loop runs until the token limit."""
BLOCK, STEP, LINEAR = 40, 60, 6000
"""A text of LINEAR characters at most is first searched for a BLOCK of characters, at every STEP, that comes again: 98
of 100 passages need no more than that, and what comes again over BLOCK + STEP characters is always found."""
NUMBERED: tuple[Kind, ...] = ("list", "table", "json", "code")
"""Kinds whose numbers do not count: those of items differ where the items are the same, and zeros may fill a matrix."""
_NUMBER = re.compile(r"\d+")
SPACED = 2.5
"""Characters a word, below which the words of a text are its characters, and a run has twice as many."""


class Measure(Options):
    """Nothing to set: runs by kind of answer are the rule's version."""


class Bounds(Options):
    """How much is too much."""

    max: float = Field(0.5, ge=0, le=1, description="largest share of 100 words in a row that stood before")
    act: Literal["drop", "flag"] = Field("drop", description="what becomes of a row above it")


class Repetition(RowRule[Measure, Bounds]):
    """Looks at every answer that is trained on; the worst one speaks."""

    def measure(self, sample: Sample) -> Measured | None:
        """The share, 0 to 1, and the first run that stood before; None for labels and calls of tools."""
        if answer(sample) is None:
            return None
        found = [(_repeated(text, kind), text) for text in answers(sample) or [sample.answer]
                 if (kind := kind_of(text)) != "label"]
        if not found:
            return None
        share, text = max(found, key=lambda each: each[0])
        return Measured(round(share, 3), _again(text) if share and text == sample.answer else None)

    def decide(self, measured: Measured) -> Decision:
        """Compares with the bound, which is still kept."""
        share = float(measured.value or 0)
        if share <= self.bounds.max:
            return Decision("keep")
        told = f"goes round in circles: {share:.0%} of a stretch of {WINDOW} words stood before > {self.bounds.max:.0%}"
        return Decision(self.bounds.act, told)


def _repeated(text: str, kind: Kind) -> float:
    """The share of the worst stretch that stands in runs which stood before."""
    if len(text) <= LINEAR and _again(_NUMBER.sub("", text) if kind == "list" else text) is None:
        return 0.0
    found = words(text)
    if kind in NUMBERED:
        found = [word for word in found if not word.isdigit()]
    if len(found) < LEAST:
        return 0.0
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
        return 0.0
    sums = [0, *accumulate(marks)]
    wide = min(window, len(found))
    return max(after - before for before, after in zip(sums, sums[wide:], strict=False)) / wide


def _again(text: str) -> tuple[int, int] | None:
    """Where a text first says again, letter by letter, what stood before; None where no BLOCK at a whole step does."""
    for start in range(0, len(text) - 2 * BLOCK + 1, STEP):
        at = text.find(text[start : start + BLOCK], start + 1)
        if at >= 0:
            end = at + BLOCK
            while end < len(text) and text[end] == text[start + end - at]:
                end += 1
            return at, end
    return None


plugin: type[Rule[Measure, Bounds]] = Repetition
