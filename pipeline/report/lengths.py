"""How long the answers are, and where the rules cut."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

from markupsafe import Markup

from pipeline.words import number, plural

from ._svg import STEPS, Bar, Mark, histogram
from .material import Bound, Material

BARS = 48
"""At most about so many bars, and half of them at least: enough for a shape."""
TAIL = 0.99
"""Rows beyond this share are drawn in the last bar where they would squeeze the others into half the width."""
CHARTS = 3


class Lengths(NamedTuple):
    """One chart: rows by a length, with the bounds that a rule holds them to.

    Attributes:
        lead: the finding in a sentence.
        legend: class of a shape -> what it stands for.
        beyond: what the last bar holds beside its own; empty where that is nothing.
    """

    unit: str
    lead: str
    chart: Markup
    legend: list[tuple[str, str]]
    beyond: str


def lengths(material: Material) -> list[Lengths]:
    """A chart for every length that is measured, none where there are no rows."""
    bounds: dict[str, list[Bound]] = {}
    for bound in material.bounds:
        bounds.setdefault(bound.key, []).append(bound)
    charts = []
    for of_key in bounds.values():
        counted = material.rows.lengths.get(of_key[0].rule)
        if counted:
            charts.append(_chart(of_key[0].unit, counted, of_key, material.rows.extremes[of_key[0].rule]))
    plain = material.rows.lengths.get("")
    if plain:
        charts.append(_chart("bytes", plain, [], material.rows.extremes[""]))
    return charts[:CHARTS]


def _chart(
    unit: str, counted: Counter[tuple[str, int]], bounds: list[Bound], extremes: tuple[int, int]
) -> Lengths:
    by_length: Counter[int] = Counter()
    for (_, length), rows in counted.items():
        by_length[length] += rows
    total = by_length.total()
    marks = [Mark(at, f"{'at least' if low else 'at most'} {number(at)}")
             for bound in bounds for low, at in ((True, bound.low), (False, bound.high)) if at]
    top = _top(by_length, marks)
    bars, beyond = _bars(counted, min(by_length), top, [mark.at for mark in marks])
    marks = [mark for mark in marks if bars[0].low <= mark.at <= bars[-1].high]
    said = ", ".join(f"{mark.text} {unit}" for mark in marks)
    least, most = map(number, extremes)
    middle = number(_quantile(by_length, 0.5))
    label = (f"Histogram of {plural(total, 'answer')} by length in {unit}: from {least} to {most}, half of them up to "
             f"{middle}." + (f" Bounds: {said}." if said else ""))
    states = {state for state, _ in counted}
    words = (("kept", "kept", "kept"), ("dropped", "all", "dropped, by whatever rule"),
             ("new", "new", "not curated yet"))
    lead = f"Half of the answers have up to {middle} {unit}; the shortest has {least}, the longest {most}."
    legend = [(kind, text) for state, kind, text in words if state in states]
    more = f"The last bar holds {plural(beyond, 'longer answer')}." if beyond else ""
    return Lengths(unit, lead, histogram(bars, marks, label), legend, more)


def _top(by_length: Counter[int], marks: list[Mark]) -> int:
    """Where the axis ends: at the longest answer, unless a few would squeeze all others."""
    longest, most = max(by_length), _quantile(by_length, TAIL)
    top = longest if longest <= 2 * most else most
    near = [round(mark.at) for mark in marks if mark.at <= 1.5 * longest]
    return max([top, *near])


def _bars(
    counted: Counter[tuple[str, int]], low: int, high: int, bounds: list[float]
) -> tuple[list[Bar], int]:
    """Bars of one round width, so placed that the first bound lies between two of them."""
    rough = max(1.0, (high - low + 1) / BARS)
    power = 10.0 ** math.floor(math.log10(rough))
    width = int(next(power * each for each in STEPS if power * each >= rough))
    shift = int(bounds[0]) % width if bounds else 0
    first = (low - shift) // width
    count = (high - shift) // width - first + 1
    filled: list[Counter[str]] = [Counter() for _ in range(count)]
    beyond = 0
    for (state, length), rows in counted.items():
        place = (length - shift) // width - first
        beyond += rows if place >= count else 0
        filled[min(place, count - 1)][state] += rows
    begin = first * width + shift
    least = 0 if low >= 0 else low  # no bar stands for lengths that there are not
    edges = [begin + place * width for place in range(count + 1)]
    bars = [Bar(max(least, left), right, each["kept"], each["dropped"], each["new"])
            for left, right, each in zip(edges, edges[1:], filled, strict=False)]
    return bars, beyond


def _quantile(by_length: Counter[int], share: float) -> int:
    """The length that this share of the rows does not pass."""
    wanted, so_far = share * by_length.total(), 0
    for length in sorted(by_length):
        so_far += by_length[length]
        if so_far >= wanted:
            return length
    return max(by_length)
