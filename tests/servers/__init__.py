"""Real servers on loopback, each a process of its own, and the handle that tests hold."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parent.parent.parent


class Server:
    """A running openai_server. `base_url` ends in /v1; `path` is the ledger's file."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, path: Path, tls: bool) -> None:
        self.process, self.port, self.path = process, port, path
        self.root = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.base_url = f"{self.root}/v1"

    def ledger(self) -> list[dict[str, Any]]:
        """All events so far, in order. Waits for the server to have written what it has sent."""
        if self.process.poll() is None and self.root.startswith("http:"):
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{self.root}/sync", timeout=30) as response:
                response.read()
        return [orjson.loads(line) for line in self.path.read_bytes().splitlines()]

    def received(self) -> list[dict[str, Any]]:
        """The requests that arrived whole."""
        return [event for event in self.ledger() if event["event"] == "received"]

    def answered(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The answers that were sent to the last byte; of one kind (`ok`, or a fault's name) if given."""
        return [event for event in self.ledger() if event["event"] == "answered" and kind in (None, event["kind"])]

    def made(self, what: str) -> list[dict[str, Any]]:
        """The files, uploads or jobs that were made; see `_tuning`."""
        return [event for event in self.ledger() if event["event"] == "made" and event["what"] == what]

    def paid(self, by: str = "body") -> Counter[str]:
        """How often each body (or `prompt`) was answered at a price: a count above 1 was paid twice."""
        return Counter(event[by] for event in self.answered() if event.get("paid"))

    def kinds(self) -> Counter[str]:
        """How often each kind of answer was sent."""
        return Counter(event["kind"] for event in self.answered())

    def stop(self) -> None:
        """Ends the process, once the ledger holds what was sent. A server with the same `ledger` goes on in it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()  # it ends by itself: a kill could come between an answer and its line
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def start(ledger: Path | None = None, **options: Any) -> Server:
    """Starts a server in a process of its own, in about 0.2 s.

    Args:
        ledger: its file; a new temporary one where none is given.
        options: fields of `openai_server.Options`, as `latency_s=0.05, rates={"rate_limit": 0.1}`.
    """
    path = ledger or Path(tempfile.mkdtemp(prefix="ledger-")) / "ledger.jsonl"
    arguments = orjson.dumps({"ledger": str(path), **options}).decode()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.openai_server", arguments],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    line = process.stdout.readline().split()
    if len(line) != 2:
        process.wait()
        raise RuntimeError("the loopback server did not start; its reason is on stderr")
    return Server(process, int(line[1]), path, bool(options.get("tls")))


@contextmanager
def running(ledger: Path | None = None, **options: Any) -> Iterator[Server]:
    """`start` that stops by itself: `with running(latency_s=0.1) as server: ...`."""
    server = start(ledger, **options)
    try:
        yield server
    finally:
        server.stop()
