"""Takes `Certainly! Here is a poem:` and `I hope this helps!` from around an answer, nothing else. Asks nobody.

Left alone: an answer that would have nothing else, assent that answers a question of yes or no, courtesies where the
prompt asks for a letter, a talk or these very words, and `Here are ...:` that leads a list in.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..openers import offer_of, opener_of
from ..options import listed
from ..types import Sample
from ..words import plural, shown
from . import Changed, LocalRewrite, Options, Refused, Rewrite
from ._answers import Turn, changed, turns


class How(Options):
    """What is taken away."""

    what: list[Literal["opener", "offer"]] = Field(
        ["opener", "offer"], min_length=1, description="opener: before the answer; offer: of more help, behind it")


class StripOpener(LocalRewrite[How]):
    """Cuts at the head and the end of each answer that is trained on."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Takes `what: opener` for a list of one."""
        return listed(options, "what")

    def applies(self, sample: Sample) -> bool:
        """Rows with an opener or an offer."""
        return any(self._span(turn) != (0, len(turn.text)) for turn in turns(sample))

    def change(self, sample: Sample) -> Changed | Refused:
        """The row without them, and the first of them."""
        gone: list[str] = []

        def cut(turn: Turn) -> str:
            start, end = self._span(turn)
            gone.extend(each.strip() for each in (turn.text[:start], turn.text[end:]) if each.strip())
            return turn.text[start:end]

        found = changed(sample, cut)
        if not gone:
            return Refused("unchanged", "no opener and no offer")
        return Changed(found, f"{plural(len(gone), 'courtesy', 'courtesies')}, as “{shown(gone[0])[:80]}”")

    def _span(self, turn: Turn) -> tuple[int, int]:
        """What is left of an answer. Cut until nothing more is found, so that a row is changed once."""
        start, end = 0, len(turn.text)
        while True:
            text = turn.text[start:end]
            head = opener_of(text, turn.asked) if "opener" in self.how.what else 0
            tail = offer_of(text[head:], turn.asked) + head if "offer" in self.how.what else len(text)
            if (head, tail) == (0, len(text)):
                return start, end
            start, end = start + head, start + tail


plugin: type[Rewrite[How]] = StripOpener
