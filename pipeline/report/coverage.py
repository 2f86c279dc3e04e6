"""The grid before and after curation: what each value lost, which pairs of values are gone, and whether by chance."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from contextlib import suppress
from typing import NamedTuple

from markupsafe import Markup

from pipeline.grid.hashing import Grid
from pipeline.grid.legal import rules_of
from pipeline.grid.pairwise import legal_pairs
from pipeline.independence import SURE, Independence, chance, independence, numbers
from pipeline.words import number, percent, plural

from ._svg import share_bar
from ._text import brief
from .gather import LABEL, Fate
from .material import Material

AXES, SHOWN = 12, 12
"""Axes that are told, and values of each; the rest is counted."""
HALF = 0.5
"""A value is flagged where its kept share is at most so much of the other values' share."""
FEWEST_ROWS, DEVIATIONS = 10, 3.0
"""... with so many rows, and so many standard errors off, as `curate` asks before it speaks of an uneven value."""
WEAK, STRONG = 0.1, 0.3
"""Cramer's V below which a relation is weak, and from which it is strong (Cohen, Statistical Power Analysis, 1988, w
for one degree of freedom: small and medium)."""
LEVELS = 6
"""Shades of the map above empty."""
LINES, COLUMNS = 16, 12
"""Values that the map has room for."""


class Value(NamedTuple):
    """A value of an axis: rows before and after, and which rule takes most where it is flagged."""

    name: str
    rows: int
    kept: int | None
    share: str
    bar: Markup
    flag: str


class Of(NamedTuple):
    """An axis: its values, how many more there are, and whether curation treats them alike."""

    name: str
    values: list[Value]
    more: int
    test: str


class Field(NamedTuple):
    """A pair of values on the map: its rows, and `h0` to `h6` for its shade, or `out` where no legal cell has it."""

    rows: int
    kind: str


class Map(NamedTuple):
    """Rows by two axes, before curation and after, in the same shades.

    Attributes:
        down: the axis whose values are lines.
        across: the axis whose values are columns.
        columns: those values.
        sides: title, and the fields line by line.
        why: why these two axes.
        note: what the two together show.
    """

    down: str
    across: str
    columns: list[str]
    sides: list[tuple[str, list[tuple[str, list[Field]]]]]
    why: str
    note: str


class Halved(NamedTuple):
    """A value that a rule took most of: for the page's last section too."""

    axis: str
    value: str
    rule: str


class Coverage(NamedTuple):
    """The section."""

    lead: str
    map: Map | None
    axes: list[Of]
    curated: bool
    halved: list[Halved]


def coverage(material: Material) -> Coverage | None:
    """The section; None where rows have neither a cell nor a label."""
    found = material.rows
    fates = {axis: _all_values(material, axis, values) for axis, values in found.fates.items()}
    fates = dict(list(fates.items())[:AXES])
    if not fates:
        return None
    tests = {axis: independence([[fate.kept, fate.rows - fate.kept] for fate in values.values()])
             for axis, values in fates.items()} if found.curated else {}
    halved = [flag for axis, values in fates.items() for flag in _halved(material, axis, values)]
    axes = [_axis(axis, values, tests.get(axis), halved, found.curated) for axis, values in fates.items()]
    return Coverage(_lead(material, fates, halved), _map(material, fates, tests), axes, found.curated, halved)


def _all_values(material: Material, axis: str, values: dict[str, Fate]) -> dict[str, Fate]:
    """Every value of an axis in the recipe's order, those that no row has too; others by how many rows they have."""
    if material.axes is not None and axis in material.axes.values:
        order = [str(value) for value in material.axes.values[axis]]
        if len(order) <= SHOWN:
            return {value: values.get(value, Fate()) for value in [*order, *(v for v in values if v not in order)]}
    return dict(sorted(values.items(), key=lambda each: (-each[1].rows, *_natural(each[0]))))


def _natural(value: str) -> tuple[float, str]:
    """Numbers by their size, before texts."""
    with suppress(ValueError):
        return (float(value), value) if math.isfinite(float(value)) else (math.inf, value)
    return math.inf, value


def _axis(
    axis: str, values: dict[str, Fate], test: Independence | None, halved: list[Halved], curated: bool
) -> Of:
    most = max(fate.rows for fate in values.values())
    rows, kept = (sum(column) for column in zip(*values.values(), strict=True))
    flags = {flag.value: flag.rule for flag in halved if flag.axis == axis}
    if len(values) > SHOWN:  # a flag is not what is left out
        values = {**{value: values[value] for value in flags}, **values}
    shown = [
        Value(
            brief(value), fate.rows, fate.kept if curated else None,
            percent(fate.kept, fate.rows) if curated else "",
            share_bar(fate.rows, fate.kept if curated else None, most, fate.rows * kept / rows if curated else None),
            flags.get(value, ""),
        )
        for value, fate in list(values.items())[:SHOWN]
    ]
    return Of(axis, shown, len(values) - len(shown), _told(axis, test) if curated else "")


def _told(axis: str, test: Independence | None) -> str:
    """The test in words, with its numbers."""
    if test is None:
        return ""
    if not test.sound:
        return "Too few rows per value to tell cause from chance."
    if test.p >= SURE:
        return f"What is kept differs no more than by chance ({numbers(test)})."
    strength = "weakly" if test.v < WEAK else "strongly" if test.v >= STRONG else "moderately"
    return f"Whether a row is kept depends {strength} on {axis} ({numbers(test)})."


def _halved(material: Material, axis: str, values: dict[str, Fate]) -> list[Halved]:
    """Values of which at most half as much is kept as of the others, not by chance, with the rule that took most."""
    found = material.rows
    rows, kept = (sum(column) for column in zip(*values.values(), strict=True))
    flags = []
    for value, fate in values.items():
        others = rows - fate.rows
        if not found.curated or fate.rows < FEWEST_ROWS or not others or not 0 < kept < rows:
            continue
        share, of_others, overall = fate.kept / fate.rows, (kept - fate.kept) / others, kept / rows
        off = (overall - share) / math.sqrt(overall * (1 - overall) / fate.rows)
        if share <= HALF * of_others and off >= DEVIATIONS:
            lost = found.lost.get(axis, {}).get(value, Counter())
            flags.append(Halved(axis, value, max(lost, key=lambda rule: (lost[rule], rule), default="")))
    return flags


def _lead(material: Material, fates: dict[str, dict[str, Fate]], halved: list[Halved]) -> str:
    """What the grid looks like, in two or three sentences."""
    found = material.rows
    said = []
    crossed = {pair: values for pair, values in found.pairs.items() if f"{pair[0]} x {pair[1]}" in material.possible}
    possible = sum(material.possible[f"{a} x {b}"] for a, b in crossed)
    if possible:
        before = sum(map(len, crossed.values()))
        after = sum(fate.kept > 0 for values in crossed.values() for fate in values.values())
        said.append(f"{_of(before, possible)} pairs of values were drawn"
                    + (f"; {'all' if after == before else number(after)} of them still have a row after curation."
                       if found.curated else "."))
    else:
        values = plural(sum(map(len, fates.values())), "value")
        said.append(f"{values} of {plural(len(fates), 'axis', 'axes')} came up.")
    if not found.curated:
        said.append("Nothing was curated yet.")
    for flag in halved[:2]:
        name = brief(flag.value)
        said.append(f"Of {flag.axis} “{name}”, half as much is kept as of the rest, or less"
                    + (f", mostly by {flag.rule}." if flag.rule else "."))
    return " ".join(said)


def _of(part: int, whole: int) -> str:
    return f"All {number(whole)}" if part == whole else f"{number(part)} of {number(whole)}"


def _map(
    material: Material, fates: dict[str, dict[str, Fate]], tests: dict[str, Independence | None]
) -> Map | None:
    """The two axes on which being kept depends most; where that is not known, those with most rows to a pair."""
    found = material.rows
    pairs = [pair for pair in found.pairs if LABEL not in pair and all(axis in fates for axis in pair)
             and all(len(fates[axis]) > 1 for axis in pair)]
    if not pairs:
        return None
    strength = {axis: test.v if test and test.sound else 0.0 for axis, test in tests.items()}
    roomy = [pair for pair in pairs if all(len(fates[axis]) <= LINES for axis in pair)] or pairs
    a, b = max(roomy, key=lambda pair: (
        sum(strength.get(axis, 0.0) for axis in pair), -len(found.pairs[pair])))
    crossed = {(x, y): fate for (x, y), fate in found.pairs[a, b].items()}
    down, across = a, b
    if len(fates[b]) > len(fates[a]):
        down, across = b, a
        crossed = {(y, x): fate for (x, y), fate in crossed.items()}
    lines, columns = list(fates[down])[:LINES], list(fates[across])[:COLUMNS]
    most = max(fate.rows for fate in crossed.values())
    legal = _legal(material, down, across) or set(itertools.product(lines, columns))
    sides = [("Drawn", False), ("Kept", True)] if found.curated else [("Drawn", False)]
    fields = [
        (title, [(brief(line), [_field(crossed.get((line, column)), after, most, (line, column) in legal)
                                for column in columns]) for line in lines])
        for title, after in sides
    ]
    left_out = len(fates[down]) - len(lines) + len(fates[across]) - len(columns)
    why = "Rows by pair of values, on the two axes that differ most in what is kept."
    return Map(down, across, [brief(column) for column in columns], fields,
               why if any(strength.values()) else "Rows by pair of values.",
               _note(crossed, (down, across), found.curated, left_out))


def _field(fate: Fate | None, after: bool, most: int, legal: bool) -> Field:
    if fate is None:
        return Field(0, "h0" if legal else "out")
    rows = fate.kept if after else fate.rows
    return Field(rows, f"h{0 if not rows else 1 + min(LEVELS - 1, (rows - 1) * LEVELS // most)}")


def _legal(material: Material, down: str, across: str) -> set[tuple[str, str]]:
    """The pairs of values that some legal cell has; none where there is no condition, or nothing is known."""
    axes = material.axes
    if axes is None or not axes.rules or not material.possible or not {down, across} <= set(axes.names):
        return set()
    places = sorted((axes.names.index(down), axes.names.index(across)))
    table = legal_pairs(Grid(axes), rules_of(axes))[places[0], places[1]]
    first, second = (axes.values[axes.names[place]] for place in places)
    pairs = {(str(x), str(y)) for i, x in enumerate(first) for j, y in enumerate(second) if table[i, j]}
    return pairs if axes.names[places[0]] == down else {(y, x) for x, y in pairs}


def _note(crossed: dict[tuple[str, str], Fate], axes: tuple[str, str], curated: bool, left_out: int) -> str:
    """How many pairs curation emptied, and how far the two axes hang together."""
    lost = sum(fate.rows > 0 and not fate.kept for fate in crossed.values())
    said = []
    if curated:
        said.append(f"Curation emptied {number(lost)} of these {plural(len(crossed), 'pair')}." if lost
                    else f"No pair of the {number(len(crossed))} was emptied.")
    for kept, where in ((False, "drawn"), (True, "kept")):
        test = _between(crossed, kept)
        if test is not None and test.sound and (curated or not kept):
            cited = f"{chance(test.p)}, Cramér’s V {test.v:.2f}"
            how = "go together no more than by chance" if test.p >= SURE else "go together"
            said.append(f"Among the rows {where}, {axes[0]} and {axes[1]} {how} ({cited}).")
    if left_out:
        said.append(f"{plural(left_out, 'value')} with fewer rows left out.")
    return " ".join(said)


def _between(crossed: dict[tuple[str, str], Fate], kept: bool) -> Independence | None:
    """The test on the two axes themselves."""
    lines = list(dict.fromkeys(line for line, _ in crossed))
    columns = list(dict.fromkeys(column for _, column in crossed))
    return independence([[crossed.get((line, column), Fate())[kept] for column in columns] for line in lines])
