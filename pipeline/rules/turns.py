"""Keeps conversations that have enough turns: a dialogue may end early, by a word, an empty turn or a cut one.

A turn is what one side says before the other one speaks; the calls of tools in it and their results are part of it.
"""

from __future__ import annotations

from pydantic import Field

from ..types import Sample
from ..words import plural
from . import Decision, Measured, OptionFault, Options, RowRule, Rule


class Measure(Options):
    """Nothing to set."""


class Bounds(Options):
    """How many are enough, and how many too many. Both inclusive."""

    min: int | None = Field(None, ge=1, description="the least that is kept, of both sides together")
    max: int | None = Field(None, ge=1, description="the most that is kept")


class Turns(RowRule[Measure, Bounds]):
    """Counts how often the speaker changes, system texts and tools apart."""

    def check(self) -> None:
        """Bounds in order."""
        low, high = self.bounds.min, self.bounds.max
        if low is None and high is None:
            raise OptionFault("how many are enough?", "- turns: {min: 4}")
        if low is not None and high is not None and low > high:
            raise OptionFault(f"min {low} is above max {high}: no row can pass")

    def measure(self, sample: Sample) -> Measured | None:
        """The count; None where nobody speaks."""
        said = [message.get("role") for message in sample.messages if message.get("role") in ("user", "assistant")]
        count = sum(role != before for role, before in zip(said, [None, *said]))
        return Measured(count) if count else None

    def decide(self, measured: Measured) -> Decision:
        """Drops what lies outside the bounds."""
        value, low, high = int(measured.value or 0), self.bounds.min, self.bounds.max
        if low is not None and value < low:
            return Decision("drop", f"{plural(value, 'turn')} < {low}")
        if high is not None and value > high:
            return Decision("drop", f"{plural(value, 'turn')} > {high}")
        return Decision("keep")


plugin: type[Rule[Measure, Bounds]] = Turns
