"""Keeps one row of every cluster whose texts share most of their runs of words.

Similarity is the Jaccard of 5-word shingles, without case and punctuation; shorter texts are compared
by runs of characters. Every pair is verified, so the result does not depend on the order of rows, and a
lower threshold keeps a subset of what a higher one keeps. Of fewer than 5,000 rows every pair at or above
the threshold is found, of more 99.8 % of those at 0.7, by computation (`bands.py`). Answers too short for a
shingle count as alike only where they are equal and their prompts are alike: one label rightly goes with many
prompts. Of a conversation all answers are compared, since many end alike. Rows that `paraphrase` added for their prompt
are compared with each other, by prompts, and go with their parent. Texts of other files (`against`) are compared in
the same way: a row that is like one of them by itself is dropped, one that is like such a row is not.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..bands import FLOOR
from ..digest import digest, normal_text
from ..options import OptionFault, listed
from ..registry import printed
from ..shingles import Shingler, Text
from ..similar import Sets
from ..types import Cluster, Pair, Pairs, Sample, Scalar
from ..views import asked, asks_anew, has_words, said, shown
from . import Decided, LinkedRule, Match, Options, Place, Rule, rank
from ._evaluation import file_digest

aliases = ("fuzzy-duplicate",)

CLUSTER_ID = 8
"""Letters of a cluster's id: two of a million clusters share one with a chance of a third."""


class Measure(Options):
    """What is compared."""

    shingle: int = Field(5, ge=1, le=50, description="words in a run")
    over: Literal["auto", "answer", "prompt", "both"] = Field(
        "auto", description="auto: the answer; for answers shorter than a run, equal answers with like prompts")
    against: list[str] = Field([], description="files of rows that none here may be like, as an evaluation's")


class Bounds(Options):
    """How much is too much, and which row represents the others."""

    threshold: float = Field(0.8, gt=0, le=1, description="share of runs in common, from which two texts are alike")
    keep: Literal["longest", "first", "best"] = "longest"
    by: str | None = Field(None, description="of keep: best, the rule that measures it, the highest number first")


class NearDuplicate(LinkedRule[Measure, Bounds]):
    """Clusters rows by verified links."""

    _latest: tuple[Sample, Text] | None = None
    """A row's text is asked for twice in a row, to be compared and for its length."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """`against: eval.jsonl` for a list of one."""
        return listed(options, "against")

    def check(self) -> None:
        """`best` says by which rule, and nothing else does."""
        if self.bounds.keep == "best" and self.bounds.by is None:
            raise OptionFault("keep: best needs the rule that measures it", "{keep: best, by: judge}")
        if self.bounds.keep != "best" and self.bounds.by is not None:
            raise OptionFault(f"by: {self.bounds.by} goes with keep: best", f"{{keep: best, by: {self.bounds.by}}}")

    def context(self) -> Scalar:
        """What stands in the other files."""
        digests = [file_digest(path, self.name) for path in self.against]
        return digest(*digests) if digests else None

    @property
    def floor(self) -> float:
        """Pairs are found from `bands.FLOOR` on, so that a threshold above it compares nothing anew. Lower, and
        signatures would find too few."""
        return min(self.bounds.threshold, FLOOR)

    @property
    def by(self) -> str | None:
        """See LinkedRule."""
        return printed(self.bounds.by) if self.bounds.by else None

    @property
    def against(self) -> list[Path]:
        """See LinkedRule."""
        return [(self.folder or Path()) / name for name in self.how.against]

    def pairs(self, standing: Iterable[Sample], foreign: Iterable[tuple[str, Sample]] = ()) -> Pairs:
        """See LinkedRule. Rows with equal texts are linked to the first of them by id."""
        shingler, names, places = Shingler(self.how.shingle), list[str](), list[str]()
        with Sets() as sets:
            for batch in shingler.batches(self._texts(((sample.id, sample) for sample in standing), names)):
                sets.extend(batch)
            groups = _groups(sets, names)
            others = {each for group in groups.values() for each in group[1:]}
            order = [each for each in sorted(range(len(sets)), key=names.__getitem__) if each not in others]
            links = [Pair(names[first], names[other], 1.0) for first, *equal in groups.values() for other in equal]
            links += [Pair(names[link.left], names[link.right], link.jaccard)
                      for link in sets.links(self.floor, order)]
            rows = len(sets)
            for batch in shingler.batches(self._texts(foreign, places)):
                sets.extend(batch)
            near = list(sets.nearest(range(rows, len(sets)), order, self.floor))
            found = [Pair(names[each], places[link.right - rows], link.jaccard)
                     for link in near for each in groups.get(link.left, [link.left])]
        return Pairs(self.floor, tuple(links), tuple(found))

    def _texts(self, samples: Iterable[tuple[str, Sample]], names: list[str]) -> Iterator[Text]:
        """What is shingled of each row, whose name goes into `names`."""
        for name, sample in samples:
            names.append(name)
            yield self._text(sample)

    def _text(self, sample: Sample) -> Text:
        if self._latest is None or self._latest[0] is not sample:
            self._latest = sample, self._compared(sample)
        return self._latest[1]

    def _compared(self, sample: Sample) -> Text:
        text = said(sample)
        answer = shown(sample.last("assistant") or {}) if text is None else text
        over = self.how.over
        if over == "auto" and asks_anew(sample):
            return Text(asked(sample), "asks anew")
        if over == "auto" and not has_words(answer, self.how.shingle):
            return Text(asked(sample), f"answer {normal_text(answer)}")
        if over in ("auto", "answer"):
            return Text(answer)
        return Text(asked(sample) if over == "prompt" else f"{asked(sample)}\n{answer}")

    def place(self, sample: Sample) -> Place:
        """See LinkedRule. Of equal scores the longest text stands for the others too."""
        return (0 if self.bounds.keep == "first" else -len(self._text(sample).text), *rank(sample))

    def settle(
        self, pairs: Pairs, places: Mapping[str, Place], held: Container[str], scores: Mapping[str, float],
    ) -> Decided:
        """See LinkedRule."""
        threshold = self.bounds.threshold
        foreign = {pair.left: pair for pair in pairs.foreign if pair.jaccard >= threshold and pair.left not in held}
        matches: dict[str, Match] = {}
        clusters = list[Cluster]()

        def order(row: str) -> tuple[bool, bool, float, Place]:
            return row in foreign, row not in held, -scores.get(row, float("-inf")), places[row]

        for links in _clusters([pair for pair in pairs.links if pair.jaccard >= threshold]):
            members = {row for pair in links for row in pair[:2]}
            kept = min(members, key=order)
            weakest = min(links, key=lambda pair: (pair.jaccard, pair.left, pair.right))
            named = digest("cluster", *sorted(members))[:CLUSTER_ID]
            cluster = Cluster(named, len(members), "" if kept in foreign else kept, weakest)
            clusters.append(cluster)
            for row, match in _matches(cluster, kept, links):
                matches[row] = match if match.outcome == "keep" or row not in held else match._replace(
                    outcome="keep", reason=f"{match.reason}; kept by hand")
        for row, pair in foreign.items():
            matches[row] = Match(row, round(pair.jaccard, 4), "drop",
                                 f"shares {pair.jaccard:.2f} of its runs with {pair.right}",
                                 matches[row].cluster if row in matches else "")
        clusters.sort(key=lambda cluster: (-cluster.rows, cluster.id))
        return Decided(list(matches.values()), clusters)


def _groups(sets: Sets, names: Sequence[str]) -> dict[int, list[int]]:
    """Sets that are equal, by name, and by the first of them."""
    found: dict[int, list[int]] = {}
    for number, first in sets.equal():
        found.setdefault(first, [first]).append(number)
    groups = [sorted(group, key=names.__getitem__) for group in found.values()]
    return {group[0]: group for group in sorted(groups, key=lambda group: names[group[0]])}


def _matches(cluster: Cluster, kept: str, links: list[Pair]) -> Iterator[tuple[str, Match]]:
    """What is to be said of each row, from the one that is kept along the links.

    The value is the weakest link on the way to the row that is kept: up to this threshold they are one cluster.
    """
    near: dict[str, list[tuple[str, float]]] = {}
    for left, right, alike in links:
        near.setdefault(left, []).append((right, alike))
        near.setdefault(right, []).append((left, alike))
    of = f"{cluster.rows} rows in all, cluster {cluster.id}"
    if cluster.rows > 2:
        of += f", weakest link {cluster.weakest.jaccard:.2f}"
    yield kept, Match(kept, None, "keep", f"stands for {of}", cluster.id)
    todo, seen = [(kept, 1.0)], {kept}
    while todo:
        row, least = todo.pop()
        for other, alike in near[row]:
            if other in seen:
                continue
            seen.add(other)
            value = min(least, alike)
            todo.append((other, value))
            through = "" if row == kept else f", which leads to {kept} by links of {value:.2f} and more"
            yield other, Match(other, round(value, 4), "drop",
                               f"shares {alike:.2f} of its runs with {row}{through}, {of}", cluster.id)


def _clusters(links: list[Pair]) -> list[list[Pair]]:
    """The links of each cluster. Union-find with path halving."""
    roots: dict[str, str] = {}

    def root(row: str) -> str:
        roots.setdefault(row, row)
        while roots[row] != row:
            roots[row] = roots[roots[row]]
            row = roots[row]
        return row

    for left, right, _ in links:
        roots[root(right)] = root(left)
    clusters: dict[str, list[Pair]] = {}
    for link in links:
        clusters.setdefault(root(link.left), []).append(link)
    return list(clusters.values())


plugin: type[Rule[Measure, Bounds]] = NearDuplicate
