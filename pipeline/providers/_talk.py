"""Turns of a rehearsed dialogue: who begins asks, the other one helps, and calls its tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from pipeline.types import Message

from . import _asks
from ._grammar import Dice, Writer, banks

CALLS = {"first": 0.85, "again": 0.1}
"""Shares of turns with tools at hand that call one: where none was called before, and where one was."""
CALL_FAULTS = {"arguments": 0.04, "schema": 0.03, "unknown": 0.02, "repair": 0.25}
"""Shares of calls that cannot be used: arguments: their JSON ends too early; schema: a value that no parameters allow;
unknown: a tool that is not there; repair: nor is the second try. Set by us, not measured."""
ENDS = 0.15
"""Share of turns, from the third on, in which a role that has a word for the end says it."""
_CODE = re.compile(r"\b(?:[A-Z]{1,4}-?)?\d{3,12}\b")


def turn(dice: Dice, talk: Mapping[str, Any], body: Mapping[str, Any], hints: Mapping[str, Any]) -> Message:
    """A turn without a fault of prose: words, or a call.

    Args:
        dice: decides every choice.
        talk: which turn it is (`turn`), how many calls are `left`, and the role's word for the end (`ends`).
        body: as it was sent; its tools are called.
        hints: the cell; `repair` where a call of before could not be used.
    """
    messages: list[Message] = body["messages"]
    cell, tools = hints.get("cell") or {}, body.get("tools") or []
    if tools and talk.get("left") and _calls(dice, messages, bool(hints.get("repair"))):
        return _call(dice, tools, messages, cell, bool(hints.get("repair")))
    return {"role": "assistant", "content": _words(dice, talk, messages, cell)}


def _calls(dice: Dice, messages: list[Message], repair: bool) -> bool:
    if repair:
        return "(" in str(messages[-2].get("content"))  # what could not be used was a call
    if messages[-1].get("role") == "tool":
        return False
    called = any(message.get("tool_calls") for message in messages)
    return dice.random() < CALLS["again" if called else "first"]


def _call(
    dice: Dice, tools: list[dict[str, Any]], messages: list[Message], cell: Mapping[str, Any], repair: bool
) -> Message:
    function = tools[dice.below(len(tools))]["function"]
    arguments = _arguments(dice, function.get("parameters") or {}, messages, cell)
    name, text = function["name"], orjson.dumps(arguments).decode()
    fault = _fault(dice.random(), repair)
    if fault == "arguments":
        text = text[: max(1, len(text) * 2 // 3)]
    elif fault == "schema":
        text = orjson.dumps({**dict.fromkeys(arguments), "note": "urgent"}).decode()
    elif fault == "unknown":
        name = f"{name}_by_name"
    named = f"call_{dice.below(1 << 48):012x}"
    made = {"id": named, "type": "function", "function": {"name": name, "arguments": text}}
    return {"role": "assistant", "content": None, "tool_calls": [made]}


def _fault(draw: float, repair: bool) -> str | None:
    if repair:
        return "schema" if draw < CALL_FAULTS["repair"] else None
    for name in ("arguments", "schema", "unknown"):
        if draw < CALL_FAULTS[name]:
            return name
        draw -= CALL_FAULTS[name]
    return None


def _arguments(dice: Dice, schema: Mapping[str, Any], messages: list[Message], cell: Mapping[str, Any]) -> Any:
    """Arguments that parameters allow: the value of an axis of that name, a number that was said, or a word."""
    said = "\n".join(str(message.get("content") or "") for message in messages)
    codes = _CODE.findall(said)
    found: dict[str, Any] = {}
    for name, part in (schema.get("properties") or {}).items():
        if name not in schema.get("required", ()) and dice.random() < 0.5:
            continue
        kind, own = part.get("type"), cell.get(name)
        if "enum" in part or "const" in part or kind not in ("string", "integer"):
            found[name] = _asks.by_schema(dice, part, cell, said, 1, schema)
        elif kind == "integer":
            numbers = [int(code) for code in codes if code.isdigit()]
            found[name] = own if isinstance(own, int) else numbers[-1] if numbers else dice.below(100000)
        else:
            word = codes[-1] if codes else Writer(dice, {}, {}).fragment("noun")
            found[name] = str(own) if own is not None else word
    return found


def _words(dice: Dice, talk: Mapping[str, Any], messages: list[Message], cell: Mapping[str, Any]) -> str:
    """One to three sentences that fit the place of the turn, and name what the dialogue is about."""
    number, about = int(talk["turn"]), _things(cell)
    values = {"theme": about[dice.below(len(about))], "number": str(100000 + dice.below(899999)),
              "town": str(banks()["place.any"][0].parts[0])}
    writer = Writer(dice, values, {})
    if messages[-1].get("role") == "tool":
        result = _told(str(messages[-1].get("content") or ""))
        return " ".join([writer.say("talk_found"), *([f"I see: {result}."] if result else []), writer.say("talk_next")])
    if number % 2 == 0:
        banks_of = ["talk_reply", "talk_next"] if number == 2 or dice.below(2) else ["talk_reply", "talk_reply"]
        return " ".join(writer.say(bank) for bank in banks_of)
    if number == 1:
        numbers = [f"The {axis} is {value}." for axis, value in cell.items() if type(value) is int]
        return " ".join([writer.say("talk_open"), *numbers, writer.say("talk_want")])
    ends = talk.get("ends")
    if ends and dice.random() < ENDS:
        return f"{writer.say('talk_thanks')} {ends}"
    return " ".join(writer.say(bank) for bank in ("talk_more", "talk_want")[: 1 + dice.below(2)])


def _things(cell: Mapping[str, Any]) -> list[str]:
    """Values of a cell that a sentence can be about: those with an article, else those of a few words."""
    texts = [value for value in cell.values() if isinstance(value, str)]
    return ([text for text in texts if text.split(" ")[0].lower() in ("a", "an", "the")]
            or [text for text in texts if len(text.split()) < 3] or ["this matter"])


def _told(result: str) -> str:
    """What a tool's result says, as words."""
    try:
        value = orjson.loads(result)
    except orjson.JSONDecodeError:
        return " ".join(result.split())[:200]
    if not isinstance(value, dict):
        return " ".join(result.split())[:200]
    return ", ".join(f"{key} {part}" for key, part in value.items() if isinstance(part, str | int | float))[:300]
