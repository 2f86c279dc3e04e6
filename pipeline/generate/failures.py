"""failures.jsonl: calls that failed and answers that cannot be used, each with its class, its raw text and its cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from pipeline.store import Dataset
from pipeline.types import Draw, Failure

from .questions import Unusable
from .tools import as_text

RAW = 64 << 10
"""Characters of an answer that are kept beside its fault; the call holds all of it."""


class Failures:
    """What one run finds failed. All of it follows from the calls and the recipe, so that any run makes it anew.

    Args:
        dataset: what the file said of draws that this run does not come to stands.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._before = {str(line["draw"]): line for line in dataset.unusable()}
        self._found: list[dict[str, Any]] = []
        self._instead: set[str] = set()

    def saw(self, draw: Draw) -> None:
        """The run came to a draw: what was wrong with it before does not count."""
        if self._before:
            self._before.pop(draw.key, None)

    def unusable(self, draw: Draw, outcome: Unusable) -> None:
        """Takes in an answer that cannot be used."""
        call = outcome.call
        failure = Failure(outcome.kind, outcome.what, raw=as_text(call)[:RAW], billed=True)
        costs = [each.cost_usd for each in outcome.calls]
        total = None if None in costs else round(sum(cost for cost in costs if cost), 9)
        self._found.append({
            "id": call.id, "draw": draw.key, "cell": draw.cell, "calls": [each.id for each in outcome.calls],
            **asdict(replace(call, failure=failure, cost_usd=total)),
        })

    def made_up_for(self, ids: Iterable[str]) -> None:
        """Failed calls of rows that stand by another answer: nobody has to look at them."""
        self._instead.update(ids)

    def write(self, dataset: Dataset, *, complete: bool) -> None:
        """Replaces the file; `complete` where the run came to every draw that there is."""
        failed = (call for call in dataset.calls.outcomes("failed") if call.id not in self._instead)
        dataset.write_failures(failed, [*([] if complete else self._before.values()), *self._found])
