"""Finds answers in which the model refuses in English, wholly or in part, and shows the words.

What the host says comes first: a `refusal` field, or a content filter. Then the text: phrases of
refusal, at the opening of the answer only, with either apostrophe. A full refusal is
dropped; one that hedges and then does what was asked is partial and flagged. Speech in quotation
marks is a character's, and first-person stories lack the object that a refusal has (a request,
content, assistance), so neither counts.
"""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ..types import Sample
from ..views import answered
from . import Decision, Measured, Options, RowRule, Rule, kind_and_words
from ._phrases import phrases

PHRASES = Path(__file__).with_name("refusal.phrases")
OPENING = 300
"""A refusal stands within so many characters, after openers only."""
_LEAD = re.compile(r"[\s*_#>]*(?:(?:assistant|answer|response|ai)\s*:\s*)?", re.IGNORECASE)
_FIRST = re.compile("[a-z]*", re.IGNORECASE | re.ASCII)
_OPENS = frozenset((
    "also", "although", "apologies", "as", "asa", "asan", "can", "cannot", "could", "couldn", "currently", "decline",
    "deeply", "do", "don", "have", "hello", "hi", "i", "im", "it", "just", "must", "my", "need", "no", "please",
    "politely", "really", "refuse", "regrettably", "respectfully", "simply", "sincere", "sincerest", "so", "sorry",
    "still", "terribly", "thank", "thanks", "that", "the", "this", "though", "truly", "unfortunately", "very", "while",
    "will", "won", "would", "wouldn", "your"))
"""With one of these words begins whatever a phrase finds at the head."""
PIVOT_WITHIN, PIVOT_WORDS, LONG_WORDS = 250, 40, 250
"""A refusal is partial where 40 words or more follow a turn such as `However, here is ..` that comes
within 250 characters, or where 250 words follow it at all. Chosen by us on hand-labelled answers of
XSTest (Roettger et al. 2024), where refusals with advice run to 200 words."""


class Measure(Options):
    """Nothing to set: the phrases are the rule's version."""


class Bounds(Options):
    """What becomes of a row that refuses in part."""

    partial: Literal["flag", "drop", "keep"] = Field("flag", description="what becomes of a row that refuses in part")


class Refusal(RowRule[Measure, Bounds]):
    """Says `full: WORDS`, `partial: WORDS`, `host: WHAT` or `none`, of every answer that is trained on."""

    version: ClassVar[int] = 2

    def measure(self, sample: Sample) -> Measured | None:
        """What kind of refusal, with the words and their span; None where the answer is a call of tools."""
        said = _by_host(sample)
        if said:
            return Measured(f"host: {said}")
        texts = answered(sample)
        if texts is None:
            return None
        found = [refusal_in(text)._replace(span=None) if text != sample.answer else refusal_in(text) for text in texts]
        kinds = [kind_and_words(each)[0] for each in found]
        return next((found[kinds.index(kind)] for kind in ("full", "partial") if kind in kinds), Measured("none"))

    def decide(self, measured: Measured) -> Decision:
        """Drops full refusals; partial ones as the options say."""
        kind, words = kind_and_words(measured)
        if kind == "none":
            return Decision("keep")
        if kind == "host":
            return Decision("drop", f"refused, as the host says: {words}")
        return Decision(self.bounds.partial if kind == "partial" else "drop", f'{kind} refusal: "{words}"')


def refusal_in(text: str) -> Measured:
    """What a text says of a refusal at its head: `full: WORDS`, `partial: WORDS` or `none`, and where."""
    span = _words_of_refusal(text)
    if span is None:
        return Measured("none")
    kind = "partial" if _goes_on(text[span[1]:]) else "full"
    return Measured(f"{kind}: {' '.join(text[slice(*span)].split())}", span)


def _by_host(sample: Sample) -> str:
    """What the host says about a refusal: the text of its field, or that its filter stopped the answer."""
    message = sample.last("assistant") or {}
    for text in (sample.provenance.get("refusal"), message.get("refusal")):
        if isinstance(text, str) and text.strip():
            return " ".join(text.split())[:200]
    return "content_filter" if sample.provenance.get("finish_reason") == "content_filter" else ""


def _words_of_refusal(text: str) -> tuple[int, int] | None:
    """Where the answer opens with a refusal, clause by clause: linear in the length of the opening."""
    table = phrases(PHRASES)
    lead = _LEAD.match(text)
    start = lead.end() if lead else 0
    first = _FIRST.match(text, start)
    if first and first[0].lower() not in _OPENS and text[start:start + len(first[0]) + 1].isascii():
        return None
    sorry = model = False
    clauses = (found.end() for found in table["clause"].finditer(text, start, start + OPENING))
    for at in chain((start,), clauses):
        refuses = table["refuses"].match(text, at)
        if refuses is None and sorry:
            refuses = table["refuses after sorry"].match(text, at)
        if refuses is None and model:
            refuses = table["refuses as model"].match(text, at)
        if refuses:
            return start, refuses.end()
        opens = table["sorry"].match(text, at)
        sorry = sorry or opens is not None
        model = model or table["as model"].match(text, at) is not None
        begins = at == start or text[start:at].rstrip()[-1:] in (".", "!", "?")
        if begins and not opens and not table["polite"].match(text, at):
            return None  # the answer proper has begun
    return None


def _goes_on(rest: str) -> bool:
    """Whether what follows the refusal does what was asked."""
    pivot = phrases(PHRASES)["complies"].search(rest, 0, PIVOT_WITHIN)
    return len(rest.split()) >= LONG_WORDS or (pivot is not None and len(rest[pivot.end():].split()) >= PIVOT_WORDS)


plugin: type[Rule[Measure, Bounds]] = Refusal
