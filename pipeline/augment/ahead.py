"""What rewrites may ask about rows that are not written yet: a bound, as it shows only then which rows they are for."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from pipeline.engine import Writer, worst_case
from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.rewrites import AnyRewrite
from pipeline.store import Dataset
from pipeline.types import Sample

from .plan import plan_augment, request_of, rewrites_of


class RewritesAhead(NamedTuple):
    """What rewrites may ask.

    Attributes:
        calls: rewrite -> calls that it takes at most for a row.
        there: calls about rows that are there.
        new_calls: calls at most: these, and those for every row to come.
        usd_worst: what they cost at most; None without a price or an output limit.
    """

    calls: dict[str, int]
    there: int
    new_calls: int
    usd_worst: float | None

    def as_json(self) -> dict[str, Any]:
        """As `plan --json` prints it."""
        return {"calls": self.new_calls, "there": self.there, "by_row": self.calls, "usd_worst": self.usd_worst}


class RowsToCome(NamedTuple):
    """Rows that will be written.

    Attributes:
        rows: how many.
        prompt: one of their prompts.
        most: tokens of an answer at most; None where no limit is set.
    """

    rows: int
    prompt: str
    most: int | None


def rewrites_ahead(recipe: Recipe, dataset: Dataset, writer: Writer, to_come: RowsToCome) -> RewritesAhead | None:
    """What the recipe's rewrites may ask about rows that are there and every row to come; sends nothing.

    Returns:
        None where no rewrite asks.

    Raises:
        RecipeError: an unknown rewrite or option.
    """
    if own_folder(recipe.path, dataset.path) is None:  # code beside a recipe that nobody named is not run
        named = [item for item in recipe.augment if not item.name.endswith(".py")]
        recipe = recipe.model_copy(update={"augment": named})
    rewrites = [rewrite for rewrite in rewrites_of(recipe, dataset) if not rewrite.local]
    if not rewrites:
        return None
    there = plan_augment(recipe, dataset, writer, 0)
    calls, worst = Counter[str](), there.usd_worst
    for rewrite in rewrites:
        asked, most = _each(rewrite, recipe, writer, to_come)
        calls[rewrite.name] += asked
        more = to_come.rows * most if most is not None else None if to_come.rows else 0.0
        worst = None if worst is None or more is None else worst + more
    return RewritesAhead(dict(calls), there.new_calls, there.new_calls + to_come.rows * calls.total(), worst)


def _each(rewrite: AnyRewrite, recipe: Recipe, writer: Writer, to_come: RowsToCome) -> tuple[int, float | None]:
    """Calls of a row to come, and what they cost at most, in dollars: each holds the row's answer, and those before."""
    like = Sample("", [{"role": "user", "content": to_come.prompt}, {"role": "assistant", "content": "-"}])
    try:
        first = rewrite.messages(like)
        asked = [] if first is None else [first, *(each.messages for each in rewrite.ahead(like))]
    except Exception:  # a rewrite may be anyone's, and this row is none: nothing is known of it
        asked = []
    price, total = writer.price, 0.0
    for place, messages in enumerate(asked):
        bound = worst_case(request_of(messages, like, recipe, writer).body, writer.model, price)
        if bound is None or price is None or to_come.most is None:
            return len(asked), None
        total += bound + (place + 1) * to_come.most * price.input / 1e6
    return (len(asked), total) if asked else (1, None)
