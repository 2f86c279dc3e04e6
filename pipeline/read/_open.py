"""Opens a user's file: its kind by name, gzip by its first bytes, faults as sentences."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader
from pathlib import Path

from pipeline.errors import DataError, RecipeError, did_you_mean
from pipeline.types import Problem

KINDS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet",
}
"""File name endings and what they mean; each also with `.gz` behind."""

ENCODINGS = (
    "utf-8", "cp1252", "latin-1", "utf-16", "shift_jis", "gb18030", "big5", "cp949", "cp1251", "cp1250", "mac-roman",
)
"""What is named when an encoding is not known; any text encoding of Python's is understood."""

_PACKED = {
    b"PK\x03\x04": ("a zip or Excel file", "save it as CSV (UTF-8), or unzip it"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "zstd -d {path}"),
    b"\xfd7zXZ\x00": ("packed by xz", "unxz {path}"),
    b"BZh": ("packed by bzip2", "bunzip2 {path}"),
}

Report = Callable[[Problem], None]


def kind(path: Path) -> str:
    """`jsonl`, `json`, `csv`, `tsv` or `parquet`, by the name.

    Raises:
        DataError: a name with another ending, or a folder.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder, not a file", "two folders of texts: --prompts DIR --completions DIR")
    name = path.name.lower().removesuffix(".gz")
    for suffix, found in KINDS.items():
        if name.endswith(suffix):
            return found
    if name.endswith((".xlsx", ".xls", ".ods")):
        raise DataError(f"{path}: is a spreadsheet", "save it as CSV (UTF-8)")
    raise DataError(f"{path}: cannot tell what is in it by its name",
                    f"rename it: {', '.join(KINDS)}, each also with .gz behind")


def codec(encoding: str | None) -> str | None:
    """Python's name of a text encoding, None for UTF-8 (with or without a byte order mark).

    Raises:
        RecipeError: no such text encoding.
    """
    if encoding is None:
        return None
    try:
        name = codecs.lookup(encoding).name
        "\n".encode(name)
    except (LookupError, UnicodeError):
        raise RecipeError(f"unknown encoding '{encoding}'", did_you_mean(encoding, ENCODINGS)) from None
    return None if name in ("utf-8", "utf-8-sig") else name


@contextmanager
def opened(path: Path) -> Iterator[BufferedIOBase]:
    """The file's bytes as a buffered stream, unpacked where it is gzip.

    Raises:
        DataError: not there, a folder, not readable, or packed in another way.
    """
    with _open(path) as file:
        head = file.read(6)
        file.seek(0)
        for magic, (what, cure) in _PACKED.items():
            if head.startswith(magic):
                raise DataError(f"{path}: is {what}", cure.format(path=path))
        if head.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked
        else:
            yield file


class Chunks:
    """A stream in pieces; damage in a gzip file is its end, reported once, and what came before it counts.

    Args:
        stream: from `opened`.
        where: the file, for the report.
        report: receives the damage.
    """

    def __init__(self, stream: BufferedIOBase, where: str, report: Report) -> None:
        self._stream, self._where, self._report = stream, where, report
        self._ended = False

    def read(self, size: int, line: int) -> bytes:
        """`size` bytes, fewer at the end, none behind it. `line` is where the reader stands."""
        parts: list[bytes] = []
        while size > 0 and not self._ended:
            try:
                part = self._stream.read1(size)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                why = "ends before its data does" if isinstance(error, EOFError) else f"is damaged ({error})"
                self._report(Problem("error", "gzip", f"{self._where}:{line}",
                                     f"the gzip data {why}; rows after this place are lost",
                                     "copy or download the file again"))
                part = b""
            except OSError as error:
                raise DataError(f"{self._where}: {error.strerror or error}") from None
            self._ended = not part
            size -= len(part)
            parts.append(part)
        return b"".join(parts)


def _reads(path: Path) -> bool:
    """Whether a path is a file of rows, by its name."""
    return path.name.lower().removesuffix(".gz").endswith(tuple(KINDS)) and path.is_file()


def _open(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except FileNotFoundError:
        beside = [p.name for p in sorted(path.parent.glob("*")) if _reads(p)] if path.parent.is_dir() else []
        raise DataError(f"{path}: no such file", did_you_mean(path.name, beside[:200])) from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
