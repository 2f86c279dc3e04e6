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
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .digest import canonical
from .errors import DataError, MissingExtra
from .types import Message

if TYPE_CHECKING:
    import tiktoken

PER_MESSAGE = 3
"""`<|im_start|>`, `<|im_sep|>` and `<|im_end|>` around role and content (OpenAI's cookbook, 2e652704)."""

PER_NAME = 1
"""What the cookbook adds for a message with a `name`."""

PER_TOOL = 16
"""What hosts write around each tool (OpenAI's cookbook has 7 and 12 for the whole list): a bound, no count."""

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
        return Count(estimate(text), False)
    return Count(_length(encoding, text), True)


def count_messages(messages: Iterable[Message], model: str) -> Count:
    """The tokens of a conversation, with what the wire form adds to every message and to the whole; see `counted`."""
    found = counted(messages, vocabulary_of(model))
    return Count(found.tokens, found.exact)


class Counted(NamedTuple):
    """The tokens of a conversation; `answers` are those of what its assistant says, without what is around it."""

    tokens: int
    exact: bool
    answers: int


def counted(messages: Iterable[Message], vocabulary: Vocabulary) -> Counted:
    """The tokens of a conversation in a vocabulary.

    The formula is the OpenAI cookbook's: PER_MESSAGE, the tokens of every value (the role too), PER_NAME
    where there is a name, and PRIMING once. Tool calls count as their JSON and images as nothing, and
    with either the count is an estimate.
    """
    length = vocabulary.length or estimate
    total, exact, answers = PRIMING, vocabulary.length is not None, 0
    for message in messages:
        total += PER_MESSAGE + (PER_NAME if message.get("name") else 0)
        role = message.get("role")
        for key, value in message.items():
            if key == "role" and isinstance(value, str):
                total += _role(vocabulary, value) if value in _ROLES else length(value)
                continue
            texts, sure = _texts(key, value)
            found = sum(map(length, texts))
            total, exact = total + found, exact and sure
            if role == "assistant" and key == "content":
                answers += found
    return Counted(total, exact, answers)


def estimate(text: str) -> int:
    """About how many tokens a text has, where nobody can count."""
    return math.ceil(at_most(text) / BYTES_PER_TOKEN)


_ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))


@lru_cache(256)
def _role(vocabulary: Vocabulary, role: str) -> int:
    return (vocabulary.length or estimate)(role)


def count_body(body: Mapping[str, Any], model: str) -> Count:
    """The tokens of a request: its conversation, and its tools as their JSON, which is an estimate: hosts write them
    out in ways of their own."""
    found = count_messages(body.get("messages", []), model)
    if not body.get("tools"):
        return found
    return Count(found.tokens + count(canonical(body["tools"]).decode("utf-8", "replace"), model).tokens, False)


def at_most(text: str) -> int:
    """Bytes of a text in UTF-8: a hard upper bound, since every token is at least one byte."""
    return len(text.encode("utf-8", "surrogatepass"))


def at_most_messages(messages: Iterable[Message]) -> int:
    """A hard upper bound of the tokens of a conversation of text, tool calls included; images are not."""
    listed = list(messages)
    around = (PER_MESSAGE + PER_NAME + 1) * len(listed) + PRIMING
    return len(canonical(listed)) + around


def at_most_body(body: Mapping[str, Any]) -> int:
    """A hard upper bound of the tokens of a request of text: its conversation, and its tools."""
    tools = body.get("tools")
    return at_most_messages(body.get("messages", [])) + (len(canonical(tools)) + PER_TOOL * len(tools) if tools else 0)


@cache
def encoding_name(model: str) -> str | None:
    """The encoding of a model, as o200k_base; None where it is not known.

    `openai:ft:gpt-4.1-mini-2025-04-14:acme::x1` is read as gpt-4.1-mini: provider and path before it, and
    what tuning adds around it, are left out.
    """
    listed = [(prefix, encoding) for encoding, prefixes in _table()["models"].items() for prefix in prefixes]
    found: str | None = _nearest(model, dict(listed))
    return found


@cache
def example_limit(model: str) -> int | None:
    """Tokens that a training example may have at the host of a model; a longer one loses its end, so its answer's.

    None where it is not known.
    """
    found: int | None = _nearest(model, _table()["examples"]["limits"])
    return found


def _nearest(model: str, listed: Mapping[str, Any]) -> Any:
    """What is listed for a model: under the longest of the names that it begins with."""
    name = model.rpartition("/")[2]
    before, colon, after = name.partition(":")
    if colon and before != "ft":
        name = after
    name = name.removeprefix("ft:").partition(":")[0].lower()
    fits = [prefix for prefix in listed
            if name == prefix or name.startswith(prefix if prefix.endswith(".") else f"{prefix}-")]
    return listed[max(fits, key=len)] if fits else None


class Piece(NamedTuple):
    """A token of a text: its id, where it stands (characters [start, end)), and whether it is no text to the model.

    Tokens that are parts of one character's bytes all have the place of that character.
    """

    id: int | None
    start: int
    end: int
    special: bool = False


class Vocabulary(NamedTuple):
    """Who counts, and how well.

    Attributes:
        name: of the encoding, or of a tokenizer's folder; empty where nobody can count.
        length: the tokens of a text; None where its vocabulary is not on this machine.
        line: the command that puts it there; empty where there is none.
        cut: the tokens themselves; None where `length` is.
    """

    name: str
    length: Callable[[str], int] | None
    line: str = ""
    cut: Callable[[str], list[Piece]] | None = None


def vocabulary_of(model: str) -> Vocabulary:
    """Who counts for a model of a host."""
    name = encoding_name(model)
    if name is None:
        return Vocabulary("", None)
    encoding = _encoding_for(model)
    if encoding is None:
        return Vocabulary(name, None, vocabulary_line(name))
    return Vocabulary(name, partial(_length, encoding), cut=partial(_cut, encoding))


def vocabulary_in(folder: Path) -> Vocabulary:
    """Who counts for a model of one's own: tokenizer.json in its folder. Special tokens in a text count as one each.

    Raises:
        DataError: there is none, or it cannot be read.
        MissingExtra: the package tokenizers is not installed.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise DataError(f"{folder}: there is no tokenizer.json", "name the folder that a tokenizer was saved to")
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtra.of("tokenizers", "local", f"counting tokens with {path}") from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises plain Exceptions
        cure = "save it again: tokenizer.save_pretrained(FOLDER)"
        raise DataError(f"{path}: is no tokenizer: {error}", cure) from None

    special = {index for index, token in tokenizer.get_added_tokens_decoder().items() if token.special}

    def length(text: str) -> int:
        return len(tokenizer.encode(_whole(text), add_special_tokens=False).ids)

    def cut(text: str) -> list[Piece]:
        found = tokenizer.encode(_whole(text), add_special_tokens=False)
        return [Piece(index, *place, index in special) for index, place in zip(found.ids, found.offsets, strict=True)]

    return Vocabulary(str(folder), length, cut=cut)


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


def _whole(text: str) -> str:
    """A text with U+FFFD in place of half a surrogate pair, of which no tokenizer knows."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _length(encoding: tiktoken.Encoding, text: str) -> int:
    try:
        return len(encoding.encode(text, disallowed_special=()))
    except UnicodeEncodeError:
        return len(encoding.encode(_whole(text), disallowed_special=()))


def _cut(encoding: tiktoken.Encoding, text: str) -> list[Piece]:
    ids = encoding.encode(_whole(text), disallowed_special=())
    _, starts = encoding.decode_with_offsets(ids)
    return [Piece(index, start, max(start + 1, end))
            for index, start, end in zip(ids, starts, [*starts[1:], len(text)], strict=True)]


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(Path(__file__).with_name("encodings.json").read_bytes())
    return table
