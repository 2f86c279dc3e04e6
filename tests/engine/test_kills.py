"""SIGKILL at random moments: what was written down is never asked again, and no row is missing."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

import orjson
import pytest

from pipeline.store.journal import Entry, read_events
from tests.engine.test_host import RECIPE, made

KILLS, EACH, ROWS, CONCURRENCY = 20, 5, 60, 8
"""A hundred kills take minutes and were measured once (benchmarks/README.md); twenty are run each time."""
AT_WORK = CONCURRENCY + CONCURRENCY // 8
"""Questions that may be on their way between the cap and the disk."""


def child(path: str, base_url: str) -> None:
    """One run, which may not live to its end."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - what dies with it may complain
    made(Path(path), base_url, RECIPE.replace("max: 60", f"max: {ROWS}"), concurrency=CONCURRENCY)


def written(path: Path) -> set[str]:
    """The bodies, as the ledger names them, of all answers that are whole on the disk."""
    events = (entry.event for file in (path / "tales" / "calls").glob("*.jsonl") for entry in read_events(file)
              if isinstance(entry, Entry))
    return {hashlib.sha256(orjson.dumps(event["body"])).digest()[:10].hex()
            for event in events if event.get("event") == "answered"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_random_moments(tmp_path: Path, openai_server) -> None:
    moments, processes = random.Random(20261128), multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.engine.test_kills", "pipeline.providers.openai"])
    kills = again = turn = 0
    while kills < KILLS:
        turn += 1
        path, server = tmp_path / f"set{turn}" / "here", openai_server(latency_s=0.05, jitter=True)
        died, safe = 0, dict[str, int]()
        while died < EACH:
            process = processes.Process(target=child, args=(str(path), server.base_url))
            before = len(server.received())
            process.start()
            while process.is_alive() and len(server.received()) == before:
                time.sleep(0.002)
            time.sleep(moments.uniform(0.0, 0.12))
            process.kill()
            process.join()
            if process.exitcode == 0:
                break  # it had come to its end before
            died += 1
            asked = len(server.received())
            safe.update(dict.fromkeys(written(path) - safe.keys(), asked))
        kills += died
        done = made(path, server, RECIPE.replace("max: 60", f"max: {ROWS}"), concurrency=CONCURRENCY)
        assert done.standing == ROWS, "no row is lost"
        for number, event in enumerate(server.received()):
            assert number < safe.get(event["body"], number + 1), "an answer that was on the disk was asked for again"
        twice = server.paid().total() - ROWS
        assert twice <= died * AT_WORK, f"{twice} paid twice after {died} kills"
        again += twice
        server.stop()
    assert again <= kills * AT_WORK
    print(f"{kills} kills, {again} answers paid twice ({again / kills:.1f} a kill, {AT_WORK} at work)")
