"""Processes that measure: started with this interpreter and its paths, fed through pipes, gone with who started them.

Not `multiprocessing`: it forks a process with threads in it, or runs the caller's script a second time.
"""

from __future__ import annotations

import marshal
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from struct import Struct
from typing import IO, Any

_SIZE = Struct("<Q")
_START = ("import marshal, sys; sys.path[:] = marshal.load(sys.stdin.buffer); "
          "from pipeline.curate.pool import serve; serve()")


class Pool:
    """Some processes that answer bytes with bytes, one question at a time each.

    Args:
        processes: how many.
        make: a function of a module that is called with `given` once in each, and returns what answers.
        given: what `pickle` takes.
    """

    def __init__(self, processes: int, make: Callable[..., Callable[[bytes], bytes]], given: tuple[Any, ...]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        hello = pickle.dumps((make, given))
        self._all = [_started(hello) for _ in range(processes)]
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for process in self._all:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="measure")

    def ask(self, data: bytes) -> Callable[[], bytes | None]:
        """Hands a question to the next process that is free; what is returned waits for the answer: None where the
        process died."""
        return self._threads.submit(self._answer, data).result

    def _answer(self, data: bytes) -> bytes | None:
        try:
            process = self._idle.get_nowait()
        except Empty:  # all died
            return None
        answer = None
        if process.stdin is not None and process.stdout is not None:
            with suppress(OSError):
                _send(process.stdin, data)
                answer = _receive(process.stdout)
        if answer is not None:
            self._idle.put(process)
        return answer

    def close(self) -> None:
        """Ends them, at work or not."""
        for process in self._all:
            process.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for process in self._all:
            process.communicate()


def _started(hello: bytes) -> subprocess.Popen[bytes]:
    # a session of its own: Ctrl-C is for who started it, and the end of its pipe ends it
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with suppress(OSError):  # one that does not start answers nothing
        if process.stdin is not None:
            process.stdin.write(marshal.dumps([path or str(Path.cwd()) for path in sys.path]))
            _send(process.stdin, hello)
    return process


def serve() -> None:
    """What a process does: answers until nothing more is asked."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a rule prints is no answer
    hello = _receive(questions)
    if hello is None:
        return
    make, given = pickle.loads(hello)
    answer = make(*given)
    while (question := _receive(questions)) is not None:
        _send(answers, answer(question))


def _send(file: IO[bytes], data: bytes) -> None:
    file.write(_SIZE.pack(len(data)))
    file.write(data)
    file.flush()


def _receive(file: IO[bytes]) -> bytes | None:
    """What was sent; None at the end."""
    head = file.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return None
    (size,) = _SIZE.unpack(head)
    data = file.read(size)
    return data if len(data) == size else None
