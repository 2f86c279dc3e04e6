"""Bare asyncio clients to compare with: they ask, and keep nothing.

    python benchmarks/clients.py KIND URL COUNT IN_FLIGHT        one line of JSON: seconds, cpu, answered, refused

KIND: `raw` (a socket and no library: what the server can give), `httpx2`, `aiohttp` (where it is installed), or `naive`
(raw, and on a refusal it asks again at once, as scripts do that know nothing of limits).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import orjson

Ask = Callable[[bytes], Awaitable[int]]
PROMPT = "Write a plot outline of about 300 words.\n" + "Genre: x. Place: y. " * 30


def body(number: int) -> bytes:
    """Question `number`; the prompt has 0.6 KB, as ours."""
    messages = [{"role": "user", "content": f"{PROMPT}{number}"}]
    return orjson.dumps({"model": "story-small", "messages": messages, "max_tokens": 200})


class _Raw(asyncio.Protocol):
    """Reads one response after the other, by content-length alone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.data, self.answer = transport, b"", None

    def data_received(self, data: bytes) -> None:
        self.data += data
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.data[:end].lower()
        at = head.find(b"content-length:") + 15
        if len(self.data) >= end + 4 + int(head[at:].split(b"\r\n", 1)[0]):
            self.data = b""
            self.answer.set_result(int(head[9:12]))


def raw(url: str, in_flight: int) -> Ask:
    """A pool of sockets."""
    parts, idle = urlsplit(url), []
    head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: "

    async def ask(data: bytes) -> int:
        loop = asyncio.get_running_loop()
        line = idle.pop() if idle else (await loop.create_connection(_Raw, parts.hostname, parts.port))[1]
        line.answer = loop.create_future()
        line.transport.write(b"%s%d\r\n\r\n%s" % (head.encode(), len(data), data))
        status = await line.answer
        idle.append(line)
        return status

    return ask


def httpx2(url: str, in_flight: int) -> Ask:
    """One client, as its documentation has it."""
    import httpx2 as library

    limits = library.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    client = library.AsyncClient(limits=limits, timeout=60, trust_env=False)

    async def ask(data: bytes) -> int:
        response = await client.post(f"{url}/chat/completions", content=data,
                                     headers={"content-type": "application/json"})
        orjson.loads(response.content)
        return response.status_code

    return ask


def aiohttp(url: str, in_flight: int) -> Ask:
    """One session, as its documentation has it."""
    import aiohttp as library

    sessions: list[Any] = []

    async def close() -> None:
        for session in sessions:
            await session.close()

    async def ask(data: bytes) -> int:
        if not sessions:
            sessions.append(library.ClientSession(connector=library.TCPConnector(limit=in_flight)))
        async with sessions[0].post(f"{url}/chat/completions", data=data,
                                    headers={"content-type": "application/json"}) as response:
            orjson.loads(await response.read())
            return response.status

    ask.close = close  # type: ignore[attr-defined]
    return ask


async def run(kind: str, url: str, count: int, in_flight: int) -> dict[str, float]:
    """All questions, `in_flight` at a time; a refused one is asked again at once."""
    ask = {"raw": raw, "naive": raw, "httpx2": httpx2, "aiohttp": aiohttp}[kind](url, in_flight)
    numbers, refused = iter(range(count)), 0

    async def worker() -> None:
        nonlocal refused
        for number in numbers:
            while await ask(body(number)) != 200:
                refused += 1

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    found = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu, "answered": float(count),
             "refused": float(refused)}
    if close := getattr(ask, "close", None):
        await close()
    return found


if __name__ == "__main__":
    kind, url, count, in_flight = sys.argv[1:]
    print(orjson.dumps(asyncio.run(run(kind, url, int(count), int(in_flight)))).decode(), flush=True)
