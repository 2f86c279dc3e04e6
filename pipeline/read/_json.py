"""Rows of JSON: one object per line, or a document of objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from io import BufferedIOBase, BytesIO
from typing import Any, NamedTuple

from pipeline.types import Problem

from ._lines import LONGEST, Breaks, blocks, ends
from ._open import Chunks, Report
from ._values import parse, plain_row, sound_rows


class Row(NamedTuple):
    """A row of a user's file.

    Attributes:
        values: column -> value, as JSON has them.
        number: 1-based: the line it begins on, or which row it is (.json documents, Parquet).
        start: offset of its first byte, after unpacking.
        end: offset behind its last byte; a line break is not part of it.
        data: its bytes as they are in the file; empty for Parquet.
    """

    values: dict[str, Any]
    number: int
    start: int
    end: int
    data: bytes


class Batch(NamedTuple):
    """Lines of a file with which nothing is wrong, of which `Sound` is certain.

    Attributes:
        values: their objects.
        lines: their bytes, line breaks included.
        number: of the first one, 1-based.
    """

    values: list[dict[str, Any]]
    lines: list[bytes]
    number: int


Sound = Callable[[Sequence[dict[str, Any]], bytes], int]
"""Says of objects and their JSON lines whether nothing is wrong with any of them: how many strings they hold, keys
too, where they hold nothing but strings in lists and objects; 0 where that is not known, or where one is no object."""


_CHUNK = 1 << 20
_TOGETHER, _LONGEST_REST = 64, 1024
"""Lines that are looked at together: what is certain of all of them costs little for each."""
_GAP = re.compile(rb"[\s,]*")
_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')
_SCALAR = re.compile(rb'[^\s,{}\[\]"]+')


def is_document(head: bytes) -> bool:
    """Whether JSON that begins so is laid out over lines, so that a line is no row."""
    first = head.lstrip().split(b"\n", 1)
    return len(first) == 2 and first[0].strip() in (b"{", b"[")


def line_rows(
    stream: BufferedIOBase, how: Breaks, codec: str | None, where: str, report: Report, sound: Sound | None = None
) -> Iterator[Row | Batch]:
    """One object per line. `data` is the line without its break. Batches come where `sound` knows them."""
    crlf = False
    for block in blocks(stream, how, where, report):
        usual = codec is None and how.lf == b"\n" and b"\r" not in block.data and block.data.endswith(b"\n")
        start, number = block.start, block.number
        for raws, batch in _parts(block.data, how.lf, sound if usual else None):
            if batch is not None:
                yield Batch(batch, raws, number)
                start, number = start + sum(map(len, raws)), number + len(raws)
                continue
            for raw in raws:
                values = plain_row(raw) if usual else None
                if values is not None:
                    yield Row(values, number, start, start + len(raw) - 1, raw[:-1])
                else:
                    data, at = how.body(raw), f"{where}:{number}"
                    if len(raw) - len(data) > len(how.lf) and not crlf:
                        crlf = True
                        report(Problem("note", "crlf", at, "lines end in CR LF; no row contains them"))
                    values = _line(raw, data, how, codec, at, report)
                    if values is not None:
                        yield Row(values, number, start, start + len(data), data)
                start, number = start + len(raw), number + 1


def _parts(
    block: bytes, lf: bytes, sound: Sound | None
) -> Iterator[tuple[list[bytes], list[dict[str, Any]] | None]]:
    """The lines of a block, and the objects of those that are sound together; None of lines to be looked at singly."""
    raws = list(BytesIO(block)) if lf == b"\n" else list(_split(block, lf))
    if sound is None:
        yield raws, None
        return
    begin, rest = 0, 0
    while begin < len(raws):
        part = raws[begin : begin + _TOGETHER]
        found = sound_rows(part, sound)
        yield part, found
        begin += len(part)
        if found is not None:
            rest = 0
        else:  # where nothing is sound, it is not asked for ever
            rest = min(2 * rest + _TOGETHER, _LONGEST_REST)
            yield raws[begin : begin + rest], None
            begin += rest


def _split(block: bytes, lf: bytes) -> Iterator[bytes]:
    position = 0
    for end in ends(block, lf, 0):
        yield block[position:end]
        position = end
    if position < len(block):
        yield block[position:]


def _line(
    raw: bytes, data: bytes, how: Breaks, codec: str | None, at: str, report: Report
) -> dict[str, Any] | None:
    """The object of a line, with everything that is noticed on the way; None where there is none."""
    last = not raw.endswith(how.lf)
    if not data.strip(b" \t\r\n\v\f\0" if codec else b" \t\r\n\v\f"):
        report(Problem("note", "blank-line", at, "a blank line, skipped"))
        return None
    text = as_utf8(data, codec, at, report)
    values = None if text is None else parse(text, at, report)
    if last:
        what = "; it is read all the same" if values is not None else " and cannot be read: the file may be cut off"
        report(Problem("note", "no-final-newline", at, f"the last line has no line break{what}"))
    return values


def as_utf8(data: bytes, codec: str | None, where: str, report: Report) -> bytes | None:
    """Bytes of another encoding as UTF-8; None where they are not in it, and reported."""
    if codec is None:
        return data
    try:
        return data.decode(codec).encode("utf-8")
    except UnicodeError as error:
        place = f"byte 0x{data[error.start]:02X} at column {error.start + 1}" if isinstance(error, UnicodeDecodeError) \
            else "a character"
        report(Problem("error", "encoding", where, f"{place} is not {codec}", "name another --encoding"))
        return None


def document_rows(stream: BufferedIOBase, bom: bytes, where: str, report: Report) -> Iterator[Row]:
    """The objects of an array, one object, or objects one after the other; UTF-8. `number` counts them.

    `data` is each object's own bytes. Only one object at a time is in memory.
    """
    window = _Window(stream, where, report)
    window.move(len(bom))
    number, depth = 0, 0
    while window.skip(_GAP):
        mark = window.mark
        if (mark, depth) in ((b"[", 0), (b"]", 1)) and (number == 0 or depth == 1):
            depth += 1
            window.move(1)
            continue
        number += 1
        at, start = f"{where}:{window.line}", window.offset
        size = window.value_size()
        if size is None:
            report(Problem("error", "json", at, f"row {number} does not end; nothing after this place could be read",
                           "mend the brackets and quotes here"))
            return
        data = window.move(size)
        values = parse(data, at, report)
        if values is not None:
            yield Row(values, number, start, start + size, data)
    if depth == 1:
        report(Problem("warning" if number else "error", "json", f"{where}:{window.line}",
                       "the array does not end: the file may be cut off", "check that the file is whole"))


class _Window:
    """The part of a stream that is being looked at: bytes from the cursor on, offset and line of the cursor."""

    def __init__(self, stream: BufferedIOBase, where: str, report: Report) -> None:
        self.offset, self.line = 0, 1
        self._data, self._cursor, self._ended = b"", 0, False
        self._chunks = Chunks(stream, where, report)
        self._more()

    @property
    def mark(self) -> bytes:
        """The byte at the cursor."""
        return self._data[self._cursor : self._cursor + 1]

    def move(self, size: int) -> bytes:
        """Moves on by `size` bytes, and returns them."""
        end = self._cursor + size
        passed = self._data[self._cursor : end]
        self.line += passed.count(b"\n")
        self.offset += size
        self._cursor = end
        return passed

    def skip(self, pattern: re.Pattern[bytes]) -> bool:
        """Moves past what matches; False at the end of the stream."""
        while True:
            found = pattern.match(self._data, self._cursor)
            self.move(found.end() - self._cursor if found else 0)
            if self._cursor < len(self._data):
                return True
            if not self._more():
                return False

    def value_size(self) -> int | None:
        """The length of the value that begins here; None where it does not end, or is too long."""
        if self.mark not in (b"{", b"[", b'"'):
            return self._scalar_size()
        ahead, depth, inside = 0, 0, False
        while True:
            found = (_INSIDE if inside else _OUTSIDE).search(self._data, self._cursor + ahead)
            mark = found.group() if found else b""
            if found is None or (mark == b"\\" and found.end() >= len(self._data)):
                ahead = (found.start() if found else len(self._data)) - self._cursor
                if ahead > LONGEST or not self._more():
                    return None
                continue
            ahead = found.end() - self._cursor
            if mark == b"\\":
                ahead += 1
            elif mark == b'"':
                inside = not inside
            else:
                depth += 1 if mark in b"{[" else -1
            if depth <= 0 and not inside:
                return ahead

    def _scalar_size(self) -> int:
        while True:
            found = _SCALAR.match(self._data, self._cursor)
            size = found.end() - self._cursor if found else 1  # 1: a bracket that closes nothing
            if self._cursor + size < len(self._data) or size > LONGEST or not self._more():
                return size

    def _more(self) -> bool:
        """Forgets what is behind the cursor and reads on; False at the end of the stream."""
        if self._ended:
            return False
        left = self._data[self._cursor :]
        chunk = self._chunks.read(max(_CHUNK, len(left)), self.line)
        self._ended = not chunk
        self._data, self._cursor = left + chunk, 0
        return bool(chunk)
