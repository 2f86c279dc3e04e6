"""Many questions at once: bounded, lazy, stoppable by a signal, by a fault, by the cap."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.engine import Asker, Limits, Progress, drive
from pipeline.errors import CapReached, DataError, ProviderError
from pipeline.store import index
from pipeline.store.calls import CallStore
from tests.engine.scripted import PRICE, Scripted, answer, no, request

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A dataset's folder without neighbours."""
    return tmp_path / "set"


class Run:
    """One drive over questions, with what came of it."""

    def __init__(self, path: Path, provider: Scripted, items, report=None, **limits) -> None:
        self.provider, self.done = provider, []
        self.progress = Progress(started=time.monotonic())
        self.calls = CallStore(path)
        asker: list[Asker] = []
        limits.setdefault("backoff_s", 0.002)

        def make() -> Asker:
            asker.append(Asker(provider, self.calls, Limits(**limits), self.progress))
            return asker[0]

        async def work(number: int) -> None:
            call = await asker[0].ask(request(number))
            if call.failure is None:
                self.done.append(number)

        try:
            _, self.interrupted = drive(items, work, make, report)
        finally:
            self.spent = self.calls.spent()
            self.calls.close()


def test_all_are_done_and_no_more_than_allowed_at_once(here: Path) -> None:
    provider = Scripted(lambda asked, turn: asyncio.sleep(0.001, answer()))
    run = Run(here, provider, range(200), concurrency=7)
    assert sorted(run.done) == list(range(200))
    assert provider.peak == 7
    assert provider.closed == 1
    assert not run.interrupted
    assert (run.progress.answered, run.progress.in_flight, run.spent.answered) == (200, 0, 200)


def test_items_are_pulled_one_by_one(here: Path) -> None:
    pulled = ahead = 0
    provider = Scripted(lambda asked, turn: asyncio.sleep(0, answer()))

    def items() -> Iterator[int]:
        nonlocal pulled, ahead
        for number in range(300):
            pulled += 1
            ahead = max(ahead, pulled - provider.ended)
            yield number

    Run(here, provider, items(), concurrency=5)
    assert pulled == 300
    assert ahead <= 6


def test_memory_stays_flat(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "word " * 2000
    provider = Scripted(lambda asked, turn: answer(text))
    provider.asked = type("Nothing", (), {"__getitem__": lambda s, k: 0, "__setitem__": lambda s, k, v: None})()
    Run(here, provider, range(-50, 0), concurrency=8)
    peaks = []
    monkeypatch.setattr(index, "HELD_EVENTS", 100)
    gc.collect()
    tracemalloc.start()
    for size in (200, 1000):
        tracemalloc.reset_peak()
        base = tracemalloc.get_traced_memory()[0]
        run = Run(here, provider, (size * 10 + number for number in range(size)), concurrency=8)
        assert run.progress.answered == size
        del run
        peaks.append(tracemalloc.get_traced_memory()[1] - base)
    tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + (1 << 20), f"peaks {peaks}"


def test_one_that_hangs_holds_nobody_up(here: Path) -> None:
    ended: list[float] = []

    def script(asked, turn):
        if asked.id == request(0).id:
            return asyncio.sleep(0.6, answer())
        ended.append(time.monotonic())
        return answer()

    started = time.monotonic()
    run = Run(here, Scripted(script), range(60), concurrency=3)
    assert len(run.done) == 60
    assert max(ended) - started < 0.5


def test_one_that_is_tried_again_holds_nobody_up(here: Path) -> None:
    def script(asked, turn):
        return no("server", status=500) if asked.id == request(0).id and turn < 3 else answer()

    run = Run(here, Scripted(script), range(60), concurrency=3, backoff_s=0.1)
    assert run.done[-1] == 0
    assert len(run.done) == 60


def test_exhausted_credit_stops_at_once_and_keeps_everything(here: Path) -> None:
    paid = iter(range(20))

    def script(asked, turn):
        return answer() if next(paid, None) is not None else asyncio.sleep(0.01, no("quota", "insufficient_quota"))

    provider = Scripted(script)
    with pytest.raises(ProviderError, match="insufficient_quota"):
        Run(here, provider, range(1000), concurrency=4)
    assert provider.asked.total() <= 24
    store = CallStore(here)
    assert store.spent().answered == 20
    store.close()
    provider.script = lambda asked, turn: answer()
    before = provider.asked.total()
    assert len(Run(here, provider, range(40)).done) == 40
    assert provider.asked.total() == before + 20, "what was answered is not asked for again"


def test_a_host_that_is_not_there(here: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ProviderError, match="refused"):
        Run(here, Scripted(lambda asked, turn: no("connection", "refused")), range(500), backoff_s=0.5)
    assert time.monotonic() - started < 7


def test_an_address_behind_which_nothing_is_stops_at_once_and_is_never_final(here: Path) -> None:
    nothing = no("bad_request", "nothing answers at URL", status=404, code="wrong_address")
    provider = Scripted(lambda asked, turn: nothing)
    with pytest.raises(ProviderError, match="nothing answers") as caught:
        Run(here, provider, range(24), concurrency=2)
    assert "--base-url" in caught.value.hint
    assert provider.asked.total() <= 2
    provider.script = lambda asked, turn: answer()
    assert len(Run(here, provider, range(24)).done) == 24, "the right address is asked about all of them"


@pytest.mark.parametrize("said", [
    no("bad_request", "unknown model", status=404, code="model_not_found"),
    no("parse", "an HTML page in place of JSON", status=200, code="wrong_address"),
])
def test_what_is_not_there_today_may_be_there_tomorrow(here: Path, said) -> None:
    provider = Scripted(lambda asked, turn: said)
    with suppress(ProviderError):
        Run(here, provider, range(3), concurrency=1, retries=1)
    provider.script = lambda asked, turn: answer()
    assert len(Run(here, provider, range(3)).done) == 3


def test_a_404_after_answers_is_one_row_that_failed(here: Path) -> None:
    def script(asked, turn):
        return no("bad_request", status=404, code="wrong_address") if asked.id == request(9).id else answer()

    assert len(Run(here, Scripted(script), range(20), concurrency=1).done) == 19


def test_the_cap(here: Path) -> None:
    provider = Scripted()
    with pytest.raises(CapReached) as caught:
        Run(here, provider, range(500), price=PRICE, max_usd=0.01)
    assert "everything is kept" in caught.value.hint
    store = CallStore(here)
    assert 0 < store.spent().usd <= 0.01
    assert store.spent().answered == provider.asked.total()
    store.close()


def test_a_file_of_rows_that_breaks_off_ends_the_run_with_its_own_sentence(here: Path) -> None:
    def items() -> Iterator[int]:
        yield from range(10)
        raise DataError("rows.jsonl:11: not JSON")

    with pytest.raises(DataError, match=r"rows\.jsonl:11"):
        Run(here, Scripted(), items(), concurrency=3)
    store = CallStore(here)
    assert store.spent().answered == 10
    store.close()


def test_a_fault_of_our_own_is_shown_after_the_others_have_ended(here: Path) -> None:
    def script(asked, turn):
        if asked.id == request(5).id:
            raise ZeroDivisionError
        return asyncio.sleep(0.05, answer())

    provider = Scripted(script)
    with pytest.raises(ZeroDivisionError):
        Run(here, provider, range(1000), concurrency=4)
    assert provider.asked.total() < 20
    store = CallStore(here)
    assert store.spent().answered == provider.asked.total() - 1
    store.close()


def test_a_report_that_fails_ends_the_run_and_is_shown(here: Path) -> None:
    def report(progress: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Run(here, Scripted(lambda asked, turn: asyncio.sleep(0.01, answer())), range(2000), report, concurrency=2)


def test_the_report_is_called_while_it_goes_on_and_at_the_end(here: Path) -> None:
    seen: list[int] = []
    script = Scripted(lambda asked, turn: asyncio.sleep(0.02, answer()))
    Run(here, script, range(60), lambda progress: seen.append(progress.answered), concurrency=2)
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert seen[-1] == 60


def test_what_is_in_flight_gets_its_time_and_no_more(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["pipeline.engine.drive"], "GRACE_S", 0.4)
    times = {request(0).id: 0.2, request(1).id: 30.0}

    def script(asked, turn):
        if asked.id == request(2).id:
            return no("quota", "no credit")
        return asyncio.sleep(times.get(asked.id, 0), answer())

    started, left = time.monotonic(), []
    with pytest.raises(ProviderError):
        Run(here, Scripted(script), range(50), lambda progress: left.append(progress.stopping), concurrency=3,
            price=PRICE)
    assert 0.3 < time.monotonic() - started < 3
    assert any(seconds for seconds in left), "a countdown is shown"
    store = CallStore(here)
    spent = store.spent()
    assert store.state(request(0).id) == "answered", "it came within its time"
    assert store.state(request(1).id) is None
    assert spent.unconfirmed_usd > 0.001, "and the other may cost what it may"
    store.close()


def test_two_drives_over_one_store(here: Path) -> None:
    """`run` generates and then augments in one process."""
    calls = CallStore(here)
    for turn in range(3):
        provider, progress = Scripted(lambda asked, turn: asyncio.sleep(0.001, answer())), Progress()
        asker: list[Asker] = []

        def make(provider=provider, progress=progress, asker=asker) -> Asker:
            asker.append(Asker(provider, calls, Limits(concurrency=8), progress))
            return asker[0]

        async def work(number: int, asker=asker) -> None:
            await asker[0].ask(request(number))

        drive(range(turn * 50, turn * 50 + 100), work, make)
        assert (progress.reused, progress.answered) == ((50, 50) if turn else (0, 100))
    calls.close()


CHILD = """
import asyncio, sys, time
from pathlib import Path
from pipeline.engine import Asker, Limits, Progress, drive
from pipeline.store import index
from pipeline.store.calls import CallStore
from tests.engine.scripted import PRICE, Scripted, answer, request

seconds = float(sys.argv[2])
calls, asker = CallStore(Path(sys.argv[1])), []

def script(asked, turn):
    print("sent", flush=True)
    return asyncio.sleep(seconds, answer())

def make():
    asker.append(Asker(Scripted(script), calls, Limits(concurrency=4, price=PRICE), Progress()))
    return asker[0]

async def work(number):
    await asker[0].ask(request(number))

_, interrupted = drive(range(1000), work, make)
spent = calls.spent()
calls.close()
print("interrupted" if interrupted else "done", spent.answered, spent.unconfirmed_usd > 0, flush=True)
"""


def child(here: Path, seconds: float, before: str = "") -> subprocess.Popen[bytes]:
    """A run of its own, four of whose questions are out."""
    command = [sys.executable, "-c", f"{before}\n{CHILD}", str(here), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True)
    assert process.stdout is not None
    for _turn in range(4):
        assert process.stdout.readline() == b"sent\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_what_is_in_flight_end(here: Path, number: signal.Signals) -> None:
    process = child(here, 0.5)
    os.kill(process.pid, number)
    out, _err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.count(b"sent\n") == 0, "nothing new is sent"
    assert out.split() == [b"interrupted", b"4", b"False"]


def test_the_second_signal_leaves_at_once(here: Path) -> None:
    process = child(here, 60)
    started = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "the first one waits"
    os.kill(process.pid, signal.SIGINT)
    out, _err = process.communicate(timeout=20)
    assert time.monotonic() - started < 5
    assert out.split() == [b"interrupted", b"0", b"True"], "what was sent may cost money, and is counted"


def test_a_terminal_that_is_closed_may_say_so_twice(here: Path) -> None:
    process = child(here, 0.8)
    os.kill(process.pid, signal.SIGHUP)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGHUP)
    out, _err = process.communicate(timeout=20)
    assert out.split() == [b"interrupted", b"4", b"False"], "what was sent came"


def test_under_nohup_a_terminal_that_is_closed_stops_nothing(here: Path) -> None:
    process = child(here, 0.02, before="import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    os.kill(process.pid, signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGTERM)
    out, _err = process.communicate(timeout=20)
    assert int(out.split()[-2]) > 8, "it went on"
