"""Charts as SVG, by hand: shapes in per cent of their frame, texts in pixels, colours from the page's style.

A frame without a viewBox keeps its letters at reading size at any width; only what has to stretch, the lines,
lies in an inner frame that does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup, escape

STEPS = (1, 2, 5, 10)
"""A tick's distance is one of these times a power of ten, so that people can read it."""
HIGH = 200
"""Pixels from the bottom to the top of a chart."""


class Bar(NamedTuple):
    """Rows whose length lies in [low, high), by what became of them."""

    low: float
    high: float
    kept: int
    dropped: int
    new: int

    @property
    def rows(self) -> int:
        """All of them."""
        return self.kept + self.dropped + self.new


class Mark(NamedTuple):
    """A line across a chart, and what is written beside it."""

    at: float
    text: str


class Line(NamedTuple):
    """A curve: its points in order, and the class that gives it its colour."""

    kind: str
    points: Sequence[tuple[float, float]]


def element(name: str, /, *content: Any, **attributes: Any) -> Markup:
    """An element with its attributes escaped; `class_` and `text_anchor` lose and change their underscores."""
    told = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    inner = Markup("").join(content)
    return Markup(f"<{name}{told}>{inner}</{name}>" if inner else f"<{name}{told}/>")


def share_bar(rows: int, kept: int | None, most: int, expected: float | None = None) -> Markup:
    """A bar as long as `rows`, filled as far as `kept`, with a tick where the overall share would end.

    Args:
        rows: of this value.
        kept: of these; None where nothing was curated yet.
        most: rows of the longest bar.
        expected: rows that would be kept at the overall share.
    """
    shapes = [element("rect", class_="all", width=_percent(rows, most), height="100%")]
    if kept:
        shapes.append(element("rect", class_="kept", width=_percent(kept, most), height="100%"))
    if expected is not None:
        at = _percent(expected, most)
        shapes.append(element("line", class_="tick", x1=at, x2=at, y1="0", y2="100%"))
    return element("svg", *shapes, class_="bar", aria_hidden="true")


def histogram(bars: Sequence[Bar], marks: Sequence[Mark], label: str) -> Markup:
    """Rows by length; kept ones below, dropped ones on top, bounds as lines.

    Args:
        bars: side by side, of equal width.
        marks: bounds.
        label: what a person who cannot see it is told.
    """
    low, high = bars[0].low, bars[-1].high
    across, up = _ticks(low, high, 6, least=1), _ticks(0, max(bar.rows for bar in bars), 4, least=1)
    top = max(up[-1], max(bar.rows for bar in bars))
    shapes = _frame(across, up, (low, high), (0, top))
    for bar in bars:
        x, width = _percent(bar.low - low, high - low), _percent((bar.high - bar.low) * 0.9, high - low)
        floor = 0
        for kind, rows in (("kept", bar.kept), ("all", bar.dropped), ("new", bar.new)):
            if rows:
                y = _percent(top - floor - rows, top)
                shapes.append(element("rect", class_=kind, x=x, y=y, width=width, height=_percent(rows, top)))
            floor += rows
    for mark in marks:
        at = (mark.at - low) / (high - low)
        x, right = _percent(mark.at - low, high - low), at > 0.6
        shapes.append(element("line", class_="bound", x1=x, x2=x, y1="-6", y2="100%"))
        shapes.append(element("text", mark.text, class_="bound", x=x, y="0", dx="-6" if right else "6", dy="2",
                              text_anchor="end" if right else "start"))
    return _plot(shapes, label)


def curves(lines: Sequence[Line], label: str, *, percent: bool = False) -> Markup:
    """Curves over steps.

    Args:
        lines: each with at least one point.
        label: what a person who cannot see it is told.
        percent: whether the values are shares.
    """
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    left, right = min(xs), max(xs)
    right = right if right > left else left + 1
    up = _ticks(min(ys), max(ys), 4)
    low, high = min(up[0], *ys), max(up[-1], *ys)
    high = high if high > low else low + 1
    shapes = _frame(_ticks(left, right, 5), up, (left, right), (low, high), percent=percent)
    drawn = []
    for line in lines:
        points = [((x - left) / (right - left) * 1000, (high - y) / (high - low) * 1000) for x, y in line.points]
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawn.append(element("polyline", class_=f"curve {line.kind}", points=text, vector_effect="non-scaling-stroke"))
        x, y = points[-1]
        shapes.append(element("circle", class_=f"end {line.kind}", cx=f"{x / 10:.2f}%", cy=f"{y / 10:.2f}%", r="3.5"))
    stretched = element("svg", *drawn, viewBox="0 0 1000 1000", preserveAspectRatio="none", width="100%", height="100%",
                        class_="stretch")
    return _plot([*shapes[:-len(lines)], stretched, *shapes[-len(lines):]], label)


def _plot(shapes: Iterable[Markup], label: str) -> Markup:
    return element("svg", *shapes, class_="plot", role="img", aria_label=label, height=HIGH)


def _frame(
    across: Sequence[float], up: Sequence[float], xs: tuple[float, float], ys: tuple[float, float], *,
    percent: bool = False,
) -> list[Markup]:
    """Lines behind a chart, and numbers below and beside it."""
    shapes = []
    for value in up:
        y = _percent(ys[1] - value, ys[1] - ys[0])
        text = f"{value:.0%}" if percent else _number(value)
        shapes.append(element("line", class_="grid", x1="0", x2="100%", y1=y, y2=y))
        shapes.append(element("text", text, class_="y", x="0", y=y, dx="-8", dy="4", text_anchor="end"))
    within = [value for value in across if xs[0] <= value <= xs[1]]
    for place, value in enumerate(reversed(within)):  # every second one gives way where it is narrow, never the last
        x = _percent(value - xs[0], xs[1] - xs[0])
        kind = "x between" if place % 2 and len(within) > 4 else "x"
        shapes.append(element("text", _number(value), class_=kind, x=x, y="100%", dy="20", text_anchor="middle"))
    return shapes


def _ticks(low: float, high: float, about: int, least: float = 0) -> list[float]:
    """Round numbers around [low, high], `least` apart or more: the first at most `low`, the last at least `high`."""
    if high <= low:
        high = low + 1
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(least, next(power * each for each in STEPS if power * each >= rough * 0.999))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.10g}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%" if whole else "0%"
