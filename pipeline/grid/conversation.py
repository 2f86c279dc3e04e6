"""A column that holds whole conversations: chat messages, or ShareGPT's turns."""

from __future__ import annotations

from typing import Any

import orjson

from ..types import Message

ROLES = frozenset({"assistant", "developer", "function", "system", "tool", "user"})
"""Roles of a chat message, from OpenAI's API description."""
SPEAKERS = {
    "system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
}
"""Names of speakers in ShareGPT files -> roles."""


def conversation(value: Any) -> list[Message]:
    """A column's conversation as chat messages.

    Args:
        value: a list of messages with `role` and `content`, or of turns with `from` and `value`; or such a list as
            JSON text, as tables have it.

    Raises:
        ValueError: it is none; the message says what is missing.
    """
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise ValueError("a text that is not JSON") from None
    if not isinstance(value, list) or not value:
        raise ValueError("it must be a list of messages")
    messages = [_message(turn, number) for number, turn in enumerate(value, start=1)]
    if not any(message["role"] == "assistant" for message in messages):
        raise ValueError("no message is the assistant's")
    return messages


def _message(turn: Any, number: int) -> Message:
    if isinstance(turn, dict) and "role" not in turn and isinstance(turn.get("from"), str):
        if turn["from"] not in SPEAKERS:
            raise ValueError(f"message {number} is from '{turn['from']}', not one of {', '.join(SPEAKERS)}")
        if not isinstance(turn.get("value"), str):
            raise ValueError(f"the value of message {number} is no text")
        return {"role": SPEAKERS[turn["from"]], "content": turn["value"]}
    if not isinstance(turn, dict) or not isinstance(turn.get("role"), str):
        raise ValueError(f"message {number} has no role")
    if turn["role"] not in ROLES:
        raise ValueError(f"message {number} has the role '{turn['role']}', not one of {', '.join(sorted(ROLES))}")
    if not isinstance(turn.get("content"), str | list | None):
        raise ValueError(f"the content of message {number} is no text")
    return dict(turn)
