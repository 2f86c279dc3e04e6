"""Gopher's quality rules for web pages: words, their length, symbols, bullets, stop words. Drops good short answers.

Rae et al. 2021, appendix A1.1, with the names and the order of huggingface/datatrove's filter. Not for instruction
data: of 175 answers that people wrote it drops 143, labels, code, lists and verse among them. `curate: [gopher]` runs
it as published.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import filterfalse
from typing import ClassVar

from pydantic import Field

from ..views import vocabulary, words_of
from . import Options, Rule
from ._web import Limit, WebBounds, WebRule, share

_WITHIN = re.compile(r"['’](?<=\w['’])(?=\w)")
STOP_WORDS = frozenset(("the", "be", "to", "of", "and", "that", "have", "with"))


class Measure(Options):
    """Nothing to set."""


class Bounds(WebBounds):
    """As published (Rae et al. 2021, appendix A1.1); null switches one off."""

    min_doc_words: int | None = Field(50, description="words, punctuation aside")
    max_doc_words: int | None = Field(100_000, description="words, punctuation aside")
    min_avg_word_length: float | None = Field(3, description="characters of the mean word")
    max_avg_word_length: float | None = Field(10, description="characters of the mean word")
    max_symbol_word_ratio: float | None = Field(0.1, description="`#` for each word; ellipses for each word")
    max_bullet_lines_ratio: float | None = Field(0.9, description="share of lines that begin with a bullet")
    max_ellipsis_lines_ratio: float | None = Field(0.3, description="share of lines that end in an ellipsis")
    max_non_alpha_words_ratio: float | None = Field(0.8, description="least share of words with a letter, so published")
    min_stop_words: int | None = Field(2, description="how many of the, be, to, of, and, that, have, with are there")


class GopherQuality(WebRule[Measure, Bounds]):
    """Nine bounds on seven measures."""

    limits: ClassVar[Sequence[Limit]] = (
        Limit("words", "<", "min_doc_words", "gopher_short_doc", "words"),
        Limit("words", ">", "max_doc_words", "gopher_long_doc", "words"),
        Limit("length", "<", "min_avg_word_length", "gopher_below_avg_threshold", "characters a word"),
        Limit("length", ">", "max_avg_word_length", "gopher_above_avg_threshold", "characters a word"),
        Limit("hashes", ">", "max_symbol_word_ratio", "gopher_too_many_hashes", "hashes a word"),
        Limit("ellipses", ">", "max_symbol_word_ratio", "gopher_too_many_ellipsis", "ellipses a word"),
        Limit("bullets", ">", "max_bullet_lines_ratio", "gopher_too_many_bullets", "of the lines begin with a bullet"),
        Limit("trailing", ">", "max_ellipsis_lines_ratio", "gopher_too_many_end_ellipsis",
              "of the lines end in an ellipsis"),
        Limit("alpha", "<", "max_non_alpha_words_ratio", "gopher_below_alpha_threshold", "of the words have a letter"),
        Limit("stop_words", "<", "min_stop_words", "gopher_enough_stop_words", "stop words"),
    )

    def measures(self, text: str) -> dict[str, float]:
        """See WebRule."""
        found, lines = words_of(text), text.splitlines()
        letters = sum(map(len, found))
        tokens = len(found) + _symbols(text, letters)
        values: dict[str, float] = {"words": len(found)}
        if found:
            values["length"] = round(letters / len(found), 3)
        if tokens:
            lettered = len(found) - sum(map(_bare, filterfalse(str.isalpha, found)))
            values |= {"hashes": share(text.count("#"), tokens), "alpha": share(lettered, tokens),
                       "ellipses": share(text.count("...") + text.count("…"), tokens)}
        if lines:
            bullets = sum(line.lstrip().startswith(("•", "-")) for line in lines) if "-" in text or "•" in text else 0
            dots = sum(line.rstrip().endswith(("...", "…")) for line in lines) if "..." in text or "…" in text else 0
            values |= {"bullets": share(bullets, len(lines)), "trailing": share(dots, len(lines))}
        return values | {"stop_words": len(STOP_WORDS & vocabulary(text))}


def _symbols(text: str, letters: int) -> int:
    """Punctuation marks, each a token as spaCy has it: three dots at once, and no apostrophe within a word."""
    marks = sum(map(len, text.split())) - letters
    return max(0, marks - 2 * text.count("...") - len(_WITHIN.findall(text)))


def _bare(word: str) -> bool:
    """Whether a word has no letter."""
    return not any(map(str.isalpha, word))


plugin: type[Rule[Measure, Bounds]] = GopherQuality
