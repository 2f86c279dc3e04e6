"""Rows as they arrive: samples.jsonl followed while a run writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..types import Sample
from .files import loads
from .samples import from_row


def tail(path: Path, wait: Callable[[], bool], *, last: int = 0) -> Iterator[Sample]:
    """The rows that are appended to a file from now on. What is no row is passed over.

    Args:
        path: samples.jsonl; it may not exist yet.
        wait: called when there is nothing new; the rows end when it returns False.
        last: begin with so many of the rows that stand already.
    """
    position, torn = _start(path, last), b""
    while True:
        data = b""
        if path.exists():
            if path.stat().st_size < position:  # a hand or `--restore` made it shorter: begin at its new end
                position, torn = path.stat().st_size, b""
            with path.open("rb") as file:
                file.seek(position)
                data = file.read(1 << 20)
        position += len(data)
        *lines, torn = (torn + data).split(b"\n")
        yield from (sample for line in lines if (sample := _row(line)) is not None)
        if not data and not wait():
            return


def _row(line: bytes) -> Sample | None:
    try:
        return from_row(loads(line), line)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _start(path: Path, last: int) -> int:
    """The byte where the last `last` whole lines begin."""
    if not path.exists():
        return 0
    end = position = path.stat().st_size
    tail = b""
    with path.open("rb") as file:
        while position and tail.count(b"\n") <= last:
            step = min(1 << 16, position)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
    whole = tail[: tail.rfind(b"\n") + 1]
    lines = whole.splitlines(keepends=True)
    return end - len(tail) + len(whole) - sum(map(len, lines[len(lines) - min(last, len(lines)) :]))
