"""A balanced design: each value of each axis as equally often as can be (or in the ratio of the weights)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .hashing import Grid, codes, mix
from .legal import LISTABLE, GaveUp, Rule, complete, legal_table, nothing_left, refuse_impossible

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Positions = tuple[int, ...]
_LUCK = 24
"""Cells that are tried by chance for a row before a search takes over."""


def balanced(
    grid: Grid, rules: Sequence[Rule], seed: int, count: int, paid: Sequence[Positions]
) -> list[Positions]:
    """Distinct cells in which every value of an axis comes up equally often, as far as conditions let it.

    Row after row, each axis takes the value that is furthest behind its share, ties broken by hash; then rows
    are improved by moving one value at a time. Cells that are there already are kept while their values are
    within their share.

    Args:
        grid: the axes.
        rules: their conditions.
        seed: the recipe's.
        count: how many cells.
        paid: cells that are there already.

    Returns:
        At most `count` cells; fewer only where no more legal ones are found.

    Raises:
        RecipeError: no legal cell at all.
    """
    design = _Design(grid, rules, count)
    open_cells = 0 if design.open is None else int(design.open.sum())
    for cell in paid:
        if len(design.cells) < count and cell not in design.taken and design.within(cell):
            design.add(cell)
    kept = len(design.cells)
    if count > open_cells // 2 > 0:  # nearly all: choose the few that are left out, which is quick
        return design.cells + design.all_but(seed, count)
    while len(design.cells) < count:
        found = design.next_cell(seed)
        if found is None:
            break
        design.add(found)
    if not design.cells:
        raise nothing_left(grid.axes, rules[0] if len(rules) == 1 else None, rules)
    design.improve(kept)
    return design.cells


class _Design:
    """The cells so far, and how often each value came up."""

    def __init__(self, grid: Grid, rules: Sequence[Rule], count: int) -> None:
        import numpy as np

        self.grid, self.rules = grid, rules
        self.cells: list[Positions] = []
        self.taken: set[Positions] = set()
        self.counts = [np.zeros(size, dtype=np.float64) for size in grid.shape]
        self.share: list[NDArray[np.float64]] = [grid.shares(axis) * count for axis in range(len(grid.shape))]
        self.open = legal_table(grid.axes, rules) if grid.axes.size <= LISTABLE else None
        if self.open is None:
            refuse_impossible(grid.axes, rules)

    def all_but(self, seed: int, count: int) -> list[Positions]:
        """All legal cells but those of a balanced design of the rest, less the ones that are taken already."""
        import numpy as np

        assert self.open is not None
        rest = _Design(self.grid, self.rules, 1)
        rest.open, rest.taken = self.open.copy(), self.taken
        paid, self.taken = self.taken, set()
        free = int(self.open.sum())
        leave = max(0, free + len(paid) - count)
        for axis, share in enumerate(self.share):
            others = tuple(other for other in range(len(self.share)) if other != axis)
            spare = self.open.sum(axis=others) + self.counts[axis] - share
            rest.share[axis] = np.maximum(spare, 1e-3)
        rest.taken = set(paid)
        while len(rest.cells) < leave:
            found = rest.next_cell(seed)
            assert found is not None
            rest.add(found)
        rest.improve(0)
        out = set(rest.cells) | paid
        chosen = [tuple(map(int, cell)) for cell in np.argwhere(self.open)]
        return [cell for cell in chosen if cell not in out]

    def within(self, cell: Positions) -> bool:
        """Whether it is legal and none of its values has had its share."""
        ahead = any(counts[i] >= share[i] for counts, share, i in zip(self.counts, self.share, cell, strict=True))
        return not ahead and self.legal(cell)

    def legal(self, cell: Positions) -> bool:
        """Whether the conditions hold."""
        return all(rule.holds(cell) for rule in self.rules)

    def add(self, cell: Positions) -> None:
        """Takes a cell."""
        self.cells.append(cell)
        self.taken.add(cell)
        for counts, i in zip(self.counts, cell, strict=True):
            counts[i] += 1
        if self.open is not None:
            self.open[cell] = False

    def next_cell(self, seed: int) -> Positions | None:
        """A legal cell of the values that are furthest behind."""
        import numpy as np

        row = len(self.cells)
        behind = [(counts + 0.5) / share for counts, share in zip(self.counts, self.share, strict=True)]
        for attempt, luck in enumerate(codes("balanced", seed, row * _LUCK, _LUCK).reshape(-1, 1)):
            slack = 0.0 if attempt < _LUCK // 2 else 1.0  # then values may run ahead by one
            positions = dict[int, int]()
            for axis in self.grid.order:
                ratio = behind[axis]
                if axis in self.grid.parents:
                    parent, lists = self.grid.parents[axis]
                    allowed = lists[positions[parent]]
                    ratio = np.full(len(ratio), np.inf)
                    ratio[allowed] = behind[axis][allowed]
                near = np.flatnonzero(ratio <= ratio.min() + slack / self.share[axis].min() + 1e-12)
                hashes = mix(self.grid.keys[axis][near] ^ luck)
                positions[axis] = int(near[hashes.argmax()])
            cell = tuple(positions[axis] for axis in range(len(behind)))
            if cell not in self.taken and self.legal(cell):
                return cell
        return self._cheapest(behind, luck) if self.open is not None else self._searched(behind)

    def _cheapest(self, behind: list[NDArray[np.float64]], luck: NDArray[np.uint64]) -> Positions | None:
        """Of all cells that are left, the one whose values are furthest behind."""
        import numpy as np

        assert self.open is not None
        if not self.open.any():
            return None
        dimensions = len(self.grid.shape)
        cost = np.zeros(self.grid.shape)
        chance = np.zeros(self.grid.shape, dtype=np.uint64)
        for axis, ratio in enumerate(behind):
            view = [1] * dimensions
            view[axis] = -1
            cost = cost + ratio.reshape(view) ** 2
            chance = chance + mix(self.grid.keys[axis] ^ luck).reshape(view)
        cost[~self.open] = np.inf
        least = np.flatnonzero(cost <= cost.min() + 1e-9)
        cell = np.unravel_index(int(least[chance.ravel()[least].argmax()]), self.grid.shape)
        return tuple(int(position) for position in cell)

    def _searched(self, behind: list[NDArray[np.float64]]) -> Positions | None:
        """As `_cheapest` for a grid that cannot be listed; the first that a search finds."""
        import numpy as np

        best_first = [np.argsort(ratio, kind="stable").tolist() for ratio in behind]
        order = sorted(range(len(behind)), key=lambda axis: self.grid.shape[axis])
        try:
            cell = complete(self.grid.axes, self.rules, {}, order, lambda axis, _: best_first[axis])
        except GaveUp:
            return None
        return cell if cell is not None and cell not in self.taken else None

    def improve(self, kept: int) -> None:
        """Moves values that came up too often to ones that came up too seldom, one row at a time.

        Args:
            kept: rows at the beginning that are paid for, and stay.
        """
        for axis, (counts, share) in enumerate(zip(self.counts, self.share, strict=True)):
            for _ in range(len(self.cells)):
                over, under = int((counts - share).argmax()), int((counts - share).argmin())
                if (counts[over] - share[over]) - (counts[under] - share[under]) < 1 + 1e-9:
                    break
                if not self._move(axis, over, under, kept):
                    break

    def _move(self, axis: int, over: int, under: int, kept: int) -> bool:
        for row in range(kept, len(self.cells)):
            cell = self.cells[row]
            moved = (*cell[:axis], under, *cell[axis + 1 :])
            if cell[axis] == over and moved not in self.taken and self.legal(moved):
                self.taken.remove(cell)
                self.taken.add(moved)
                self.cells[row] = moved
                self.counts[axis][over] -= 1
                self.counts[axis][under] += 1
                return True
        return False
