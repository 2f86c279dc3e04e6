"""Finds answers that stop before their end: within a sentence, a list, a block of code, JSON.

`cut` is what was begun and not ended: an open block or bracket, a last word such as `the`, a comma, a colon, and prose
without an end mark whose other sentences have one. `maybe` is a missing end mark alone. Where the host says that the
model stopped by itself, `cut` is only `maybe`, and `maybe` is whole. What the host says of a cut is finish_reason's.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ..endings import STOPPED, ending_of
from . import Decision, Measured, Options, Rule, kind_and_words
from ._answers import AnswerRule, Exchange


class Measure(Options):
    """Nothing to set."""


class Bounds(Options):
    """What becomes of a row that seems cut."""

    act: Literal["drop", "flag"] = Field("drop", description="for what was begun and not ended")
    maybe: Literal["flag", "drop", "keep"] = Field("flag", description="for a missing end mark alone")


class CutEnding(AnswerRule[Measure, Bounds]):
    """Says `cut: WHY`, `maybe: WHY` or `whole`."""

    version: ClassVar[int] = 3
    kinds: ClassVar[tuple[str, ...]] = ("cut", "maybe", "whole")

    def look(self, exchange: Exchange) -> Measured | None:
        """How the answer ends, with the span of its last piece."""
        text = exchange.answer
        grade, why, at = ending_of(text)
        stopped = grade != "whole" and exchange.last and exchange.sample.provenance.get("finish_reason") in STOPPED
        if stopped:
            grade, why = ("maybe", f"{why}; the host says that it stopped") if grade == "cut" else ("whole", "")
        if grade == "whole":
            return Measured("whole")
        return Measured(f"{grade}: {why}", (at, len(text.rstrip())))

    def decide(self, measured: Measured) -> Decision:
        """As the options say."""
        grade, why = kind_and_words(measured)
        if grade == "whole":
            return Decision("keep")
        if grade == "maybe":
            return Decision(self.bounds.maybe, f"may be cut: {why}")
        return Decision(self.bounds.act, f"cut: {why}")


plugin: type[Rule[Measure, Bounds]] = CutEnding
