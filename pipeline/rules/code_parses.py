"""Finds code that cannot be parsed: Python, JSON, YAML, TOML, XML, and brackets of C, Java, JavaScript and Go.

Looked at are blocks between three backticks that name their language, and answers that are code as a whole and begin as
Python does. Python is what the Python that runs this takes; `print x` is told as Python 2. Of the other languages only
brackets that are not closed are told. Shells, SQL, HTML and the rest are passed over. Nothing is run.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field

from ..kinds import kind_of
from . import Decision, Measured, Options, Rule, kind_and_words
from ._answers import AnswerRule, Exchange
from ._parsers import PYTHON_2, name_of, parse

HOLDS, BROKEN = "holds", "broken"
BLOCKS = 50
"""Blocks of an answer that are looked at."""
_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n`]*\n(.*?)(?:^[ \t]*\2[`~]*[ \t]*$|\Z)",
                    re.DOTALL | re.MULTILINE)
_PYTHON = re.compile(
    r"^(?:(?:async\s+)?def\s+\w+\s*\(.*|class\s+\w+.*:\s*(?:#.*)?$"
    r"|(?:from\s+[\w.]+\s+)?import\s+\w[\w., ]*(?: as \w+)?\s*$)", re.MULTILINE)
_ELSE = re.compile(r"[;{}]\s*$|^\s*(?:#include|using |package |public |#!.*\b(?:bash|sh|node|perl|ruby)\b)|^\s*end\s*$",
                   re.MULTILINE)


class Measure(Options):
    """Nothing to set."""


class Bounds(Options):
    """What becomes of code that is broken."""

    act: Literal["flag", "drop"] = Field("flag", description="for code that cannot be parsed")
    python_2: Literal["flag", "drop", "keep"] = Field("flag", description="for code that only Python 2 takes")


class CodeParses(AnswerRule[Measure, Bounds]):
    """Says `holds`, `broken: LANGUAGE: WHAT (line N)` of the first block that is, or `python 2: WHAT`."""

    kinds: ClassVar[tuple[str, ...]] = (BROKEN, PYTHON_2, HOLDS)

    def look(self, exchange: Exchange) -> Measured | None:
        """The worst of the answer's blocks, with its place; None where none can be told."""
        found: Measured | None = None
        for language, start, end in _blocks(exchange.answer):
            told = parse(language, exchange.answer[start:end])
            if told is None:
                continue
            value = told if told.startswith(PYTHON_2) else f"{BROKEN}: {name_of(language)}: {told}"
            each = Measured(value, (start, end)) if told else Measured(HOLDS)
            if found is None or self._gravity(each) > self._gravity(found):
                found = each
        return found

    def decide(self, measured: Measured) -> Decision:
        """As the options say."""
        kind, what = kind_and_words(measured)
        if kind == HOLDS:
            return Decision("keep")
        if kind == PYTHON_2:
            return Decision(self.bounds.python_2, f"Python 2: {what}" if self.bounds.python_2 != "keep" else "")
        return Decision(self.bounds.act, f"cannot be parsed: {what}")


def _blocks(text: str) -> list[tuple[str, int, int]]:
    """The pieces of code in a text: the language, and where each begins and ends."""
    if "```" not in text and "~~~" not in text:
        return [("python", 0, len(text))] if kind_of(text) == "code" and _is_python(text) else []
    found = []
    for each in _FENCE.finditer(text):
        start, end = each.span(4)
        language = each[3] or ("python" if _is_python(text[start:end]) else "")
        if language and end > start:
            found.append((language, start, end))
        if len(found) == BLOCKS:
            break
    return found


def _is_python(code: str) -> bool:
    """Whether code that names no language is Python: it defines or imports as Python does, no line as another does."""
    return _PYTHON.search(code) is not None and not _ELSE.search(code)


plugin: type[Rule[Measure, Bounds]] = CodeParses
