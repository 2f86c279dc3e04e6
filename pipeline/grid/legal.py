"""Which cells the conditions leave: one at a time, as a whole, in pairs, and by search where there are too many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..digest import canonical
from ..errors import RecipeError
from ..types import Cell
from .axes import Axes, Depends
from .template import Condition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LISTABLE = 1_000_000
"""Cells of a grid that is listed where listing helps; larger ones are only drawn from."""
_SEARCH = 50_000
"""Cells that a search tries to complete before it gives up."""


class GaveUp(Exception):
    """A search for a cell took too long to say whether there is one."""


class Said(NamedTuple):
    """How a rule is called in messages."""

    expression: str
    where: str


class Rule:
    """A condition over positions in the axes; remembers what it said."""

    condition: Condition | Said

    def __init__(self, condition: Condition, axes: Axes) -> None:
        names = axes.names if "cell" in condition.variables else [n for n in axes.names if n in condition.variables]
        self.condition, self.names = condition, tuple(names)
        self.positions = tuple(axes.names.index(name) for name in names)
        self._values = [axes.values[name] for name in names]
        self._memo: dict[tuple[int | None, ...], bool] | None = {} if self.size <= LISTABLE else None

    @property
    def size(self) -> int:
        """Cells over the axes that it names."""
        return math.prod(len(values) for values in self._values)

    def holds(self, cell: Sequence[int | None]) -> bool:
        """Whether it holds; the axes that it names must be given."""
        key = tuple([cell[position] for position in self.positions])
        if self._memo is None:
            return self._evaluate(key)
        said = self._memo.get(key)
        if said is None:
            said = self._memo[key] = self._evaluate(key)
        return said

    def _evaluate(self, key: tuple[Any, ...]) -> bool:
        named = {name: values[index] for name, values, index in zip(self.names, self._values, key, strict=True)}
        assert isinstance(self.condition, Condition)
        return self.condition.holds({**named, "cell": named})

    def table(self, dimensions: int) -> NDArray[np.bool_]:
        """What it says of every cell over its axes, with an axis of length 1 for each that it does not name."""
        import numpy as np

        shape = [1] * dimensions
        for position, values in zip(self.positions, self._values, strict=True):
            shape[position] = len(values)
        cells = itertools.product(*[range(len(values)) for values in self._values])
        said = np.fromiter((self._evaluate(cell) for cell in cells), dtype=np.bool_, count=self.size)
        said = said.reshape([len(values) for values in self._values])
        return said.transpose(np.argsort(self.positions)).reshape(shape)


class Dependence(Rule):
    """That a value goes with the value of the axis that it depends on."""

    def __init__(self, name: str, depends: Depends, axes: Axes) -> None:
        self.condition = Said(f"{name} by {depends.parent}", depends.where)
        self.names = (depends.parent, name)
        self.positions = tuple(axes.names.index(each) for each in self.names)
        self._values = [axes.values[each] for each in self.names]
        self._memo = None
        self._allowed = [frozenset(positions) for positions in depends.allowed]

    def _evaluate(self, key: tuple[Any, ...]) -> bool:
        return key[1] in self._allowed[key[0]]


def rules_of(axes: Axes) -> list[Rule]:
    """The conditions that the axes alone decide, those of axes that depend on another behind them."""
    known = {*axes.names, "cell"}
    written = [Rule(condition, axes) for condition in axes.rules if condition.variables <= known]
    return [*written, *(Dependence(name, depends, axes) for name, depends in axes.depends.items())]


def legal_table(axes: Axes, rules: Sequence[Rule]) -> NDArray[np.bool_]:
    """For every cell of a listable grid, whether it may be drawn; the shape is the grid's.

    Raises:
        RecipeError: none may.
    """
    import numpy as np

    tables = [rule.table(len(axes.names)) for rule in rules]
    legal = np.ones(axes.shape, dtype=np.bool_)
    for rule, table in zip(rules, tables, strict=True):
        if not table.any():
            raise nothing_left(axes, rule)
        legal &= table
    if not legal.any():
        raise nothing_left(axes, rules[0] if len(rules) == 1 else None, rules)
    return legal


def nothing_left(axes: Axes, rule: Rule | None, rules: Sequence[Rule] = ()) -> RecipeError:
    """The error for conditions that no cell meets."""
    if rule is not None:
        said = f"the condition {rule.condition.expression!r} leaves none of {axes.cells:,} cells"
        message = f"{rule.condition.where}: {said}"
        examples = [f"{name}: {', '.join(str(value) for value in axes.values[name][:6])}" for name in rule.names]
        return RecipeError(message, "values of " + "; of ".join(examples) if examples else "")
    where = rules[0].condition.where
    message = f"{where}: the {len(rules)} conditions together leave none of {axes.cells:,} cells"
    return RecipeError(message, "leave out one of them to see which")


def complete(
    axes: Axes, rules: Sequence[Rule], given: Mapping[int, int], order: Sequence[int],
    candidates: Callable[[int, Sequence[int | None]], Iterable[int]],
) -> tuple[int, ...] | None:
    """A legal cell that has some positions as given, by search.

    Args:
        axes: the grid.
        rules: its rules.
        given: axis -> position that is fixed.
        order: the other axes, in the order in which they are filled.
        candidates: the positions to try for an axis, best first, given the cell so far.

    Returns:
        The cell, or None where there is none.

    Raises:
        GaveUp: it took too long.
    """
    cell: list[int | None] = [given.get(axis) for axis in range(len(axes.names))]
    left = _SEARCH

    def allowed(axis: int | None) -> bool:
        for rule in rules:
            if axis is None or axis in rule.positions:
                ready = all(cell[position] is not None for position in rule.positions)
                if ready and not rule.holds(cell):
                    return False
        return True

    def fill(depth: int) -> bool:
        nonlocal left
        if depth == len(order):
            return True
        axis = order[depth]
        for position in candidates(axis, cell):
            left -= 1
            if left < 0:
                raise GaveUp
            cell[axis] = position
            if allowed(axis) and fill(depth + 1):
                return True
        cell[axis] = None
        return False

    if not allowed(None) or not fill(0):
        return None
    return tuple(position for position in cell if position is not None)


def any_cell(axes: Axes, rules: Sequence[Rule], given: Mapping[int, int]) -> tuple[int, ...] | None:
    """As `complete`, in the order of the grid; axes that no rule names are not searched.

    Raises:
        GaveUp: it took too long.
    """
    named = {position for rule in rules for position in rule.positions}
    free = [axis for axis in range(len(axes.names)) if axis not in given]
    order = sorted(free, key=lambda axis: axis not in named)
    return complete(axes, rules, given, order, lambda axis, _: range(axes.shape[axis] if axis in named else 1))


def refuse_impossible(axes: Axes, rules: Sequence[Rule]) -> None:
    """For a grid that cannot be listed: raises where a search shows that the conditions leave nothing.

    Raises:
        RecipeError: no cell is legal. A search that takes too long says nothing.
    """
    try:
        if any_cell(axes, rules, {}) is not None:
            return
        alone = next((rule for rule in rules if any_cell(axes, [rule], {}) is None), None)
    except GaveUp:
        return
    raise nothing_left(axes, alone, rules)


class Lookup:
    """From a cell by value to its positions in the axes."""

    def __init__(self, axes: Axes) -> None:
        self._names = axes.names
        self._positions = [{canonical(value): i for i, value in enumerate(axes.values[name])} for name in axes.names]

    def positions(self, cell: Cell) -> tuple[int, ...] | None:
        """None where an axis is missing or too many, or a value is not known."""
        if len(cell) != len(self._names):
            return None
        found = []
        for name, positions in zip(self._names, self._positions, strict=True):
            position = positions.get(canonical(cell[name])) if name in cell else None
            if position is None:
                return None
            found.append(position)
        return tuple(found)
