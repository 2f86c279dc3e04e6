"""One JSON text to one object, with what orjson passes over in silence brought to light."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, cast

import orjson

from pipeline.types import Problem
from pipeline.words import kind_of

from ._guess import likely
from ._open import Report

DEEPEST = 200
"""Levels of nesting; orjson writes 254, and our own records need some around."""

_KEY = re.compile(rb'"\s*:')
_BIG = 2.0**63
_SURROGATE = re.compile("[\ud800-\udfff]")


def plain_row(line: bytes) -> dict[str, Any] | None:
    """The object of a line of the usual kind, in which nothing has to be said; None where `parse` has to look.

    Usual are texts, and lists of objects of texts.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    strings = _strings(value) if type(value) is dict else 0
    return value if strings and _has_strings(line, strings) else None


def sound_rows(
    lines: Sequence[bytes], sound: Callable[[Sequence[dict[str, Any]], bytes], int]
) -> list[dict[str, Any]] | None:
    """The objects of lines in which `sound` knows all strings, and no key stands twice; None otherwise."""
    text = lines[0] if len(lines) == 1 else b"".join(lines)
    try:
        values = list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        return None
    strings = sound(values, text)
    return values if strings and _has_strings(text, strings) else None


def _has_strings(text: bytes, count: int) -> bool:
    """Whether so many strings stand in JSON for certain: one more would be a key that stands twice.

    Where no backslash stands before a backslash, every quote that no backslash precedes begins or ends a string.
    U+0000 is left to `parse`.
    """
    quotes = text.count(b'"')
    if b"\\" in text:
        if b"\\\\" in text or b"\\u0000" in text:
            return False
        quotes -= text.count(b'\\"')
    return quotes == 2 * count


def _strings(value: dict[str, Any]) -> int:
    """How many texts an object holds, keys too; 0 where it holds anything but texts and lists of objects of texts."""
    count = len(value)
    for item in value.values():
        if type(item) is str:
            count += 1
        elif type(item) is list:
            for each in item:
                if type(each) is not dict:
                    return 0
                for text in each.values():
                    if type(text) is not str:
                        return 0
                count += 2 * len(each)
        else:
            return 0
    return count


def parse(text: bytes, where: str, report: Report) -> dict[str, Any] | None:
    """The object that a JSON text holds; None where it is refused, and reported.

    Args:
        text: UTF-8.
        where: `file.jsonl:12`.
        report: receives what was wrong.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        report(_refusal(text, error, where))
        return None
    if not isinstance(value, dict):
        what = f"holds {kind_of(value)}, and a row is an object with named columns"
        report(Problem("error", "not-an-object", where, what, 'write {"name": value, ...}'))
        return None
    pairs, depth, big, found_nul = _measure(value, b"\\u0000" in text)
    if depth > DEEPEST:
        report(_too_deep(where))
        return None
    # Every pair shows as a quote and a colon; texts may show more of them, never fewer.
    if len(_KEY.findall(text)) != pairs or big:
        value = _careful(text, where, report)
    if found_nul:
        report(nul(where))
    return cast(dict[str, Any], value)


def nul(where: str) -> Problem:
    """A text holds U+0000."""
    return Problem("warning", "nul", where, "a text holds U+0000, which many tools cut at", "remove it at its source")


def _measure(value: Any, seek_nul: bool) -> tuple[int, int, bool, bool]:
    """Pairs at all levels, levels, whether a number may have lost digits, whether a text holds U+0000."""
    pairs, depth, big, nul = 0, 0, False, False
    level = [value]
    while level:
        depth += 1
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                pairs += len(item)
                below.extend(item.values())
                nul = nul or (seek_nul and any("\0" in key for key in item))
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, float):
                big = big or not -_BIG < item < _BIG
            elif seek_nul and isinstance(item, str) and "\0" in item:
                nul = True
        level = below
    return pairs, depth - 1, big, nul


def _careful(text: bytes, where: str, report: Report) -> dict[str, Any]:
    """Reads it again, slowly: every duplicate key and every number that 64 bits cannot hold."""
    twice: list[str] = []
    big: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(items)
        if len(value) < len(items):
            seen: set[str] = set()
            twice.extend(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return value

    def whole(digits: str) -> int | str:
        if len(digits) <= 20 and -(2**63) <= int(digits) < 2**64:
            return int(digits)
        big.append(digits)
        return digits

    value: dict[str, Any] = json.loads(text, object_pairs_hook=pairs, parse_int=whole)
    if twice:
        names = ", ".join(f"'{name}'" for name in dict.fromkeys(twice))
        report(Problem("warning", "duplicate-key", where, f"{names} stands twice in one object; the last one counts",
                       "give each key once"))
    if big:
        report(Problem("warning", "big-number", where, f"{big[0][:40]} is beyond 64 bits; it is kept as a text",
                       "put quotes around it"))
    return value


def _refusal(text: bytes, error: orjson.JSONDecodeError, where: str) -> Problem:
    """Why orjson refused a text, in words that name the cure."""
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as fault:
        what = f"byte 0x{text[fault.start]:02X} at column {fault.start + 1} is not utf-8"
        return Problem("error", "encoding", where, what, f"--encoding {likely(text) or 'NAME'}")
    if "\0" in decoded:
        return Problem("error", "json", where, "holds NUL bytes: the file was not written whole", "write it again")
    try:
        value = json.loads(decoded, parse_constant=_constant, parse_int=str)
    except _ConstantError as constant:
        return Problem("error", "not-a-number", where, f"{constant} is not JSON", "write null")
    except RecursionError:
        return _too_deep(where)
    except ValueError:
        value = None
    if "depth" in error.msg:
        return _too_deep(where)
    if "infinity" in error.msg:
        return Problem("error", "not-a-number", where, "a number is too large for any reader", "put quotes around it")
    if value is not None and _SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        what = f"half a surrogate pair at column {error.colno}, which no UTF-8 text can hold"
        return Problem("error", "lone-surrogate", where, what, "write the whole character, or \\ufffd")
    torn = error.pos >= len(decoded.rstrip()) or "end of data" in error.msg
    what = "ends in the middle of a value" if torn else f"not JSON at column {error.colno}: {error.msg}"
    return Problem("error", "json", where, what, "write it again" if torn else "mend it; a row is one JSON object")


class _ConstantError(Exception):
    pass


def _constant(name: str) -> NoReturn:
    raise _ConstantError(name)


def _too_deep(where: str) -> Problem:
    return Problem("error", "too-deep", where, f"nested over {DEEPEST} levels deep", "flatten it, or keep it as a text")
