"""The JSON value in what a model said: found in one of three ways and in no other, and never bent."""

from __future__ import annotations

import json
import re
from typing import Any

_FENCE = re.compile(r"^[ \t]*```[\w+-]*[ \t]*\r?\n(.*?)\r?\n[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_BEGIN = re.compile(r"[\[{]")


class Unread(Exception):
    """An answer that cannot be used; the message says why, for the model that gave it and for a person."""


def json_in(text: str) -> Any:
    """The JSON value of a text.

    1. The text is JSON, white space around it apart.
    2. It holds one block between lines of three backticks, and what stands in there is JSON; prose may stand around it.
    3. Without such a block: from its first brace or bracket on it is JSON, and what stands behind that value holds no
       further brace or bracket.

    Raises:
        Unread: none of these, a key that stands twice, or what JSON cannot carry (NaN, half of a surrogate pair).
    """
    whole = text.strip()
    if not whole:
        raise Unread("it is empty")
    blocks = _FENCE.findall(whole)
    if len(blocks) > 1:
        raise Unread("it holds several blocks")
    found = blocks[0].strip() if blocks else whole
    try:
        return _sound(_DECODER.decode(found))
    except (ValueError, RecursionError) as error:
        first = error
    begin = _BEGIN.search(found)
    if blocks or begin is None:
        raise Unread(f"it is not JSON: {_plain(first)}")
    try:
        value, end = _DECODER.raw_decode(found, begin.start())
    except (ValueError, RecursionError) as error:
        raise Unread(f"it is not JSON: {_plain(error)}") from None
    if re.search(r"[\[\]{}]", found[end:]):
        raise Unread("it goes on with further brackets behind the JSON")
    return _sound(value)


def json_alone(text: str) -> Any:
    """The JSON value that a text is, white space around it apart.

    Raises:
        Unread: it is none; see `json_in`.
    """
    try:
        return _sound(_DECODER.decode(text.strip()))
    except (ValueError, RecursionError) as error:
        raise Unread(f"it is not JSON: {_plain(error)}") from None


def _sound(value: Any) -> Any:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Unread("it holds half of a surrogate pair, which is no text") from None
    except (ValueError, RecursionError):
        raise Unread("it holds a number that JSON does not have") from None
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
        raise Unread(f"the key {twice!r} stands twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def _plain(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else "it is nested too deeply"
