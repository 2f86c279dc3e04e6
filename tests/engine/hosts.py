"""Hosts with limits, simulated with a clock of their own: a run of an hour takes a second."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random
from typing import NamedTuple

from pipeline.engine.pace import Pace
from pipeline.hosts.limits import Allowance, Told
from pipeline.types import Usage

Said = tuple[bool, Told | None, float]
"""Whether the host lets a request in, what its headers say, how long it asks to wait (0: says nothing)."""
Host = Callable[[float, float], Said]
"""From the time and the tokens of a request to what it says."""


class Bucketed:
    """A host with token buckets, as OpenAI's: it counts a request's prompt and output limit when it comes in."""

    def __init__(self, rpm: float, tpm: float | None, burst_s: float, *, headers: bool, asks: bool = True) -> None:
        self.limits = [(name, each / 60, each) for name, each in (("requests", rpm), ("tokens", tpm)) if each]
        self.burst_s, self.headers, self.asks = burst_s, headers, asks
        self.levels = {name: rate * burst_s for name, rate, _ in self.limits}
        self.at = 0.0

    def __call__(self, now: float, tokens: float) -> Said:
        wait = 0.0
        for name, rate, _ in self.limits:
            self.levels[name] = min(rate * self.burst_s, self.levels[name] + (now - self.at) * rate)
            wait = max(wait, ((1 if name == "requests" else tokens) - self.levels[name]) / rate)
        self.at = now
        if wait <= 0:
            for name, _, _ in self.limits:
                self.levels[name] -= 1 if name == "requests" else tokens
        told = {}
        for name, rate, minute in self.limits:
            level = self.levels[name]
            told[name] = Allowance(minute, max(0.0, int(level)), (rate * self.burst_s - level) / rate)
        return wait <= 0, Told(told["requests"], told.get("tokens")) if self.headers else None, wait * self.asks


class Windowed:
    """A host that counts in whole windows, and refuses all until the next one begins."""

    def __init__(self, each: int, window_s: float) -> None:
        self.each, self.window_s, self.window, self.used = each, window_s, -1, 0

    def __call__(self, now: float, tokens: float) -> Said:
        if int(now / self.window_s) != self.window:
            self.window, self.used = int(now / self.window_s), 0
        self.used += 1
        left = self.window_s - now % self.window_s
        return self.used <= self.each, None, left if self.used > self.each else 0.0


class Chance:
    """A gateway that refuses a share of all, whatever we do."""

    def __init__(self, share: float, wait_s: float, seed: int = 1) -> None:
        self.share, self.wait_s, self.random = share, wait_s, Random(seed)

    def __call__(self, now: float, tokens: float) -> Said:
        refused = self.random.random() < self.share
        return not refused, None, self.wait_s if refused else 0.0


class Outcome(NamedTuple):
    """A simulated run: its seconds, the refusals it met, when rows were let in."""

    seconds: float
    refused: int
    taken: list[float]


def simulate(
    host: Host, rows: int, *, in_flight: int = 100, latency_s: float = 2.0, refusal_s: float = 0.05,
    rpm: int | None = None, tpm: int | None = None, tokens: float = 355, used: int = 355, limit_s: float = 36_000,
) -> Outcome:
    """Rows through a host at a pace, as the engine does it: in order, refused ones again when they are told to."""
    now, order, random = 0.0, count(), Random(3)
    pace = Pace(rpm, tpm, lambda: now)
    queue: deque[int] = deque(range(rows))
    events: list[tuple[float, int, str, object]] = []
    flying = refused = done = 0
    tries = dict.fromkeys(range(rows), 0)
    taken: list[float] = []
    ended = 0.0

    def later(seconds: float, what: str, value: object = None) -> None:
        heapq.heappush(events, (now + seconds, next(order), what, value))

    later(0, "wake")
    woken = 0.0
    while done < rows and events:
        now, _, what, value = heapq.heappop(events)
        assert now < limit_s, f"{done} of {rows} rows after {now:.0f} s, {refused} refused"
        if what == "in":
            ticket, told = value  # type: ignore[misc]
            pace.answered(ticket, told, Usage(0, used))
            flying, done, ended = flying - 1, done + 1, now
        elif what == "out":
            ticket, told, wait, row = value  # type: ignore[misc]
            pace.refused(ticket, told, wait)
            flying, refused = flying - 1, refused + 1
            later(wait, "again", row)
        elif what == "again":
            queue.append(value)  # type: ignore[arg-type]
        while queue and flying < in_flight:
            wait = pace.wait(tokens)
            if wait > 0:
                if woken <= now:
                    woken = now + min(wait, 0.5)
                    later(min(wait, 0.5), "wake")
                break
            row = queue.popleft()
            ticket = pace.send(tokens)
            flying += 1
            let, told, asked = host(now, tokens)
            if let:
                taken.append(now)
                later(latency_s * (0.7 + 0.6 * random.random()), "in", (ticket, told))
            else:
                tries[row] += 1
                own = 0.25 * 1.5 ** min(tries[row], 50) * (0.75 + 0.5 * random.random())
                later(refusal_s, "out", (ticket, told, asked * (1 + 0.1 * random.random()) or min(own, 30.0), row))
    return Outcome(ended, refused, taken)
