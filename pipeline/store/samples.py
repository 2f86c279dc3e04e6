"""samples.jsonl: append-only for us, free for the user's hand; what changed is found, never undone.

Every row carries the digest of what we wrote, and written.jsonl names every row that was written. A row
whose digest no longer fits was edited; a row that the log names and the file lacks was deleted. Both
stand as decisions until a person adopts them or has ours brought back (see hand.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sized
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ..digest import digest_bytes
from ..marks import Marks
from ..types import CallRef, Problem, Sample
from .calls import CallStore
from .edits import HandEdits
from .files import jsonl_bytes, last_break, loads, loads_or_none, refusal, write_atomic

_OPTIONAL = ("rejected", "label", "tools", "parent", "source")
_OURS = b'{"id":"'
"""How every row of ours begins."""
_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*"([^"\\]+)"')
_NO_ROW = (ValueError, TypeError, KeyError, AttributeError)
"""What a line can raise that is no row."""


class Line(NamedTuple):
    """A row as it stands: its number (1-based), the digest written with it, its bytes with a line break."""

    sample: Sample
    number: int
    written: str | None
    data: bytes


class Compared(NamedTuple):
    """The file beside the log.

    Attributes:
        unlogged: (id, digest) of rows that are as we wrote them, though the log does not say so: the
            process was killed before it did.
        unreadable: names of broken lines: the id of a row of ours that they still show, or their digest.
    """

    edits: HandEdits
    unlogged: list[tuple[str, str]]
    unreadable: list[str]


def to_row(sample: Sample, digest: str | None = None) -> dict[str, Any]:
    """The JSON object of a sample, keys in a fixed order, empty optional keys left out."""
    row: dict[str, Any] = {
        "id": sample.id, "cell": sample.cell, "fields": sample.fields, "messages": sample.messages,
        "calls": [{"id": ref.id, "role": ref.role} for ref in sample.calls],
        "provenance": sample.provenance, "digest": digest or sample.digest,
    }
    row.update({key: getattr(sample, key) for key in _OPTIONAL if getattr(sample, key) is not None})
    return row


def from_row(row: dict[str, Any], data: bytes) -> Sample:
    """A sample from a row, ours or a hand's; a row without id is named by its bytes.

    Raises:
        ValueError: what is wrong with it.
    """
    get = row.get
    messages = get("messages")
    if not isinstance(messages, list) or not all(map(_is_message, messages)):
        raise ValueError("`messages` is not a list of messages with a role")
    cell, fields, provenance, calls = get("cell", {}), get("fields", {}), get("provenance", {}), get("calls", [])
    for key, value in (("cell", cell), ("fields", fields), ("provenance", provenance)):
        if not isinstance(value, dict):
            raise ValueError(f"`{key}` is not an object")
    if not isinstance(calls, list):
        raise ValueError("`calls` is not a list")
    refs = tuple(CallRef(str(ref["id"]), str(ref["role"])) for ref in calls if isinstance(ref, dict)) if calls else ()
    name = str(row["id"]) if get("id") else digest_bytes(data.strip())
    return Sample(name, messages, cell, fields, get("rejected"), get("label"), get("tools"), refs, get("parent"),
                  get("source"), provenance)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str)


class Broken(NamedTuple):
    """A line that is no row: the id that it still shows, and the digest of its bytes."""

    shown: str | None
    digest: str
    problem: Problem


class SampleFile:
    """The rows of one dataset."""

    def __init__(self, path: Path, calls: CallStore) -> None:
        self.path = path
        self._calls = calls
        self._whole: tuple[list[int], int] | None = None
        """Signature and rows of the file when its lines were found to be rows, each of its own."""

    def lines(self, problem: Callable[[Problem], None] | None = None) -> Iterator[Line]:
        """Rows as they stand, in order of arrival; what is no row goes to `problem`.

        A last line that is half written is passed over, and so is a row that stands twice, word for word.
        """
        for found in self._scan():
            if isinstance(found, Line):
                yield found
            elif problem:
                problem(found.problem)

    def samples(self, problem: Callable[[Problem], None] | None = None) -> Iterator[Sample]:
        """The rows of `lines`. A file that holds nothing else, and that nobody touched since, is read twice as fast."""
        now = self.signature()
        if self._whole is not None and self._whole[0] == now:
            for _, data in islice(self._raw(), self._whole[1]):
                yield from_row(loads(data), data)
            return
        rows = last = broken = 0
        for found in self._scan():
            if isinstance(found, Line):
                rows, last = rows + 1, found.number
                yield found.sample
            else:
                broken += 1
                if problem:
                    problem(found.problem)
        if rows == last and not broken and now == self.signature():
            self._whole = now, rows

    def compare(self) -> Compared:
        """The file beside the log; changes neither. Time and memory are linear in rows."""
        index = self._calls.index
        edits = HandEdits([], [], [], [])
        unlogged, broken, present = list[tuple[str, str]](), list[Broken](), set[str]()
        for found in self._scan():
            if isinstance(found, Broken):
                broken.append(found)
                continue
            sample_id, now = found.sample.id, found.sample.digest
            present.add(sample_id)
            digest, state = index.sample(sample_id) or ("", "forgotten")
            if digest == now and state != "forgotten":
                continue
            if found.written == now and state in ("written", "forgotten"):
                unlogged.append((sample_id, now))
            elif state == "forgotten":
                edits.added.append(sample_id)
            else:
                edits.edited.append(sample_id)
        names = {line.shown if line.shown and line.shown not in present else line.digest: line for line in broken}
        adopted = {name for name in names if (index.sample(name) or ("", ""))[1] == "deleted"}
        edits.broken.extend(line.problem for name, line in names.items() if name not in adopted)
        standing = (key for key, _, state in index.samples() if state in ("written", "edited"))
        edits.deleted.extend(key for key in standing if key not in present and key not in names)
        return Compared(edits, unlogged, [name for name in names if name not in adopted])

    def claim(self, unlogged: list[tuple[str, str]]) -> None:
        """Records rows that are ours, though the log does not say so."""
        for sample_id, digest in unlogged:
            self.note(sample_id, digest, "written")

    def rewrite(self, renew: Callable[[Sample], Sample | None]) -> int:
        """See Dataset.rewrite."""
        changed = dict[str, str]()

        def lines() -> Iterator[bytes]:
            for _, data in self._raw():
                try:
                    row = loads(data)
                    old = from_row(row, data)
                    new = renew(old) if row.get("digest") == old.digest else None
                except _NO_ROW:
                    new = None
                if new is not None and new != old:
                    changed[new.id] = new.digest
                    data = jsonl_bytes(to_row(new, changed[new.id]))
                yield data

        self._replace(lines(), changed)
        for sample_id, value in changed.items():
            self.note(sample_id, value, "written")
        self._calls.written.flush()
        return len(changed)

    def remark(self, ids: Collection[str], key: str, value: str) -> int:
        """See Dataset.remark."""
        changed = list[str]()

        def lines() -> Iterator[bytes]:
            for _, data in self._raw():
                try:
                    sample = from_row(loads(data), data)
                except _NO_ROW:
                    yield data
                    continue
                old = sample.provenance.get(key)
                mark = re.compile(rb'("%b"\s*:\s*)"%b"' % (re.escape(key.encode()), re.escape(str(old).encode())))
                if old != value and (sample.id in ids or sample.parent in ids) and len(mark.findall(data)) == 1:
                    changed.append(sample.id)
                    data = mark.sub(rb'\g<1>"%b"' % value.encode(), data)
                yield data

        self._replace(lines(), changed)
        return len(changed)

    def _replace(self, lines: Iterator[bytes], changed: Sized) -> None:
        """Writes the file anew, and puts it in place if anything changed."""
        part = self.path.with_name(f".{self.path.name}.renewed")
        try:
            write_atomic(part, lines)
            if changed:
                part.replace(self.path)
        except OSError as error:
            raise refusal(self.path, error) from error
        finally:
            part.unlink(missing_ok=True)

    def signature(self) -> list[int]:
        """Size, time and number of the file: equal signatures mean that nobody touched it since."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return []
        return [stat.st_size, stat.st_mtime_ns, stat.st_ino]

    def mend_tail(self) -> None:
        """A last line without line break: completed, or cut where we left it half written."""
        with self.path.open("rb+") as file:
            end = last_break(file)
            file.seek(end)
            tail = file.read()
            if tail and self._torn(tail):
                file.truncate(end)
            elif tail:
                file.seek(0, os.SEEK_END)
                file.write(b"\n")

    def note(self, sample_id: str, value: str, state: str) -> None:
        """Records where a row stands, in the log and in the index."""
        self._calls.written.note(sample_id, value, state)
        self._calls.index.remember_sample(sample_id, value, state)

    def _scan(self) -> Iterator[Line | Broken]:
        ids, lines = Marks(), None
        for number, data in self._raw():
            line = data.strip()
            if not line:
                continue
            try:
                row = loads(line)
                sample = from_row(row, line)
            except _NO_ROW as error:
                if data.endswith(b"\n") or not self._torn(data):
                    yield self._broken(number, line, "unreadable-row", _said(error))
                continue
            if not ids.add(sample.id):
                lines = self._before(number) if lines is None else lines
                if line not in lines:
                    what = f"row {sample.id} stands twice; the first one counts"
                    yield self._broken(number, line, "row-twice", what)
                continue
            if lines is not None:
                lines.add(line)
            written = row.get("digest")
            yield Line(sample, number, written if isinstance(written, str) else None, data.rstrip(b"\n") + b"\n")

    def _before(self, number: int) -> Marks:
        """The rows before a line, the first one whose id stood before: few files have one, so none is marked before."""
        found = Marks()
        for line in self._scan():
            if isinstance(line, Line):
                if line.number >= number:
                    break
                found.add(line.data.strip())
        return found

    def _torn(self, data: bytes) -> bool:
        """Whether half a line is one that we were writing: it begins as ours do, and no log names it yet."""
        if loads_or_none(data) is not None or not (data.startswith(_OURS) or _OURS.startswith(data)):
            return False
        shown = _ID.match(data)
        known = self._calls.index.sample(shown[1].decode("utf-8", "replace")) if shown else None
        return known is None or known[1] == "forgotten"

    def _raw(self) -> Iterator[tuple[int, bytes]]:
        if self.path.exists():
            try:
                with self.path.open("rb") as file:
                    yield from enumerate(file, 1)
            except OSError as error:
                raise refusal(self.path, error) from error

    def _broken(self, number: int, line: bytes, code: str, what: str) -> Broken:
        shown = _ID.match(line) if code == "unreadable-row" else None
        place, fix = f"{self.path}:{number}", "mend the line or delete it; the other rows stand"
        problem = Problem("error", code, place, what, fix)
        return Broken(shown[1].decode("utf-8", "replace") if shown else None, digest_bytes(line), problem)


def _said(error: Exception) -> str:
    return f"no key {error}" if isinstance(error, KeyError) else str(error)
