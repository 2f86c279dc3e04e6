"""What may stand in a chat line that OpenAI, or a host that reads the same files, tunes on.

Rules: the fine-tuning guide and `FineTuneChatRequestInput` of OpenAI's API description (2026-08-21);
the special tokens are those that jobs were seen to be refused for. Limits of images per example are
from the vision fine-tuning guide.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from pipeline.errors import did_you_mean
from pipeline.render import control_tokens
from pipeline.types import Problem
from pipeline.words import kind_of

from . import error, warning

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_TALK = ("system", "user", "assistant")
KEYS = ("role", "content", "refusal", "name", "tool_calls", "function_call", "tool_call_id", "weight")
"""Keys of a message in the order in which they are written."""
_MESSAGES, _ROLE, _CONTENT = itemgetter("messages"), itemgetter("role"), itemgetter("content")
_NAMES = re.compile(r"[A-Za-z0-9_-]{1,64}")
ALIASES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "ai": "assistant"}
_BLANK = string.whitespace + "\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x2010))) + "\u2060\u2800\ufeff\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0"
"""White space as `str.strip` knows it, and characters that print nothing."""
_BRIEF = 16
"""A text of so many characters is looked at for such marks; a longer one shows something."""
_IMAGES, _IMAGE_BYTES, _IMAGE_KINDS = 10, 10 * 10**6, ("image/jpeg", "image/png", "image/webp")
"""Images of a row, bytes of one, and their kinds."""


def conversation_problems(values: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Everything that is wrong with `messages` and `tools` of one line."""
    messages = values.get("messages")
    if not isinstance(messages, list) or not messages:
        what = "is missing" if messages is None else "is empty" if messages == [] else "is not a list"
        yield error("no-messages", where, f"'messages' {what}",
                    'as {"messages": [{"role": "user", "content": "..."}, ...]}')
        return
    roles: list[Any] = []
    odd, parts, known = set[str](), False, True
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            yield error("message-not-an-object", where, f"message {number} is {kind_of(message)}",
                          'as {"role": "user", "content": "..."}')
            roles.append(None)
            known = False
            continue
        role, content = message.get("role"), message.get("content")
        roles.append(role)
        spoken = role in _TALK
        known = known and spoken
        usual = spoken and len(message) == 2 and type(content) is str and len(content) >= _BRIEF
        if not usual or "<|" in content or content.isspace():  # type: ignore[operator, union-attr]
            yield from _message_problems(message, number, where)
            odd.update(message)
            parts = parts or isinstance(content, list)
    if parts:
        yield from _image_problems(messages, where)
    if not (known and _usual(tuple(roles))):
        yield from _order_problems(roles, where)
    if "weight" in odd:
        yield from _weight_problems(messages, where)
    if "tool_calls" in odd or "tool" in roles:
        yield from _call_problems(messages, _defined(values.get("tools")), where)
    if values.get("tools") is not None:
        yield from _tool_problems(values["tools"], where)


def plainly_sound(rows: Sequence[Mapping[str, Any]], text: bytes | None = None) -> int:
    """Whether lines are of the usual kind, nothing but texts, and have no problem: the quick way for many rows at once.

    Whatever this lets pass, `conversation_problems` lets pass too.

    Args:
        rows: the objects.
        text: their JSON, where it is at hand.

    Returns:
        How many strings they hold, keys too. 0 means that nothing is known.
    """
    try:
        messages = list(map(_MESSAGES, rows))
        flat = list(chain.from_iterable(messages))
        lengths, roles = set(map(len, messages)), map(_ROLE, flat)
        told = (set(zip(*[roles] * lengths.pop(), strict=True)) if len(lengths) == 1 and flat
                else {tuple(map(_ROLE, each)) for each in messages})
        contents = list(map(_CONTENT, flat))
        sound = all(map(str.strip, contents)) and all(map(_usual, told))
        if sound and contents and min(map(len, contents)) < _BRIEF:
            sound = all(len(each) >= _BRIEF or each.isascii() or has_letters(each) for each in contents)
        if not sound or sum(map(len, rows)) > len(rows) or sum(map(len, flat)) > 2 * len(flat):
            return 0
    except (KeyError, TypeError):
        return 0
    hidden = text is None or b"\\u00" in text  # as an escape
    if (not hidden and b"<" in text and b"<|" in text) or (  # type: ignore[operator]
            hidden and any("<|" in each for each in contents)):
        return 0
    return len(rows) + 4 * len(flat)


@lru_cache(64)
def _usual(roles: tuple[Any, ...]) -> bool:
    """Whether roles are system or none, then user and assistant in any order, the last one an assistant."""
    rest = roles[1:] if roles and roles[0] == "system" else roles
    return set(rest) == {"user", "assistant"} and rest[-1] == "assistant"


def _message_problems(message: Mapping[str, Any], number: int, where: str) -> Iterator[Problem]:
    role = message.get("role")
    if role not in ROLES:
        what = f"message {number} has the role {role!r}" if "role" in message else f"message {number} has no role"
        yield error("unknown-role", where, what, _role_hint(str(role)))
    content = message.get("content")
    calls = message.get("tool_calls") or message.get("function_call") or message.get("refusal")
    if isinstance(content, str):
        if not has_letters(content) and not (role == "assistant" and calls):
            yield _empty(role, number, where)
        if "<|" in content:
            for token in control_tokens(content, "openai"):
                yield _special(token, number, where)
    elif isinstance(content, list):
        yield from _part_problems(content, role, number, where)
    elif content is not None:
        yield error("bad-content", where, f"content of message {number} is {kind_of(content)}",
                      "make it a string, or a list of parts")
    elif not (role == "assistant" and calls):
        yield error("empty-answer" if role == "assistant" else "no-content", where,
                      f"message {number} ({role}) has no content", "give it a text, or drop the row")
    name = message.get("name")
    if name is not None and not (isinstance(name, str) and _NAMES.fullmatch(name)):
        yield error("bad-name", where, f"message {number} has the name {name!r}",
                      "1 to 64 letters, digits, '_' and '-'")
    for key in message:
        if key not in KEYS:
            near = did_you_mean(key, KEYS)
            yield warning("unknown-key", where, f"message {number} has a key '{key}' that OpenAI's lines do not have",
                          near if near.startswith("did") else "leave it out")


@lru_cache(64)  # a fault of one row is often that of all
def _role_hint(role: str) -> str:
    return f"did you mean '{ALIASES[role]}'?" if role in ALIASES else did_you_mean(role, ROLES)


def has_letters(text: str) -> bool:
    """Whether a text shows anything: white space, marks of no width and the blank of Braille do not."""
    return bool(text.strip(_BLANK)) if len(text) < _BRIEF else bool(text.strip())


def _empty(role: Any, number: int, where: str) -> Problem:
    if role == "assistant":
        return error("empty-answer", where, f"the answer in message {number} is empty or only white space",
                       "drop the row")
    return warning("empty-message", where, f"message {number} ({role}) is empty or only white space",
                   "give it a text, or leave the message out")


def _special(token: str, number: int, where: str) -> Problem:
    return error("special-token", where, f"message {number} contains the special token {token}",
                   "take it out of the text: a job with it is refused ('contains an invalid token')")


def _part_problems(parts: list[Any], role: Any, number: int, where: str) -> Iterator[Problem]:
    texts = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
            for token in control_tokens(part["text"], "openai"):
                yield _special(token, number, where)
        elif kind == "image_url":
            address = part["image_url"].get("url") if isinstance(part.get("image_url"), dict) else None
            if not (isinstance(address, str) and address.startswith(("https://", "http://", "data:"))):
                yield error("bad-part", where, f"message {number} has an image without an address",
                              '{"type": "image_url", "image_url": {"url": "https://... or data:..."}}')
            elif address.startswith("data:"):
                yield from _data_problems(address, number, where)
            if role == "assistant":
                yield error("image-in-answer", where, f"message {number} is an answer with an image",
                              "images are for other roles")
        elif not (kind == "refusal" and role == "assistant"):
            yield error("bad-part", where, f"message {number} has a part of type {kind!r}",
                          'as {"type": "text", "text": "..."}')
    if role == "assistant" and not any(map(has_letters, texts)):
        yield _empty(role, number, where)


def _data_problems(address: str, number: int, where: str) -> Iterator[Problem]:
    """An image that is in the row itself: its kind and size."""
    kind = address[5:].partition(";")[0].partition(",")[0].lower()
    if kind not in _IMAGE_KINDS:
        yield error("bad-image", where, f"message {number} has an image of the kind {kind or 'unknown'}",
                    f"one of {', '.join(_IMAGE_KINDS)}")
    size = (len(address) - address.find(",") - 1) * 3 // 4
    if size > _IMAGE_BYTES:
        yield error("bad-image", where, f"message {number} has an image of {size:,} bytes", f"at most {_IMAGE_BYTES:,}")


def _image_problems(messages: list[Any], where: str) -> Iterator[Problem]:
    """How many images a row has."""
    contents = [message.get("content") for message in messages if isinstance(message, dict)]
    images = sum(isinstance(part, dict) and part.get("type") == "image_url"
                 for content in contents if isinstance(content, list) for part in content)
    if images > _IMAGES:
        yield error("too-many-images", where, f"the row has {images} images", f"at most {_IMAGES}")


def _order_problems(roles: list[Any], where: str) -> Iterator[Problem]:
    if "user" not in roles:
        told = "system" in roles or "developer" in roles
        fix = "add one: --prompt of synth import, or `train: {user: ...}` in a recipe. To train answers alone: "\
              "synth export FILE --to prompt-completion"
        yield (warning if told else error)("no-user", where, "there is no user message", fix)
    if "assistant" not in roles:
        yield error("no-answer", where, "there is no assistant message", "drop the row: nothing is trained")
    elif roles[-1] != "assistant":
        yield error("last-turn-not-assistant", where, f"the last message is from {roles[-1]}",
                      "end with an assistant message: nothing after it is trained")
    late = [role for role in roles[1:] if role in ("system", "developer")]
    if late and roles[0] not in ("system", "developer"):
        yield warning("late-system", where, f"a {late[0]} message stands after the first one",
                      "put it first")


def _weight_problems(messages: list[Any], where: str) -> Iterator[Problem]:
    answers, off = 0, 0
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            continue
        weight = message.get("weight")
        answer = message.get("role") == "assistant"
        answers += answer
        if weight is None:
            continue
        if not answer:
            yield error("weight-not-on-answer", where, f"message {number} ({message.get('role')}) has a weight",
                        "only assistant messages have one")
        elif type(weight) is not int or weight not in (0, 1):
            yield error("bad-weight", where, f"message {number} has the weight {weight!r}", "0 or 1")
        else:
            off += weight == 0
    if answers and off == answers:
        yield error("nothing-trained", where, "every answer has weight 0", "give one of them weight 1")


def _defined(tools: Any) -> frozenset[str] | None:
    """The names of the functions that a row defines; None where it defines none."""
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return frozenset(str(each.get("name")) for each in functions if isinstance(each, dict)) or None


def _call_problems(messages: list[Any], defined: frozenset[str] | None, where: str) -> Iterator[Problem]:
    """Tool calls: their shape, and that each is answered by a tool message before the talk goes on."""
    open_ids: dict[str, int] = {}
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            continue
        if message.get("role") == "tool":
            if open_ids.pop(str(message.get("tool_call_id")), None) is None:
                yield error("unknown-tool-call-id", where,
                              f"message {number} answers the call {message.get('tool_call_id')!r}, which nobody made",
                              "set tool_call_id to the `id` of the call")
            continue
        for missing in open_ids:
            yield error("tool-call-unanswered", where,
                          f"the call {missing!r} of message {open_ids[missing]} is not answered by a tool message",
                          "put the tool message right behind the call")
        open_ids = {}
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            yield from _one_call(call, number, where, defined)
            if isinstance(call, dict):
                if isinstance(call.get("id"), str) and call["id"] in open_ids:
                    yield error("duplicate-tool-call-id", where,
                                f"message {number} has two calls with the id {call['id']!r}", "give each its own")
                open_ids[str(call.get("id"))] = number
        if calls is not None and not isinstance(calls, list):
            yield error("bad-tool-call", where, f"tool_calls of message {number} is not a list", "make it one")


def _one_call(call: Any, number: int, where: str, defined: frozenset[str] | None) -> Iterator[Problem]:
    function = call.get("function") if isinstance(call, dict) else None
    named = isinstance(function, dict) and isinstance(function.get("name"), str)
    if not isinstance(function, dict) or not named or not isinstance(call.get("id"), str):
        yield error("bad-tool-call", where, f"message {number} has a tool call without id or function name",
                      '{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}')
        return
    if not _NAMES.fullmatch(function["name"]):
        yield error("bad-name", where, f"message {number} calls a function named {function['name']!r}",
                    "1 to 64 letters, digits, '_' and '-'")
    elif defined is not None and function["name"] not in defined:
        yield warning("undefined-tool", where,
                      f"message {number} calls {function['name']}, which `tools` does not define",
                      did_you_mean(function["name"], defined))
    for token in control_tokens(str(function.get("arguments")), "openai"):
        yield _special(token, number, where)
    try:
        sound = isinstance(json.loads(function["arguments"]), dict)
    except (KeyError, TypeError, ValueError, RecursionError):
        sound = False
    if not sound:
        yield error("bad-arguments", where, f"arguments of {function['name']}, message {number}, are no JSON object",
                      "`arguments` is a string that holds a JSON object")


def _tool_problems(tools: Any, where: str) -> Iterator[Problem]:
    if tools is None:
        return
    if not isinstance(tools, list):
        yield error("bad-tools", where, "'tools' is not a list", '[{"type": "function", "function": {...}}]')
        return
    for number, tool in enumerate(tools, 1):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not (isinstance(function, dict) and isinstance(function.get("name"), str)):
            yield error("bad-tools", where, f"tool {number} has no function name",
                          '{"type": "function", "function": {"name": "f", "parameters": {...}}}')
        elif not _NAMES.fullmatch(function["name"]):
            yield error("bad-name", where, f"tool {number} is named {function['name']!r}",
                        "1 to 64 letters, digits, '_' and '-'")
