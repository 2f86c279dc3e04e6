"""The questions of a dialogue: each turn is a call of its own, asked with all that stands before it.

A role sees its own turns as the assistant's and those of the other as the user's; its tool calls and their results it
sees alone. So a longer dialogue asks the earlier turns by the same ids, and an interrupted one goes on where it stood.

It ends before its number of turns where a role says its word for that (the role that is trained on still answers),
where a turn is empty, and where one was cut: nothing that follows a cut turn could be kept. What is trained on is in
`transcript.py`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.dialogue import TOOL, Dialogue
from pipeline.digest import hash_unit
from pipeline.errors import DataError, RecipeError
from pipeline.grid.fill import fill, tool_says
from pipeline.readers import Said
from pipeline.recipe import Recipe
from pipeline.types import Call, Draw, Message

from .answers import variable_of
from .questions import Made, Question, Trail, Wanted
from .tools import ToolCall, Turn, tools_of, turn_message

if TYPE_CHECKING:
    from .road import Road

TOOLS = 2
"""Place of the tool among `recipe.asks`, behind the two roles, where a model is asked in its stead."""
Saying = Generator[Question, Call | None, str]


def turns_of(recipe: Recipe, draw: Draw) -> int:
    """How many turns the dialogue of a draw may have: of seed, cell, repeat and source row, never of a position.

    Among several numbers the one with the largest hash wins, so that a further number takes only what it wins.
    """
    assert recipe.dialogue is not None
    row = draw.source["row"] if draw.source else None
    numbers = recipe.dialogue.lengths(str(recipe.train.role))
    return max(numbers, key=lambda number: hash_unit("turns", recipe.seed, draw.cell, draw.repeat, row, number))


class _Now(NamedTuple):
    """Which turn it is.

    Attributes:
        first: whether the role that is trained on has said nothing yet: without words there would be no row.
        trained: whether it is that role's.
    """

    number: int
    of: int
    first: bool
    trained: bool


@dataclass
class _Side:
    """What one role sees.

    Attributes:
        place: of its questions among `recipe.asks`.
        seen: the conversation so far, head included.
        holds: places of answers that are not known yet and stand in it.
        called: whether a tool call of it is known, or stands in.
    """

    name: str
    place: int
    tools: list[dict[str, Any]]
    seen: list[Message]
    holds: list[int] = field(default_factory=list)
    called: bool = False


def dialogue_of(road: Road, trail: Trail) -> Generator[Question, Call | None, Made]:
    """All turns of a draw's dialogue.

    Raises:
        Lost: a turn failed or cannot be used, or the role that is trained on said nothing.
    """
    recipe, dialogue = road.recipe, road.recipe.dialogue
    assert dialogue is not None
    sides = {name: _side(road, trail, name, place) for place, name in enumerate(dialogue.order)}
    trained = str(recipe.train.role)
    count, spoken = turns_of(recipe, trail.draw), False
    number = 1
    while number <= count:
        name = dialogue.speaker(number)
        side, other = sides[name], next(each for each in sides.values() if each.name != name)
        text = yield from _turn(road, trail, side, _Now(number, count, not spoken, name == trained))
        if not trail.guess and not text.strip():
            break
        spoken = spoken or name == trained
        if not trail.guess and trail.calls[-1].ended == "length":
            break
        if not trail.guess and _ends(dialogue, name, trail.calls[-1]):
            count = number if name == trained else min(count, number + 1)
        _hear(other, side, text, trail.guess)
        number += 1
    return Made(tuple(trail.refs), tuple(trail.calls), {}, None, tuple(trail.instead))


def _side(road: Road, trail: Trail, name: str, place: int) -> _Side:
    messages = fill(road.recipe, trail.draw, {}, place)
    if not road.recipe.asks[place].user:
        messages = messages[:-1]  # nothing begins it: what the other one says does
    return _Side(name, place, tools_of(road.recipe, name), messages)


def _hear(other: _Side, side: _Side, text: str, unknown: bool) -> None:
    """The other role hears what was said."""
    other.seen.append({"role": "user", "content": text})
    if unknown:
        other.holds.append(side.place)


def _ends(dialogue: Dialogue, name: str, call: Call) -> bool:
    word = dialogue.roles[name].ends
    return word is not None and word in call.text


def _turn(road: Road, trail: Trail, side: _Side, now: _Now) -> Saying:
    """One turn of a role, with the tool calls in it; returns what the other role hears of it.

    Raises:
        Lost: see `Road.answer`.
    """
    heard, left = list[str](), road.calls
    while True:
        reader = _reader(road, side, left, now) if side.tools or now.first else None
        said = yield from road.answer(trail, _wanted(road, trail, side, now, reader, left))
        calls: list[ToolCall] = said.value if reader is not None else []
        text = said.text if reader is not None else road.spoken(side.name, said.text)
        if trail.guess:
            side.holds.append(side.place)
        if text.strip():
            heard.append(text)
        if calls or text.strip() or trail.guess:
            side.seen.append(turn_message(text, calls))
        if not calls:
            break
        side.called, left = True, left - len(calls)
        for call in calls:
            result = yield from _result(road, trail, now.number, call)
            side.seen.append({"role": "tool", "tool_call_id": call.id, "content": result})
            if trail.guess and len(road.recipe.asks) > TOOLS:
                side.holds.append(TOOLS)
    if trail.guess and side.tools:
        yield from _perhaps(road, trail, side, now, left)
    return "\n\n".join(heard)


def _reader(road: Road, side: _Side, left: int, now: _Now) -> Turn:
    return Turn(side.tools, left, partial(road.spoken, side.name), must=now.first, whole=now.first and not now.trained,
                expected=not side.called)


def _wanted(road: Road, trail: Trail, side: _Side, now: _Now, reader: Turn | None, left: int) -> Wanted:
    """The question of a turn, with all that the role has seen."""
    step = road.recipe.asks[side.place]
    assert road.recipe.dialogue is not None
    sends = {**road.sends[side.place], **({"tools": side.tools} if side.tools else {})}
    hints = {"cell": trail.draw.cell, "fields": trail.draw.fields,
             "talk": {"turn": now.number, "left": left, "ends": road.recipe.dialogue.roles[side.name].ends}}
    return Wanted(road.who(side.place, step.model), list(side.seen), sends, trail.draw.repeat, f"turn:{now.number}",
                  reader, hints, step=side.place, holds=tuple(side.holds))


def _perhaps(
    road: Road, trail: Trail, side: _Side, now: _Now, left: int
) -> Generator[Question, Call | None, None]:
    """The further calls that a turn may make, which is not known: they count in the worst case alone."""
    further = replace(side, seen=list(side.seen), holds=list(side.holds))
    asked = len(road.recipe.asks) > TOOLS
    for more in range(left):
        call = _reader(road, side, 1, now).call_in_place(f"call_{more}")
        if asked:
            yield road.perhaps(_tool_wanted(road, trail, now.number, call), more)
        further.seen += [turn_message("", [call]), {"role": "tool", "tool_call_id": call.id, "content": ""}]
        further.holds += [side.place, *([TOOLS] if asked else [])]
        yield road.perhaps(_wanted(road, trail, further, now, None, left - more - 1), 0)


def _result(road: Road, trail: Trail, number: int, call: ToolCall) -> Saying:
    """What the tool says to a call.

    Raises:
        Lost: the model in its place gave nothing that can be used.
    """
    dialogue = road.recipe.dialogue
    assert dialogue is not None
    assert dialogue.tool is not None
    if dialogue.tool.says is not None:
        try:
            return tool_says(road.recipe, trail.draw, _seen(call))
        except (RecipeError, DataError):
            if not trail.guess:
                raise
            return ""
    said: Said = yield from road.answer(trail, _tool_wanted(road, trail, number, call))
    return said.text


def _seen(call: ToolCall) -> Mapping[str, Any]:
    """A call as templates take it: `{{call.arguments.order}}`, and `{{call.arguments}}` as JSON."""
    return {"name": call.name, "arguments": variable_of(call.arguments)}


def _tool_wanted(road: Road, trail: Trail, number: int, call: ToolCall) -> Wanted:
    """The question to the model in a tool's place. It holds the call and no more: equal calls get equal results."""
    step, reader = road.recipe.asks[TOOLS], road.readers[TOOLS]
    messages: list[Message]
    try:
        messages = fill(road.recipe, trail.draw, {"call": _seen(call)}, TOOLS)
    except (RecipeError, DataError):
        if not trail.guess:
            raise
        messages = [{"role": "user", "content": road.recipe.template(step.user)}]
    hints = {"cell": trail.draw.cell, "fields": trail.draw.fields, **({"answer": reader.hint} if reader else {})}
    return Wanted(road.who(TOOLS, step.model), messages, road.sends[TOOLS], trail.draw.repeat, f"{TOOL}:{number}",
                  reader, hints, step=TOOLS, holds=())
