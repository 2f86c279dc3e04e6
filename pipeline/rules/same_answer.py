"""Keeps one of the rows that give the same long answer to different prompts: it can hardly fit all of them.

Labels, short answers, JSON and code rightly go with many prompts and are left alone. Dropped rather than
flagged, because a model learns a sentence by heart that it sees often, and because `near_duplicate`, which compares
answers, drops the same rows and does not say why. Same prompts are the matter of `exact_duplicate`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Literal

from pydantic import Field

from ..digest import normal_text, text_key
from ..kinds import kind_of
from ..types import Sample
from ..views import answer, asked, asks_anew, has_words
from . import CompareRule, Match, Options, Rule, rank

WORDS = 12
"""Words of an answer that says enough to belong to one prompt. Chosen by us on 2026-11-28."""
SHARED = frozenset({"label", "json", "code"})
"""Kinds of answer that go with many prompts."""

_Order = tuple[bool, int, str]


class Measure(Options):
    """Which answers are compared."""

    words: int = Field(WORDS, ge=1, description="answers of fewer words go with many prompts")


class Bounds(Options):
    """What becomes of all but the first."""

    act: Literal["drop", "flag"] = Field("drop", description="what becomes of all rows but the first")


class SameAnswer(CompareRule[Measure, Bounds]):
    """Groups rows by their answer. Memory: two digests and an id for each row."""

    def compare(self, standing: Iterable[Sample], held: Container[str]) -> Iterator[Match]:
        """Every row of a group whose prompt is another than that of the row that is kept; the value counts prompts."""
        rows: list[tuple[_Order, bytes, bytes]] = []
        first: dict[bytes, tuple[_Order, bytes]] = {}
        prompts: dict[bytes, set[bytes]] = {}
        fits: dict[bytes, bool] = {}
        for sample in standing:
            said = self._said(sample)
            if said is None:
                continue
            group, prompt = text_key(said), text_key(normal_text(asked(sample)))
            order = (sample.id not in held, *rank(sample))
            first[group] = min(first.get(group, (order, prompt)), (order, prompt))
            if group in prompts and group not in fits:  # few answers come twice; by the text without layout, which is
                fits[group] = kind_of(said) not in SHARED  # the same whatever row comes first
            prompts.setdefault(group, set()).add(prompt)
            rows.append((order, group, prompt))
        for order, group, prompt in rows:
            kept, answered = first[group]
            if prompt != answered and order[0] and fits[group]:
                yield Match(order[-1], len(prompts[group]), self.bounds.act,
                            f"answers as {kept[-1]} does, word by word: {len(prompts[group]):,} prompts have it")

    def _said(self, sample: Sample) -> str | None:
        """The answer without case and layout; None where it is short, a call of tools, or meant to be as another's."""
        text = answer(sample)
        if text is None or asks_anew(sample):
            return None
        return normal_text(text) if has_words(text, self.how.words) else None


plugin: type[Rule[Measure, Bounds]] = SameAnswer
