"""Finds answers in another language than expected, or than the prompt's.

By an offline model, and unknown rather than wrong.
The language of an answer is told from its script where that decides (Greek, Thai, Japanese, ...), else by fastText's
lid.176, and only where it is sure: labels, code, JSON, tables and texts of under 20 letters have none. A prompt that
speaks of translating or names a language may be answered in any, and so may one that holds a passage in the language of
the answer. """

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field

from ..kinds import kind_of
from ..languages import LETTERS, language_of, names_language, same
from ..options import listed
from ..types import SYSTEM_ROLES, Sample, text_of
from . import Decision, Measured, OptionFault, Options, RowRule, Rule
from ._answers import exchanges

NO_LANGUAGE = frozenset({"label", "json", "code", "table"})
"""Kinds of answer that are in no language."""
ITEM_WORDS = 5
"""Words of a list's items, its mark among them, under which they may be names. Chosen by us: `- Ragu alla Bolognese` is
English."""
_CODE = re.compile("[a-z]{2,3}")


class Measure(Options):
    """Nothing to set."""


class Bounds(Options):
    """Which languages are right."""

    expect: list[str] | None = Field(None, description="the languages that answers may have, as [en, de]")
    same_as: Literal["prompt", "nothing"] = Field("prompt", description="whether an answer has the prompt's language")
    act: Literal["flag", "drop"] = Field("flag", description="what becomes of a row in another one")


class Language(RowRule[Measure, Bounds]):
    """Says `en`, or `de; de to en` where an answer in German follows a prompt in English, or `unknown`."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Takes `expect: en` for a list of one; no is Norwegian, whatever YAML makes of it."""
        norwegian = {"expect": "no"} if options.get("expect") is False else {}
        return listed({**options, **norwegian}, "expect")

    def check(self) -> None:
        """Codes, and something to compare with."""
        for code in self.bounds.expect or ():
            if not _CODE.fullmatch(code):
                raise OptionFault(f"expect: {code!r} is no code of ISO 639", "- language: {expect: [en, de]}")
        if not self.bounds.expect and self.bounds.same_as == "nothing":
            raise OptionFault("which language is right?", "- language: {expect: en}\n- language: {same_as: prompt}")

    def measure(self, sample: Sample) -> Measured | None:
        """The languages of the answers, and the first that is not its prompt's; None where none of them has one."""
        found: dict[str, None] = {}
        other = ""
        spoken = False
        for exchange in exchanges(sample):
            if _of_none(exchange.answer):
                continue
            spoken = True
            code = language_of(exchange.answer)
            if code is not None:
                found[code] = None
                other = other or _mismatch(sample, exchange.prompt, code)
        if not spoken:
            return None
        return Measured((" ".join(found) or "unknown") + other)

    def decide(self, measured: Measured) -> Decision:
        """Flags or drops what is in another language; what is not known is kept."""
        found, _, other = str(measured.value).partition("; ")
        allowed = self.bounds.expect
        if allowed and found != "unknown":
            strange = [code for code in found.split() if not any(same(code, each) for each in allowed)]
            if strange:
                return Decision(self.bounds.act, f"answer in {strange[0]}, expected {' or '.join(allowed)}")
        if other and self.bounds.same_as == "prompt":
            answer, _, prompt = other.partition(" to ")
            return Decision(self.bounds.act, f"answer in {answer}, prompt in {prompt}")
        return Decision("keep")


def _of_none(answer: str) -> bool:
    """Whether an answer is of a kind that is in no language; a list of a few words each is one of names."""
    kind = kind_of(answer)
    return kind in NO_LANGUAGE or (kind == "list" and len(answer.split()) < ITEM_WORDS * (answer.count("\n") + 1))


def _mismatch(sample: Sample, prompt: str, code: str) -> str:
    """`; de to en` where a prompt has another language than its answer, and nothing in the row asks for that."""
    asked = language_of(prompt)
    if asked is None or same(asked, code):
        return ""
    asking = (each for each in sample.messages if each.get("role") in (*SYSTEM_ROLES, "user"))
    if any(names_language(text_of(each.get("content"))) for each in asking):
        return ""
    parts = (part for part in re.split(r"[\n\"“”«»]+|(?<=[.!?:])\s", prompt) if len(part) >= LETTERS)
    if any((part_code := language_of(part)) and same(part_code, code) for part in parts):
        return ""
    return f"; {code} to {asked}"


plugin: type[Rule[Measure, Bounds]] = Language
