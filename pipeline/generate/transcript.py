"""From the calls of a dialogue to the conversation that is trained on: what the trained role saw, and its last turn.

The last question to that role holds the whole conversation as it was, tool results included, so that a row is made from
its calls alone, however the recipe's prompts and tools were changed since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pipeline.dialogue import TOOL
from pipeline.grid.fill import train_head
from pipeline.recipe import Recipe
from pipeline.store import Dataset
from pipeline.types import Call, CallRef, Draw, Message, Sample

from .tools import tools_of, turn_message


class Spoken(NamedTuple):
    """A conversation of the role that is trained on.

    Attributes:
        call: whose answer it ends in.
        turns: of both together.
    """

    messages: list[Message]
    call: Call
    turns: int


def roles_of(recipe: Recipe) -> list[set[str]]:
    """For each that is asked in a dialogue, the roles that its calls have in rows."""
    assert recipe.dialogue is not None
    numbers = range(1, recipe.dialogue.most + 1)
    theirs = [{f"turn:{number}" for number in numbers if recipe.dialogue.speaker(number) == name}
              for name in recipe.dialogue.order]
    return [*theirs, {f"{TOOL}:{number}" for number in numbers}][: len(recipe.asks)]


def spoken(recipe: Recipe, draw: Draw, refs: Sequence[CallRef], calls: Sequence[Call]) -> Spoken | None:
    """The conversation to be trained on.

    Args:
        recipe: today's: its training prompt, and which role is trained on.
        draw: of the row, for the training prompt.
        refs: the row's calls with their roles, in order.
        calls: the same calls.

    Returns:
        None where that role says nothing in it.

    Raises:
        RecipeError: the training prompt fails on the draw.
    """
    assert recipe.dialogue is not None
    role = str(recipe.train.role)
    asked: Call | None = None
    last: tuple[Call, Call, str] | None = None
    current = ""
    for ref, call in zip(refs, calls, strict=True):
        if ref.role != "repair":
            current, asked = ref.role, call
        kind, _, number = current.partition(":")
        if kind != "turn" or recipe.dialogue.speaker(int(number)) != role or asked is None:
            continue
        text = recipe.dialogue.spoken(role, call.text)
        if text.strip() and not (call.message or {}).get("tool_calls"):
            last = asked, call, text
    if last is None:
        return None
    question, answer, text = last
    before = list(question.body["messages"])
    if before and before[0].get("role") == "system":
        before = before[1:]
    if recipe.dialogue.order[0] == role:
        before = before[1:]  # what it was asked to begin with
    said = [*before, turn_message(text, [])]
    turns = _weigh(said, recipe)
    return Spoken([*train_head(recipe, draw), *said], answer, turns)


def _weigh(said: list[Message], recipe: Recipe) -> int:
    """Gives the assistant's messages of turns that are not trained on weight 0; returns how many turns there are.

    Args:
        said: changed in place.
        recipe: with `train.turns`.
    """
    number, place = 0, list[int]()
    for message in said:
        if message["role"] == "user":
            number += 1
        place.append(number + 1 if message["role"] != "user" else number)
        if message["role"] == "assistant" and not message.get("tool_calls"):
            number += 1
    chosen = recipe.train.turns
    trained = range(number + 1) if chosen == "all" else [number] if chosen == "last" else chosen
    for index, message in enumerate(said):
        if message["role"] == "assistant" and place[index] not in trained:
            said[index] = {**message, "weight": 0}
    return number


def provenance(found: Spoken, calls: Sequence[Call], wanted: int) -> dict[str, Any]:
    """What a row says of its dialogue: who spoke its trained side, whether a turn was cut, its turns of how many."""
    cut = any(call.ended == "length" for call in calls)
    return {"model": found.call.model, "namespace": found.call.namespace,
            "finish_reason": "length" if cut else found.call.ended, "turns": found.turns, "turns_wanted": wanted}


def train_in_place(recipe: Recipe, draw: Draw) -> list[Message]:
    """A row as the tuned model will see it, to show before anything is asked: each turn stands for itself.

    Raises:
        RecipeError: the training prompt fails on the draw.
    """
    assert recipe.dialogue is not None
    role, numbers = str(recipe.train.role), range(1, recipe.dialogue.lengths(str(recipe.train.role))[0] + 1)
    speakers = [(number, recipe.dialogue.speaker(number)) for number in numbers]
    said = [{"role": "assistant" if name == role else "user", "content": f"({name}: turn {number})"}
            for number, name in speakers]
    _weigh(said, recipe)
    return [*train_head(recipe, draw), *said]


def tools_trained(recipe: Recipe) -> list[dict[str, Any]] | None:
    """The tools of the role that is trained on."""
    return tools_of(recipe, str(recipe.train.role)) or None


def again(recipe: Recipe, dataset: Dataset, sample: Sample, draw: Draw) -> Sample | None:
    """A row under today's training prompt, from its calls; a rewritten one keeps its own words.

    Returns:
        None where a call is not there, or the role that is trained on says nothing in them.

    Raises:
        RecipeError: the training prompt fails on the draw.
    """
    if sample.parent is not None:
        rest = [message for message in sample.messages if message["role"] != "system"]
        return replace(sample, messages=[*train_head(recipe, draw), *rest])
    calls = [dataset.calls.get(ref.id) for ref in sample.calls]
    known = [call for call in calls if call is not None]
    if len(known) < len(calls) or not any(ref.role.startswith("turn:") for ref in sample.calls):
        return None
    found = spoken(recipe, draw, sample.calls, known)
    return replace(sample, messages=found.messages, tools=tools_trained(recipe)) if found else None
