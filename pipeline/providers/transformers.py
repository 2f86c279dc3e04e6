"""A model of this machine writes, with no server: `transformers:FOLDER`, a name on the hub, an adapter, or `tiny`.

Questions that come together are answered together, in batches of about one length. What is drawn for a question is
decided by its body and repeat alone, so that batching changes nothing. Where the recipe sets no temperature or top_p,
the model's own generation config counts, and else 1.0, as at OpenAI.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.digest import hash_int
from pipeline.engine.protocol import Answer, CallFailed, Provider
from pipeline.errors import RecipeError, did_you_mean
from pipeline.settings import ProviderEntry, Settings
from pipeline.types import CallRequest, Failure, Message, Usage

if TYPE_CHECKING:
    from pipeline.local.load import Loaded
    from pipeline.local.write import Ask, Decoding

KNOWN = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed")
"""Parameters that a local model honours; any other is refused, never passed over."""
TOGETHER_S = 0.02
"""How long the first question waits for others that may go into its batch."""
MOST_TOKENS = 1024
"""Of an answer, where the recipe does not say."""


class _Waiting(NamedTuple):
    request: CallRequest
    future: asyncio.Future[Answer]


class Transformers:
    """Models that are loaded into this process, one at a time.

    Args:
        namespace: the entry's name.
        device: as `cpu` or `cuda`; None for the best there is.
    """

    rehearsal = False

    def __init__(self, namespace: str, device: str | None = None) -> None:
        self.namespace = namespace
        self._device = device
        self._name: str | None = None
        self._loaded: Loaded | None = None
        self._waiting: list[_Waiting] = []
        self._at_work: asyncio.Task[None] | None = None
        self._over = threading.Event()

    def __repr__(self) -> str:
        return f"Transformers({self.namespace!r})"

    @classmethod
    def build(cls, name: str, entry: ProviderEntry, settings: Settings, env: Mapping[str, str]) -> Provider:
        """A provider for an entry. Loads nothing yet.

        Raises:
            MissingExtra: the `local` extra is not installed.
        """
        from pipeline.local import _stack

        _stack.require("a model on this machine")
        return cls(name, env.get("SYNTH_DEVICE") or None)

    def body(self, model: str, messages: list[Message], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """As a chat request; see `Provider.body`.

        Raises:
            RecipeError: a parameter that a local model does not honour.
        """
        for key in parameters:
            if key not in KNOWN:
                raise RecipeError(f"generate.{key}: a model on this machine does not honour it",
                                  did_you_mean(key, KNOWN))
        return {"model": model, "messages": messages, **parameters}

    async def ask(self, request: CallRequest) -> Answer:
        """Answers, together with whoever asks at the same time.

        Raises:
            CallFailed: the conversation cannot be rendered for this model, or is too long for it.
            DataError: the model cannot be loaded.
        """
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.create_task(self._work())
        return await waiting.future

    async def models(self) -> list[str]:
        """`tiny`, and the models in the hub's cache."""
        return ["tiny", *await asyncio.to_thread(_cached)]

    async def close(self) -> None:
        """Ends what is being written, and lets the model go."""
        self._over.set()
        if self._at_work is not None:
            await asyncio.gather(self._at_work, return_exceptions=True)
        self._loaded, self._name = None, None
        self._over.clear()

    async def _work(self) -> None:
        """Batch after batch, until nobody waits."""
        await asyncio.sleep(TOGETHER_S)
        while self._waiting and not self._over.is_set():
            model = str(self._waiting[0].request.body["model"])
            batch = [each for each in self._waiting if each.request.body["model"] == model]
            self._waiting = [each for each in self._waiting if each.request.body["model"] != model]
            batch = [each for each in batch if not each.future.done()]  # who asked may have been told to stop
            try:
                answers = await asyncio.to_thread(self._answers, model, [each.request for each in batch])
            except Exception as error:  # it belongs to everyone who waits for this batch
                answers = [error] * len(batch)
            for each, answer in zip(batch, answers):
                if each.future.done():
                    continue
                if isinstance(answer, Exception):
                    each.future.set_exception(answer)
                else:
                    each.future.set_result(answer)
        for each in self._waiting:
            each.future.cancel()
        self._waiting = []

    def _answers(self, model: str, requests: list[CallRequest]) -> list[Answer | Exception]:
        """The outcomes of a batch, in order; in a thread of its own."""
        from pipeline.local.write import write_asks

        loaded = self._open(model)
        found: list[Answer | Exception] = [CallFailed(Failure("server", "told to stop"))] * len(requests)
        asks: list[Ask] = []
        places: list[int] = []
        for place, request in enumerate(requests):
            try:
                asks.append(_asked(loaded, request))
                places.append(place)
            except CallFailed as failed:
                found[place] = failed
        for written in write_asks(loaded, asks, tuned=loaded.adapter is not None, over=self._over.is_set):
            ids, place = asks[written.index].ids, places[written.index]
            found[place] = Answer(
                {"role": "assistant", "content": written.text}, "stop" if written.stopped else "length",
                Usage(len(ids), written.tokens), model)
        return found

    def _open(self, model: str) -> Loaded:
        from pipeline.local.load import load, named

        if self._loaded is None or self._name != model:
            self._loaded = None  # two models may not fit
            found = named(model)
            self._loaded = load(found.base, adapter=found.adapter, four_bit=found.four_bit, device=self._device)
            self._name = model
        return self._loaded


def _asked(loaded: Loaded, request: CallRequest) -> Ask:
    """A request in tokens.

    Raises:
        CallFailed: it cannot be rendered, or leaves no room for an answer.
    """
    from pipeline.local.write import ask_of

    body = request.body
    try:
        dice = hash_int("transformers", body, request.repeat)
        ask = ask_of(loaded, body["messages"], None, _decoding(loaded, body), dice)
    except Exception as error:  # a template may raise anything for roles that it does not know
        raise CallFailed(Failure("bad_request", f"the chat template refuses it: {error}")) from None
    if len(ask.ids) >= loaded.context:
        raise CallFailed(Failure(
            "bad_request", f"the prompt has {len(ask.ids):,} tokens, and the model knows {loaded.context:,} positions",
            code="context_length_exceeded"))
    return ask


def _decoding(loaded: Loaded, body: Mapping[str, Any]) -> Decoding:
    from pipeline.local.write import Decoding

    own = getattr(loaded.model, "generation_config", None)
    sampled = bool(getattr(own, "do_sample", False))
    heat, share = body.get("temperature"), body.get("top_p")
    if heat is None:
        heat = (getattr(own, "temperature", None) if sampled else None) or 1.0
    if share is None:
        share = (getattr(own, "top_p", None) if sampled else None) or 1.0
    stop = body.get("stop") or ()
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or MOST_TOKENS
    return Decoding(int(limit), float(heat), float(share), stop=(stop,) if isinstance(stop, str) else tuple(stop))


def _cached() -> list[str]:
    """Names of models in the hub's cache."""
    from pipeline.local import _stack

    folder = Path(_stack.module("huggingface_hub.constants").HF_HUB_CACHE)
    if not folder.is_dir():
        return []
    found = _stack.module("huggingface_hub").scan_cache_dir(folder)
    return sorted(str(repo.repo_id) for repo in found.repos if repo.repo_type == "model")


plugin: type[Transformers] = Transformers
