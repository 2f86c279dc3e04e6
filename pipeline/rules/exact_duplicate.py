"""Keeps one of the rows whose prompt and answer are the same, letter case and layout aside.

By default both texts must agree, because one label or one short answer rightly goes with many
prompts. The prompt of a conversation is all that was said before its last answer. Which row is kept does not depend on
their order: the first in its source, or else by id.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Literal

from ..digest import digest, text_key
from ..types import Sample
from ..views import answer, asked, same_text
from . import Match, NotedRule, Options, Rule, rank


class Measure(Options):
    """What is compared."""

    over: Literal["both", "answer", "prompt"] = "both"
    text: Literal["normalised", "exact"] = "normalised"


class Bounds(Options):
    """Which row represents the others."""

    keep: Literal["first", "longest"] = "first"


class ExactDuplicate(NotedRule[Measure, Bounds]):
    """Groups rows by the digest of their texts. Memory: a digest and an id for each row."""

    def note(self, sample: Sample) -> tuple[int, int, bytes]:
        """Less its length where the longest is kept, its place in its source, and a digest of its texts."""
        texts = self._texts(sample)
        same = texts if self.how.text == "exact" else [same_text(text) for text in texts]
        length = sum(map(len, texts)) if self.bounds.keep == "longest" else 0
        return -length, rank(sample)[0], text_key(f"{len(same[0])} {''.join(same)}")

    def among(self, notes: Iterable[tuple[str, tuple[int, int, bytes]]], held: Container[str]) -> Iterator[Match]:
        """Every row of a group but the one that is kept."""
        first: dict[bytes, tuple[bool, int, int, str]] = {}
        several: dict[bytes, list[tuple[bool, int, int, str]]] = {}
        for name, (length, row, group) in notes:
            order = (name not in held, length, row, name)
            before = first.setdefault(group, order)
            if before is not order:
                several.setdefault(group, [before]).append(order)
        for rows in several.values():
            kept = min(rows)[-1]
            for free, *_, name in rows:
                if free and name != kept:
                    yield Match(name, len(rows), "drop", f"same {self._what()} as {kept}, {len(rows)} rows in all")

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
