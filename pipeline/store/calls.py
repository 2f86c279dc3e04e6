"""Paid answers: looked up by id in this dataset, then in its neighbours; never edited.

`calls/*.jsonl` hold the truth (see journal.py); `calls/index.sqlite` is disposable and made anew from
them. Events: `reserved` (before a request is sent, with the most it can cost), `attempt` (it failed
and will be tried again, or was not sent after all), `answered` and `failed` (the call's outcome, whole).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..types import Call, Failure, Problem, Usage
from .index import Index
from .index import Spent as Spent
from .journal import Journal, mend
from .written import WrittenLog

_FIELDS = tuple(Call.__dataclass_fields__)


class CallStore:
    """The calls of one dataset."""

    def __init__(self, dataset: Path) -> None:
        self.folder = dataset / "calls"
        self.written = WrittenLog(self.folder)
        self._dataset = dataset
        self._index: Index | None = None
        self._journal: Journal | None = None
        self._neighbours: list[Index] | None = None

    @property
    def index(self) -> Index:
        """The index, brought up to date when it is first asked for."""
        if self._index is None:
            self._index = Index(self.folder, self._flush, self._weight)
            self._index.refresh()
        return self._index

    @property
    def journal(self) -> Journal:
        """This process's own file."""
        if self._journal is None:
            self._journal = Journal(self.folder)
        return self._journal

    def get(self, call_id: str) -> Call | None:
        """The outcome of a call of this dataset; None where it has none."""
        event = self.index.call(call_id)
        return call_of(event) if event else None

    def state(self, call_id: str) -> str | None:
        """`answered`, `failed` or None, here or in a neighbour; cheaper than `get`."""
        found = self.index.state(call_id)
        if found != "answered":
            for neighbour in self._others():
                if neighbour.state(call_id) == "answered":
                    return "answered"
        return found

    def peek(self, call_id: str) -> Call | None:
        """The outcome of a call, here or, where this dataset has no answer, in a neighbour. Writes nothing."""
        event = self.index.call(call_id)
        if event is None or event["event"] == "failed":
            for neighbour in self._others():
                other = neighbour.call(call_id)
                if other and other["event"] == "answered":
                    paid_by = other.get("copied_from") or neighbour.folder.parent.name
                    return replace(call_of(other), copied_from=paid_by)
        return call_of(event) if event else None

    def find(self, call_id: str) -> Call | None:
        """As `peek`; an answer that a neighbour paid for is copied here, so that this dataset is whole."""
        call = self.peek(call_id)
        if call is not None and call.copied_from and self.index.state(call_id) != "answered":
            self.record(call)
        return call

    def record(self, call: Call) -> dict[str, Any]:
        """Queues a call's outcome in the journal and the index; returns the event."""
        event = event_of(call)
        self.journal.append(event)
        self.index.remember(event)
        return event

    def problems(self) -> list[Problem]:
        """Damaged lines, named."""
        return self.index.problems()

    def spent(self) -> Spent:
        """What this dataset's calls cost so far."""
        return self.index.totals()

    def outcomes(self, event: str) -> Iterator[Call]:
        """All calls whose last outcome is `answered`, or `failed`."""
        return (call_of(found) for found in self.index.all_of(event))

    def mend(self) -> int:
        """Cuts torn tails of journals whose writer is gone. Returns the bytes that went."""
        return mend(self.folder)

    def close(self) -> None:
        """Writes what is queued and closes the files."""
        try:
            self.written.flush()
        finally:
            try:
                if self._journal is not None:
                    self._journal.close()
            finally:
                self._journal = None
                self._close_indexes()

    def _close_indexes(self) -> None:
        for index in [self._index, *(self._neighbours or [])]:
            if index is not None:
                index.close()
        self._index, self._neighbours = None, None

    def _flush(self) -> None:
        if self._journal is not None:
            self._journal.sync()
        self.written.flush()

    def _weight(self) -> int:
        return self.written.bytes + (self._journal.bytes if self._journal is not None else 0)

    def _others(self) -> list[Index]:
        if self._neighbours is None:
            self._neighbours = []
            for folder in sorted(self._dataset.parent.glob("*/calls")):
                if folder.parent.resolve() != self._dataset.resolve() and any(folder.glob("*.jsonl")):
                    try:
                        index = Index(folder)
                        index.refresh()
                    except DataError:
                        continue  # a neighbour that cannot be read saves nothing
                    self._neighbours.append(index)
        return self._neighbours


def event_of(call: Call) -> dict[str, Any]:
    """The journal's event for a call's outcome. Body and message are shared with it, not copied."""
    event: dict[str, Any] = {"event": "failed" if call.failure else "answered"}
    for name in _FIELDS:
        value = getattr(call, name)
        if name in ("usage", "failure") and value is not None:
            value = {key: getattr(value, key) for key in value.__dataclass_fields__}
        if value if name in ("failure", "copied_from", "apart") else True:
            event[name] = value
    return event


def call_of(event: dict[str, Any]) -> Call:
    """The call of an `answered` or `failed` event; keys that a later version added are left out."""
    known = Call.__dataclass_fields__
    values = {key: value for key, value in event.items() if key in known}
    if values.get("usage"):
        values["usage"] = Usage(**{k: v for k, v in values["usage"].items() if k in Usage.__dataclass_fields__})
    if values.get("failure"):
        fields = Failure.__dataclass_fields__
        values["failure"] = Failure(**{k: v for k, v in values["failure"].items() if k in fields})
    return Call(**values)
