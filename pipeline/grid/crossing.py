"""The cells that a source row is crossed with: drawn by the row's own name, so that no other row matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..digest import hash_int
from ..errors import RecipeError
from ..recipe import Recipe
from ..types import Cell
from .axes import Axes
from .hashing import Grid
from .legal import LISTABLE, rules_of

_TRIES = 64
"""Draws for one repeat of a row before the cells are listed."""
_LISTED = 10_000
"""Cells that are listed for a single row at most."""

Positions = tuple[int, ...]


class Crossing:
    """Draws cells for source rows.

    Args:
        recipe: for its seed and conditions.
        axes: its axes; none at all makes one empty cell.
    """

    def __init__(self, recipe: Recipe, axes: Axes) -> None:
        self.seed, self.axes, self.grid = recipe.seed, axes, Grid(axes)
        closed = {*axes.names, "cell"}
        self.rules = rules_of(axes)
        self.open = [rule for rule in axes.rules if not rule.variables <= closed]
        self.all = False

    def list_all(self, where: str) -> None:
        """From now on every row is crossed with every cell.

        Raises:
            RecipeError: there are too many.
        """
        if self.axes.size > LISTABLE:
            message = f"{where}: {self.axes.size:,} cells for every row are too many to list (at most {LISTABLE:,})"
            raise RecipeError(message, "how: random, with `repeats`, or give the axes fewer values")
        self.all = True

    def cells(self, row: str, fields: dict[str, Any], repeats: int) -> Iterator[tuple[int, Cell]] | None:
        """The cells of a row, each with its repeat; None where conditions leave none.

        A row's repeats are other cells as long as there are any.

        Args:
            row: the row's name.
            fields: its columns, which conditions may use.
            repeats: how many draws; for a product, how many of each cell.
        """
        if not self.axes.names:
            return iter([(repeat, {}) for repeat in range(repeats)]) if self._legal((), fields) else None
        if self.all:
            return self._product(fields, repeats)
        found: list[Positions] = []
        for repeat in range(repeats):
            cell = self._draw(row, fields, repeat, found)
            if cell is None and not found:
                return None
            found.append(cell if cell is not None else found[repeat % len(set(found))])
        return iter([(repeat, self._cell(cell)) for repeat, cell in enumerate(found)])

    def _product(self, fields: dict[str, Any], repeats: int) -> Iterator[tuple[int, Cell]] | None:
        legal = [cell for cell in map(self.grid.cell, range(self.axes.size)) if self._legal(cell, fields)]
        if not legal:
            return None
        return ((repeat, self._cell(cell)) for cell in legal for repeat in range(repeats))

    def _draw(self, row: str, fields: dict[str, Any], repeat: int, taken: list[Positions]) -> Positions | None:
        import numpy as np

        if len(set(taken)) == self.axes.size:
            return None
        for start, count in ((0, 1), (1, _TRIES)):  # the first try nearly always does
            luck = [hash_int("row", self.seed, row, repeat, start + i) for i in range(count)]
            for positions in map(tuple, self.grid.pick(np.array(luck, dtype=np.uint64)).tolist()):
                if positions not in taken and self._legal(positions, fields):
                    return positions
        if self.axes.size > _LISTED:
            return None
        seed = hash_int("row", self.seed, row)
        listed = map(self.grid.cell, self.grid.shuffled(seed, weighted=True).tolist())
        return next((cell for cell in listed if cell not in taken and self._legal(cell, fields)), None)

    def _legal(self, positions: Positions, fields: dict[str, Any]) -> bool:
        if not all(rule.holds(positions) for rule in self.rules):
            return False
        if not self.open:
            return True
        cell = self._cell(positions)
        context = {**cell, **fields, "cell": cell, "fields": fields}
        return all(rule.holds(context) for rule in self.open)

    def _cell(self, positions: Positions) -> Cell:
        names, values = self.axes.names, self.axes.values
        return {name: values[name][i] for name, i in zip(names, positions, strict=True)}
