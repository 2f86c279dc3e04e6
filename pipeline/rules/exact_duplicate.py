"""Keeps one of the rows whose prompt and answer are the same, letter case and layout aside.

By default both texts must agree, because one label or one short answer rightly goes with many
prompts. The prompt of a conversation is all that was said before its last answer. Which row is kept does not depend on
their order: the first in its source, or else by id.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Literal

from ..digest import digest, normal_text
from ..types import Sample
from ..views import answer, asked
from . import CompareRule, Match, Options, Rule, rank


class Measure(Options):
    """What is compared."""

    over: Literal["both", "answer", "prompt"] = "both"
    text: Literal["normalised", "exact"] = "normalised"


class Bounds(Options):
    """Which row represents the others."""

    keep: Literal["first", "longest"] = "first"


class ExactDuplicate(CompareRule[Measure, Bounds]):
    """Groups rows by the digest of their texts. Memory: one digest and one id per row."""

    def compare(self, standing: Iterable[Sample], held: Container[str]) -> Iterator[Match]:
        """Every row of a group but the one that is kept."""
        keepers: dict[str, tuple[tuple[bool, int, int, str], int]] = {}
        rows: list[tuple[str, str]] = []
        for sample in standing:
            texts = self._texts(sample)
            group = digest(*(texts if self.how.text == "exact" else map(normal_text, texts)))
            row, name = rank(sample)
            length = sum(map(len, texts)) if self.bounds.keep == "longest" else 0
            order = (sample.id not in held, -length, row, name)
            best, count = keepers.get(group, (order, 0))
            keepers[group] = (min(best, order), count + 1)
            rows.append((sample.id, group))
        for name, group in rows:
            (*_, kept), count = keepers[group]
            if count > 1 and name != kept and name not in held:
                yield Match(name, count, "drop", f"same {self._what()} as {kept}, {count} rows in all")

    def _texts(self, sample: Sample) -> list[str]:
        """Prompt, answer or both. A call of tools is told apart from others by what it calls."""
        said = answer(sample)
        texts = [] if self.how.over == "answer" else [asked(sample)]
        if self.how.over != "prompt":
            texts.append(said if said is not None else digest(sample.messages[-1]))
        return texts

    def _what(self) -> str:
        return "prompt and answer" if self.how.over == "both" else self.how.over


plugin: type[Rule[Measure, Bounds]] = ExactDuplicate
