"""Draws from the rows of a file: those that pass, each named by its bytes, crossed with the axes if there are any."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..digest import hash_int
from ..errors import DataError, RecipeError
from ..recipe import Recipe
from ..sections import Source
from ..types import Draw, Problem
from .axes import Axes, load_axes, reject_unknown
from .check import check_templates
from .conversation import conversation
from .crossing import Crossing
from .prompts import Prompts, prompts_of
from .shots import NAME as EXAMPLES
from .shots import shows
from .skipping import needed_columns
from .template import Condition

if TYPE_CHECKING:
    from ..read.source import SourceRow

Report = Callable[[Problem], None]
_FOLDER_COLUMNS = ("name", "prompt", "completion")
"""Columns of two folders that are joined by file name."""


def source_draws(
    recipe: Recipe, axes: Axes | None, shard: tuple[int, int], problem: Report
) -> Iterator[Draw]:
    """The draws of a recipe with a source; see `draws.wanted`.

    A row's name and the cells that it is crossed with depend on the row alone. Of `sample.rows` fewer than there
    are, those with the least hash are taken, so that a longer file or a larger sample keeps them.
    """
    assert recipe.source is not None
    source = _Source(recipe, recipe.source, axes, problem)
    picked = _picked(recipe, source)
    repeats, rows = recipe.sample.repeats, recipe.sample.rows
    made = 0
    for place, row in enumerate(_chosen(source, picked)):
        left = repeats if rows is None else min(repeats, rows - made)
        made += left
        if place % shard[1] != shard[0]:
            continue
        cells = source.crossing.cells(row.id, row.values, left)
        if cells is None:
            message = "the conditions leave no cell of the axes for this row"
            problem(Problem("error", "no-cell", source.where(row), message, "leave such rows out by `source.where`"))
            continue
        for repeat, cell in cells:
            yield Draw(cell, repeat, row.values, row.source)


def passing(recipe: Recipe, axes: Axes | None = None) -> Iterator[str]:
    """Ids of the source rows that can be drawn today: those that pass, whether the sample takes them or not."""
    assert recipe.source is not None
    source = _Source(recipe, recipe.source.model_copy(update={"rows": None}), axes, _quiet)
    return (row.id for row in source.rows(_quiet))


class _Source:
    """A source file, the conditions on its rows, and what the templates need of a row."""

    def __init__(self, recipe: Recipe, source: Source, axes: Axes | None, problem: Report) -> None:
        self.recipe, self.source, self.problem = recipe, source, problem
        self.written = source.file or f"{source.prompts} and {source.completions}"
        names = _columns(recipe, source)
        self.conditions = [
            Condition(text, recipe.at("source", "where", index)) for index, text in enumerate(source.where)
        ]
        reject_unknown(self.conditions, names, ["fields"])
        axes = axes or load_axes(recipe, names)
        reject_unknown(axes.rules, [*axes.names, *names], ["cell", "fields"])
        check_templates(recipe, axes, names)
        self.crossing = Crossing(recipe, axes)
        self.needs = _Needs.of(recipe, prompts_of(recipe), axes)
        self.first_fault: RecipeError | None = None
        self.first_problem: Problem | None = None
        self.total = 0

    def where(self, row: SourceRow) -> str:
        """`tickets.csv:12`; of two folders, the file."""
        file = str(self.recipe.folder / row.source["file"])
        return file if self.source.file is None else f"{file}:{row.source['number']}"

    def rows(self, problem: Report) -> Iterator[SourceRow]:
        """The rows that pass, in the order of the file."""
        from ..read.source import source_rows

        passed = 0
        self.total = 0
        for row in source_rows(self.source, self.recipe.folder, problem):
            self.total += 1
            fault = self._fault(row)
            if isinstance(fault, Problem):
                self.first_problem = self.first_problem or fault
                problem(fault)
            elif fault is None:
                yield row
                passed += 1
                if passed == self.source.rows:
                    return

    def _fault(self, row: SourceRow) -> Problem | bool | None:
        """None for a row that passes, True for one that a condition leaves out, a Problem for one that has a fault."""
        context = {**row.values, "fields": row.values}
        try:
            if not all(condition.holds(context) for condition in self.conditions):
                return True
        except RecipeError as error:
            self.first_fault = self.first_fault or error
            return Problem("error", "condition", self.where(row), error.message, error.hint)
        fault = self.needs.fault(row.values)
        return Problem("error", fault[0], self.where(row), *fault[1:]) if fault else None

    def nothing(self) -> Exception:
        """Why no row passed."""
        if self.first_fault is not None:
            return self.first_fault
        if self.first_problem is not None:
            first = self.first_problem
            return DataError(f"{self.written}: none of {self.total:,} rows can be used: {first.where}: {first.message}",
                             first.fix)
        if self.total == 0:
            return DataError(f"{self.recipe.folder / self.written}: no row that can be read", "synth doctor")
        where = self.conditions[0].where
        return RecipeError(f"{where}: the conditions leave none of the {self.total:,} rows of {self.written}",
                           "leave out one of them to see which")


class _Needs(NamedTuple):
    """What the templates take from a row.

    Attributes:
        columns: names that must be there.
        printed: names that must not be null, since they are written as they are.
        conversation: the column that must hold a conversation.
    """

    columns: tuple[str, ...]
    printed: tuple[str, ...]
    conversation: str | None

    @classmethod
    def of(cls, recipe: Recipe, prompts: Prompts, axes: Axes) -> _Needs:
        steps = [step.name for step in recipe.asks]
        needed: set[str] = set()
        printed: set[str] = set()
        for label, template in prompts.named.items():
            if label == "train.assistant" and recipe.train.messages is not None:
                continue
            made = {*axes.names, *steps, "cell", "fields", "salt", *([EXAMPLES] if shows(recipe, label) else [])}
            if label.startswith("train.") and steps:
                made.add("answer")
            if label.startswith("dialogue.tool."):
                made.add("call")
            needed |= template.needed - made
            needed |= {part.key for part in template.parts if part.variable == "fields" and not part.optional}
            printed |= template.printed - made
        needed |= needed_columns(recipe) - {*axes.names, *steps, "cell", "fields"}
        if recipe.source is not None and recipe.source.format is not None and not steps:
            return cls((), (), None)  # rows are conversations of a format, which reads them itself
        return cls(tuple(sorted(needed)), tuple(sorted(printed)), recipe.train.messages)

    def fault(self, values: dict[str, Any]) -> tuple[str, str, str] | None:
        """Code, message and fix of what is wrong with a row, or None."""
        for name in self.columns:
            if name not in values:
                fix = f"give it a default where it is used: {{{{ {name}|default('') }}}}"
                return "missing-column", f"this row has no '{name}'", fix
        for name in self.printed:
            if name in values and values[name] is None:
                return "null-column", f"'{name}' is null in this row", f"say what stands for it: {{{{ {name} or '' }}}}"
        if self.conversation is not None:
            try:
                conversation(values.get(self.conversation))
            except ValueError as error:
                return "no-conversation", f"column '{self.conversation}' holds no conversation: {error}", ""
        return None


def _columns(recipe: Recipe, source: Source) -> list[str]:
    from ..read import columns

    if source.file is None:
        return list(_FOLDER_COLUMNS)
    return columns(recipe.beside(source.file, "source", "file"), encoding=source.encoding)


class _Picked(NamedTuple):
    """Which rows are taken: all, the first so many, or those whose hash is at most `ceiling`."""

    seed: int
    first: int | None = None
    ceiling: int | None = None
    reported: bool = False


def _picked(recipe: Recipe, source: _Source) -> _Picked:
    """Reads the file once where `sample.rows` asks for a part of it."""
    rows, repeats, how = recipe.sample.rows, recipe.sample.repeats, recipe.sample.how
    where = recipe.at("sample", "rows" if rows is not None else "how")
    if how in ("pairwise", "balanced"):
        raise RecipeError(f"{where}: how: {how} is for axes alone", "with a source: random, first, or product")
    if how == "product":
        source.crossing.list_all(where)
    if rows is None:
        return _Picked(recipe.seed)
    if how == "product":
        raise RecipeError(f"{where}: with a source, how: product takes every cell for every row",
                          "leave `rows` out, say how many source rows (`source: {rows: 100}`), or how: random")
    count = -(-rows // repeats)
    least: list[int] = []  # the `count` least hashes, negated: a heap whose first is the greatest of them
    passed = 0
    for row in source.rows(source.problem):
        passed += 1
        if how == "first":
            if passed == count:
                break
        elif len(least) < count:
            heapq.heappush(least, -hash_int("pick", recipe.seed, row.id))
        else:
            heapq.heappushpop(least, -hash_int("pick", recipe.seed, row.id))
    if passed == 0:
        raise source.nothing()
    if passed < count:
        have = f"{passed:,} rows x {repeats:,} repeat{'s' if repeats > 1 else ''} make {passed * repeats:,}"
        message = f"{where}: rows: {rows:,} are more than {source.written} gives: {have}"
        raise RecipeError(message, f"repeats: {-(-rows // passed)}, or rows: {passed * repeats}")
    return _Picked(recipe.seed, count, None if how == "first" else -least[0], reported=True)


def _chosen(source: _Source, picked: _Picked) -> Iterator[SourceRow]:
    """The rows that are taken, in the order of the file."""
    taken = 0
    for row in source.rows(_quiet if picked.reported else source.problem):
        if picked.ceiling is None or hash_int("pick", picked.seed, row.id) <= picked.ceiling:
            yield row
            taken += 1
            if taken == picked.first:
                return
    if taken == 0:
        raise source.nothing()


def _quiet(_: Problem) -> None:
    """The first reading has reported."""
