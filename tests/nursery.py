"""Processes forked from one that has its modules loaded: a start takes 10 ms, where Python's takes a second."""

from __future__ import annotations

import atexit
import gc
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 1 << 16


class Nursery:
    """A running `python -m MODULE` that calls `serve` below. It ends with this process."""

    def __init__(self, module: str, env: Mapping[str, str] | None = None) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, stdin=theirs, env=env)
        atexit.register(self._end)

    def fork(self, request: Mapping[str, Any], files: Sequence[int]) -> int:
        """Forks a process; returns its pid.

        Args:
            request: what its work is given.
            files: what its descriptors 0, 1, 2, ... are.
        """
        line = orjson.dumps(request, option=orjson.OPT_APPEND_NEWLINE)
        sent = socket.send_fds(self._control, [line], files)
        self._control.sendall(line[sent:])
        return int(self._control.recv(64))

    def _end(self) -> None:
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)


def serve(work: Callable[[Any], None]) -> None:
    """Forks a process for each request, until whoever started this is gone."""
    control = socket.socket(fileno=os.dup(0))
    gc.freeze()
    while True:
        line, files, _, _ = socket.recv_fds(control, LONGEST, 8)
        while line and not line.endswith(b"\n"):
            line += control.recv(LONGEST)
        if not line:
            break
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        child = os.fork()
        if child == 0:
            control.close()
            try:
                moved = [os.dup(file) for file in files]  # so that none is in the place of another
                for place, file in enumerate(moved):
                    os.dup2(file, place)
                os.closerange(len(files), max(moved) + 1)
                work(orjson.loads(line))
            except BaseException:
                import traceback

                traceback.print_exc()
            os._exit(0)
        for file in files:
            os.close(file)
        control.sendall(b"%d\n" % child)
