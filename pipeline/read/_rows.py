"""Reads a file's rows by its kind; see the package for what is refused and what is kept."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import orjson

from pipeline.digest import ID_LENGTH
from pipeline.errors import DataError
from pipeline.types import Problem

from ._json import Batch, Row, Sound, document_rows, is_document, line_rows
from ._lines import Breaks, breaks
from ._open import Chunks, Report, codec, kind, opened
from ._parquet import parquet_columns, parquet_rows
from ._table import header, table_rows

__all__ = ["Batch", "Row", "Sound", "columns", "file_digest", "file_sha256", "kind", "rows", "shortened", "sifted"]

_HEAD = 1 << 16
_LOOKED_AT = 100


def rows(path: Path, problem: Report, *, encoding: str | None = None) -> Iterator[Row]:
    """The rows of a file, in its order.

    Args:
        path: .jsonl .ndjson .json .csv .tsv .parquet, each also .gz.
        problem: receives what was wrong with a row, where, and its cure.
        encoding: of a text file; None for UTF-8, or what its byte order mark says.

    Raises:
        DataError: no such file, a kind that is not read, or a header that cannot be.
        RecipeError: no such encoding.
        MissingExtra: Parquet without pyarrow.
    """
    return cast(Iterator[Row], sifted(path, problem, None, encoding=encoding))


def sifted(
    path: Path, problem: Report, sound: Sound | None, *, encoding: str | None = None
) -> Iterator[Row | Batch]:
    """As `rows`, and lines of which `sound` is certain come many at a time, for a third of the cost."""
    found = _found(path, problem, encoding, sound)
    first = next(found, None)
    if first is not None:
        yield first
        yield from found
    else:
        problem(Problem("warning", "empty", str(path), "holds no row that can be read"))


def columns(path: Path, *, encoding: str | None = None) -> list[str]:
    """The names of a file's columns, from its header or its first hundred rows, in order of appearance.

    Raises:
        DataError, RecipeError, MissingExtra: as `rows`.
    """
    what = kind(path)
    with ExitStack() as stack:
        stream, how, name = _begin(path, encoding, stack)
        if what == "parquet":
            return parquet_columns(stream, path)
        if what in ("csv", "tsv"):
            return header(stream, how, name, str(path), _quiet, "\t" if what == "tsv" else None)
    names: dict[str, None] = {}
    for number, row in enumerate(rows(path, _quiet, encoding=encoding), 1):
        names.update(dict.fromkeys(row.values))
        if number >= _LOOKED_AT:
            break
    return list(names)


def file_digest(path: Path) -> str:
    """26 characters of lower-case base32 sha256 over a file's bytes, packed as they are.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return shortened(file_sha256(path))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, packed as they are, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shortened(sha256: str) -> str:
    """What `file_digest` says of a file with this sha256."""
    return base64.b32encode(bytes.fromhex(sha256)).decode("ascii")[:ID_LENGTH].lower()


def _found(path: Path, report: Report, encoding: str | None, sound: Sound | None) -> Iterator[Row | Batch]:
    what, where = kind(path), str(path)
    with ExitStack() as stack:
        stream, how, name = _begin(path, encoding, stack)
        if how.bom:
            report(Problem("note", "bom", f"{where}:1", "begins with a byte order mark, no part of the first row"))
        if what == "parquet":
            yield from parquet_rows(stream, path, report)
        elif what in ("csv", "tsv"):
            yield from table_rows(stream, how, name, where, report, "\t" if what == "tsv" else None)
        elif name is None and _laid_out(stream, what, path):
            if what == "jsonl":
                report(Problem("note", "not-lines", where, "one JSON document and not a row per line; read as such"))
            yield from document_rows(stream, how.bom, where, report)
        else:
            yield from line_rows(stream, how, name, where, report, sound)


def _begin(path: Path, encoding: str | None, stack: ExitStack) -> tuple[BufferedIOBase, Breaks, str | None]:
    """Its stream from the first byte on, its line breaks, its encoding (None: UTF-8)."""
    what = kind(path)
    stream = stack.enter_context(opened(path))
    if what == "parquet":
        if path.name.lower().endswith(".gz"):
            stream = _unpacked(stream, stack)
        return stream, Breaks(b"\n", b"\r", b""), None
    how, name = breaks(_peek(stream, path), codec(encoding))
    if name is None and (wide := _wide(_peek(stream, path))):
        raise DataError(f"{path}:1: every second byte is zero: {wide} without a byte order mark", f"--encoding {wide}")
    if what == "json" and name is not None:
        cure = f"iconv -f {name} -t utf-8 {path} > utf8.json"
        raise DataError(f"{path}: a JSON document in {name}, and JSON is UTF-8", cure)
    return stream, how, name


def _peek(stream: BufferedIOBase, path: Path) -> bytes:
    """The first bytes, left where they are. Damage behind them, in a packed file, shows when it is read.

    Raises:
        DataError: a packed file that is damaged before its first byte.
    """
    damage: list[Problem] = []
    head = Chunks(stream, str(path), damage.append).read(_HEAD, 1)
    if damage and not head:  # gzip's reader does not go back to a header that it could not read
        raise DataError(f"{path}: {damage[0].message.partition(';')[0]}", damage[0].fix)
    stream.seek(0)
    return head


def _laid_out(stream: BufferedIOBase, what: str, path: Path) -> bool:
    """Whether JSON is a document, so that its lines are not its rows."""
    head = _peek(stream, path).removeprefix(b"\xef\xbb\xbf").lstrip()
    if what == "jsonl":
        return is_document(head)
    first, _, rest = head.partition(b"\n")
    try:
        return not (isinstance(orjson.loads(first), dict) and rest.lstrip().startswith(b"{"))
    except orjson.JSONDecodeError:
        return True


def _wide(head: bytes) -> str | None:
    """`utf-16-le` or `-be` where a text has zeros at every second byte and hardly any between."""
    even, odd = head[0::2][:2048], head[1::2][:2048]
    if len(odd) < 2:
        return None
    zeros = even.count(0) / len(even), odd.count(0) / len(odd)
    if zeros[1] > 0.7 and zeros[0] < 0.1:
        return "utf-16-le"
    return "utf-16-be" if zeros[0] > 0.7 and zeros[1] < 0.1 else None


def _unpacked(stream: BufferedIOBase, stack: ExitStack) -> BufferedIOBase:
    """A copy on disk, since Parquet is read from its end."""
    copy = stack.enter_context(cast(BufferedIOBase, tempfile.TemporaryFile()))  # noqa: SIM115
    chunks = Chunks(stream, "", _quiet)  # a copy cut short is no Parquet file, which is said then
    while chunk := chunks.read(1 << 20, 1):
        copy.write(chunk)
    copy.seek(0)
    return copy


def _quiet(problem: Problem) -> None:
    """For a look ahead: the reading itself reports."""
