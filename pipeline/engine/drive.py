"""Runs coroutines over a lazy stream of items, bounded, stoppable, with a pulse for the panel."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from pipeline.errors import SynthError

from .asker import Asker, Report, Stopped

GRACE_S = 30.0
"""How long requests in flight may take to end, once the run was told to stop."""
PULSE_S = 0.2
HANG_UP = getattr(signal, "SIGHUP", None)
"""The terminal is closed, or the connection to it is lost. Windows has no such signal."""

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
    iterator = iter(items)
    count = asker.limits.concurrency
    workers = {asyncio.create_task(_worker(iterator, work, asker)) for _ in range(count)}
    run.watch(workers)
    pulse = asyncio.create_task(run.pulse(workers))
    try:
        await asyncio.gather(*workers, return_exceptions=True)
        for worker in workers:
            if not worker.cancelled() and (error := worker.exception()) is not None:
                raise error
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


async def _worker(items: Iterator[T], work: Callable[[T], Awaitable[None]], asker: Asker) -> None:
    while not asker.stopping:
        try:
            item = next(items)
        except StopIteration:
            return
        try:
            await work(item)
        except Stopped:
            return
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
        while not all(worker.done() for worker in workers):
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
