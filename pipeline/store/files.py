"""Files that are ours: atomic replacement, checksummed lines, JSONL through jsonlines with orjson."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import orjson

from ..digest import canonical
from ..errors import DataError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a system says when the disk, or the user's share of it, is full."""

_SEAL = b',"crc":"%08x"}'
_SEAL_LENGTH = len(_SEAL % 0)

_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_LONG = b"0" * 19
"""A run of digits that 64 bits may not hold, once `_DIGITS` made every digit the same."""


def refusal(path: Path, error: OSError) -> DataError:
    """A sentence and a cure for what the system refused to do with `path`."""
    place = path if path.is_dir() else path.parent
    if error.errno in FULL:
        hint = f"free some space (df -h {place}), then run the same command again: everything that came is kept"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = f"ls -ld {place} {path}   shows who may write there"
    else:
        hint = f"ls -ld {place} {path}"
    return DataError(f"{path}: {error.strerror or error}", hint)


def write_atomic(
    path: Path, data: bytes | Iterable[bytes], *, spare: bool = False, before: Callable[[], Path | None] | None = None,
) -> None:
    """Writes beside the target, syncs, then replaces it: a reader sees the old file or the new one.

    Args:
        path: the file.
        data: what it shall hold.
        spare: leave the file alone, its time too, where it holds that already.
        before: asked before the file is replaced: under which name the old one stays.

    Raises:
        DataError: the disk is full or the folder cannot be written; the old file stands.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            for chunk in (data,) if isinstance(data, bytes) else data:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if not (spare and path.is_file() and filecmp.cmp(part, path, shallow=False)):
            if old := before() if before else None:
                _stays(path, part.with_suffix(".before"))
                part.with_suffix(".before").replace(old)
            part.replace(path)
    except OSError as error:
        raise refusal(path, error) from error
    finally:
        for left in (part, part.with_suffix(".before")):
            with suppress(OSError):
                left.unlink()


def _stays(path: Path, other: Path) -> None:
    """Gives a file a second name; a copy where the system has no links."""
    with suppress(FileNotFoundError):
        other.unlink()
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)


def swap_files(path: Path, other: Path) -> None:
    """Each of two files takes the other's place; `path` is always there, and counts as written now.

    Raises:
        DataError: the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.swap")
    try:
        there = path.exists()
        if there:
            _stays(path, part)
        other.replace(path)
        os.utime(path)
        if there:
            part.replace(other)
    except OSError as error:
        raise refusal(path, error) from error


def append_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Appends whole lines to a file that one process at a time writes; a torn tail is cut before.

    Returns:
        How many lines.

    Raises:
        DataError: the disk is full or the file cannot be written; the lines before stand.
    """
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_torn_tail(path)
        with path.open("ab") as file:
            for line in lines:
                file.write(line)
                count += 1
    except OSError as error:
        raise refusal(path, error) from error
    return count


def last_break(file: IO[bytes]) -> int:
    """The byte behind the last line break of an open file; 0 where it has none."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        begin = max(0, end - (1 << 16))
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def cut_torn_tail(path: Path) -> int:
    """Cuts what stands behind the last line break; returns how many bytes went. No file is no fault."""
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        size, end = file.seek(0, os.SEEK_END), last_break(file)
        if end < size:
            file.truncate(end)
    return size - end


def sealed(event: dict[str, Any]) -> bytes:
    """One line of JSON whose last key, `crc`, is the CRC-32 of what stands before it."""
    try:
        data = orjson.dumps(event)
    except TypeError:
        data = canonical(event)  # lone surrogates become escapes, numbers over 64 bits stay whole
    return data[:-1] + _SEAL % zlib.crc32(data) + b"\n"


def unsealed(line: bytes) -> dict[str, Any] | None:
    """The event of a sealed line; None where the line is torn or damaged."""
    body = line.rstrip(b"\r\n")
    data = body[:-_SEAL_LENGTH] + b"}"
    if len(data) < 3 or body[-_SEAL_LENGTH:] != _SEAL % zlib.crc32(data):
        return None
    try:
        event = loads(data)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def loads(data: bytes | str) -> Any:
    """JSON with all that Python holds: escaped lone surrogates, which orjson refuses, and integers over 64
    bits, which it would turn into floats.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    text = data.encode("utf-8") if isinstance(data, str) else data
    try:
        if _LONG in text.translate(_DIGITS):
            raise orjson.JSONDecodeError("a number may be over 64 bits", "", 0)
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        import json

        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def loads_or_none(data: bytes) -> Any:
    """JSON, or None where it is none."""
    try:
        return loads(data)
    except ValueError:
        return None


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


def jsonl_reader(
    path: Path, fix: str = "remove the line; synth rebuilds what it can", *, whole: bool = True,
) -> Iterator[dict[str, Any]]:
    """The objects of a file that we wrote; nothing where there is no such file.

    A last line that a killed process left half-written (no line break, not JSON) is passed over.

    Args:
        path: the file.
        fix: the cure of a damaged line; `{line}` and `{path}` are filled in.
        whole: whether a damaged line is an error; otherwise it is passed over.

    Raises:
        DataError: a line is not a JSON object, with its number.
    """
    import jsonlines

    if not path.exists():
        return
    try:
        with path.open("rb") as file, jsonlines.Reader(_whole(file), loads=loads) as reader:
            yield from reader.iter(type=dict, skip_empty=True, skip_invalid=not whole)
    except jsonlines.InvalidLineError as error:
        hint = fix.format(line=error.lineno, path=path)
        raise DataError(f"{path}:{error.lineno}: not a JSON object", hint) from None
    except OSError as error:
        raise refusal(path, error) from error


def _whole(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, without a torn last one."""
    for line in file:
        if not line.endswith(b"\n"):
            try:
                loads(line)
            except ValueError:
                return
        yield line


def sync_folder(folder: Path) -> None:
    """Makes a new name in a folder durable, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
