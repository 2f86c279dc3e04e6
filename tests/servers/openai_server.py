"""A real server on loopback that speaks OpenAI's chat API, misbehaves on demand and keeps a ledger of what it served.

    python -m tests.servers.openai_server '{"port": 8123, "latency_s": 0.05, "rates": {"rate_limit": 0.05}}'

Tests use `start(...)` of tests/servers/__init__.py or the fixture `openai_server`; both run it as a process of its own,
so that it outlives any kill of the client and shares no state with it.

Paths: POST /v1/chat/completions (not streamed), GET /v1/models, GET /sync (answers once all earlier ledger lines are
written); files, uploads, fine-tuning jobs and GET /v1/models/{id} are in _tuning.py. A request in absolute form, as a
proxy receives it, is served as well.

The ledger is append-only, one JSON line per event: `received` when a whole request is in, `answered` when the last byte
of the answer was handed to the kernel, `lost` when the client left before. `n` joins them. `body` and `prompt` are
digests of the raw body and of its messages; `paid` is True where a host would charge.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import socket
import ssl
import struct
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests import nursery
from tests.servers._answers import (
    ANSWERED,
    ERRORS,
    FAULTS,
    MARKER,
    Reply,
    completion,
    error,
    faulty,
    tokens,
    tool_fault,
)
from tests.servers._batches import Batches
from tests.servers._tuning import Tuning

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}

AZURE = re.compile(rb"/openai/(?:deployments/[^/?]+/)?([^?]+)\?(?:.*&)?api-version=2024-10-21(?:&.*)?")


@dataclass(frozen=True)
class Options:
    """How the server behaves.

    Attributes:
        ledger: file that it appends to.
        latency_s: seconds before an answer; every answer between 0.5 and 1.5 of it where `jitter` is True.
        rates: fault name -> share of requests, decided by (seed, body, how often this body came).
        key: what `Authorization: Bearer` must hold; None accepts all.
        models: names that exist; None accepts all.
        refuse_s: the same for refusals (429), which hosts give at the door; None for the time of an answer.
        rpm: requests per minute, `tpm` tokens per minute; the bucket holds `burst_s` seconds of them.
        says: whether answers carry x-ratelimit headers, and refusals when to come again.
        quota: answers until the credit is exhausted.
        context: tokens that a prompt may have.
        answer: a fixed text in place of stories.
        refuses: key of a body -> the name to use instead ("" where there is none); refused as OpenAI does it.
        script: pattern -> text; the first pattern that is found in the model's name and the conversation answers.
            `call:NAME {ARGUMENTS}` calls a tool.
        keep: writes the last user message into `received` lines.
        tune: how files and jobs behave: fields of `_tuning.Plan`.
        batch: how batches behave: fields of `_batches.Plan`.
    """

    ledger: str
    port: int = 0
    latency_s: float = 0.0
    refuse_s: float | None = None
    jitter: bool = False
    rates: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    key: str | None = None
    models: list[str] | None = None
    rpm: float | None = None
    tpm: float | None = None
    burst_s: float = 60.0
    says: bool = True
    quota: int | None = None
    context: int | None = None
    answer: str | None = None
    refuses: dict[str, str] = field(default_factory=dict)
    script: dict[str, str] = field(default_factory=dict)
    keep: bool = False
    tls: tuple[str, str] | None = None
    tune: dict[str, Any] = field(default_factory=dict)
    batch: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.rates) - set(FAULTS)
        if unknown:
            raise ValueError(f"no such fault: {sorted(unknown)}; known: {FAULTS}")


class Bucket:
    """A token bucket that refills without pause."""

    def __init__(self, per_minute: float, burst_s: float) -> None:
        self.limit, self.speed, self.size = per_minute, per_minute / 60, per_minute / 60 * burst_s
        self.level, self.at = self.size, time.monotonic()

    def wait(self, amount: float) -> float:
        """Seconds until `amount` would fit; 0 where it fits now."""
        now = time.monotonic()
        self.level, self.at = min(self.size, self.level + (now - self.at) * self.speed), now
        return max(0.0, (min(amount, self.size) - self.level) / self.speed)

    def take(self, amount: float) -> None:
        self.level -= amount

    def headers(self, what: str) -> tuple[tuple[str, str], ...]:
        """The three x-ratelimit headers; the reset is a duration as Go prints it."""
        reset = max(0.0, (self.size - self.level) / self.speed)
        shown = f"{round(reset * 1000)}ms" if reset < 1 else f"{int(reset // 60)}m{reset % 60:.3f}s"
        return ((f"x-ratelimit-limit-{what}", str(round(self.limit))),
                (f"x-ratelimit-remaining-{what}", str(max(0, int(self.level)))), (f"x-ratelimit-reset-{what}", shown))


class Service:
    """What all connections share: the ledger, the buckets, the counts."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.file = os.open(options.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.tuning = Tuning(options.tune, self.write, options.key)
        self.batches = Batches(options.batch, self.tuning, self.batched)
        self.tuning.batches = self.batches
        self.number = 0
        self.paid = 0
        self.tries: dict[bytes, int] = {}
        self.requests = Bucket(options.rpm, options.burst_s) if options.rpm else None
        self.tokens = Bucket(options.tpm, options.burst_s) if options.tpm else None

    def write(self, event: dict[str, Any]) -> None:
        """Appends one line; a single write, so that lines never mix."""
        os.write(self.file, orjson.dumps({"t": round(time.time(), 6), **event}, option=orjson.OPT_APPEND_NEWLINE))

    def chat(self, raw: bytes, token: str | None) -> tuple[Reply, dict[str, Any]]:
        """The reply to a body, and what the ledger says of it."""
        self.number += 1
        seed = hashlib.sha256(raw).digest()
        tried = self.tries[seed] = self.tries.get(seed, 0) + 1
        event: dict[str, Any] = {"n": self.number, "body": seed[:10].hex(), "try": tried}
        try:
            request = orjson.loads(raw)
            messages = request["messages"]
            text = "\n".join(str(message.get("content") or "") for message in messages)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            self.write({"event": "received", **event})
            return error(400, "We could not parse the JSON body.", "invalid_request_error", None), {
                **event, "kind": "bad_json"}
        event["prompt"] = hashlib.sha256(orjson.dumps(messages)).hexdigest()[:20]
        event["model"] = request.get("model")
        self.write({"event": "received", **event, **({"text": text} if self.options.keep else {})})
        kind, reply = self.decide(request, text, seed, tried, token)
        self.paid += reply.paid
        return reply, {**event, "kind": kind}

    def batched(self, request: dict[str, Any], text: str, seed: bytes, tried: int) -> tuple[str, Reply]:
        """As `decide`, for a line of a batch."""
        kind, reply = self.decide(request, text, seed, tried, None, batch=True)
        self.paid += reply.paid
        return kind, reply

    def decide(
        self, request: dict[str, Any], text: str, seed: bytes, tried: int, token: str | None, *, batch: bool = False
    ) -> tuple[str, Reply]:
        """Checks as a host makes them, in its order; then the faults; then the answer."""
        options = self.options
        if options.key is not None and not batch and token != f"Bearer {options.key}":
            shown = (token or "").removeprefix("Bearer ")  # real hosts echo part of the key: ours echoes all of it
            message = f"Incorrect API key provided: {shown}."
            return "auth", error(401, message, "invalid_request_error", "invalid_api_key")
        model = request.get("model")
        if options.models is not None and model not in options.models:
            return "model", error(404, f"The model `{model}` does not exist or you do not have access to it.",
                                  "invalid_request_error", "model_not_found")
        for key, instead in options.refuses.items():
            if key in request:
                message = f"Unsupported parameter: '{key}' is not supported with this model."
                return "refused_key", error(400, message + (f" Use '{instead}' instead." if instead else ""),
                                            "invalid_request_error", "unsupported_parameter")
        if wrong := tool_fault(request):
            return "tools", error(400, wrong, "invalid_request_error", None)
        if request.get("stream"):
            return "stream", error(400, "This server does not stream.", "invalid_request_error", None)
        if options.context is not None and tokens(text) > options.context:
            return "context", ERRORS["context"]
        if options.quota is not None and self.paid >= options.quota:
            return "quota", ERRORS["quota"]
        refused = None if batch else self.limit(request, text)  # batches have limits of their own
        if refused:
            return "rate_limit", refused
        kind = self.fault(text, seed, tried)
        if kind:
            reply = faulty(kind, request, seed)
        else:
            asked = f"{model}\n{text}"
            scripted = (said for found, said in options.script.items() if re.search(found, asked, re.S))
            said = next(scripted, options.answer)
            kind, reply = "ok", Reply(200, orjson.dumps(completion(request, seed, answer=said)), paid=True)
        if kind == "ok" or kind in ANSWERED:
            reply = reply._replace(headers=reply.headers + self.limit_headers())
        return kind, reply

    def limit(self, request: dict[str, Any], text: str) -> Reply | None:
        """A 429 where a bucket is empty; as the real one, it counts the prompt and the whole of max_tokens."""
        amount = tokens(text) + (request.get("max_completion_tokens") or request.get("max_tokens") or 16)
        waits = [(bucket.wait(size), what) for bucket, size, what in
                 ((self.requests, 1, "requests"), (self.tokens, amount, "tokens")) if bucket]
        wait, what = max(waits, default=(0.0, ""))
        if wait > 0:
            ms = int(wait * 1000) + 1
            if not self.options.says:
                return ERRORS["rate_limit_bare"]
            message = f"Rate limit reached for {what}. Please try again in {ms}ms."
            return error(429, message, what, "rate_limit_exceeded",
                         ("retry-after-ms", str(ms)), ("retry-after", str(-(-ms // 1000))), *self.limit_headers())
        if self.requests:
            self.requests.take(1)
        if self.tokens:
            self.tokens.take(amount)
        return None

    def limit_headers(self) -> tuple[tuple[str, str], ...]:
        if not self.options.says:
            return ()
        return (self.requests.headers("requests") if self.requests else ()) + (
            self.tokens.headers("tokens") if self.tokens else ())

    def fault(self, text: str, seed: bytes, tried: int) -> str | None:
        """The fault that a marker in the prompt or the rates ask for."""
        marker = MARKER.search(text) if "[[fault:" in text else None
        if marker and (marker[2] is None or tried <= int(marker[2])):
            return marker[1]
        if not self.options.rates:
            return None
        draw = hashlib.blake2b(seed + b"%d %d" % (self.options.seed, tried), digest_size=8).digest()
        share = int.from_bytes(draw, "big") / 2**64
        for kind, rate in self.options.rates.items():
            if share < rate:
                return kind
            share -= rate
        return None


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it are served one after the other."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.buffer = b""
        self.transport: Any = None
        self.busy = False
        self.pending: dict[str, Any] | None = None  # the ledger's line for an answer that is not all sent yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.set_write_buffer_limits(0)  # resume_writing then says that the last byte is out

    def connection_lost(self, exc: Exception | None) -> None:
        if self.pending:
            self.service.write({"event": "lost", **self.pending})
            self.pending = None

    def resume_writing(self) -> None:
        if self.pending:
            self.service.write({"event": "answered", **self.pending})
            self.pending = None

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.busy:
            self.next_request()

    def next_request(self) -> None:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].split(b"\r\n")
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        length = int(headers.get(b"content-length", b"0"))
        method, target, _ = head[0].split(b" ", 2)
        if b"://" in target:
            target = b"/" + target.split(b"://", 1)[1].partition(b"/")[2]
        if self.service.tuning.half_read(method.decode(), target.decode("latin-1")):
            self.transport.pause_reading()
            return
        if len(self.buffer) < end + 4 + length:
            return
        body, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
        token = headers[b"authorization"].decode("latin-1") if b"authorization" in headers else None
        azure = AZURE.fullmatch(target)
        if azure:  # the older addresses of Azure: the deployment in the path, the key in a header of its own
            target = b"/v1/" + azure[1]
            token = f"Bearer {headers.get(b'api-key', b'').decode('latin-1')}"
        target = target.removeprefix(b"/openai") if target.startswith(b"/openai/v1/") else target
        self.busy = True
        kind = headers.get(b"content-type", b"").decode("latin-1")
        if self.service.tuning.route(method.decode(), target.decode("latin-1").partition("?")[0])[0]:
            reply, event = self.service.tuning.serve(method.decode(), target.decode("latin-1"), kind, body, token)
            self.send(reply, event | {"status": reply.status})
        else:
            self.serve(method, target.partition(b"?")[0], body, token)

    def serve(self, method: bytes, path: bytes, body: bytes, token: str | None) -> None:
        options = self.service.options
        if (method, path) == (b"POST", b"/v1/chat/completions"):
            reply, event = self.service.chat(body, token)
            event |= {"status": reply.status, "paid": reply.paid}
            delay = options.latency_s
            if delay and options.jitter:
                delay *= 0.5 + int(event["body"][:4], 16) / 65536
            if reply.status == 429 and options.refuse_s is not None:
                delay = options.refuse_s
            if delay:
                self.pending = event
                asyncio.get_running_loop().call_later(delay, self.send, reply, event)
                return
            self.send(reply, event)
        elif (method, path) == (b"GET", b"/v1/models"):
            names = options.models if options.models is not None else ["story-large", "story-small"]
            value = {"object": "list", "data": [{"id": n, "object": "model", "owned_by": "loopback"} for n in names]}
            refused = options.key is not None and token != f"Bearer {options.key}"
            self.send(ERRORS["auth"] if refused else Reply(200, orjson.dumps(value)), None)
        elif path == b"/sync":
            self.send(Reply(200, b"{}"), None)
        else:
            self.send(error(404, f"Unknown request URL: {path.decode('latin-1')}", "invalid_request_error", None), None)

    def send(self, reply: Reply, event: dict[str, Any] | None) -> None:
        """Puts a reply on the wire, and the ledger's line once all of it is out."""
        if self.transport.is_closing():
            return
        if reply.close == "hang":
            self.pending = event
            return
        self.pending = None
        if reply.status:
            lines = [f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}",
                     f"content-length: {len(reply.body)}", "x-request-id: req_loopback"]
            if all(name != "content-type" for name, _ in reply.headers):
                lines.append("content-type: application/json")
            lines += [f"{name}: {value}" for name, value in reply.headers]
            data = "\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body
            self.transport.write(data[: len(data) - reply.cut])
        if event is not None and self.transport.get_write_buffer_size():
            self.pending = event
        elif event is not None:
            self.service.write({"event": "answered", **event})
        self.busy = False
        if reply.close == "reset":
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort() if not reply.status else self.transport.close()
        elif reply.close == "after":
            self.transport.close()
        elif self.buffer:
            self.next_request()


async def serve(options: Options) -> None:
    """Serves until its standard input closes: whoever started it is gone."""
    loop = asyncio.get_running_loop()
    service = Service(options)
    secure = None
    if options.tls:
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(*options.tls)
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", options.port, backlog=4096, ssl=secure)
    print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)
    gone = asyncio.Event()
    try:
        loop.add_reader(0, lambda: None if os.read(0, 4096) else gone.set())
    except PermissionError:
        pass  # standard input is /dev/null or a file: runs until it is killed
    await gone.wait()
    server.close()


if __name__ == "__main__":
    if sys.argv[1:]:
        asyncio.run(serve(Options(**orjson.loads(sys.argv[1]))))
    else:
        nursery.serve(lambda options: asyncio.run(serve(Options(**options))))
