"""Who is asked for the parts of a row, and which answers each prompt holds: what a bill is made of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from pipeline.engine import output_limit
from pipeline.errors import DataError, RecipeError
from pipeline.grid.fill import fill, judge_messages
from pipeline.recipe import Recipe
from pipeline.types import Draw, Message

from .bill import Missing, Part
from .questions import Writer, parameters


def parts_of(recipe: Recipe, writer: Writer) -> list[Part]:
    """Who is asked at each step, then for the second answer of a pair, and who judges."""
    parts = [Part(step.name, output_limit(parameters(recipe, step)), writer.of(step.model).price)
             for step in recipe.asks]
    if recipe.pairs is not None:
        last, second, judge = recipe.asks[-1], recipe.pairs.second, recipe.pairs.judge
        sent = {**parameters(recipe, last), **second.body()}
        parts += [Part("second", output_limit(sent), writer.of(second.model or last.model).price),
                  Part("judge", output_limit(judge.body()), writer.of(judge.model).price)]
    return parts


def note_mentions(recipe: Recipe, draw: Draw, bill: Missing) -> None:
    """Notes how often the prompt of each step holds the answer of each earlier one; that of a judge, both answers."""
    bill.linked = True
    if recipe.dialogue is not None:
        return  # each of its questions says itself what it holds
    last = len(recipe.asks) - 1
    marks = {step.name: f"(the answer of step {place})" for place, step in enumerate(recipe.asks)}

    def note(index: int, filled: Callable[[], list[Message]], before: int) -> str:
        with suppress(RecipeError, DataError):  # it takes parts of an answer, which a mark does not have
            text = "".join(str(message["content"]) for message in filled())
            bill.steps[index].mentions = {place: found for place in range(before)
                                          if (found := text.count(marks[recipe.asks[place].name]))}
            return text
        return ""

    asked = ""
    for index in range(last + 1):
        asked = note(index, partial(fill, recipe, draw, marks, index), index)
    if recipe.pairs is not None:
        bill.steps[last + 1].mentions = bill.steps[last].mentions
        both = dict.fromkeys(("answer_a", "answer_b", "answer"), marks[recipe.asks[last].name])
        note(last + 2, partial(judge_messages, recipe, draw, {**marks, "prompt": asked, **both}), last + 1)
