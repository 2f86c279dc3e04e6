"""Runs coroutines over a lazy stream of items, bounded, stoppable, with a pulse for the panel."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

from pipeline.errors import SynthError

from .asker import Asker, Report
from .outcomes import Stopped, Waiting

GRACE_S = 30.0
"""How long requests in flight may take to end, once the run was told to stop."""
PULSE_S = 0.2
HANG_UP = getattr(signal, "SIGHUP", None)
"""The terminal is closed, or the connection to it is lost. Windows has no such signal."""
AHEAD = 8
"""One question in eight more than may be in flight is got ready, so that nobody waits for the disk."""
PAUSING = 10
"""Questions that may wait for another attempt, for each that may be in flight; then new ones wait as well."""

T = TypeVar("T")


def drive(
    items: Iterable[T], work: Callable[[T], Awaitable[None]], make: Callable[[], Asker], report: Report | None = None
) -> tuple[Asker, bool]:
    """Runs `work` over `items`, `concurrency` at a time, until all are done or the run stops.

    First Ctrl-C (or SIGTERM): no new request, what is in flight gets GRACE_S. Second: leave at once. A terminal that is
    closed (SIGHUP) counts as the first, however often it says so; under `nohup` it counts as nothing.

    Args:
        items: pulled one by one, never held.
        work: asks through the asker that `make` returned.
        make: builds the asker inside the running loop.
        report: called several times a second with the progress.

    Returns:
        The asker, and whether a person stopped the run.

    Raises:
        SynthError: why the run halted, after what was in flight has ended.
    """
    return asyncio.run(_drive(items, work, make, report))


async def _drive(
    items: Iterable[T], work: Callable[[T], Awaitable[None]], make: Callable[[], Asker], report: Report | None
) -> tuple[Asker, bool]:
    asker = make()
    run = _Run(asker, report)
    crew = _Crew(iter(items), work, asker)
    run.watch(crew.workers)
    pulse = asyncio.create_task(run.pulse(crew.workers))
    try:
        await crew.all_done()
    finally:
        pulse.cancel()
        with suppress(asyncio.CancelledError):
            await pulse
        run.unwatch()
        await asker.provider.close()
    if run.fault is not None:
        raise run.fault
    if report:
        report(asker.progress)
    if asker.halted is not None:
        raise asker.halted
    return asker, run.interrupted


class _Crew(Generic[T]):
    """Workers over one stream of items: as many as may be in flight, and one for each that waits for another attempt.

    A row that was told to wait for a minute so holds no place; it waits beside those that go on.
    """

    def __init__(self, items: Iterator[T], work: Callable[[T], Awaitable[None]], asker: Asker) -> None:
        self.workers: set[asyncio.Task[None]] = set()
        self._items, self._work, self._asker = items, work, asker
        self._error: BaseException | None = None
        self._over = False
        self._size = asker.limits.concurrency + asker.limits.concurrency // AHEAD
        for _ in range(self._size):
            self._hire()
        asker.relief = self._relieve

    async def all_done(self) -> None:
        """Returns when nobody is left. Raises the first fault of our own, after the others have ended."""
        while self.workers:
            await asyncio.wait(self.workers)
        if self._error is not None:
            raise self._error

    def _hire(self) -> None:
        task = asyncio.create_task(self._go_on())
        self.workers.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self.workers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = self._error or error

    def _relieve(self) -> None:
        asker = self._asker
        waiting = min(asker.pausing, PAUSING * asker.limits.concurrency)
        if not (self._over or asker.stopping or asker.held_up) and len(self.workers) < self._size + waiting:
            self._hire()

    async def _go_on(self) -> None:
        asker = self._asker
        while not asker.stopping and len(self.workers) <= self._size + asker.pausing:
            try:
                item = next(self._items)
            except StopIteration:
                self._over = True
                return
            try:
                await self._work(item)
            except Stopped:
                return
            except Waiting:
                asker.progress.elsewhere += 1
            except SynthError as error:
                asker.halt(error)
                return
            except Exception:
                asker.stop()  # our own bug: let the others end, then show it
                raise


class _Run:
    """Signals and the pulse of one run."""

    def __init__(self, asker: Asker, report: Report | None) -> None:
        self.asker = asker
        self.report = report
        self.interrupted = False
        self.fault: Exception | None = None
        self._deadline: float | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._signals: list[int] = [signal.SIGINT, signal.SIGTERM]
        if HANG_UP is not None and signal.getsignal(HANG_UP) is not signal.SIG_IGN:
            self._signals.append(HANG_UP)

    def watch(self, workers: set[asyncio.Task[None]]) -> None:
        self._workers = workers
        loop = asyncio.get_running_loop()
        for number in self._signals:
            with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
                loop.add_signal_handler(number, self._told_to_stop, number)

    def unwatch(self) -> None:
        loop = asyncio.get_running_loop()
        for number in self._signals:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)

    def _told_to_stop(self, number: int) -> None:
        again = self.interrupted and number != HANG_UP  # shell and kernel may both say that the terminal is gone
        self.interrupted = True
        self.asker.stop()
        if again:
            self._leave()

    def _leave(self) -> None:
        for worker in self._workers:
            worker.cancel()

    async def pulse(self, workers: set[asyncio.Task[None]]) -> None:
        """Reports, and gives what is in flight its time once the run stops."""
        progress = self.asker.progress
        while workers:
            if self.asker.stopping:
                self._deadline = self._deadline or time.monotonic() + GRACE_S
                progress.stopping = max(0.0, self._deadline - time.monotonic())
                if progress.stopping <= 0:
                    self._leave()
            if self.report and self.fault is None:
                try:
                    self.report(progress)
                except Exception as error:
                    self.fault = error  # our own bug: let what is in flight end, then show it
                    self.asker.stop()
            await asyncio.sleep(PULSE_S)
