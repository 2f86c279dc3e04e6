"""samples.jsonl: append-only for us, free for the user's hand; what changed is found, never undone.

Every row carries the digest of what we wrote, and the journal under calls/ names every row that was
written. A row whose digest no longer fits was edited; a row that the journal names and the file lacks was
deleted. Both stand as decisions until `adopt` records them or `restore` brings ours back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..digest import digest_bytes
from ..errors import DataError
from ..types import CallRef, Problem, Sample
from .calls import CallStore
from .files import jsonl_bytes, loads, write_atomic
from .journal import cut_torn_tail

_OPTIONAL = ("rejected", "label", "tools", "parent", "source")


class HandEdits(NamedTuple):
    """What someone else's hand did to samples.jsonl: ids of rows, and lines that are no rows."""

    deleted: list[str]
    edited: list[str]
    added: list[str]
    broken: list[Problem]

    def __bool__(self) -> bool:
        return bool(self.deleted or self.edited or self.added or self.broken)

    def __str__(self) -> str:
        """`3 rows deleted, 2 edited by hand`."""
        names = ("deleted", "edited", "added", "unreadable")
        parts = [f"{len(found)} {name}" for found, name in zip(self, names) if found]
        if not parts:
            return "no rows changed by hand"
        count, rest = parts[0].split(" ", 1)
        return ", ".join([f"{count} row{'s' if count != '1' else ''} {rest}", *parts[1:]]) + " by hand"


class Line(NamedTuple):
    """A row as it stands: its number (1-based), the digest written with it, its bytes with a line break."""

    sample: Sample
    number: int
    written: str | None
    data: bytes


def to_row(sample: Sample) -> dict[str, Any]:
    """The JSON object of a sample, keys in a fixed order, empty optional keys left out."""
    row: dict[str, Any] = {
        "id": sample.id, "cell": sample.cell, "fields": sample.fields, "messages": sample.messages,
        "calls": [{"id": ref.id, "role": ref.role} for ref in sample.calls],
        "provenance": sample.provenance, "digest": sample.digest,
    }
    row.update({key: getattr(sample, key) for key in _OPTIONAL if getattr(sample, key) is not None})
    return row


def from_row(row: dict[str, Any], data: bytes) -> Sample:
    """A sample from a row, ours or a hand's; a row without id is named by its bytes.

    Raises:
        ValueError: what is wrong with it.
    """
    messages = row.get("messages")
    whole = isinstance(messages, list) and all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in messages)
    if not isinstance(messages, list) or not whole:
        raise ValueError("`messages` is not a list of messages with a role")
    for key, kind in (("cell", dict), ("fields", dict), ("provenance", dict), ("calls", list)):
        if not isinstance(row.get(key, kind()), kind):
            raise ValueError(f"`{key}` is not {'an object' if kind is dict else 'a list'}")
    calls = tuple(CallRef(str(ref["id"]), str(ref["role"])) for ref in row.get("calls", []) if isinstance(ref, dict))
    return Sample(
        id=str(row["id"]) if row.get("id") else digest_bytes(data.strip()),
        messages=messages, cell=row.get("cell", {}), fields=row.get("fields", {}), calls=calls,
        provenance=row.get("provenance", {}), **{key: row.get(key) for key in _OPTIONAL},
    )


class SampleFile:
    """The rows of one dataset."""

    def __init__(self, path: Path, calls: CallStore) -> None:
        self.path = path
        self._calls = calls

    def lines(self, problem: Callable[[Problem], None] | None = None) -> Iterator[Line]:
        """Rows as they stand, in order of arrival; what is no row goes to `problem`."""
        seen: set[bytes] = set()
        for number, data in self._raw():
            if not data.strip():
                continue
            try:
                row = loads(data)
                if not isinstance(row, dict):
                    raise ValueError("not a JSON object")
                sample = from_row(row, data)
            except (ValueError, TypeError, KeyError) as error:
                if problem:
                    problem(self._broken(number, str(error)))
                continue
            key = sample.id.encode()[:16]
            if key in seen:
                if problem:
                    problem(self._broken(number, f"row {sample.id} stands twice; the first one counts"))
                continue
            seen.add(key)
            written = row.get("digest")
            yield Line(sample, number, written if isinstance(written, str) else None, data.rstrip(b"\n") + b"\n")

    def hand_edits(self) -> HandEdits:
        """Compares the file with the journal. Time and memory are linear in rows."""
        index, broken = self._calls.index, list[Problem]()
        edited, added, present = list[str](), list[str](), set[str]()
        for line in self.lines(broken.append):
            present.add(line.sample.id)
            known = index.sample(line.sample.id)
            now = line.sample.digest
            if known is None or known[1] == "forgotten":
                if line.written == now:  # ours: the process was killed before the journal named it
                    self._note(line.sample.id, now, "written")
                else:
                    added.append(line.sample.id)
            elif known[0] != now:
                edited.append(line.sample.id)
        deleted = [key for key, _, state in index.samples() if state in ("written", "edited") and key not in present]
        return HandEdits(deleted, edited, added, broken)

    def adopt(self, edits: HandEdits) -> None:
        """Records edits as the user's decisions; the file is not touched."""
        digests = {line.sample.id: line.sample.digest for line in self.lines()}
        for sample_id in (*edits.edited, *edits.added):
            self._note(sample_id, digests[sample_id], "edited")
        for sample_id in edits.deleted:
            self._note(sample_id, "", "deleted")
        self._calls.journal.sync()

    def restore(self, edits: HandEdits, copy: Path) -> int:
        """Takes edited, added and broken rows out of the file, after a copy, so that ours can be made again.

        Returns:
            How many rows have to be made again: those that the hand edited or deleted.
        """
        write_atomic(copy, self._bytes())
        away = {*edits.edited, *edits.added}
        write_atomic(self.path, (line.data for line in self.lines() if line.sample.id not in away))
        for sample_id in (*edits.edited, *edits.deleted):
            self._note(sample_id, "", "forgotten")
        self._calls.journal.sync()
        return len(edits.edited) + len(edits.deleted)

    def forget_all(self) -> None:
        """The file is gone: rows that were written may be written again; deleted ones stay deleted."""
        for sample_id, _, state in list(self._calls.index.samples()):
            if state in ("written", "edited"):
                self._note(sample_id, "", "forgotten")
        self._calls.journal.sync()

    def rewrite(self, renew: Callable[[Sample], Sample | None]) -> int:
        """See Dataset.rewrite."""
        changed = dict[str, str]()

        def lines() -> Iterator[bytes]:
            for _, data in self._raw():
                try:
                    row = loads(data)
                    old = from_row(row, data)
                    new = renew(old) if row.get("digest") == old.digest else None
                except (ValueError, TypeError, KeyError):
                    new = None
                if new is not None and new != old:
                    changed[new.id] = new.digest
                    data = jsonl_bytes(to_row(new))
                yield data

        part = self.path.with_suffix(".renewed")
        write_atomic(part, lines())
        if not changed:
            part.unlink()
            return 0
        part.replace(self.path)
        for sample_id, value in changed.items():
            self._note(sample_id, value, "written")
        self._calls.journal.sync()
        return len(changed)

    def signature(self) -> list[int]:
        """Size and time of the file: equal signatures mean that nobody touched it since."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return []
        return [stat.st_size, stat.st_mtime_ns, stat.st_ino]

    def _bytes(self) -> Iterator[bytes]:
        if self.path.exists():
            with self.path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    yield chunk

    def _raw(self) -> Iterator[tuple[int, bytes]]:
        if self.path.exists():
            with self.path.open("rb") as file:
                yield from enumerate(file, 1)

    def _broken(self, number: int, what: str) -> Problem:
        return Problem(
            "error", "unreadable-row", f"{self.path}:{number}", what, "mend the line or delete it; the other rows stand"
        )

    def _note(self, sample_id: str, value: str, state: str) -> None:
        event = {"event": "sample", "id": sample_id, "digest": value, "state": state}
        self._calls.journal.append(event)
        self._calls.index.remember(event)


class SampleWriter:
    """Appends rows, each once; a row that a hand deleted stays deleted."""

    def __init__(self, file: SampleFile, calls: CallStore) -> None:
        self._file = file
        self._calls = calls
        self._handle: int | None = None
        self.added = 0

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
        data = jsonl_bytes(to_row(sample))
        handle = self._handle if self._handle is not None else self._open()
        end = os.fstat(handle).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
        except OSError as error:
            os.ftruncate(handle, end)
            raise DataError(
                f"{self._file.path}: {error.strerror}",
                "free some space, then run the same command again: answers are kept",
            ) from error
        self._file._note(sample.id, sample.digest, "written")
        self.added += 1
        return True

    def close(self) -> None:
        """Closes the file; its rows are in the journal."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        path = self._file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            _mend_tail(path)
        self._handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        return self._handle


def _mend_tail(path: Path) -> None:
    """A last line without line break: completed where it is a whole row, cut where it is torn."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) == b"\n":
            return
        size = path.stat().st_size
        file.seek(max(0, size - (1 << 24)))
        tail = file.read().rsplit(b"\n", 1)[-1]
    try:
        loads(tail)
    except ValueError:
        cut_torn_tail(path)
    else:
        with path.open("ab") as file:
            file.write(b"\n")
