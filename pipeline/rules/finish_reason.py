"""Drops answers that were cut off or filtered, as the model's host says.

The host's word is the only sign of a cut that needs no guess. Rows that nobody's model wrote carry no
finish reason, and the rule says nothing about them.
"""

from __future__ import annotations

from pydantic import Field

from ..types import Sample
from . import Decision, Measured, Options, RowRule, Rule

MEANING = {
    "length": "cut off at the token limit",
    "content_filter": "stopped by the host's content filter",
}
"""Finish reasons of the OpenAI chat API that mean a damaged answer."""


class Measure(Options):
    """Nothing to set: it reads what the host said."""


class Bounds(Options):
    """Which finish reasons drop a row."""

    drop: list[str] = Field(default_factory=lambda: list(MEANING), description="finish reasons that drop a row")


class FinishReason(RowRule[Measure, Bounds]):
    """Reads `provenance.finish_reason`."""

    def measure(self, sample: Sample) -> Measured | None:
        """The host's word; None where there is none."""
        reason = sample.provenance.get("finish_reason")
        return Measured(reason) if isinstance(reason, str) else None

    def decide(self, measured: Measured) -> Decision:
        """Drops the listed ones."""
        if measured.value not in self.bounds.drop:
            return Decision("keep")
        what = MEANING.get(str(measured.value), "ended for a reason that `drop` lists")
        return Decision("drop", f"{what}: the host says '{measured.value}'")


plugin: type[Rule[Measure, Bounds]] = FinishReason
