"""Where a dataset stands on the way to `sample.keep`: what was asked for, what of it is kept, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from pipeline.errors import DataError, RecipeError
from pipeline.grid.axes import Axes
from pipeline.grid.draws import is_legal
from pipeline.grid.keep import ASSUMED, Outlook, Tried, outlook
from pipeline.grid.skipping import skips
from pipeline.marks import Marks
from pipeline.recipe import Recipe
from pipeline.store import Dataset
from pipeline.types import Draw

from .history import judged_by, kept_of
from .questions import Outcome, Question, Skipped
from .rows import sample_id

Calls = Callable[[Draw], tuple[list[Question], list[str], Outcome]]
"""The calls of a draw that have no answer, the ids of all, and what comes of it as far as that is known."""


class Asked(NamedTuple):
    """A draw that was asked for: the id of its row once all is answered, and whether an answer failed for now."""

    draw: Draw
    row: str | None
    failed: bool = False


def asked_for(recipe: Recipe, axes: Axes, dataset: Dataset, calls: Calls) -> Iterator[Asked]:
    """The draws of the plan that something was paid for, or that failed, and that could be drawn today."""
    legal = is_legal(recipe, axes)
    for draw, _ in dataset.plan.draws():
        if draw.source is not None or not legal(draw.cell):
            continue
        try:
            missing, ids, _ = calls(draw)
        except (RecipeError, DataError):  # its templates fail on its values: there is no question to ask
            yield Asked(draw, None, failed=True)
            continue
        if not missing:
            yield Asked(draw, sample_id(draw, ids)) if ids else Asked(draw, None, failed=True)
        elif dataset.calls.state(missing[0].request.id) is not None:
            yield Asked(draw, None, failed=True)
        elif sum(not question.maybe for question in missing) < len(ids):
            yield Asked(draw, None)


def keep_outlook(
    recipe: Recipe, axes: Axes, dataset: Dataset, calls: Calls, *, whole: bool = False
) -> tuple[list[Draw], Outlook]:
    """The draws that were asked for, in the order of the plan, and what comes behind them.

    Args:
        recipe: with `sample.keep`.
        axes: its axes.
        dataset: as it is; the last curation says what is kept.
        calls: of a draw, as today's writer would be asked; rows of another writer are none of them.
        whole: all that it will take as far as the yield tells, in place of one round.
    """
    asked = list(asked_for(recipe, axes, dataset, calls))
    rows = {each.row for each in asked if each.row is not None}
    kept = {row: 0 for row in rows if dataset.deleted(row)}
    kept |= kept_of(dataset, rows) if judged_by(recipe, dataset) else {}
    tried = [Tried(each.draw, 0 if each.failed else kept.get(each.row or ""), not each.failed) for each in asked]
    ahead = outlook(recipe, axes, tried, whole=whole)
    if skips(recipe) and not ahead.measured and ahead.draws:
        first = ahead if whole else outlook(recipe, axes, tried, whole=True)
        ahead = outlook(recipe, axes, tried, ASSUMED * _open(first.draws, calls), whole=whole)
    return [each.draw for each in asked], ahead


def most_calls(draws: Iterable[Draw], calls: Calls) -> int:
    """Calls that draws may need, repairs included; a question that several ask counts once, as on a bill."""
    seen = Marks()
    for draw in draws:
        before = ""
        with suppress(RecipeError, DataError):  # no template fits it: there is no question to ask
            for question in calls(draw)[0]:
                told = before + question.request.id
                before = before if question.maybe else told
                seen.add(told)
    return len(seen)


def _open(draws: list[Draw], calls: Calls) -> float:
    """The share of draws of which it is not known today that `skip_when` ends them; never nothing, but of hope."""
    count = 0
    for draw in draws:
        with suppress(RecipeError, DataError):
            count += not isinstance(calls(draw)[2], Skipped)
    return max(count, 0.5) / len(draws)
