"""The bill before the bill: tokens, dollars, time and kept rows of the calls that are missing, each as a range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from pipeline import prices, tokens
from pipeline.digest import call_id
from pipeline.engine import output_limit, worst_case
from pipeline.marks import Marks
from pipeline.prices import Price
from pipeline.store.foreseen import Foreseen, Range, sure
from pipeline.types import CallRequest, Usage

from .history import FEWEST, NO_RULES, Answers, History, of_mean, of_share
from .questions import Made, Outcome, Question, Skipped
from .skip import SkipTally, share_of

OUTPUT_PRIOR = Range(0.2, 0.6, 1.0)
"""Expected share of the output limit, until the writer's own answers tell. A guess, printed as one."""
NO_LIMIT = Range(100, 300, 2000)
"""Tokens of an answer where no limit is set: a paragraph, a page, several. A guess as well."""
ESTIMATE = Range(0.46, 1.0, 1.26)
"""Tokens of real text as a share of what `tokens.count` says without a vocabulary; see `tokens.BYTES_PER_TOKEN`."""
START_S, TOKEN_S = 1.0, 0.015
"""Seconds until an answer begins, and for each of its tokens, until answers tell: a guess."""
BATCH_S = 24 * 3600.0
"""Within this, hosts answer a batch or give the rest back (OpenAI's completion window; no other is offered)."""


class StepBill(NamedTuple):
    """One step of the recipe.

    Attributes:
        calls: calls of it that are missing.
        answers: of how many answers its ranges are; 0 for a guess.
    """

    name: str
    calls: int
    input_tokens: Range
    output_tokens: Range
    answers: int


class Forecast(NamedTuple):
    """What the missing calls come to.

    Attributes:
        steps: those of which calls are missing.
        calls: calls that would be sent; where rows may be skipped on the way, about so many.
        prompts: different prompts among them.
        exact: whether input tokens are counted by the model's own vocabulary, with nothing unknown in the prompts.
        calibrated: whether a count without it was set right by what this host counted in answered prompts.
        answers: of how many answers of this writer it is made, of the step that has the fewest; 0 for a guess.
        usd: live; None without a price.
        batch_usd: as a batch; None where the host is not known to take one.
        seconds: live, at the limits given; None where nobody real is asked.
        timed: whether it is made of the seconds that answers took.
        rows: rows that are to be made.
        judged: of how many rows of this writer `kept` is made.
        by: what judged them; see `history`.
        compares: whether rules that compare rows have no part in it.
        kept: rows wanted that curation would keep, those that are there included; None where nothing tells.
        usd_per_kept: of the rows to be made; None without price or rows kept.
        skipped: of those, rows that `skip_when` will give up on the way; None where none may be.
        decided: of how many draws that is made; 0 for a guess.
    """

    steps: tuple[StepBill, ...]
    calls: int
    prompts: int
    exact: bool
    calibrated: bool
    answers: int
    input_tokens: Range
    output_tokens: Range
    usd: Range | None
    batch_usd: Range | None
    seconds: Range | None
    timed: bool
    rows: int
    judged: int
    by: str
    compares: bool
    kept: Range | None
    usd_per_kept: Range | None
    skipped: Range | None = None
    decided: int = 0

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it: a range is an object of low, middle and high."""
        plain = {key: value._asdict() if isinstance(value, Range) else value for key, value in self._asdict().items()}
        steps = [{key: value._asdict() if isinstance(value, Range) else value for key, value in step._asdict().items()}
                 for step in self.steps]
        return {**plain, "steps": steps}


def foreseen(ahead: Forecast, model: str, writer: str, wanted: int, at: str) -> Foreseen:
    """A forecast as it is written down before its run.

    Args:
        ahead: the forecast.
        model: PROVIDER:MODEL that would write.
        writer: the digest of prompt, parameters and model.
        wanted: rows that the recipe asks for.
        at: UTC, ISO 8601.
    """
    return Foreseen(model, writer, at, wanted, ahead.answers, ahead.calls, ahead.input_tokens, ahead.output_tokens,
                    ahead.usd, ahead.kept)


class Pace(NamedTuple):
    """How fast this machine may ask.

    Attributes:
        concurrency: requests in flight at most.
        rpm: requests a minute; None for no limit.
        tpm: tokens a minute, in and out; None for no limit.
    """

    concurrency: int = 32
    rpm: int | None = None
    tpm: int | None = None


class Part(NamedTuple):
    """Who is asked at one step of the recipe, or as the second answer or the judge of a pair.

    Attributes:
        limit: tokens of an answer at most; None where none is set.
        price: None where unknown.
    """

    name: str
    limit: int | None
    price: Price | None


class _Step:
    """What is missing of one step: counted in full, or but for answers of earlier steps that are not there yet."""

    def __init__(self, part: Part) -> None:
        self.name, self.limit, self.price = part
        self.calls = self.blind = self.tokens = 0
        self.mentions: dict[int, int] = {}
        self.undecided = Counter[tuple[int, ...]]()
        self.held = Counter[int]()

    @property
    def unknown(self) -> Mapping[int, int]:
        """Steps whose answers stand in its prompts and are not there yet -> how often, in all of them together."""
        return self.held or {earlier: count * self.blind for earlier, count in self.mentions.items()}


class Missing:
    """Adds up the calls of a run; equal questions are asked once. Memory: a mark for each.

    Args:
        model: whose tokens are counted.
        steps: of the recipe, and behind them those of a pair.
        skips: of the recipe; counts what becomes of draws that may be skipped.

    Attributes:
        repairs: further calls at most, of answers that are held to something; in `worst` alone.
        linked: whether it was noted how often each prompt holds the answers of earlier steps.
    """

    def __init__(self, model: str, steps: Sequence[Part], skips: SkipTally) -> None:
        self.model = model
        self.steps = [_Step(step) for step in steps]
        self.worst: float | None = 0.0
        self.shown: list[str] = []
        self.calls = self.repairs = self.prompts = self.rows = 0
        self.exact = True
        self.linked = False
        self.undecided = Counter[tuple[int, ...]]()
        self.skips = skips
        self._seen = Marks()

    def add(self, missing: list[Question], outcome: Outcome) -> None:
        """Takes in what is missing of one draw, in order. What follows an unknown answer is told apart by it.

        Args:
            missing: its questions.
            outcome: what comes of it, as far as that is known.
        """
        self.skips.add(outcome)
        undecided = outcome.undecided if isinstance(outcome, Made) else ()
        name = ""
        row = bool(missing) and not isinstance(outcome, Skipped)
        self.rows += row
        self.undecided[undecided] += row
        for place, question in enumerate(missing):
            request, told = question.request, f"{name}{question.request.id}"
            name = name if question.maybe else told
            if not self._seen.add(told):
                continue
            if question.maybe:
                self._repair(question)
                continue
            self.prompts += place > 0 or request.repeat == 0 or self._seen.add(_alone(request))
            step, blind = self.steps[question.step], place > 0 if question.holds is None else bool(question.holds)
            step.undecided[tuple(place for place in undecided if place <= question.step)] += 1
            self._count(question, step, blind)

    def _repair(self, question: Question) -> None:
        """A call that may be needed: its conversation holds an answer that is not known, up to its limit."""
        self.repairs += 1
        price, limit = question.writer.price, output_limit(question.request.body)
        bound = worst_case(question.request.body, question.writer.model, price)
        step = self.steps[question.step]
        held = 0.0 if question.holds is None else self._unknown(step, Counter(question.holds)) or 0.0
        more = (limit or 0) * price.input / prices.MILLION + held if price else 0.0
        self.worst = None if self.worst is None or bound is None else self.worst + bound + more

    def _count(self, question: Question, step: _Step, blind: bool) -> None:
        request = question.request
        messages = request.body["messages"]
        found = tokens.count_body(request.body, self.model)
        self.exact = self.exact and found.exact
        self.calls += 1
        step.calls += 1
        step.blind += blind
        step.tokens += found.tokens
        if len(self.shown) < 2:
            self.shown.append(str(messages[-1]["content"]))
        bound = worst_case(request.body, question.writer.model, question.writer.price)
        held = step.mentions if question.holds is None else Counter(question.holds)
        step.held.update(question.holds or ())
        more = self._unknown(step, held) if blind else 0.0
        self.worst = None if self.worst is None or bound is None or more is None else self.worst + bound + more

    def _unknown(self, step: _Step, held: Mapping[int, int]) -> float | None:
        """The most that answers which are not there yet cost as part of a prompt, so many of each step."""
        if step.price is None:
            return None
        limits = [(count, self.steps[earlier].limit) for earlier, count in held.items()]
        if any(limit is None for _, limit in limits):
            return None if step.price.input else 0.0
        return sum(count * (limit or 0) for count, limit in limits) * step.price.input / prices.MILLION


def _alone(request: CallRequest) -> str:
    """The id that a question would have if it were asked once."""
    return call_id(request.namespace, request.kind, request.body, 0)


def forecast(missing: Missing, told: History, wanted: int, reused: int, pace: Pace | None) -> Forecast:
    """What the missing calls come to.

    Args:
        missing: all of them.
        told: what rows of the same writer tell.
        wanted: rows that the recipe asks for.
        reused: of these, rows whose calls are answered.
        pace: None where nobody real is asked: no seconds then.
    """
    steps, exact = list[StepBill](), missing.exact
    outputs = [_output(step, came) for step, came in zip(missing.steps, told.steps, strict=True)]
    goes_on = missing.skips.goes_on()
    shares = [share_of(step.undecided, goes_on) for step in missing.steps]
    rows = share_of(missing.undecided, goes_on).times(missing.rows)
    sums: list[tuple[Range | None, float | None]] = []
    for step, came, each, part in zip(missing.steps, told.steps, outputs, shares, strict=True):
        before = [outputs[earlier].times(count) for earlier, count in step.unknown.items()]
        asked = _input(step, came, missing.exact)
        for more in before:
            asked = asked.plus(more)
        exact = exact and not any(step.unknown.values()) and part == sure(1.0)
        rest = len(came.output) if len(came.output) >= FEWEST else 0
        if step.calls:
            steps.append(StepBill(step.name, step.calls, asked.by(part), each.times(step.calls).by(part), rest))
            sums.append((_usd(step.price, came, *steps[-1][2:4]),
                         step.price.batch if step.price else None))
    asked, written = _sum(step.input_tokens for step in steps), _sum(step.output_tokens for step in steps)
    usd = _capped(_total(found for found, _ in sums), missing.worst)
    share = of_share(told.kept, told.judged, missing.rows) if missing.rows else _known(told)
    share = sure(1.0) if told.by == NO_RULES else share
    kept = sure(reused * share.middle).plus(share.by(rows)) if share else None
    batch = _total(found.times(factor) if found and factor is not None else None for found, factor in sums)
    return Forecast(
        steps=tuple(steps), prompts=missing.prompts, exact=exact,
        calibrated=not missing.exact and all(len(came.input) >= FEWEST for came in told.steps),
        answers=min((step.answers for step in steps), default=0),
        input_tokens=asked, output_tokens=written, usd=usd,
        batch_usd=_capped(batch, missing.worst) if missing.calls else None,
        seconds=_seconds(missing, told, asked, written, shares, pace) if pace and missing.calls else None,
        timed=all(len(came.seconds) >= FEWEST for came in told.steps),
        calls=round(sum(step.calls * part.middle for step, part in zip(missing.steps, shares, strict=True))),
        rows=missing.rows, judged=told.judged, by=told.by, compares=told.compares, kept=kept,
        usd_per_kept=_per_kept(usd, share, rows),
        skipped=None if rows == sure(missing.rows) else Range(*(missing.rows - end for end in reversed(rows))),
        decided=missing.skips.decided,
    )


def wall_time(
    calls: float, input_tokens: float, output_tokens: float, latency_s: float, pace: Pace
) -> float:
    """Seconds that calls take: bound by how many go at a time, by requests a minute, or by tokens a minute.

    Args:
        latency_s: seconds of one call.
    """
    slots = latency_s * max(1.0, calls / pace.concurrency)
    requests = 60 * calls / pace.rpm if pace.rpm else 0.0
    through = 60 * (input_tokens + output_tokens) / pace.tpm if pace.tpm else 0.0
    return max(slots, requests, through)


def _output(step: _Step, came: Answers) -> Range:
    """Tokens of one answer to come."""
    limit = step.limit
    guess = OUTPUT_PRIOR.times(limit) if limit is not None else NO_LIMIT
    return of_mean([float(value) for value in came.output], step.calls, 1.0, limit or float("inf")) or guess


def _input(step: _Step, came: Answers, exact: bool) -> Range:
    """Tokens of a step's prompts, as far as they are known today."""
    if exact or not step.tokens:
        return sure(step.tokens)
    ratios = [host / ours for host, ours in zip(came.input, came.counted, strict=True) if ours]
    told = of_mean(ratios, step.calls, 0.0, float("inf"))
    if told is None:
        return ESTIMATE.times(step.tokens)
    return told._replace(middle=sum(came.input) / sum(came.counted)).times(step.tokens)


def _usd(price: Price | None, came: Answers, asked: Range, written: Range) -> Range | None:
    """Dollars of a step; prompts that a host had cached before count as cached again, but for the high end."""
    if price is None:
        return None
    held = sum(came.cached) / max(1, sum(came.input))
    return Range(*(
        prices.cost(price, Usage(round(into), round(out), int(cached * into)))
        for into, out, cached in zip(asked, written, (held, held, 0.0), strict=True)
    ))


def _total(found: Iterable[Range | None]) -> Range | None:
    """The sum of all; None where one is not known."""
    total = sure(0.0)
    for each in found:
        if each is None:
            return None
        total = total.plus(each)
    return total


def _capped(found: Range | None, worst: float | None) -> Range | None:
    """No more than the worst case."""
    if found is None or worst is None:
        return found
    return Range(*(min(end, worst) for end in found))


def _seconds(
    missing: Missing, told: History, asked: Range, written: Range, shares: Sequence[Range], pace: Pace
) -> Range:
    """Seconds of the run; steps of a row follow one another, rows go side by side."""
    each = []
    for end in range(3):
        total = sent = 0.0
        for step, came, part in zip(missing.steps, told.steps, shares, strict=True):
            calls = step.calls * part[end]
            sent += calls
            if len(came.seconds) >= FEWEST:
                total += calls * fmean(came.seconds)
            elif step.calls:
                total += calls * (START_S + TOKEN_S * _output(step, came)[end])
        each.append(wall_time(sent, asked[end], written[end], total / sent, pace) if sent else 0.0)
    return Range(*each)


def _known(told: History) -> Range | None:
    return sure(told.kept / told.judged) if told.judged else None


def _per_kept(usd: Range | None, share: Range | None, rows: Range) -> Range | None:
    """Dollars for each row kept: the low end where all goes well, the high end where nothing does."""
    if usd is None or share is None or not rows.low or not share.low or not usd.high:
        return None
    kept = rows.by(share)
    return Range(usd.low / kept.high, usd.middle / kept.middle, usd.high / kept.low)


def _sum(ranges: Any) -> Range:
    total = sure(0.0)
    for each in ranges:
        total = total.plus(each)
    return total
