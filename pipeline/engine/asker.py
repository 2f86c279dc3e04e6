"""Asks one question durably: looked up, priced, reserved, sent, retried, written down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from pipeline.errors import DataError, SynthError
from pipeline.hosts.failures import NO_SUCH_MODEL, UNSUPPORTED, WRONG_ADDRESS
from pipeline.hosts.limits import Told
from pipeline.prices import Price
from pipeline.settings import Settings
from pipeline.store.batches import Batches
from pipeline.store.calls import CallStore, event_of
from pipeline.store.finetunes import tuned_usd
from pipeline.types import Call, CallRequest, Failure

from .budget import Budget, output_limit, rough_tokens, worst_case
from .noticed import noticed
from .outcomes import AGAIN, HALT, Stopped, Waiting, call_of, explain, settled
from .pace import Pace, Ticket
from .progress import Progress
from .protocol import Answer, CallFailed, Provider

SAME_FAULT = 5
"""So many refused requests, with none answered, mean that the request itself is wrong."""
PATIENCE_S = (3.0, 60.0)
"""How long a host may be away before the run stops: when it never answered, and when it did."""
QUEUE_S = 900.0
"""How long a host may refuse everything for its rate, or may ask to wait, before the run stops."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a run may push.

    Attributes:
        concurrency: requests in flight at most.
        retries: further attempts after the first.
        max_usd: the cap, in dollars, over the dataset's life.
        price: dollars per million tokens; None where unknown.
        backoff_s: first pause before another attempt; it doubles up to 60 s.
        rpm: requests a minute; None for what the host says itself.
        tpm: tokens a minute, in and out together.
        prices: of models that are asked beside the one of `price`, by PROVIDER:MODEL.
        rates: rpm and tpm of hosts that are asked beside the first one, by name.
    """

    concurrency: int = 32
    retries: int = 6
    max_usd: float | None = None
    price: Price | None = None
    backoff_s: float = 0.5
    rpm: int | None = None
    tpm: int | None = None
    prices: Mapping[str, Price | None] = field(default_factory=dict)
    rates: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, settings: Settings, provider: Provider, price: Price | None,
        prices: Mapping[str, Price | None] | None = None,
    ) -> Limits:
        """What the settings allow at a provider. A rehearsal has no limit but the concurrency."""
        hosts = {provider.namespace, *(name.partition(":")[0] for name in prices or ())}
        rates = {} if provider.rehearsal else {host: _rates(settings, host) for host in hosts}
        rpm, tpm = rates.get(provider.namespace, (None, None))
        return cls(settings.concurrency, settings.retries, settings.max_usd, price, rpm=rpm, tpm=tpm,
                   prices=prices or {}, rates=rates)

    def price_of(self, request: CallRequest) -> Price | None:
        """The price of the model that a question is for."""
        return self.prices.get(f"{request.namespace}:{request.body.get('model')}", self.price)


def _rates(settings: Settings, host: str) -> tuple[int | None, int | None]:
    """Requests and tokens a minute that the user allows a host."""
    entry = settings.providers.get(host)
    return settings.rpm or (entry.rpm if entry else None), settings.tpm or (entry.tpm if entry else None)


class Asker:
    """One provider, one store, one budget: everything that a paid question goes through.

    Args:
        provider: who answers.
        calls: where answers are kept; it must not be shared with another live writer.
        progress: counters that this updates.
        random: jitter of the pauses.
        clock: seconds that never jump.

    Attributes:
        pausing: questions that wait before another attempt; they hold nobody up.
        relief: called when one more does, so that another question takes its place.
    """

    def __init__(
        self, provider: Provider, calls: CallStore, limits: Limits, progress: Progress, random: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.calls = calls
        self.limits = limits
        self.progress = progress
        self.halted: SynthError | None = None
        self.stopping = False
        self.budget = Budget(limits.max_usd, 0.0 if limits.max_usd is None else spent_of(calls))
        self.pausing = 0
        self.relief: Callable[[], None] = lambda: None
        self._random, self._clock = random or Random(), clock
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._hosts: dict[str, tuple[Pace, asyncio.Lock]] = {}
        self._batches = bool(Batches(calls.folder).open())
        self._flying: dict[str, asyncio.Future[Call]] = {}
        self._limited_since: float | None = None
        self._answered = 0
        self._refused = 0
        self._away_since: float | None = None
        self._lost = 0  # attempts without an answer, since the last one
        self._stop = asyncio.Event()

    async def ask(self, request: CallRequest, *, again: bool | Collection[str] = False) -> Call:
        """The call's outcome: from the store where it is known, else from the provider.

        Args:
            request: the question.
            again: ask once more although the stored outcome is a failure of a FINAL class; or these classes alone.

        Raises:
            Stopped: the run stops and this question was not sent.
            Waiting: it is on its way in a batch.
            DataError: the answer cannot be written (it is kept as far as the disk allows).
        """
        known = self.calls.find(request.id)
        if known is not None and settled(known, again):
            self.progress.reused += 1
            return known
        if self._batches and self.calls.index.held(batch_hold(request.id)):
            raise Waiting
        flying = self._flying.get(request.id)
        if flying is not None:
            return await asyncio.shield(flying)
        future: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        self._flying[request.id] = future
        try:
            call = await self._until_settled(request)
            future.set_result(call)
            return call
        except BaseException as error:
            future.set_exception(Stopped() if isinstance(error, asyncio.CancelledError) else error)
            future.exception()  # seen: nobody may be waiting for it
            raise
        finally:
            del self._flying[request.id]

    @property
    def held_up(self) -> bool:
        """Whether the host answers nobody for now, so that no other question should be begun."""
        closed = any(pace.closed for pace, _ in self._hosts.values())
        return closed or self._away_since is not None or self._lost >= self.limits.concurrency

    def stop(self) -> None:
        """No new request from now on; what is in flight may end."""
        self.stopping = True
        self.budget.close()
        self._stop.set()

    def halt(self, error: SynthError) -> None:
        """As `stop`, with the reason that the run will end with; the first one counts."""
        self.halted = self.halted or error
        self.stop()

    async def _until_settled(self, request: CallRequest) -> Call:
        worst = worst_case(request.body, str(request.body.get("model", "")), self.limits.price_of(request))
        attempt = faults = refusals = 0
        pace, _ = self._host(request.namespace)
        while True:
            attempt += 1
            ticket = await self._turn(request)
            try:
                hold = await self._reserve(request, attempt, worst)
                call, limits = await self._send(request, attempt)
            except BaseException:
                pace.back(ticket)
                raise
            failure = call.failure
            wait = self._wait(failure, faults, refusals) if failure else 0.0
            if failure and (failure.kind == "rate_limit" or (failure.kind == "server" and failure.retry_after)):
                pace.refused(ticket, limits, wait)
            else:
                pace.answered(ticket, limits, call.usage)
            if failure is None:
                return await self._keep(call, hold, worst)
            queued = failure.kind == "rate_limit"  # no fault of this question: it waits its turn
            faults, refusals = faults + (not queued), refusals + queued
            self._judge(failure, wait)
            last = faults > self.limits.retries or not self.limits.retries
            if last or failure.kind not in AGAIN or self.stopping:
                return await self._keep(call, hold, worst)
            await self.calls.journal.durable(
                {"event": "attempt", "id": call.id, "attempt": attempt, "hold": hold, "billed": failure.billed,
                 "class": failure.kind, "message": failure.message[:500]}
            )
            self._settle(worst, (worst or 0.0) if failure.billed else 0.0, keep_worst=failure.billed)
            self.progress.retried += 1
            await self._pause(wait, failure)

    async def _turn(self, request: CallRequest) -> Ticket:
        """Waits until the host takes another request, first come first served.

        Raises:
            Stopped: the run stops meanwhile.
        """
        pace, turns = self._host(request.namespace)
        tokens = pace.estimate(rough_tokens(request.body), output_limit(request.body))
        if turns.locked() or pace.wait(tokens) > 0:
            async with turns:
                while not self.stopping and (left := pace.wait(tokens)) > 0:
                    self._idle(left)
                    await self._sleep(min(left, 0.5))
        if self.stopping:
            raise Stopped
        return pace.send(tokens)

    def _host(self, name: str) -> tuple[Pace, asyncio.Lock]:
        """A host's pace, and the queue of those who wait for it."""
        if name not in self._hosts:
            rates = self.limits.rates.get(name, (self.limits.rpm, self.limits.tpm))
            self._hosts[name] = Pace(*rates, self._clock), asyncio.Lock()
        return self._hosts[name]

    def _idle(self, seconds: float) -> None:
        """Says why nothing is sent, where nothing is out either."""
        if not self.progress.in_flight and seconds >= 0.1:
            self.progress.waiting = f"rate limit: {seconds:.0f} s"

    async def _reserve(self, request: CallRequest, attempt: int, worst: float | None) -> str:
        """Takes the worst case from the cap and writes it down, then takes a slot; before that nothing is sent.

        Returns:
            The reservation's name, which the outcome carries.
        """
        if self.stopping:
            raise Stopped
        try:
            if not await self.budget.take(worst or 0.0):
                raise Stopped
        except SynthError as error:
            self.halt(error)
            raise Stopped from error
        self.progress.usd_worst += worst or 0.0
        journal = self.calls.journal
        hold = journal.next_hold()
        try:
            await journal.durable(
                {"event": "reserved", "id": request.id, "attempt": attempt, "hold": hold, "usd": worst})
            await self._slots.acquire()
        except BaseException:
            self._unsent(request, attempt, hold, worst)
            raise
        if self.stopping:  # while it waited; the slot goes to the next, who finds the same
            self._slots.release()
            self._unsent(request, attempt, hold, worst)
            raise Stopped
        return hold

    def _unsent(self, request: CallRequest, attempt: int, hold: str, worst: float | None) -> None:
        """Nothing was sent, so nothing may be charged."""
        self.calls.journal.append({"event": "attempt", "id": request.id, "attempt": attempt, "hold": hold,
                                   "billed": False, "class": "stopped"})
        self._settle(worst, 0.0)

    async def _send(self, request: CallRequest, attempt: int) -> tuple[Call, Told | None]:
        """Asks, in the slot that `_reserve` took, and gives it back."""
        answer: Answer | None = None
        failure: Failure | None = None
        try:
            self.progress.in_flight += 1
            self.progress.waiting = None
            started = self._clock()
            answer = await self.provider.ask(request)
            limits = answer.limits
            if not self.provider.rehearsal:
                self.progress.notice(noticed(request.body, answer))
        except CallFailed as failed:
            failure, limits = failed.failure, failed.limits
        finally:
            self.progress.in_flight -= 1
            self._slots.release()
        call = call_of(request, answer or failure, self.limits.price_of(request), attempt,
                       latency_s=self._clock() - started, rehearsal=self.provider.rehearsal)
        return call, limits

    async def _keep(self, call: Call, hold: str, worst: float | None) -> Call:
        """Makes an outcome durable, then counts it."""
        event = {**event_of(call), "hold": hold}
        unknown = call.cost_usd is None and (call.failure is None or call.failure.billed)
        try:
            await self.calls.journal.durable(event)
        except DataError as error:
            self.halt(error)
            raise
        finally:
            self._settle(worst, (worst or 0.0) if unknown else (call.cost_usd or 0.0), keep_worst=unknown)
        self.calls.index.remember(event)
        self.progress.count(call)
        if call.failure is None:
            self._answered, self._lost = self._answered + 1, 0
            self._away_since = self._limited_since = None
        return call

    def _settle(self, worst: float | None, cost: float, keep_worst: bool = False) -> None:
        self.budget.settle(worst or 0.0, cost)
        if not keep_worst:
            self.progress.usd_worst = max(0.0, self.progress.usd_worst - (worst or 0.0))

    def _judge(self, failure: Failure, wait: float) -> None:
        """Slows the run down, or stops it where every further request would meet the same."""
        self._lost += 1
        now = self._clock()
        nowhere = failure.code == WRONG_ADDRESS and failure.kind == "bad_request" and not self._answered
        if failure.kind in HALT or failure.code in (NO_SUCH_MODEL, UNSUPPORTED) or nowhere:
            self.halt(explain(failure))
        elif failure.kind == "bad_request" and not self._answered:
            self._refused += 1
            if self._refused >= SAME_FAULT:
                self.halt(explain(failure))
        elif failure.kind == "rate_limit":
            self._limited_since = self._limited_since or now
            if max(wait, now - self._limited_since) > QUEUE_S:
                self.halt(explain(failure))
        if failure.kind != "connection":
            self._away_since = None if failure.status is not None else self._away_since
        else:
            self._away_since = self._away_since or now
            if now - self._away_since > PATIENCE_S[bool(self._answered)]:
                self.halt(explain(failure))

    def _wait(self, failure: Failure, faults: int, refusals: int) -> float:
        """Seconds before another attempt, with some chance in it, so that not all come back at once.

        As long as the host asks; where it asks nothing, longer each time. The run's own pace is in `pace.py`.
        """
        chance = 0.75 + 0.5 * self._random.random()
        if failure.retry_after is not None:
            return max(failure.retry_after, 0.05) * (0.85 + 0.2 * chance)
        if failure.kind == "rate_limit":
            return min(30.0, 0.5 * self.limits.backoff_s * 1.5 ** min(refusals, 50)) * chance
        return min(60.0, self.limits.backoff_s * 2.0**faults) * chance

    async def _pause(self, seconds: float, failure: Failure) -> None:
        """Waits before another attempt, says so where nothing else goes on, and lets another question go before."""
        end = self._clock() + seconds
        self.pausing += 1
        self.relief()
        try:
            while (left := end - self._clock()) > 0 and not self.stopping:
                if failure.kind == "rate_limit":
                    self._idle(left)
                await self._sleep(min(left, 1.0))
        finally:
            self.pausing -= 1

    async def _sleep(self, seconds: float) -> None:
        """Sleeps, and wakes early when the run stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


def spent_of(calls: CallStore) -> float:
    """Dollars that a dataset has cost, with the most that what never answered and what was tuned may have."""
    spent = calls.spent()
    return spent.usd + spent.unconfirmed_usd + tuned_usd(calls.folder.parent)


def batch_hold(call_id: str) -> str:
    """The reservation of a question that is on its way in a batch; there is one at a time."""
    return f"batch.{call_id}"


Report = Callable[[Progress], None]
