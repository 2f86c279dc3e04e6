"""C4's rules for web pages: enough sentences in proper lines, no curly bracket, no lorem ipsum. Drops code and JSON.

Raffel et al. 2020, with the names and the order of huggingface/datatrove's filter. C4 also deletes lines; a rule
changes no row, so those lines are only not counted. `curate: [c4]` runs it as published.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from . import Options, Rule
from ._web import Limit, WebBounds, WebRule

ENDS = (".", "?", "!", '"', "'")
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_SENTENCE = re.compile(
    r"(?<!\b[A-Z])(?<!\b(?:Mr|Ms|Dr|St|Jr|Sr|No|Co|vs))(?<!\b(?:Mrs|Sen|Rep|Gov|Gen|Inc|Ltd|etc|e\.g|i\.e))"
    r"[.?!]+[\"')\]]*(?=\s+[^a-z\s]|\s*$)")


class Measure(Options):
    """Which lines count, as published (Raffel et al. 2020, section 2.2)."""

    min_words_per_line: int = Field(3, ge=0, description="words that a line has at least")
    max_word_length: int = Field(1000, ge=1, description="characters that none of its words is longer than")
    terminal_punct: bool = Field(True, description="whether it has to end as a sentence does; FineWeb says no")


class Bounds(WebBounds):
    """As published; null switches one off."""

    max_lorem_ipsum: int | None = Field(0, description="lines with `lorem ipsum`")
    max_curly_bracket: int | None = Field(0, description="lines with a curly bracket")
    min_num_sentences: int | None = Field(5, description="sentences in the lines that count")


class C4Quality(WebRule[Measure, Bounds]):
    """Counts what stands in the lines that C4 would keep."""

    limits: ClassVar[Sequence[Limit]] = (
        Limit("lorem_ipsum", ">", "max_lorem_ipsum", "lorem_ipsum", "lines with `lorem ipsum`"),
        Limit("curly_bracket", ">", "max_curly_bracket", "curly_bracket", "lines with a curly bracket"),
        Limit("sentences", "<", "min_num_sentences", "too_few_sentences", "sentences in proper lines"),
    )

    def measures(self, text: str) -> dict[str, float]:
        """See WebRule."""
        values: dict[str, float] = {"lorem_ipsum": 0, "curly_bracket": 0, "sentences": 0}
        for line in map(str.strip, text.splitlines()):
            if not self._counts(line):
                continue
            small = line.lower()
            if "lorem ipsum" in small:
                values["lorem_ipsum"] += 1
            elif "javascript" in small or any(policy in small for policy in POLICIES):
                continue
            elif "{" in line:
                values["curly_bracket"] += 1
            else:
                values["sentences"] += max(1, len(_SENTENCE.findall(line)))
        return values

    def _counts(self, line: str) -> bool:
        found = line.split()
        if len(found) < self.how.min_words_per_line or any(len(word) > self.how.max_word_length for word in found):
            return False
        if not self.how.terminal_punct:
            return True
        line = _CITATION.sub("", line) if "[" in line else line
        return line.endswith(ENDS) and not line.endswith("...")


plugin: type[Rule[Measure, Bounds]] = C4Quality
