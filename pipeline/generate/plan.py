"""What a run would do before it does it: rows wanted, paid, new, and the bill."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from pipeline.digest import call_id, digest
from pipeline.engine import Provider, cost_of, output_limit, worst_case
from pipeline.grid.axes import Axes, load_axes
from pipeline.grid.draws import is_legal, wanted
from pipeline.grid.fill import fill
from pipeline.prices import Price
from pipeline.recipe import Recipe, Step
from pipeline.store import Dataset
from pipeline.store.plan import ILLEGAL, SURPLUS, WITHDRAWN
from pipeline.types import CallRequest, Cell, Draw, Problem, Usage

OUTPUT_PRIOR = 0.6
"""Expected share of the output limit, until the dataset's own answers tell. A guess, printed as one."""


class Writer(NamedTuple):
    """Who writes, and with what: a provider, the model's name at that host, its price."""

    provider: Provider
    model: str
    price: Price | None


class RunPlan(NamedTuple):
    """What `generate` would do now.

    Attributes:
        cells: size of the grid, before `where`; 0 for source rows.
        wanted: rows that the recipe asks for.
        reused: of these, rows whose calls are all answered, here or in a neighbour.
        surplus: rows that are paid and legal and no longer asked for.
        new_calls: calls that would be sent; of a later step, one per row whose earlier answer is not known yet.
        usd_expected: None without a price.
        usd_worst: None without a price or an output limit.
        prompts: two prompts as the writer would get them.
        measured: whether the expectation rests on this dataset's answers.
    """

    cells: int
    wanted: int
    reused: int
    surplus: int
    new_calls: int
    input_tokens: int
    output_tokens: int
    usd_expected: float | None
    usd_worst: float | None
    prompts: list[str]
    measured: bool


def writer_digest(recipe: Recipe, writer: Writer) -> str:
    """Names prompt, parameters and model: rows of another writer are an earlier version."""
    steps = [
        [step.name, recipe.template(step.user), recipe.template(step.system) if step.system else None,
         [recipe.seed] if step.salt else None, parameters(recipe, step)]
        for step in recipe.asks
    ]
    return digest("writer", writer.provider.namespace, writer.model, steps)


def parameters(recipe: Recipe, step: Step) -> dict[str, object]:
    """What a step sends beside model and messages: the recipe's, and the step's own over them."""
    return {**recipe.generate.body(), **step.body()}


def request_of(recipe: Recipe, draw: Draw, writer: Writer, answers: Mapping[str, str], index: int) -> CallRequest:
    """The question that one step of one draw asks."""
    step = recipe.asks[index]
    body = writer.provider.body(writer.model, fill(recipe, draw, answers, index), parameters(recipe, step))
    name = writer.provider.namespace
    return CallRequest(
        id=call_id(name, "chat", body, draw.repeat), namespace=name, body=body, repeat=draw.repeat,
        hints={"cell": draw.cell, "fields": draw.fields},
    )


def wanted_draws(
    recipe: Recipe, axes: Axes | None, dataset: Dataset, rows: int | None = None,
    problem: Callable[[Problem], None] | None = None,
) -> Iterator[Draw]:
    """The draws of the recipe, the first `rows` of them where that is given; `problem` gets unusable source rows.

    Designs (pairwise, balanced) are completed around cells that have a row of the present set.
    """
    paid: list[Cell] = []
    if recipe.sample.how in ("pairwise", "balanced") and not recipe.source:
        made = {sample.provenance.get("draw") for sample in dataset.samples()}
        paid = [draw.cell for draw, _ in dataset.plan.draws() if draw.key in made]
    return islice(wanted(recipe, axes, paid=paid, problem=problem), rows)


def transitions(
    recipe: Recipe, axes: Axes | None, dataset: Dataset, keys: Collection[str]
) -> Iterator[tuple[Draw, str]]:
    """Draws of the plan that are not among `keys`, with the state that they have today where it changed.

    What is paid and legal stays as surplus; what is not paid is withdrawn; a cell that cannot be drawn
    today is illegal, and its rows stand aside.
    """
    states = dataset.plan.states()
    if all(key in keys for key in states):
        return
    legal = is_legal(recipe, axes) if axes else lambda cell: not cell
    paid = {sample.provenance.get("draw") for sample in dataset.samples()}
    for draw, state in dataset.plan.draws():
        if draw.key in keys:
            continue
        now = SURPLUS if state == SURPLUS or draw.key in paid else WITHDRAWN
        now = now if legal(draw.cell) else ILLEGAL
        if now != state:
            yield draw, now


def plan_run(
    recipe: Recipe, dataset: Dataset, writer: Writer, rows: int | None = None,
    problem: Callable[[Problem], None] | None = None,
) -> RunPlan:
    """Counts what `generate` would do; sends nothing, writes nothing. `problem` gets unusable source rows."""
    axes = load_axes(recipe) if recipe.axes else None
    count = reused = new_calls = input_tokens = 0
    worst: float | None = 0.0
    prompts: list[str] = []
    keys: set[str] = set()
    for draw in wanted_draws(recipe, axes, dataset, rows, problem):
        count += 1
        keys.add(draw.key)
        missing = missing_calls(recipe, draw, dataset, writer)
        reused += not missing
        new_calls += len(missing)
        for request in missing:
            if len(prompts) < 2:
                prompts.append(str(request.body["messages"][-1]["content"]))
            bound = worst_case(request.body, writer.model, writer.price)
            worst = None if worst is None or bound is None else worst + bound
            input_tokens += sum(len(str(m.get("content") or "").encode()) for m in request.body["messages"]) // 4
    output, measured = _output_per_call(recipe, dataset)
    usage = Usage(input_tokens, int(output * new_calls))
    states = {key: state for key, state in dataset.plan.states().items() if key not in keys}
    states.update((draw.key, state) for draw, state in transitions(recipe, axes, dataset, keys))
    surplus = sum(state == SURPLUS for state in states.values())
    return RunPlan(
        cells=axes.size if axes else 0, wanted=count, reused=reused, surplus=surplus if rows is None else 0,
        new_calls=new_calls, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens,
        usd_expected=cost_of(writer.price, usage), usd_worst=worst, prompts=prompts, measured=measured,
    )


def missing_calls(recipe: Recipe, draw: Draw, dataset: Dataset, writer: Writer) -> list[CallRequest]:
    """The calls of a draw that have no answer; later steps stand in with empty earlier answers."""
    answers: dict[str, str] = {}
    missing: list[CallRequest] = []
    for index, step in enumerate(recipe.asks):
        request = request_of(recipe, draw, writer, answers, index)
        if missing or dataset.calls.state(request.id) != "answered":
            missing.append(request)
            answers[step.name] = ""
        elif index + 1 < len(recipe.asks):
            call = dataset.calls.peek(request.id)
            answers[step.name] = call.text if call else ""
    return missing


def _output_per_call(recipe: Recipe, dataset: Dataset) -> tuple[float, bool]:
    spent = dataset.calls.spent()
    if spent.answered and spent.output_tokens:
        return spent.output_tokens / spent.answered, True
    limits = [output_limit(parameters(recipe, step)) or 500 for step in recipe.asks]
    return OUTPUT_PRIOR * sum(limits) / max(1, len(limits)), False

