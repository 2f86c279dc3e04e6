"""One question: looked up, reserved, sent, tried again by class, written down. Money never leaves unseen."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import get_args

import pytest

from pipeline.engine import AGAIN, FINAL, Stopped
from pipeline.errors import CapReached, ProviderError
from pipeline.store.calls import CallStore
from pipeline.store.journal import Entry, read_events
from pipeline.types import FailureClass, Usage
from tests.engine.scripted import PRICE, Scripted, answer, asker, no, request

WORST = 100 * 10 / 1e6
"""The output limit of a question, at the test's price; what goes in comes on top."""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A dataset's folder without neighbours: whose answers are found, one does not ask for again."""
    return tmp_path / "set"


def events(path: Path) -> list[dict]:
    return [e.event for f in sorted((path / "calls").glob("*.jsonl")) for e in read_events(f) if isinstance(e, Entry)]


async def test_an_answer_is_written_down_whole_and_never_asked_for_again(here: Path) -> None:
    provider = Scripted()
    ask = asker(here, provider, price=PRICE)
    call = await ask.ask(request(1))
    assert call.text == "fine"
    assert call.cost_usd == pytest.approx((10 * 1 + 20 * 10) / 1e6)
    assert (await ask.ask(request(1))) == call
    ask.calls.close()
    again = asker(here, provider, price=PRICE)
    assert await again.ask(request(1)) == call
    assert provider.asked.total() == 1
    assert (again.progress.reused, again.progress.answered) == (1, 0)
    again.calls.close()


async def test_the_reservation_is_on_the_disk_before_anything_is_sent(here: Path) -> None:
    seen = []

    def script(asked, turn):
        seen.extend(event for event in events(here) if event["id"] == asked.id)
        return answer()

    ask = asker(here, Scripted(script), price=PRICE)
    await ask.ask(request(1))
    assert [event["event"] for event in seen] == ["reserved"]
    assert seen[0]["usd"] > WORST
    ask.calls.close()


@pytest.mark.parametrize("kind", get_args(FailureClass))
async def test_what_is_tried_again_depends_on_the_class(here: Path, kind: FailureClass) -> None:
    provider = Scripted(lambda asked, turn: no(kind) if turn < 2 else answer("at last"))
    ask = asker(here, provider, retries=3)
    call = await ask.ask(request(1))
    if kind in AGAIN:
        assert (call.text, call.attempts, provider.asked.total()) == ("at last", 3, 3)
        assert ask.progress.retried == 2
    else:
        assert call.failure is not None
        assert (call.failure.kind, provider.asked.total()) == (kind, 1)
        assert (ask.halted is not None) == (kind in ("quota", "auth"))
    ask.calls.close()

    later = asker(here, provider, retries=3)
    again = await later.ask(request(1))
    asked = provider.asked.total()
    if kind in AGAIN or kind in FINAL:
        assert again.text == call.text
        assert asked == (3 if kind in AGAIN else 1), "the next run leaves it alone"
    else:
        assert asked == 2, "credit was added, the key mended: the next run asks"
    later.calls.close()


@pytest.mark.parametrize("kind", sorted(AGAIN - {"rate_limit"}))
async def test_retries_end(here: Path, kind: FailureClass) -> None:
    provider = Scripted(lambda asked, turn: no(kind))
    ask = asker(here, provider, retries=2)
    call = await ask.ask(request(1))
    assert call.failure is not None
    assert (provider.asked.total(), call.attempts) == (3, 3)
    assert ask.progress.failures == {kind: 1}
    later = asker(here, provider, retries=0)
    await later.ask(request(1))
    assert provider.asked.total() == (3 if kind in FINAL else 4)
    for one in (ask, later):
        one.calls.close()


async def test_final_failures_are_asked_again_when_told_to_and_by_class(here: Path) -> None:
    provider = Scripted(lambda asked, turn: no("refused") if turn < 2 else answer("now"))
    ask = asker(here, provider)
    assert (await ask.ask(request(1))).failure is not None
    assert (await ask.ask(request(1))).failure is not None
    assert (await ask.ask(request(1), again=("length",))).failure is not None
    assert provider.asked.total() == 1
    assert (await ask.ask(request(1), again=("refused",))).failure is not None
    assert (await ask.ask(request(1), again=True)).text == "now"
    assert (await ask.ask(request(1), again=True)).text == "now"
    assert provider.asked.total() == 3, "an answer is never asked for again"
    ask.calls.close()


async def test_a_host_that_says_when_is_believed(here: Path) -> None:
    provider = Scripted(lambda asked, turn: no("rate_limit", status=429, retry_after=0.3) if not turn else answer())
    ask = asker(here, provider)
    started = time.monotonic()
    await ask.ask(request(1))
    assert 0.3 <= time.monotonic() - started < 1.0
    ask.calls.close()


async def test_a_host_that_is_closed_is_asked_again_when_it_opens(here: Path) -> None:
    sent: dict[str, list[float]] = {}
    opens = time.monotonic() + 0.5

    def script(asked, turn):
        sent.setdefault(asked.id, []).append(time.monotonic())
        left = opens - time.monotonic()
        return no("rate_limit", status=429, retry_after=left) if left > 0 else answer()

    ask = asker(here, Scripted(script))
    tasks = [asyncio.create_task(ask.ask(request(number))) for number in range(20)]
    await asyncio.sleep(0.2)
    assert ask.progress.waiting is not None
    assert "rate limit" in ask.progress.waiting
    await asyncio.gather(*tasks)
    assert all(len(times) == 2 for times in sent.values()), "none before the time that the host has named"
    assert ask.progress.waiting is None
    ask.calls.close()


async def test_each_host_has_a_pace_of_its_own(here: Path) -> None:
    """A judge elsewhere does not wait for the writer's limit, nor the writer for a judge whose door is closed."""
    def script(asked, turn):
        return no("rate_limit", status=429, retry_after=5.0) if asked.namespace == "judge" else answer()

    ask = asker(here, Scripted(script), concurrency=50, rates={"judge": (None, None), "scripted": (6000, None)})
    theirs = [replace(request(number), id=f"judge{number}", namespace="judge") for number in range(10)]
    waiting = [asyncio.create_task(ask.ask(each)) for each in theirs]
    await asyncio.sleep(0.1)
    started = time.monotonic()
    await asyncio.gather(*(ask.ask(request(number)) for number in range(60)))
    assert 0.2 < time.monotonic() - started < 2.0, "60 at a hundred a second, the first 25 at once"
    ask.stop()
    await asyncio.gather(*waiting, return_exceptions=True)
    ask.calls.close()


async def test_a_queue_is_no_fault_of_a_question(here: Path) -> None:
    """A host that refuses for its rate is asked until it takes the question: refusals cost nothing but time."""
    provider = Scripted(lambda asked, turn: no("rate_limit", status=429, retry_after=0.001) if turn < 12 else answer())
    ask = asker(here, provider, retries=1)
    call = await ask.ask(request(1))
    assert (call.failure, call.attempts) == (None, 13)
    ask.calls.close()
    without = asker(here, provider, retries=0)
    call = await without.ask(request(2))
    assert call.failure is not None, "who wants no retries gets none"
    without.calls.close()


async def test_a_host_that_refuses_for_long_stops_the_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.engine import asker as module

    monkeypatch.setattr(module, "QUEUE_S", 0.4)
    ask = asker(here, Scripted(lambda asked, turn: no("rate_limit", "slow down", status=429, retry_after=0.05)))
    done = await asyncio.gather(*(ask.ask(request(number)) for number in range(5)), return_exceptions=True)
    assert "slow down" in str(ask.halted)
    assert all(isinstance(one, Stopped) or one.failure.kind == "rate_limit" for one in done)
    ask.calls.close()
    later = asker(here, Scripted(lambda asked, turn: no("rate_limit", "tomorrow", status=429, retry_after=7200)))
    started = time.monotonic()
    await later.ask(request(1))
    assert time.monotonic() - started < 0.4
    assert "tomorrow" in str(later.halted)
    later.calls.close()


async def test_those_who_wait_for_a_bucket_to_refill_spread_out(here: Path) -> None:
    """A bucket of 100 a second with room for five: 60 questions, and few are refused."""
    level, filled = 5.0, time.monotonic()

    def script(asked, turn):
        nonlocal level, filled
        now = time.monotonic()
        level, filled = min(5.0, level + (now - filled) * 100), now
        if level < 1:
            return no("rate_limit", status=429, retry_after=0.05)
        level -= 1
        return answer()

    provider = Scripted(script)
    ask = asker(here, provider, retries=1, backoff_s=0.1)
    calls = await asyncio.gather(*(ask.ask(request(number)) for number in range(60)))
    assert all(call.failure is None for call in calls)
    assert provider.asked.total() < 400, f"{provider.asked.total()} questions for 60 answers"
    ask.calls.close()


async def test_refusals_at_random_do_not_starve_the_run(here: Path) -> None:
    """A gateway that others share refuses three of ten whatever we do: we wait as told, and go on at our rate."""
    random = Random(5)
    provider = Scripted(lambda asked, turn: asyncio.sleep(
        0.02, no("rate_limit", status=429, retry_after=0.05) if random.random() < 0.3 else answer()))
    ask = asker(here, provider)
    numbers = iter(range(300))

    async def worker() -> None:
        for number in numbers:
            assert (await ask.ask(request(number))).failure is None

    started = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(16)))
    assert time.monotonic() - started < 5
    ask.calls.close()


async def test_pauses_double(here: Path) -> None:
    sent: list[float] = []

    def script(asked, turn):
        sent.append(time.monotonic())
        return no("server", status=500)

    ask = asker(here, Scripted(script), retries=3, backoff_s=0.05)
    await ask.ask(request(1))
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert gaps[0] >= 0.05 * 0.75
    assert gaps[1] >= 0.10 * 0.75
    assert gaps[2] >= 0.20 * 0.75
    ask.calls.close()


async def test_equal_questions_in_flight_are_one(here: Path) -> None:
    provider = Scripted(lambda asked, turn: asyncio.sleep(0.05, answer()))
    ask = asker(here, provider)
    calls = await asyncio.gather(*(ask.ask(request(number % 2)) for number in range(20)))
    assert provider.asked.total() == 2
    assert len({call.id for call in calls}) == 2
    ask.calls.close()


async def test_one_waiter_that_leaves_takes_nobody_along(here: Path) -> None:
    ask = asker(here, Scripted(lambda asked, turn: asyncio.sleep(0.05, answer())))
    tasks = [asyncio.create_task(ask.ask(request(1))) for _ in range(3)]
    await asyncio.sleep(0.01)
    tasks[2].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert done[0] == done[1]
    assert isinstance(done[2], asyncio.CancelledError)
    ask.calls.close()


async def test_an_owner_that_is_cancelled_lets_its_waiters_go(here: Path) -> None:
    ask = asker(here, Scripted(lambda asked, turn: asyncio.sleep(9, answer())), price=PRICE)
    tasks = [asyncio.create_task(ask.ask(request(1))) for _ in range(2)]
    await asyncio.sleep(0.05)
    tasks[0].cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in done] == [asyncio.CancelledError, Stopped]
    ask.calls.close()
    store = CallStore(here)
    assert store.spent().unconfirmed_usd > WORST, "it was sent, and who knows"
    store.close()


# -- money ---------------------------------------------------------------------------------------

async def test_an_answer_without_usage_counts_in_full(here: Path) -> None:
    ask = asker(here, Scripted(lambda asked, turn: answer(usage=None)), price=PRICE, max_usd=2.5 * WORST)
    call = await ask.ask(request(1))
    assert call.cost_usd is None
    assert ask.budget.spent > WORST
    assert ask.progress.usd is None
    ask.calls.close()
    store = CallStore(here)
    spent = store.spent()
    assert (spent.usd, spent.unpriced) == (0.0, 1)
    assert spent.unconfirmed_usd > WORST
    store.close()


@pytest.mark.parametrize(("billed", "counted"), [(True, 3), (False, 0)])
async def test_a_timeout_may_have_cost_money(here: Path, billed: bool, counted: int) -> None:
    ask = asker(here, Scripted(lambda asked, turn: no("timeout", billed=billed)), price=PRICE, retries=2)
    await ask.ask(request(1))
    ask.calls.close()
    store = CallStore(here)
    each = store.spent().unconfirmed_usd / 3
    assert store.spent().unconfirmed_usd == pytest.approx(counted * each)
    assert (each > WORST) == billed
    assert ask.budget.spent == pytest.approx(store.spent().unconfirmed_usd)
    assert ask.progress.usd_worst == pytest.approx(store.spent().unconfirmed_usd)
    assert ask.budget.held == 0
    store.close()


async def test_the_cap_stops_before_it_is_passed_and_keeps_everything(here: Path) -> None:
    provider = Scripted(lambda asked, turn: answer(usage=Usage(10, 100)))
    ask = asker(here, provider, price=PRICE, max_usd=10.5 * WORST, concurrency=4)
    done = await asyncio.gather(*(ask.ask(request(number)) for number in range(40)), return_exceptions=True)
    kept = [one for one in done if not isinstance(one, BaseException)]
    assert all(isinstance(one, Stopped) for one in done if isinstance(one, BaseException))
    assert isinstance(ask.halted, CapReached)
    assert "--max-usd" in ask.halted.hint
    assert 8 <= len(kept) <= 10
    ask.calls.close()
    store = CallStore(here)
    assert store.spent().answered == len(kept) == provider.asked.total()
    assert store.spent().usd + store.spent().unconfirmed_usd <= 10.5 * WORST
    store.close()


async def test_the_cap_holds_over_resumes_and_counts_what_is_unconfirmed(here: Path) -> None:
    total = 0
    for turn in range(5):
        script = (lambda asked, _: no("timeout", billed=True)) if turn % 2 else (lambda asked, _: answer())
        provider = Scripted(script)
        ask = asker(here, provider, price=PRICE, max_usd=6.5 * WORST, retries=0)
        for number in range(turn * 3, turn * 3 + 3):
            try:
                await ask.ask(request(number))
            except Stopped:
                break
        total += provider.asked.total()
        spent = ask.calls.spent()
        assert spent.usd + spent.unconfirmed_usd <= 6.5 * WORST
        assert ask.budget.spent == pytest.approx(spent.usd + spent.unconfirmed_usd)
        ask.calls.close()
    assert 6 < total < 15


async def test_who_waits_for_the_cap_goes_on_when_something_is_given_back(here: Path) -> None:
    """Worst cases fill the cap at once; real prices are a fifth of it, so that all find room in the end."""
    provider = Scripted(lambda asked, turn: asyncio.sleep(0.002, answer()))
    ask = asker(here, provider, price=PRICE, max_usd=5.2 * WORST)
    calls = await asyncio.gather(*(ask.ask(request(number)) for number in range(15)))
    assert len(calls) == 15
    assert provider.peak <= 4
    assert ask.halted is None
    ask.calls.close()


async def test_who_waits_for_the_cap_is_sent_away_when_the_run_stops(here: Path) -> None:
    ask = asker(here, Scripted(lambda asked, turn: asyncio.sleep(5, answer())), price=PRICE, max_usd=1.5 * WORST)
    tasks = [asyncio.create_task(ask.ask(request(number))) for number in range(3)]
    await asyncio.sleep(0.05)
    ask.stop()
    _, waiting = await asyncio.wait(tasks, timeout=0.5)
    assert len(waiting) == 1, "the one in flight may end, the others were sent away at once"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    ask.calls.close()


async def test_without_a_price_nothing_is_held_and_the_cost_is_unknown(here: Path) -> None:
    ask = asker(here, Scripted())
    call = await ask.ask(request(1))
    assert call.cost_usd is None
    assert ask.progress.usd is None
    assert ask.calls.spent().unpriced == 1
    ask.calls.close()


async def test_an_answer_of_a_neighbour_costs_nothing_here(here: Path) -> None:
    provider = Scripted()
    first = asker(here.parent / "old", provider, price=PRICE)
    await first.ask(request(1))
    first.calls.close()
    second = asker(here.parent / "new", provider, price=PRICE, max_usd=0.0)
    assert (await second.ask(request(1))).copied_from == "old"
    assert (await second.ask(request(1))).copied_from == "old"
    assert provider.asked.total() == 1
    assert second.calls.spent().usd == 0
    assert second.budget.spent == 0
    second.calls.close()


# -- what stops a run ----------------------------------------------------------------------------

@pytest.mark.parametrize(("failure", "hint"), [
    (no("quota", "insufficient_quota", status=429), "add credit"),
    (no("auth", "wrong key", status=401), "doctor"),
    (no("bad_request", "no such model", status=404, code="model_not_found"), "--model"),
])
async def test_what_every_request_would_meet_stops_at_once(here: Path, failure, hint: str) -> None:
    provider = Scripted(lambda asked, turn: failure)
    ask = asker(here, provider)
    done = await asyncio.gather(*(ask.ask(request(number)) for number in range(30)), return_exceptions=True)
    assert isinstance(ask.halted, ProviderError)
    assert failure.message in ask.halted.message
    assert hint in ask.halted.hint
    assert all(isinstance(one, Stopped) or one.failure is not None for one in done)
    with pytest.raises(Stopped):
        await ask.ask(request(99))
    ask.calls.close()


async def test_the_same_refusal_of_every_request_stops_the_run(here: Path) -> None:
    provider = Scripted(lambda asked, turn: no("bad_request", "temperature is not for this model", status=400))
    ask = asker(here, provider)
    count = 0
    while not ask.stopping and count < 50:
        await ask.ask(request(count))
        count += 1
    assert count == 5
    assert "temperature" in str(ask.halted)
    ask.calls.close()


async def test_a_refusal_now_and_then_is_a_row(here: Path) -> None:
    def script(asked, turn):
        return no("bad_request", status=400) if int(asked.body["messages"][0]["content"].split()[1]) % 3 else answer()

    ask = asker(here, Scripted(script))
    for number in range(30):
        await ask.ask(request(number))
    assert ask.halted is None
    assert (ask.progress.answered, ask.progress.failed) == (10, 20)
    ask.calls.close()


async def test_a_host_that_is_away_stops_the_run_within_seconds(here: Path) -> None:
    provider = Scripted(lambda asked, turn: no("connection", "refused"))
    ask = asker(here, provider, backoff_s=0.5)
    started = time.monotonic()
    await asyncio.gather(*(ask.ask(request(number)) for number in range(8)), return_exceptions=True)
    assert time.monotonic() - started < 7
    assert "server running" in str(ask.halted)
    ask.calls.close()


async def test_a_host_that_answers_now_and_then_is_not_away(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.engine import asker as module

    monkeypatch.setattr(module, "PATIENCE_S", (0.1, 0.1))
    kinds = ["connection", "server"] * 40

    def script(asked, turn):
        kind = kinds.pop()
        return asyncio.sleep(0.01, no(kind, status=500 if kind == "server" else None))

    ask = asker(here, Scripted(script), retries=0)
    for number in range(40):
        await ask.ask(request(number))
    assert ask.halted is None, "a host that says 500 is there"
    ask.calls.close()


async def test_a_stop_during_the_reservation_sends_nothing_and_costs_nothing(here: Path) -> None:
    provider = Scripted()
    ask = asker(here, provider, price=PRICE)
    task = asyncio.create_task(ask.ask(request(1)))
    while not ask.calls.journal.bytes:
        await asyncio.sleep(0)
    ask.stop()
    with pytest.raises(Stopped):
        await task
    assert provider.asked.total() == 0
    ask.calls.close()
    store = CallStore(here)
    assert store.spent().unconfirmed_usd == 0
    store.close()


async def test_a_fault_of_our_own_is_no_failed_row(here: Path) -> None:
    def script(asked, turn):
        raise KeyError("ours")

    ask = asker(here, Scripted(script))
    with pytest.raises(KeyError):
        await ask.ask(request(1))
    assert ask.calls.state(request(1).id) is None
    ask.calls.close()
