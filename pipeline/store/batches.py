"""Questions on their way in batches: in `calls/batches/`, the file that was sent and a record beside it for each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import IO, Any

import orjson

from ..errors import DataError
from .files import loads_or_none, refusal, write_atomic

FOLDER = "batches"
WRITTEN, COLLECTED = "written", "collected"
"""The first and the last state of a batch; those between are the host's own words."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One file of questions.

    Attributes:
        name: digest of its lines, with `-2` for the same lines once more; the name of its files.
        namespace: the provider entry; it enters the ids of its calls.
        model: the only one that a batch may name.
        lines: how many questions.
        bytes: of the file.
        created: UTC, ISO 8601.
        state: `written`, then what the host says, `collected` once every outcome is in the journal.
        remote: what the host knows it by: base_url, file, id.
    """

    name: str
    namespace: str
    model: str
    lines: int
    bytes: int
    created: str
    state: str = WRITTEN
    remote: dict[str, Any] = field(default_factory=dict)


class Spool:
    """A file of questions in the making; it becomes a batch's by `Batches.add`."""

    def __init__(self, folder: Path, number: int) -> None:
        self.path = folder / f".spool-{os.getpid()}-{number}"
        self.lines = self.bytes = 0
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def add(self, line: bytes) -> None:
        """Appends one line. Raises DataError where the disk is full."""
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("wb")
            self._file.write(line)
        except OSError as error:
            raise refusal(self.path, error) from error
        self._digest.update(line)
        self.lines, self.bytes = self.lines + 1, self.bytes + len(line)

    def close(self) -> str:
        """Puts the lines on the disk; returns their digest."""
        try:
            if self._file is not None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
        except OSError as error:
            raise refusal(self.path, error) from error
        return self._digest.hexdigest()[:16]

    def drop(self) -> None:
        """Forgets it."""
        if self._file is not None:
            self._file.close()
        with suppress(OSError):
            self.path.unlink()


class Batches:
    """The batches of one dataset, in `calls/batches/`. Copied with the calls, they go on elsewhere."""

    def __init__(self, calls: Path) -> None:
        self.folder = calls / FOLDER

    def __iter__(self) -> Iterator[Batch]:
        """All of them, by name. Raises DataError for a record that cannot be read."""
        known = {each.name for each in fields(Batch)}
        for path in sorted(self.folder.glob("*.json")):
            value = loads_or_none(path.read_bytes())
            if not isinstance(value, dict) or not {"name", "state"} <= value.keys():
                raise DataError(f"{path}: not the record of a batch", f"restore it from a copy, or rm {path}")
            yield Batch(**{key: item for key, item in value.items() if key in known})

    def open(self) -> list[Batch]:
        """Those whose outcomes are not all in the journal yet."""
        return [batch for batch in self if batch.state != COLLECTED]

    def lines(self, batch: Batch) -> Path:
        """The file that is sent."""
        return self.folder / f"{batch.name}.jsonl"

    def results(self, batch: Batch, side: str) -> Path:
        """Where what came back is kept: `output` or `error`."""
        return self.folder / f"{batch.name}.{side}.jsonl"

    def spool(self, number: int) -> Spool:
        """A new file in the making."""
        return Spool(self.folder, number)

    def add(self, spool: Spool, namespace: str, model: str, created: str) -> Batch:
        """Makes a batch of a spool."""
        digest = spool.close()
        name, turn = digest, 1
        while (self.folder / f"{name}.json").exists():
            turn += 1
            name = f"{digest}-{turn}"
        batch = Batch(name, namespace, model, spool.lines, spool.bytes, created)
        try:
            spool.path.replace(self.lines(batch))
        except OSError as error:
            raise refusal(spool.path, error) from error
        return self.save(batch)

    def save(self, batch: Batch, **changed: Any) -> Batch:
        """Writes a record down; returns it with the changes."""
        batch = replace(batch, **changed)
        data = orjson.dumps(asdict(batch), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        write_atomic(self.folder / f"{batch.name}.json", data)
        return batch
