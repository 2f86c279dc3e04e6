"""What a provider is: the seam between the engine, which schedules, and whoever answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pipeline.hosts.limits import Told
from pipeline.prices import Price
from pipeline.store.batches import Batch
from pipeline.types import CallRequest, Failure, Message, Usage


class Answer(NamedTuple):
    """What came back for one question.

    Attributes:
        message: the whole assistant message as it came: content, tool_calls, refusal, reasoning.
        finish_reason: stop, length, tool_calls, content_filter or the host's own word; None where it gave none.
        usage: the tokens that the host says it counted; None where it gave none.
        model: the model that says it answered.
        choices: how many answers came; the first is the one.
        limits: what the host says of its limits, with every answer that says so.
    """

    message: Message
    finish_reason: str | None
    usage: Usage | None
    model: str | None
    choices: int = 1
    limits: Told | None = None


class CallFailed(Exception):
    """One attempt gave no answer that can be used. A record in the making, never an abort."""

    def __init__(self, failure: Failure, limits: Told | None = None) -> None:
        super().__init__(failure.message)
        self.failure, self.limits = failure, limits


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


class Writer(Protocol):
    """Who writes, and with what."""

    @property
    def provider(self) -> Provider:
        """Who answers."""

    @property
    def model(self) -> str:
        """The model's name at that host."""

    @property
    def price(self) -> Price | None:
        """Dollars per million tokens; None where unknown."""


class Look(NamedTuple):
    """A batch as its host shows it.

    Attributes:
        status: the host's word.
        done: requests that are answered.
        total: requests of the batch; 0 where the host has not counted yet.
        errors: why it failed: code, message, line.
        files: `output` and `error` -> the host's name of that file.
        at: UTC, ISO 8601, when it ended; the same however often it is asked.
    """

    status: str
    done: int
    total: int
    errors: list[dict[str, Any]]
    files: Mapping[str, str]
    at: str


class BatchHost(Protocol):
    """Who takes batches: the other face of a provider."""

    namespace: str
    base_url: str

    def line(self, request: CallRequest, name: str) -> bytes:
        """A line of the file, by which the answer is found again."""
        ...

    def submit(self, batch: Batch, path: Path) -> dict[str, Any]:
        """Uploads and creates, nothing twice whatever was lost on the way; returns what the host knows it by."""
        ...

    def look(self, batch: Batch) -> Look:
        """How it stands."""
        ...

    def fetch(self, file: str, path: Path) -> None:
        """Brings a file of the host's here."""
        ...

    def outcome(self, value: Mapping[str, Any]) -> Answer | Failure:
        """What a line of a result says."""
        ...

    def close(self) -> None:
        """Closes connections."""
        ...
