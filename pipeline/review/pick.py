"""Rows that are worth labelling: at random, or spread over the values of a rule, those near its bound first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from typing import Any

from pipeline import strata
from pipeline.digest import hash_unit
from pipeline.errors import RecipeError, did_you_mean
from pipeline.registry import printed
from pipeline.rows import REWRITTEN, Filters, Row, is_number, numbered, picked, read, scored
from pipeline.store import Dataset


def pick(
    dataset: Dataset, filters: Filters, count: int, seed: int, *, by: str | None = None, second: str | None = None,
) -> list[Row]:
    """Rows that nobody labelled yet, in the order in which they are worth it.

    With `by`, each stratum of the rule's values gets as many labels as another, those of earlier sessions counted, and
    the strata at the bound come first: whoever stops early has labelled what tells most. Within one, chance decides.

    Args:
        dataset: its rows that are part of the set today.
        filters: what the rows must be like.
        count: how many at most.
        seed: the same seed picks the same rows.
        by: a rule that measured numbers.
        second: a person: rows that somebody else labelled, and not this one.

    Raises:
        RecipeError: the rule measured no number of any row.
    """
    labels = dataset.labels()

    def wanted(row: Row) -> bool:
        people = labels.get(row.sample.id, {})
        there = bool(people) and second not in people if second else not people
        return there and filters.hold(row)

    if by is not None:
        return _spread(dataset, wanted, count, seed, printed(by), set(labels))
    rows = (row for row in read(dataset) if row.aside is None and REWRITTEN not in row.dropped_by)
    return picked(filter(wanted, rows), count, seed)


def _spread(
    dataset: Dataset, wanted: Callable[[Row], bool], count: int, seed: int, rule: str, labelled: Container[str],
) -> list[Row]:
    """Memory holds ids and values, and the rows that were picked."""
    values, there, left = Counter[float](), list[float](), list[tuple[float, float, str]]()
    for row, finding in scored(read(dataset), rule):
        values[finding.value] += 1
        if row.sample.id in labelled:
            there.append(finding.value)
        if wanted(row):
            left.append((hash_unit("review", seed, row.sample.id), finding.value, row.sample.id))
    if not values:
        raise RecipeError(f"--by {rule}: it measured no number of any row", _instead(dataset, rule))
    bounds = _bounds(dataset.manifest(), rule)
    cuts = strata.edges(values, bounds)
    rank = {part: place for place, part in enumerate(strata.nearest_first(cuts, bounds))}
    had = Counter(strata.stratum(cuts, value) for value in there)
    inside: dict[int, list[str]] = {}
    for _, value, sample in sorted(left, reverse=True):
        inside.setdefault(strata.stratum(cuts, value), []).append(sample)
    found: dict[str, int] = {}
    while inside and len(found) < count:
        part = min(inside, key=lambda each: (had[each], rank[each]))
        found[inside[part].pop()] = len(found)
        had[part] += 1
        if not inside[part]:
            del inside[part]
    rows = [row for row in read(dataset) if row.sample.id in found]
    return sorted(rows, key=lambda row: found[row.sample.id])


def _instead(dataset: Dataset, rule: str) -> str:
    names = numbered(dataset)
    return did_you_mean(rule, names) if names else f"synth curate {dataset.name}"


def _bounds(manifest: dict[str, Any], rule: str) -> list[float]:
    """The bounds by which a rule decided in the last curation, as it noted them."""
    noted: list[dict[str, Any]] = (manifest.get("curation") or {}).get("rules") or []
    bounds = next((each.get("bounds") or {} for each in noted if each.get("rule") == rule), {})
    return [bound for bound in bounds.values() if is_number(bound)]
