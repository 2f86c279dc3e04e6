"""A provider whose answers a test writes: a whole implementation of the protocol, in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from pipeline.digest import call_id
from pipeline.engine import Answer, Asker, CallFailed, Limits, Progress
from pipeline.prices import Price
from pipeline.store.calls import CallStore
from pipeline.types import CallRequest, Failure, FailureClass, Message, Usage

PRICE = Price(1.0, 10.0, 0.5, "2026-11", "a test")
Said = Answer | Failure
Script = Callable[[CallRequest, int], Said | Awaitable[Said]]


def answer(text: str = "fine", usage: Usage | None = Usage(10, 20)) -> Answer:  # noqa: B008
    """An answer of a few tokens."""
    return Answer({"role": "assistant", "content": text}, "stop", usage, "m-1")


def no(kind: FailureClass, message: str = "no", **more: Any) -> Failure:
    """A refusal."""
    return Failure(kind, message, **more)


class Scripted:
    """Answers as its script says: `script(request, how often this id was asked before)`.

    Attributes:
        asked: how often each id was sent.
        peak: the most requests that were ever in flight.
        ended: requests that came to an end, by answer or failure.
        closed: how often it was closed.
    """

    namespace = "scripted"
    rehearsal = False

    def __init__(self, script: Script = lambda request, turn: answer()) -> None:
        self.script = script
        self.asked: Counter[str] = Counter()
        self.flying = self.peak = self.ended = self.closed = 0

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": model, "messages": messages, **parameters}

    async def ask(self, request: CallRequest) -> Answer:
        turn = self.asked[request.id]
        self.asked[request.id] += 1
        self.flying += 1
        self.peak = max(self.peak, self.flying)
        try:
            await asyncio.sleep(0)
            said = self.script(request, turn)
            if not isinstance(said, Answer | Failure):
                said = await said
            if isinstance(said, Failure):
                raise CallFailed(said)
            return said
        finally:
            self.flying -= 1
            self.ended += 1

    async def models(self) -> list[str]:
        return ["m"]

    async def close(self) -> None:
        self.closed += 1


def request(number: int, **parameters: Any) -> CallRequest:
    """Question `number`."""
    messages = [{"role": "user", "content": f"question {number}"}]
    body = {"model": "m", "messages": messages, "max_tokens": 100, **parameters}
    return CallRequest(call_id("scripted", "chat", body), "scripted", body)


def asker(path: Path, provider: Scripted, **limits: Any) -> Asker:
    """An asker with short pauses over the calls of a dataset; its progress and store hang on it."""
    limits.setdefault("backoff_s", 0.002)
    return Asker(provider, CallStore(path), Limits(**limits), Progress(), Random(1))
