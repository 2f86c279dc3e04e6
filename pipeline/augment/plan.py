"""Which rows a rewrite would touch, what it would ask, and the bill, before anything is sent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from pipeline.digest import call_id
from pipeline.engine import Writer, cost_of, output_limit, worst_case
from pipeline.errors import RecipeError
from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.rewrites import AnyRewrite, Refused, made_by, open_rewrites
from pipeline.rows import REVIEW, REWRITTEN, Row, read
from pipeline.rules import RowRule, open_rules
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.store.standing import WHY
from pipeline.types import Call, CallRequest, Message, Sample, Usage, Verdict

BYTES_PER_TOKEN = 4
SHOWN, BEGINS = 3, 200
"""Rows that a plan names, and characters of what is rewritten in them."""
REHEARSED, NOT_FOR_IT = "rehearsed", "does not apply"
"""Why a row is left alone: a real model would be paid for what nobody wrote; or the rewrite is not for it."""
Only = Callable[[Row], bool] | None
"""Which rows are meant; None for all."""
ALWAYS = [Item(name="refusal"), Item(name="finish_reason")]
"""Rules that no answer may break, whatever the recipe's list says."""


class Touched(NamedTuple):
    """A row that would be rewritten.

    Attributes:
        id: the row's.
        rewrite: what would rewrite it.
        text: what is rewritten of it, prompt or answer.
        bytes: of that, as UTF-8.
        begins: the first characters of that.
        times: how many children it would get.
    """

    id: str
    rewrite: str
    text: str
    bytes: int
    begins: str
    times: int = 1


class AugmentPlan(NamedTuple):
    """What `augment` would do now.

    Attributes:
        total: rows that would be touched.
        rows: rewrite -> rows that it would touch.
        children: rows that this would give at most, as many of a row as there are rewrites for it.
        reused: of these, rows whose question is answered already: by a neighbour, or an answer that
            made no child.
        free: of these, rows that are made without asking anybody.
        new_calls: calls that would be sent; where one follows on another, unless the first is no good.
        usd_expected: None without a price.
        usd_worst: None without a price or an output limit.
        rehearsed: rows whose rewrite would stand aside: a rehearsal writes it, and the row is a real one.
        left: why a row is left alone -> how many of those that are meant.
        touched: the first of the rows, or all of them.
    """

    total: int
    rows: dict[str, int]
    children: int
    reused: int
    free: int
    new_calls: int
    input_tokens: int
    output_tokens: int
    usd_expected: float | None
    usd_worst: float | None
    rehearsed: int
    left: dict[str, int]
    touched: list[Touched]

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {**self._asdict(), "touched": [touched._asdict() for touched in self.touched]}


class Task(NamedTuple):
    """A row, and what is asked about it first; None where nothing is."""

    rewrite: AnyRewrite
    sample: Sample
    request: CallRequest | None

    @property
    def key(self) -> tuple[str, str, int, str | None]:
        """What is to be made: by which rewrite, beside or in place of the row, which of its children, of which row."""
        return *self.rewrite.makes, self.sample.id


def rewrites_of(recipe: Recipe, dataset: Dataset) -> list[AnyRewrite]:
    """The recipe's rewrites. Raises RecipeError for an unknown one, with its line."""
    folder = own_folder(recipe.path, dataset.path)
    return open_rewrites(recipe.augment, lambda index: recipe.at("augment", index), folder, recipe.seed)


def asks(recipe: Recipe, dataset: Dataset) -> bool:
    """Whether a rewrite of the recipe may ask a model. Raises RecipeError for an unknown one."""
    return not all(rewrite.local for rewrite in rewrites_of(recipe, dataset))


def tasks_of(
    rewrites: list[AnyRewrite], recipe: Recipe, dataset: Dataset, writer: Writer, only: Only = None,
    left: Counter[str] | None = None,
) -> Iterator[Task]:
    """Every row and rewrite that belong together, in order of arrival.

    Left alone: rows that stand aside, rows that a person or a rule dropped which the rewrite does not
    cure, rows that have a child by this rewrite that does not stand aside, or had one that a hand deleted, and
    rows that a rehearsal wrote where a real model would be asked. `left` counts them by the reason.
    """
    aside, reviews = dataset.aside(), dataset.reviews()
    grown = {(*made_by(sample), sample.parent) for sample in dataset.samples() if sample.parent and not aside(sample)}
    for row in read(dataset):
        if only is not None and not only(row):
            continue
        whys = [f"standing aside ({WHY[row.aside]})"] if row.aside is not None else []
        if not whys and (reviews.get(row.sample.id) or {}).get("action") == "drop":  # curated since or not
            whys = [f"dropped by {REVIEW}"]
        taken = False
        for rewrite in rewrites if not whys else ():
            found = f"rewritten by {rewrite.name} already" if (*rewrite.makes, row.sample.id) in grown else (
                _against(rewrite, row.verdict) or _task(rewrite, row.sample, recipe, writer))
            if isinstance(found, Task) and dataset.written(
                rewrite.child_id(row.sample, found.request.id if found.request else None)
            ):
                found = f"rewritten by {rewrite.name} before"
            if isinstance(found, Task):
                taken = True
                yield found
            else:
                whys.append(found)
        if left is not None and whys and not taken:
            left[next((why for why in whys if not why.endswith(NOT_FOR_IT)), whys[0])] += 1


def _against(rewrite: AnyRewrite, verdict: Verdict | None) -> str | None:
    """What stands against a row that the rewrite does not cure; None where nothing does."""
    if verdict is None or verdict.state == "kept":
        return None
    dropped_by = dict.fromkeys(re.sub(r"-\d+$", "", found.rule) for found in verdict.findings
                               if found.outcome == "drop")
    against = [rule for rule in dropped_by if rule not in rewrite.cures]
    if not against:
        return None
    if REWRITTEN in against:
        return "another row stands in its place"
    told = f"dropped by {' and '.join(against)}"
    return told if REVIEW in against else f"{told}, which {rewrite.name} does not cure"


def _task(rewrite: AnyRewrite, sample: Sample, recipe: Recipe, writer: Writer) -> Task | str:
    """The row with the question about it; or why there is none."""
    try:
        if not rewrite.applies(sample):
            return f"{rewrite.name} {NOT_FOR_IT}"
        messages = rewrite.messages(sample)
    except Exception as error:  # anyone's code, before anything is paid: say where, and stop
        fault = f"{rewrite.name} raised {type(error).__name__} on row {sample.id}: {error}"
        raise RecipeError(fault, f"synth inspect {recipe.name} {sample.id}") from error
    if messages is not None and sample.rehearsal and not writer.provider.rehearsal:
        return REHEARSED
    return Task(rewrite, sample, None if messages is None else request_of(messages, sample, recipe, writer))


def request_of(messages: list[Message], sample: Sample, recipe: Recipe, writer: Writer) -> CallRequest:
    """A question about a row."""
    body = writer.provider.body(writer.model, messages, recipe.generate.body())
    name = writer.provider.namespace
    hints = {"cell": sample.cell, "fields": sample.fields}
    return CallRequest(id=call_id(name, "chat", body), namespace=name, body=body, hints=hints)


def further(task: Task, calls: Sequence[Call], recipe: Recipe, writer: Writer) -> CallRequest | Refused | None:
    """What is asked after these answers: None where they are all that is needed, Refused where one is no good."""
    try:
        found = faulty(calls[-1]) or task.rewrite.further(task.sample, calls)
    except Exception as error:  # a rewrite may be anyone's: its fault is a record on this row
        return raised(task.rewrite, error)
    return request_of(found, task.sample, recipe, writer) if isinstance(found, list) else found


def raised(rewrite: AnyRewrite, error: Exception) -> Refused:
    """A rewrite's own fault, as why there is no child."""
    return Refused("error", f"{rewrite.name} raised {type(error).__name__}: {error}")


def faulty(call: Call) -> Refused | None:
    """What is wrong with an answer, whatever it is an answer to."""
    said = {"finish_reason": call.finish_reason, "refusal": (call.message or {}).get("refusal")}
    row = Sample(call.id, [{"role": "assistant", "content": call.text}], provenance=said)
    found = next((found for rule in _always() if (found := rule.finding(row)).outcome == "drop"), None)
    return Refused(found.rule, found.reason) if found else None


@cache
def _always() -> list[RowRule[Any, Any]]:
    return [rule for rule in open_rules(ALWAYS) if isinstance(rule, RowRule)]


class _Question(NamedTuple):
    """A call that would be sent: its body, as far as it is known, and about how many bytes are answered.

    `unknown`: of how many answers that are not there yet it will hold the text.
    """

    body: dict[str, Any]
    output_bytes: int
    unknown: int


def _missing(task: Task, recipe: Recipe, dataset: Dataset, writer: Writer) -> list[_Question]:
    """The calls of a row that are not answered yet."""
    calls: list[Call] = []
    ahead = task.rewrite.ahead(task.sample)
    request: CallRequest | Refused | None = task.request
    while isinstance(request, CallRequest):
        call = dataset.calls.peek(request.id) if dataset.calls.state(request.id) == "answered" else None
        if call is None:
            size = ahead[len(calls) - 1].output_bytes if calls and len(calls) <= len(ahead) else (
                task.rewrite.output_bytes(task.sample))
            later = [request_of(each.messages, task.sample, recipe, writer).body for each in ahead[len(calls):]]
            sizes = [each.output_bytes for each in ahead[len(calls):]]
            return [_Question(request.body, size, 0), *(
                _Question(body, size, at) for at, (body, size) in enumerate(zip(later, sizes, strict=True), 1))]
        calls.append(call)
        request = further(task, calls, recipe, writer)
    return []


def _worst(question: _Question, writer: Writer) -> float | None:
    """The most that a call can cost; of answers that it will hold, each as long as may be."""
    bound, limit = worst_case(question.body, writer.model, writer.price), output_limit(question.body)
    if bound is None or writer.price is None or not question.unknown:
        return bound
    return bound + question.unknown * (limit or 0) * writer.price.input / 1e6


def plan_augment(
    recipe: Recipe, dataset: Dataset, writer: Writer, shown: int | None = SHOWN, only: Only = None
) -> AugmentPlan:
    """Counts what `augment` would do; sends nothing, writes nothing.

    Args:
        recipe: names the rewrites.
        dataset: whose rows.
        writer: who would be asked.
        shown: how many rows are named; None for all.
        only: which rows are meant; None for all.

    Raises:
        RecipeError: an unknown rewrite or option.
    """
    rows, left, touched, names = Counter[str](), Counter[str](), list[Touched](), set[str]()
    total = children = reused = free = new_calls = input_tokens = output_tokens = rehearsed = 0
    worst: float | None = 0.0
    last = ""
    for task in tasks_of(rewrites_of(recipe, dataset), recipe, dataset, writer, only, left):
        children += 1
        first, last = task.sample.id != last, task.sample.id
        if first:
            total, names = total + 1, set[str]()
        rows[task.rewrite.name] += task.rewrite.name not in names
        names.add(task.rewrite.name)
        if touched and touched[-1][:3] == (last, task.rewrite.name, _what(task)):
            touched[-1] = touched[-1]._replace(times=touched[-1].times + 1)
        elif shown is None or (len(touched) < shown and first):
            touched.append(_touched(task))
        if task.request is None:
            free += 1
            continue
        rehearsed += writer.provider.rehearsal and not task.sample.rehearsal
        missing = _missing(task, recipe, dataset, writer)
        reused += not missing
        new_calls += len(missing)
        for question in missing:
            bound = _worst(question, writer)
            worst = None if worst is None or bound is None else worst + bound
            input_tokens += sum(_bytes(str(turn["content"])) for turn in question.body["messages"]) // BYTES_PER_TOKEN
            output_tokens += question.output_bytes // BYTES_PER_TOKEN
    expected = cost_of(writer.price, Usage(input_tokens, output_tokens))
    return AugmentPlan(total, dict(rows), children, reused, free, new_calls, input_tokens, output_tokens, expected,
                       worst, rehearsed, dict(left), touched)


def _what(task: Task) -> str:
    return "answer" if task.rewrite.adds in ("", "answer") else "prompt"


def _touched(task: Task) -> Touched:
    """The row as a list shows it: by the text that is rewritten."""
    what = _what(task)
    text = task.sample.prompt if what == "prompt" else task.sample.answer
    return Touched(task.sample.id, task.rewrite.name, what, _bytes(text), text[:BEGINS])


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
