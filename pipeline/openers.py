"""What assistants say around an answer: `Certainly! Here is the poem:` before it, `I hope this helps!` behind it.

A word of assent is an opener where something follows it that stands by itself. Where the prompt asks a question of yes
or no it is the answer; where it asks for a letter or a talk, courtesies are part of the text.
"""

from __future__ import annotations

import re

from .kinds import kind_of
from .views import has_words

LEAST = 3
"""Words that are left of an answer at least; with fewer, what was found is the answer itself. Chosen by us."""
_ASSENT = (
    r"certainly|sure(?: thing)?|of course|absolutely|definitely|gladly|no problem|you got it|understood|got it"
    r"|(?:that's |what )?an? (?:great|good|excellent|interesting|fascinating|wonderful) (?:question|idea|topic|prompt)"
    r"|(?:great|good|excellent|interesting) question|thank(?:s| you) for (?:asking|your question|the question|sharing)")
_GLAD = r"I(?:'d|’d| would|'m|’m| am) (?:be )?(?:more than )?(?:happy|glad|delighted) to [^.!:\n]{1,80}[.!]"
_HERE = (
    r"(?:(?:here(?:'s|’s| is| are)|below (?:is|are)|the following (?:is|are))\b[^:\n]{1,160}:|here you (?:go|are)[:!.])"
    r"[ \t]*\n\s*")
_SOON = r"(?=\s*(?:here|below|I(?:'d|’d| would)\b))"
_OPENER = re.compile(
    rf"\s*(?:(?P<assent>{_ASSENT})(?:[!.]+|,{_SOON})(?:\s+|$)(?:{_GLAD}(?:\s+|$))?(?:{_HERE})?"
    rf"|(?P<glad>{_GLAD})(?:\s+|$)(?:{_HERE})?|(?P<bare>{_HERE})(?<=\n))", re.IGNORECASE)
_OFFER = re.compile(
    r"(?:I (?:really )?hope (?:this|that|it|these)\b[^.!?\n]{0,60}\b(?:helps?|helpful|useful)\b[^.!?\n]{0,60}[.!]"
    r"|(?:hope (?:this|that) helps)[^.!?\n]{0,40}[.!]"
    r"|(?:please )?(?:let me know|feel free to (?:ask|reach out|let me know|contact me))\b[^.!?\n]{0,160}[.!?]"
    r"|(?:please )?(?:do not|don't|don’t) hesitate to [^.!?\n]{1,120}[.!]"
    r"|(?:would you like|do you want) me to [^.!?\n]{1,160}\?"
    r"|is there anything (?:else|more)\b[^.!?\n]{0,120}\?"
    r"|if you (?:have|need|would like|'d like|’d like|want)\b[^.!?\n]{1,100},? (?:please )?"
    r"(?:let me know|feel free|just (?:ask|let me know)|I(?:'m|’m| am) here|don't hesitate)\b[^.!?\n]{0,80}[.!])",
    re.IGNORECASE)
_SPOKEN = re.compile(
    r"\b(?:letters?|e-?mails?|messages?|repl(?:y|ies)|respond to|response to|dialogues?|conversations?|chat|scripts?"
    r"|speech|notes?|invitations?|announcement|role-?play|pretend|act as|customer|colleague|review|tweet|post)\b",
    re.IGNORECASE)
_YES_NO = re.compile(
    r"(?:^|[.!?\n,:]\s*)(?:is|are|am|was|were|do|does|did|has|have|had|should|shall|may|might|must"
    r"|(?:can|could|will|would)(?! you\b))(?:n't|n’t)?\s[^.!?\n]*\?\W*$", re.IGNORECASE)


def opener_of(text: str, asked: str) -> int:
    """Characters at the head of an answer that are an opener, with the space behind it; 0 where there is none.

    Args:
        text: the answer.
        asked: what it answers: the text of the user, with the system's.
    """
    found = _OPENER.match(text)
    if found is None or _SPOKEN.search(asked) or (found["assent"] and _YES_NO.search(asked)):
        return 0
    word = found["assent"] or found["glad"] or found["bare"]
    if word.casefold().strip("!.:, \n\t") in asked.casefold():  # the prompt asked for it
        return 0
    rest = text[found.end():]
    joined = "\n" not in text[:found.end()].lstrip()
    if not has_words(rest, LEAST) or (joined and rest[:1].islower()) or kind_of(text) in ("dialogue", "json"):
        return 0
    if found["bare"] and ("\n\n" not in text[:found.end()] or kind_of(rest) in ("list", "table", "code")):
        return 0
    return found.end()


def offer_of(text: str, asked: str) -> int:
    """Where the offers behind an answer begin, with the space before them; `len(text)` where there is none."""
    if _SPOKEN.search(asked):
        return len(text)
    end = len(text)
    while True:
        body = text[:end].rstrip()
        at = _last_sentence(body)
        if at is None or _OFFER.fullmatch(body, at) is None:
            break
        end = len(text[:at].rstrip())
    if end < len(text) and (not has_words(text[:end], LEAST) or text[:end].casefold() in asked.casefold()):
        return len(text)
    return end if text[end:].strip() else len(text)


def _last_sentence(body: str) -> int | None:
    """Where the last sentence of a text begins; None where the text is that sentence alone."""
    ends = [found.end() for found in re.finditer(r"[.!?:…)\]*`\"”][\"'”’)*]*[ \t]+|\s*\n\s*", body[-400:])]
    return len(body) - len(body[-400:]) + ends[-1] if ends else None
