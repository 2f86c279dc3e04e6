"""Chat messages a line, {"messages": [...]}, with tools, weights and images, as OpenAI's jobs take them.

Messages are written as they are: role, content, then the other keys in a fixed order. Only keys whose
value is null are left out. Hosts that read the same files (Azure, Together, Fireworks, ...) and the
trainers that take `messages` read it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.types import Example, Message, Problem

from . import Format, FormatRefusal
from ._chat import KEYS, conversation_problems, plainly_sound
from ._mend import mend_messages
from ._turns import others

aliases = ("openai", "messages", "chat")
_BESIDE = {"parallel_tool_calls": bool, "functions": list}
"""Keys beside `messages` and `tools` that a line may have; they travel in an Example's fields."""


class OpenAiChat(Format):
    """Whole conversations, nothing left out."""

    name = "openai-chat"
    rank = 10
    holds = frozenset({"system", "turns", "tools", "parts", "weight"})

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        line: dict[str, Any] = {"messages": [_ordered(message) for message in example.messages]}
        if example.tools:
            line["tools"] = example.tools
        for key, kind in _BESIDE.items():
            if isinstance(example.fields.get(key), kind):
                line[key] = example.fields[key]
        return line

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format."""
        messages, tools = values.get("messages"), values.get("tools")
        if not isinstance(messages, list) or not all(
                isinstance(message, dict) and isinstance(message.get("role"), str) for message in messages):
            raise FormatRefusal("no-messages", "'messages' is not a list of objects with a role",
                                'as {"messages": [{"role": "user", "content": "..."}, ...]}')
        if tools is not None and not isinstance(tools, list):
            raise FormatRefusal("bad-tools", "'tools' is not a list", '[{"type": "function", "function": {...}}]')
        beside = others(values, ("messages", "tools")) if len(values) > 1 else {}
        return Example([message.copy() for message in messages], tools=tools or None, fields=beside)

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        return isinstance(values.get("messages"), list)

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        yield from conversation_problems(values, where)

    def sound(self, rows: Sequence[Mapping[str, Any]], text: bytes) -> int:
        """See Format."""
        return plainly_sound(rows, text)

    def mended(self, values: dict[str, Any]) -> list[str]:
        """See Format."""
        return mend_messages(values.get("messages"))

    def normal(self, example: Example) -> Example:
        """The messages without keys that are null: weights stay as they are."""
        return replace(example, messages=[_ordered(message) for message in example.messages])


def _ordered(message: Message) -> Message:
    known = {key: message[key] for key in KEYS if key in message}
    rest = {key: value for key, value in message.items() if key not in known}
    return {key: value for key, value in {**known, **rest}.items() if value is not None or key in ("role", "content")}


plugin: type[Format] = OpenAiChat
