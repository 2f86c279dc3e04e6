"""Finds text that a wrong encoding broke: `cafÃ©` for `café`, lost and hidden characters.

The value is the number of broken places, and the reason shows the first one, as it is and as it should be. `synth
augment` with a rewrite that mends text can save such a row. Where the prompt is about encodings, or holds the same
broken characters, the answer may be about them: `asked: COUNT`, which
is flagged where it is above `max`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from ..broken_text import about_encodings, around, broken_places, mended
from ..types import Sample
from ..words import plural, shown
from . import Decision, Measured, Options, Rule
from ._answers import AnswerRule, Exchange


class Measure(Options):
    """Nothing to set."""


class Bounds(Options):
    """How many broken places a row may have."""

    max: int = Field(0, ge=0, description="broken places that are kept")
    act: Literal["drop", "flag"] = Field("drop", description="what becomes of a row with more")


class Mojibake(AnswerRule[Measure, Bounds]):
    """Counts broken places in the answer."""

    version: ClassVar[int] = 2

    def look(self, exchange: Exchange) -> Measured | None:
        """How many, with the span of the first."""
        places = broken_places(exchange.answer)
        if not places:
            return Measured(0)
        asked = exchange.asked
        if about_encodings(asked) or all(exchange.answer[start:end] in asked for start, end in places):
            return Measured(f"asked: {len(places)}", places[0])
        return Measured(len(places), places[0])

    def decide(self, measured: Measured) -> Decision:
        """Compares with the bound."""
        asked, _, number = str(measured.value).rpartition(": ")
        count = int(number)
        if count <= self.bounds.max:
            return Decision("keep")
        told = f"broken by a wrong encoding in {plural(count, 'place')}"
        return Decision("flag", f"{told}, which the prompt may be about") if asked else Decision(self.bounds.act, told)

    def _gravity(self, measured: Measured) -> float:
        asked = isinstance(measured.value, str)
        return 0.5 if asked else super()._gravity(measured)

    def explain(self, sample: Sample, decision: Decision, span: tuple[int, int] | None) -> str:
        """The reason, and the first place before and after."""
        if span is None or decision.outcome == "keep":
            return decision.reason
        before = around(sample.answer, span)
        after = mended(before)
        change = f"“{shown(before)}”"
        if sample.answer[span[0]] == "\0":
            change = f"a NUL character in {change}" if after.strip() else "a NUL character"
        elif after != before and after.strip():
            change += f" is “{shown(after)}”"
        return f"{decision.reason}: {change}"


plugin: type[Rule[Measure, Bounds]] = Mojibake
