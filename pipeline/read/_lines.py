"""Splits a stream of bytes into lines at LF, CRLF or (where there is no LF) CR, in any encoding."""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedIOBase
from typing import NamedTuple

from pipeline.types import Problem

from ._open import Chunks, Report

LONGEST = 128 * 1024 * 1024
"""Bytes of the longest row that is read: over twice the longest that training hosts accept."""

_CHUNK = 1 << 20


class Line(NamedTuple):
    """A line with its break. `raw` is the bytes as they are; `start` its offset; `number` 1-based."""

    raw: bytes
    start: int
    number: int


class Breaks(NamedTuple):
    """How a file's lines end: LF and CR as its encoding writes them, and its byte order mark."""

    lf: bytes
    cr: bytes
    bom: bytes

    def body(self, raw: bytes) -> bytes:
        """A line without its break."""
        if not raw.endswith(self.lf):
            return raw
        raw = raw[: -len(self.lf)]
        return raw[: -len(self.cr)] if self.cr and raw.endswith(self.cr) else raw


def breaks(head: bytes, codec: str | None) -> tuple[Breaks, str | None]:
    """The line breaks of a file, and its encoding after a look at its byte order mark.

    Args:
        head: its first bytes, some thousands.
        codec: Python's name, None for UTF-8.
    """
    if codec is None and head.startswith(b"\xef\xbb\xbf"):
        return _breaks("utf-8", b"\xef\xbb\xbf", head), None
    wide = codec is None or codec in ("utf-16", "utf-32")
    for bom, name in ((b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"),
                      (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(bom) and (wide or codec == name):
            return _breaks(name, bom, head), name
    name = {None: "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(codec, codec) or "utf-8"
    return _breaks(name, b"", head), codec and name


def _breaks(name: str, bom: bytes, head: bytes) -> Breaks:
    lf, cr = "\n".encode(name), "\r".encode(name)
    if len(lf) == 1 and lf not in head and cr in head.rstrip(cr):
        return Breaks(cr, b"", bom)
    return Breaks(lf, cr, bom)


def lines(stream: BufferedIOBase, how: Breaks, where: str, report: Report) -> Iterator[Line]:
    """The lines of a stream, the last one too where it has no break.

    A line over LONGEST bytes is reported, skipped, and costs no memory. `raw` of the first line starts
    after the byte order mark; empty input gives no line.
    """
    for block in blocks(stream, how, where, report):
        position, number = 0, block.number
        for end in ends(block.data, how.lf, 0):
            yield Line(block.data[position:end], block.start + position, number)
            position, number = end, number + 1
        if position < len(block.data):
            yield Line(block.data[position:], block.start + position, number)


class Block(NamedTuple):
    """Whole lines one behind the other: their bytes, where the first one starts, and its number."""

    data: bytes
    start: int
    number: int


def blocks(stream: BufferedIOBase, how: Breaks, where: str, report: Report) -> Iterator[Block]:
    """A stream in pieces of whole lines, of about a megabyte; only the last line may lack its break. See `lines`."""
    lf, width = how.lf, len(how.lf)
    start, number, tail, searched = len(how.bom), 1, b"", 0
    skipping, first = False, True
    chunks = Chunks(stream, where, report)
    while True:
        chunk = chunks.read(max(_CHUNK, len(tail)), number)
        if first:
            chunk, first = chunk.removeprefix(how.bom), False
        buffer = tail + chunk
        cut = _last_end(buffer, lf, searched)
        begin = 0
        if skipping and cut:
            begin, number, skipping = next(ends(buffer, lf, searched)), number + 1, False
        if begin < cut:
            data = buffer[begin:cut]
            yield Block(data, start + begin, number)
            number += data.count(lf) if width == 1 else sum(1 for _ in ends(data, lf, 0))
        tail = buffer[cut:]
        start += cut
        searched = max(0, len(tail) - width + 1)
        searched -= searched % width
        if not chunk:
            break
        if len(tail) > LONGEST and not skipping:
            report(Problem("error", "too-long", f"{where}:{number}", f"a row of over {LONGEST // 2**20} MiB",
                           "split it, or check its line breaks"))
            skipping = True
        if skipping:
            keep = len(tail) % width + width
            start, tail, searched = start + len(tail) - keep, tail[-keep:], 0
    if tail and not skipping:
        yield Block(tail, start, number)


def _last_end(buffer: bytes, lf: bytes, begin: int) -> int:
    """Where the last whole line ends; 0 where there is none."""
    width = len(lf)
    found = buffer.rfind(lf, begin)
    while found != -1 and found % width:
        found = buffer.rfind(lf, begin, found + width - 1)
    return found + width if found != -1 else 0


def ends(buffer: bytes, lf: bytes, begin: int) -> Iterator[int]:
    """Where lines end, breaks included; in wide encodings only breaks on a unit's border count."""
    width = len(lf)
    found = buffer.find(lf, begin)
    while found != -1:
        if width == 1 or found % width == 0:
            yield found + width
            found = buffer.find(lf, found + width)
        else:
            found = buffer.find(lf, found + 1)
