"""Conversations a line: {"conversations": [{"from": "human", "value": ...}, {"from": "gpt", ...}]}.

Roles are system, human and gpt. Read as well: `role`/`content` in place of `from`/`value`, the other
names that such files use for the two speakers, and LLaMA-Factory's `system` beside the conversation.
Tools, names, parts and weight 0 are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import did_you_mean
from pipeline.types import Example, Message, Problem
from pipeline.words import kind_of

from . import Format, FormatRefusal, error, plain, warning
from ._turns import others, turns

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}
ROLES = {
    "system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
}
"""Names of speakers in published ShareGPT files (FastChat's and axolotl's readers know these)."""


class ShareGpt(Format):
    """A list of turns with `from` and `value`."""

    name = "sharegpt"
    rank = 15
    column = "conversations"
    holds = frozenset({"system", "turns"})

    def values(self, example: Example) -> dict[str, Any]:
        """See Format."""
        spoken = turns(example, self.name)
        return {"conversations": [{"from": SPEAKERS[turn.role], "value": turn.text} for turn in spoken]}

    def read(self, values: Mapping[str, Any]) -> Example:
        """See Format."""
        spoken = values.get("conversations")
        if not isinstance(spoken, list):
            raise FormatRefusal("no-messages", "'conversations' is not a list",
                                'as [{"from": "human", "value": "..."}]')
        messages: list[Message] = []
        if isinstance(values.get("system"), str) and values["system"]:
            messages.append({"role": "system", "content": values["system"]})
        messages += [_message(turn, number) for number, turn in enumerate(spoken, 1)]
        if isinstance(values.get("tools"), str | list) and values["tools"]:
            raise FormatRefusal("holds-no-tools", "tools in ShareGPT lines have no one shape",
                                'write the row as {"messages": [...], "tools": [...]}')
        return Example(messages, fields=others(values, ("conversations", "system", "tools")))

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """See Format."""
        return isinstance(values.get("conversations"), list)

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """See Format."""
        try:
            messages = self.read(values).messages
        except FormatRefusal as refusal:
            yield from refusal.problems(where)
            return
        roles = [message["role"] for message in messages]
        if not messages:
            yield error("no-messages", where, "the conversation is empty", "drop the row")
            return
        if "user" not in roles:
            yield error("no-user", where, "nobody asks: there is no human turn",
                          "export answers alone as prompt-completion")
        if roles[-1] != "assistant":
            yield error("last-turn-not-assistant", where, "the conversation does not end in an answer",
                          "end with a gpt turn: nothing after it is trained")
        for number, message in enumerate(messages, 1):
            if message["role"] == "assistant" and not message["content"].strip():
                yield error("empty-answer", where, f"turn {number} is an empty answer", "drop the row")
        if "system" in roles[1:]:
            yield warning("late-system", where, "a system text stands after the first turn",
                          "most trainers know it only as the first turn")


def _message(turn: Any, number: int) -> Message:
    """A turn as a message.

    Raises:
        FormatRefusal: it is no turn, or a speaker's name is unknown.
    """
    if not isinstance(turn, dict):
        raise FormatRefusal("message-not-an-object", f"turn {number} is {kind_of(turn)}, not an object",
                            'as {"from": "human", "value": "..."}')
    speaker, text = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
    if not isinstance(speaker, str) or speaker not in ROLES:
        raise FormatRefusal("unknown-role", f"turn {number} is from {speaker!r}", did_you_mean(str(speaker), ROLES))
    if not isinstance(text, str):
        raise FormatRefusal("not-a-text", f"turn {number} has no text", "make `value` a string")
    extra = {key: value for key, value in turn.items() if key not in ("from", "role", "value", "content")}
    return plain({"role": ROLES[speaker], "content": text, **extra})


plugin: type[Format] = ShareGpt
