"""The axes of a recipe with all their values, and the conditions on a cell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Axes:
    """A grid: its axes in the recipe's order, and which cells are ruled out.

    Attributes:
        names: of the axes.
        values: name -> its values, in the order of the recipe or file; those of weight 0 are left out.
        weights: name -> one number above 0 per value.
        rules: the recipe's `where`; all must hold.
        duplicates: name -> values that a file held more than once (kept once).
    """

    names: tuple[str, ...]
    values: Mapping[str, tuple[Scalar, ...]]
    weights: Mapping[str, tuple[float, ...]]
    rules: tuple[Condition, ...] = ()
    duplicates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(self.values[name]) for name in self.names)

    @property
    def size(self) -> int:
        """How many cells there are, ruled out or not; 1 (the empty cell) where there is no axis."""
        return math.prod(self.shape)


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
    return Axes(tuple(values), values, weights, _rules(recipe, columns), duplicates)


def _made(recipe: Recipe, name: str, axis: Axis) -> tuple[Scalar, ...]:
    where = recipe.at("axes", name)
    if axis.faker is not None:
        return fake_values(axis.faker, axis.n, axis.locale, recipe.seed, name, where)
    if axis.numbers is not None:
        return _numbers(axis.numbers, f"{where}: axis '{name}'")
    seen: set[str] = set()
    for index, value in enumerate(axis.values or []):
        place = _line_of_value(recipe, name, index)
        if isinstance(value, float) and not math.isfinite(value):
            raise RecipeError(f"{place}: axis '{name}': {value} is no number of JSON", f"put it in quotes: '{value}'")
        if isinstance(value, int) and value not in _INT64:
            raise RecipeError(f"{place}: axis '{name}': {value} has over 64 bits", f"put it in quotes: '{value}'")
        if str(value) in seen:
            message = f"{place}: axis '{name}' has '{value}' twice"
            raise RecipeError(message, "how often a value is drawn: {values: [a, b], weights: [2, 1]}")
        seen.add(str(value))
    return tuple(axis.values or [])


def _line_of_value(recipe: Recipe, name: str, index: int) -> str:
    """The value's own line, whether the axis is a bare list or has `values`."""
    places = (recipe.at("axes", name, index), recipe.at("axes", name, "values", index))
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
