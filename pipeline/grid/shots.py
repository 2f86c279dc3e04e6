"""Rows of a file that a prompt shows as examples: which ones for each draw, by hash and never by place.

Of all rows a draw is shown those with the largest mix of its own code and theirs, as draws take the values of an axis.
A row more moves only the draws that it wins, and neither the order of the file, nor its name, nor a line that stands
there twice changes any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..digest import digest, hash_int
from ..errors import DataError, RecipeError, did_you_mean
from ..recipe import Recipe, Same
from ..sections import Examples
from ..types import Draw, Problem
from .axes import reject_unknown
from .hashing import mix
from .prompts import StepTemplates, prompts_of, step_labels, step_places
from .taken import Taken, taken
from .template import Condition

if TYPE_CHECKING:
    from ..read import Row

NAME = "examples"
"""What templates call them."""
MOST = 100_000
"""Rows of a file that may be shown: all are held in memory."""


class Shot(NamedTuple):
    """A row that may be shown: its digest, its columns, and where it stands in its file."""

    key: str
    values: dict[str, Any]
    number: int


class Shots:
    """The rows that the prompt of one step may show.

    Args:
        recipe: the recipe.
        index: which of `recipe.asks`; it has `examples`.

    Attributes:
        name: digest of all of them, in whatever order they stand.
        total: rows of the file that `where` lets through, those that cannot be shown included.
        unfit: rows that cannot be shown, and why, as far as they can be read.

    Raises:
        RecipeError: no such file, a condition with a fault, columns that no row has, too few rows.
        DataError: the file cannot be read.
    """

    def __init__(self, recipe: Recipe, index: int) -> None:
        import numpy as np

        step, asked = prompts_of(recipe).steps[index], recipe.asks[index].examples
        assert asked is not None
        self.examples, self.seed, self.at = asked, recipe.seed, place_of(recipe, index)
        self.unfit: list[Problem] = []
        self.total = 0
        found: dict[str, Shot] = {}
        for shot in self._passing(recipe, index, step):
            found.setdefault(shot.key, shot)
        self.shots = [found[key] for key in sorted(found)]
        self._refuse_few(recipe)
        self.name = digest(NAME, [shot.key for shot in self.shots])
        self._own = {shot.key: place for place, shot in enumerate(self.shots)} if recipe.source else {}
        self._codes = np.array([hash_int(NAME, shot.key) for shot in self.shots], dtype=np.uint64)

    def of(self, draw: Draw) -> list[Shot]:
        """The rows that a draw is shown, in the order of their hashes; a row of the source never itself or its twin.

        Raises:
            RecipeError: without itself there are too few.
        """
        import numpy as np

        row = draw.source["row"] if draw.source else None
        code = np.uint64(hash_int(NAME, self.seed, draw.cell, draw.repeat, row))
        scores = mix(self._codes ^ code)
        own = self._own.get(_key(draw.fields)) if draw.fields and self._own else None
        count = self.examples.n + (own is not None)
        best = np.argpartition(scores, -count)[-count:] if count < len(scores) else np.arange(len(scores))
        order = [place for place in best[np.argsort(~scores[best], kind="stable")].tolist() if place != own]
        if len(order) < self.examples.n:
            raise RecipeError(f"{self.at}: of {self.examples.file} {len(order):,} rows can be shown beside this one, "
                              f"and n is {self.examples.n}", f"n: {len(order)}")
        return [self.shots[place] for place in order[: self.examples.n]]

    def said(self) -> str:
        """A sentence on the rows that are never shown; empty where all are."""
        if not self.unfit:
            return ""
        first = self.unfit[0]
        which = "is never shown: " if len(self.unfit) == 1 else "are never shown; the first: "
        return (f"{self.at}: {len(self.unfit):,} of {self.total:,} rows of {self.examples.file} {which}"
                f"{first.where}: {first.message}")

    def _passing(self, recipe: Recipe, index: int, step: StepTemplates) -> Iterator[Shot]:
        from ..read import columns, rows

        asked, path = self.examples, recipe.beside(self.examples.file, *step_places(recipe)[index], NAME)
        at = step_places(recipe)[index]
        conditions = [Condition(text, recipe.at(*at, NAME, "where", i)) for i, text in enumerate(asked.where)]
        reject_unknown(conditions, columns(path, encoding=asked.encoding), ["fields"])
        wants = list(_wants(step, recipe, index))
        lacking = {each.name for _, _, each in wants if not each.optional}
        names: dict[str, None] = {}
        there = 0
        for row in rows(path, self._report, encoding=asked.encoding):
            there += 1
            try:
                if not all(condition.holds({**row.values, "fields": row.values}) for condition in conditions):
                    continue
            except RecipeError as error:
                self._leave_out(row.number, error.message)
                continue
            lacking.difference_update(row.values)
            names.update(dict.fromkeys(row.values) if len(names) < 1000 else {})
            if fault := _fault(row, wants):
                self._leave_out(row.number, fault)
                continue
            self.total += 1
            if self.total > MOST:
                raise RecipeError(f"{self.at}: {asked.file} has more than {MOST:,} rows, which are all held in memory",
                                  "examples: {where: [...]} takes a part of them, or a smaller file")
            yield Shot(_key(row.values), row.values, row.number)
        if not there:
            raise DataError(f"{path}: no row that can be read", "synth doctor")
        if not self.total:
            raise RecipeError(f"{self.at}: the conditions leave none of the {there:,} rows of {asked.file}",
                              "leave out one of them to see which")
        self._refuse_lacking(wants, lacking, list(names))

    def _report(self, problem: Problem) -> None:
        if problem.severity == "error":
            self._leave_out(problem.where.rpartition(":")[2], problem.message)

    def _leave_out(self, number: int | str, why: str) -> None:
        self.total += 1
        self.unfit.append(Problem("error", "example", f"{self.examples.file}:{number}", why))

    def _refuse_lacking(self, wants: list[tuple[str, str, Taken]], lacking: set[str], names: list[str]) -> None:
        """Stops where templates take columns that no row has: all of them at once."""
        faults = dict.fromkeys(
            f"{place}: {label}: no row of {self.examples.file} has '{each.name}'{_near(each.name, names)}"
            for place, label, each in wants if each.name in lacking and not each.optional)
        if faults:
            raise RecipeError("\n".join(faults), f"its columns: {', '.join(names)}")

    def _refuse_few(self, recipe: Recipe) -> None:
        """Stops where a draw could not be shown so many rows."""
        n, source = self.examples.n, recipe.source.file if recipe.source else None
        folder = recipe.folder
        shared = source is not None and (folder / source).resolve() == (folder / self.examples.file).resolve()
        if len(self.shots) >= n + shared:
            return
        itself = ", of which none is its own example" if shared else ""
        unfit = f" ({len(self.unfit):,} more cannot be shown: {self.unfit[0].message})" if self.unfit else ""
        raise RecipeError(
            f"{self.at}: n: {n} examples are wanted, and {self.examples.file} has {len(self.shots):,} different "
            f"rows{itself}{unfit}", f"n: {max(1, len(self.shots) - shared)}")


@lru_cache(maxsize=4)
def _shots(key: Same) -> list[Shots | None]:
    recipe = key.recipe
    return [Shots(recipe, index) if step.examples else None for index, step in enumerate(recipe.asks)]


def shots_of(recipe: Recipe) -> list[Shots | None]:
    """For each step the rows that its prompt may show, read at the first call for this very object.

    Raises:
        RecipeError, DataError: as `Shots`.
    """
    return _shots(Same(recipe))


def examples_of(recipe: Recipe, index: int, draw: Draw) -> dict[str, Any]:
    """What the templates of a step get beside the rest: `examples`, or nothing."""
    if recipe.asks[index].examples is None:
        return {}
    shots = shots_of(recipe)[index]
    return {NAME: [shot.values for shot in shots.of(draw)]} if shots else {}


def shown(recipe: Recipe, draw: Draw) -> dict[str, list[dict[str, Any]]]:
    """Step -> the rows that its prompt shows of a draw: {file, number, row}; the number is that of the file today."""
    if not any(step.examples for step in recipe.asks):
        return {}
    return {
        step.name: [{"file": shots.examples.file, "number": shot.number, "row": shot.key} for shot in shots.of(draw)]
        for step, shots in zip(recipe.asks, shots_of(recipe), strict=True) if shots
    }


def mark_of(recipe: Recipe, index: int) -> list[Any]:
    """What a step may show, as it enters the name of a writer; empty without examples, as it was before there were."""
    shots = shots_of(recipe)[index] if recipe.asks[index].examples else None
    return [NAME, shots.examples.n, shots.name] if shots else []


def shows(recipe: Recipe, label: str) -> bool:
    """Whether the template of a label, as `prompt.user`, gets `examples`."""
    home, labels = label.rpartition(".")[0], step_labels(recipe)
    return home in labels and recipe.asks[labels.index(home)].examples is not None


def unmentioned(recipe: Recipe, variables: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """A sentence and its cure for each step that draws examples which none of its templates mentions.

    Args:
        recipe: the recipe.
        variables: label of a template -> the names that it takes.
    """
    found = []
    for index, (label, step) in enumerate(zip(step_labels(recipe), recipe.asks, strict=True)):
        asking = [names for each, names in variables.items() if each.rpartition(".")[0] == label]
        if step.examples is not None and not any(NAME in names for names in asking):
            found.append((f"{place_of(recipe, index)}: `{NAME}` are drawn, and no template of {label} mentions them",
                          _loop(recipe, step.examples)))
    return found


def place_of(recipe: Recipe, index: int) -> str:
    """The line of a step's `examples`."""
    return recipe.at(*step_places(recipe)[index], NAME)


def _loop(recipe: Recipe, examples: Examples) -> str:
    """The lines of a template that would show them."""
    from ..read import columns

    path = recipe.folder / examples.file
    try:
        names = columns(path, encoding=examples.encoding)[:2] if path.is_file() else []
    except DataError:
        names = []
    parts = " ".join(f"{{{{ example.{name} }}}}" for name in names) or "{{ example.COLUMN }}"
    return f"{{% for example in examples %}}{parts}{{% endfor %}}"


def _key(values: dict[str, Any]) -> str:
    return digest("example", values)


def _wants(step: StepTemplates, recipe: Recipe, index: int) -> Iterator[tuple[str, str, Taken]]:
    """What the templates of a step take of each row: place, label, column."""
    for role, template in (("system", step.system), ("user", step.user)):
        if template is not None:
            for each in taken(template.text, NAME):
                yield template.place(each.line), f"{step_labels(recipe)[index]}.{role}", each


def _fault(row: Row, wants: list[tuple[str, str, Taken]]) -> str:
    """Why a row cannot be shown; empty where it can."""
    for _, _, each in wants:
        if not each.optional and each.name not in row.values:
            return f"this row has no '{each.name}'"
        if each.printed and each.name in row.values and row.values[each.name] is None:
            return f"'{each.name}' is null in this row"
    return ""


def _near(word: str, known: list[str]) -> str:
    said = did_you_mean(word, known)
    return f"; {said}" if said.startswith("did you mean") else ""
