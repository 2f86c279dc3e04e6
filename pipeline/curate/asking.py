"""Rules that ask: whom, what it will cost, and what was answered. On rows that stand, and nothing twice.

A score is known by the row's text and the rule's key, from the last curation; or by the id of its call, however often
rules and rows changed since. An answer that cannot be read is stored as well, and asked again only on request: under
another repeat, so that the first of them that can be read counts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, NamedTuple

from pipeline.digest import call_id
from pipeline.engine import (
    Asker,
    Limits,
    Progress,
    Report,
    Writer,
    cost_of,
    drive,
    output_limit,
    refuse_unknown,
    settled,
    worst_case,
)
from pipeline.errors import DataError, ProviderError, RecipeError, SynthError
from pipeline.rules import NOT_ASKED, Asked, AskRule, as_before
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.types import Call, CallRequest, Finding, Sample, Usage, Verdict

BYTES_PER_TOKEN = 4
OUTPUT_TOKENS = 80
"""Of an answer, where nothing is known: a sentence and some numbers. A guess, said as `about`."""

AnyAsk = AskRule[Any, Any]


class AskBill(NamedTuple):
    """What asking would take, at most: rows that a rule drops are not asked about by the next one.

    Attributes:
        rules: rule -> questions that would be sent.
        writers: who would be asked, each once.
        known: questions that are answered already, here or in a neighbour.
        usd_expected: None without a price.
        usd_worst: None without a price or an output limit.
        named: models that the rules name.
    """

    rules: dict[str, int]
    writers: list[Writer]
    known: int
    usd_expected: float | None
    usd_worst: float | None
    named: frozenset[str] = frozenset()

    @property
    def new_calls(self) -> int:
        """Calls that would be sent."""
        return sum(self.rules.values())

    @property
    def limited(self) -> str:
        """What sets an output limit, as a recipe has it."""
        return "max_tokens: 400 in the options of the rule"


@dataclass(frozen=True, slots=True)
class Ask:
    """How rules that ask may ask.

    Attributes:
        writer: who is asked, by the model that the rule names (or None) and the one asked last time (or "").
        settings: how this machine asks, with its cap.
        agreed: gets the bill before anything is sent, and raises where it is not to be: nothing is written then.
        report: receives the counters while a rule asks.
        retry: whether answers that could not be used are asked for once more.
    """

    writer: Callable[[str | None, str], Writer]
    settings: Settings
    agreed: Callable[[AskBill], None] = lambda bill: None
    report: Report | None = None
    retry: bool = False


@dataclass(slots=True)
class Told:
    """What became of the questions of a curation.

    Attributes:
        who: rule -> who answers it.
        scored: rule -> rows that have a measurement.
        missing: rule -> why rows that stand have none -> how many.
        bill: of what is not asked yet; None where nothing is missing, or nobody could be named to ask.
        progress: counters of all that was sent.
        interrupted: a person stopped it.
    """

    who: dict[str, Asked] = field(default_factory=dict)
    scored: Counter[str] = field(default_factory=Counter)
    missing: dict[str, Counter[str]] = field(default_factory=dict)
    bill: AskBill | None = None
    progress: Progress = field(default_factory=Progress)
    interrupted: bool = False

    def count(self, finding: Finding, stands: bool) -> None:
        """Takes in what was found on a row that is part of the set."""
        if finding.outcome not in ("unmeasured", "error"):
            self.scored[finding.rule] += 1
        elif stands:
            why = finding.reason.partition(":")[0]
            self.missing.setdefault(finding.rule, Counter())[why] += 1

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it and manifest.json keeps it."""
        bill = self.bill
        return {
            "who": {rule: who._asdict() for rule, who in self.who.items()}, "scored": dict(self.scored),
            "missing": {rule: dict(why) for rule, why in self.missing.items()},
            "calls": self.progress.answered + self.progress.failed, "usd": self.progress.usd,
            "ahead": {"calls": bill.new_calls, "usd": bill.usd_expected, "usd_worst": bill.usd_worst} if bill else None,
        }


class Asking:
    """The rules of one curation that ask.

    Args:
        dataset: its calls are looked up, and written.
        rules: those that ask; who answers each is set here.
        ask: how; None where only what is known counts.
        dry: whether nothing is sent, and only the bill is made.
    """

    def __init__(self, dataset: Dataset, rules: Sequence[AnyAsk], ask: Ask | None, dry: bool) -> None:
        self.dataset, self.rules, self._ask, self._dry = dataset, rules, ask, dry
        self.found: dict[str, dict[str, Finding]] = {rule.name: {} for rule in rules}
        self.told = Told(progress=Progress(started=time.monotonic()))
        self.fault: SynthError | None = None
        self._writers: dict[str, Writer] = {}
        as_before(rules, dataset.manifest())
        for rule in rules:
            if ask is not None:
                writer = ask.writer(rule.model, rule.who.name)
                self._writers[rule.name] = writer
                rule.who = Asked(f"{writer.provider.namespace}:{writer.model}", writer.provider.rehearsal)
            self.told.who[rule.name] = rule.who

    @property
    def _stopped(self) -> bool:
        return self.fault is not None or self.told.interrupted

    def note(self, sample: Sample, verdict: Verdict | None) -> int:
        """Takes in what the last curation knew of a row, decided anew; how many rules that spares."""
        before = {found.key: found for found in verdict.findings} if verdict and self.rules else {}
        known = 0
        for rule in self.rules:
            found = rule.finding(sample, before.get(rule.key))
            if found.outcome != "unmeasured":
                self.found[rule.name][sample.id] = found
                known += 1
        return known

    def finding(self, rule: AnyAsk, sample: str, stands: bool) -> Finding:
        """What a rule says of a row."""
        found = self.found[rule.name].get(sample)
        return found or rule.unmeasured(NOT_ASKED if stands else f"{NOT_ASKED}: dropped before")

    def agree(self, rows: set[str]) -> None:
        """Makes the bill, and has it agreed to unless nothing is sent anyway.

        Args:
            rows: all that may have to be asked about.

        Raises:
            RecipeError: a cap that cannot be kept; or whatever `Ask.agreed` raises.
        """
        missing = {rule.name: rows - self.found[rule.name].keys() for rule in self.rules}
        if self._ask is None or not any(missing.values()):
            return
        bill = self._bill(missing)
        if self._dry:
            self.told.bill = bill if bill.new_calls else None
        elif bill.new_calls:
            for rule in self.rules:
                if bill.rules.get(rule.name):
                    self._keepable(rule)
            self._ask.agreed(bill)

    def _keepable(self, rule: AnyAsk) -> None:
        """Raises RecipeError: a cap that cannot be kept."""
        assert self._ask is not None
        cap, writer, limit = self._ask.settings.max_usd, self._writers[rule.name], output_limit(rule.parameters())
        if cap is not None and limit is None and writer.price is not None and writer.price.output > 0:
            raise RecipeError(f"--max-usd needs an output limit, and the rule {rule.name} sets none",
                              f"{rule.plugin or rule.name}: {{max_tokens: 400, ...}}   in the recipe")
        refuse_unknown(cap, writer.price, limit, writer.model)

    def _bill(self, missing: Mapping[str, Collection[str]]) -> AskBill:
        """What asking would take. Equal questions are one."""
        asked, seen, known = Counter[str](), set[str](), 0
        expected: float | None = 0.0
        worst: float | None = 0.0
        for sample in self.dataset.samples():
            for rule in self.rules:
                if sample.id not in missing.get(rule.name, ()):
                    continue
                state, writer = self._state(rule, sample, self.dataset.calls.peek), self._writers[rule.name]
                if isinstance(state, Finding):
                    known += bool(state.calls)
                elif state.id not in seen:
                    seen.add(state.id)
                    asked[rule.name] += 1
                    one, most = _cost(state, writer)
                    expected = None if expected is None or one is None else expected + one
                    worst = None if worst is None or most is None else worst + most
        writers = {rule.who.name: self._writers[rule.name] for rule in self.rules if asked[rule.name]}
        named = frozenset(rule.model for rule in self.rules if rule.model)
        return AskBill(dict(asked), list(writers.values()), known, expected, worst, named)

    def _state(self, rule: AnyAsk, sample: Sample, look: Callable[[str], Call | None]) -> Finding | CallRequest:
        """What is known of a row, or what has to be asked. The fault of a rule, which may be anyone's, is a record."""
        assert self._ask is not None
        try:
            messages = rule.messages(sample)
            if messages is None:
                return Finding(rule.name, None, "not_applicable", key=rule.key)
            writer, last = self._writers[rule.name], None
            body = writer.provider.body(writer.model, messages, rule.parameters())
            hints = {"cell": sample.cell, "fields": sample.fields, "answer": rule.reader.hint}
            for turn in count():
                name = writer.provider.namespace
                request = CallRequest(call_id(name, "chat", body, turn), name, body, turn, hints=hints)
                call = look(request.id)
                if call is None and last is not None and not self._ask.retry:
                    return last
                if call is None or not settled(call, self._ask.retry):
                    return request
                last = rule.read(sample, call)
                if last.outcome != "unmeasured" or call.failure is not None:
                    return last
        except Exception as error:
            return Finding(rule.name, None, "error", f"{type(error).__name__}: {error}"[:300], key=rule.key)
        raise AssertionError("count() has no end")

    def ask(self, rule: AnyAsk, rows: set[str]) -> set[str]:
        """Measures rows: from calls that are there, else by asking. Whatever stops it, what came is kept.

        Args:
            rule: one of `rules`.
            rows: their ids.

        Returns:
            Those that the rule drops.
        """
        self._measure(rule, rows - self.found[rule.name].keys())
        found = self.found[rule.name]
        return {row for row in rows if row in found and found[row].outcome == "drop"}

    def _measure(self, rule: AnyAsk, wanted: set[str]) -> None:
        if self._ask is None or self._dry or self._stopped or not wanted:
            return
        settings = self._ask.settings
        try:
            with self.dataset.lock("samples", "curate") if settings.max_usd is not None else nullcontext():
                self._drive(rule, wanted, settings)
        except (DataError, ProviderError) as error:
            self.fault = error
        if self.told.progress.failed:
            self.dataset.write_failures(self.dataset.calls.outcomes("failed"))

    def _drive(self, rule: AnyAsk, wanted: Collection[str], settings: Settings) -> None:
        """Raises ProviderError: the host stopped, or the cap is reached."""
        assert self._ask is not None
        found, progress, writer = self.found[rule.name], self.told.progress, self._writers[rule.name]
        askers: list[Asker] = []
        progress.total, progress.done = len(wanted), 0

        def items() -> Iterator[tuple[Sample, CallRequest]]:
            for sample in self.dataset.samples():
                if sample.id in wanted:
                    state = self._state(rule, sample, self.dataset.calls.find)
                    if isinstance(state, CallRequest):
                        yield sample, state
                    else:
                        found[sample.id] = state
                        progress.done += 1

        def make() -> Asker:
            limits = Limits.of(settings, writer.provider, writer.price)
            askers.append(Asker(writer.provider, self.dataset.calls, limits, progress))
            return askers[0]

        async def work(item: tuple[Sample, CallRequest]) -> None:
            sample, request = item
            call = await askers[0].ask(request, again=self._retry)
            try:
                found[sample.id] = rule.read(sample, call)
            except Exception as error:  # a rule may be anyone's
                told = f"{type(error).__name__}: {error}"[:300]
                found[sample.id] = Finding(rule.name, None, "error", told, key=rule.key, calls=(call.id,))
            progress.done += call.failure is None

        left = items()
        first = next(left, None)
        if first is not None:
            _, self.told.interrupted = drive(chain([first], left), work, make, self._ask.report)

    @property
    def _retry(self) -> bool:
        return self._ask is not None and self._ask.retry


def _cost(request: CallRequest, writer: Writer) -> tuple[float | None, float | None]:
    """What a question will cost, about and at most, in dollars."""
    if writer.provider.rehearsal:
        return 0.0, 0.0
    said = sum(len(str(turn["content"]).encode("utf-8", "surrogatepass")) for turn in request.body["messages"])
    limit = output_limit(request.body)
    usage = Usage(said // BYTES_PER_TOKEN, min(OUTPUT_TOKENS, limit or OUTPUT_TOKENS))
    return cost_of(writer.price, usage), worst_case(request.body, writer.model, writer.price)


def asks(rules: Iterable[Any]) -> list[AnyAsk]:
    """Those of some rules that ask."""
    return [rule for rule in rules if isinstance(rule, AskRule)]
