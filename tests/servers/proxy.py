"""A forward proxy on loopback that tunnels (CONNECT) whatever address it is asked for to one server here."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer


class Proxy(ThreadingTCPServer):
    """`tunnels` holds the addresses that it was asked for; `login`, as `name:word`, is demanded where it is given."""

    daemon_threads = True

    def __init__(self, port: int, login: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.target, self.login = port, login
        self.tunnels: list[str] = []
        self.url = f"http://{login + '@' if login else ''}127.0.0.1:{self.server_address[1]}"


class _Tunnel(StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        method, address, _ = self.rfile.readline().decode("latin-1").split(" ")
        headers = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        login = self.server.login
        if login and headers.get("proxy-authorization") != f"Basic {base64.b64encode(login.encode()).decode()}":
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return
        if method != "CONNECT":
            self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")
            return
        self.server.tunnels.append(address)
        with socket.create_connection(("127.0.0.1", self.server.target)) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
            back.start()
            _pump(self.connection, there)
            back.join(5)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxy(port: int, login: str | None = None) -> Iterator[Proxy]:
    """Runs one for as long as it is open; tunnels end at `port`."""
    with Proxy(port, login) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
