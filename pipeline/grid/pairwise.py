"""A covering array: few cells that show every legal pair of values at least once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import RecipeError
from .hashing import Grid, codes, mix
from .legal import LISTABLE, GaveUp, Rule, any_cell, complete, legal_table, nothing_left, refuse_impossible

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pairs = dict[tuple[int, int], NDArray[np.bool_]]

Positions = tuple[int, ...]
_EFFORT = 100_000
"""Pairs times candidates per row: small grids get 40 candidates for each row, large ones at least 2."""


def pairwise(grid: Grid, rules: Sequence[Rule], seed: int, paid: Sequence[Positions], where: str) -> list[Positions]:
    """Cells that cover every legal pair of values, found greedily (AETG: Cohen, Dalal, Fredman and Patton 1997).

    Args:
        grid: the axes.
        rules: their conditions.
        seed: the recipe's.
        paid: cells that are there already; those that cover something come first, in their order.
        where: the recipe's line, for errors.

    Returns:
        The cells. With a single axis, one for each value.

    Raises:
        RecipeError: so many pairs that the cells could not be listed, or no legal cell at all.
    """
    sizes = sorted(grid.shape)[-2:]
    if sizes[0] * sizes[-1] > LISTABLE and len(grid.shape) > 1:
        pairs = f"{sizes[0] * sizes[-1]:,} pairs of values of two axes"
        raise RecipeError(f"{where}: pairwise would need a row for each of {pairs}", "how: random, with `rows`")
    if len(grid.shape) == 1:
        return _one_axis(grid, rules, paid)
    design = _Design(grid, rules, seed)
    chosen = [cell for cell in paid if design.covers(cell)]
    while design.left:
        cell = design.next_cell(len(chosen))
        if cell is not None:
            chosen.append(cell)
    return chosen


def legal_pairs(grid: Grid, rules: Sequence[Rule]) -> Pairs:
    """For every two axes, which pairs of values some legal cell has. Axes are in the order of their positions."""
    import numpy as np

    count = len(grid.shape)
    pairs = {(a, b): np.ones((grid.shape[a], grid.shape[b]), dtype=np.bool_)
             for a, b in itertools.combinations(range(count), 2)}
    if not rules:
        return pairs
    if grid.axes.size <= LISTABLE:
        table = legal_table(grid.axes, rules)
        for a, b in pairs:
            pairs[a, b] = np.asarray(table.any(axis=tuple(axis for axis in range(count) if axis not in (a, b))))
        return pairs
    refuse_impossible(grid.axes, rules)
    named = {position for rule in rules for position in rule.positions}
    for (a, b), table in pairs.items():
        if a in named or b in named:
            for i, j in np.ndindex(table.shape):
                if (a in named or i == 0) and (b in named or j == 0):
                    table[i, j] = _is_possible(grid, rules, {a: i, b: j})
            if a not in named:
                table[:] = table[:1]
            if b not in named:
                table[:] = table[:, :1]
    return pairs


def _is_possible(grid: Grid, rules: Sequence[Rule], given: dict[int, int]) -> bool:
    try:
        return any_cell(grid.axes, rules, given) is not None
    except GaveUp:
        return False


def _one_axis(grid: Grid, rules: Sequence[Rule], paid: Sequence[Positions]) -> list[Positions]:
    cells = [(i,) for i in range(grid.shape[0]) if all(rule.holds((i,)) for rule in rules)]
    if not cells:
        raise nothing_left(grid.axes, rules[0] if len(rules) == 1 else None, rules)
    first = list(dict.fromkeys(cell for cell in paid if cell in cells))
    return [*first, *(cell for cell in cells if cell not in first)]


class _Design:
    """The pairs that are not covered yet, and the search for the cell that covers most of them."""

    def __init__(self, grid: Grid, rules: Sequence[Rule], seed: int) -> None:
        import numpy as np

        self.grid, self.rules, self.seed = grid, rules, seed
        self.by_name = sorted(range(len(grid.shape)), key=lambda axis: grid.axes.names[axis])
        self.open = legal_pairs(grid, rules)
        self.left = sum(int(table.sum()) for table in self.open.values())
        self.tries = int(np.clip(_EFFORT // max(self.left, 1), 2, 40))

    def covers(self, cell: Positions) -> bool:
        """Marks a cell's pairs as covered; whether one of them was new."""
        before = self.left
        for (a, b), table in self.open.items():
            if table[cell[a], cell[b]]:
                table[cell[a], cell[b]] = False
                self.left -= 1
        return self.left < before

    def next_cell(self, row: int) -> Positions | None:
        """The best of several candidates, its pairs marked. None where an open pair turned out to have no cell."""
        best: Positions | None = None
        most = 0
        a, b = self._pair_of_axes()
        for luck in self._luck(row):
            i, j = self._pair(a, b, luck)
            cell = self._fill({a: i, b: j}, luck)
            gain = self._gain(cell) if cell is not None else 0
            if gain > most:
                best, most = cell, gain
            if cell is None:  # the search gave up; leave the pair, or it would come again
                self.open[a, b][i, j] = False
                self.left -= 1
            if not self.open[a, b].any():
                break
        if best is not None:
            self.covers(best)
        return best

    def _luck(self, row: int) -> Iterator[Any]:
        yield from codes("pairwise", self.seed, row * self.tries, self.tries).reshape(-1, 1)

    def _pair_of_axes(self) -> tuple[int, int]:
        """The two axes with the most open pairs; by name where there are several."""
        names = self.grid.axes.names
        return max(self.open, key=lambda ab: (int(self.open[ab].sum()), sorted((names[ab[0]], names[ab[1]]))))

    def _pair(self, a: int, b: int, luck: Any) -> tuple[int, int]:
        import numpy as np

        keys = self.grid.keys
        hashes = mix(mix(keys[a] ^ luck)[:, None] + mix(keys[b] ^ luck)[None, :])
        hashes[~self.open[a, b]] = 0
        i, j = np.unravel_index(int(hashes.argmax()), hashes.shape)
        return int(i), int(j)

    def _fill(self, given: dict[int, int], luck: Any) -> Positions | None:
        import numpy as np

        order = [axis for axis in self.by_name if axis not in given]
        turns = mix(self.grid.names[order] ^ luck)
        order = [order[turn] for turn in np.argsort(turns)]

        def candidates(axis: int, cell: Sequence[int | None]) -> list[int]:
            score = np.zeros(self.grid.shape[axis], dtype=np.int64)
            for other, position in enumerate(cell):
                if position is not None and other != axis:
                    score += self.open[axis, other][:, position] if axis < other else self.open[other, axis][position]
            hashes = mix(self.grid.keys[axis] ^ luck)
            if not self.rules:
                best = np.flatnonzero(score == score.max())
                return [int(best[hashes[best].argmax()])]
            found: list[int] = np.lexsort((~hashes, -score)).tolist()
            return found

        try:
            return complete(self.grid.axes, self.rules, given, order, candidates)
        except GaveUp:
            return None

    def _gain(self, cell: Positions) -> int:
        return sum(int(table[cell[a], cell[b]]) for (a, b), table in self.open.items())
