"""Canonical JSON, and the digests that name calls, samples and draws."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Any

import orjson

CALL_SCHEME = 1
"""Version of the call id. Altering what enters an id re-bills users: tests/golden/call_ids.json."""

ID_LENGTH = 26
"""Characters of an id: 130 bits, so that 10^12 ids collide with a chance of about 10^-15."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_SHIFTS = range(10 * (ID_LENGTH // 2 - 1), -1, -10)

NOT_IN_THE_ANSWER = frozenset(
    {
        "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier",
        "store", "stream", "stream_options", "user",
    }
)
"""Keys of a chat body that cannot change the answer, so they stay out of its id."""


def canonical(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces: the same bytes on every machine.

    Floats print in their shortest form, as Python's repr; NaN and the infinities are null. Lone surrogates,
    which UTF-8 cannot hold, are written as escapes (`\\ud800`), and integers over 64 bits as they are, so that
    every value that JSON can carry has a digest.

    Raises:
        TypeError: for a value that JSON does not have.
    """
    if _plain(value):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            pass
    import json

    finite = json.loads(json.dumps(_string_keys(value)), parse_constant=lambda _: None)
    return json.dumps(finite, sort_keys=True, separators=(",", ":")).encode("ascii")


def _plain(value: Any) -> bool:
    """False where a float needs an exponent, which versions of orjson write in different ways (1e16, 1e+16)."""
    if isinstance(value, float):
        return value == 0 or 1e-4 <= abs(value) < 1e15
    items = value.values() if isinstance(value, dict) else value if isinstance(value, _ARRAYS) else ()
    return all(type(item) in _NO_FLOATS or _plain(item) for item in items)


_ARRAYS = (list, tuple)
_NO_FLOATS = frozenset({str, int, bool, type(None)})


def _string_keys(value: Any) -> Any:
    """The value itself. Raises TypeError for a key that is no text, which `json` would quietly turn into one."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key of a JSON object is a text")
        return {key: _string_keys(item) for key, item in value.items()}
    return [_string_keys(item) for item in value] if isinstance(value, list | tuple) else value


def digest(*parts: Any) -> str:
    """26 characters of lower-case base32 sha256 over the canonical JSON of `parts`."""
    return digest_bytes(canonical(list(parts)))


def digest_bytes(data: bytes) -> str:
    """26 characters of lower-case base32 sha256 over raw bytes."""
    bits = int.from_bytes(hashlib.sha256(data).digest()[:17], "big") >> 6  # 130 of 136
    return "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])


def call_id(namespace: str, kind: str, body: dict[str, Any], repeat: int = 0) -> str:
    """The id of one question to one model.

    Args:
        namespace: name of the provider entry; never a URL, a port or a key.
        kind: endpoint kind, as `chat`.
        body: what is sent, as it is sent.
        repeat: 0 for the first answer to this body, 1 for the second, ...
    """
    asked = {key: value for key, value in body.items() if key not in NOT_IN_THE_ANSWER}
    return digest("call", CALL_SCHEME, namespace, kind, asked, repeat)


def hash_unit(*parts: Any) -> float:
    """A float in (0, 1), uniform over `parts`, equal on every machine."""
    number = int.from_bytes(hashlib.blake2b(canonical(list(parts)), digest_size=8).digest(), "big")
    return (number + 0.5) / 2.0**64


def hash_int(*parts: Any) -> int:
    """A 64-bit integer, uniform over `parts`, equal on every machine: a seed."""
    return int.from_bytes(hashlib.blake2b(canonical(list(parts)), digest_size=8).digest(), "big")


def text_key(text: str) -> bytes:
    """12 bytes that stand for a text in memory, lone surrogates or not."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def normal_text(text: str) -> str:
    """NFC, case-folded, white space collapsed: what two texts share when only layout differs."""
    same = text if text.isascii() else unicodedata.normalize("NFC", text)
    if same.isprintable() and "  " not in same and same[:1] != " " and same[-1:] != " ":
        return same.casefold()  # no white space but single spaces
    return " ".join(same.casefold().split())
