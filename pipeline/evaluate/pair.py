"""Base and tuned model as one pair that can be asked: on this machine, or through a host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from pipeline.metrics import Output
from pipeline.types import Message

Tell = Callable[[str, int, int], None]
"""Receives what is being done, how much of it is done, and how much there is."""


class Decoding(NamedTuple):
    """How answers are decoded: what evaluation.json states. See `options.How`."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int

    def __str__(self) -> str:
        """`greedy, at most 640 tokens`."""
        if self.temperature == 0:
            return f"greedy, at most {self.max_tokens:,} tokens"
        nucleus = f", top_p {self.top_p:g}" if self.top_p < 1 else ""
        return f"temperature {self.temperature:g}{nucleus}, seed {self.seed}, at most {self.max_tokens:,} tokens"


class Ask(NamedTuple):
    """A prompt, or a conversation with its answer, and what it may call."""

    messages: list[Message]
    tools: list[dict[str, Any]] | None = None


class Interrupted(Exception):
    """A person stopped it; what was answered is kept. A signal between functions of this stage, never shown."""


class Both(NamedTuple):
    """What base and tuned model made of the same rows, in their order. None where one gave no usable answer."""

    base: list[Output | None]
    tuned: list[Output | None]


class Pair(Protocol):
    """Base and tuned model.

    Attributes:
        base: the base model's name, as people know it.
        tuned: the tuned model's.
        facts: what evaluation.json says of how they were run.
    """

    base: str
    tuned: str

    @property
    def facts(self) -> dict[str, Any]:
        """What evaluation.json says of how they were run, as JSON."""
        ...

    def count(self, text: str) -> int:
        """Tokens of an answer as this model counts what it writes, or an estimate."""
        ...

    def write(self, asks: Sequence[Ask], decoding: Decoding, tell: Tell) -> Both:
        """Both models' answers to prompts."""
        ...

    def score(self, rows: Sequence[Ask], tell: Tell) -> Both | None:
        """Both models' loss on the last answer of whole conversations; None where nobody says."""
        ...

    def close(self) -> None:
        """Lets go of memory and connections."""
        ...
