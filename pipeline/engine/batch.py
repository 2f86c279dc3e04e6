"""Asks in batches: questions are gathered into files, each goes out as one job, and is fetched whenever it is done.

That may be on another day or machine: all that it takes lies in `calls/batches/`.

A question that is on its way holds the name `batch.ID` among the reservations of the journal, so that no other run asks
it meanwhile. Source of the limits: OpenAI's batch guide, as of 2025-11.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import CapReached, ProviderError
from pipeline.store.batches import COLLECTED, WRITTEN, Batch, Batches, Spool
from pipeline.store.calls import CallStore, event_of
from pipeline.store.files import loads
from pipeline.store.journal import now
from pipeline.types import Call, CallRequest, Failure

from .asker import Limits, Report, batch_hold, spent_of
from .budget import cap_reached, worst_case
from .noticed import noticed
from .outcomes import AGAIN, HALT, Waiting, call_of, explain, settled
from .progress import Progress
from .protocol import Answer, BatchHost, Look

LINES, BYTES = 50_000, 200 * 10**6
"""The most that one file may have."""
FEWEST = 100
"""A file of fewer lines is not halved where a host has too many tokens waiting: it waits."""
TURNS = 3
"""So often a question goes into a batch before its failure stands."""
PAUSES_S = (2.0, 60.0)
"""Seconds between two looks at a batch: the first, and the longest; half as long again each time."""
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
QUEUE_FULL = "token_limit_exceeded"
SYNC_EVERY = 500

T = TypeVar("T")


class Gatherer:
    """Takes the place of an `Asker`: what is known is answered, what is not goes into a file.

    Args:
        host: who takes batches.
        calls: where answers are kept.
        limits: the cap, and the price of a batch.
        progress: counters that this updates.
        sleep: waits so many seconds.

    Attributes:
        closed: whether nothing more is gathered.
    """

    def __init__(
        self, host: BatchHost, calls: CallStore, limits: Limits, progress: Progress,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.closed = False
        self.host, self.calls, self.limits, self.progress = host, calls, limits, progress
        self.batches = Batches(calls.folder)
        self._sleep = sleep or time.sleep
        self._spools: dict[str, Spool] = {}
        self._made = 0
        self._most = LINES
        self._gathered: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._spent: float | None = None
        self._held = 0.0
        self._full: CapReached | None = None
        self._halt: Failure | None = None

    async def ask(self, request: CallRequest, *, again: bool | Collection[str] = False) -> Call:
        """The call's outcome, where it is known.

        Raises:
            Waiting: it is on its way, or goes with the next batch.
        """
        known = self.calls.find(request.id)
        tried = self.closed or self._tries[request.id]
        if known is not None and (settled(known, not tried and again) or self.closed or tried >= TURNS):
            self.progress.reused += 1
            return known
        if not self.closed and request.id not in self._gathered and not self.calls.index.held(batch_hold(request.id)):
            self._add(request)
        raise Waiting

    def fetched(self, call_id: str) -> bool:
        """Whether a question's outcome came with a batch that this process fetched."""
        return call_id in self._tries

    def resume(self) -> bool:
        """Sends what an earlier run had written down and not sent. Returns whether any batch is open."""
        for batch in self.batches.open():
            if batch.namespace == self.host.namespace and batch.state == WRITTEN:
                self._submit(batch)
        return bool(self._mine())

    def send(self) -> bool:
        """Sends what was gathered. Returns whether there was anything.

        Raises:
            CapReached: not even one question fits under the cap.
        """
        spools, self._spools = self._spools, {}
        self._gathered.clear()
        self._spent, self._held = None, 0.0
        if not spools and self._full is not None:
            raise self._full
        self._full = None
        for model, spool in spools.items():
            self._submit(self.batches.add(spool, self.host.namespace, model, now()))
        return bool(spools)

    def drop(self) -> None:
        """Forgets what was gathered and not sent."""
        for spool in self._spools.values():
            spool.drop()
        self._spools.clear()

    def follow(self, report: Report | None) -> None:
        """Looks at the open batches until all have ended, and takes in what came back."""
        pause = PAUSES_S[0]
        while batches := self._mine():
            told = []
            for batch in batches:
                look = self.host.look(batch)
                if look.status != batch.state:
                    batch, pause = self.batches.save(batch, state=look.status), PAUSES_S[0]
                if look.status in ENDED:
                    self._collect(batch, look)
                else:
                    told.append(f"{look.status.replace('_', ' ')}, {look.done:,} of {look.total or batch.lines:,}")
            if not told:
                continue
            self.progress.waiting = f"batch {'; '.join(told)}"
            if report:
                report(self.progress)
            self._sleep(pause)
            pause = min(PAUSES_S[1], pause * 1.5)
        self.progress.waiting = None

    # -- gathering -------------------------------------------------------------------------------

    def _add(self, request: CallRequest) -> None:
        worst = self._worst(request.body)
        if self._full is None and self.limits.max_usd is not None:
            spent = self._spent = spent_of(self.calls) if self._spent is None else self._spent
            if spent + self._held + (worst or 0.0) > self.limits.max_usd + 1e-12:
                self._full = cap_reached(self.limits.max_usd, spent + self._held, worst or 0.0)
        if self._full is not None:
            return
        model, line = str(request.body.get("model")), self.host.line(request, name_of(request))
        spool = self._spools.get(model)
        if spool is not None and (spool.lines >= self._most or spool.bytes + len(line) > BYTES):
            self._submit(self.batches.add(self._spools.pop(model), self.host.namespace, model, now()))
            spool = None
        if spool is None:
            self._made += 1
            spool = self._spools[model] = self.batches.spool(self._made)
        spool.add(line)
        self._gathered.add(request.id)
        self._held += worst or 0.0

    def _worst(self, body: Mapping[str, Any]) -> float | None:
        request = CallRequest("", self.host.namespace, dict(body))
        return worst_case(body, str(body.get("model", "")), self.limits.price_of(request))

    # -- sending ---------------------------------------------------------------------------------

    def _mine(self) -> list[Batch]:
        return [batch for batch in self.batches.open()
                if batch.namespace == self.host.namespace and batch.state != WRITTEN]

    def _submit(self, batch: Batch) -> None:
        """Reserves every question of a file, then sends it: nothing is sent that is not on the disk."""
        for request_id, _, body in self._requests(batch):
            self.calls.journal.append({"event": "reserved", "id": request_id, "attempt": 1,
                                       "hold": batch_hold(request_id), "usd": self._worst(body)})
        self.calls.journal.sync()
        self.calls.index.refresh()
        remote = self.host.submit(batch, self.batches.lines(batch))
        self.batches.save(batch, state=str(remote.pop("status")), remote=remote)

    def _requests(self, batch: Batch) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Id, repeat and body of the questions of a batch, in order."""
        with self.batches.lines(batch).open("rb") as file:
            for line in file:
                value = loads(line)
                request_id, repeat = split(value["custom_id"])
                yield request_id, repeat, value["body"]

    # -- taking in -------------------------------------------------------------------------------

    def _collect(self, batch: Batch, look: Look) -> None:
        """Puts every outcome into the journal, and frees what was not done. Killed anywhere, it is done again."""
        if look.status == "failed":
            return self._not_taken(batch, look)
        left: dict[str, tuple[int, int]] = {}
        with self.batches.lines(batch).open("rb") as file:
            start = 0
            for line in file:
                left[str(loads(line)["custom_id"])] = (start, len(line))
                start += len(line)
            for side in ("output", "error"):
                if side in look.files:
                    path = self.batches.results(batch, side)
                    if not path.exists():
                        self.host.fetch(look.files[side], path)
                    self._take(path, file, left, look.at)
        for custom_id in left:
            self._free(split(custom_id)[0], "expired")
        self._close(batch)
        for side in ("output", "error"):
            with suppress(OSError):
                self.batches.results(batch, side).unlink()  # all of it is in the journal
        if self._halt is not None:
            raise explain(self._halt)
        if look.status == "cancelled":
            raise ProviderError(f"{self.host.namespace}: the batch {batch.remote.get('id')} was cancelled; what it had "
                                "answered is kept", "the same command again asks for the rest")

    def _close(self, batch: Batch) -> None:
        self.calls.journal.sync()
        self.calls.index.refresh()
        self.batches.save(batch, state=COLLECTED)

    def _take(self, path: Path, file: Any, left: dict[str, tuple[int, int]], at: str) -> None:
        with path.open("rb") as results:
            for number, line in enumerate(results, 1):
                value = loads(line)
                place = left.pop(str(value.get("custom_id")), None)
                if place is None:
                    continue  # not of ours, or given twice
                file.seek(place[0])
                asked = loads(file.read(place[1]))
                self._keep(asked, self.host.outcome(value), at)
                if number % SYNC_EVERY == 0:
                    self.calls.journal.sync()

    def _keep(self, asked: Mapping[str, Any], outcome: Answer | Failure, at: str) -> None:
        """One outcome. A failure that may pass is asked again in the next batch, for some turns."""
        request_id, repeat = split(asked["custom_id"])
        if self.calls.index.state(request_id) == "answered":
            return  # taken in before a kill
        self._tries[request_id] += 1
        failed = outcome if isinstance(outcome, Failure) else None
        if failed is not None and failed.kind in HALT:
            self._halt = failed  # every further question would meet the same
        turn = self._tries[request_id]
        once_more = failed is not None and (failed.kind in HALT or (failed.kind in AGAIN and turn < TURNS))
        if failed is not None and once_more and not failed.billed:
            self._free(request_id, failed.kind)
            self.progress.retried += 1
            return
        if isinstance(outcome, Answer):
            self.progress.notice(noticed(asked["body"], outcome))
        request = CallRequest(request_id, self.host.namespace, asked["body"], repeat)
        call = call_of(request, outcome, self.limits.price_of(request), turn, at=at)
        event = {**event_of(call), "hold": batch_hold(request_id)}
        self.calls.journal.append(event)
        self.calls.index.remember(event)
        self.progress.count(call)

    def _free(self, request_id: str, why: str) -> None:
        """A question that was not done costs nothing, and may be asked again."""
        self.calls.journal.append({"event": "attempt", "id": request_id, "attempt": 1, "billed": False, "class": why,
                                   "hold": batch_hold(request_id)})

    def _not_taken(self, batch: Batch, look: Look) -> None:
        """Too many tokens wait at the host already, or something is wrong with the file."""
        full = any(error.get("code") == QUEUE_FULL for error in look.errors)
        for request_id, _, _ in self._requests(batch):
            self._free(request_id, "queue" if full else "failed")
        self._close(batch)
        others = [other for other in self._mine() if other.name != batch.name]
        if full and (others or batch.lines > FEWEST):
            self._most = self._most if others else max(FEWEST, batch.lines // 2)
            return
        error = look.errors[0] if look.errors else {}
        line = f", line {error['line']}" if error.get("line") else ""
        raise ProviderError(f"{self.host.namespace}: the batch was not taken: {error.get('message', 'no reason given')}"
                            f" ({self.batches.lines(batch)}{line})",
                            "without --batch the same questions are asked one by one")


def batched(
    items: Callable[[], Iterable[T]], ask: Callable[[T], Awaitable[None]], take: Callable[[T], Awaitable[None]],
    gatherer: Gatherer, report: Report | None = None,
) -> bool:
    """Asks about the items until none of them waits for an answer, then takes what came.

    Each turn gathers what can be asked now; what depends on an answer is asked in the turn after.

    Args:
        items: makes them anew, each turn.
        ask: asks through the gatherer.
        take: does the same and goes on with the answers, once nothing more is asked; not for items that still wait.
        gatherer: takes the questions.
        report: called while a batch is on its way.

    Returns:
        Whether a person stopped it. What was sent goes on at the host, and the same command fetches it.

    Raises:
        SynthError: why it cannot go on.
    """
    interrupted = False
    try:
        gatherer.resume()
        gatherer.follow(report)
        while True:
            asyncio.run(_once(items(), ask))
            if not gatherer.send():
                break
            gatherer.follow(report)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        gatherer.drop()
        gatherer.host.close()
        gatherer.closed = True
        gatherer.progress.elsewhere = asyncio.run(_once(items(), take))
    return interrupted


async def _once(items: Iterable[T], work: Callable[[T], Awaitable[None]]) -> int:
    """Works over all items; returns how many wait."""
    waiting = 0
    for item in items:
        try:
            await work(item)
        except Waiting:
            waiting += 1
    return waiting


def name_of(request: CallRequest) -> str:
    """A question's name in a batch: its id, and which repeat it is."""
    return f"{request.id}.{request.repeat}"


def split(custom_id: str) -> tuple[str, int]:
    """Id and repeat of a name."""
    request_id, _, repeat = custom_id.rpartition(".")
    return request_id, int(repeat)
