"""What rewrites share that add rows: which rows they are for, how often, by which of several ways, what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from pydantic import Field

from ..digest import hash_unit
from ..kinds import kind_of
from ..types import Message, Sample
from . import Options, Rewrite

LEAST = 2
"""Words of a text that can be put in other words. Chosen by us."""


class Several(Options):
    """How many children a row gets."""

    times: int = Field(1, ge=1, le=5, description="children of a row, each made in another way")


How = TypeVar("How", bound=Several)


class Beside(Rewrite[How]):
    """A rewrite whose children are kept beside their parents. A row that was added gets none itself."""

    adds = "both"

    @property
    def times(self) -> int:
        """See Rewrite."""
        return self.how.times

    def is_first(self, sample: Sample) -> bool:
        """Whether nobody added the row, nor one that it was made from."""
        return "added" not in sample.provenance

    def way(self, sample: Sample, ways: Sequence[str]) -> str:
        """The way in which this child is made: drawn by seed and row, and another one for each child of a row."""
        return sorted(ways, key=lambda way: hash_unit(self.seed, self.name, sample.id, way))[self.nth % len(ways)]


def exchange(sample: Sample) -> tuple[str, str] | None:
    """Prompt and answer of a row of one exchange in plain text; None of others, and of calls of tools."""
    said = [message for message in sample.messages if message.get("role") not in ("system", "developer")]
    if [message.get("role") for message in said] != ["user", "assistant"] or "tool_calls" in said[1]:
        return None
    prompt, answer = (message.get("content") for message in said)
    whole = isinstance(prompt, str) and isinstance(answer, str) and prompt.strip() and answer.strip()
    return (str(prompt), str(answer)) if whole and said[1].get("weight") != 0 else None


def is_text(text: str) -> bool:
    """Whether a text is one that can be said in other words."""
    return kind_of(text) not in ("json", "code", "table") and len(text.split()) >= LEAST


def prompted(sample: Sample, prompt: str) -> Sample:
    """The row with another prompt, also where a column holds the old one; columns that are parts of it are left out.

    The prompt is no longer one that the recipe's training template makes, so the row is not rendered anew with it.
    """
    old = sample.prompt
    messages: list[Message] = [
        {**message, "content": prompt} if message.get("role") == "user" else message for message in sample.messages]
    stale = {key for key, value in sample.fields.items() if isinstance(value, str) and len(value.split()) >= LEAST
             and value in old and value not in prompt}
    fields = {key: prompt if value == old else value for key, value in sample.fields.items()
              if key not in stale or value == old}
    known = {key: value for key, value in sample.provenance.items() if key != "train"}
    return replace(sample, messages=messages, fields=fields, provenance=known)
