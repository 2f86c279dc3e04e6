"""Keeps one row of every cluster whose texts share most of their runs of words.

Similarity is the Jaccard of 5-word shingles, without case and punctuation; shorter texts are compared
by runs of characters. Every pair is verified, so the result does not depend on the order of rows, and a
lower threshold keeps a subset of what a higher one keeps. Of fewer than 5,000 rows every pair at or above
the threshold is found, of more 99.8 % of those at 0.7, by computation (`bands.py`). Answers too short for a
shingle count as alike only where they are equal and their prompts are alike: one label rightly goes with many
prompts. Of a conversation all answers are compared, since many end alike.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from hashlib import blake2b
from typing import Literal

from pydantic import Field

from ..digest import normal_text
from ..shingles import Shingler, Text, jaccard
from ..similar import Link, Sets
from ..types import Sample
from ..views import asked, has_words, said, shown
from . import CompareRule, Match, Options, Rule, rank

aliases = ("fuzzy-duplicate",)


class Measure(Options):
    """What is compared."""

    shingle: int = Field(5, ge=1, le=50, description="words in a run")
    over: Literal["auto", "answer", "prompt", "both"] = Field(
        "auto", description="auto: the answer; for answers shorter than a run, equal answers with like prompts")


class Bounds(Options):
    """How much is too much, and which row represents the others."""

    threshold: float = Field(0.8, gt=0, le=1, description="share of runs in common, from which two texts are alike")
    keep: Literal["longest", "first"] = "longest"


class _Row:
    """What is remembered of a row: `order` sorts the one to keep first."""

    __slots__ = ("name", "order")

    def __init__(self, name: str, order: tuple[bool, int, int, str]) -> None:
        self.name = name
        self.order = order


class NearDuplicate(CompareRule[Measure, Bounds]):
    """Clusters rows by verified links."""

    def compare(self, standing: Iterable[Sample], held: Container[str]) -> Iterator[Match]:
        """Every row of a cluster but the one that is kept; rows that a person keeps are never named."""
        rows: list[_Row] = []
        equal: dict[bytes, list[int]] = {}
        with Sets() as sets:
            for grams in Shingler(self.how.shingle).many(self._texts(standing, held, rows)):
                equal.setdefault(blake2b(grams.data, digest_size=16).digest(), []).append(sets.add(grams))
            groups = {min(group, key=lambda each: rows[each].name): group
                      for group in equal.values() if sets.size(group[0])}
            links = list(sets.links(self.bounds.threshold, sorted(groups, key=lambda each: rows[each].name)))
            nearest: dict[int, Link] = {}
            for link in sorted(links, key=lambda each: each.jaccard):
                nearest[link.left] = nearest[link.right] = link
            for cluster in _clusters(groups, links):
                yield from self._matches(cluster, rows, sets, nearest, held)

    def _texts(self, standing: Iterable[Sample], held: Container[str], rows: list[_Row]) -> Iterator[Text]:
        """What is shingled of each row, which is remembered in `rows`."""
        for sample in standing:
            text = self._text(sample)
            length = len(text.text) if self.bounds.keep == "longest" else 0
            rows.append(_Row(sample.id, (sample.id not in held, -length, *rank(sample))))
            yield text

    def _text(self, sample: Sample) -> Text:
        text = said(sample)
        answer = shown(sample.last("assistant") or {}) if text is None else text
        over = self.how.over
        if over == "auto" and not has_words(answer, self.how.shingle):
            return Text(asked(sample), f"answer {normal_text(answer)}")
        if over in ("auto", "answer"):
            return Text(answer)
        return Text(asked(sample) if over == "prompt" else f"{asked(sample)}\n{answer}")

    def _matches(
        self, cluster: dict[int, list[int]], rows: list[_Row], sets: Sets, nearest: dict[int, Link],
        held: Container[str],
    ) -> Iterator[Match]:
        """The rows of a cluster but the one that is kept.

        Args:
            cluster: rows with equal sets, by the row whose set was joined.
            nearest: the closest link of each joined row.
        """
        members = [number for group in cluster.values() for number in group]
        kept = min(members, key=lambda each: rows[each].order)
        grams, size = sets[kept], len(members)
        for joined, group in cluster.items():
            alike = jaccard(grams, sets[joined])
            through = ""
            if alike < self.bounds.threshold:  # a chain: name the neighbour that ties it to the cluster
                link = nearest[joined]
                other = link.left if link.right == joined else link.right
                through = f", through {rows[other].name} at {link.jaccard:.2f}"
            for number in group:
                if number != kept and rows[number].name not in held:
                    yield Match(rows[number].name, round(alike, 4), "drop",
                                f"shares {alike:.2f} of its runs with {rows[kept].name}{through}, {size} rows in all")


def _clusters(groups: dict[int, list[int]], links: list[Link]) -> Iterator[dict[int, list[int]]]:
    """Rows that are connected, as groups of equal ones. Union-find with path halving."""
    roots = {number: number for number in groups}

    def root(number: int) -> int:
        while roots[number] != number:
            roots[number] = roots[roots[number]]
            number = roots[number]
        return number

    for link in links:
        roots[root(link.right)] = root(link.left)
    clusters: dict[int, dict[int, list[int]]] = {}
    for number, group in groups.items():
        clusters.setdefault(root(number), {})[number] = group
    for cluster in clusters.values():
        if sum(map(len, cluster.values())) > 1:
            yield cluster


plugin: type[Rule[Measure, Bounds]] = NearDuplicate
