"""Rows of CSV and TSV: quotes as in RFC 4180, cells as they are, the separator found by looking."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from io import BufferedIOBase
from typing import NamedTuple

from pipeline.errors import DataError
from pipeline.types import Problem
from pipeline.words import plural

from ._guess import likely
from ._json import Row
from ._lines import LONGEST, Breaks, Line, lines
from ._open import Report
from ._values import nul

SEPARATORS = (",", ";", "\t", "|")
"""In order of preference where several fit as well."""


class Record(NamedTuple):
    """One record: its lines joined. `text` is None where the bytes are not in the encoding."""

    text: str | None
    raw: bytes
    start: int
    number: int
    last: int


class Table(NamedTuple):
    """How a file's cells are found. `separator` is None where the header names one column only."""

    names: list[str]
    separator: str | None


def table_rows(stream: BufferedIOBase, how: Breaks, codec: str | None, where: str, report: Report,
               separator: str | None = None) -> Iterator[Row]:
    """One row per record; every value is a text, empty where the cell is. `number` is its first line.

    `data` is the record's bytes without its last line break.

    Args:
        separator: what is between cells; found by looking where it is None.

    Raises:
        DataError: the header cannot be read.
    """
    encoding = codec or "utf-8"
    source = lines(stream, how, where, report)
    head = _head(source)
    table, header_end = _header(head, how, encoding, where, report, separator)
    following = _chain(head, source)
    for record in records(following, table.separator, encoding, where, report):
        if record.number <= header_end:
            continue
        data = how.body(record.raw)
        at = f"{where}:{record.number}"
        if not data.strip():
            report(Problem("note", "blank-line", at, "a blank line, skipped"))
            continue
        if record.text is None:
            report(_not_in(encoding, record.raw, at))
            continue
        cells = split(record.text[: len(record.text) - _break_length(record.text)], table.separator)
        problem = _fault(cells, table, record, at)
        if problem is not None:
            report(problem)
            continue
        assert cells is not None
        if "\0" in record.text:
            report(nul(at))
        yield Row(dict(zip(table.names, cells, strict=True)), record.number, record.start,
                    record.start + len(data), data)


def header(stream: BufferedIOBase, how: Breaks, codec: str | None, where: str, report: Report,
           separator: str | None = None) -> list[str]:
    """The names of the columns."""
    return _header(_head(lines(stream, how, where, report)), how, codec or "utf-8", where, report, separator)[0].names


def records(source: Iterator[Line], separator: str | None, encoding: str, where: str,
            report: Report) -> Iterator[Record]:
    """Joins lines until quotes are closed.

    A quote that nothing closes is reported, its line is left out, and reading goes on at the next line.
    """
    waiting: deque[Line] = deque()
    while True:
        first = waiting.popleft() if waiting else next(source, None)
        if first is None:
            return
        if b'"' not in first.raw and encoding == "utf-8":
            yield Record(_decoded(first.raw, encoding), first.raw, first.start, first.number, first.number)
            continue
        taken, size = [first], len(first.raw)
        inside = open_after(first.raw.decode(encoding, "replace"), separator, False)
        while inside and size <= LONGEST:
            line = waiting.popleft() if waiting else next(source, None)
            if line is None:
                break
            taken.append(line)
            size += len(line.raw)
            inside = open_after(line.raw.decode(encoding, "replace"), separator, True)
        if inside:
            report(Problem("error", "quote", f"{where}:{first.number}", "a quote opens here that nothing closes",
                           'close it, or write a quote inside a quoted cell twice: ""'))
            waiting.extendleft(reversed(taken[1:]))
            continue
        raw = b"".join(line.raw for line in taken)
        yield Record(_decoded(raw, encoding), raw, first.start, first.number, taken[-1].number)


def open_after(text: str, separator: str | None, inside: bool) -> bool:
    """Whether a quoted cell is still open at the end of a line.

    Args:
        text: one line.
        separator: what is between cells.
        inside: whether one was open at its beginning.
    """
    position = 0
    while True:
        if inside:
            closing = _closing(text, position)
            if closing == -1:
                return True
            position = closing + 1
        elif text.startswith('"', position):
            inside, position = True, position + 1
            continue
        inside = False
        position = text.find(separator, position) + 1 if separator else 0
        if position == 0:
            return False


def split(text: str, separator: str | None) -> list[str] | None:
    """The cells of a record without its line break; None where something follows a closing quote."""
    if '"' not in text:
        return text.split(separator) if separator else [text]
    cells: list[str] = []
    position = 0
    while True:
        if text.startswith('"', position):
            closing = _closing(text, position + 1)
            if closing == -1:
                return None
            cells.append(text[position + 1 : closing].replace('""', '"'))
            position = closing + 1
            if position < len(text) and not (separator and text.startswith(separator, position)):
                return None
        else:
            end = text.find(separator, position) if separator else -1
            end = len(text) if end == -1 else end
            cells.append(text[position:end])
            position = end
        if position >= len(text):
            return cells
        position += 1


def _closing(text: str, position: int) -> int:
    """Where the quoted cell that is open at `position` closes; -1 where it does not."""
    while True:
        quote = text.find('"', position)
        if quote == -1 or not text.startswith('"', quote + 1):
            return quote
        position = quote + 2


def _head(source: Iterator[Line]) -> list[Line]:
    """The first lines: what the separator is judged by."""
    head: list[Line] = []
    size = 0
    for line in source:
        head.append(line)
        size += len(line.raw)
        if size > 1 << 16 or len(head) >= 200:
            break
    return head


def _chain(head: list[Line], source: Iterator[Line]) -> Iterator[Line]:
    yield from head
    yield from source


def _header(head: list[Line], how: Breaks, encoding: str, where: str, report: Report,
            separator: str | None) -> tuple[Table, int]:
    """Names and separator, and the last line of the header."""
    chosen = separator or _sniff(head, encoding)
    for record in records(iter(head), chosen, encoding, where, _quiet):
        if record.text is None:
            problem = _not_in(encoding, record.raw, f"{where}:{record.number}")
            raise DataError(f"{problem.where}: the header: {problem.message}", problem.fix)
        if not how.body(record.raw).strip():
            continue
        cells = split(record.text[: len(record.text) - _break_length(record.text)], chosen)
        if cells is None:
            raise DataError(f"{where}:{record.number}: the header: something follows a closing quote",
                            'write a quote inside a quoted cell twice: ""')
        single = len(cells) == 1 and separator is None
        return Table(_names(cells, f"{where}:{record.number}", report), None if single else chosen), record.last
    return Table([], chosen), 0


def _sniff(head: list[Line], encoding: str) -> str:
    """The separator with which most of the first records have as many cells as the header, and over one."""
    best, found = (0.0, 1), SEPARATORS[0]
    for candidate in SEPARATORS:
        widths = []
        for record in records(iter(head), candidate, encoding, "", _quiet):
            text = record.text or ""
            if text.strip():
                widths.append(len(split(text[: len(text) - _break_length(text)], candidate) or ()))
        if not widths or widths[0] < 2:
            continue
        score = (Counter(widths)[widths[0]] / len(widths), widths[0])
        if score > best:
            best, found = score, candidate
    return found


def _names(cells: list[str], where: str, report: Report) -> list[str]:
    """The columns' names; those that are missing or taken get one that says so."""
    names: list[str] = []
    for position, cell in enumerate(cells, 1):
        name, again = cell or f"column_{position}", 2
        while name in names or (name != cell and name in cells):
            name = f"{cell or 'column'}_{again}"
            again += 1
        if name != cell:
            why = f"'{cell}' names two columns" if cell else "has no name"
            report(Problem("warning", "header", where, f"column {position}: {why}; it is read as '{name}'",
                           "give each column its own name in the first line"))
        names.append(name)
    if names and all(_is_number(name) for name in names):
        report(Problem("warning", "header", where, "the first line names the columns, and here it holds numbers only",
                       "write a line of names above it"))
    return names


def _fault(cells: list[str] | None, table: Table, record: Record, where: str) -> Problem | None:
    span = f" (lines {record.number} to {record.last})" if record.last > record.number else ""
    if cells is None:
        return Problem("error", "quote", where, f"something follows a closing quote{span}",
                       'write a quote inside a quoted cell twice: ""')
    if len(cells) != len(table.names):
        found = f"{plural(len(cells), 'cell')}, and the header names {len(table.names)}{span}"
        return Problem("error", "cells", where, found,
                       "put quotes around a cell that holds the separator or a line break")
    return None


def _not_in(encoding: str, raw: bytes, where: str) -> Problem:
    try:
        raw.decode(encoding)
        column = 0
    except UnicodeDecodeError as error:
        column = error.start
    except UnicodeError:
        column = 0
    return Problem("error", "encoding", where, f"byte 0x{raw[column]:02X} at column {column + 1} is not {encoding}",
                   f"--encoding {likely(raw) or 'NAME'}")


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeError:
        return None


def _break_length(text: str) -> int:
    if text.endswith("\r\n"):
        return 2
    return 1 if text.endswith(("\n", "\r")) else 0


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _quiet(problem: Problem) -> None:
    """For a look ahead: the reading itself reports."""
