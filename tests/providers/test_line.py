"""One HTTP connection against a socket that sends what a test writes: every way to end a body, torn at every byte."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from pipeline.providers._line import HEAD_LIMIT, Broken, Line, Response

GET = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ZIPPED = gzip.compress(b"hello")


@asynccontextmanager
async def serving(*parts: bytes, hold: bool = True) -> AsyncIterator[int]:
    """A server that sends these parts, each in a packet of its own, for every request; then it holds or closes."""
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.001 if len(parts) > 1 else 0)
                if not hold:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def asked(port: int) -> tuple[Line, Response]:
    _, line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", port)
    async with asyncio.timeout(5):
        return line, await line.ask(GET)


@pytest.mark.parametrize(("parts", "body", "kept"), [
    ([PLAIN], b"hello", True),
    ([b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n"], b"", True),
    ([PLAIN.replace(b"OK", b"OK\r\nConnection: close")], b"hello", False),
    ([PLAIN + b"surplus"], b"hello", False),
    ([CHUNKED + b"3\r\nhel\r\n", b"2;x=y\r\nlo\r\n0\r\n\r\n"], b"hello", True),
    ([b"HTTP/1.1 100 Continue\r\n\r\n", PLAIN], b"hello", True),
    ([b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + PLAIN], b"hello", True),
    ([b"HTTP/1.1 200\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(ZIPPED), ZIPPED], b"hello", True),
    ([PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0")], b"hello", False),
    ([b"HTTP/1.1 204 No Content\r\n\r\n"], b"", True),
])
async def test_every_way_to_end_a_body(parts: Sequence[bytes], body: bytes, kept: bool) -> None:
    async with serving(*parts) as port:
        line, response = await asked(port)
        assert (response.body, line.usable) == (body, kept)
        if kept:
            assert (await line.ask(GET)).body == body, "the connection serves the next request"
        line.abort()


async def test_a_body_may_end_with_the_connection() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", hold=False) as port:
        line, response = await asked(port)
    assert (response.body, line.usable) == (b"hello", False)


@pytest.mark.parametrize("whole", [PLAIN, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"])
async def test_torn_at_every_byte(whole: bytes) -> None:
    for at in range(1, len(whole)):
        async with serving(whole[:at], whole[at:]) as port:
            line, response = await asked(port)
            line.abort()
        assert (response.status, response.body) == (200, b"hello")


async def test_headers_come_in_small_letters_and_equal_ones_are_joined() -> None:
    async with serving(PLAIN.replace(b"Content-Type", b"X-One:  a \r\nx-one: \xe9\r\nContent-Type")) as port:
        line, response = await asked(port)
        line.abort()
    assert response.headers["x-one"] == "a, é"
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("said", "hold"), [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", False),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello", False),
    (b"HTTP/1.1 200 O", False),
    (b"", False),
    (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", True),
    (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", True),
    (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!", True),
    (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello", True),
    (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", True),
    (b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 5\r\n\r\nhello", True),
    (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello", True),
    (b"HTTP/1.1 200 OK\r\nx: " + b"y" * HEAD_LIMIT, True),
])
async def test_what_is_no_whole_response_is_said_and_not_used_again(said: bytes, hold: bool) -> None:
    async with serving(*([said] if said else []), hold=hold) as port:
        with pytest.raises(Broken) as caught:
            await asked(port)
    assert str(caught.value)


async def test_a_large_answer_and_bytes_that_nobody_asked_for() -> None:
    body = bytes(range(256)) * 40_000
    async with serving(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)) as port:
        line, response = await asked(port)
        assert response.body == body
        assert line.usable
    async with serving(PLAIN, b"", b"HTTP/1.1 408 Timeout\r\ncontent-length: 0\r\n\r\n") as port:
        line, _ = await asked(port)
        await asyncio.sleep(0.1)
        assert not line.usable
