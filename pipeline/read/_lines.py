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
    start, number, tail, searched = 0, 0, b"", 0
    skipping, first = False, True
    chunks = Chunks(stream, where, report)
    while True:
        chunk = chunks.read(max(_CHUNK, len(tail)), number + 1)
        if first:
            chunk, first, start = chunk.removeprefix(how.bom), False, len(how.bom)
        buffer = tail + chunk
        position = 0
        for end in _ends(buffer, how.lf, searched):
            number += 1
            if skipping:
                skipping = False
            else:
                yield Line(buffer[position:end], start + position, number)
            position = end
        tail = buffer[position:]
        start += position
        searched = max(0, len(tail) - len(how.lf) + 1)
        searched -= searched % len(how.lf)
        if not chunk:
            break
        if len(tail) > LONGEST and not skipping:
            report(Problem("error", "too-long", f"{where}:{number + 1}", f"a row of over {LONGEST // 2**20} MiB",
                           "split it, or check its line breaks"))
            skipping = True
        if skipping:
            keep = len(tail) % len(how.lf) + len(how.lf)
            start, tail, searched = start + len(tail) - keep, tail[-keep:], 0
    if tail and not skipping:
        yield Line(tail, start, number + 1)


def _ends(buffer: bytes, lf: bytes, begin: int) -> Iterator[int]:
    """Where lines end, breaks included; in wide encodings only breaks on a unit's border count."""
    width = len(lf)
    found = buffer.find(lf, begin)
    while found != -1:
        if width == 1 or found % width == 0:
            yield found + width
            found = buffer.find(lf, found + width)
        else:
            found = buffer.find(lf, found + 1)
