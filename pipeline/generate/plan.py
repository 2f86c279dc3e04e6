"""What a run would do before it does it: rows wanted, paid, new, and the bill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from pipeline.digest import NOT_IN_THE_ANSWER, digest
from pipeline.engine import settled
from pipeline.errors import DataError, RecipeError, SynthError
from pipeline.grid.axes import Axes, load_axes
from pipeline.grid.doubts import doubts as grid_doubts
from pipeline.grid.draws import is_legal, wanted
from pipeline.grid.keep import Outlook
from pipeline.grid.shots import mark_of
from pipeline.grid.skipping import skips
from pipeline.grid.source import passing
from pipeline.hosts.parameters import told
from pipeline.marks import Marks
from pipeline.recipe import Recipe
from pipeline.shapes import refuse_unheeded
from pipeline.store import Dataset
from pipeline.store.foreseen import foresee
from pipeline.store.journal import now
from pipeline.store.plan import ILLEGAL, SURPLUS, WANTED, WITHDRAWN, States
from pipeline.store.standing import Aside, any_real, standing
from pipeline.types import Call, Cell, Draw, Problem

from .answers import in_their_place, spec_of, unsaid
from .bill import Forecast, Missing, Pace, forecast, foreseen
from .history import asked_instead, history
from .keep import asked_for, keep_outlook, most_calls
from .parts import note_mentions, parts_of
from .questions import Made, Outcome, Question, Retry, Skipped, Writer, parameters
from .road import road_of
from .rows import sample_id
from .skip import SkipTally, undecidable
from .skip import mark_of as skip_mark
from .tools import doubtful, tools_of

NOTHING: Mapping[str, int] = MappingProxyType({})


class RunPlan(NamedTuple):
    """What `generate` would do now.

    Attributes:
        cells: size of the grid, before `where`; 0 for source rows.
        wanted: rows that the recipe asks for.
        reused: of these, rows whose calls are all answered, here or in a neighbour.
        further: what `repairs` are, in a word: of a dialogue they are calls of tools as well.
        barren: of these, draws that no row comes of: what failed for good, answers that cannot be used, ties.
        surplus: rows that are paid and legal and no longer asked for.
        aside: why rows that are part of the set today will stand aside -> how many.
        new_calls: calls that would be sent; of a later step, one per row whose earlier answer is not known yet.
        repairs: further calls at most, where answers are held to something; counted in `usd_worst` alone.
        usd_expected: None without a price.
        usd_worst: None without a price or an output limit.
        prompts: two prompts as the writer would get them.
        measured: whether the expectation rests on answers of this writer in this dataset.
        forecast: the whole bill, each number as a range.
        skipped: why -> draws that are not asked for any further; nothing is missing of these.
    """

    cells: int
    wanted: int
    reused: int
    surplus: int
    aside: dict[Aside, int]
    new_calls: int
    input_tokens: int
    output_tokens: int
    usd_expected: float | None
    usd_worst: float | None
    prompts: list[str]
    measured: bool
    forecast: Forecast
    repairs: int = 0
    barren: int = 0
    skipped: Mapping[str, int] = NOTHING
    further: str = "repair"


def writer_digest(recipe: Recipe, writer: Writer, *, skips: bool = True) -> str:
    """Names prompt, parameters and model: rows of another writer are an earlier version.

    And, with `skips`, what is skipped, so that rows of draws that are skipped now stand aside.
    Rows that nothing is asked for have no writer: whatever model this machine names, they are the same.
    """
    if not recipe.asks:
        return digest("writer", "source")
    steps = [
        [step.name, recipe.template(step.user), recipe.template(step.system) if step.system else None,
         [recipe.seed] if step.salt else None,
         {key: value for key, value in parameters(recipe, step).items() if key not in NOT_IN_THE_ANSWER},
         *([[step.model, spec_of(recipe, step.answer)]] if step.model or step.answer else []),
         *mark_of(recipe, index)]
        for index, step in enumerate(recipe.asks)
    ]
    return digest("writer", writer.provider.namespace, writer.model, steps, *_paired(recipe), *_spoken(recipe),
                  *(skip_mark(recipe) if skips else []))


def _paired(recipe: Recipe) -> list[object]:
    """What makes two answers a pair: none where rows are no pairs, so that their name stays what it was."""
    if recipe.pairs is None:
        return []
    second, judge = recipe.pairs.second, recipe.pairs.judge
    asked = [recipe.template(text) if text else None for text in (judge.system, judge.user)]
    return [[second.model, second.body(), judge.model, judge.body(), asked, judge.margin, judge.both_orders]]


def _spoken(recipe: Recipe) -> list[object]:
    """What makes questions a dialogue: none where rows are none."""
    dialogue = recipe.dialogue
    if dialogue is None:
        return []
    says = recipe.template(dialogue.tool.says) if dialogue.tool and dialogue.tool.says else None
    roles = [[name, tools_of(recipe, name), dialogue.roles[name].ends] for name in dialogue.order]
    return [[roles, dialogue.lengths(str(recipe.train.role)), says, dialogue.calls]]


def paid_cells(recipe: Recipe, dataset: Dataset) -> list[Cell]:
    """Cells that have rows, which designs that cover pairs or balance values are completed around."""
    if recipe.source is not None or recipe.sample.how not in ("pairwise", "balanced"):
        return []
    there = {sample.provenance.get("draw") for sample in dataset.samples()}
    return [draw.cell for draw, _ in dataset.plan.draws() if draw.key in there]


def wanted_draws(
    recipe: Recipe, axes: Axes | None, dataset: Dataset, writer: Writer, rows: int | None = None,
    problem: Callable[[Problem], None] | None = None,
) -> Iterator[Draw]:
    """The draws of the recipe, the first `rows` of them where that is given; `problem` gets unusable source rows.

    With `sample.keep`: those that were asked for, and as many more as it will take as far as the yield tells.
    """
    if recipe.sample.keep is not None:
        asked, ahead = outlook_of(recipe, axes, dataset, writer, whole=True)
        return islice((*asked, *ahead.draws), rows)
    return islice(wanted(recipe, axes, paid=paid_cells(recipe, dataset), problem=problem), rows)


def outlook_of(
    recipe: Recipe, axes: Axes | None, dataset: Dataset, writer: Writer, *, whole: bool = False
) -> tuple[list[Draw], Outlook]:
    """The draws that were asked for, and what comes behind them on the way to `sample.keep`; see `keep_outlook`."""
    return keep_outlook(recipe, axes or load_axes(recipe), dataset,
                        lambda draw: _calls_of(recipe, draw, dataset, writer), whole=whole)


def calls_ahead(
    recipe: Recipe, dataset: Dataset, writer: Writer, outlook: tuple[list[Draw], Outlook], retry: Retry | None = None
) -> int:
    """Calls, repairs included, that what `outlook_of` gives takes at most; with `whole`, those of a bill."""
    asked, ahead = outlook
    return most_calls((*asked, *ahead.draws), lambda draw: _calls_of(recipe, draw, dataset, writer, retry))


def settled_draws(recipe: Recipe, axes: Axes | None, dataset: Dataset, writer: Writer) -> list[Draw]:
    """Draws that were asked for and whose answers are all there: their rows cost nothing."""
    asked = asked_for(recipe, axes or load_axes(recipe), dataset, lambda draw: _calls_of(recipe, draw, dataset, writer))
    return [each.draw for each in asked if each.row is not None]


def transitions(
    recipe: Recipe, axes: Axes | None, dataset: Dataset, writer: Writer, keys: Marks
) -> Iterator[tuple[Draw, str]]:
    """Draws of the plan that are not among `keys`, with the state that they have today where it changed.

    What is paid and could be drawn today stays as surplus; what is not paid is withdrawn; a cell or a
    source row that cannot be drawn today is illegal, and its rows stand aside.
    """
    if all(key in keys for key in dataset.plan.written()):
        return
    gone = (draw for draw, _ in dataset.plan.draws() if draw.key not in keys)
    legal = _legal(recipe, axes, {str(draw.source["row"]) for draw in gone if draw.source})
    there = Marks(sample.provenance.get("draw") for sample in dataset.samples())
    for draw, state in dataset.plan.draws():
        if draw.key in keys:
            continue
        if not legal(draw):
            now = ILLEGAL
        elif state == SURPLUS or draw.key in there or answered(recipe, draw, dataset, writer):
            now = SURPLUS
        else:
            now = WITHDRAWN
        if now != state:
            yield draw, now


def _legal(recipe: Recipe, axes: Axes | None, rows: set[str]) -> Callable[[Draw], bool]:
    """Whether a draw could be made today; `rows` are the ids of source rows that will be asked about."""
    cell_is_legal = is_legal(recipe, axes) if axes else lambda cell: not cell
    if recipe.source is None:
        return lambda draw: draw.source is None and cell_is_legal(draw.cell)
    found = rows.intersection(passing(recipe, axes)) if rows else rows
    return lambda draw: draw.source is not None and draw.source["row"] in found and cell_is_legal(draw.cell)


def answered(recipe: Recipe, draw: Draw, dataset: Dataset, writer: Writer) -> bool:
    """Whether all that today's recipe asks for a draw of the plan is answered.

    Never for source rows, whose columns are not in the plan, nor where the templates do not fit the draw.
    """
    return _paid_row(recipe, draw, dataset, writer) is not None


def _paid_row(recipe: Recipe, draw: Draw, dataset: Dataset, writer: Writer) -> str | None:
    """The id of the row that today's recipe makes of a draw of the plan for nothing; None where it does not."""
    if not recipe.asks or draw.source is not None:
        return None
    try:
        missing, ids, _ = _calls_of(recipe, draw, dataset, writer)
    except (RecipeError, DataError):
        return None
    return None if missing or not ids else sample_id(draw, ids)


def misfit(draw: Draw, error: SynthError) -> Problem:
    """A row whose templates fail on its own values."""
    place = f"{draw.source.get('file')}:{draw.source.get('number')}" if draw.source else str(draw.cell)
    return Problem("error", "template", place, error.message, error.hint)


def plan_run(
    recipe: Recipe, dataset: Dataset, writer: Writer, rows: int | None = None,
    problem: Callable[[Problem], None] | None = None, pace: Pace | None = None, retry: Retry | None = None,
) -> RunPlan:
    """Counts what `generate` would do; sends nothing, writes nothing.

    Args:
        recipe: today's.
        dataset: as it is.
        writer: who would be asked.
        rows: only the first so many draws.
        problem: gets unusable source rows.
        pace: how fast this machine may ask; the time is reckoned with it.
        retry: what of the failed is asked again.

    Raises:
        RecipeError: the recipe cannot mean anything.
    """
    refuse_unheeded(recipe)
    road_of(recipe, writer, dataset.path, asked_instead(dataset), retry)  # what is wrong with it is no row's fault
    axes = load_axes(recipe) if recipe.axes else None
    count = reused = barren = 0
    bill = Missing(writer.model, parts_of(recipe, writer), SkipTally(recipe))
    states, keys = dataset.plan.states(), Marks()
    noted, mine = dataset.manifest().get("generate", {}).get("writer"), writer_digest(recipe, writer)
    changed, whole, lost = noted not in (None, mine), set[str](), Marks()
    for draw in wanted_draws(recipe, axes, dataset, writer, rows, problem):
        count += 1
        if draw.key in states:  # the others have no rows: a million new draws are counted, not held
            keys.add(draw.key)
            states.put(draw.key, WANTED)
        try:
            missing, ids, outcome = _calls_of(recipe, draw, dataset, writer, retry)
        except (RecipeError, DataError) as error:
            if problem is not None:
                problem(misfit(draw, error))
            continue
        reused += not missing and (not recipe.asks or bool(ids))
        barren += bool(recipe.asks) and not missing and not ids and not isinstance(outcome, Skipped)
        if changed and ids and not missing:
            whole.add(sample_id(draw, ids))
        if changed and isinstance(outcome, Skipped):
            lost.add(draw.key)
        if len(missing) > 1 and not bill.linked:
            note_mentions(recipe, draw, bill)
        bill.add(missing, outcome)
    past = history(recipe, dataset, {mine, writer_digest(recipe, writer, skips=False)}, writer.model)
    ahead = forecast(bill, past, count, reused, pace if not writer.provider.rehearsal else None)
    ruled_out = rows is None and _taken_out(transitions(recipe, axes, dataset, writer, keys), states)
    return RunPlan(
        cells=axes.cells if axes else 0, wanted=count, reused=reused,
        surplus=states.counts()[SURPLUS] if rows is None else 0,
        aside=_aside(recipe, dataset, writer, states, ruled_out, (whole, lost) if changed else None) if count else {},
        new_calls=bill.calls, input_tokens=round(ahead.input_tokens.middle),
        output_tokens=round(ahead.output_tokens.middle), usd_expected=ahead.usd.middle if ahead.usd else None,
        usd_worst=bill.worst, prompts=bill.shown, measured=any(came.output for came in past.steps), forecast=ahead,
        repairs=bill.repairs, barren=barren, skipped=dict(bill.skips.skipped),
        further="further call" if recipe.dialogue else "repair",
    )


def _taken_out(changes: Iterable[tuple[Draw, str]], states: States) -> bool:
    """Gives draws the states that a run would; whether one of them becomes illegal."""
    ruled_out = False
    for draw, state in changes:
        states.put(draw.key, state)
        ruled_out = ruled_out or state == ILLEGAL
    return ruled_out


def _aside(
    recipe: Recipe, dataset: Dataset, writer: Writer, states: States, ruled_out: bool,
    changed: tuple[set[str], Marks] | None,
) -> dict[Aside, int]:
    """Rows that would leave the set with the first row that a run makes: why -> how many.

    Args:
        recipe: today's.
        dataset: as it is.
        writer: today's.
        states: of the draws as the run would leave them.
        ruled_out: whether one becomes illegal.
        changed: ids of rows of wanted draws whose calls are all answered: they are today's, whatever wrote them; and
            draws that are skipped. None where today's writer is the one of the set.
    """
    if changed is None and not ruled_out:
        return {}
    real = any_real(dataset.samples())
    today, mine = dataset.aside(), {"generate": {"writer": writer_digest(recipe, writer)}}
    whole, lost = changed or (set[str](), Marks())
    todays = set[str]() if changed is None else whole | {
        row for draw, _ in dataset.plan.draws()
        if states.get(draw.key) == SURPLUS and (row := _paid_row(recipe, draw, dataset, writer))}
    stays = writer.provider.rehearsal and real
    then = standing(dataset.manifest() if stays else mine, states, real or not writer.provider.rehearsal)
    found: Counter[Aside] = Counter()
    for sample in dataset.samples():
        why = then(sample)
        if why == "earlier" and not todays.isdisjoint({sample.id, sample.parent}):  # it is given today's name
            why = "illegal" if states.get(str(sample.provenance.get("draw"))) == ILLEGAL else None
        elif why == "earlier" and sample.provenance.get("draw") in lost:
            why = "skipped"
        if why is not None and today(sample) is None:
            found[why] += 1
    return dict(found)


def write_down(plan: RunPlan, recipe: Recipe, dataset: Dataset, writer: Writer) -> None:
    """Notes a run's bill before the run, so that what it comes to can be laid beside it; of a rehearsal, nothing."""
    if plan.new_calls and not writer.provider.rehearsal:
        model, mine = f"{writer.provider.namespace}:{writer.model}", writer_digest(recipe, writer)
        foresee(dataset, foreseen(plan.forecast, model, mine, plan.wanted, now()))


def doubts(recipe: Recipe, dataset: Dataset, writer: Writer) -> list[str]:
    """What a recipe can mean and probably does not, a sentence each with its place; see `grid.doubts`.

    And what of its parameters is sent in another way, since the model takes it in no other.
    """
    axes = load_axes(recipe) if recipe.axes else None
    first = next(wanted(recipe, axes, paid=paid_cells(recipe, dataset)), None)
    said = [*grid_doubts(recipe, list(first.fields) if first else []), *unsaid(recipe), *doubtful(recipe)]
    if first is not None and skips(recipe):
        said += undecidable(recipe, first, in_their_place(recipe, dataset.path))
    for step in recipe.asks:
        asked = parameters(recipe, step)
        who = writer.of(step.model)
        body = who.provider.body(who.model, [], asked)
        said += [note for note in told(who.provider.namespace, asked, body) if note not in said]
    return said


def _calls_of(
    recipe: Recipe, draw: Draw, dataset: Dataset, writer: Writer, retry: Retry | None = None
) -> tuple[list[Question], list[str], Outcome]:
    """The calls of a draw that have no answer, the ids of all that its row is made of, and what comes of it.

    Those that may be needed are among the missing, marked so. There are no ids where no row comes of it.
    """
    road = road_of(recipe, writer, dataset.path, asked_instead(dataset), retry)
    asking, missing, answer = road.ask(draw), list[Question](), None
    try:
        question = next(asking)
        while True:
            answer = None if question.maybe else _stored(dataset, question, retry)
            if answer is None and not question.look:
                missing.append(question)
            question = asking.send(answer)
    except StopIteration as end:
        outcome: Outcome = end.value
        return missing, [ref.id for ref in outcome.refs] if isinstance(outcome, Made) else [], outcome


def _stored(dataset: Dataset, question: Question, retry: Retry | None = None) -> Call | None:
    """What is known of a question's call; of a failure only where one looks for it, or it is not asked again."""
    request = question.request
    if question.look:
        return dataset.calls.peek(request.id)
    state = dataset.calls.state(request.id)
    if state == "failed" and (failed := dataset.calls.peek(request.id)) is not None:
        return failed if settled(failed, retry is not None and (retry.classes or True)) else None
    if state != "answered":
        return None
    if question.read:
        return dataset.calls.peek(request.id)
    message = {"role": "assistant", "content": ""}  # nobody reads it
    return Call(request.id, request.namespace, request.body, request.repeat, message, "stop", None, None, 0, 0, 0, "")
