"""The one seam to the network: sends bytes over kept connections, and says what went wrong without naming a secret."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit
from urllib.request import getproxies

from pipeline.engine.protocol import CallFailed
from pipeline.hosts.access import Sealed, Secrets
from pipeline.types import Failure, FailureClass

from ._line import Broken, Line, Response

CONNECT_S = 10.0
"""Seconds to connect and to agree on TLS; never more than the whole attempt has."""
KEEPALIVE_S = 4.0
"""Seconds that an idle connection is kept: less than uvicorn's five, so that we rarely meet one just closed."""
NAME, VALUE = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII), re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""A header as RFC 9110 has it."""
SAFE = "%/:?#[]@!$&'()*+,;="
CURE = "another address: --base-url URL, SYNTH_BASE_URL, or base_url in synth.toml"


class Reply(NamedTuple):
    """A response: status, headers by lower-case name, the whole body without secrets."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Connections to one host.

    Args:
        base_url: where it is; shown in errors, without a password.
        headers: sent with every request, and only these (and Host and Content-Length).
        secrets: never shown.
        timeout_s: seconds for one attempt, from connecting to the last byte.
        proxied: whether HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY count.
        tls: whose certificates count; see `Access.tls`.
    """

    def __init__(
        self, base_url: str, headers: Mapping[str, str], secrets: Secrets, timeout_s: float, proxied: bool,
        tls: Callable[[], Any],
    ) -> None:
        parts = urlsplit(base_url)
        self.base_url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self.secrets, self._timeout_s, self._proxied = secrets, timeout_s, proxied
        self._headers, self._address = Sealed(headers), Sealed({"url": base_url})
        self._idle: list[Line] = []
        self._client: Any = None  # httpx2's, where a proxy stands between
        self._heads: dict[tuple[str, str], bytes] = {}
        self._make_tls = tls
        self._tls: Any = None

    async def send(self, method: str, path: str, body: bytes | None = None) -> Reply:
        """One request, one response; no redirect is followed and nothing is tried again.

        Raises:
            CallFailed: connection or timeout; `billed` where the request may have arrived.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                if self._client is None and self._direct():
                    status, headers, data = await self._over_line(method, path, body)
                else:
                    status, headers, data = await self._over_proxy(method, path, body)
        except TimeoutError:
            raise self._failed("timeout", f"no answer in {self._timeout_s:g} s", billed=True) from None
        return Reply(status, headers, self.secrets.hide_bytes(data))

    async def close(self) -> None:
        """Closes all connections; the next request opens new ones, in the event loop that runs then."""
        idle, self._idle = self._idle, []
        for line in idle:
            line.abort()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        await asyncio.sleep(0)  # so that what was closed is gone when the loop ends

    def _direct(self) -> bool:
        """Whether no proxy is set, and the address is plain enough; the rest is left to httpx2."""
        parts = urlsplit(self._address.open()["url"])
        plain = parts.scheme in ("http", "https") and "@" not in parts.netloc and parts.netloc.isascii()
        return plain and not (self._proxied and {"http", "https", "all"} & getproxies().keys())

    async def _over_line(self, method: str, path: str, body: bytes | None) -> Response:
        line = await self._line()
        head = self._heads.get((method, path))
        if head is None:
            head = self._heads[method, path] = self._head(method, path)
        data = head + b"\r\n" if body is None else b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)
        try:
            response = await line.ask(data)
        except Broken as error:
            reason = f"the connection broke before the whole answer was here: {_reason(error)}"
            raise self._failed("connection", reason, billed=True) from None
        if line.usable:
            self._idle.append(line)
        return response

    async def _line(self) -> Line:
        """A connection: the one that was used last, else a new one."""
        loop = asyncio.get_running_loop()
        while self._idle:
            line = self._idle.pop()
            if line.usable and loop.time() - line.idle_since < KEEPALIVE_S:
                return line
            line.abort()
        parts = urlsplit(self._address.open()["url"])
        secure, host = parts.scheme == "https", parts.hostname or ""
        seconds = min(CONNECT_S, self._timeout_s)
        try:
            async with asyncio.timeout(seconds):
                _, line = await loop.create_connection(
                    Line, host, parts.port or (443 if secure else 80), happy_eyeballs_delay=0.25,
                    ssl=self._context() if secure else None)
        except TimeoutError:
            raise self._unsent(f"no connection in {seconds:g} s") from None
        except (OSError, ValueError) as error:  # certificates too: ssl.SSLError is an OSError
            raise self._unsent(_reason(error)) from None
        return line

    def _head(self, method: str, path: str) -> bytes:
        """The head of a request up to its length."""
        parts = urlsplit(self._address.open()["url"] + path)
        target = quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1"]
        for name, value in {"Host": parts.netloc, **self._headers.open()}.items():
            if not (NAME.fullmatch(name) and VALUE.fullmatch(value)):
                raise self._unsent(f"the header {name!r} cannot be sent: line breaks and the like")
            lines.append(f"{name}: {value.strip()}")
        return "\r\n".join([*lines, ""]).encode("latin-1")

    def _context(self) -> Any:
        """What checks certificates; reading them takes 20 ms, so it is made once."""
        if self._tls is None:
            self._tls = self._make_tls()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    async def _over_proxy(self, method: str, path: str, body: bytes | None) -> Response:
        """Through httpx2, which knows proxies; it takes 1.4 ms of CPU a call."""
        import httpx2

        try:
            if self._client is None:
                secure = self.base_url.lower().startswith("https:")
                limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None,
                                       keepalive_expiry=KEEPALIVE_S)
                # The whole attempt is timed by asyncio, so that an answer that trickles does not go on for ever.
                timeout = httpx2.Timeout(None, connect=min(CONNECT_S, self._timeout_s))
                self._client = httpx2.AsyncClient(
                    limits=limits, timeout=timeout, verify=self._context() if secure else False,
                    trust_env=self._proxied)
            url = httpx2.URL(self._address.open()["url"] + path)
            request = httpx2.Request(method, url, headers=self._headers.open(), content=body)
            response = await self._client.send(request)
        except httpx2.HTTPError as error:
            raise self._explained(httpx2, error) from None
        except (httpx2.InvalidURL, OSError, ValueError) as error:
            raise self._failed("connection", _reason(error), billed=False) from None
        return Response(response.status_code, dict(response.headers), response.content)

    def _explained(self, httpx2: Any, error: Exception) -> CallFailed:
        """A transport's exception as a failure."""
        reason = _reason(error)
        if isinstance(error, httpx2.ConnectTimeout):
            reason = f"no connection in {min(CONNECT_S, self._timeout_s):g} s"
        if isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout):
            return self._failed("timeout", reason, billed=True)
        unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)
        if isinstance(error, unsent):
            return self._unsent(reason)
        reason = f"the connection broke before the whole answer was here: {reason}"
        return self._failed("connection", reason, billed=True)

    def _unsent(self, reason: str) -> CallFailed:
        """No connection: nothing was sent."""
        cure = CURE
        if "CERTIFICATE" in reason.upper():
            cure = "a private authority's certificate goes into SSL_CERT_FILE, or ca of its entry in synth.toml"
        elif "too many open files" in reason.lower():
            cure = "fewer at a time: --concurrency N, or ulimit -n"
        return self._failed("connection", f"{reason}; {cure}", billed=False)

    def _failed(self, kind: FailureClass, reason: str, *, billed: bool) -> CallFailed:
        message = self.secrets.hide(f"{self.base_url}: {reason}")
        return CallFailed(Failure(kind, message, billed=billed))


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
