"""Finds the error of an API or a proxy that was saved as an answer, or that ends one.

Three shapes: an error object in JSON, an error page in HTML or a traceback that is the whole answer; words that only
a machine says at the head or in the last line (`Rate limit reached for ...`); words that people say as well
(`Something went wrong`), where the answer is nothing else. A prompt that is about errors, logs or servers asked for
them: such an answer is no error.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from . import Decision, Measured, Options, Rule, kind_and_words
from ._answers import NONE, AnswerRule, Exchange, quoting
from ._phrases import phrases

PHRASES = Path(__file__).with_name("api_error.phrases")
BRIEF = 160
"""Characters under which an answer that opens with `Error:` or `Something went wrong` is nothing else."""
LONGEST = 4_000
"""Characters of an answer over which it is no error by itself; error pages run to about 3,000. Chosen by us."""
HEAD, TAIL = 600, 300
"""Characters that are looked at from the head, and of a last line."""
_LEAD = re.compile(
    r"[\s*_#>`\"'(\[⚠️❌❗🚫]*(?:(?:fatal |request |api )?(?:error|exception|failed|warning)(?: message)?\s*[:!-]\s*)?",
    re.IGNORECASE)
_DATA = re.compile(r"\s*(?:```\w*\s*)?(?:[{<]|Traceback)", re.IGNORECASE)


class Measure(Options):
    """Nothing to set: the phrases are the rule's version."""


class Bounds(Options):
    """What becomes of a row whose answer is an error."""

    act: Literal["drop", "flag"] = Field("drop", description="what becomes of a row that is or ends in an error")


class ApiError(AnswerRule[Measure, Bounds]):
    """Says `whole: WORDS`, `end: WORDS`, `asked: WORDS` or `none`."""

    kinds: ClassVar[tuple[str, ...]] = ("whole", "end", "asked", "none")

    def look(self, exchange: Exchange) -> Measured | None:
        """The words of the error, with their span."""
        text = exchange.answer
        for kind, span in (("whole", _opens(text)), ("end", _ends(text))):
            if span is not None:
                asked = phrases(PHRASES)["topic"].search(exchange.asked)
                return quoting("asked" if asked else kind, text, span)
        return NONE

    def decide(self, measured: Measured) -> Decision:
        """Errors as the option says; what was asked for is kept."""
        kind, words = kind_and_words(measured)
        if kind in ("none", "asked"):
            return Decision("keep")
        what = "an error of the host in place of an answer" if kind == "whole" else "ends in an error of the host"
        return Decision(self.bounds.act, f'{what}: "{words}"')


def _opens(text: str) -> tuple[int, int] | None:
    """The error that a text is, from its head on."""
    if len(text) > LONGEST:
        return None
    table = phrases(PHRASES)
    body = text.strip()
    start = text.index(body[0])
    if _DATA.match(body):
        for shape in ("json", "page"):
            if found := table[shape].search(text, start, start + 4 * HEAD):
                return found.span()
        if found := table["traceback"].match(text, start):
            last = body.rsplit("\n", 1)[-1]
            return found.span() if re.match(r"[\w.]+(?:Error|Exception|Interrupt|Exit|Timeout)\b", last) else None
    lead = _LEAD.match(text, start)
    heads = {start: None, lead.end() if lead else start: None}
    for at in heads:
        if found := table["sure"].match(text, at):
            return at, found.end()
    if len(body) <= BRIEF and "\n\n" not in body:
        for at in heads:
            if found := table["whole"].match(text, at):
                return at, found.end()
    return None


def _ends(text: str) -> tuple[int, int] | None:
    """The error in the last line of a text that holds more."""
    body = text.rstrip()
    at = body.rfind("\n") + 1
    if not at or len(body) - at > TAIL:
        return None
    lead = _LEAD.match(text, at)
    found = phrases(PHRASES)["sure"].match(text, lead.end() if lead else at)
    return (at, found.end()) if found else None


plugin: type[Rule[Measure, Bounds]] = ApiError
