"""The axes of a recipe with all their values, and the conditions on a cell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from ..errors import RecipeError, did_you_mean
from ..recipe import Recipe
from ..sections import Axis, Numbers
from ..types import Scalar
from .fakers import fake_values
from .template import Condition

MAX_VALUES = 1_000_000
"""Numbers in one axis."""
_INT64 = range(-(2**63), 2**64)
"""Whole numbers that every JSON reader of ours takes."""


class Depends(NamedTuple):
    """What the values of an axis depend on.

    Attributes:
        parent: the other axis.
        allowed: for each of its values, the positions of the values that go with it.
        where: the recipe's line.
    """

    parent: str
    allowed: tuple[tuple[int, ...], ...]
    where: str


@dataclass(frozen=True, slots=True)
class Axes:
    """A grid: its axes in the recipe's order, and which cells are ruled out.

    Attributes:
        names: of the axes.
        values: name -> its values, in the order of the recipe or file; those of weight 0 are left out.
        weights: name -> one number above 0 per value.
        rules: the recipe's `where`; all must hold.
        duplicates: name -> values that a file held more than once (kept once).
        depends: name -> the axis that its values depend on. Its `values` are those of all lists, each once.
    """

    names: tuple[str, ...]
    values: Mapping[str, tuple[Scalar, ...]]
    weights: Mapping[str, tuple[float, ...]]
    rules: tuple[Condition, ...] = ()
    duplicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    depends: Mapping[str, Depends] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(self.values[name]) for name in self.names)

    @property
    def size(self) -> int:
        """Combinations of values, ruled out or not; 1 (the empty cell) where there is no axis."""
        return math.prod(self.shape)

    @property
    def order(self) -> list[int]:
        """The axes by place, each behind the one that its values depend on."""
        found: list[int] = []
        while len(found) < len(self.names):
            found += [place for place, name in enumerate(self.names) if place not in found
                      and (name not in self.depends or self.names.index(self.depends[name].parent) in found)]
        return found

    @property
    def cells(self) -> int:
        """How many cells there are: as `size`, less the combinations that no list of a dependent axis has."""
        below: dict[str, list[int]] = {name: [1] * len(self.values[name]) for name in self.names}
        total = 1
        for name in (self.names[place] for place in reversed(self.order)):
            if name not in self.depends:
                total *= sum(below[name])
                continue
            parent, allowed, _ = self.depends[name]
            for value, positions in enumerate(allowed):
                below[parent][value] *= sum(below[name][position] for position in positions)
        return total


def load_axes(recipe: Recipe, columns: Iterable[str] | None = None) -> Axes:
    """Reads the axes of a recipe.

    Args:
        recipe: the recipe.
        columns: names that conditions may use beside the axes: the source's columns. Where they are not
            given and there is a source, conditions are not checked for unknown names.

    Raises:
        RecipeError: an axis without values or with one twice, a file that cannot be read, a Faker provider that
            cannot be used, a condition with a fault or on an unknown name; each with its line.
    """
    values: dict[str, tuple[Scalar, ...]] = {}
    weights: dict[str, tuple[float, ...]] = {}
    duplicates: dict[str, tuple[str, ...]] = {}
    for name, axis in recipe.axes.items():
        where = recipe.at("axes", name)
        found: tuple[Scalar, ...]
        if axis.file is not None:
            found, twice = _read_lines(recipe, name, axis.file)
            if twice:
                duplicates[name] = twice
        else:
            found = _made(recipe, name, axis)
        if not found:
            beside = f" in {recipe.folder / axis.file}" if axis.file is not None else ""
            raise RecipeError(f"{where}: axis '{name}' has no values{beside}", f"{name}: [one, another]")
        shares = axis.weights or [1.0] * len(found)
        drawn = [(value, float(share)) for value, share in zip(found, shares, strict=True) if share > 0]
        values[name] = tuple(value for value, _ in drawn)
        weights[name] = tuple(share for _, share in drawn)
    depends = {name: _depends(recipe, name, values) for name, axis in recipe.axes.items() if axis.by is not None}
    _refuse_circles(recipe, depends)
    return Axes(tuple(values), values, weights, _rules(recipe, columns), duplicates, depends)


def _depends(recipe: Recipe, name: str, values: Mapping[str, tuple[Scalar, ...]]) -> Depends:
    """Which values of an axis go with each value of the one that it depends on."""
    lists, by, where = recipe.axes[name].values, recipe.axes[name].by, recipe.at("axes", name)
    assert isinstance(lists, dict)
    if by is None or by not in recipe.axes or by == name:
        others = [other for other in recipe.axes if other != name]
        raise RecipeError(f"{recipe.at('axes', name, 'by')}: axis '{name}': there is no other axis '{by}'",
                          did_you_mean(str(by), others))
    given = recipe.axes[by].values
    known = [str(value) for value in (*values[by], *(given if isinstance(given, list) else ()))]
    for key in lists:
        if key not in known:
            raise RecipeError(f"{where}: axis '{name}' has values for '{key}', which {by} does not have",
                              did_you_mean(key, known))
    missing = [str(value) for value in values[by] if not lists.get(str(value))]
    if missing:
        raise RecipeError(f"{where}: axis '{name}' has no values for {by} '{missing[0]}'",
                          f"{missing[0]}: [one, another]")
    place = {str(value): position for position, value in enumerate(values[name])}
    allowed = tuple(tuple(place[str(one)] for one in lists[str(value)]) for value in values[by])
    return Depends(by, allowed, where)


def _refuse_circles(recipe: Recipe, depends: Mapping[str, Depends]) -> None:
    for name in depends:
        line = [name]
        while line[-1] in depends:
            parent = depends[line[-1]].parent
            if parent in line:
                raise RecipeError(f"{recipe.at('axes', name, 'by')}: axis '{name}' depends on itself: "
                                  f"{' by '.join([*line, parent])}", "one of them needs a plain list")
            line.append(parent)


def _made(recipe: Recipe, name: str, axis: Axis) -> tuple[Scalar, ...]:
    where = recipe.at("axes", name)
    if axis.faker is not None:
        return fake_values(axis.faker, axis.n, axis.locale, recipe.seed, name, where)
    if axis.numbers is not None:
        return _numbers(axis.numbers, f"{where}: axis '{name}'")
    if isinstance(axis.values, dict):  # the same value may go with several of the other axis
        together: dict[str, Scalar] = {}
        for key, values in axis.values.items():
            _checked(recipe, name, values, key)
            together.update((str(value), together.get(str(value), value)) for value in values)
        return tuple(together.values())
    return _checked(recipe, name, axis.values or [])


def _checked(recipe: Recipe, name: str, values: Sequence[Scalar], *under: str) -> tuple[Scalar, ...]:
    """The values of a list, each there once and one that JSON has."""
    seen: set[str] = set()
    for index, value in enumerate(values):
        place = _line_of_value(recipe, name, *under, index)
        if isinstance(value, float) and not math.isfinite(value):
            raise RecipeError(f"{place}: axis '{name}': {value} is no number of JSON", f"put it in quotes: '{value}'")
        if isinstance(value, int) and value not in _INT64:
            raise RecipeError(f"{place}: axis '{name}': {value} has over 64 bits", f"put it in quotes: '{value}'")
        if str(value) in seen:
            message = f"{place}: axis '{name}' has '{value}' twice"
            raise RecipeError(message, "how often a value is drawn: {values: [a, b], weights: [2, 1]}")
        seen.add(str(value))
    return tuple(values)


def _line_of_value(recipe: Recipe, name: str, *at: str | int) -> str:
    """The value's own line, whether the axis is a bare list or has `values`."""
    places = (recipe.at("axes", name, *at), recipe.at("axes", name, "values", *at))
    return max(places, key=lambda place: int(place.rpartition(":")[2]) if place[-1].isdigit() else 0)


def _numbers(numbers: Numbers, where: str) -> tuple[Scalar, ...]:
    """From min to max, both included; decimal arithmetic, so that 0.1 + 0.2 is 0.3."""
    low, high, step = (Decimal(str(number)) for number in (numbers.min, numbers.max, numbers.step))
    if not all(number.is_finite() for number in (low, high, step)) or step <= 0:
        raise RecipeError(f"{where}: the step of `numbers` must be above 0", "numbers: {min: 1, max: 10, step: 1}")
    count = int((high - low) / step) + 1 if high >= low else 0
    if count > MAX_VALUES:
        raise RecipeError(f"{where}: {count:,} numbers; at most {MAX_VALUES:,}", "a larger step")
    whole = all(isinstance(number, int) for number in (numbers.min, numbers.max, numbers.step))
    return tuple(int(low + i * step) if whole else float(low + i * step) for i in range(count))


def _read_lines(recipe: Recipe, name: str, file: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The values of a file, one per line without the white space around it, and those that came again."""
    path = recipe.folder / file
    try:
        data = path.read_bytes()
    except OSError as error:
        beside = [str(other.relative_to(recipe.folder)) for other in path.parent.glob("*") if other.is_file()]
        message = f"{recipe.at('axes', name, 'file')}: axis '{name}': cannot read {path}: {error.strerror}"
        raise RecipeError(message, did_you_mean(file, sorted(beside))) from None
    values: dict[str, None] = {}
    twice: dict[str, None] = {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n"), start=1):
        value = _decode(line, path, number).strip()
        if value:
            (twice if value in values else values)[value] = None
    return tuple(values), tuple(twice)


def _decode(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{path}:{number}: not UTF-8 at byte {error.start + 1} of the line"
        raise RecipeError(message, f"iconv -f windows-1252 -t utf-8 {path}") from None


def _rules(recipe: Recipe, columns: Iterable[str] | None) -> tuple[Condition, ...]:
    rules = tuple(Condition(text, recipe.at("where", index)) for index, text in enumerate(recipe.where))
    if recipe.source is None or columns is not None:
        known = [*recipe.axes, *(columns or ())]
        reject_unknown(rules, known, ["cell", *(["fields"] if recipe.source is not None else [])])
    return rules


def reject_unknown(rules: Sequence[Condition], known: Sequence[str], more: Sequence[str] = ()) -> None:
    """Names every unknown name of some conditions at once.

    Args:
        rules: the conditions.
        known: axes and columns.
        more: what else may be named, and need not be proposed.

    Raises:
        RecipeError: there are some; a line each.
    """
    unknown = [(rule, name) for rule in rules for name in sorted(rule.variables) if name not in (*known, *more)]
    if unknown:
        lines = [f"{rule.where}: '{name}' in the condition {rule.expression!r} is not known" for rule, name in unknown]
        raise RecipeError("\n".join(lines), did_you_mean(unknown[0][1], known))
