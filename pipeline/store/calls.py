"""Paid answers: looked up by id in this dataset, then in its neighbours; never edited.

`calls/*.jsonl` hold the truth (see journal.py); `calls/index.sqlite` is disposable and made anew from
them. Events: `reserved` (before a request is sent, with the most it can cost), `attempt` (it failed
and will be tried again), `answered` and `failed` (the call's outcome, whole), `sample` (a row was
written, edited by hand, deleted by hand or forgotten).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from ..types import Call, Failure, Problem, Usage
from .index import Index
from .journal import Journal, cut_torn_tail


class Spent(NamedTuple):
    """What a dataset's calls cost. Dollars; copied answers were paid elsewhere and count nothing.

    Attributes:
        usd: what answered calls cost, by usage and price.
        unconfirmed_usd: the most that requests without an answer may have cost.
        unpriced: answered calls for which no price was known.
    """

    usd: float
    unconfirmed_usd: float
    answered: int
    failed: int
    copied: int
    unpriced: int
    input_tokens: int
    output_tokens: int


class CallStore:
    """The calls of one dataset."""

    def __init__(self, dataset: Path) -> None:
        self.folder = dataset / "calls"
        self._dataset = dataset
        self._index: Index | None = None
        self._journal: Journal | None = None
        self._neighbours: list[Index] | None = None

    @property
    def index(self) -> Index:
        """The index, brought up to date when it is first asked for."""
        if self._index is None:
            self._index = Index(self.folder, lambda: self.journal.sync() if self._journal else None)
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
        return Spent(*self.index.totals())

    def outcomes(self, event: str) -> Iterator[Call]:
        """All calls whose last outcome is `answered`, or `failed`."""
        return (call_of(found) for found in self.index.all_of(event))

    def mend(self) -> int:
        """Cuts torn tails; only while the dataset's lock is held. Returns the bytes that went."""
        cut = 0
        for path in self.folder.glob("*.jsonl"):
            if self._journal is None or path != self._journal.path:
                cut += cut_torn_tail(path)
        for ballast in self.folder.glob(".ballast-*"):
            ballast.unlink(missing_ok=True)
        return cut

    def close(self) -> None:
        """Writes what is queued and closes the files."""
        try:
            if self._journal is not None:
                self._journal.close()
        finally:
            self._journal = None
            for index in [self._index, *(self._neighbours or [])]:
                if index is not None:
                    index.close()
            self._index, self._neighbours = None, None

    def _others(self) -> list[Index]:
        if self._neighbours is None:
            self._neighbours = []
            for folder in sorted(self._dataset.parent.glob("*/calls")):
                if folder.parent.resolve() != self._dataset.resolve() and any(folder.glob("*.jsonl")):
                    try:
                        index = Index(folder)
                        index.refresh()
                    except (OSError, DataError):
                        continue  # a neighbour that cannot be read saves nothing
                    self._neighbours.append(index)
        return self._neighbours


def event_of(call: Call) -> dict[str, Any]:
    """The journal's event for a call's outcome."""
    values = asdict(call)
    if call.failure is None:
        del values["failure"]
    if call.copied_from is None:
        del values["copied_from"]
    return {"event": "failed" if call.failure else "answered", **values}


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
