"""The append-only journal under calls/: one writer per file, one sealed line per event.

An event counts as done when its line is on the disk (`fdatasync`, in groups). A reader takes whole,
sealed lines and names the others; what a killed process left half-written is cut at the next start.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from .files import FULL, cut_torn_tail, refusal, sealed, sync_folder, unsealed
from .locks import flocked

BALLAST = 8 << 20
"""Bytes set aside while a journal is open (a quarter of the room at most): given up when the disk is full,
so that answers which are already paid and on their way still find room."""


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
    first, number = start, 0
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            number += 1
            if not line.endswith(b"\n"):
                return
            event, end = unsealed(line), start + len(line)
            yield Entry(event, start, end) if event else Damaged(_breaks(path, first) + number, start, end)
            start = end


def _breaks(path: Path, until: int) -> int:
    """Line breaks in the first `until` bytes of a file; counted only where a line has to be named."""
    count = 0
    with path.open("rb") as file:
        while until > 0 and (chunk := file.read(min(until, 1 << 20))):
            count += chunk.count(b"\n")
            until -= len(chunk)
    return count


class Journal:
    """The writing end: this process's own file, made when the first event comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path: Path | None = None
        self.bytes = 0  # given to `append`, ever
        self._handle: int | None = None
        self._size = 0  # of the file, as far as it holds whole lines
        self._buffer: list[bytes] = []
        self._written = 0  # events given to `append`, ever
        self._synced = 0  # of these, how many are on the disk
        self._queue = threading.Lock()  # over buffer and count
        self._disk = threading.Lock()  # one batch at a time, in order
        self._flight: asyncio.Future[None] | None = None
        self._full = False
        self._run = os.urandom(5).hex()
        self._holds = 0

    def next_hold(self) -> str:
        """A name for one reservation: of all processes and machines, no other has it."""
        self._holds += 1
        return f"{self._run}{self._holds}"

    def append(self, event: dict[str, Any]) -> int:
        """Queues an event; durable after the next `sync` or `durable`. Returns its number."""
        line = sealed(event if "at" in event else {**event, "at": now()})
        with self._queue:
            self._buffer.append(line)
            self._written += 1
            self.bytes += len(line)
            return self._written

    def sync(self) -> None:
        """Writes what is queued and waits for the disk.

        Raises:
            DataError: the disk is full. What was queued is on disk all the same (see BALLAST), or is tried
                again by the next `sync` and by `close`.
        """
        with self._disk:
            with self._queue:
                batch, self._buffer = self._buffer, []
                count = self._written
            if batch:
                try:
                    self._write(b"".join(batch))
                except DataError:
                    with self._queue:
                        self._buffer = batch + self._buffer
                    raise
            self._synced = count
            if self._full and batch:
                raise DataError(
                    f"{self.folder}: the disk is full; every answer that came is kept",
                    f"free some space (df -h {self.folder}), then run the same command again",
                )

    async def durable(self, *events: dict[str, Any]) -> None:
        """Appends events and returns when they are on the disk; callers share one fdatasync.

        A caller that is cancelled leaves its events queued, and the others theirs.

        Raises:
            DataError: as `sync`, to one of the callers that shared the attempt.
        """
        mine = 0
        for event in events:
            mine = self.append(event)
        loop = asyncio.get_running_loop()
        while self._synced < mine:
            flight, leads = self._flight, False
            if flight is None or flight.done() or flight.get_loop() is not loop:
                flight, leads = loop.run_in_executor(None, self.sync), True
                flight.add_done_callback(lambda done: done.cancelled() or done.exception())
                self._flight = flight
            try:
                await asyncio.shield(flight)
            except DataError:
                if leads:
                    raise

    def close(self) -> None:
        """Writes what is left and gives the ballast back. Raises DataError as `sync`."""
        try:
            if self._buffer:
                self.sync()
        finally:
            self._leave()
            self._flight = None

    def _leave(self) -> None:
        """Closes the file; the next event would open another."""
        if self._handle is not None:
            with suppress(OSError):
                os.close(self._handle)
            self._handle = None
        if self.path is not None:
            with suppress(OSError):
                _ballast_of(self.path).unlink()

    def _open(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        host = "".join(c for c in socket.gethostname() if c.isalnum() or c in "-_") or "host"
        for turn in range(1000):
            path = self.folder / f"{stamp}-{host}-{os.getpid()}{f'_{turn}' if turn else ''}.jsonl"
            with suppress(FileExistsError):
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o644)
                self.path, self._handle, self._size = path, handle, 0
                flocked(handle)  # says that its writer lives; see `mend`
                self._hold_ballast()
                sync_folder(self.folder)
                return handle
        raise DataError(f"{self.folder}: no free name for a new file", f"ls {self.folder}")

    def _hold_ballast(self) -> bool:
        """Sets the ballast aside; False where the system or the disk has none to give."""
        if self.path is None or not hasattr(os, "posix_fallocate"):
            return False
        ballast = _ballast_of(self.path)
        try:
            room = os.statvfs(self.folder)
            size = min(BALLAST, room.f_bavail * room.f_frsize // 4)
            handle = os.open(ballast, os.O_CREAT | os.O_WRONLY, 0o644)
            try:
                os.posix_fallocate(handle, 0, size)
            finally:
                os.close(handle)
        except OSError:
            with suppress(OSError):
                ballast.unlink()
            return False
        return True

    def _write(self, data: bytes) -> None:
        try:
            try:
                self._put(data)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                self._full = True
                if self.path is not None:
                    with suppress(OSError):
                        _ballast_of(self.path).unlink()
                self._put(data)
            else:
                self._full = self._full and not self._hold_ballast()
        except OSError as error:
            raise refusal(self.folder, error) from error

    def _put(self, data: bytes) -> None:
        """Writes whole lines to the disk, or leaves the file as it was."""
        handle = self._handle if self._handle is not None else self._open()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            getattr(os, "fdatasync", os.fsync)(handle)
        except OSError:
            try:
                os.ftruncate(handle, self._size)
            except OSError:
                self._leave()  # whole lines behind half a one would be lost with it: go on in another file
            raise
        self._size += len(data)


def mend(folder: Path) -> int:
    """Cuts the torn tails and removes the ballast of journals whose writer is gone.

    A writer that lives holds its file (`flock`), here or in another container of this machine; where the
    system cannot tell, nothing is cut, since readers pass a torn tail over anyway.

    Returns:
        The bytes that were cut.
    """
    cut = 0
    for path in sorted(folder.glob("*.jsonl")):
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR)
            try:
                if flocked(handle):
                    cut += cut_torn_tail(path)
                    _ballast_of(path).unlink(missing_ok=True)
            finally:
                os.close(handle)
    for ballast in folder.glob(".ballast-*"):
        if not (folder / f"{ballast.name.removeprefix('.ballast-')}.jsonl").exists():
            ballast.unlink(missing_ok=True)
    return cut


def _ballast_of(path: Path) -> Path:
    return path.with_name(f".ballast-{path.stem}")


def now() -> str:
    """UTC, ISO 8601, to the millisecond."""
    milliseconds = int(time.time() * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
