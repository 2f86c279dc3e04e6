"""Calls for the tests of the store, and the journal files that hold them."""

from __future__ import annotations

from pathlib import Path

from pipeline.store.calls import CallStore
from pipeline.types import Call, Failure, Usage


def call(number: int, *, usd: float | None = 0.01, failure: str = "", at: str = "2026-11-21T08:00:00.000Z",
         text: str = "", namespace: str = "openai") -> Call:
    """An answered call of a cent, or a failed one."""
    failed = Failure(failure, "no", billed=usd is None) if failure else None  # type: ignore[arg-type]
    return Call(
        id=f"call-{number:04d}", namespace=namespace,
        body={"model": "m", "messages": [{"role": "user", "content": "?"}]}, repeat=0,
        message=None if failed else {"role": "assistant", "content": text or f"answer {number}"},
        finish_reason=None if failed else "stop", usage=None if failed else Usage(10, 20), model="m-1", latency_s=0.5,
        cost_usd=usd, attempts=1, at=at, failure=failed,
    )


def filled(dataset: Path, *calls: Call) -> Path:
    """A dataset's folder with these calls in one journal file; returns the file."""
    store = CallStore(dataset)
    for one in calls:
        store.record(one)
    store.journal.sync()
    path = store.journal.path
    store.close()
    assert path is not None
    return path
