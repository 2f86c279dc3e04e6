"""What a run says of itself while it goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pipeline.types import Call


@dataclass(slots=True)
class Progress:
    """Counters of one run; the engine and the stage write, a panel reads.

    Attributes:
        total: rows that the run is to make, where that is known.
        done: rows made, those that cost nothing included.
        kept: of these, rows that the recipe's row rules keep; None where none are checked.
        reused: calls answered from the store.
        answered: calls answered by the host.
        failed: calls that gave up.
        in_flight: requests that are out.
        retried: attempts beyond the first.
        elsewhere: rows whose questions are on their way in a batch.
        usd: what answered calls cost; None once a price is unknown.
        usd_worst: the most that requests without an answer may cost or have cost.
        started: monotonic seconds.
        last: the call that came last.
        waiting: why nothing is sent right now, as `rate limit: 3 s`.
        noticed: what the host did with the request beside answering it -> in how many answers; see `noticed.py`.
        stopping: seconds left for what is in flight, once the run was told to stop.
    """

    total: int | None = None
    done: int = 0
    kept: int | None = None
    reused: int = 0
    answered: int = 0
    failed: int = 0
    in_flight: int = 0
    retried: int = 0
    elsewhere: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0
    usd_worst: float = 0.0
    started: float = 0.0
    last: Call | None = None
    waiting: str | None = None
    stopping: float | None = None
    failures: dict[str, int] = field(default_factory=dict)
    noticed: dict[str, int] = field(default_factory=dict)

    def __add__(self, later: Progress) -> Progress:
        """Both as one run: rows and totals are those of the later one."""
        both = replace(later, started=self.started, failures=dict(Counter(self.failures) + Counter(later.failures)))
        both.noticed = dict(Counter(self.noticed) + Counter(later.noticed))
        for name in ("answered", "failed", "retried", "elsewhere", "input_tokens", "output_tokens"):
            setattr(both, name, getattr(self, name) + getattr(later, name))
        both.usd = None if self.usd is None or later.usd is None else self.usd + later.usd
        both.usd_worst += self.usd_worst
        return both

    def notice(self, notes: Iterable[str]) -> None:
        """Counts what an answer shows of its host."""
        for note in notes:
            self.noticed[note] = self.noticed.get(note, 0) + 1

    def count(self, call: Call) -> None:
        """Takes in the outcome of a call."""
        self.last = call
        if call.failure is not None:
            self.failed += 1
            self.failures[call.failure.kind] = self.failures.get(call.failure.kind, 0) + 1
            return
        self.answered += 1
        if call.usage:
            self.input_tokens += call.usage.input_tokens
            self.output_tokens += call.usage.output_tokens
        self.usd = None if self.usd is None or call.cost_usd is None else self.usd + call.cost_usd

    @property
    def usd_projected(self) -> float | None:
        """What the whole run will have cost at today's rate; None where that cannot be said."""
        rows = self.answered + self.failed
        if self.usd is None or self.total is None or not rows:
            return None
        left = max(0, self.total - self.done - self.failed)
        return self.usd * (1 + left / rows)
