"""Base and tuned model at a host, asked through the engine: durable, capped, and never asked the same twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from pipeline import tokens
from pipeline.digest import call_id
from pipeline.engine import Asker, Bill, Limits, Progress, Writer, cost_of, drive, refuse_unknown, worst_case
from pipeline.metrics import Output
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.types import Call, CallRequest, Usage

from .pair import Ask, Both, Decoding, Interrupted, Tell

EXPECTED = 0.5
"""Share of the output limit that an answer is expected to take. A guess, printed as one."""


WriterOf = Callable[[str], Writer]
"""`openai:ft:...` -> who that is."""


class Hosted:
    """A base model and its tuned one, by their names at a host; see `pair.Pair`.

    Args:
        writers: base and tuned.
        dataset: keeps the calls.
        settings: how hard the host is asked, and the cap.
    """

    def __init__(self, writers: tuple[Writer, Writer], dataset: Dataset, settings: Settings) -> None:
        self.writers, self.dataset, self.settings = writers, dataset, settings
        self.base, self.tuned = (writer.model for writer in writers)
        self.failed: dict[str, int] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """The host's name, and what failed by class."""
        return {"host": self.writers[0].provider.namespace, "failed": dict(self.failed)}

    def count(self, text: str) -> int:
        """Tokens of the base model's encoding, or an estimate."""
        return tokens.count(text, self.base).tokens

    def bill(self, asks: Sequence[Ask], decoding: Decoding) -> Bill:
        """What `write` would cost now; sends nothing."""
        new, expected, worst = 0, 0.0, 0.0
        known = bounded = True
        for writer in self.writers:
            for ask in asks:
                request = _request(writer, ask, decoding)
                if self.dataset.calls.state(request.id) == "answered":
                    continue
                new += 1
                bound = worst_case(request.body, writer.model, writer.price)
                asked = tokens.count_messages(ask.messages, writer.model).tokens
                about = cost_of(writer.price, Usage(asked, int(decoding.max_tokens * EXPECTED)))
                known, bounded = known and about is not None, bounded and bound is not None
                expected, worst = expected + (about or 0.0), worst + (bound or 0.0)
        return Bill(new, expected if known else None, worst if bounded else None)

    def write(self, asks: Sequence[Ask], decoding: Decoding, tell: Tell) -> Both:
        """Both models' answers, the base model's first.

        Raises:
            RecipeError: a cap without a price.
            DataError: under a cap, and another process spends on this dataset: two cannot both keep to what is left.
            ProviderError: the host stopped the run; what came is kept and costs nothing again.
            Interrupted: a person did.
        """
        for writer in self.writers:
            refuse_unknown(self.settings.max_usd, writer.price, decoding.max_tokens, writer.model)
        capped = self.settings.max_usd is not None
        with self.dataset.lock("samples", "evaluate") if capped else nullcontext():
            return Both(*(self._ask(writer, asks, decoding, tell) for writer in self.writers))

    def _ask(
        self, writer: Writer, asks: Sequence[Ask], decoding: Decoding, tell: Tell
    ) -> list[Output | None]:
        found: list[Output | None] = [None] * len(asks)
        asker: list[Asker] = []
        limits = Limits.of(self.settings, writer.provider, writer.price)

        def make() -> Asker:
            asker.append(Asker(writer.provider, self.dataset.calls, limits, Progress(total=len(asks))))
            return asker[0]

        async def work(item: tuple[int, CallRequest]) -> None:
            call = await asker[0].ask(item[1])
            asker[0].progress.done += 1
            if call.failure is None:
                found[item[0]] = _output(call)
            else:
                self.failed[call.failure.kind] = self.failed.get(call.failure.kind, 0) + 1

        def requests() -> Iterator[tuple[int, CallRequest]]:
            return ((index, _request(writer, ask, decoding)) for index, ask in enumerate(asks))

        def report(progress: Progress) -> None:
            tell(f"{writer.model} answers", progress.done, len(asks))

        _, interrupted = drive(requests(), work, make, report)
        if interrupted:
            raise Interrupted
        return found

    def score(self, rows: Sequence[Ask], tell: Tell) -> Both | None:
        """None: a chat host does not say how likely a given answer is."""
        return None

    def close(self) -> None:
        """Connections are closed at the end of each run already."""


def _request(writer: Writer, ask: Ask, decoding: Decoding) -> CallRequest:
    parameters: dict[str, Any] = {"max_tokens": decoding.max_tokens, "temperature": decoding.temperature}
    if decoding.temperature:
        parameters["seed"] = decoding.seed
        parameters.update({"top_p": decoding.top_p} if decoding.top_p < 1 else {})
    parameters.update({"tools": ask.tools} if ask.tools else {})
    body = writer.provider.body(writer.model, ask.messages, parameters)
    name = writer.provider.namespace
    return CallRequest(id=call_id(name, "chat", body), namespace=name, body=body)


def _output(call: Call) -> Output:
    """What a call says. `stop` is how a host calls an end by itself, `length` a cut; other words say neither."""
    ended = {"stop": True, "length": False}.get(call.finish_reason or "")
    return Output(call.text, call.usage.output_tokens if call.usage else None, ended)
