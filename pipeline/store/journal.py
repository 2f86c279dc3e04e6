"""The append-only journal under calls/: one writer per file, one sealed line per event.

An event counts as done when its line is on the disk (`fdatasync`, in groups). A reader takes whole,
sealed lines and names the others; what a killed process left half-written is cut at the next start.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from .files import sealed, sync_folder, unsealed

BALLAST = 8 << 20
"""Bytes set aside while a journal is open: given up when the disk is full, so that answers which
are already paid and on their way still find room."""


class Entry(NamedTuple):
    """One event and where it stands: [start, end) in bytes of the file."""

    event: dict[str, Any]
    start: int
    end: int


class Damaged(NamedTuple):
    """A line that is not what was written: its number (1-based) and its place."""

    line: int
    start: int
    end: int


def read_events(path: Path, start: int = 0) -> Iterator[Entry | Damaged]:
    """Events from byte `start` on; a torn last line (no line break) is passed over in silence."""
    number = 0
    with path.open("rb") as file:
        if start:
            number = sum(chunk.count(b"\n") for chunk in _chunks(file, start))
        file.seek(start)
        for line in file:
            number += 1
            if not line.endswith(b"\n"):
                return
            event = unsealed(line)
            yield Entry(event, start, start + len(line)) if event else Damaged(number, start, start + len(line))
            start += len(line)


def _chunks(file: Any, until: int) -> Iterator[bytes]:
    while until > 0:
        chunk = file.read(min(until, 1 << 20))
        if not chunk:
            return
        until -= len(chunk)
        yield chunk


def cut_torn_tail(path: Path) -> int:
    """Cuts what stands behind the last line break; returns how many bytes went."""
    size = path.stat().st_size
    with path.open("rb+") as file:
        end = size
        while end > 0:
            begin = max(0, end - (1 << 16))
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                end = begin + found + 1
                break
            end = begin
        if end < size:
            file.truncate(end)
    return size - end


class Journal:
    """The writing end: this process's own file, made when the first event comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None
        self._handle: int | None = None
        self._size = 0
        self._buffer: list[bytes] = []
        self._unwritten: list[bytes] = []  # what the disk refused; tried again at close
        self._lock: asyncio.Lock | None = None
        self._full = False
        self._mutex = threading.Lock()
        self._written = 0  # events given to `append`, ever
        self._synced = 0  # of these, how many are on the disk

    def append(self, event: dict[str, Any]) -> int:
        """Queues an event; durable after the next `sync` or `durable`. Returns its number."""
        self._buffer.append(sealed({**event, "at": event.get("at") or now()}))
        self._written += 1
        return self._written

    def sync(self) -> None:
        """Writes what is queued and waits for the disk.

        Raises:
            DataError: the disk is full. What was queued is on disk all the same (see BALLAST).
        """
        self._flush(self._take())

    async def durable(self, *events: dict[str, Any]) -> None:
        """Appends events and returns when they are on the disk; callers share one fdatasync."""
        mine = 0
        for event in events:
            mine = self.append(event)
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            if self._synced < mine:
                await asyncio.to_thread(self._flush, self._take())

    def _take(self) -> tuple[list[bytes], int]:
        """What is queued; called on the thread that appends, so that no event slips between."""
        batch, self._buffer = self._buffer, []
        return batch, self._written

    def _flush(self, taken: tuple[list[bytes], int]) -> None:
        batch, count = taken
        with self._mutex:  # `sync` may be called while a thread still writes an earlier batch
            if batch:
                try:
                    self._write(b"".join(batch))
                except DataError:
                    self._unwritten = self._unwritten + batch
                    raise
            self._synced = max(self._synced, count)
        if self._full:
            raise DataError(
                f"{self.folder}: the disk is full; every answer that came is kept",
                f"free some space (df -h {self.folder}), then run the same command again",
            )

    def close(self) -> None:
        """Writes what is left and gives the ballast back."""
        try:
            self._buffer, self._unwritten = self._unwritten + self._buffer, []
            if self._buffer:
                self.sync()
        finally:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None
            with suppress(OSError):
                self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.folder / f".ballast-{os.getpid()}"

    def _open(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        host = "".join(c for c in socket.gethostname() if c.isalnum() or c in "-_") or "host"
        for turn in range(1000):
            path = self.folder / f"{stamp}-{host}-{os.getpid()}{f'.{turn}' if turn else ''}.jsonl"
            with suppress(FileExistsError):
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o644)
                self.path, self._handle = path, handle
                self._hold_ballast()
                sync_folder(self.folder)
                return handle
        raise DataError(f"{self.folder}: no free name for a new file")

    def _hold_ballast(self) -> None:
        with suppress(OSError, AttributeError):
            handle = os.open(self._ballast, os.O_CREAT | os.O_WRONLY)
            try:
                os.posix_fallocate(handle, 0, BALLAST)
            finally:
                os.close(handle)

    def _write(self, data: bytes) -> None:
        try:
            handle = self._handle if self._handle is not None else self._open()
            try:
                self._put(handle, data)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                self._full = True
                with suppress(OSError):
                    self._ballast.unlink()
                os.ftruncate(handle, self._size)
                self._put(handle, data)
        except OSError as error:
            raise DataError(f"{self.folder}: {error.strerror}", f"df -h {self.folder}") from error

    def _put(self, handle: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        getattr(os, "fdatasync", os.fsync)(handle)
        self._size += len(data)


def now() -> str:
    """UTC, ISO 8601, to the millisecond."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"
