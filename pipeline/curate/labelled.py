"""What people said of rows that a rule measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from pipeline.errors import DataError
from pipeline.rows import read, scored
from pipeline.store import Dataset

from .agreement import Estimate, kappa, share

FEWEST = 8
"""Labels under which nothing is told: eight of eight that agree are no more than 0.68 for sure."""
BEGINNING = 200
"""Characters of an answer that a label carries."""


class Label(NamedTuple):
    """A row that a person labelled and the rule measured.

    Attributes:
        good: whether the person keeps it.
        passes: whether the rule does, as its bounds stand.
        length: characters of the answer.
        text: how it begins.
    """

    sample: str
    value: float
    good: bool
    passes: bool
    length: int
    text: str = ""


class People(NamedTuple):
    """Two people on the rows that both labelled: as far as they agree, a rule can agree with them."""

    one: str
    other: str
    agreement: Estimate
    kappa: Estimate | None


@dataclass(frozen=True, slots=True)
class Labels:
    """What was labelled, and what became of it.

    Attributes:
        used: labels that count: the last person's, on the text as it stands, of rows that the rule measured.
        keep: of these, rows that people keep.
        stale: on an earlier text.
        unmeasured: of rows that the rule measured no number of, or that are no part of the set today.
        picked: of those used, on rows that a person picked or a file named.
        part: of those used, on rows that had to be like something to be drawn.
        seen: of those used, given in sight of what rules had found.
    """

    used: int = 0
    keep: int = 0
    stale: int = 0
    unmeasured: int = 0
    picked: int = 0
    part: int = 0
    seen: int = 0


@dataclass(slots=True)
class Gathered:
    """What a rule measured, and what people said of it."""

    values: Counter[float] = field(default_factory=Counter)
    measured: list[float] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    counts: Labels = field(default_factory=Labels)
    people: list[People] = field(default_factory=list)


def gathered(dataset: Dataset, rule: str) -> Gathered:
    """All that a rule measured, and the labels on it.

    Args:
        dataset: curated.
        rule: its printed name.
    """
    found, told, both = Gathered(), dataset.labels(), dict[tuple[str, str], list[tuple[bool, bool]]]()
    seen, counts = set[str](), Counter[str]()
    for row, finding in scored(read(dataset), rule):
        value, length = float(finding.value), len(row.sample.answer)
        found.values[value] += 1
        found.measured.append(value)
        found.lengths.append(length)
        people = told.get(row.sample.id)
        if people is None:
            continue
        seen.add(row.sample.id)
        fresh = {by: line for by, line in people.items() if line.get("digest") in ("", None, row.sample.digest)}
        for one, other in combinations(sorted(fresh), 2):
            both.setdefault((one, other), []).append(
                (fresh[one]["action"] == "keep", fresh[other]["action"] == "keep"))
        line = next(reversed(people.values()))
        if line not in fresh.values():
            counts["stale"] += 1
            continue
        drawn = line.get("drawn") or {}
        counts.update(used=1, keep=line["action"] == "keep", picked=not drawn, part=bool(drawn.get("filter")),
                      seen=bool(drawn) and not drawn.get("blind"))
        found.labels.append(Label(row.sample.id, value, line["action"] == "keep", finding.outcome != "drop", length,
                                  row.sample.answer[:BEGINNING]))
    found.counts = Labels(**counts, unmeasured=len(told.keys() - seen))
    for (one, other), pairs in sorted(both.items(), key=lambda each: -len(each[1])):
        first, second = ([pair[side] for pair in pairs] for side in (0, 1))
        even = [1.0] * len(pairs)
        agreed = share([a == b for a, b in pairs], even)
        if agreed is not None:
            found.people.append(People(one, other, agreed, kappa(first, second, even)))
    return found


def require(found: Gathered, name: str, rule: str) -> None:
    """Raises DataError: fewer than FEWEST labels, or all of one kind, with what brings more."""
    counts = found.counts
    lost = [f"{count} {why}" for count, why in ((counts.stale, "on an earlier text"), (
        counts.unmeasured, f"of rows that {rule} did not measure")) if count]
    beside = f" ({', '.join(lost)})" if lost else ""
    if counts.used < FEWEST:
        raise DataError(f"{name}: {counts.used} of the rows that {rule} measured are labelled{beside}, and at least "
                        f"{FEWEST} have to be", f"synth review {name} --by {rule}")
    if counts.keep in (0, counts.used):
        kind, other = ("keep", "drop") if counts.keep else ("drop", "keep")
        raise DataError(f"{name}: all {counts.used} labels say {kind}{beside}, and no bound divides rows of one kind; "
                        f"label more of them until some say {other}", f"synth review {name} --by {rule}")


