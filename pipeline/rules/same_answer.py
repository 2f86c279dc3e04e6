"""Keeps one of the rows that give the same long answer to different prompts: it can hardly fit all of them.

Labels, short answers, JSON and code rightly go with many prompts and are left alone. Dropped rather than
flagged, because a model learns a sentence by heart that it sees often, and because `near_duplicate`, which compares
answers, drops the same rows and does not say why. Same prompts are the matter of `exact_duplicate`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Literal, NamedTuple

from pydantic import Field

from ..digest import text_key
from ..kinds import kind_of
from ..types import Sample
from ..views import answer, asked, asks_anew, has_words, same_text
from . import Match, NotedRule, Options, Rule, rank

WORDS = 12
"""Words of an answer that says enough to belong to one prompt. Chosen by us on 2026-11-28."""
SHARED = frozenset({"label", "json", "code"})
"""Kinds of answer that go with many prompts."""


class _Row(NamedTuple):
    """What is remembered of a row, those first that come first: one that a person kept, else by place and id."""

    free: bool
    row: int
    name: str
    prompt: bytes


class Measure(Options):
    """Which answers are compared."""

    words: int = Field(WORDS, ge=1, description="answers of fewer words go with many prompts")


class Bounds(Options):
    """What becomes of all but the first."""

    act: Literal["drop", "flag"] = Field("drop", description="what becomes of all rows but the first")


class SameAnswer(NotedRule[Measure, Bounds]):
    """Groups rows by their answer. Memory: two digests and an id for each row."""

    def note(self, sample: Sample) -> tuple[int, bytes, bytes] | None:
        """Its place in its source, digests of answer and prompt; None where the answer is short, a call of tools, of a
        kind that goes with many prompts, or meant to be as another's."""
        text = answer(sample)
        if text is None or asks_anew(sample) or not has_words(text, self.how.words):
            return None
        said = same_text(text)
        if kind_of(said) in SHARED:  # told without layout, so that it is the same whatever row comes first
            return None
        return rank(sample)[0], text_key(said), text_key(same_text(asked(sample)))

    def among(self, notes: Iterable[tuple[str, tuple[int, bytes, bytes]]], held: Container[str]) -> Iterator[Match]:
        """Every row of a group whose prompt is another than that of the row that is kept; the value counts prompts."""
        first: dict[bytes, _Row] = {}
        several: dict[bytes, list[_Row]] = {}
        for name, (row, group, prompt) in notes:
            each = _Row(name not in held, row, name, prompt)
            before = first.setdefault(group, each)
            if before is not each:
                several.setdefault(group, [before]).append(each)
        for rows in several.values():
            kept, prompts = min(rows), len({each.prompt for each in rows})
            for each in rows:
                if each.free and each.prompt != kept.prompt:
                    yield Match(each.name, prompts, self.bounds.act,
                                f"answers as {kept.name} does, word by word: {prompts:,} prompts have it")


plugin: type[Rule[Measure, Bounds]] = SameAnswer
