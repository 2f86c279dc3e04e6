"""kill -9 on the way to so many kept rows: by the server's own ledger nothing paid is asked again, the goal is met."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest

from tests.e2e.test_kill import check_ledger, killed_at_work
from tests.servers import Server, running

RECIPE = """\
synth: 1
name: tales
axes: {who: {numbers: {min: 1, max: 40}}, what: [sea, road, war, love, law, snow, debt, fire]}
prompt: {user: "Tale {{who}} of {{what}}.", salt: true}
train: {user: "{{what}}"}
generate: {model: "openai:story-small", max_tokens: 2000}
curate: [{length: {min: 1000, unit: bytes}}, near_duplicate: {threshold: 0.8}]
export: {formats: [openai-chat]}
"""
ENV = {"OPENAI_API_KEY": "sk-loopback-e2e"}
KEEP = 80


def command(server: Server) -> list[str]:
    return ["generate", "tales", "--keep", str(KEEP), "--base-url", server.base_url, "--concurrency", "8", "--yes"]


def states(synth) -> Counter:
    return Counter(line["state"] for line in synth.rows(synth.dataset("tales") / "verdicts.jsonl"))


@pytest.mark.slow
def test_six_kills_on_the_way_pay_for_nothing_twice(synth) -> None:
    moments = random.Random(20261128)
    synth.write("tales.yaml", RECIPE)
    killed: list[float] = []
    with running(latency_s=0.2, jitter=True) as server:
        for _ in range(6):
            killed += killed_at_work(synth.start(*command(server), env=ENV), server, moments.uniform(0.1, 1.0))
        assert len(killed) >= 4, "the kills met runs at work"
        synth(*command(server), env=ENV, timeout=200)
        ledger = server.ledger()
        answered = {event["body"]: event["t"] for event in ledger if event["event"] == "answered" and event.get("paid")}
        sent = [event["body"] for event in ledger if event["event"] == "received"]
        check_ledger(server, killed, None)
        found = states(synth)
        assert KEEP <= found["kept"] <= KEEP + 6
        yield_ = found["kept"] / sum(found.values())
        on_their_way = 8 * len(killed)
        assert len(answered) <= 1.15 * KEEP / yield_ + on_their_way
        synth(*command(server), env=ENV)
        assert len(server.received()) == len(sent), "a goal that is met asks for nothing"


@pytest.mark.slow
def test_ctrl_c_keeps_what_came_and_says_how_to_go_on(synth) -> None:
    synth.write("tales.yaml", RECIPE)
    with running(latency_s=0.3, jitter=True) as server:
        process = synth.start(*command(server), env=ENV)
        deadline = time.monotonic() + 60
        while len(server.answered()) < 20 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        log = (synth.folder.parent / f"{synth.folder.name}.log").read_text()
        assert "stopped; everything that came is kept" in log
        assert f"--keep {KEEP}" in log[log.index("next "):]
        came = len(synth.rows(synth.dataset("tales") / "samples.jsonl"))
        assert came == len(server.paid())
        synth(*command(server), env=ENV)
        assert max(server.paid().values()) == 1
