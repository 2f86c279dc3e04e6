"""Real servers on loopback, each a process of its own, and the handle that tests hold."""

from __future__ import annotations

import os
import select
import signal
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from tests.nursery import Nursery


class Server:
    """A running openai_server. `base_url` ends in /v1; `path` is the ledger's file."""

    def __init__(self, pid: int, stdin: int, stdout: BinaryIO, path: Path, tls: bool) -> None:
        self.pid, self.path = pid, path
        self._stdin, self._stdout = stdin, stdout
        line = stdout.readline().split()
        if len(line) != 2:
            self.stop()
            raise RuntimeError("the loopback server did not start; its reason is on stderr")
        self.port = int(line[1])
        self.root = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.base_url = f"{self.root}/v1"

    def ended(self, timeout: float = 0) -> bool:
        """Whether the process is gone, or goes within so many seconds: nobody holds its standard output open."""
        return self._stdout.closed or bool(select.select([self._stdout], [], [], timeout)[0])

    def kill(self) -> None:
        """Ends the process at once, as a machine that fails; returns when it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.ended(30)

    def ledger(self) -> list[dict[str, Any]]:
        """All events so far, in order. Waits for the server to have written what it has sent."""
        if not self.ended() and self.root.startswith("http:"):
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
        if self._stdout.closed:
            return
        os.close(self._stdin)  # it ends by itself: a kill could come between an answer and its line
        if not self.ended(5):
            self.kill()
        self._stdout.close()


@cache
def _nursery() -> Nursery:
    return Nursery("tests.servers.openai_server")


def start(ledger: Path | None = None, **options: Any) -> Server:
    """Starts a server in a process of its own, in about 0.01 s; the first one in 0.3 s.

    Args:
        ledger: its file; a new temporary one where none is given.
        options: fields of `openai_server.Options`, as `latency_s=0.05, rates={"rate_limit": 0.1}`.
    """
    path = ledger or Path(tempfile.mkdtemp(prefix="ledger-")) / "ledger.jsonl"
    (stdin, its), (out, stdout) = os.pipe(), os.pipe()
    pid = _nursery().fork({"ledger": str(path), **options}, [stdin, stdout])
    os.close(stdin)
    os.close(stdout)
    return Server(pid, its, os.fdopen(out, "rb"), path, bool(options.get("tls")))


@contextmanager
def running(ledger: Path | None = None, **options: Any) -> Iterator[Server]:
    """`start` that stops by itself: `with running(latency_s=0.1) as server: ...`."""
    server = start(ledger, **options)
    try:
        yield server
    finally:
        server.stop()
