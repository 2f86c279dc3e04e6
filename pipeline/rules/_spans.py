"""What rules that look for spans have in common: where they look, what they say of it, and what becomes of the row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from ..pii import Span
from ..types import Sample, text_of
from ..views import shown
from . import Decision, Measured, Options, kind_and_words

SHOWN = 5
"""So many are named by an excerpt; the others are counted."""
Over = Literal["both", "answer", "prompt"]


class Bounds(Options):
    """How many are too many, and what becomes of such a row."""

    max: int = Field(0, ge=0, description="so many are let through")
    act: Literal["flag", "drop"] = Field("flag", description="what becomes of a row with more")


def spans_of(
    sample: Sample, over: Over, find: Callable[[str], list[Span]], excerpt: Callable[[str, Span], str]
) -> Measured | None:
    """`2: email s…@….com, card …93 in the prompt`, or `none`; the span is the first one in the last answer.

    Args:
        sample: the row. Its answers are those that are trained on; the prompt is all else that is said in it.
        over: where to look.
        find: the spans in a text.
        excerpt: what may be shown of one.

    Returns:
        None where there is no text to look at.
    """
    told: list[str] = []
    first: tuple[int, int] | None = None
    looked, last = False, sample.last("assistant")
    for message in sample.messages:
        answers = message.get("role") == "assistant" and message.get("weight") != 0
        text = text_of(message.get("content")) if answers else shown(message)
        if not text or over == ("prompt" if answers else "answer"):
            continue
        looked = True
        found = find(text)
        if found and answers and message is last and first is None:
            first = found[0].start, found[0].end
        place = "" if answers else " in the prompt"
        told += [f"{span.kind} {excerpt(text, span)}{place}" for span in found]
    if not looked:
        return None
    if not told:
        return Measured("none")
    more = Counter(each.partition(" ")[0] for each in told[SHOWN:])
    rest = "".join(f", {count} more {kind}" for kind, count in sorted(more.items()))
    return Measured(f"{len(told)}: {', '.join(told[:SHOWN])}{rest}", first)


def decided(measured: Measured, bounds: Bounds) -> Decision:
    """Compares the count with what is let through."""
    count, told = kind_and_words(measured)
    if count == "none" or int(count) <= bounds.max:
        return Decision("keep")
    return Decision(bounds.act, told)
