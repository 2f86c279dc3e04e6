"""Requests a line for the Batch API: what each row asks, to be answered by the model that `model` names.

{"custom_id": ..., "method": "POST", "url": "/v1/chat/completions", "body": {"model": ..., "messages": [...]}}, as
OpenAI and hosts that speak its API take them (50,000 lines and 200 MB a file): `openai-batch: {model: gpt-4.1-mini}`,
and in `params` whatever else the body is to hold. `custom_id` is the row's id, by which its answer is found again,
since answers come in any order. The row's last answer is not part of a line. Nothing is sent that is not named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from pipeline.hosts.requests import request_head
from pipeline.options import Options
from pipeline.render.mask import Cut, Mask, of_messages
from pipeline.types import Example, Message, Problem

from . import Format, FormatRefusal, error, plain
from ._chat import conversation_problems
from ._preference import answer_problems

_HEAD = request_head("")
_ANSWER = [{"role": "assistant", "content": "-"}]
_TRAINED = frozenset({"special-token"})
"""Codes of what stands against training alone."""


class How(Options):
    """Who is asked, and with what."""

    model: str | None = Field(None, description="the model that is asked, as gpt-4.1-mini")
    params: dict[str, Any] = Field(default_factory=dict, description="other keys of the body, as {max_tokens: 500}")


class OpenAiBatch(Format):
    """Questions without their answers."""

    name = "openai-batch"
    rank = 16
    column = "body"
    asks = True
    model = How
    how: How
    holds = frozenset({"system", "turns", "tools", "parts"})

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        where, found = example.sample, list[Problem]()
        last = example.messages[-1:]
        if last and last[0].get("role") == "assistant":
            found += [problem for problem in answer_problems(last, "the answer", where)
                      if problem.code == "empty-answer"]
        asked = _asked(example.messages)
        if asked and asked[-1].get("role") == "assistant":
            found.append(error("nothing-asked", where, "two answers stand at its end, so nothing asks for the last one",
                               "join them to one"))
        if not example.sample:
            found.append(error("no-id", where, "the row has no id, and its answer could not be found again",
                               "export a dataset, or a file"))
        if self.how.model is None:
            found.append(error("no-model", where, "a request names who is asked",
                               "name the format as 'openai-batch: {model: gpt-4.1-mini}'"))
        if found:
            raise FormatRefusal.of(found)
        tools = {"tools": example.tools} if example.tools else {}
        body = {"model": self.how.model, "messages": asked, **tools, **self.how.params}
        return {**request_head(example.sample), "body": body}

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format. What is read has no answer yet."""
        shape = next(_shape(values, ""), None)
        if shape is not None:
            raise FormatRefusal(shape.code, shape.message, shape.fix)
        body = values["body"]
        return Example([dict(message) for message in body["messages"]], tools=body.get("tools") or None,
                       sample=values["custom_id"])

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        return isinstance(values.get("custom_id"), str) and isinstance(values.get("body"), dict)

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        shape = list(_shape(values, where))
        yield from shape
        if shape:
            return
        body = values["body"]
        if not isinstance(body.get("model"), str):
            yield error("no-model", where, "the body names no model", 'as {"body": {"model": "gpt-4.1-mini", ...}}')
        if body.get("stream"):
            yield error("streams", where, "the body asks for a stream, which a batch does not take", "leave it out")
        for problem in conversation_problems({"messages": [*body["messages"], *_ANSWER], "tools": body.get("tools")},
                                             where):
            if problem.code not in _TRAINED:
                yield problem

    def mask(self, example: Example, cut: Cut | None) -> Mask:
        """See Format. A request is answered: nothing is trained."""
        self.write(example)
        return of_messages([{**message, "weight": 0} for message in _asked(example.messages)], cut)

    def normal(self, example: Example) -> Example:
        """See Format. What is asked, without weights: those are of training."""
        return replace(example, messages=_asked(example.messages))


def _asked(messages: list[Message]) -> list[Message]:
    """A conversation up to its last answer, where it ends in one."""
    left = messages[:-1] if messages and messages[-1].get("role") == "assistant" else messages
    return [{key: value for key, value in plain(message).items() if key != "weight"} for message in left]


def _shape(values: Mapping[str, Any], where: str) -> Iterator[Problem]:
    body = values.get("body")
    for key, wanted in _HEAD.items():
        if key != "custom_id" and values.get(key) != wanted:
            yield error("not-a-request", where, f"'{key}' is {values.get(key)!r}", f"{wanted} is what chats need")
    if not isinstance(values.get("custom_id"), str) or not values.get("custom_id"):
        yield error("no-id", where, "'custom_id' is missing, or no text", "a name that no other line has")
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages or not all(
            isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages):
        yield error("no-messages", where, "the body has no list of messages with a role",
                    'as {"body": {"messages": [{"role": "user", "content": "..."}]}}')
    if isinstance(body, dict) and not isinstance(body.get("tools"), list | None):
        yield error("bad-tools", where, "'tools' is not a list", '[{"type": "function", "function": {...}}]')


plugin: type[Format] = OpenAiBatch
