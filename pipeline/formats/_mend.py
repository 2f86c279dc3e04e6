"""What can be mended in chat messages without a doubt: what is meant is certain, and no text is touched."""

from __future__ import annotations

import json
from typing import Any

from ._chat import ALIASES, ROLES


def mend_messages(messages: Any) -> list[str]:
    """Mends messages in place, and says what was done.

    - A role by another name, as `human` or `Assistant`, unless that would make two neighbours of one role.
    - A weight on what is never trained goes away; one on an answer that says 0 or 1 in another type becomes the number.
    - Arguments of a tool call that are an object become the string that holds it.
    - A call without a type is one of a function.
    """
    done: dict[str, None] = {}
    messages = messages if isinstance(messages, list) else []
    meant = [_meant(message.get("role")) if isinstance(message, dict) else None for message in messages]
    for at, message in enumerate(messages):
        if isinstance(message, dict):
            beside = (*meant[max(0, at - 1):at], *meant[at + 1:at + 2])
            for said in (_role(message, beside), _weight(message), *map(_call, _calls(message))):
                done.update(dict.fromkeys(said))
    return list(done)


def _meant(role: Any) -> str | None:
    """The role that a name stands for."""
    plain = role.strip().lower() if isinstance(role, str) else ""
    right = ALIASES.get(plain, plain)
    return right if right in ROLES else None


def _role(message: dict[str, Any], beside: tuple[str | None, ...]) -> list[str]:
    role = message.get("role")
    right = _meant(role)
    if role in ROLES or right is None or (right in beside and right != "tool"):
        return []
    message["role"] = right
    return [f"the role {role!r} is now {right!r}"]


def _weight(message: dict[str, Any]) -> list[str]:
    if "weight" not in message:
        return []
    weight, role = message["weight"], message.get("role")
    if role != "assistant":
        if role in ROLES:
            del message["weight"]
            return [f"a weight is taken off a message of {role}, which is never trained"]
    elif type(weight) is not int and weight in (0, 1, "0", "1"):
        message["weight"] = int(weight)
        return [f"the weight {json.dumps(weight)} is now {int(weight)}"]
    return []


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _call(call: dict[str, Any]) -> list[str]:
    done = []
    function = call.get("function")
    if isinstance(function, dict) and isinstance(function.get("arguments"), dict):
        function["arguments"] = json.dumps(function["arguments"], ensure_ascii=False)
        done.append("arguments of a tool call are now the string that holds them")
    if isinstance(function, dict) and "type" not in call:
        call["type"] = "function"
        done.append("a tool call has the type 'function'")
    return done
