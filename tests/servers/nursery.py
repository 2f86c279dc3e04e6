"""A process that has the loopback server loaded, and forks one for each line: a start takes 10 ms instead of 250."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import orjson

from tests.servers.openai_server import Options, serve

LONGEST = 1 << 20


def read(control: socket.socket) -> tuple[bytes, list[int]]:
    """A line, and the two files that came with it: the server's standard input and output."""
    line, files, _, _ = socket.recv_fds(control, LONGEST, 2)
    while line and not line.endswith(b"\n"):
        line += control.recv(LONGEST)
    return line, files


def main() -> None:
    """Until whoever started it is gone. Answers each line with the number of the process that it forked."""
    control = socket.socket(fileno=0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits: a server that ended leaves nothing behind
    while True:
        line, files = read(control)
        if not line:
            return
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(files[0], 0)  # in the place of `control`
            os.dup2(files[1], 1)
            os.closerange(3, max(files) + 1)
            try:
                asyncio.run(serve(Options(**orjson.loads(line))))
            except BaseException:
                import traceback

                traceback.print_exc()
            os._exit(0)
        for file in files:
            os.close(file)
        control.sendall(b"%d\n" % child)


if __name__ == "__main__":
    main()
