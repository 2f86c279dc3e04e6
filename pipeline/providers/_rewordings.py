"""Rehearses requests to say a text in other words, to make a prompt harder, or to write another one of its kind.

The wordings are made by a few fixed turns of phrase. They are enough to take the whole road, and show nothing of what
a model would write.
"""

from __future__ import annotations

import re

from pipeline.types import Message

from ._asks import given_text, last_text
from ._grammar import Dice, fault_of

FAULTS: dict[str, float] = {"copy": 0.08, "answer": 0.04, "number": 0.06, "task": 0.04, "german": 0.02}
"""Shares of wordings with a fault, set by us so that each refusal shows in a few hundred rows; they measure no model.

copy: the text as it was. answer: an answer in place of a request. number: another number. task: talk of the task.
german: another language."""
_REQUEST = re.compile(r"<request>\n(.*)\n</request>\s*\Z", re.DOTALL)
_REWORD = re.compile(r"\Aput the request below in other words", re.IGNORECASE)
_HARDER = re.compile(r"\Amake the request below a little harder", re.IGNORECASE)
_OTHER = re.compile(r"\Awrite another request that is of the same domain", re.IGNORECASE)
_AGAIN = re.compile(r"\Asay your last answer in other words", re.IGNORECASE)
_TURNS = (
    (r"\bIs there\b", "Do you know of"), (r"\bWhat (is|are)\b", r"Could you tell me what \1"),
    (r"\bGive me\b", "I need"),
    (r"\b[Gg]enerate\b", "produce"), (r"\b[Ww]rite\b", "put down"), (r"\b[Cc]reate\b", "put together"),
    (r"\b[Ss]uggest\b", "come up with"), (r"\b[Ee]xplain\b", "make clear"), (r"\b[Dd]escribe\b", "tell me about"),
    (r"\b[Ff]ind\b", "look for"), (r"\b[Mm]ake\b", "draw up"), (r"\bHow do\b", "In which way do"),
    (r"\bgiven\b", "following"), (r"\bbecause\b", "since"), (r"\bbut\b", "yet"), (r"\balso\b", "as well"),
    (r"\bvery\b", "really"), (r"\bmany\b", "a good number of"), (r"\boften\b", "frequently"),
    (r"\bhelp\b", "assist"), (r"\bcan\b", "is able to"), (r"\bstart\b", "begin"), (r"\bshows?\b", "makes plain"),
)
_LEADS = (
    "I would like your help with this one: {}", "Would you do the following for me? {}", "Here is what I am after: {}",
    "One thing that I need today: {}", "Please see to this: {}")
_FRAMES = ("As it is, {}", "To say it once more, {}", "In plain words, {}", "Put simply, {}", "It may be said that {}")
_MORE = (
    "Say as well what speaks against it, and weigh both sides before you come to an end.",
    "Go through it step by step, and name what each step takes for granted.",
    "Keep to what a beginner without any tools at home could still follow and check.",
    "Begin with the cause, then its consequences, then what could be done differently.",
)
_OTHERS = (
    "Which tools does a keeper of a small lighthouse use in winter, and what is each of them for?",
    "Explain how a baker of the last century knew that an oven was hot enough.",
    "Write a short notice for a harbour whose ferry leaves an hour earlier than before.",
    "Compare two ways of mending a torn sail, and say when each of them fails.",
)


def reworded(dice: Dice, messages: list[Message]) -> str | None:
    """What a request to reword, harden or vary a text is answered with; None where nothing of the kind is asked."""
    asked = last_text(messages)
    if _AGAIN.match(asked):
        text = given_text(messages)
        return _faulty(dice, text, _said_again(dice, text)) if text else None
    found = _REQUEST.search(asked)
    if found is None:
        return None
    text = found[1]
    if _REWORD.match(asked):
        return _faulty(dice, text, _asked_again(dice, text))
    if _HARDER.match(asked):
        return _faulty(dice, text, f"{text.rstrip()} {_MORE[dice.below(len(_MORE))]}")
    return _faulty(dice, text, _OTHERS[dice.below(len(_OTHERS))]) if _OTHER.match(asked) else None


def _turned(text: str) -> str:
    for pattern, other in _TURNS:
        text = re.sub(pattern, other, text)
    return text


def _small(text: str) -> str:
    """A sentence as it stands behind a colon or a comma: capitals of names and of `I` stay."""
    return text if re.match(r"(?:I\b|[A-Z]{2}|\W)", text) else text[:1].lower() + text[1:]


def _asked_again(dice: Dice, text: str) -> str:
    """A request in other words: its first line, for the others may be what it is about."""
    head, line, rest = text.partition("\n")
    return _LEADS[dice.below(len(_LEADS))].format(_small(_turned(head))) + line + rest


def _said_again(dice: Dice, text: str) -> str:
    """A text in other words, line by line, with the marks of a list as they are."""
    lines = []
    for line in text.splitlines():
        mark = re.match(r"\s*(?:[-*•]|\d{1,3}[.)])?\s*", line)
        head = mark[0] if mark else ""
        parts = re.split(r"(?<=[.!?])\s+", line[len(head):])
        lines.append(head + " ".join(
            _FRAMES[dice.below(len(_FRAMES))].format(_small(_turned(part))) if len(part.split()) > 3 else part
            for part in parts))
    return "\n".join(lines)


def _faulty(dice: Dice, old: str, new: str) -> str:
    """A wording with its fault, or as it is."""
    name = fault_of(dice.random(), FAULTS)
    if name == "copy":
        return old
    if name == "answer":
        return "It depends on the weather, which is why most people begin early and keep a second plan at hand."
    if name == "number":
        return re.sub(r"\d+", lambda found: str(int(found[0][:6]) + 1), new, count=1)
    if name == "task":
        return f"The rewritten prompt asks for the same thing: {new}"
    if name is None:
        return new
    return "Bitte schreibe mir eine kurze Antwort auf die Frage, die gestern auf dem Tisch im Flur lag."
