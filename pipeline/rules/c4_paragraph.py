"""The paragraph rule of mC4 for web pages: three lines of 200 characters or more. Drops every short answer.

Xue et al. 2021. No preset of ours holds it: `curate: [c4_paragraph]` runs it as published.
"""

from __future__ import annotations

from pydantic import Field

from ..types import Sample
from ..views import answered
from . import Decision, Measured, Options, RowRule, Rule
from ._web import WebBounds


class Measure(Options):
    """Which lines count."""

    min_paragraph_len: int = Field(200, ge=1, description="characters of a line that counts")


class Bounds(WebBounds):
    """How many are enough (Xue et al. 2021, section 3.1)."""

    min_paragraphs: int = Field(3, ge=0, description="such lines that a text has at least")


class C4Paragraph(RowRule[Measure, Bounds]):
    """Counts long lines; of several answers the one with the fewest speaks."""

    def measure(self, sample: Sample) -> Measured | None:
        """How many lines are long enough; None where the answer is a call of tools."""
        texts = answered(sample)
        if texts is None:
            return None
        least = self.how.min_paragraph_len
        return Measured(min(sum(len(line) >= least for line in text.split("\n")) for text in texts))

    def decide(self, measured: Measured) -> Decision:
        """Compares with the bound, which is still kept."""
        count, least = int(measured.value or 0), self.bounds.min_paragraphs
        if count >= least:
            return Decision("keep")
        return Decision(self.bounds.act, f"{count} lines of {self.how.min_paragraph_len} characters or more < {least}")


plugin: type[Rule[Measure, Bounds]] = C4Paragraph
