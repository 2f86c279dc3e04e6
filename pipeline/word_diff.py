"""What is other in a text than in another one, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Literal, NamedTuple

MOST = 4_000_000
"""Pairs of words up to which two texts are compared word by word, about a second; beyond, as a whole."""
_PARTS = re.compile(r"\w+(?:['’]\w+)*|\n+|[^\S\n]+|[^\w\s]")


class Span(NamedTuple):
    """A stretch of text: in both, only in the old one, or only in the new one."""

    what: Literal["same", "old", "new"]
    text: str


def word_diff(old: str, new: str) -> list[Span]:
    """The stretches of two texts in order: those of `same` and `old` make the one, those of `same` and `new` the other.

    A single space between two changes counts as changed with them, so that a phrase is one change.
    """
    mine, theirs = _PARTS.findall(old), _PARTS.findall(new)
    head = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(mine, theirs, strict=False)))
    rest, other = mine[head:], theirs[head:]
    tail = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(rest[::-1], other[::-1], strict=False)))
    rest, other = rest[: len(rest) - tail], other[: len(other) - tail]
    spans = [Span("same", "".join(mine[:head])), *_middle(rest, other), Span("same", "".join(mine[len(mine) - tail:]))]
    return _joined([span for span in spans if span.text])


def _middle(mine: list[str], theirs: list[str]) -> list[Span]:
    if len(mine) * len(theirs) > MOST:
        return [Span("old", "".join(mine)), Span("new", "".join(theirs))]
    found: list[Span] = []
    for what, start, end, begin, stop in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        if what == "equal":
            found.append(Span("same", "".join(mine[start:end])))
        else:
            found += [Span("old", "".join(mine[start:end])), Span("new", "".join(theirs[begin:stop]))]
    return found


def _joined(spans: list[Span]) -> list[Span]:
    """Spans with each change as one: what is old before what is new, and no change within a space of another."""
    found: list[Span] = []
    old = new = ""
    for at, span in enumerate(spans):
        small = span.what == "same" and span.text.isspace() and "\n" not in span.text and 0 < at < len(spans) - 1
        if span.what == "same" and not (small and (old or new)):
            found += [*_change(old, new), span]
            old = new = ""
        else:
            old += span.text if span.what != "new" else ""
            new += span.text if span.what != "old" else ""
    return [*found, *_change(old, new)]


def _change(old: str, new: str) -> list[Span]:
    return [span for span in (Span("old", old), Span("new", new)) if span.text]
