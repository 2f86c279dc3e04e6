"""Appends rows to samples.jsonl, which a hand may edit, save anew or delete at any moment."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from ..types import Sample
from .calls import CallStore
from .files import jsonl_bytes, refusal
from .samples import SampleFile, to_row

_Place = tuple[int, int, int, int]


class SampleWriter:
    """Appends rows, each once; a row that a hand deleted stays deleted.

    Attributes:
        added: rows appended so far.
        disturbed: someone else changed the file meanwhile.
    """

    def __init__(self, file: SampleFile, calls: CallStore, rebuild: Callable[[], object]) -> None:
        self._file = file
        self._calls = calls
        self._rebuild = rebuild
        self._handle: int | None = None
        self._place: _Place | None = None
        self.added = 0
        self.disturbed = False

    def add(self, sample: Sample) -> bool:
        """Appends a row.

        Returns:
            False where it was written before, or deleted by hand.

        Raises:
            DataError: the disk is full; the rows that stand are whole.
        """
        known = self._calls.index.sample(sample.id)
        if known is not None and known[1] != "forgotten":
            return False
        digest = sample.digest
        data = jsonl_bytes(to_row(sample, digest))
        try:
            handle = self._ready()
            end = os.fstat(handle).st_size
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
            except OSError:
                with suppress(OSError):
                    os.ftruncate(handle, end)
                raise
            self._place = _place(os.fstat(handle))
        except OSError as error:
            raise refusal(self._file.path, error) from error
        self._file.note(sample.id, digest, "written")
        self.added += 1
        return True

    def close(self) -> None:
        """Closes the file and says in the log which rows it has."""
        if self._handle is not None:
            self.disturbed = self.disturbed or self._now() != self._place
            os.close(self._handle)
            self._handle = None
        self._calls.written.flush()

    def _ready(self) -> int:
        """The file, open at its end. Editors save by putting a new file in the old one's place, so it is looked at."""
        now = self._now()
        if self._handle is not None and now == self._place:
            return self._handle
        path = self._file.path
        if self._handle is not None:
            self.disturbed = True
            os.close(self._handle)
            self._handle = None
            if now is None:
                self._rebuild()  # deleted: every row may be made again
                now = self._now()
        if now is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            self._file.mend_tail()
        self._handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        return self._handle

    def _now(self) -> _Place | None:
        try:
            return _place(self._file.path.stat())
        except FileNotFoundError:
            return None


def _place(stat: os.stat_result) -> _Place:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
