"""Files that are ours: atomic replacement, checksummed lines, JSONL through jsonlines with orjson."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import orjson

from ..digest import canonical
from ..errors import DataError

_SEAL = len(b',"crc":"00000000"}')


def write_atomic(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Writes beside the target, syncs, then replaces it: a reader sees the old file or the new one.

    Raises:
        DataError: the disk is full or the folder cannot be written; the old file stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            for chunk in (data,) if isinstance(data, bytes) else data:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", f"the old file stands; free space: df -h {path.parent}") from error
    finally:
        with suppress(OSError):
            part.unlink()


def sealed(event: dict[str, Any]) -> bytes:
    """One line of JSON whose last key, `crc`, is the CRC-32 of what stands before it."""
    try:
        data = orjson.dumps(event)
    except TypeError:
        data = canonical(event)  # lone surrogates become escapes
    return data[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(data)


def unsealed(line: bytes) -> dict[str, Any] | None:
    """The event of a sealed line; None where the line is torn or damaged."""
    body = line.rstrip(b"\n")
    if len(body) < _SEAL + 2 or not body.endswith(b'"}'):
        return None
    data = body[:-_SEAL] + b"}"
    if body[-10:-2] != b"%08x" % zlib.crc32(data):
        return None
    try:
        event = loads(data)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def loads(data: bytes | str) -> Any:
    """JSON, escaped lone surrogates included, which orjson refuses. Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        import json

        return json.loads(data)  # escaped lone surrogates, which orjson refuses


def _dumps(value: Any) -> str:
    try:
        return orjson.dumps(value).decode("utf-8")
    except TypeError:
        return canonical(value).decode("ascii")


@contextmanager
def jsonl_writer(file: IO[str]) -> Iterator[Any]:
    """A jsonlines writer with orjson as its codec, over an open text file."""
    import jsonlines

    with jsonlines.Writer(file, dumps=_dumps) as writer:
        yield writer


def jsonl_bytes(value: dict[str, Any]) -> bytes:
    """One line of our own JSONL, with its line break."""
    return _dumps(value).encode("utf-8") + b"\n"


def jsonl_reader(path: Path) -> Iterator[Any]:
    """The values of a file that we wrote; nothing where there is no such file.

    Raises:
        DataError: a line is not JSON, with its number.
    """
    import jsonlines

    if not path.exists():
        return
    with path.open(encoding="utf-8") as file, jsonlines.Reader(file, loads=loads) as reader:
        try:
            yield from reader.iter(skip_empty=True)
        except jsonlines.InvalidLineError as error:
            raise DataError(f"{path}:{error.lineno}: not JSON", "remove the line; synth rebuilds what it can") from None


def sync_folder(folder: Path) -> None:
    """Makes a new name in a folder durable, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
