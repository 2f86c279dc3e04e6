"""Rows of a recipe's `source`, each with the id that it keeps for ever."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pipeline.digest import canonical, digest, digest_bytes
from pipeline.errors import DataError
from pipeline.sections import Source

from ._encoding import EncodingFault, encoding_fault
from ._open import Report, kind
from ._rows import file_digest, rows
from .folders import pairs

_CACHE_KIB = 65_536


class SourceRow(NamedTuple):
    """A row that exists already.

    Attributes:
        id: digest of its bytes and its ordinal among equal rows of the file: the row's id in every dataset.
        values: its columns; of two folders `name`, `prompt` and `completion`.
        source: {file, digest, row, start, end, number} as samples carry it: `file` as the recipe says it,
            `digest` of the whole file, `row` the id, offsets in bytes after unpacking, `number` the line.
        data: the bytes; empty for Parquet.
    """

    id: str
    values: dict[str, Any]
    source: dict[str, Any]
    data: bytes


def source_rows(source: Source, folder: Path, problem: Report) -> Iterator[SourceRow]:
    """The rows of a source in its order; memory does not grow with them.

    `where` and `rows` of the source are not looked at here.

    Args:
        source: a file, or two folders of texts joined by name.
        folder: where its paths begin: the recipe's.
        problem: receives what was wrong with a row.

    Raises:
        DataError: no such file or folder; or it is in another encoding, with the one to name.
        RecipeError: no such encoding.
        MissingExtra: Parquet without pyarrow.
    """
    with closing(Ordinals()) as ordinals:
        if source.file is None:
            yield from _folder_rows(source, folder, problem, ordinals)
        else:
            yield from _file_rows(source, source.file, folder, problem, ordinals)


def refuse_encoding(path: Path, encoding: str | None) -> None:
    """Stops before a file that is, as a whole, in another encoding than the one it is read in.

    A stray line is no reason, nor a damaged one: a line of JSON must be JSON in the encoding that is guessed.

    Raises:
        DataError: with the first such line, and the encoding to name.
    """
    fault, what = encoding_fault(path, encoding), kind(path)
    if fault is None or fault.stray or (what == "json" and fault.guess is None):
        return
    if what == "jsonl" and not _is_json(fault.line, fault.guess):
        return
    cure = f"iconv -f {fault.guess} -t utf-8 {path} > utf8.json" if what == "json" else fault.problem.fix
    raise DataError(_sentence(fault), cure)


class Ordinals:
    """Counts equal rows in constant memory: a private database that the system may put on disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for line in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", f"PRAGMA cache_size=-{_CACHE_KIB}",
                     "CREATE TABLE seen (key BLOB PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID", "BEGIN"):
            self._database.execute(line)

    def next(self, key: bytes) -> int:
        """How often this key was asked for before."""
        if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, 1)", (key,)).rowcount:
            return 0
        count: int = self._database.execute("SELECT count FROM seen WHERE key = ?", (key,)).fetchone()[0]
        self._database.execute("UPDATE seen SET count = count + 1 WHERE key = ?", (key,))
        return count

    def close(self) -> None:
        """Forgets everything."""
        self._database.close()


def row_id(data: bytes, ordinal: int) -> str:
    """The id of a row by its bytes and how many equal rows came before it."""
    return digest("row", digest_bytes(data), ordinal)


def _file_rows(source: Source, name: str, folder: Path, problem: Report, ordinals: Ordinals) -> Iterator[SourceRow]:
    path = folder / name
    what = kind(path)
    refuse_encoding(path, source.encoding)
    whole = file_digest(path)
    for row in rows(path, problem, encoding=source.encoding):
        if what == "parquet":
            named = canonical(row.values)
        else:  # a record of a table says nothing without its columns' names
            named = canonical(list(row.values)) + row.data if what in ("csv", "tsv") else row.data
        found = row_id(named, ordinals.next(hashlib.sha256(named).digest()[:16]))
        place = {"file": name, "digest": whole, "row": found, "start": row.start, "end": row.end, "number": row.number}
        yield SourceRow(found, row.values, place, row.data)


def _folder_rows(source: Source, folder: Path, problem: Report, ordinals: Ordinals) -> Iterator[SourceRow]:
    asked, answered = str(source.prompts), str(source.completions)
    joined = pairs(folder / asked, folder / answered, source.order, problem, encoding=source.encoding)
    for number, pair in enumerate(joined, 1):
        found = row_id(pair.data, ordinals.next(hashlib.sha256(pair.data).digest()[:16]))
        place = {
            "file": f"{answered.rstrip('/')}/{pair.name}", "prompt_file": f"{asked.rstrip('/')}/{pair.name}",
            "digest": digest_bytes(pair.data), "row": found, "start": 0, "end": len(pair.data), "number": number,
        }
        values = {"name": pair.name, "prompt": pair.prompt, "completion": pair.completion}
        yield SourceRow(found, values, place, pair.data)


def _is_json(line: bytes, encoding: str | None) -> bool:
    try:
        return encoding is not None and isinstance(orjson.loads(line.decode(encoding)), dict)
    except ValueError:
        return False


def _sentence(fault: EncodingFault) -> str:
    lines = f"{fault.bad:,} of {fault.lines:,} lines" if fault.bad > 1 else f"this line of {fault.lines:,}"
    return f"{fault.problem.where}: {fault.problem.message}; {lines} cannot be read"
