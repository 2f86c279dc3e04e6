"""The one seam to the network: sends bytes over kept connections, and says what went wrong without naming a secret."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pipeline.engine.protocol import CallFailed
from pipeline.hosts.access import Sealed, Secrets
from pipeline.types import Failure, FailureClass

LANE = 8
"""Connections per client. httpx2 looks at every connection of a pool for every request, so one pool of a thousand costs
3.1 ms of CPU per call, and lanes of eight 0.6 ms (measured 2026-11 on loopback; at a hundred: 0.75 and 0.53 ms)."""
CONNECT_S = 10.0
"""Seconds to connect and to agree on TLS; never more than the whole attempt has."""
KEEPALIVE_S = 4.0
"""Seconds that an idle connection is kept: less than uvicorn's five, so that we rarely meet one just closed."""


class Reply(NamedTuple):
    """A response: status, headers by lower-case name, the whole body without secrets."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Lane:
    __slots__ = ("busy", "client")

    def __init__(self, client: Any) -> None:
        self.client, self.busy = client, 0


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
        self._lanes: list[_Lane] = []
        self._urls: dict[str, Any] = {}
        self._make_tls, self._tls = tls, None

    async def send(self, method: str, path: str, body: bytes | None = None) -> Reply:
        """One request, one response; no redirect is followed and nothing is tried again.

        Raises:
            CallFailed: connection or timeout; `billed` where the request may have arrived.
        """
        import httpx2

        lane = self._free_lane(httpx2)
        lane.busy += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                url = self._urls.get(path)
                if url is None:
                    url = self._urls[path] = httpx2.URL(self._address.open()["url"] + path)
                request = httpx2.Request(method, url, headers=self._headers.open(), content=body)
                response = await lane.client.send(request)
        except TimeoutError:
            raise self._failed("timeout", f"no answer in {self._timeout_s:g} s", billed=True) from None
        except httpx2.HTTPError as error:
            raise self._explained(httpx2, error) from None
        except (httpx2.InvalidURL, OSError, ValueError) as error:
            raise self._failed("connection", _reason(error), billed=False) from None
        finally:
            lane.busy -= 1
        return Reply(response.status_code, response.headers, self.secrets.hide_bytes(response.content))

    async def close(self) -> None:
        """Closes all connections; the next request opens new ones, in the event loop that runs then."""
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            await lane.client.aclose()

    def _free_lane(self, httpx2: Any) -> _Lane:
        """The lane with the fewest requests in flight; a new one where all are full."""
        lane = min(self._lanes, key=lambda lane: lane.busy, default=None)
        if lane is None or lane.busy >= LANE:
            lane = _Lane(self._client(httpx2))
            self._lanes.append(lane)
        return lane

    def _client(self, httpx2: Any) -> Any:
        if self._tls is None:
            self._tls = self._make_tls()  # once for all lanes
        limits = httpx2.Limits(max_connections=LANE, max_keepalive_connections=LANE, keepalive_expiry=KEEPALIVE_S)
        # The whole attempt is timed by asyncio, so that an answer that trickles does not go on for ever.
        timeout = httpx2.Timeout(None, connect=min(CONNECT_S, self._timeout_s))
        return httpx2.AsyncClient(limits=limits, timeout=timeout, verify=self._tls, trust_env=self._proxied)

    def _explained(self, httpx2: Any, error: Exception) -> CallFailed:
        """A transport's exception as a failure."""
        reason = _reason(error)
        if isinstance(error, httpx2.ConnectTimeout):
            reason = f"no connection in {min(CONNECT_S, self._timeout_s):g} s"
        if isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout):
            return self._failed("timeout", reason, billed=True)
        unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)
        if isinstance(error, unsent):
            cure = "another address: --base-url URL, SYNTH_BASE_URL, or base_url in synth.toml"
            if "CERTIFICATE" in reason.upper():
                cure = "a private authority's certificate goes into SSL_CERT_FILE, or ca of its entry in synth.toml"
            elif "too many open files" in reason.lower():
                cure = "fewer at a time: --concurrency N, or ulimit -n"
            return self._failed("connection", f"{reason}; {cure}", billed=False)
        reason = f"the connection broke before the whole answer was here: {reason}"
        return self._failed("connection", reason, billed=True)

    def _failed(self, kind: FailureClass, reason: str, *, billed: bool) -> CallFailed:
        message = self.secrets.hide(f"{self.base_url}: {reason}")
        return CallFailed(Failure(kind, message, billed=billed))


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
