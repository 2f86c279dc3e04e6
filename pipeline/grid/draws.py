"""The draws that a recipe asks for, in a sequence that edits disturb as little as can be.

Draw j takes for each axis the value with the largest hash of (seed, j, axis, value). Cells that conditions
rule out or that an earlier draw took are skipped. An added value moves only the draws that it wins, the
order of values and axes is irrelevant, more rows continue the sequence, and memory holds no more than a
number for each cell drawn.

Towards the end of a small grid nearly every draw repeats an earlier one. So after four draws per cell
(98 of 100 cells have come up) the rest of the grid is listed and sorted by hash. The switch comes late, so
that an edit which makes 700 rows more or less than a third of the grid does not move all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import RecipeError
from ..recipe import Recipe
from ..types import Cell, Draw, Problem
from .axes import Axes, load_axes
from .balanced import balanced
from .check import check_templates
from .hashing import Grid
from .legal import LISTABLE, Lookup, Rule, legal_table, refuse_impossible, rules_of
from .pairwise import legal_pairs, pairwise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PATIENCE = 1_000_000
"""Draws in a row without a new legal cell after which a large grid is given up."""
TURNS = 4
"""Draws per cell before the rest of a small grid is listed."""

Positions = tuple[int, ...]


def wanted(
    recipe: Recipe, axes: Axes | None = None, *, shard: tuple[int, int] = (0, 1), paid: Iterable[Cell] = (),
    problem: Callable[[Problem], None] | None = None,
) -> Iterator[Draw]:
    """The draws that a recipe asks for today; its templates are checked before the first.

    Args:
        recipe: the recipe.
        axes: its axes, if they are loaded already.
        shard: (i, n): only the draws whose number is i modulo n; the n shards make up the whole.
        paid: cells that pairwise and balanced designs are completed around; the other ways need none.
        problem: receives source rows that cannot be used, and why.

    Yields:
        Draws; the repeats of a cell one after the other.

    Raises:
        RecipeError: a template with a fault or an unknown name, more rows than there are, conditions that leave
            nothing, a grid too large for what is asked.
        DataError: a source file that cannot be read.
    """
    index, count = shard
    if not 0 <= index < count:
        raise RecipeError(f"shard {index}/{count}: the first number is from 0 to {count - 1}", "--shard 0/4")
    if recipe.source is not None:
        from .source import source_draws

        yield from source_draws(recipe, axes, shard, problem or (lambda _: None))
        return
    axes = axes or load_axes(recipe)
    check_templates(recipe, axes, ())
    rows, repeats = recipe.sample.rows, recipe.sample.repeats
    names, values = axes.names, [axes.values[name] for name in axes.names]
    for place, (number, positions) in enumerate(_cells(Ask.of(recipe, axes), paid)):
        if number % count == index:
            last = repeats if rows is None else min(repeats, rows - place * repeats)
            cell = {name: of[i] for name, of, i in zip(names, values, positions, strict=True)}
            for repeat in range(last):
                yield Draw(dict(cell), repeat)


def is_legal(recipe: Recipe, axes: Axes) -> Callable[[Cell], bool]:
    """A test of cells: whether one could be drawn today.

    All axes are there and no other, every value is one of the axis', and the conditions that the axes alone
    decide hold.
    """
    lookup, rules = Lookup(axes), rules_of(axes)

    def legal(cell: Cell) -> bool:
        positions = lookup.positions(cell)
        return positions is not None and all(rule.holds(positions) for rule in rules)

    return legal


class Coverage(NamedTuple):
    """How much of a grid some draws show.

    Attributes:
        rows: how many draws.
        values: axis -> text of a value -> how many draws have it; 0 for values that none has.
        pairs: `genre x place` -> (pairs of values that came up, pairs that could).
        covered: pairs that came up, over all axes.
        possible: pairs that some legal cell has.
    """

    rows: int
    values: dict[str, dict[str, int]]
    pairs: dict[str, tuple[int, int]]
    covered: int
    possible: int


def coverage(axes: Axes, draws: Iterable[Draw]) -> Coverage:
    """Counts values and pairs of values of some draws.

    Values that the axes do not have (any longer) are not counted.

    Raises:
        RecipeError: the conditions leave no cell.
    """
    grid, rules = Grid(axes), rules_of(axes)
    counts = {name: {str(value): 0 for value in axes.values[name]} for name in axes.names}
    combinations = list(itertools.combinations(range(len(axes.names)), 2))
    seen: dict[tuple[int, int], set[tuple[int, int]]] = {pair: set() for pair in combinations}
    lookup = [Lookup(Axes((name,), {name: axes.values[name]}, {name: axes.weights[name]})) for name in axes.names]
    rows = 0
    for draw in draws:
        rows += 1
        cell: list[int | None] = []
        for name, look in zip(axes.names, lookup, strict=True):
            found = look.positions({name: draw.cell[name]}) if name in draw.cell else None
            cell.append(found[0] if found else None)
            if found:
                counts[name][str(axes.values[name][found[0]])] += 1
        for a, b in combinations:
            i, j = cell[a], cell[b]
            if i is not None and j is not None:
                seen[a, b].add((i, j))
    possible = _possible(grid, rules)
    pairs = {f"{axes.names[a]} x {axes.names[b]}": (len(seen[a, b]), possible[a, b]) for a, b in combinations}
    return Coverage(rows, counts, pairs, sum(map(len, seen.values())), sum(possible.values()))


def _possible(grid: Grid, rules: list[Rule]) -> dict[tuple[int, int], int]:
    if not rules:
        shape = grid.shape
        return {(a, b): shape[a] * shape[b] for a, b in itertools.combinations(range(len(shape)), 2)}
    return {pair: int(table.sum()) for pair, table in legal_pairs(grid, rules).items()}


class Ask(NamedTuple):
    """What is asked of a grid: how many cells (None for all), in which way."""

    axes: Axes
    rules: list[Rule]
    seed: int
    how: str
    cells: int | None
    rows: int | None
    repeats: int
    where: str

    @classmethod
    def of(cls, recipe: Recipe, axes: Axes) -> Ask:
        """What `sample` asks for."""
        sample = recipe.sample
        where = recipe.at("sample", "rows" if sample.rows is not None else "how")
        cells = None if sample.rows is None else -(-sample.rows // sample.repeats)
        ask = cls(axes, rules_of(axes), recipe.seed, sample.how, cells, sample.rows, sample.repeats, where)
        if cells is not None and cells > axes.cells:
            raise ask.too_few(axes.cells)
        return ask

    def too_few(self, cells: int) -> RecipeError:
        """More rows are asked for than there are."""
        assert self.rows is not None
        all_cells = f"{self.axes.cells:,} cells"
        some = all_cells if cells == self.axes.cells else f"`where` leaves {cells:,} of {all_cells}"
        have = f"{some} x {self.repeats:,} repeat{'s' if self.repeats > 1 else ''} make {cells * self.repeats:,} rows"
        enough = f"repeats: {-(-self.rows // cells)}" if cells else "fewer conditions"
        message = f"{self.where}: rows: {self.rows:,} are more than there are: {have}"
        return RecipeError(message, f"{enough}, or rows: {cells * self.repeats}")

    def too_large(self) -> RecipeError:
        """The grid would have to be listed, and cannot."""
        message = f"{self.where}: a grid of {self.axes.cells:,} cells is too large to list (at most {LISTABLE:,})"
        return RecipeError(message, "say how many: `sample: {rows: 1000, how: random}`, or give the axes fewer values")


def _cells(ask: Ask, paid: Iterable[Cell]) -> Iterator[tuple[int, Positions]]:
    """The cells that are asked for, each with its number for shards."""
    grid = Grid(ask.axes)
    if ask.how == "first":
        return iter(list(_first(ask))) if ask.axes.size <= LISTABLE else _first(ask)
    if ask.how == "pairwise":
        return enumerate(_pairwise(ask, grid, paid))
    if ask.axes.size > LISTABLE:
        if ask.how == "product" or ask.cells is None:
            raise ask.too_large()
        if ask.how == "random":
            return _random_of_many(ask, grid)
    if ask.how == "balanced" and ask.cells is not None:
        cells = list(itertools.islice(balanced(grid, ask.rules, ask.seed, ask.cells, _positions(ask, paid)), ask.cells))
        if len(cells) < ask.cells:
            raise ask.too_few(len(cells))
        return enumerate(cells)
    legal = legal_table(ask.axes, ask.rules)
    if ask.cells is not None and (there := int(legal.sum())) < ask.cells:
        raise ask.too_few(there)
    return itertools.islice(_random_of_few(ask, grid, legal), ask.cells)


def _positions(ask: Ask, paid: Iterable[Cell]) -> list[Positions]:
    """The paid cells that may be drawn today, each once, in their order."""
    lookup = Lookup(ask.axes)
    known = dict.fromkeys(positions for cell in paid if (positions := lookup.positions(cell)) is not None)
    return [positions for positions in known if all(rule.holds(positions) for rule in ask.rules)]


def _random_of_few(
    ask: Ask, grid: Grid, legal: NDArray[np.bool_] | None = None
) -> Iterator[tuple[int, Positions]]:
    """Random draws of a grid that can be listed, and its product in the order of the hash."""
    left = legal_table(ask.axes, ask.rules) if legal is None else legal.copy()
    tries = 0
    if ask.how != "product" and ask.cells is not None and ask.cells < ask.axes.cells:
        tries = TURNS * ask.axes.cells
        for number, positions in grid.draws(ask.seed, tries, tries):
            if left[positions]:
                left[positions] = False
                yield number, positions
    for place, listed in enumerate(grid.shuffled(ask.seed, weighted=ask.how != "product")):
        positions = grid.cell(int(listed))
        if left[positions]:
            yield tries + place, positions


def _random_of_many(ask: Ask, grid: Grid) -> Iterator[tuple[int, Positions]]:
    """Random draws of a grid that cannot be listed."""
    assert ask.cells is not None
    refuse_impossible(ask.axes, ask.rules)
    found = latest = 0
    for number, positions in grid.draws(ask.seed, None, PATIENCE):
        if all(rule.holds(positions) for rule in ask.rules):
            latest = number
            found += 1
            yield number, positions
            if found == ask.cells:
                return
        elif number - latest > PATIENCE:
            break
    message = f"{ask.where}: {PATIENCE:,} draws in a row found no new legal cell, after {found:,} of {ask.cells:,}"
    conditions = "leave the values that conditions rule out of the axes"
    raise RecipeError(message, conditions if ask.rules else "ask for fewer rows, or even weights")


def _first(ask: Ask) -> Iterator[tuple[int, Positions]]:
    """Cells in the order of the grid."""
    if ask.cells is None and ask.axes.size > LISTABLE:
        raise ask.too_large()
    if ask.axes.size <= LISTABLE:
        legal_table(ask.axes, ask.rules)  # for its errors
    else:
        refuse_impossible(ask.axes, ask.rules)
    found = latest = 0
    for number, positions in enumerate(itertools.product(*[range(count) for count in ask.axes.shape])):
        if all(rule.holds(positions) for rule in ask.rules):
            latest = number
            yield found, positions
            found += 1
            if found == ask.cells:
                return
        elif number - latest > PATIENCE:
            message = f"{ask.where}: {PATIENCE:,} cells in a row are ruled out, after {found:,} that are not"
            raise RecipeError(message, "leave the values that conditions rule out of the axes, or how: random")
    if ask.cells is not None:
        raise ask.too_few(found)


def cells_in_order(ask: Ask, grid: Grid) -> Iterator[Positions]:
    """Every legal cell as `how` draws it, without end in sight where a grid cannot be listed.

    Raises:
        RecipeError: conditions leave nothing, or in a grid that cannot be listed no new cell is found any more.
    """
    if ask.how == "first":
        found = _first(ask._replace(cells=None if ask.axes.size <= LISTABLE else ask.axes.size))
    elif ask.axes.size <= LISTABLE:
        found = _random_of_few(ask._replace(cells=None if ask.axes.cells == 1 else 1), grid)
    else:
        found = _random_of_many(ask._replace(cells=ask.axes.size), grid)
    return (positions for _, positions in found)


def pairwise_cells(ask: Ask, grid: Grid, there: Sequence[Positions]) -> list[Positions]:
    """The cells of a pairwise design around some that are there already, those that it uses among them."""
    return pairwise(grid, ask.rules, ask.seed, there, ask.where)


def _pairwise(ask: Ask, grid: Grid, paid: Iterable[Cell]) -> list[Positions]:
    cells = pairwise_cells(ask, grid, _positions(ask, paid))
    if ask.cells is None or len(cells) == ask.cells:
        return cells
    if len(cells) > ask.cells:
        message = f"{ask.where}: pairwise needs {len(cells):,} cells to show every pair; rows: {ask.rows:,} are too few"
        raise RecipeError(message, "leave `rows` out, or how: random")
    more = _random_of_few(ask, grid) if ask.axes.size <= LISTABLE else _random_of_many(ask, grid)
    taken = set(cells)
    for _, positions in more:
        if len(cells) == ask.cells:
            break
        if positions not in taken:
            cells.append(positions)
    if len(cells) < ask.cells:
        raise ask.too_few(len(cells))
    return cells
