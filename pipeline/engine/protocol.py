"""What a provider is: the seam between the engine, which schedules, and whoever answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from pipeline.types import CallRequest, Failure, Message, Usage


class Answer(NamedTuple):
    """What came back for one question.

    Attributes:
        message: the whole assistant message as it came: content, tool_calls, refusal, reasoning.
        finish_reason: stop, length, tool_calls, content_filter or the host's own word; None where it gave none.
        usage: the tokens that the host says it counted; None where it gave none.
        model: the model that says it answered.
        choices: how many answers came; the first is the one.
    """

    message: Message
    finish_reason: str | None
    usage: Usage | None
    model: str | None
    choices: int = 1


class CallFailed(Exception):
    """One attempt gave no answer that can be used. A record in the making, never an abort."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Provider(Protocol):
    """Someone who answers: a host, or the rehearsal.

    Attributes:
        namespace: name of the provider entry; enters every call's id, so no URL, port or key.
        rehearsal: True where nobody real answers; rows are marked so for ever.
    """

    namespace: str
    rehearsal: bool

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The request body, exactly as it is sent and as it enters the call's id.

        Args:
            model: the host's name of the model, without the provider's name.
            messages: the conversation so far.
            parameters: what the recipe sets, and nothing else: no default is added.
        """
        ...

    async def ask(self, request: CallRequest) -> Answer:
        """Sends once, without a retry.

        Raises:
            CallFailed: with a typed failure; its `billed` is True where it may have cost money.
        """
        ...

    async def models(self) -> list[str]:
        """Names of the models that the host offers.

        Raises:
            CallFailed: the host does not say.
        """
        ...

    async def close(self) -> None:
        """Closes connections. Asked again, it opens new ones: each stage of a run has an event loop of its own."""
        ...
