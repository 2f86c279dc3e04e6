"""Counts tokens: exactly where the model's vocabulary is on this machine, else as an estimate that says so.

Nothing here goes to the network. tiktoken downloads a vocabulary when it is first used, so it is asked
only after its own cache was found to hold the file with the right digest. The line that puts it
there, for a person who wants exact counts: see `vocabulary_line`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .digest import canonical
from .types import Message

if TYPE_CHECKING:
    import tiktoken

PER_MESSAGE = 3
"""`<|im_start|>`, `<|im_sep|>` and `<|im_end|>` around role and content (OpenAI's cookbook, 2e652704)."""

PER_NAME = 1
"""What the cookbook adds for a message with a `name`."""

PRIMING = 3
"""The head of the reply, once a conversation. The cookbook adds it; whether it is billed is not documented."""

BYTES_PER_TOKEN = 4
"""For estimates. Real text has 0.46 to 1.26 times as many tokens as this says: no measure for a limit."""


class Count(NamedTuple):
    """A number of tokens; `exact` is False for an estimate."""

    tokens: int
    exact: bool


def count(text: str, model: str) -> Count:
    """The tokens of a text for a model. Special tokens in it count as the text that they are.

    Args:
        text: any text.
        model: a model's name, with or without its provider, tuned ones included.
    """
    encoding = _encoding_for(model)
    if encoding is None:
        return Count(math.ceil(at_most(text) / BYTES_PER_TOKEN), False)
    return Count(_length(encoding, text), True)


def count_messages(messages: Iterable[Message], model: str) -> Count:
    """The tokens of a conversation, with what the wire form adds to every message and to the whole.

    The formula is the OpenAI cookbook's: PER_MESSAGE, the tokens of every value (the role too), PER_NAME
    where there is a name, and PRIMING once. Tool calls count as their JSON and images as nothing, and
    with either the count is an estimate.
    """
    total, exact = PRIMING, True
    for message in messages:
        total += PER_MESSAGE + (PER_NAME if message.get("name") else 0)
        for key, value in message.items():
            texts, sure = _texts(key, value)
            for text in texts:
                found = count(text, model)
                total, exact = total + found.tokens, exact and found.exact
            exact = exact and sure
    return Count(total, exact)


def at_most(text: str) -> int:
    """Bytes of a text in UTF-8: a hard upper bound, since every token is at least one byte."""
    return len(text.encode("utf-8", "surrogatepass"))


def at_most_messages(messages: Iterable[Message]) -> int:
    """A hard upper bound of the tokens of a conversation of text, tool calls included; images are not."""
    listed = list(messages)
    around = (PER_MESSAGE + PER_NAME + 1) * len(listed) + PRIMING
    return len(canonical(listed)) + around


@cache
def encoding_name(model: str) -> str | None:
    """The encoding of a model, as o200k_base; None where it is not known.

    `openai:ft:gpt-4.1-mini-2025-04-14:acme::x1` is read as gpt-4.1-mini: provider and path before it, and
    what tuning adds around it, are left out.
    """
    name = model.rpartition("/")[2]
    before, colon, after = name.partition(":")
    if colon and before != "ft":
        name = after
    name = name.removeprefix("ft:").partition(":")[0].lower()
    fits = [
        (len(prefix), encoding)
        for encoding, prefixes in _table()["models"].items()
        for prefix in prefixes
        if name == prefix or name.startswith(prefix if prefix.endswith(".") else f"{prefix}-")
    ]
    return max(fits)[1] if fits else None


def vocabulary(encoding: str, env: Mapping[str, str] = os.environ) -> Path | None:
    """The file of an encoding's vocabulary where tiktoken would find it, digest checked; None if not there.

    Args:
        encoding: as o200k_base.
        env: TIKTOKEN_CACHE_DIR, else DATA_GYM_CACHE_DIR, else the folder for temporary files.
    """
    listed = _table()["files"].get(encoding)
    folder = env.get("TIKTOKEN_CACHE_DIR", env.get("DATA_GYM_CACHE_DIR"))
    if listed is None or folder == "":  # an empty name switches tiktoken's cache off
        return None
    path = (Path(folder) if folder else Path(tempfile.gettempdir()) / "data-gym-cache") / listed["name"]
    try:
        with path.open("rb") as file:
            sound = hashlib.file_digest(file, "sha256").hexdigest() == listed["sha256"]
    except OSError:
        return None
    return path if sound else None


def vocabulary_line(encoding: str) -> str:
    """The command by which a person downloads a vocabulary, once, for exact counts."""
    return f"""python -c "import tiktoken; tiktoken.get_encoding('{encoding}')\""""


def _texts(key: str, value: Any) -> tuple[list[str], bool]:
    """What counts of a message's key, and whether that is known to be all of it."""
    if isinstance(value, str):
        return [value], True
    if value is None or key == "weight":
        return [], True
    if key == "content" and isinstance(value, list):
        parts = [part for part in value if isinstance(part, dict)]
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        return texts, len(texts) == len(value)
    return [canonical(value).decode("utf-8")], False


def _encoding_for(model: str) -> tiktoken.Encoding | None:
    name = encoding_name(model)
    return _load(name, os.environ.get("TIKTOKEN_CACHE_DIR"), os.environ.get("DATA_GYM_CACHE_DIR")) if name else None


@cache
def _load(name: str, *_folders: str | None) -> tiktoken.Encoding | None:
    """The encoding, if its vocabulary is here. Remembered for each pair of folders that may hold it."""
    if vocabulary(name) is None:
        return None
    import tiktoken

    return tiktoken.get_encoding(name)


def _length(encoding: tiktoken.Encoding, text: str) -> int:
    try:
        return len(encoding.encode(text, disallowed_special=()))
    except UnicodeEncodeError:  # half a surrogate pair, which tiktoken counts as U+FFFD
        return len(encoding.encode(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
                                   disallowed_special=()))


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(Path(__file__).with_name("encodings.json").read_bytes())
    return table
