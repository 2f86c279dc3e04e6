"""One question to a model, its answer read strictly, and one more try where it cannot be used."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pipeline.digest import call_id
from pipeline.engine import (
    Asker,
    Bill,
    Limits,
    Progress,
    Report,
    Writer,
    cost_of,
    drive,
    output_limit,
    refuse_unknown,
    worst_case,
)
from pipeline.errors import ProviderError
from pipeline.json_text import Unread
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.types import Call, CallRequest, Message, Usage
from pipeline.words import shown

T = TypeVar("T")
REPAIR = "That cannot be used: {fault}. Answer once more, with the whole JSON and nothing else."
RAW_SHOWN = 2000
"""Characters of an answer that an error shows."""
BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Question(Generic[T]):
    """What is asked and how the answer is read.

    Attributes:
        text: the message.
        read: from the answer's text to what it says; raises Unread.
        rest: what an answer may be that is short of what was asked, once it was asked for again; raises Unread.
        max_tokens: output limit.
        expected: output tokens that are likely; a guess.
        hints: for the rehearsal alone, see CallRequest.
        instead: what to type where no answer can be used.
    """

    text: str
    read: Callable[[str], T]
    rest: Callable[[str], T]
    max_tokens: int
    expected: int
    hints: Mapping[str, Any] = field(default_factory=dict)
    instead: str = ""

    def request(self, writer: Writer, more: list[Message] | None = None) -> CallRequest:
        """The call, or that of the second try."""
        messages = [{"role": "user", "content": self.text}, *(more or [])]
        body = writer.provider.body(writer.model, messages, {"max_tokens": self.max_tokens})
        name = writer.provider.namespace
        return CallRequest(call_id(name, "chat", body), name, body, hints=self.hints)


def foresee(questions: list[Question[T]], dataset: Dataset, writer: Writer) -> Bill:
    """The bill of some questions, a second try in its worst case. Asks for nothing; what was answered costs nothing."""
    calls, expected, worst = 0, 0.0, 0.0
    known = True
    for question in questions:
        request = _unanswered(question, dataset, writer)
        if request is None:
            continue
        # the second try holds the first answer, which is at most as long as the limit
        bound = worst_case(request.body, writer.model, writer.price)
        usage = Usage(len(question.text.encode()) // BYTES_PER_TOKEN, question.expected)
        cost = cost_of(writer.price, usage)
        calls += 1
        if bound is None or cost is None or writer.price is None:
            known = False
            continue
        expected += cost
        worst += 2 * bound + (question.max_tokens + len(REPAIR)) * writer.price.input / 1e6
    return Bill(calls, expected if known else None, worst if known else None)


def _unanswered(question: Question[T], dataset: Dataset, writer: Writer) -> CallRequest | None:
    """The call that would be paid for next; None where all is known."""
    request = question.request(writer)
    if dataset.calls.state(request.id) != "answered":
        return request
    answer = dataset.calls.peek(request.id)
    again = _again(question, writer, answer) if answer else None
    return None if again is None or dataset.calls.state(again.id) == "answered" else again


def ask(
    questions: list[Question[T]], dataset: Dataset, writer: Writer, settings: Settings, report: Report | None = None
) -> list[T] | None:
    """Asks, through the cap and the journal: an answer is on the disk before it is read, and asked for once.

    Returns:
        What the answers say, in order; None where a person stopped it.

    Raises:
        ProviderError: the host refuses, or no answer can be used; the message holds the last one.
        RecipeError: a cap that cannot be kept; nothing was sent.
    """
    if not questions:
        return []
    for question in questions:
        body = question.request(writer).body
        refuse_unknown(settings.max_usd, writer.price, output_limit(body), writer.model)
    found: dict[int, T] = {}
    with dataset.lock("samples"):  # so that two runs do not share what a cap leaves
        dataset.calls.mend()
        limits = Limits(settings.concurrency, settings.retries, settings.max_usd, writer.price)
        progress = Progress(total=len(questions), started=time.monotonic())
        made: list[Asker] = []

        def make() -> Asker:
            made.append(Asker(writer.provider, dataset.calls, limits, progress))
            return made[0]

        async def work(item: tuple[int, Question[T]]) -> None:
            found[item[0]] = await _converse(made[0], writer, item[1])
            progress.done += 1

        try:
            _, interrupted = drive(enumerate(questions), work, make, report)
        finally:
            dataset.write_failures(dataset.calls.outcomes("failed"))
    return None if interrupted else [found[index] for index in range(len(questions))]


async def _converse(asker: Asker, writer: Writer, question: Question[T]) -> T:
    first = _answered(await asker.ask(question.request(writer)), question)
    again = _again(question, writer, first)
    if again is None:
        return _read(question.read, first)
    second = _answered(await asker.ask(again), question)
    fault = ""
    for call in (second, first):
        try:
            return _read(question.rest, call)
        except Unread as error:
            fault = fault or str(error)
    raw = shown(second.text.strip()[:RAW_SHOWN]) or "(no text)"
    raise ProviderError(f"{writer.model}: two answers, and none can be used: {fault}\nthe last one:\n{raw}",
                        question.instead)


def _answered(call: Call, question: Question[T]) -> Call:
    if call.failure is not None:
        raise ProviderError(f"no answer: {call.failure.message}", question.instead)
    said = (call.message or {}).get("refusal")
    if said and not call.text:
        raise ProviderError(f"{call.model} refuses: {shown(str(said))[:RAW_SHOWN]}", question.instead)
    return call


def _again(question: Question[T], writer: Writer, call: Call) -> CallRequest | None:
    """The second try, which the model gets with its answer and what is wrong with it; None where it can be used."""
    try:
        _read(question.read, call)
    except Unread as error:
        fault = REPAIR.format(fault=error)
        more = [{"role": "assistant", "content": call.text}, {"role": "user", "content": fault}]
        return question.request(writer, more)
    return None


def _read(read: Callable[[str], T], call: Call) -> T:
    if call.finish_reason == "length":
        raise Unread("it was cut at the output limit")
    return read(call.text)
