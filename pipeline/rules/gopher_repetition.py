"""Gopher's repetition rules for web pages: lines, paragraphs, runs of words that come again. Drops good short answers.

Rae et al. 2021, table A1, with the names and the order of huggingface/datatrove's filter. Short texts are beyond the
bounds by a word or two that come twice: `repetition` is the rule for instruction data. `curate: [gopher]` runs it as
published.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from ..views import words_of
from . import Options, Rule
from ._web import Limit, WebBounds, WebRule, doubled, runs, share

TOP, DOUBLED = (2, 3, 4), (5, 6, 7, 8, 9, 10)
_PARAGRAPHS, _LINES = re.compile(r"\n{2,}"), re.compile(r"\n+")


class Measure(Options):
    """Nothing to set."""


class Bounds(WebBounds):
    """As published (Rae et al. 2021, table A1); null switches one off."""

    dup_para_frac: float | None = Field(0.3, description="share of the paragraphs that stood before")
    dup_para_char_frac: float | None = Field(0.2, description="share of the characters in them")
    dup_line_frac: float | None = Field(0.3, description="share of the lines that stood before")
    dup_line_char_frac: float | None = Field(0.2, description="share of the characters in them")
    top_2_gram: float | None = Field(0.2, description="share of the characters in the most frequent two words")
    top_3_gram: float | None = Field(0.18, description="three words")
    top_4_gram: float | None = Field(0.16, description="four words")
    duplicated_5_n_grams: float | None = Field(0.15, description="share of characters in five words that stood before")
    duplicated_6_n_grams: float | None = Field(0.14, description="six words")
    duplicated_7_n_grams: float | None = Field(0.13, description="seven words")
    duplicated_8_n_grams: float | None = Field(0.12, description="eight words")
    duplicated_9_n_grams: float | None = Field(0.11, description="nine words")
    duplicated_10_n_grams: float | None = Field(0.1, description="ten words")


class GopherRepetition(WebRule[Measure, Bounds]):
    """Thirteen bounds on as many measures, each named as its bound."""

    limits: ClassVar[Sequence[Limit]] = (
        *(Limit(name, ">", name, name, told) for name, told in (
            ("dup_para_frac", "of the paragraphs stood before"),
            ("dup_para_char_frac", "of the characters are in paragraphs that stood before"),
            ("dup_line_frac", "of the lines stood before"),
            ("dup_line_char_frac", "of the characters are in lines that stood before"))),
        *(Limit(f"top_{n}_gram", ">", f"top_{n}_gram", f"top_{n}_gram",
                f"of the characters are the same {n} words") for n in TOP),
        *(Limit(f"duplicated_{n}_n_grams", ">", f"duplicated_{n}_n_grams", f"duplicated_{n}_n_grams",
                f"of the characters are in runs of {n} words that stood before") for n in DOUBLED),
    )

    def measures(self, text: str) -> dict[str, float]:
        """See WebRule. A text without a character has none."""
        if not text.strip():
            return {}
        paragraphs, lines, found = _PARAGRAPHS.split(text.strip()), _LINES.split(text), words_of(text)
        again, chars = doubled(paragraphs)
        values = {"dup_para_frac": share(again, len(paragraphs)), "dup_para_char_frac": share(chars, len(text))}
        again, chars = doubled(lines)
        values |= {"dup_line_frac": share(again, len(lines)), "dup_line_char_frac": share(chars, len(text))}
        found_again = runs(found, TOP, DOUBLED)
        values |= {f"top_{n}_gram": share(chars, len(text)) for n, chars in found_again.top.items()}
        return values | {f"duplicated_{n}_n_grams": share(chars, len(text)) for n, chars in found_again.doubled.items()}


plugin: type[Rule[Measure, Bounds]] = GopherRepetition
