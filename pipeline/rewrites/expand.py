"""Asks the writer to lengthen an answer that is too short.

The writer sees the row's own conversation and is asked for the whole text again, longer. A child that
is no longer than its parent, still too short, the parent with a few words changed, or another text altogether
is refused.
"""

from __future__ import annotations

from math import ceil
from typing import Literal

from pydantic import Field

from ..shingles import Shingler, jaccard
from ..types import Call, Message, Sample
from ..views import answer
from . import Options, Refused, Rewrite
from ._answers import conversation
from ._wording import another_text

aliases = ("lengthen",)

MARGIN = 1.25
"""So many times the least length is asked for: models stop short of what they are told. Chosen by us."""
COPY = 0.9
"""A child that shares so much of its runs of words with its parent is a copy of it. Chosen by us: a
text that grew by a tenth or less says nothing new."""
BYTES_PER_WORD = 6
"""Of English prose with its spaces; tells the writer a length in a unit that it knows."""
ASK = (
    "The text above is too short. Write it again in full and make it longer: at least {least}. Keep what happens, the "
    "names, the tone and the order; put the added length into every part, as detail, not as a comment or a summary at "
    "the end. Answer with the text alone."
)


class How(Options):
    """Which answers are too short."""

    below: int = Field(gt=0, description="answers shorter than this are lengthened")
    unit: Literal["bytes", "chars", "words"] = Field("bytes", description="bytes of UTF-8, characters, or words")


class Expand(Rewrite[How]):
    """Lengthens once: an expanded row is not expanded again."""

    cures = frozenset({"length"})

    def applies(self, sample: Sample) -> bool:
        """Answers with a text that is too short."""
        said = answer(sample)
        if not said or not said.strip() or sample.provenance.get("augmentation") == self.name:
            return False
        return self._size(said) < self.how.below

    def messages(self, sample: Sample) -> list[Message]:
        """The conversation up to the answer, and the wish."""
        return conversation(sample, ASK.format(least=self._least()))

    def text(self, sample: Sample, call: Call) -> str | Refused:
        """The longer text."""
        old, new = answer(sample) or "", call.text.strip()
        unit, was, now = self.how.unit, self._size(old), self._size(new)
        if now <= was:
            return Refused("not-longer", f"{now:,} {unit} after, {was:,} before")
        if now < self.how.below:
            return Refused("still-too-short", f"{now:,} {unit} < {self.how.below:,}")
        shingler = Shingler()
        alike = jaccard(shingler.grams(old), shingler.grams(new))
        if alike >= COPY:
            return Refused("near-copy", f"shares {alike:.2f} of its runs of words with its parent")
        return another_text(old, new) or new

    def _size(self, text: str) -> int:
        if self.how.unit == "bytes":
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) if self.how.unit == "chars" else len(text.split())

    def _least(self) -> str:
        """The length to ask for, rounded up to tens; in words too, since models count those best."""
        least = ceil(self.how.below * MARGIN / 10) * 10
        if self.how.unit == "words":
            return f"{least:,} words"
        unit = "characters" if self.how.unit == "chars" else "bytes"
        return f"{least:,} {unit}, which is about {ceil(least / BYTES_PER_WORD):,} words"


plugin: type[Rewrite[How]] = Expand
