"""From a draw and its answered calls to a row, and to the same row under a changed training prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pipeline.digest import digest
from pipeline.errors import DataError, RecipeError
from pipeline.formats import find
from pipeline.grid.fill import train_messages
from pipeline.grid.shots import shown
from pipeline.json_text import Unread
from pipeline.marks import Marks
from pipeline.readers import Reader, Said
from pipeline.recipe import Recipe
from pipeline.shapes import Recognised
from pipeline.store import Dataset
from pipeline.store.journal import now
from pipeline.types import Call, Draw, Example, Message, Sample

from .answers import readers_of, spec_of, variable, variable_of
from .dialogue import turns_of
from .questions import Made
from .transcript import again, provenance, spoken, tools_trained


def train_digest(recipe: Recipe) -> str:
    """Names the training templates and what answers are held to: rows made by others are made anew, for nothing."""
    train = recipe.train
    texts = [recipe.template(text) if text else None for text in (train.system, train.user, train.assistant)]
    held = [spec_of(recipe, step.answer) for step in recipe.asks]
    side = [[train.role, train.turns, tools_trained(recipe)]] if recipe.dialogue else []
    return digest("train", texts, train.messages, *([held] if any(held) else []), *side)


def sample_id(draw: Draw, calls: Sequence[str]) -> str:
    """The id of the row that these calls make of a draw."""
    return digest("sample", list(calls), draw.cell, draw.source["row"] if draw.source else None)


def row_of_calls(recipe: Recipe, draw: Draw, made: Made, marks: Mapping[str, Any]) -> Sample:
    """The row of a draw whose questions are all answered.

    Args:
        recipe: the recipe.
        draw: the cell, and the columns of its source row.
        made: what was said.
        marks: provenance that all rows of a run share: writer, train.
    """
    if recipe.dialogue is not None:
        return _dialogue(recipe, draw, made, marks)
    messages, rejected = _turns(recipe, draw, made)
    return Sample(
        id=sample_id(draw, [ref.id for ref in made.refs]), cell=draw.cell, fields=_fields(recipe, draw, made),
        messages=messages, rejected=rejected, label=_label(recipe, made), calls=made.refs,
        source=draw.source, provenance={**marks, **_provenance(draw, made), **_shown(recipe, draw)},
    )


def _shown(recipe: Recipe, draw: Draw) -> dict[str, Any]:
    """The examples that the prompts showed, where there were any."""
    found = shown(recipe, draw)
    return {"examples": found} if found else {}


def _dialogue(recipe: Recipe, draw: Draw, made: Made, marks: Mapping[str, Any]) -> Sample:
    """The row of a dialogue: what the role that is trained on saw and said."""
    found = spoken(recipe, draw, made.refs, made.calls)
    assert found is not None, "a dialogue without a word of it has no row"
    own = provenance(found, made.calls, turns_of(recipe, draw))
    return Sample(
        id=sample_id(draw, [ref.id for ref in made.refs]), cell=draw.cell, fields=draw.fields,
        messages=found.messages, tools=tools_trained(recipe), calls=made.refs, source=draw.source,
        provenance={**marks, **_provenance(draw, made), **own},
    )


def _turns(recipe: Recipe, draw: Draw, made: Made) -> tuple[list[Message], list[Message] | None]:
    """The conversation to be trained on, and the answer that it was better than."""
    answers = {name: variable(said) for name, said in made.said.items()}
    thought = {ref.role: call.reasoning for ref, call in zip(made.refs, made.calls, strict=True)}
    messages = train_messages(recipe, draw, answers, _answering(made).reasoning)
    if made.rejected is None:
        return messages, None
    lost = {**answers, recipe.asks[-1].name: variable(made.rejected)}
    other = train_messages(recipe, draw, lost, thought.get("rejected", ""))
    return messages, other[-1:]


def _fields(recipe: Recipe, draw: Draw, made: Made) -> dict[str, Any]:
    """Columns of the source row, what earlier steps said, and of the last one what is more than a text."""
    last = recipe.asks[-1]
    return {**draw.fields, **{name: said.value for name, said in made.said.items()
                              if name != last.name or last.answer is not None}}


def _label(recipe: Recipe, made: Made) -> str | None:
    last = recipe.asks[-1]
    return made.said[last.name].text if last.answer is not None and last.answer.labels is not None else None


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


def _provenance(draw: Draw, made: Made) -> dict[str, Any]:
    calls = made.calls
    wrote = [call for call, ref in zip(calls, made.refs, strict=True) if ref.role != "judge"]
    last = _answering(made)
    cut = next((call.ended for call in wrote if call.ended == "length"), last.ended)
    costs = [call.cost_usd for call in calls]
    found: dict[str, Any] = {
        "draw": draw.key, "repeat": draw.repeat, "model": last.model, "namespace": last.namespace,
        "finish_reason": cut, "rehearsal": any(call.rehearsal for call in calls),
        "cost_usd": None if None in costs else round(sum(cost for cost in costs if cost), 9),
        "input_tokens": sum(call.usage.input_tokens for call in calls if call.usage),
        "output_tokens": sum(call.usage.output_tokens for call in calls if call.usage),
        "created": calls[-1].at,
    }
    refusal = (last.message or {}).get("refusal")
    return {**found, "refusal": refusal} if refusal else found


def _answering(made: Made) -> Call:
    """The call whose answer the row ends in: the last one of its question."""
    roles = [ref.role for ref in made.refs]
    if "chosen" not in roles:
        return made.calls[-1]
    at = roles.index("chosen") + 1
    return made.calls[at if roles[at : at + 1] == ["repair"] else at - 1]


class Scan(NamedTuple):
    """What of the rows that stand has to be looked at, as `scan` finds it.

    Attributes:
        unrendered: whether the training prompt of some row is out of date.
        others: ids of rows that carry another writer's name.
        theirs: keys of their draws.
        real: whether the set holds rows that no rehearsal made.
        mine: whether a row of this very writer stands.
    """

    unrendered: bool
    others: Marks
    theirs: Marks
    real: bool
    mine: bool


def scan(dataset: Dataset, marks: Mapping[str, Any]) -> Scan:
    """Reads all rows once. Memory: two marks for each row of another writer."""
    unrendered = real = mine = False
    others, theirs = Marks(), Marks()
    for sample in dataset.samples():
        made = sample.provenance
        unrendered = unrendered or made.get("train") not in (None, marks["train"])
        real = real or not sample.rehearsal
        mine = mine or made.get("writer") == marks["writer"]
        if made.get("writer") not in (None, marks["writer"]) and sample.parent is None:
            others.add(sample.id)
            theirs.add(str(made.get("draw")))
    return Scan(unrendered, others, theirs, real, mine)


def render_anew(recipe: Recipe, dataset: Dataset) -> int:
    """Renders rows whose training prompt is out of date; hand-edited ones stay. Returns how many changed."""
    current = train_digest(recipe)
    as_they_came = recipe.source is not None and recipe.source.format is not None and not recipe.asks
    if recipe.train.messages is not None or as_they_came:
        return 0

    readers = readers_of(recipe, dataset.path)

    def renew(sample: Sample) -> Sample | None:
        if sample.provenance.get("train") in (None, current):
            return None
        try:
            new = _rendered(recipe, readers, dataset, sample)
        except (RecipeError, DataError):
            return None  # of an earlier recipe, whose axes or columns these templates do not know
        return replace(new, provenance={**sample.provenance, "train": current}) if new else None

    return dataset.rewrite(renew)


def _rendered(
    recipe: Recipe, readers: Sequence[Reader | None], dataset: Dataset, sample: Sample
) -> Sample | None:
    """A row under today's training prompt; a rewritten row keeps its own answer. None where it cannot be one."""
    draw = Draw(sample.cell, int(sample.provenance.get("repeat", 0)), sample.fields, sample.source)
    if recipe.dialogue is not None:
        return again(recipe, dataset, sample, draw)
    if sample.parent is not None:
        answers = {step.name: variable_of(sample.fields.get(step.name, "")) for step in recipe.asks[:-1]}
        answers.update({step.name: sample.answer for step in recipe.asks[-1:]})
        messages = _with_answer(train_messages(recipe, draw, answers), sample.answer)
        return replace(sample, messages=messages) if messages else None
    if not recipe.asks:
        return replace(sample, messages=train_messages(recipe, draw, {})) if not sample.calls else None
    made = _made_again(recipe, readers, dataset, sample)
    if made is None:
        return None
    if sample.source is None:  # what the answer was held to before left its parts there
        names = {step.name for step in recipe.asks}
        draw = replace(draw, fields={key: value for key, value in draw.fields.items() if key not in names})
    turns, rejected = _turns(recipe, draw, made)
    return replace(sample, messages=turns, rejected=rejected, label=_label(recipe, made),
                   fields=_fields(recipe, draw, made))


def _made_again(
    recipe: Recipe, readers: Sequence[Reader | None], dataset: Dataset, sample: Sample
) -> Made | None:
    """What the calls of a row say today; None where one is not there, or cannot be used any more."""
    texts: dict[str, Call] = {}
    calls: list[Call] = []
    asked = ""
    for ref in sample.calls:
        call = dataset.calls.get(ref.id)
        if call is None:
            return None
        asked = asked if ref.role == "repair" else ref.role
        texts[asked] = call
        calls.append(call)
    names = [step.name for step in recipe.asks]
    roles = [f"step:{name}" for name in names]
    if "chosen" in texts:
        roles[-1:] = ["chosen", "rejected"]
    held = dict(zip(roles, [*readers, *readers[-1:]], strict=False))
    if set(roles) != {role for role in texts if role != "judge"}:
        return None
    said: dict[str, Said] = {}
    for role in roles:
        text, reader = texts[role].text, held[role]
        try:
            cut = texts[role].ended == "length"
            said[role] = reader.read(text, cut=cut) if reader else Said(text, text)
        except Unread:
            return None
    rejected = said.pop("rejected", None)
    return Made(sample.calls, tuple(calls), dict(zip(names, said.values(), strict=True)), rejected)


def _with_answer(messages: list[dict[str, Any]], answer: str) -> list[dict[str, Any]] | None:
    """Messages with another answer in the last assistant turn; None where there is no such turn."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") == "assistant":
            return [*messages[:index], {**messages[index], "content": answer}, *messages[index + 1 :]]
    return None
