"""One kept HTTP/1.1 connection on asyncio: a request out, the whole response in, read by httptools.

Measured 2026-11 on loopback, a hundred in flight: 0.13 ms of CPU a call; read by h11 0.24, httpcore2 0.7, httpx2 1.0 in
lanes of eight and 1.4 in one pool.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import NamedTuple, cast

import httptools

HEAD_LIMIT = 64 * 1024
"""Bytes of a response's head."""


class Broken(Exception):
    """The connection or the response ended before it was whole."""


class Response(NamedTuple):
    """Status, headers by lower-case name, the body as it was before any content-encoding."""

    status: int
    headers: dict[str, str]
    body: bytes


class Line(asyncio.Protocol):
    """One connection, for one request at a time.

    Attributes:
        usable: whether another request may be sent.
        idle_since: when the last response was whole, in seconds of the event loop.
    """

    def __init__(self) -> None:
        self.usable = True
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._begin()

    async def ask(self, data: bytes) -> Response:
        """Sends the bytes of a request and waits for its response.

        Raises:
            Broken: the response did not come whole.
        """
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._begin()
        self._transport.write(data)
        try:
            return await self._answer
        except BaseException:
            self.abort()  # what still comes belongs to nobody
            raise
        finally:
            self._answer = None
            self.idle_since = loop.time()

    def abort(self) -> None:
        """Closes at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.usable = False
        if exc is None and self._waiting and self._ended():
            self._whole()
        self._fail(str(exc) if exc else "the host closed the connection")

    def eof_received(self) -> bool:
        """See asyncio.Protocol; half-open connections are of no use."""
        self.usable = False
        return False

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._waiting:
            self._feed(data)
        else:
            self.abort()  # bytes that nobody asked for

    @property
    def _waiting(self) -> bool:
        return self._answer is not None and not self._answer.done()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._head_left, self._in_head = HEAD_LIMIT, True

    def _feed(self, data: bytes) -> None:
        if self._in_head:
            self._head_left -= len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("it speaks another protocol from here on")
        except httptools.HttpParserError as error:
            self._fail(str(error))
        if self._in_head and self._head_left < 0:
            self._fail(f"a head of more than {HEAD_LIMIT:,} bytes")

    def on_message_begin(self) -> None:
        """See httptools. Another one behind the response is of nobody."""
        self.usable = self.usable and self._waiting

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools. What follows the body of a chunked response is passed over."""
        if self._in_head:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
            self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False

    def on_body(self, data: bytes) -> None:
        """See httptools."""
        self._parts.append(data)

    def on_message_complete(self) -> None:
        """See httptools. A response that only says that more is coming (1xx) is none."""
        if self._parser.get_status_code() < 200:
            self._headers, self._in_head = {}, True
        elif self._waiting:
            self.usable = self.usable and self._parser.should_keep_alive()
            self._whole()

    def _ended(self) -> bool:
        """Whether the end of the connection is the end of the body: its head said neither length nor chunks."""
        return not self._in_head and {"content-length", "transfer-encoding"}.isdisjoint(self._headers)

    def _whole(self) -> None:
        """The end of a response."""
        assert self._answer is not None
        try:
            body = decoded(b"".join(self._parts), self._headers.get("content-encoding", ""))
            self._answer.set_result(Response(self._parser.get_status_code(), self._headers, body))
        except (zlib.error, ValueError) as error:
            self._fail(str(error))

    def _fail(self, reason: str) -> None:
        self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Broken(reason))


def decoded(body: bytes, encoding: str) -> bytes:
    """A body without its content-encoding; we ask for none, and some gateways compress all the same.

    Raises:
        ValueError: an encoding that we do not know.
        zlib.error: the data is not what it says.
    """
    kind = encoding.strip().lower()
    if kind in ("", "identity") or not body:
        return body
    if kind in ("gzip", "x-gzip", "deflate"):
        return zlib.decompress(body, 47)  # gzip and zlib, by what it begins with
    raise ValueError(f"the answer is encoded as {kind!r}, which was not asked for")
