"""What formats of plain text turns share: a conversation as (role, text), or a refusal that names all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.types import Example, Message, Problem

from . import FormatRefusal, error, plain


class Turn(NamedTuple):
    """One message of text."""

    role: str
    text: str


ROLES = ("system", "user", "assistant")
_ELSEWHERE = "export it as openai-chat, which holds it"
_WEIGHT = "export it as openai-chat, or as 'trl-prompt-completion: {earlier: context}': both leave it untrained"


def turns(example: Example, name: str) -> list[Turn]:
    """A conversation as turns of text.

    Args:
        example: the row.
        name: the format's name, for the messages.

    Raises:
        FormatRefusal: tools, calls, names, parts, weights 0, or other roles: with everything that
            stands in the way, not only the first.
    """
    if example.messages and not example.tools and all(map(_usual, example.messages)):
        return [Turn(message["role"], message["content"]) for message in example.messages]
    where, found = example.sample, list(tool_problems(example, name))
    if not example.messages:
        found.append(error("no-messages", where, "the row has no messages", "drop the row"))
    for message in example.messages:
        found.extend(_unfit(message, name, where) if not _of_tools(message) else ())
    if found:
        raise FormatRefusal.of(found)
    return [Turn(message["role"], message["content"]) for message in example.messages]


def _usual(message: Message) -> bool:
    """Whether a message is a role and a text, as most are: then nothing of it is unfit."""
    return len(message) == 2 and message.get("role") in ROLES and isinstance(message.get("content"), str)


def tool_problems(example: Example, name: str) -> Iterator[Problem]:
    """That a format has no place for a row's tools, their calls and their results: once, whatever of them it holds."""
    if example.tools or any(map(_of_tools, example.messages)):
        yield error("holds-no-tools", example.sample, f"{name} has no place for tools and their calls", _ELSEWHERE)


def _of_tools(message: Message) -> bool:
    calls = message.get("tool_calls") or message.get("function_call")
    return bool(calls) or message.get("role") in ("tool", "function")


def _unfit(message: Message, name: str, where: str) -> list[Problem]:
    """What a message holds beside a role and text."""
    kept, found = plain(message), []
    role = kept.pop("role", None)
    if role not in ROLES:
        fix = "write it as `system`" if role == "developer" else _ELSEWHERE
        found.append(error("holds-no-role", where, f"{name} has no role '{role}'", fix))
    content = kept.pop("content", None)
    if not isinstance(content, str):
        what = "parts (images, audio)" if isinstance(content, list) else "a message without text"
        found.append(error("holds-no-parts", where, f"{name} holds text, not {what}", _ELSEWHERE))
    if "weight" in kept:
        weight = kept.pop("weight")
        found.append(error("holds-no-weight", where, f"{name} trains every answer, and one has weight {weight}",
                           _WEIGHT))
    found.extend(error("holds-no-key", where, f"{name} has no place for '{key}' of a message", _ELSEWHERE)
                 for key in kept)
    return found


def alternating(conversation: list[Turn], where: str, *, any_order: bool = False) -> list[Problem]:
    """What stands against system?, user, assistant, user, assistant, ..., the last one an answer with text.

    Args:
        conversation: the turns.
        where: the row, for the problems.
        any_order: users and assistants may follow each other as they like.
    """
    rest = conversation[1:] if conversation and conversation[0].role == "system" else conversation
    found, listed = [], ", ".join(turn.role for turn in conversation)
    if any_order and any(turn.role == "system" for turn in rest):
        found.append(error("late-system", where, f"the roles are {listed}", "put the system text first"))
    elif not any_order and any(turn.role != ("user", "assistant")[index % 2] for index, turn in enumerate(rest)):
        found.append(error("roles-do-not-alternate", where, f"the roles are {listed}",
                             "system (or none), then user, assistant, user, assistant, ..."))
    if not rest or rest[-1].role != "assistant":
        found.append(error("last-turn-not-assistant", where, "the conversation does not end in an answer",
                             "end with an assistant message: nothing after it is trained"))
    for turn in rest:
        if not turn.text.strip():
            code, what = ("empty-answer", "an answer") if turn.role == "assistant" else ("empty-prompt", "a user turn")
            found.append(error(code, where, f"{what} is empty or only white space", "drop the row"))
    return found


def others(values: Mapping[str, Any], own: tuple[str, ...]) -> dict[str, Any]:
    """The keys of an object that are not the format's own: an Example's fields."""
    return {key: value for key, value in values.items() if key not in own}
