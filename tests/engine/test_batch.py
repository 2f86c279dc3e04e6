"""Batches on a real server: gathered, sent once, fetched on another day, what was not done sent again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.digest import call_id
from pipeline.engine import Asker, Gatherer, Limits, Progress, Waiting, batched
from pipeline.errors import CapReached, ProviderError
from pipeline.prices import Price
from pipeline.providers import batch_host, build
from pipeline.settings import ProviderEntry, Settings
from pipeline.store.calls import CallStore
from pipeline.types import Call, CallRequest
from tests.nursery import ROOT
from tests.servers import Server

Start = Callable[..., Server]
PRICE = Price(1.0, 2.0, None, "2026-11", "a test")


def request(number: int, text: str = "", model: str = "m") -> CallRequest:
    body = {"model": model, "messages": [{"role": "user", "content": text or f"Tale {number}"}], "max_tokens": 100}
    return CallRequest(call_id("here", "chat", body), "here", body)


class Run:
    """One process's view: a store, a gatherer at a server, the calls that work came to."""

    def __init__(self, server: Server, path: Path, timeout_s: float = 5.0, **limits: Any) -> None:
        entry = ProviderEntry(type="openai", base_url=server.base_url)
        self.settings = Settings(providers={"here": entry}, retries=3, timeout_s=timeout_s)
        self.calls = CallStore(path)
        self.progress = Progress()
        self.gatherer = Gatherer(batch_host("here", self.settings, {}), self.calls, Limits(price=PRICE, **limits),
                                 self.progress, sleep=lambda _: time.sleep(0.02))
        self.done: dict[str, Call] = {}

    def go(self, requests: list[CallRequest], then: Callable[[Call], CallRequest] | None = None) -> bool:
        async def work(item: CallRequest) -> None:
            call = await self.gatherer.ask(item)
            if then is not None and call.failure is None:
                call = await self.gatherer.ask(then(call))
            self.done[item.id] = call

        self.done.clear()
        return batched(lambda: iter(requests), work, work, self.gatherer)


@pytest.fixture
def run(openai_server: Start, tmp_path: Path) -> Iterator[Callable[..., tuple[Run, Server]]]:
    opened = []

    def begin(server: Server | None = None, limits: dict[str, Any] | None = None, **options: Any) -> tuple[Run, Server]:
        server = server or openai_server(**options)
        opened.append(Run(server, tmp_path / "set", **limits or {}))
        return opened[-1], server

    yield begin
    for each in opened:
        each.calls.close()


def test_answers_are_those_of_live_requests(run: Any, tmp_path: Path) -> None:
    import asyncio

    asked = [request(number) for number in range(30)]
    one, server = run()
    assert one.go(asked) is False
    assert len(one.done) == 30
    assert one.progress.answered == 30
    assert len(server.made("batch")) == 1
    assert max(server.paid().values()) == 1
    spent = one.calls.spent()
    assert spent.unconfirmed_usd == 0
    assert spent.usd == pytest.approx(sum(call.cost_usd or 0 for call in one.done.values()))
    live = build("here", one.settings, {})

    async def alone() -> Call:
        asker = Asker(live, CallStore(tmp_path / "live"), Limits(), Progress())
        try:
            return await asker.ask(asked[3])
        finally:
            await live.close()

    same = asyncio.run(alone())
    assert (same.id, same.message, same.usage) == (one.done[asked[3].id].id, one.done[asked[3].id].message,
                                                   one.done[asked[3].id].usage)


def test_the_same_again_asks_nothing(run: Any) -> None:
    asked = [request(number) for number in range(5)]
    one, server = run()
    one.go(asked)
    one.calls.close()
    two, _ = run(server)
    two.go([*asked, request(9)])
    assert len(server.made("batch")) == 2
    assert sum(server.paid().values()) == 6


def test_later_steps_go_in_a_batch_of_their_own(run: Any) -> None:
    one, server = run()
    one.go([request(number) for number in range(4)], lambda call: request(0, f"Longer: {call.text}"))
    assert len(one.done) == 4
    assert len(server.made("batch")) == 2
    assert sum(server.paid().values()) == 8


def test_what_expired_is_sent_again_and_what_was_done_is_kept(run: Any) -> None:
    one, server = run(batch={"expire": 0.4})
    one.go([request(number) for number in range(20)])
    assert len(one.done) == 20
    assert max(server.paid().values()) == 1
    assert len(server.made("batch")) == 2
    assert one.calls.spent().unconfirmed_usd == 0


def test_failed_lines(run: Any) -> None:
    """A final failure stands; one that may pass is sent again, at most three times in all."""
    one, server = run()
    texts = ("", "[[fault:context]]", "[[fault:server_500]]", "[[fault:refusal]]")
    one.go([request(number, text) for number, text in enumerate(texts)])
    kinds = {call.failure.kind if call.failure else "fine" for call in one.done.values()}
    assert kinds == {"fine", "length", "server"}
    assert len(server.made("batch")) == 3
    assert one.calls.spent().unconfirmed_usd == 0


def test_a_model_each(run: Any) -> None:
    one, server = run()
    one.go([request(number, model=f"m{number % 2}") for number in range(6)])
    assert len(one.done) == 6
    assert len(server.made("batch")) == 2


def test_each_model_at_its_own_price(run: Any) -> None:
    one, _ = run(limits={"prices": {"here:m1": Price(10.0, 20.0, None, "", "a test")}})
    one.go([request(1, "A tale", model="m0"), request(1, "A tale", model="m1")])
    for call in one.done.values():
        times = 10 if call.body["model"] == "m1" else 1
        assert call.usage is not None
        assert call.cost_usd == pytest.approx(times * (call.usage.input_tokens + 2 * call.usage.output_tokens) / 1e6)


@pytest.mark.parametrize("stop", ["create", "created"])
def test_lost_between_upload_and_create_nothing_is_made_twice(run: Any, stop: str) -> None:
    one, server = run(limits={"timeout_s": 0.5}, batch={"stop": stop})
    one.go([request(number) for number in range(3)])
    assert len(server.made("file")) == 2, "one that was sent, one that came back"
    assert len(server.made("batch")) == 1


def test_on_another_day_and_machine(run: Any, tmp_path: Path) -> None:
    """A run that ends while the batch is on its way; a copy of its folder goes on elsewhere."""
    import shutil

    asked = [request(number) for number in range(8)]
    one, server = run(batch={"pace_s": 0.4})

    def gone(_seconds: float) -> None:
        raise KeyboardInterrupt

    one.gatherer._sleep = gone
    assert one.go(asked) is True
    held = one.calls.spent().unconfirmed_usd
    assert held > 0
    one.calls.close()
    shutil.copytree(tmp_path / "set", tmp_path / "moved")
    two = Run(server, tmp_path / "moved")
    assert two.go(asked) is False
    assert len(two.done) == 8
    assert len(server.made("batch")) == 1
    assert two.calls.spent().unconfirmed_usd == 0
    two.calls.close()


def test_a_live_run_leaves_alone_what_is_on_its_way(run: Any) -> None:
    import asyncio

    one, server = run(batch={"pace_s": 5.0})

    def gone(_seconds: float) -> None:
        raise KeyboardInterrupt

    one.gatherer._sleep = gone
    one.go([request(1)])
    live = build("here", one.settings, {})

    async def ask() -> None:
        asker = Asker(live, one.calls, Limits(), Progress())
        try:
            with pytest.raises(Waiting):
                await asker.ask(request(1))
            assert (await asker.ask(request(2))).failure is None
        finally:
            await live.close()

    asyncio.run(ask())
    assert sum(server.paid().values()) == 1


def test_the_cap_holds_and_what_fits_is_sent(run: Any) -> None:
    """Each call may cost 0.0002 dollars for its output; a cap of 0.0012 has room for some and never for all."""
    one, server = run(limits={"max_usd": 0.0012})
    with pytest.raises(CapReached):
        one.go([request(number) for number in range(12)])
    assert 0 < sum(server.paid().values()) < 12
    assert one.calls.spent().usd <= 0.0012


def test_too_many_tokens_waiting_the_file_is_halved(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engine.batch.FEWEST", 2)
    one, server = run(batch={"queued": 60})
    one.go([request(number, f"Tale {number} " + "word " * 8) for number in range(12)])
    assert len(one.done) == 12
    assert max(server.paid().values()) == 1


def test_a_file_that_is_not_taken_is_named(run: Any) -> None:
    one, server = run(batch={"fails": True})
    with pytest.raises(ProviderError, match="The file cannot be used"):
        one.go([request(1)])
    assert one.calls.spent().unconfirmed_usd == 0
    assert not server.paid()


def test_exhausted_credit_stops_the_run_and_keeps_what_came(run: Any) -> None:
    one, _ = run(quota=2)
    with pytest.raises(ProviderError, match="quota"):
        one.go([request(number) for number in range(5)])
    assert one.calls.spent().answered == 2
    assert one.calls.spent().unconfirmed_usd == 0


def test_files_are_divided_at_the_limits(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.engine.batch.LINES", 4)
    one, server = run(batch={"lines": 4})
    one.go([request(number) for number in range(10)])
    assert len(one.done) == 10
    assert len(server.made("batch")) == 3


CHILD = """
import sys
from pathlib import Path
from tests.engine.test_batch import Run, request
from tests.servers import Server
class There:
    base_url = sys.argv[1]
run = Run(There, Path(sys.argv[2]))
run.go([request(number) for number in range(40)])
"""


@pytest.mark.slow
def test_killed_anywhere_nothing_is_sent_or_paid_twice(openai_server: Start, tmp_path: Path) -> None:
    server = openai_server(batch={"pace_s": 0.15})
    for turn in range(12):
        child = subprocess.Popen([sys.executable, "-c", CHILD, server.base_url, str(tmp_path / "set")], cwd=ROOT)
        try:
            child.wait(0.35 + 0.07 * turn)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    last = Run(server, tmp_path / "set")
    last.go([request(number) for number in range(40)])
    assert len(last.done) == 40
    assert len(server.made("batch")) == 1
    assert max(server.paid().values()) == 1
    assert last.calls.spent().unconfirmed_usd == 0
    assert last.calls.spent().answered == 40
    assert last.calls.spent().usd == pytest.approx(sum(call.cost_usd or 0 for call in last.done.values()))
    last.calls.close()
