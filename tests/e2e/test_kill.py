"""kill -9 at ten random moments: by the server's own ledger no answered call is made twice, and none is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter

import pytest

from tests.servers import Server, running

ROWS = 240
CONCURRENCY = 8
GRACE = 0.3
"""Seconds that an answer may be on its way to the disk when the process dies; younger ones may be asked again."""
RECIPE = """\
synth: 1
name: tales
axes: {{who: {{numbers: {{min: 1, max: 40}}}}, what: [sea, road, war, love, law, snow, debt, fire]}}
sample: {{rows: {rows}, how: random}}
prompt: {{user: "Tale {{{{who}}}} of {{{{what}}}}.", salt: true}}
train: {{user: "{{{{what}}}}"}}
generate: {{model: "openai:story-small", max_tokens: 2000}}
export: {{formats: [openai-chat]}}
"""


def command(server: Server) -> list[str]:
    return ["generate", "tales", "--base-url", server.base_url, "--concurrency", str(CONCURRENCY), "--yes"]


@pytest.mark.slow
def test_ten_kills_pay_for_nothing_twice_and_lose_nothing(synth) -> None:
    moments = random.Random(20261121)
    synth.write("tales.yaml", RECIPE.format(rows=ROWS))
    env = {"OPENAI_API_KEY": "sk-loopback-e2e"}
    killed: list[float] = []
    with running(latency_s=0.25, jitter=True) as server:
        for _ in range(10):
            killed += killed_at_work(synth.start(*command(server), env=env), server, moments.uniform(0.0, 1.2))
        assert len(killed) == 10, "every kill met a run at work"
        asked_before_the_last = len(server.received())
        synth(*command(server), env=env, timeout=200)
        server.ledger()
        check_ledger(server, killed)
        assert len(server.received()) > asked_before_the_last, "the last run had something left to do"

        done = len(server.received())
        synth(*command(server), env=env)
        assert len(server.received()) == done, "a finished run asks for nothing"
    samples = synth.rows(synth.dataset("tales") / "samples.jsonl")
    assert len(samples) == len({s["id"] for s in samples}) == ROWS


def killed_at_work(process: subprocess.Popen[bytes], server: Server, seconds: float) -> list[float]:
    """Kills a run so long after its first question, not within Python's start; when, unless it had ended by itself."""
    before = len(server.ledger())
    deadline = time.monotonic() + 60
    while len(server.ledger()) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    killed = [time.time()] if process.poll() is None else []
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return killed


def check_ledger(server: Server, killed: list[float], rows: int | None = ROWS) -> None:
    """Every body was answered; an answer older than GRACE at a kill was never asked for again."""
    answered: dict[str, float] = {}
    again = Counter[str]()
    for event in server.ledger():
        body = event["body"]
        if event["event"] == "received" and body in answered:
            again[body] += 1
            kill = min((moment for moment in killed if moment >= answered[body] - 0.05), default=None)
            assert kill is not None, f"{body} was answered, nothing was killed, and it was asked for again"
            age = kill - answered[body]
            assert age < GRACE, f"{body} was answered {age:.2f} s before the kill, and asked for again"
        elif event["event"] == "answered":
            answered[body] = event["t"]
    assert rows is None or len(answered) == rows
    assert again.total() <= len(killed) * CONCURRENCY, "only what was in flight at a kill may be asked for again"


def test_what_the_store_holds_survives_the_kill_whole(synth) -> None:
    """One kill, and the files read by other means than ours: every sealed line is a whole answer of the ledger."""
    synth.write("tales.yaml", RECIPE.format(rows=60))
    env = {"OPENAI_API_KEY": "sk-loopback-e2e"}
    with running(latency_s=0.1) as server:
        process = synth.start(*command(server), env=env)
        while len(server.answered()) < 20 and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        synth(*command(server), env=env)
        files = (synth.dataset("tales") / "calls").glob("*.jsonl")
        events = [event for path in files for event in synth.rows(path)]
        ids = [event["id"] for event in events if event.get("event") == "answered"]
        assert len(ids) == len(set(ids)) == 60, "each answer once, over all files"
