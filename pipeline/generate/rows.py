"""From a draw and its answered calls to a row, and to the same row under a changed training prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pipeline.digest import digest
from pipeline.errors import DataError, RecipeError
from pipeline.formats import find
from pipeline.grid.fill import train_messages
from pipeline.recipe import Recipe
from pipeline.shapes import Recognised
from pipeline.store import Dataset
from pipeline.store.journal import now
from pipeline.types import Call, CallRef, Draw, Example, Sample


def train_digest(recipe: Recipe) -> str:
    """Names the training templates: rows rendered by others are rendered anew, for nothing."""
    train = recipe.train
    texts = [recipe.template(text) if text else None for text in (train.system, train.user, train.assistant)]
    return digest("train", texts, train.messages)


def answers_of(recipe: Recipe, calls: Sequence[Call]) -> dict[str, str]:
    """Step name -> its answer's text."""
    return {step.name: call.text for step, call in zip(recipe.asks, calls, strict=True)}


def sample_id(draw: Draw, calls: Sequence[str]) -> str:
    """The id of the row that these calls make of a draw."""
    return digest("sample", list(calls), draw.cell, draw.source["row"] if draw.source else None)


def row_of_calls(recipe: Recipe, draw: Draw, calls: Sequence[Call], marks: Mapping[str, Any]) -> Sample:
    """The row of a draw whose steps are all answered.

    Args:
        calls: one per step of the recipe, in order.
        marks: provenance that all rows of a run share: writer, train.
    """
    answers = answers_of(recipe, calls)
    fields = {**draw.fields, **{step.name: answers[step.name] for step in recipe.asks[:-1]}}
    refs = tuple(CallRef(call.id, f"step:{step.name}") for step, call in zip(recipe.asks, calls, strict=True))
    return Sample(
        id=sample_id(draw, [call.id for call in calls]),
        cell=draw.cell, fields=fields, messages=train_messages(recipe, draw, answers, calls[-1].reasoning), calls=refs,
        source=draw.source, provenance={**marks, **_provenance(draw, calls)},
    )


def row_of_source(recipe: Recipe, draw: Draw, marks: Mapping[str, Any]) -> Sample:
    """The row of a source file that nothing is asked for.

    Raises:
        FormatRefusal: the source says of which format its rows are, and this one is not.
    """
    assert draw.source is not None
    if recipe.source is not None and recipe.source.format is not None:
        example = Recognised(find(recipe.source.format)).read(draw.fields, draw.source["file"])
    else:
        example = Example(train_messages(recipe, draw, {}), fields=draw.fields)
    return Sample(
        id=draw.source["row"], cell=draw.cell, fields=example.fields, messages=example.messages,
        rejected=example.rejected, label=example.label, tools=example.tools, source=draw.source,
        provenance={**marks, "draw": draw.key, "repeat": 0, "rehearsal": False, "created": now()},
    )


def _provenance(draw: Draw, calls: Sequence[Call]) -> dict[str, Any]:
    last = calls[-1]
    cut = next((call.ended for call in calls if call.ended == "length"), last.ended)
    costs = [call.cost_usd for call in calls]
    made: dict[str, Any] = {
        "draw": draw.key, "repeat": draw.repeat, "model": last.model, "namespace": last.namespace,
        "finish_reason": cut, "rehearsal": any(call.rehearsal for call in calls),
        "cost_usd": None if None in costs else round(sum(cost for cost in costs if cost), 9),
        "input_tokens": sum(call.usage.input_tokens for call in calls if call.usage),
        "output_tokens": sum(call.usage.output_tokens for call in calls if call.usage),
        "created": last.at,
    }
    refusal = (last.message or {}).get("refusal")
    return {**made, "refusal": refusal} if refusal else made


class Scan(NamedTuple):
    """What of the rows that stand has to be looked at, as `scan` finds it.

    Attributes:
        unrendered: whether the training prompt of some row is out of date.
        others: ids of rows that carry another writer's name -> their draws.
        real: whether the set holds rows that no rehearsal made.
        mine: whether a row of this very writer stands.
    """

    unrendered: bool
    others: dict[str, str]
    real: bool
    mine: bool


def scan(dataset: Dataset, marks: Mapping[str, Any]) -> Scan:
    """Reads all rows once. Memory grows only with the rows of other writers."""
    unrendered = real = mine = False
    others: dict[str, str] = {}
    for sample in dataset.samples():
        made = sample.provenance
        unrendered = unrendered or made.get("train") not in (None, marks["train"])
        real = real or not sample.rehearsal
        mine = mine or made.get("writer") == marks["writer"]
        if made.get("writer") not in (None, marks["writer"]) and sample.parent is None:
            others[sample.id] = str(made.get("draw"))
    return Scan(unrendered, others, real, mine)


def render_anew(recipe: Recipe, dataset: Dataset) -> int:
    """Renders rows whose training prompt is out of date; hand-edited ones stay. Returns how many changed."""
    current = train_digest(recipe)
    as_they_came = recipe.source is not None and recipe.source.format is not None and not recipe.asks
    if recipe.train.messages is not None or as_they_came:
        return 0

    def renew(sample: Sample) -> Sample | None:
        if sample.provenance.get("train") in (None, current):
            return None
        try:
            messages = _rendered(recipe, dataset, sample)
        except (RecipeError, DataError):
            return None  # of an earlier recipe, whose axes or columns these templates do not know
        if messages is None:
            return None
        return replace(sample, messages=messages, provenance={**sample.provenance, "train": current})

    return dataset.rewrite(renew)


def _rendered(recipe: Recipe, dataset: Dataset, sample: Sample) -> list[dict[str, Any]] | None:
    """A row's messages under today's training prompt; a rewritten row keeps its own answer."""
    draw = Draw(sample.cell, int(sample.provenance.get("repeat", 0)), sample.fields, sample.source)
    if sample.parent is not None:
        answers = {step.name: str(sample.fields.get(step.name, "")) for step in recipe.asks[:-1]}
        answers.update({step.name: sample.answer for step in recipe.asks[-1:]})
        return _with_answer(train_messages(recipe, draw, answers), sample.answer)
    calls = [call for ref in sample.calls if (call := dataset.calls.get(ref.id)) is not None]
    if not len(calls) == len(sample.calls) == len(recipe.asks):
        return None
    return train_messages(recipe, draw, answers_of(recipe, calls), calls[-1].reasoning if calls else "")


def _with_answer(messages: list[dict[str, Any]], answer: str) -> list[dict[str, Any]] | None:
    """Messages with another answer in the last assistant turn; None where there is no such turn."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") == "assistant":
            return [*messages[:index], {**messages[index], "content": answer}, *messages[index + 1 :]]
    return None
