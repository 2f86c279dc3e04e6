"""Answers without a model, a key or a network: made-up plots and texts that follow the cell, for rehearsals.

Every answer is decided by the request's body and repeat. The texts are readable, differ from each other, have a
realistic spread of lengths (`_stories.PLOT_BYTES`) and show, in stated shares (`FAULTS`), what real models do wrong, so
that curation has something to find. Rows made by it are marked as rehearsed for ever.

Beside stories it answers, by the words of the last message: requests to lengthen, continue or reword a text, choices
among named labels, scores, JSON (by schema where one is sent), lists, titles, letters and short explanations. A grid
for an idea, and values that an axis lacks, come from the word lists of `ideas.txt`. In a dialogue it takes either side,
and calls the tools that it is given (`_talk.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.digest import canonical, hash_int
from pipeline.engine.protocol import Answer, CallFailed, Provider
from pipeline.settings import ProviderEntry, Settings
from pipeline.types import CallRequest, Failure, Message, Usage

from . import _asks, _ideas, _rewordings, _stories, _talk
from ._grammar import Dice, Writer, fault_of

FAULTS: dict[str, float] = {
    "refusal": 0.02,
    "refusal_field": 0.01,
    "cut": 0.02,
    "loop": 0.01,
    "near_copy": 0.005,
    "copy": 0.005,
    "empty": 0.005,
    "rate_limit": 0.005,
    "preamble": 0.02,
    "afterword": 0.01,
}
"""Shares of prose answers with a fault; short answers and JSON have none, but for what a recipe holds an answer to
(`_asks.HELD_FAULTS`). The shares are set by us, so that each fault
shows in a few hundred rows; they measure no model.

refusal: a sentence that declines. refusal_field: the same in `message.refusal`, content null. cut: runs into max_tokens
and ends in mid-sentence with finish_reason length (only where max_tokens is 4,096 or less). loop: the last sentence
again and again. near_copy, copy: one of two stock plots, with another last sentence or as it is; where a text is to be
lengthened, that text as it was. empty: no text.
rate_limit: the first try meets a 429, the next one is answered. preamble, afterword: a text with chat around it."""
LONGEST_CUT = 4096
"""Tokens; a model with more room hardly ever runs into it."""
STOCK = 2
BYTES_PER_TOKEN = 4
"""For the usage it reports, which is an estimate: there is no tokenizer behind it."""


class Rehearsal:
    """A provider that makes its answers up. Costs nothing; never leaves the machine."""

    rehearsal = True

    def __init__(self, namespace: str = "rehearsal") -> None:
        self.namespace = namespace
        self._refused: set[str] = set()

    @classmethod
    def build(cls, name: str, entry: ProviderEntry, settings: Settings, env: Mapping[str, str]) -> Provider:
        """A rehearsal under the name of its entry; nothing else of the entry matters."""
        return cls(name)

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """As a chat request; see `Provider.body`."""
        return {"model": model, "messages": messages, **parameters}

    async def ask(self, request: CallRequest) -> Answer:
        """Makes the answer up, in a millisecond or less.

        Raises:
            CallFailed: a rate limit at the first try of some calls.
        """
        body = request.body
        seed = hash_int("rehearsal", body, request.repeat)
        dice = Dice(seed)
        fault = fault_of(dice.random(), FAULTS)
        messages: list[Message] = body["messages"]
        cell = request.hints.get("cell") or {}
        talk = request.hints.get("talk")
        short = None if talk is not None else _asks.held_answer(dice, request.hints, messages)
        if short is None and talk is None:
            short = _ideas.proposal(dice, request.hints)
        if short is None and talk is None:
            short = _rewordings.reworded(dice, messages)
        if short is None and talk is None:
            short = _asks.short_answer(dice, messages, cell, body.get("response_format"))
        if short is not None:
            return self._answer(body, {"role": "assistant", "content": short})
        if fault == "rate_limit" and request.id not in self._refused:
            self._refused.add(request.id)
            raise CallFailed(Failure("rate_limit", "a rehearsed rate limit; the next try is answered", status=429,
                                     code="rate_limit_exceeded", retry_after=0.05))
        self._refused.discard(request.id)
        if talk is not None:
            return self._answer(body, _turn(dice, fault, _talk.turn(dice, talk, body, request.hints), body))
        return self._answer(body, _message(dice, fault, messages, cell, body))

    def _answer(self, body: Mapping[str, Any], message: Message) -> Answer:
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        if calls := message.get("tool_calls"):
            said = -(-len(canonical(calls)) // BYTES_PER_TOKEN)
            asked = -(-len(canonical([body["messages"], body["tools"]])) // BYTES_PER_TOKEN)
            return Answer(message, "tool_calls", Usage(asked, said), str(body["model"]))
        field = "refusal" if message["content"] is None else "content"
        data, reason = message[field].encode(), "stop"
        if limit is not None and len(data) > limit * BYTES_PER_TOKEN:
            data, reason = data[: limit * BYTES_PER_TOKEN], "length"
            message = {**message, field: data.decode("utf-8", "ignore").rstrip()}
        said = -(-len(data) // BYTES_PER_TOKEN)
        asked = -(-len(canonical(body["messages"])) // BYTES_PER_TOKEN)
        return Answer(message, reason, Usage(asked, said), str(body["model"]))

    async def models(self) -> list[str]:
        """The one name that it goes by."""
        return ["rehearsal"]

    async def close(self) -> None:
        """Holds nothing open."""


def _turn(dice: Dice, fault: str | None, message: Message, body: Mapping[str, Any]) -> Message:
    """A turn of a dialogue with its fault; a call has faults of its own (`_talk.CALL_FAULTS`)."""
    text, limit = message["content"], body.get("max_completion_tokens") or body.get("max_tokens")
    if text is None:
        return message
    if fault == "cut" and limit and limit <= LONGEST_CUT:
        text += f" {text}" * (limit * BYTES_PER_TOKEN // len(text) + 1)
    return _faulty(dice, fault if fault not in ("preamble", "afterword") else None, text)


def _message(
    dice: Dice, fault: str | None, messages: list[Message], cell: Mapping[str, Any], body: Mapping[str, Any]
) -> Message:
    """A prose answer with its fault."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    least = 0
    if fault == "cut":
        least = (limit + 40) * BYTES_PER_TOKEN if limit and limit <= LONGEST_CUT else 0
    if fault in ("copy", "near_copy"):
        text = _asks.to_lengthen(messages)
        if text:
            return {"role": "assistant", "content": text}
        text = _stories.plot(Dice(hash_int("stock", dice.below(STOCK))), {}, "plot", sentences=10)
        if fault == "near_copy":
            text = f"{text.rpartition('. ')[0]}. {Writer(dice, {}, {}).say('nearly')}"
        return {"role": "assistant", "content": text}
    return _faulty(dice, fault, _asks.prose(dice, messages, cell, least))


def _faulty(dice: Dice, fault: str | None, text: str) -> Message:
    """A text with its fault, as the assistant's message."""
    writer = Writer(dice, {}, {})
    if fault == "refusal_field":
        return {"role": "assistant", "content": None, "refusal": writer.say("refusal")}
    if fault == "refusal":
        text = writer.say("refusal")
    elif fault == "empty":
        text = ""
    elif fault == "loop":
        last = re.split(r"(?<=[.!?])\s+", text)[-1]
        text += f" {last}" * (6 + dice.below(20))
    elif fault == "preamble":
        text = f"{writer.say('preamble')}\n\n{text}"
    elif fault == "afterword":
        text = f"{text}\n\n{writer.say('afterword')}"
    return {"role": "assistant", "content": text}


plugin: type[Rehearsal] = Rehearsal
