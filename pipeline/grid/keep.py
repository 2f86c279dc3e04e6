"""The next draws on the way to so many kept rows: as many as the yield so far asks for, where kept rows are lacking.

Where the goal is at least the number of cells, each cell has its share of it and gets further repeats until that is
there. In a larger grid new cells come in the order in which the recipe draws them anyway, less those with a value that
is ahead of its share among the kept rows. Nothing here depends on a position or a clock: the same recipe, seed and
outcomes give the same draws, so that a run that was killed, or whose files are gone, asks for what it asked for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import RecipeError
from ..recipe import Recipe
from ..types import Draw
from .axes import Axes
from .draws import Ask, cells_in_order, pairwise_cells
from .hashing import Grid
from .legal import LISTABLE, Lookup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ASSUMED = 0.7
"""Share of rows that curation keeps, until rows of the dataset tell. A guess, printed as one; it counts as two rows."""
PILOT, GROWTH = 50, 3
"""Rows of a first round, and of a further one in terms of all before: what little is known is not trusted with much."""
LOST = 10
"""A cell or a value that yields under a tenth of what the others do is given up; the others take its share."""
_LIKELY, _ALL_BUT_SURE = 0.67, 1.64
"""Standard deviations: a round brings more than is lacking once in four times, those of one cell once in twenty."""
_SLACK = (0.0, 0.1, 0.3, 1.0, math.inf)
"""How far values may run ahead of their share where a round is not full without."""

Positions = tuple[int, ...]


class Tried(NamedTuple):
    """A draw that was asked for, and how many of its rows are kept: 0 where it failed, None where nothing judged it."""

    draw: Draw
    kept: int | None


class Outlook(NamedTuple):
    """What is there of a goal, and what comes next.

    Attributes:
        goal: rows that are to be kept.
        kept: rows that are.
        asked: draws whose rows are judged, or failed.
        waiting: draws whose rows are not judged yet.
        share: of draws that are kept, as far as is known.
        measured: whether any row tells.
        draws: the next ones.
        more: rows that it will take in all at that share.
        lost: values and cells that are given up, as `place=Egypt`.
        ended: why no further draw can be made; empty where one can, or none is needed.
    """

    goal: int
    kept: int
    asked: int
    waiting: int
    share: float
    measured: bool
    draws: list[Draw]
    more: int
    lost: tuple[str, ...] = ()
    ended: str = ""


def outlook(recipe: Recipe, axes: Axes, tried: Sequence[Tried], *, whole: bool = False) -> Outlook:
    """The next draws towards `sample.keep`.

    Args:
        recipe: with a goal.
        axes: its axes.
        tried: what was asked for, of cells that may be drawn today.
        whole: all that it will take at the yield so far, for a bill; else one round, as large as is safe.

    Raises:
        RecipeError: pairwise needs more cells than rows are to be kept, or no cell is legal.
    """
    goal = recipe.sample.keep or 0
    judged = [each for each in tried if each.kept is not None]
    kept, asked, waiting = sum(each.kept or 0 for each in judged), len(judged), len(tried) - len(judged)
    share = _share(kept, asked, ASSUMED, 2)
    lacking = goal - kept - waiting * share
    state = Outlook(goal, kept, asked, waiting, share, asked > 0, [], max(0, math.ceil(lacking / share)))
    if lacking <= 0.5 * bool(waiting):
        return state._replace(more=0)
    count = state.more if whole else _round(lacking, share, asked)
    design = _Design(recipe, axes, tried, share, goal)
    draws = list(itertools.islice(design.draws(count, whole), count))
    ended = "" if draws else design.ended()
    return state._replace(draws=draws, lost=design.lost(), ended=ended, more=state.more if draws else 0)


def _share(kept: float, asked: int, before: float, rows: float) -> float:
    """A yield, held to what was thought before as if so many rows had said that."""
    return min(1.0, (kept + rows * before) / (asked + rows))


def _round(lacking: float, share: float, asked: int) -> int:
    """How many rows to ask for at once: rather too few, since a further round costs only its time."""
    high = min(1.0, share + math.sqrt(share * (1 - share) / asked)) if asked else 1.0
    return min(max(1, int(_enough(lacking, high, _LIKELY))), max(PILOT, GROWTH * asked))


def _enough(lacking: float, share: float, doubt: float) -> float:
    """The most rows that bring no more than is lacking, so many standard deviations of chance included."""
    spread = doubt * math.sqrt(share * (1 - share))
    root = (math.sqrt(spread * spread + 4 * share * (lacking + 0.5)) - spread) / (2 * share)
    return max(root * root, lacking)


class _Cell:
    """What is known of one cell."""

    __slots__ = ("asked", "kept", "used", "waiting")

    def __init__(self) -> None:
        self.asked = self.kept = self.waiting = 0
        self.used: set[int] = set()


class _Design:
    """Cells and values with what they have and what they lack."""

    def __init__(self, recipe: Recipe, axes: Axes, tried: Sequence[Tried], share: float, goal: int) -> None:
        self.axes, self.grid, self.goal, self.share = axes, Grid(axes), goal, share
        self.ask = Ask.of(recipe.model_copy(update={"sample": recipe.sample.model_copy(update={"rows": None})}), axes)
        given = "repeats" in recipe.sample.model_fields_set
        self.most = recipe.sample.repeats if given else None
        self.cells: dict[Positions, _Cell] = {}
        lookup = Lookup(axes)
        for draw, kept in tried:
            positions = lookup.positions(draw.cell)
            if positions is None:
                continue
            cell = self.cells.setdefault(positions, _Cell())
            cell.used.add(draw.repeat)
            cell.waiting += kept is None
            cell.asked += kept is not None
            cell.kept += kept or 0
        self._order: list[Positions] | None = None

    # -- which draws -----------------------------------------------------------------------------

    def draws(self, count: int, whole: bool) -> Iterator[Draw]:
        """At least `count` draws, the ones that lack most first; fewer only where no more can be made."""
        if self.axes.size <= LISTABLE and len(self.order()) <= self.goal and self.ask.how != "pairwise":
            yield from self._shared(whole)
            return
        taken: set[Positions] = set()
        for positions in self._spread(count):
            taken.add(positions)
            yield self._draw(positions)
        if len(taken) < count and self.axes.size <= LISTABLE:
            again = [positions for positions in self.order() if positions not in taken and self._open(positions)]
            yield from map(self._draw, sorted(again, key=lambda each: (self._has(each), len(self.cells[each].used))))

    def order(self) -> list[Positions]:
        """All legal cells of a grid that can be listed, as the recipe draws them."""
        if self._order is None:
            self._order = list(cells_in_order(self.ask, self.grid))
        return self._order

    def _draw(self, positions: Positions, later: int = 0) -> Draw:
        cell = {name: self.axes.values[name][i] for name, i in zip(self.axes.names, positions, strict=True)}
        used = self.cells[positions].used if positions in self.cells else ()
        return Draw(cell, next(itertools.islice((n for n in itertools.count() if n not in used), later, None)))

    def _open(self, positions: Positions) -> bool:
        """Whether a cell may be asked once more."""
        cell = self.cells.get(positions)
        if cell is None:
            return True
        return (self.most is None or len(cell.used) < self.most) and not self._given_up(cell.asked, cell.kept)

    def _given_up(self, asked: float, kept: float) -> bool:
        return asked * self.share > LOST * (kept + 1)

    def _has(self, positions: Positions) -> float:
        """Rows of a cell that are kept, or will be."""
        cell = self.cells.get(positions)
        return cell.kept + cell.waiting * self.share if cell else 0.0

    # -- each cell its share ---------------------------------------------------------------------

    def _shared(self, whole: bool) -> Iterator[Draw]:
        """Repeats for the cells that lack most of their share."""
        found: list[tuple[float, int, Positions, int]] = []
        for place, (positions, share) in enumerate(self._shares()):
            cell = self.cells.get(positions)
            has, used = self._has(positions), len(cell.used) if cell else 0
            if share <= has:
                continue
            likely = _share(cell.kept, cell.asked, self.share, 4) if cell else self.share
            count = math.ceil((share - has) / likely) if whole else int(_enough(share - has, likely, _ALL_BUT_SURE))
            count = count if self.most is None else min(count, self.most - used)
            found += [((has + later * likely) / share, place, positions, later) for later in range(count)]
        for _, _, positions, later in sorted(found):
            yield self._draw(positions, later)

    def _shares(self) -> list[tuple[Positions, int]]:
        """The cells that are still open, each with the whole number of rows that is its part of the goal."""
        still = [positions for positions in self.order() if self._open(positions)]
        if not still:
            return []
        weights = [self._weight(positions) for positions in still]
        closed = sum(cell.kept for positions, cell in self.cells.items() if not self._open(positions))
        goal, total = max(0, self.goal - closed), sum(weights)
        exact = [goal * weight / total for weight in weights]
        whole = [int(part) for part in exact]
        rest = sorted(range(len(still)), key=lambda i: (whole[i] - exact[i], i))[: goal - sum(whole)]
        for i in rest:
            whole[i] += 1
        return [(positions, share) for positions, share in zip(still, whole, strict=True) if share]

    def _weight(self, positions: Positions) -> float:
        if self.ask.how in ("product", "first"):
            return 1.0
        weight = 1.0
        for axis, position in enumerate(positions):
            if axis in self.grid.parents:
                parent, table = self.grid.parents[axis]
                weight /= float(table[positions[parent]].sum())
            elif (weights := self.grid.weights[axis]) is not None:
                weight *= float(weights[position])
        return weight

    # -- each value its share --------------------------------------------------------------------

    def _spread(self, count: int) -> Iterator[Positions]:
        """New cells, so that no value runs ahead of its share of the kept rows as long as that can be."""
        head: list[Positions] = []
        if self.ask.how == "pairwise":
            head = self._pairs()
            yield from head[:count]
        count -= len(head)
        if count <= 0:
            return
        values = _Values(self, head, count)
        window = list(itertools.islice(self._new(set(head)), 10 * count + 500))
        if self.ask.how == "first":
            yield from window[:count]
            return
        for slack in _SLACK:
            left: list[Positions] = []
            for positions in window:
                if count and values.takes(positions, slack):
                    count -= 1
                    yield positions
                else:
                    left.append(positions)
            window = left

    def _new(self, taken: set[Positions]) -> Iterator[Positions]:
        """Cells that were never asked for, in the recipe's order."""
        try:
            every: Iterable[Positions] = self.order() if self.axes.size <= LISTABLE else cells_in_order(
                self.ask, self.grid)
            for positions in every:
                if positions not in self.cells and positions not in taken:
                    yield positions
        except RecipeError:  # a large grid whose conditions leave few cells: all that chance finds were tried
            if not self.cells:
                raise

    def _pairs(self) -> list[Positions]:
        """The cells that show, with the kept rows, every pair of values; those that were asked for come once more."""
        there = [positions for positions in self.cells if self._has(positions) > 0]
        cells = pairwise_cells(self.ask, self.grid, there)
        if len(cells) > self.goal:
            message = f"{self.ask.where}: pairwise needs {len(cells):,} cells to show every pair"
            raise RecipeError(f"{message}; keep: {self.goal:,} are too few", f"keep: {len(cells)}, or how: random")
        return [positions for positions in cells if self._has(positions) == 0 and self._open(positions)]

    # -- what cannot be --------------------------------------------------------------------------

    def lost(self) -> tuple[str, ...]:
        """What was given up: values where there are any, else cells."""
        values = _Values(self, [], 0)
        found = [f"{name}={self.axes.values[name][i]}" for axis, name in enumerate(self.axes.names)
                 for i in range(self.grid.shape[axis]) if values.closed[axis][i]]
        if found:
            return tuple(found)
        gone = [positions for positions, cell in self.cells.items() if self._given_up(cell.asked, cell.kept)]
        return tuple(", ".join(f"{key}={value}" for key, value in self._draw(each).cell.items()) for each in gone)

    def ended(self) -> str:
        """Why there is no further draw."""
        used = sum(self.most is not None and len(cell.used) >= self.most for cell in self.cells.values())
        count = f"all {len(self.cells):,} cells" if len(self.cells) != 1 else "the only cell"
        if used == len(self.cells):
            return f"{count} had {'the one answer' if self.most == 1 else f'the {self.most:,} answers'} that " \
                   f"`sample.repeats` allows"
        return f"{count} were asked until next to nothing new was kept"


class _Values:
    """How many kept rows each value of each axis has, and how many it should have at the end of a round."""

    def __init__(self, design: _Design, head: Iterable[Positions], count: int) -> None:
        import numpy as np

        grid, share = design.grid, design.share
        self.share = share
        self.has: list[NDArray[np.float64]] = [np.zeros(size) for size in grid.shape]
        asked = [np.zeros(size) for size in grid.shape]
        kept = [np.zeros(size) for size in grid.shape]
        for positions, cell in [*design.cells.items(), *((each, _waiting()) for each in head)]:
            for axis, i in enumerate(positions):
                asked[axis][i] += cell.asked
                kept[axis][i] += cell.kept
                self.has[axis][i] += cell.kept + cell.waiting * share
        self.closed = [a * share > LOST * (k + 1) for a, k in zip(asked, kept, strict=True)]
        self.closed = [np.zeros_like(gone) if gone.all() else gone for gone in self.closed]
        self.likely = [(k + LOST * share) / (a + LOST) / share for a, k in zip(asked, kept, strict=True)]
        self.target: list[NDArray[np.float64]] = []
        for axis, gone in enumerate(self.closed):
            shares = np.where(gone, 0.0, np.ones(grid.shape[axis]) / grid.shape[axis]
                              if design.ask.how == "product" else grid.shares(axis))
            all_rows = min(float(design.goal), self.has[axis].sum() + count * share)
            self.target.append(shares / shares.sum() * (all_rows - self.has[axis][gone].sum()))

    def takes(self, positions: Positions, slack: float) -> bool:
        """Whether a row of a cell is wanted; then it counts."""
        if slack < math.inf and any(
            self.closed[axis][i] or self.has[axis][i] >= self.target[axis][i] * (1 + slack)
            for axis, i in enumerate(positions)
        ):
            return False
        likely = self.share
        for axis, i in enumerate(positions):
            likely *= self.likely[axis][i]
        for axis, i in enumerate(positions):
            self.has[axis][i] += min(1.0, likely)
        return True


def _waiting() -> _Cell:
    cell = _Cell()
    cell.waiting = 1
    return cell


