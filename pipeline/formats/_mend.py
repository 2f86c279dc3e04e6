"""What can be mended in chat messages without a doubt: what is meant is certain, and no text is touched."""

from __future__ import annotations

import json
from typing import Any

from ._chat import ALIASES, ROLES


def mend_messages(messages: Any) -> list[str]:
    """Mends messages in place, and says what was done.

    - A role by another name, as `human` or `Assistant`.
    - A weight on what is never trained goes away; one on an answer that says 0 or 1 in another type becomes the number.
    - Arguments of a tool call that are an object become the string that holds it.
    - A call without a type is one of a function.
    """
    done: dict[str, None] = {}
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            for said in (_role(message), _weight(message), *map(_call, _calls(message))):
                done.update(dict.fromkeys(said))
    return list(done)


def _role(message: dict[str, Any]) -> list[str]:
    role = message.get("role")
    if not isinstance(role, str) or role in ROLES:
        return []
    plain = role.strip().lower()
    right = ALIASES.get(plain, plain)
    if right not in ROLES:
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
