"""The rehearsal in a dialogue: it takes either side, calls tools by their parameters, and errs in stated shares."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from pipeline.digest import call_id
from pipeline.engine.protocol import Answer, CallFailed
from pipeline.json_schema import broken
from pipeline.providers._talk import CALL_FAULTS, CALLS
from pipeline.providers.rehearsal import Rehearsal
from pipeline.types import CallRequest

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {
    "type": "object", "properties": {"order": {"type": "integer"}, "part": {"enum": ["lid", "base"]}},
    "required": ["order"], "additionalProperties": False}}}


async def turn(number: int, text: str, repeat: int = 0, tools: bool = True, **talk: Any) -> Answer:
    hints = {"cell": {"item": "a lamp", "order": 4711}, "talk": {"turn": number, "left": 4, "ends": None, **talk}}
    body = Rehearsal().body("rehearsal", [{"role": "user", "content": text}], {
        "max_tokens": 300, **({"tools": [TOOL]} if tools else {})})
    request = CallRequest(call_id("rehearsal", "chat", body, repeat), "rehearsal", body, repeat, hints=hints)
    provider = Rehearsal()
    try:
        return await provider.ask(request)
    except CallFailed:
        return await provider.ask(request)


async def test_equal_for_equal_bodies_and_about_the_cell() -> None:
    assert await turn(1, "Begin.", tools=False) == await turn(1, "Begin.", tools=False)
    texts = {(await turn(1, "Begin.", repeat, tools=False)).message["content"] for repeat in range(60)}
    assert len(texts) > 50
    assert sum("4711" in (text or "") for text in texts) > 45


async def test_tools_are_called_in_their_shares_and_err_in_theirs() -> None:
    found: Counter[str] = Counter()
    rounds = 2000
    for repeat in range(rounds):
        answer = await turn(2, "Where is order 4711?", repeat)
        calls = answer.message.get("tool_calls")
        if not calls:
            found["words"] += 1
            continue
        assert answer.finish_reason == "tool_calls"
        name, text = calls[0]["function"]["name"], calls[0]["function"]["arguments"]
        try:
            arguments = json.loads(text)
        except ValueError:
            found["arguments"] += 1
            continue
        bad = broken(arguments, TOOL["function"]["parameters"])  # type: ignore[index]
        found["unknown" if name != "look_up" else "schema" if bad else "good"] += 1
        assert bad or arguments["order"] == 4711, "the value of the axis that the part is called like"
    called = rounds - found["words"]
    assert abs(called / rounds - CALLS["first"]) < 0.03
    for fault in ("arguments", "schema", "unknown"):
        assert abs(found[fault] / called - CALL_FAULTS[fault]) < 0.015, fault


async def test_none_is_called_where_none_is_left_or_there() -> None:
    for repeat in range(50):
        assert "tool_calls" not in (await turn(2, "Where?", repeat, left=0)).message
        assert "tool_calls" not in (await turn(2, "Where?", repeat, tools=False)).message


async def test_a_role_with_a_word_for_the_end_says_it_now_and_then() -> None:
    async def ended(number: int) -> int:
        found = [await turn(number, "Here.", repeat, tools=False, ends="[END]") for repeat in range(200)]
        return sum("[END]" in (answer.message["content"] or "") for answer in found)

    assert 10 < await ended(3) < 60
    assert await ended(1) == 0
