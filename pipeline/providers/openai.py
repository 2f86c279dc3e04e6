"""Any host that speaks OpenAI's chat API: what is sent is what is written, once, with nothing added.

A connection of our own carries it (`_line.py`) and not the `openai` package: that client fills in defaults, retries
every 429 two times (exhausted credit as well) and takes 1.0 ms of CPU per call where this takes a tenth (openai 3.52 on
a loopback server, 2026-11). It stays for files, jobs and batches.

A body becomes bytes by orjson and is sent exactly so: its digest is the call's id. One attempt per `ask`; the engine
decides what is tried again, by the class of the failure (`_failures`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

import pipeline
from pipeline.engine.protocol import Answer, CallFailed, Provider
from pipeline.errors import RecipeError, did_you_mean
from pipeline.hosts import limits
from pipeline.hosts.access import Access, access
from pipeline.hosts.failures import (
    NO_KEY,
    NO_MODEL,
    NO_SUCH_MODEL,
    UNSUPPORTED,
    WRONG_ADDRESS,
    Said,
    cut,
    failure,
    said,
)
from pipeline.hosts.parameters import Rules, adapted, cure, rules_of
from pipeline.settings import ProviderEntry, Settings
from pipeline.types import CallRequest, Failure, Message, Usage

from ._http import Reply, Wire

OURS = frozenset({"model", "messages", "n", "stream"})
"""Keys of the body that a recipe does not set: several answers are repeats, each with its own id, and none streams."""

NEAR_LENGTH = 600
"""Characters of a list of models in a message; some hosts have hundreds."""


class OpenAI:
    """One provider entry, open for questions.

    Args:
        namespace: the entry's name.
        wire: where requests go.
        known: the right to use it: what is missing, where its key came from, its paths.
        own: what synth.toml says of parameters; see `ProviderEntry.parameters`.
        clock: seconds since the epoch, for Retry-After dates.
    """

    rehearsal = False

    def __init__(
        self, namespace: str, wire: Wire, known: Access, own: Mapping[str, str | bool] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.namespace = namespace
        self.base_url = wire.base_url
        self._wire, self._access, self._clock = wire, known, clock
        self._own, self._rules = own or {}, dict[str, Rules]()
        self._known: list[str] | None = None

    def __repr__(self) -> str:
        return f"OpenAI({self.namespace!r}, {self.base_url!r})"

    @classmethod
    def build(cls, name: str, entry: ProviderEntry, settings: Settings, env: Mapping[str, str]) -> Provider:
        """A provider for an entry; opens no connection. See `access` for keys and headers.

        Raises:
            RecipeError: the entry has no usable address, or a header names a variable that is not set.
        """
        known = access(name, entry, env)
        headers = {
            "content-type": "application/json", "accept": "application/json", "accept-encoding": "identity",
            "connection": "keep-alive", "user-agent": f"synth-pipeline/{pipeline.__version__}",
        }
        url = known.address.open()["url"]
        wire = Wire(url, headers | known.headers.open(), known.secrets, settings.timeout_s, not known.local, known.tls)
        return cls(name, wire, known, entry.parameters)

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The request body; see `Provider.body`.

        Raises:
            RecipeError: a parameter that is ours to set.
        """
        taken = OURS & parameters.keys()
        if taken:
            name = min(taken)
            hint = "sample.repeats asks for several answers" if name == "n" else ""
            raise RecipeError(f"generate.params.{name}: cannot be set", hint)
        rules = self._rules.get(model)
        if rules is None:
            rules = self._rules[model] = rules_of(self.base_url, model, self._own)
        return {"model": model, "messages": messages, **adapted(parameters, rules)}

    async def ask(self, request: CallRequest) -> Answer:
        """Sends the body as it is, once.

        Raises:
            CallFailed: with the class of what went wrong; no message or raw answer of it holds the key.
        """
        self._ready()
        model = str(request.body.get("model", ""))
        reply = await self._wire.send("POST", self._access.path("/chat/completions", model), encode(request.body))
        if reply.status != 200:
            raise await self._refused(reply, model)
        return self._answer(reply)

    def read(self, reply: Reply) -> Answer:
        """What a reply says, as `ask` reads it.

        Raises:
            CallFailed: no answer that can be used.
        """
        if reply.status != 200:
            raise CallFailed(self._failure(reply))
        return self._answer(reply)

    async def models(self) -> list[str]:
        """The host's models, by name; see `Provider.models`."""
        self._ready()
        reply = await self._wire.send("GET", self._access.path("/models"))
        if reply.status != 200:
            raise CallFailed(self._failure(reply))
        value = _parsed(reply.body)
        listed = value.get("data", value.get("models")) if isinstance(value, dict) else value
        if not isinstance(listed, list):
            raise CallFailed(Failure("parse", f"{self.base_url}/models: not a list of models", raw=cut(reply.body)))
        named = (item.get("id") or item.get("name") if isinstance(item, dict) else item for item in listed)
        return sorted({str(name) for name in named if name})

    async def close(self) -> None:
        """Closes connections; another question may be asked later, as the next stage does."""
        await self._wire.close()

    def _ready(self) -> None:
        if self._access.lacks:
            raise CallFailed(Failure("auth", self._access.lacks, code=f"{NO_KEY}{self._access.key_env}"))

    def _failure(self, reply: Reply) -> Failure:
        found = failure(reply.status, reply.headers, reply.body, self._clock())
        hide = self._wire.secrets.hide
        origin = self._origin() if found.kind == "auth" else ""
        return replace(found, message=hide(f"{self.namespace}: {found.message}") + origin, raw=hide(found.raw or ""))

    def _origin(self) -> str:
        """Where the key that a host refuses comes from, or that there is none."""
        if self._access.key_env:
            return f" (the key is read from {self._access.key_env})"
        if {"authorization", "api-key"}.isdisjoint(self._access.headers.open()):
            return " (none was sent: --key-env VARIABLE, or key_env in synth.toml, says where it is)"
        return ""

    async def _refused(self, reply: Reply, model: str) -> CallFailed:
        """The failure of an error response; an unknown model gets the names that are near it."""
        found, told = self._failure(reply), said(reply.body)
        if found.kind == "bad_request" and (reply.status in (404, 405) or told.code == NO_SUCH_MODEL
                                            or NO_MODEL.search(told.message)):
            message = await self._where(found, told, model)
            code = found.code if reply.status not in (404, 405) else NO_SUCH_MODEL if _model(told) else WRONG_ADDRESS
            found = replace(found, message=message, code=code)
        elif found.kind == "bad_request" and (line := cure(told.message, self.namespace)):
            found = replace(found, message=f"{found.message} In synth.toml: {line}", code=UNSUPPORTED)
        return CallFailed(found, limits.told(reply.headers))

    async def _where(self, found: Failure, told: Said, model: str) -> str:
        """The message of a 404: which name is near, or that the address has no chat behind it."""
        if self._known is None:
            try:
                self._known = await self.models()
            except CallFailed:
                self._known = []
        if not _model(told):
            return f"{found.message}: nothing answers at {self.base_url}/chat/completions; most base URLs end in /v1"
        if model in self._known:
            return found.message  # it is listed, and still refused: not a matter of spelling
        near = did_you_mean(model, self._known)
        if len(near) > NEAR_LENGTH:
            near = f"{near[:NEAR_LENGTH].rpartition(', ')[0]} and others"
        return f"{self.namespace}: unknown model '{model}'" + (f"; {near}" if near else "")

    def _answer(self, reply: Reply) -> Answer:
        """The answer of a 200.

        Raises:
            CallFailed: it is not a chat completion. The host has worked: it may have cost money.
        """
        value = _parsed(reply.body)
        if not isinstance(value, dict):
            page = reply.body.lstrip()[:1] == b"<"
            what = "an HTML page in place of JSON; is the base URL right" if page else "not a JSON object"
            raise self._unusable(reply, what, billed=not page, code=WRONG_ADDRESS if page else None)
        if value.get("error") and not value.get("choices"):
            raise CallFailed(self._inner(reply, value["error"]))
        choices = value.get("choices")
        choices = choices if isinstance(choices, list) else []
        choice = choices[0] if choices else None
        if not isinstance(choice, dict):
            raise self._unusable(reply, "an answer without choices")
        if choice.get("error"):
            raise CallFailed(replace(self._inner(reply, choice["error"]), billed=True))
        message = choice.get("message")
        if not isinstance(message, dict):
            raise self._unusable(reply, "a choice without a message")
        message.setdefault("role", "assistant")
        reason, model = choice.get("finish_reason"), value.get("model")
        return Answer(message, str(reason) if reason is not None else None, usage_of(value.get("usage")),
                      str(model) if model is not None else None, len(choices), limits.told(reply.headers))

    def _inner(self, reply: Reply, error: Any) -> Failure:
        """An error that comes with status 200, as gateways send it; its code may be the status it should have had."""
        code = error.get("code") if isinstance(error, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else 502
        body = orjson.dumps({"error": error})
        return self._failure(Reply(status, reply.headers, body))

    def _unusable(self, reply: Reply, what: str, *, billed: bool = True, code: str | None = None) -> CallFailed:
        raw = self._wire.secrets.hide(cut(reply.body))
        message = f"{self.base_url}: {what}"
        return CallFailed(Failure("parse", message, status=reply.status, code=code, raw=raw, billed=billed))


def _model(told: Said) -> bool:
    """Whether it is the model that is not there, rather than the address."""
    return told.code == NO_SUCH_MODEL or bool(NO_MODEL.search(told.message))


def encode(body: Mapping[str, Any]) -> bytes:
    """A body as bytes. A lone surrogate, which UTF-8 cannot hold, is sent as its escape."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii")


def usage_of(value: Any) -> Usage | None:
    """The tokens that a host counted; None where it gave no count of its own."""
    if not isinstance(value, dict):
        return None
    asked, answered = _whole(value.get("prompt_tokens")), _whole(value.get("completion_tokens"))
    if asked is None or answered is None:
        return None
    before, after = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    cached = _whole(before.get("cached_tokens")) if isinstance(before, dict) else None
    if cached is None:
        cached = _whole(value.get("prompt_cache_hit_tokens"))  # DeepSeek's name for it
    thought = _whole(after.get("reasoning_tokens")) if isinstance(after, dict) else None
    return Usage(asked, answered, cached or 0, thought or 0)


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


plugin: type[OpenAI] = OpenAI
