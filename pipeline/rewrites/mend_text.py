"""Mends text that a wrong encoding broke, as `cafÃ©` to `café`, in lines where that was measured. Asks nobody.

The rule `mojibake` finds the places, ftfy mends their lines; other lines stay as they are to the byte. Lost characters
cannot be brought back: a row that still has one is refused.
"""

from __future__ import annotations

from ..broken_text import about_encodings, around, broken_places, mended
from ..types import Sample
from ..words import plural, shown
from . import Changed, LocalRewrite, Options, Refused, Rewrite
from ._answers import Turn, changed, turns


class How(Options):
    """Nothing to set."""


class MendText(LocalRewrite[How]):
    """Changes broken lines of answers that are trained on."""

    cures = frozenset({"mojibake"})

    def applies(self, sample: Sample) -> bool:
        """Rows with a broken place."""
        return any(_places(turn) for turn in turns(sample))

    def change(self, sample: Sample) -> Changed | Refused:
        """The row mended, and the first place before and after."""
        count, told, left = 0, "", 0

        def mend(turn: Turn) -> str:
            nonlocal count, told, left
            places = _places(turn)
            if not places:
                return turn.text
            text = _mended(turn.text, places)
            before = around(turn.text, places[0])
            told = told or f"“{shown(before)}” to “{shown(mended(before))}”"
            count, left = count + len(places), left + len(broken_places(text))
            return text

        found = changed(sample, mend)
        if left:
            return Refused("not-clean", f"{plural(left, 'place')} of {count} cannot be mended")
        return Changed(found, f"{plural(count, 'place')}, as {told}")


def _places(turn: Turn) -> list[tuple[int, int]]:
    places = broken_places(turn.text)
    return [] if places and about_encodings(turn.asked) else places


def _mended(text: str, places: list[tuple[int, int]]) -> str:
    """A text with the lines mended in which something is broken."""
    parts, at = [], 0
    for start, end in places:
        if start < at:
            continue
        begin = max(at, text.rfind("\n", 0, start) + 1)
        stop = text.find("\n", end)
        stop = len(text) if stop < 0 else stop
        parts += [text[at:begin], mended(text[begin:stop])]
        at = stop
    return "".join([*parts, text[at:]])


plugin: type[Rewrite[How]] = MendText
