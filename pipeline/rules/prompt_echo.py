"""Finds answers that open with the prompt: all of it, a long part, or the instruction once more.

The value is the share of words that the answer's opening repeats in one run: of the prompt, or of its first or last
line, whichever is more. An echo ends where a sentence ends: `The capital of Peru is ...` restates a question
and answers it. Copying is what some tasks want (to rewrite, translate, correct, continue): there only an echo of these
words counts too. In code, JSON and tables, and for prompts of a few words, an answer must be the prompt and no more.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ..digest import normal_text
from ..kinds import kind_of
from ..views import piece_words, words
from . import Decision, Measured, Options, Rule
from ._answers import AnswerRule, Exchange
from ._phrases import phrases

PHRASES = Path(__file__).with_name("prompt_echo.phrases")
OPENING, OPENING_WITHIN = 5, 200
"""Words with which an echo must begin before anything more is looked at, within so many characters."""
WHOLE_WORDS = 3
"""An answer that is the prompt is an echo from so many words on: `Hello!` is answered by `Hello!`. Chosen by us."""
SHARE = 0.6
"""Chosen by us on 2026-11-28: of 175 seed tasks, 252 outlines beside their synopses and 1,282 passages beside their
questions, one repeats so much without being its prompt: a question made of the passage's first sentence."""
_WORDS = re.compile(r"\w+")
_LEAD = re.compile(r"\W*(?:question|prompt|instructions?|task|input|user|human|q)\s*:", re.IGNORECASE)
_ENDS = re.compile(r"[\"'”’»)\]*_ \t]*(?:[.!?:…。！？\n]|$)")


class Measure(Options):
    """From where on a prompt is long enough to be echoed."""

    min_words: int = Field(8, ge=1, description="words that a prompt, or a line of it, must have")


class Bounds(Options):
    """How much is too much."""

    max: float = Field(SHARE, ge=0, le=1, description="the share of the prompt that an answer may open with")
    act: Literal["drop", "flag"] = Field("drop", description="what becomes of a row above it")


class PromptEcho(AnswerRule[Measure, Bounds]):
    """The share of the prompt's words with which the answer opens, from 0 to 1."""

    version: ClassVar[int] = 2

    def look(self, exchange: Exchange) -> Measured | None:
        """The share, with the span of the echo; None without a prompt."""
        prompt, text = exchange.prompt, exchange.answer
        if not prompt or prompt.isspace():
            return None
        opening = _opening(text)
        if not opening or opening[0] not in prompt.casefold():
            return Measured(0.0)
        if f" {' '.join(opening)} " not in f" {' '.join(words(prompt))} ":
            return Measured(0.0)
        if normal_text(prompt) == normal_text(text):
            return Measured(1.0, (0, len(text))) if len(words(prompt)) >= WHOLE_WORDS else Measured(0.0)
        if kind_of(text) in ("code", "json", "table"):
            return Measured(0.0)
        found, copies = self._share(prompt, text), phrases(PHRASES)["copies"].search(exchange.asked)
        if copies and not (found.span and copies[0].strip() in text[slice(*found.span)]):
            return Measured(0.0)
        return found

    def decide(self, measured: Measured) -> Decision:
        """Compares the share with the bound."""
        share = float(str(measured.value))
        if share <= self.bounds.max:
            return Decision("keep")
        return Decision(self.bounds.act, f"opens with {share:.0%} of the prompt's words, or of its instruction's")

    def _share(self, prompt: str, text: str) -> Measured:
        """How much of the prompt, or of its first or last line, the opening repeats."""
        start = _start(text)
        said = piece_words(text[start:])
        lines = [line for line in prompt.splitlines() if line.strip()]
        best, place = 0.0, (start, start)
        for part in dict.fromkeys((prompt, lines[0], lines[-1])):
            asked = piece_words(part)
            run = _run(asked, said) if len(asked) >= self.how.min_words else 0
            span = _whole_sentences(text, _span(text, start, run)) if run else place
            share = min(1.0, len(piece_words(text[slice(*span)])) / len(asked)) if run else 0.0
            if share > best:
                best, place = share, span
        return Measured(round(best, 3), place if best else None)


def _opening(text: str) -> list[str]:
    """The first words of a text, behind a label such as `Question:`, quotation marks and headings."""
    start = _start(text)
    return piece_words(text[start:start + OPENING_WITHIN])[:OPENING]


def _start(text: str) -> int:
    """Where a text begins behind such a label."""
    lead = _LEAD.match(text, 0, OPENING_WITHIN) if ":" in text[:OPENING_WITHIN] else None
    return lead.end() if lead else 0


def _run(asked: list[str], said: list[str]) -> int:
    """The longest run of words with which an answer opens and that stands in a prompt."""
    longest = 0
    for at in [at for at, word in enumerate(asked) if word == said[0]]:
        length = 0
        while length < len(said) and at + length < len(asked) and asked[at + length] == said[length]:
            length += 1
        longest = max(longest, length)
    return longest


def _span(text: str, start: int, count: int) -> tuple[int, int]:
    """The place of so many words."""
    end = start
    for found in _WORDS.finditer(text, start):
        count -= len(piece_words(found[0]))
        end = found.end()
        if count <= 0:
            break
    return start, end


def _whole_sentences(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """An echo without the sentence that goes on otherwise: `The capital of Peru is ...` is an answer."""
    start, end = span
    if _ENDS.match(text, end):
        return span
    last = max(text.rfind(mark, start, end) for mark in ".!?:\n。！？")
    return (start, last + 1) if last >= 0 else (start, start)


plugin: type[Rule[Measure, Bounds]] = PromptEcho
