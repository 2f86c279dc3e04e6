"""Files, jobs and models of one provider entry, through the `openai` package: one question at a time, in JSON.

The package's own retries are off: it repeats every 429, exhausted credit too. Its models are not used either, since
hosts leave keys out and add others. The key is put on a request as it leaves, and nowhere else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

import pipeline

from ..errors import ProviderError
from ..types import Failure, FailureClass
from .access import Access
from .failures import failure

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI

RETRIED: frozenset[FailureClass] = frozenset({"rate_limit", "server", "timeout", "connection"})
"""What may be over in a moment. Exhausted credit, a wrong key and a wrong request are not."""
LONGEST_WAIT_S = 300.0
"""A host that asks to wait longer is not waited for."""
FIRST_WAIT_S, MOST_WAIT_S = 0.25, 30.0
"""Seconds before the second and before a late attempt; doubled in between."""
CONNECT_S = 10.0
PAGE = 100
LARGE = 512 * 10**6
"""Bytes that /files takes; what is larger goes through /uploads, up to 8 GB."""
PART = 64 << 20
"""Bytes of a part of an upload, the most that one may have."""
KIND = "application/jsonl"
UNUSED = "unused"
"""What the package gets for a key; no request carries it."""
NEEDED = frozenset({"accept", "accept-encoding", "connection", "content-length", "content-type", "host",
                    "transfer-encoding"})
"""Headers of the package's that are sent; all others are ours."""
RAW = "x-stainless-raw-response"
"""By this header of its request the package knows that an answer is to be left as it is."""

Found = TypeVar("Found")


class Refused(ProviderError):
    """A question without a usable answer.

    Attributes:
        failure: its class, status and code.
        unsure: whether the host may have done what it was asked.
    """

    def __init__(self, message: str, hint: str, failure: Failure, unsure: bool) -> None:
        super().__init__(message, hint)
        self.failure = failure
        self.unsure = unsure


class Host:
    """A client that is open for questions. Use as a context manager.

    Args:
        access: address, key and headers.
        timeout_s: seconds for one attempt.
        retries: further attempts after the first.
        sleep: waits so many seconds.
    """

    def __init__(
        self, access: Access, timeout_s: float, retries: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name, self.base_url = access.name, access.base_url
        self.retries = retries
        self.sleep = sleep
        self._access, self._timeout_s = access, timeout_s
        self._client: OpenAI | None = None

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def __repr__(self) -> str:
        return f"Host({self.name!r}, {self.base_url!r})"

    # -- asking ----------------------------------------------------------------------------------

    def get(self, route: str, *path: str, again: bool = True, **given: Any) -> dict[str, Any]:
        """The JSON object that a question is answered with.

        Args:
            route: a method of the package's client, as `fine_tuning.jobs.create`.
            path: ids that it takes.
            again: whether it may be asked again where the first one may have been heard.
            given: what it takes by name.

        Raises:
            Refused: no answer that can be used.
        """
        data = self.content(route, *path, again=again, **given)
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            told = Failure("parse", "not a JSON object", raw=data[:200].decode("utf-8", "replace"))
            raise Refused(f"{self.base_url}: what answers is no JSON object", "is the base URL right? most end in /v1",
                          told, True)
        return value

    def content(self, route: str, *path: str, again: bool = True, **given: Any) -> bytes:
        """As `get`, whatever the answer is."""
        return self._patiently(lambda: self._once(route, path, given), again)

    def _patiently(self, ask: Callable[[], Found], again: bool) -> Found:
        """Asks, and again where that may help; see `get`."""
        for turn in range(self.retries + 1):
            try:
                return self._heard(ask)
            except Refused as refused:
                wait = refused.failure.retry_after
                if refused.failure.kind not in RETRIED or turn == self.retries or (refused.unsure and not again):
                    raise
                if wait is not None and wait > LONGEST_WAIT_S:
                    raise
                self.sleep(self.wait(turn) if wait is None else wait)
        raise AssertionError("the last attempt returns or raises")

    def wait(self, turn: int) -> float:
        """Seconds before the attempt after the `turn`-th one, from 0."""
        return float(min(MOST_WAIT_S, FIRST_WAIT_S * 2**turn))

    def pages(self, route: str, *path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page, in the host's order. See `get`."""
        seen: set[str] = set()
        after: dict[str, Any] = {}
        while True:
            page = self.get(route, *path, **{"limit": PAGE, **query, **after})
            listed = page.get("data")
            items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
            new = [item for item in items if item.get("id") not in seen]
            yield from new
            if not new or not page.get("has_more"):
                return  # a host that does not know `after` gives the same page again
            seen.update(str(item.get("id")) for item in new)
            after = {"after": items[-1].get("id")}

    def found_or_made(self, find: Callable[[], Found | None], make: Callable[[], Found]) -> Found:
        """What is there already, else what is made now: nothing twice, whatever is lost on the way.

        Args:
            find: looks for it at the host.
            make: makes it, with `again=False`: where that may have been heard, the host is looked through again.
        """
        for turn in range(self.retries + 1):
            found = find()
            if found is not None:
                return found
            try:
                return make()
            except Refused as refused:
                if not refused.unsure or refused.failure.kind not in RETRIED or turn == self.retries:
                    raise
                self.sleep(self.wait(turn))
        raise AssertionError("the last attempt returns or raises")

    def id_of(self, made: object) -> str:
        """The id of what a host made or knows. Raises Refused where it gave none."""
        found = made.get("id") if isinstance(made, dict) else None
        if not isinstance(found, str) or not found:
            told = Failure("parse", "an answer without an id", raw=str(made)[:200])
            raise Refused(f"{self.base_url}: an answer without an id", "is this a host of OpenAI's API?", told, True)
        return found

    # -- files -----------------------------------------------------------------------------------

    def find_file(self, name: str, size: int, purpose: str = "fine-tune") -> str | None:
        """The id of a file of this name and so many bytes that was uploaded for a purpose."""
        wanted = (name, size, purpose)
        for file in self.pages("files.list", purpose=purpose):
            here = (file.get("filename"), file.get("bytes"), file.get("purpose")) == wanted
            if here and file.get("status") not in ("error", "deleted"):
                return self.id_of(file)
        return None

    def upload(self, path: Path, name: str, purpose: str = "fine-tune") -> str:
        """Uploads a file, once; see `found_or_made`. Returns its id."""
        if path.stat().st_size > LARGE:
            return self._upload_large(path, name)
        with path.open("rb") as file:
            made = self.get("files.create", again=False, file=(name, file, KIND), purpose=purpose)
        return self.id_of(made)

    def _upload_large(self, path: Path, name: str) -> str:
        """In parts. What is not completed is no file, and the host forgets it after an hour."""
        size, parts = path.stat().st_size, []
        made = self.get("uploads.create", again=False, bytes=size, filename=name, mime_type=KIND, purpose="fine-tune")
        upload = self.id_of(made)
        with path.open("rb") as file:
            while chunk := file.read(PART):
                part = self.get("uploads.parts.create", upload, data=chunk)
                parts.append(self.id_of(part))
        done = self.get("uploads.complete", upload, again=False, part_ids=parts)
        return self.id_of(done.get("file"))

    def fetch(self, file_id: str, path: Path) -> None:
        """Brings a file of the host's here, piece by piece; it is there whole or not at all.

        Raises:
            Refused: as `get`.
            OSError: it cannot be written.
        """
        part = path.with_name(f".{path.name}.part")

        def bring() -> None:
            with self._open().files.with_streaming_response.content(file_id) as answer, part.open("wb") as file:
                for piece in answer.iter_bytes():
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())

        self._patiently(bring, again=True)
        part.replace(path)

    # -- the wire --------------------------------------------------------------------------------

    def _open(self) -> OpenAI:
        if self._client is None:
            import httpx2
            from openai import OpenAI

            address = self._access.address.open()["url"]
            wire = httpx2.Client(
                timeout=httpx2.Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s)),
                verify=self._access.tls(), trust_env=not self._access.local,
                event_hooks={"request": [self._sign], "response": [_want_raw]},
            )
            self._client = OpenAI(api_key=UNUSED, base_url=address, max_retries=0, http_client=wire,
                                  default_query=self._access.query)
        return self._client

    def _sign(self, request: httpx2.Request) -> None:
        """Puts our headers on a request in place of the package's, which tell about this machine."""
        by_address = request.headers.get("authorization", "").startswith("Basic ")  # a password in the base URL
        request.extensions[RAW] = request.headers.get(RAW, "true")
        for field in set(request.headers) - NEEDED - ({"authorization"} if by_address else set()):
            del request.headers[field]
        request.headers["user-agent"] = f"synth-pipeline/{pipeline.__version__}"
        request.headers.update(self._access.headers.open())

    def _once(self, route: str, path: tuple[str, ...], given: dict[str, Any]) -> bytes:
        group, _, verb = route.rpartition(".")
        ask = getattr(attrgetter(group)(self._open()).with_raw_response, verb)
        if "file" in given:
            given["file"][1].seek(0)  # an attempt before may have read it
        content: bytes = ask(*path, **given).content
        return content

    def _heard(self, ask: Callable[[], Found]) -> Found:
        """One attempt; what the package raises becomes a Refused."""
        if self._access.lacks:
            raise self._refused(Failure("auth", self._access.lacks), unsure=False)
        import openai

        try:
            return ask()
        except openai.APIStatusError as error:
            answer = error.response
            told = failure(answer.status_code, answer.headers, answer.content, time.time())
            sure = told.kind == "rate_limit" or told.kind not in RETRIED
            raise self._refused(told, unsure=not sure) from None
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from None
        except openai.OpenAIError as error:
            raise self._refused(Failure("parse", str(error)), unsure=True) from None

    def _unreachable(self, error: Exception) -> Refused:
        import httpx2
        import openai

        cause = error.__cause__
        unsent = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError)
        reason = " ".join(str(cause or error).split()) or type(cause or error).__name__
        if isinstance(error, openai.APITimeoutError):
            return self._refused(Failure("timeout", f"no answer in {self._timeout_s:g} s"), unsure=not unsent)
        return self._refused(Failure("connection", reason), unsure=not unsent)

    def _refused(self, told: Failure, *, unsure: bool) -> Refused:
        """The error that a person reads, without the key, and with what mends it."""
        hints: dict[FailureClass, str] = {
            "auth": f"export {self._access.key_env}=...   the key is read from there" if self._access.key_env else "",
            "connection": "another address: --base-url URL, SYNTH_BASE_URL, or base_url in synth.toml",
            "quota": "add credit at the host, then run the same command again",
        }
        place = self.base_url if told.kind in ("connection", "timeout", "parse") else self.name
        hide = self._access.secrets.hide
        safe = replace(told, message=hide(told.message.removeprefix(f"{self.name}: ")), raw=hide(told.raw or ""))
        return Refused(f"{place}: {safe.message}", hints.get(told.kind, ""), safe, unsure)


def _want_raw(response: httpx2.Response) -> None:
    """Puts back the one header by which the package goes on; it was not sent."""
    response.request.headers[RAW] = response.request.extensions[RAW]
