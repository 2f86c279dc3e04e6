"""written.jsonl: which rows we wrote, and what a hand decided about them. Sealed lines, append-only.

It stands beside calls/ and not in it, so that answers copied in from another machine bring no rows with
them that would then pass for deleted. Without it, rows that are as we wrote them are ours again, and only
what was adopted is forgotten.
"""

from __future__ import annotations

import os
from pathlib import Path

from .files import append_lines, sealed
from .index import WRITTEN


class WrittenLog:
    """The writing end; one process at a time, the one that holds the lock on `samples`."""

    def __init__(self, calls: Path) -> None:
        self.path = calls.parent / WRITTEN[3:]
        self._lines: list[bytes] = []
        self.bytes = 0

    def note(self, sample_id: str, digest: str, state: str) -> None:
        """Queues one decision: written, edited, deleted or forgotten."""
        line = sealed({"event": "sample", "id": sample_id, "digest": digest, "state": state})
        self._lines.append(line)
        self.bytes += len(line)

    def flush(self, *, durable: bool = False) -> None:
        """Appends what is queued. Raises DataError where that cannot be."""
        if self._lines:
            append_lines(self.path, self._lines)
            self._lines = []
        if durable and self.path.exists():
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
