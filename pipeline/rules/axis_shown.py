"""Finds answers that do not show the values of their axes: no French word in a story that was to be set in France.

The value is the share of axes whose value is in the text, of those that can be told by words: a country, city or region
by its name, its people and what lies in it, a period by its name, its years, decades and centuries. Other values, as
genres, count where all of their words are there, and are passed over where they are not, since a text need not name
them; so do the future and the last century. A place that is only named in passing counts as shown.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..options import listed
from ..types import Sample
from ..views import said
from ..words import shown
from . import Decision, Measured, Options, RowRule, Rule
from ._values import shows, sign_of


class Measure(Options):
    """Which axes are looked at."""

    axes: list[str] | None = Field(None, description="as [place, period]; none: all")
    others: Literal["pass", "count"] = Field(
        "pass", description="what becomes of a value in no table whose words are missing: passed over, or not shown")


class Bounds(Options):
    """How many are enough."""

    min: float = Field(1.0, ge=0, le=1, description="the least share of axes that a text must show")
    act: Literal["flag", "drop"] = Field("flag", description="what becomes of a row with less")


class AxisShown(RowRule[Measure, Bounds]):
    """The share of axes that a text shows, from 0 to 1."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Reads `- axis_shown: [place, period]` and `axes: place`."""
        if "value" in options:
            options["axes"] = options.pop("value")
        return listed(options, "axes")

    def measure(self, sample: Sample) -> Measured | None:
        """The share; None where no axis has a value that can be told by words."""
        found = self._found(sample)
        return Measured(round(sum(found.values()) / len(found), 4)) if found else None

    def decide(self, measured: Measured) -> Decision:
        """Flags or drops a text that shows fewer than it must."""
        if float(measured.value or 0) >= self.bounds.min:
            return Decision("keep")
        return Decision(self.bounds.act, f"shows {float(measured.value or 0):.0%} of its axes")

    def explain(self, sample: Sample, decision: Decision, span: tuple[int, int] | None) -> str:
        """`does not show place=France`."""
        if not decision.reason:
            return ""
        missing = [axis for axis, there in self._found(sample).items() if not there]
        return f"does not show {', '.join(f'{axis}={shown(str(sample.cell[axis]))}' for axis in missing)}"

    def _found(self, sample: Sample) -> dict[str, bool]:
        """Of each axis that can be told whether the text shows its value."""
        text = said(sample)
        found = dict[str, bool]()
        if not text or text.isspace():
            return found
        for axis, value in sample.cell.items():
            if self.how.axes is not None and axis not in self.how.axes:
                continue
            sign = sign_of(str(value))
            if sign is None:
                continue
            there = shows(text, sign)
            if there or sign.known or (self.how.others == "count" and sign.stems):
                found[axis] = there
        return found


plugin: type[Rule[Measure, Bounds]] = AxisShown
