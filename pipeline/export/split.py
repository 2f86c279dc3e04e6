"""Divides families of rows into train and validation: seeded, without near duplicates, hardly disturbed as rows arrive.

A family is a cell with all its repeats and rewrites, or an imported prompt with all rows that share it. Families with
near duplicates in them are one cluster, and stay together. Clusters are ranked by a seeded hash, and the first of them,
as many as the share says, go to validation: what arrives later never reorders what is there. Where answers are labels,
this is done for each label by itself, so that both sides have rows of each. Train is never empty, and where a share is
asked for and there are two families, neither is validation. Where all rows are one family, rows of one answer are one.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pipeline.digest import hash_unit
from pipeline.read.look import doubts

from ._spool import Spool
from .leak import Pair, Shingled

NAMED = 5
"""Labels that are named one by one."""
BOUND = 0.8
"""Jaccard between train and validation from which on a person is warned where no threshold is set."""


OFF = 0.1
"""Part of validation by which clusters may make it larger or smaller than asked for before a person is told."""


class Divided(NamedTuple):
    """Families on each side, sentences where that is not what was asked for, and what is alike on both sides.

    Attributes:
        joined: families that are on the side of another one, because of near duplicates.
        by_answer: True where all rows share one cell or prompt, and a family is what gives one answer.
        leak: the most alike pairs, the most alike first; none where nothing is shared, or no share was asked for.
    """

    train: int
    validation: int
    notes: tuple[str, ...] = ()
    joined: int = 0
    leak: tuple[Pair, ...] = ()
    by_answer: bool = False

    def as_json(self) -> dict[str, Any]:
        """What a manifest says of it."""
        told: dict[str, Any] = {"families": {"train": self.train, "validation": self.validation}}
        if self.validation:
            told["families"] |= {"joined": self.joined, **({"by": "answer"} if self.by_answer else {})}
            told["leak"] = {"largest_jaccard": round(self.leak[0].jaccard, 4) if self.leak else 0.0,
                            "pairs": [pair.as_json() for pair in self.leak]}
        return told


class _Cluster(NamedTuple):
    """Families that stay together, and what decides where they go."""

    unit: float
    families: list[int]
    label: str | None


def doubts_about(labels: dict[str, tuple[int, int]], held: int) -> list[str]:
    """What a person may want to mend where answers are labels: twins, rare ones, and those that one side lacks.

    Args:
        labels: label -> rows in train and in validation.
        held: families in validation; 0 where none was asked for.
    """
    told = doubts({label or "(no label)": train + validation for label, (train, validation) in labels.items()})
    for side, name, other in ((0, "train", "validation"), (1, "validation", "train")):
        lacks = [f"{label or '(no label)'} ({rows[1 - side]:,} in {other})" for label, rows in labels.items()
                 if held and not rows[side]]
        if lacks:
            more = f" and {len(lacks) - NAMED:,} more labels" if len(lacks) > NAMED else ""
            told.append(f"{name} has no row of {', '.join(lacks[:NAMED])}{more}")
    return told


def divide(spool: Spool, share: float, seed: int, near: float) -> Divided:
    """Puts every family of a spool on its side.

    Args:
        spool: the rows.
        share: of families that go to validation; 0 for none.
        seed: of the hash.
        near: Jaccard from which on two rows are near duplicates; 0 lets them stand on different sides.
    """
    families = sum(1 for _ in spool.families())
    notes, kind = list[str](), "cell or prompt"
    if share and families < 2 and spool.part() > 1:
        kind = "answer"
        notes.append("all rows share one cell or prompt: they are divided by answer")
    units = spool.rank((family, hash_unit("split", seed, family.hex())) for family in spool.families())
    families = len(units)
    if not share or families < 2:
        spool.divide(())
        note = ("no validation file: all rows have one prompt and one answer",) if share else ()
        return Divided(families, 0, note)
    with Shingled(spool) as texts:
        roots: Sequence[int] = texts.clusters(near, families) if near else range(families)
        if len(set(roots)) < 2:
            notes.append(f"all rows are near duplicates of each other: they are divided by {kind}")
            roots = range(families)
        clusters = _clusters(roots, units, _labels(spool), seed)
        wanted = min(max(math.floor(share * families + 0.5), 1), families - 1)
        held = _by_label(clusters, share, seed) or _first(clusters, wanted)
        spool.divide(held)
        leak = texts.most_alike(held)
    why = "each label has rows on both sides" if any(cluster.label is not None for cluster in clusters) else (
        "near duplicates stay together" if len(clusters) < families else "")
    notes += _missed(families, len(held), share, why, "answers" if kind == "answer" else "families (cells or prompts)")
    bound = near or BOUND
    if leak and leak[0].jaccard >= bound:
        notes.append(f"validation knows what train has: {leak[0].validation} and {leak[0].train} share "
                     f"{leak[0].jaccard:.2f} of their text")
    return Divided(families - len(held), len(held), tuple(notes), families - len(clusters), tuple(leak),
                   kind == "answer")


def _missed(families: int, held: int, share: float, why: str, what: str) -> Iterator[str]:
    """Why the share is another than was asked for; nothing where it is about that."""
    off = abs(held - math.floor(share * families + 0.5))
    if not off or (why and off <= max(1, OFF * held)):
        return
    if why:
        yield f"validation has {held:,} of {families:,} {what}, not a share of {share:g}: {why}"
        return
    few = f"{families} {what} are too few for a share of {share:g}"
    yield f"{few}: {'validation' if held == 1 else 'train'} has one"


def _labels(spool: Spool) -> dict[int, Counter[str]]:
    """Family -> how many of its rows have each label; empty where answers are no labels."""
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    if spool.labels():
        for family, label, count in spool.labelled():
            found[family][label] += count
    return found


def _clusters(
    roots: Sequence[int], units: Sequence[float], labels: dict[int, Counter[str]], seed: int
) -> list[_Cluster]:
    """Clusters in their rank. One of several families has the rank of one of them, which another hash names: were it
    the first of theirs, large clusters would come first.
    """
    together: defaultdict[int, list[int]] = defaultdict(list)
    for family, root in enumerate(roots):
        together[root].append(family)
    found = []
    for families in together.values():
        unit = units[families[0]]
        if len(families) > 1:
            unit = min((hash_unit("lead", seed, units[family]), units[family]) for family in families)[1]
        counts = sum((labels[family] for family in families), Counter[str]()) if labels else None
        label = min(counts, key=lambda each: (-counts[each], each)) if counts else None
        found.append(_Cluster(unit, families, label))
    return sorted(found, key=lambda each: each[:2])


def _first(clusters: Sequence[_Cluster], wanted: int) -> set[int]:
    """The families of the first clusters, about as many as are wanted; of two clusters or more never all, nor none.

    One that is larger than all of validation is to be stays in train.
    """
    held: set[int] = set()
    for cluster in clusters:
        size = len(cluster.families)
        if size > wanted:
            continue
        over = len(held) + size - wanted
        if len(held) >= wanted or (held and over > wanted - len(held)):
            break
        held.update(cluster.families)
    if not held:
        held.update(min(clusters, key=lambda each: (len(each.families), each.unit)).families)
    if len(held) == sum(len(cluster.families) for cluster in clusters):
        held.difference_update(clusters[-1].families)
    return held


def _by_label(clusters: Sequence[_Cluster], share: float, seed: int) -> set[int]:
    """The first clusters of each label, so that a label with two has one on each side; none where there are no labels.

    A label's part is rounded up or down by a number of its own, so that the whole share is met on average and a part
    never shrinks as its label grows.
    """
    strata: defaultdict[str, list[_Cluster]] = defaultdict(list)
    for cluster in clusters:
        if cluster.label is not None:
            strata[cluster.label].append(cluster)
    held: set[int] = set()
    for label, members in strata.items():
        if len(members) > 1:
            families = sum(len(cluster.families) for cluster in members)
            wanted = math.floor(share * families + hash_unit("part", seed, label))
            held |= _first(members, min(max(wanted, 1), families - 1))
    return held
