"""Finds answers that open with the prompt: all of it, a long part, or the instruction once more.

The value is the share of words that the answer's opening repeats in one run: of the prompt, or of its first or last
line where that is a sentence of its own, whichever is more. Copying is what some tasks want (to rewrite, translate, correct, continue):
there, and in code, JSON and tables, only an answer that is the prompt and nothing else counts. So does it for
prompts of a few words.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from ..digest import normal_text
from ..kinds import kind_of
from ..views import words
from . import Decision, Measured, Options, Rule
from ._answers import AnswerRule, Exchange

OPENING, OPENING_WITHIN = 5, 200
"""Words with which an echo must begin before anything more is looked at, within so many characters."""
WHOLE_WORDS = 3
"""An answer that is the prompt is an echo from so many words on: `Hello!` is answered by `Hello!`. Chosen by us."""
SHARE = 0.6
"""Chosen by us on 2026-11-28: of the 1,282 real passages that stand beside their question none has so much, ..."""
_COPIES = re.compile(
    r"(?:^|[.!?:;,\n\"“(*-]\s*|\b(?:please|you|to|and|then|must|should|or|now|just|being|by)\s+)(?:copy|repeat|re-?writ(?:e|ing)"
    r"|rephrase|reword|paraphras\w*|translat\w*|correct\w*|edit\w*|proofread\w*|fix|improv\w*|revis\w*|polish|re-?format\w*|format|convert\w*|transform\w*"
    r"|change|replac\w*|remov\w*|delete|add|insert|fill|complet\w*|continu\w*|extend|expand|elaborate|highlight|extract\w*|quote|cite|find|select|identify"
    r"|sort|capitali[sz]e|punctuat\w*|lowercase|uppercase|echo|output|print|type|transcribe|spell|update|refactor|debug|optimi[sz]e|simplif\w*"
    r"|shorten|summari[sz]e|annotate|label|tag|mask|redact|anonymi[sz]e|reorder|rearrange|unscramble|split|separate|segment|normali[sz]e|clean|choose|pick"
    r"|underline|mark|reverse|restate|start(?:s|ing)? with|begin(?:s|ning)? with|finish|combine|merge|join|switch|adapt|modify|parse|which"
    r"|übersetze?\w*|korrigiere?\w*|schreibe?\b.{0,20}\bum|wiederhole?\w*|verbessere?\w*|setze\b.{0,20}\bfort|tradui\w*|corrige\w*|réécri\w*|répèt\w*|traduc\w*|reescrib\w*|repit\w*"
    r")\b|翻译|改写|重复|纠正|续写|翻訳|書き直|번역",
    re.IGNORECASE)
"""What asks for a text that repeats the prompt's: verbs where an instruction has them."""

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

    def look(self, exchange: Exchange) -> Measured | None:
        """The share, with the span of the echo; None without a prompt."""
        prompt, text = exchange.prompt, exchange.answer
        if not prompt or prompt.isspace():
            return None
        opening = _opening(text)
        if not opening or opening[0].lower() not in prompt.lower():
            return Measured(0.0)
        if re.search(r"\W+".join(map(re.escape, opening)), prompt, re.IGNORECASE) is None:
            return Measured(0.0)
        if normal_text(prompt) == normal_text(text):
            return Measured(1.0, (0, len(text))) if len(words(prompt)) >= WHOLE_WORDS else Measured(0.0)
        if kind_of(text) in ("code", "json", "table") or _COPIES.search(exchange.asked):
            return Measured(0.0)
        return self._share(prompt, text)

    def decide(self, measured: Measured) -> Decision:
        """Compares the share with the bound."""
        share = float(str(measured.value))
        if share <= self.bounds.max:
            return Decision("keep")
        return Decision(self.bounds.act, f"opens with {share:.0%} of the prompt's words, or of its instruction's")

    def _share(self, prompt: str, text: str) -> Measured:
        """How much of the prompt, or of its first or last line, the opening repeats."""
        lead = _LEAD.match(text)
        start = lead.end() if lead else 0
        said = words(text[start:])
        lines = [line for line in prompt.splitlines() if line.strip()]
        best, place = 0.0, (start, start)
        for part in dict.fromkeys((prompt, lines[0], lines[-1])):
            asked = words(part)
            run = _run(asked, said) if len(asked) >= self.how.min_words else 0
            span = _whole_sentences(text, _span(text, start, run)) if run else place
            share = min(1.0, len(words(text[slice(*span)])) / len(asked)) if run else 0.0
            if share > best:
                best, place = share, span
        return Measured(round(best, 3), place if best else None)


def _opening(text: str) -> list[str]:
    """The first words of a text, behind a label such as `Question:`, quotation marks and headings."""
    lead = _LEAD.match(text)
    return _WORDS.findall(text, lead.end() if lead else 0, OPENING_WITHIN)[:OPENING]


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
        count -= len(words(found[0]))
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
