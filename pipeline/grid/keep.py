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

from ..digest import hash_int
from ..errors import RecipeError
from ..recipe import Recipe
from ..types import Cell, Draw
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
HELD, HELD_CELL = 30, 12
"""So many rows are what the common yield counts for where that of a value, or of a cell, is told: a few tell little."""
_LIKELY, _ALL_BUT_SURE = 0.67, 1.64
"""Standard deviations: a round brings more than is lacking once in four times, those of one cell once in twenty."""
EARLY, _LATE = 0.25, 1.5
"""What stands against a cell for each round's length that it comes later in the recipe's own order, and the most of it:
an even choice is made in that order, so that runs which were cut off, and goals that grow, ask for much the same."""
AGAIN = 2.0
"""A cell that had its turn comes once more only where its values lack so much more than those of new cells do."""
_LOTS = 64
"""Turns in which the cells of a round are chosen; in each, those whose values lack most."""

Positions = tuple[int, ...]


class Tried(NamedTuple):
    """A draw that was asked for, and how many of its rows are kept: 0 where it failed, None where nothing judged it.

    `made` is false where no row came of it: it failed, or was skipped.
    """

    draw: Draw
    kept: int | None
    made: bool = True


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


def outlook(
    recipe: Recipe, axes: Axes, tried: Sequence[Tried], assumed: float = ASSUMED, *, whole: bool = False
) -> Outlook:
    """The next draws towards `sample.keep`.

    Args:
        recipe: with a goal.
        axes: its axes.
        tried: what was asked for, of cells that may be drawn today.
        assumed: share of draws that are kept, until rows tell.
        whole: all that it will take at the yield so far, for a bill; else one round, as large as is safe.

    Raises:
        RecipeError: pairwise needs more cells than rows are to be kept, or no cell is legal.
    """
    goal = recipe.sample.keep or 0
    judged = [each for each in tried if each.kept is not None]
    kept, asked, waiting = sum(each.kept or 0 for each in judged), len(judged), len(tried) - len(judged)
    share = row = _share(kept, asked, assumed, 2)
    measured = asked > 0
    if waiting and not any(each.made for each in judged):  # draws without a row are no verdict on those that have one
        share, row, measured = assumed * waiting / len(tried), assumed, False
    lacking = goal - kept - waiting * row
    state = Outlook(goal, kept, asked, waiting, share, measured, [], max(0, math.ceil(lacking / share)))
    design = _Design(recipe, axes, tried, share, goal)
    state = state._replace(lost=design.lost())
    if lacking <= 0.5 * bool(waiting):
        return state._replace(more=0)
    draws = list(design.draws(state.more if whole else _round(lacking, share, asked, max(axes.shape)), whole))
    return state._replace(draws=draws, more=len(draws) if whole else state.more if draws else 0,
                          ended="" if draws else design.ended())


def _share(kept: float, asked: int, before: float, rows: float) -> float:
    """A yield, held to what was thought before as if so many rows had said that."""
    return min(1.0, (kept + rows * before) / (asked + rows))


def _round(lacking: float, share: float, asked: int, values: int) -> int:
    """How many rows to ask for at once: rather too few, since a further round costs only its time.

    So much is held back that the next round can make up for what chance takes from some of the `values` of an axis.
    """
    high = min(1.0, share + math.sqrt(share * (1 - share) / asked)) if asked else 1.0
    doubt = min(2.0, max(_LIKELY, 0.4 * math.sqrt(values)))
    return min(max(1, int(_enough(lacking, high, doubt))), max(PILOT, GROWTH * asked))


def _enough(lacking: float, share: float, doubt: float) -> float:
    """The most rows that bring no more than is lacking, so many standard deviations of chance included."""
    spread = doubt * math.sqrt(share * (1 - share))
    root = (math.sqrt(spread * spread + 4 * share * (lacking + 0.5)) - spread) / (2 * share)
    return max(root * root, 1.0)


class _Had:
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
        self.cells: dict[Positions, _Had] = {}
        lookup = Lookup(axes)
        for draw, kept, _ in tried:
            positions = lookup.positions(draw.cell)
            if positions is None:
                continue
            cell = self.cells.setdefault(positions, _Had())
            cell.used.add(draw.repeat)
            cell.waiting += kept is None
            cell.asked += kept is not None
            cell.kept += kept or 0
        self._order: list[Positions] | None = None

    # -- which draws -----------------------------------------------------------------------------

    def draws(self, count: int, whole: bool) -> Iterator[Draw]:
        """Draws, those that lack most first: about `count`, fewer where no more can be made or are safe to make."""
        if self.axes.size <= LISTABLE and len(self.order()) <= self.goal and self.ask.how != "pairwise":
            yield from self._shared(count, whole)
            return
        yield from (next(self._free(positions)) for positions in self._spread(count))

    def order(self) -> list[Positions]:
        """All legal cells of a grid that can be listed, as the recipe draws them."""
        if self._order is None:
            self._order = list(cells_in_order(self.ask, self.grid))
        return self._order

    def _cell(self, positions: Positions) -> Cell:
        return {name: self.axes.values[name][i] for name, i in zip(self.axes.names, positions, strict=True)}

    def _free(self, positions: Positions) -> Iterator[Draw]:
        """The draws of a cell that were never asked for, from the first repeat on."""
        used = self.cells[positions].used if positions in self.cells else ()
        return (Draw(self._cell(positions), repeat) for repeat in itertools.count() if repeat not in used)

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

    def _shared(self, count: int, whole: bool) -> Iterator[Draw]:
        """Repeats for the cells that lack most of their share."""
        found: list[tuple[float, int, int, Draw]] = []
        for place, (positions, share) in enumerate(self._shares()):
            cell = self.cells.get(positions)
            has, used = self._has(positions), len(cell.used) if cell else 0
            if share <= has:
                continue
            likely = _share(cell.kept, cell.asked, self.share, HELD_CELL) if cell else self.share
            turns = math.ceil((share - has) / likely) if whole else int(_enough(share - has, likely, _ALL_BUT_SURE))
            turns = turns if self.most is None else min(turns, self.most - used)
            free = itertools.islice(self._free(positions), turns)
            found += [((has + later * likely) / share, place, later, draw) for later, draw in enumerate(free)]
        yield from (draw for _, _, _, draw in sorted(found, key=lambda each: each[:3])[:count])

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
                parent, lists = self.grid.parents[axis]
                weight /= len(lists[positions[parent]])
            elif (weights := self.grid.weights[axis]) is not None:
                weight *= float(weights[position])
        return weight

    # -- each value its share --------------------------------------------------------------------

    def _spread(self, count: int) -> Iterator[Positions]:
        """Cells whose values lack most of their share of the kept rows, new ones as long as those do about as well."""
        head: list[Positions] = []
        if self.ask.how == "pairwise":
            head = self._pairs()
            yield from head[:count]
        taken = set(head)
        new = list(itertools.islice(self._new(taken), 10 * count + 500))
        if self.ask.how == "first":
            yield from new
        if count > len(head) and self.ask.how != "first":
            again = [positions for positions in sorted(self.cells, key=self._hash) if self._open(positions)
                     and positions not in taken]
            costs = [min(_LATE, EARLY * place / max(count, PILOT)) for place in range(len(new))]
            costs += [AGAIN * (1 + self._has(positions)) for positions in again]
            yield from _Values(self, head, count - len(head)).best([*new, *again], costs, count - len(head))

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

    def _hash(self, positions: Positions) -> int:
        return hash_int("again", self.ask.seed, self._cell(positions))

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
        return tuple(", ".join(f"{key}={value}" for key, value in self._cell(each).items()) for each in gone)

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
        self.by_name = sorted(range(len(grid.shape)), key=lambda axis: design.axes.names[axis])
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
        self.likely = [(k + HELD * share) / (a + HELD) / share for a, k in zip(asked, kept, strict=True)]
        self.target: list[NDArray[np.float64]] = []
        for axis, gone in enumerate(self.closed):
            shares = np.where(gone, 0.0, np.ones(grid.shape[axis]) / grid.shape[axis]
                              if design.ask.how == "product" else grid.shares(axis))
            all_rows = min(float(design.goal), self.has[axis].sum() + count * share)
            self.target.append(shares / shares.sum() * (all_rows - self.has[axis][gone].sum()))

    def best(self, cells: Sequence[Positions], costs: Sequence[float], count: int) -> Iterator[Positions]:
        """The cells whose values lack most, one lot after the other, until so many rows' worth is there.

        Args:
            cells: to choose from; of equals the first comes first.
            costs: what stands against each. A value lacks (rows it should have - rows it has) / sqrt(should have):
                in standard deviations of chance, so that axes with many values and few do not drown each other.
            count: rows of the usual yield; more of cells that yield less, up to three times as many.
        """
        import numpy as np

        if not cells:
            return
        places, against = np.array(cells, dtype=np.int64), np.array(costs)
        gone = np.zeros(len(cells), dtype=np.bool_)
        likely = np.full(len(cells), self.share)
        for axis in self.by_name:
            gone |= self.closed[axis][places[:, axis]]
            likely = likely * self.likely[axis][places[:, axis]]
        likely = np.minimum(1.0, likely)
        left, made = np.ones(len(cells), dtype=np.bool_), 0
        brought, lot = 0.0, -(-count // _LOTS)
        while left.any() and made < 3 * count:
            lack = -against - np.where(gone, 1e6, 0.0)
            for axis in self.by_name:
                wanted = np.maximum(self.target[axis], 1e-9)
                lack = lack + ((self.target[axis] - self.has[axis]) / np.sqrt(wanted))[places[:, axis]]
            lack[~left] = -np.inf
            for row in np.argsort(-lack, kind="stable")[: min(lot, int(left.sum()))].tolist():
                if brought >= count * self.share - 1e-9:
                    return
                left[row] = False
                brought += float(likely[row])
                made += 1
                for axis, i in enumerate(cells[row]):
                    self.has[axis][i] += likely[row]
                yield cells[row]


def _waiting() -> _Had:
    cell = _Had()
    cell.waiting = 1
    return cell


