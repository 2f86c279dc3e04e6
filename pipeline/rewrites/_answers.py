"""What rewrites of answers share: each answer that is trained on, beside what it answers, changed by a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..types import Message, Sample, text_of


class Turn(NamedTuple):
    """An answer that is trained on: its place among the messages, its text, and what system and user said before."""

    at: int
    text: str
    asked: str


def turns(sample: Sample) -> Iterator[Turn]:
    """The answers of a row that are plain text, in order."""
    asked: list[str] = []
    for at, message in enumerate(sample.messages):
        content = message.get("content")
        if message.get("role") in ("user", "system", "developer"):
            asked.append(text_of(content))
        elif message.get("role") == "assistant" and message.get("weight") != 0 and isinstance(content, str):
            yield Turn(at, content, "\n".join(asked))


def changed(sample: Sample, change: Callable[[Turn], str]) -> Sample:
    """The row with each of its answers changed."""
    messages: list[Message] = list(sample.messages)
    for turn in turns(sample):
        if (text := change(turn)) != turn.text:
            messages[turn.at] = {**messages[turn.at], "content": text}
    return sample.with_messages(messages)


def conversation(sample: Sample, wish: str) -> list[Message]:
    """What a writer is asked about a row: its conversation up to its last answer, and a wish."""
    said = [
        {"role": message["role"], "content": text_of(message.get("content"))} for message in sample.messages
        if message.get("role") in ("system", "user", "assistant")
    ]
    last = max(index for index, turn in enumerate(said) if turn["role"] == "assistant")
    return [*said[: last + 1], {"role": "user", "content": wish}]
