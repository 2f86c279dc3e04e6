"""FineWeb's rules for web pages: lines that end as sentences, few short ones, none twice. Drops lists and verse.

Penedo et al. 2024, with the names and the order of huggingface/datatrove's filter. `curate: [fineweb]` runs it as
published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from ..views import words
from . import Options, Rule
from ._web import Limit, WebBounds, WebRule, doubled, share

ENDS = tuple(".!?…。！？｡．।॥؟۔։።፧။៕")
"""What ends a sentence, in many scripts; a closing quote does not, as in datatrove 0.10."""


class Measure(Options):
    """What a short line is."""

    short_line_length: int = Field(30, ge=0, description="characters of the longest line that is short")


class Bounds(WebBounds):
    """As published (Penedo et al. 2024, section 3.6); null switches one off."""

    min_chars: int | None = Field(1, description="characters of the text; FineWeb drops an empty one")
    line_punct_thr: float | None = Field(0.12, description="least share of lines that end as a sentence")
    short_line_thr: float | None = Field(0.67, description="largest share of short lines")
    char_duplicates_ratio: float | None = Field(0.01, description="largest share of characters in lines of before")
    new_line_ratio: float | None = Field(0.3, description="most line breaks for each word")


class FinewebQuality(WebRule[Measure, Bounds]):
    """Five bounds on as many measures."""

    limits: ClassVar[Sequence[Limit]] = (
        Limit("chars", "<", "min_chars", "empty", "characters"),
        Limit("ended", "<", "line_punct_thr", "line_punct_ratio", "of the lines end as a sentence"),
        Limit("short", ">", "short_line_thr", "short_line_ratio", "of the lines are short"),
        Limit("twice", ">", "char_duplicates_ratio", "char_dup_ratio",
              "of the characters are in lines that stood before"),
        Limit("breaks", ">", "new_line_ratio", "list_ratio", "line breaks a word"),
    )

    def measures(self, text: str) -> dict[str, float]:
        """See WebRule."""
        lines = [line for line in text.split("\n") if line.strip()]
        if not lines:
            return {"chars": 0}
        return {
            "chars": len(text),
            "ended": share(sum(line.endswith(ENDS) for line in lines), len(lines)),
            "short": share(sum(len(line) <= self.how.short_line_length for line in lines), len(lines)),
            "twice": share(doubled(lines)[1], len(text) - text.count("\n")),
            "breaks": share(text.count("\n"), len(words(text)) or 1),
        }


plugin: type[Rule[Measure, Bounds]] = FinewebQuality
