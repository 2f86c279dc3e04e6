"""`synth plan`: what a run will ask for and cost, before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _bill, _judged, _outcome, _spend
from pipeline.commands import _console as console
from pipeline.commands._options import Target, json_option, target, yes_option
from pipeline.errors import RecipeError
from pipeline.hosts import options_of
from pipeline.prices import FREE_HERE, free_here
from pipeline.registry import plugins

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.augment import RewritesAhead
    from pipeline.explain import Held
    from pipeline.generate import Outlook, RunPlan, Writer
    from pipeline.grid.draws import Coverage
    from pipeline.recipe import Recipe
    from pipeline.store import Dataset
    from pipeline.types import Draw, Problem

PROMPTS_SHOWN = 2
PROBLEMS_SHOWN = 5
VALUES_SHOWN = 2


@click.command("plan")
@target(sets=True, asks=True, keep=True)
@click.option("--explain", is_flag=True, help="Every default that stands, with its reason.")
@click.option("--axes", is_flag=True, help="How often each value and each pair of values is drawn and kept.")
@click.option("--more", multiple=True, metavar="AXIS=N", help="Ask a model for up to N values that an axis lacks.")
@click.option("--write", is_flag=True, help="With --more: add them to the recipe.")
@yes_option
@json_option
def command(
    target: Target, explain: bool, axes: bool, more: tuple[str, ...], write: bool, yes: bool, json_: bool
) -> None:
    """Says what a run will ask for and cost. Asks for nothing and writes nothing, but with --more."""
    from pipeline.generate import doubts, outlook_of, plan_run
    from pipeline.store import Dataset

    if more or write:
        from pipeline.commands import _more

        _more.propose(target, more, write=write, yes=yes, json_=json_)
        return
    recipe = target.recipe()
    writer = _spend.writer_of(target, recipe, asks=False)
    problems: list[Problem] = []
    with Dataset(target.path) as dataset:
        plan = plan_run(recipe, dataset, writer, problem=problems.append, pace=_spend.pace(target, writer))
        covered = _coverage(recipe, dataset, writer) if axes else None
        draws = list(_drawn(recipe, dataset, writer, PROMPTS_SHOWN))
        ahead = outlook_of(recipe, None, dataset, writer, whole=True)[1] if recipe.sample.keep else None
        doubted = doubts(recipe, dataset, writer)
        judged = _judged.foreseen(target, recipe, dataset, writer, plan)
        rewritten = _rewritten(recipe, dataset, writer, plan)
    if json_:
        keep = {"keep": _keep(ahead)} if ahead else {}
        console.as_json({**_as_dict(plan, writer, target, recipe, explain, covered), **keep, "doubts": doubted,
                         **({"judge": _judged.as_json(judged)} if judged else {}),
                         **({"rewrites": rewritten.as_json()} if rewritten else {})})
        return
    told = [("judge", _spend.judged(judged))] if judged is not None else []
    told += [("rewrites", _rewrites(rewritten, writer))] if rewritten is not None else []
    _numbers(plan, writer, target, recipe, ahead, told)
    if covered is not None:
        _axes(*covered)
    if explain:
        _defaults(recipe, target)
    if not axes and not explain:
        _examples(recipe, draws, target.path)
    console.say()
    for doubt in doubted:
        console.warn(doubt)
    for problem in problems[:PROBLEMS_SHOWN]:
        console.warn(f"{problem.where}: {problem.message}")
    if target.only_shipped:
        console.warn(f"nothing of this name is here yet: this is the recipe that synth ships. synth init {target.name} "
                     f"writes it, to be edited")
        console.next_command(f"synth run {target.name}", "writes it here, and runs it")
        return
    model, name = _spend.unnamed(target, recipe) if recipe.asks else None, target.name
    if model is not None:
        goes_on = options_of(model, target.settings)
        console.warn(f"{model} wrote rows of it, and no model is named now: {goes_on} goes on")
        name = f"{name} {goes_on}"
    if plan.barren and not plan.new_calls:
        console.next_command(f"synth generate {name} --retry", "asks again what failed")
    elif plan.reused or not recipe.asks or model is not None:
        console.next_command(f"synth run {name}")
    elif writer.provider.rehearsal or plan.wanted <= _bill.TELLING:
        console.next_command(f"synth preview {name} -n 3", "three rows first; they are kept")
    else:
        console.next_command(f"synth preview {name} -n {_bill.TELLING}", "they are kept, and tell what all will cost")


def _as_dict(
    plan: RunPlan, writer: Writer, target: Target, recipe: Recipe, explain: bool,
    covered: tuple[Coverage, Coverage | None] | None,
) -> dict[str, Any]:
    from pipeline.explain import defaults, rules_in_force

    value: dict[str, Any] = {
        **plan._asdict(), "forecast": plan.forecast.as_json(), "model": f"{writer.provider.namespace}:{writer.model}",
        "rehearsal": writer.provider.rehearsal, "max_usd": target.settings.max_usd,
        "price": writer.price._asdict() if writer.price else None,
    }
    if explain:
        value["defaults"] = [default._asdict() for default in defaults(recipe, target.settings)]
        value["rules"] = [held._asdict() for held in rules_in_force(recipe)]
    if covered is not None:
        drawn, kept = covered
        value["coverage"] = {**drawn._asdict(), "kept": kept._asdict() if kept else None}
    return value


def _keep(ahead: Outlook) -> dict[str, Any]:
    return {key: value for key, value in ahead._asdict().items() if key != "draws"}


def _numbers(
    plan: RunPlan, writer: Writer, target: Target, recipe: Recipe, ahead: Outlook | None,
    asked: list[tuple[str, str]],
) -> None:
    """What the run writes and asks. `asked`: what rules and rewrites ask of its rows."""
    rows = [("writer", _spend.who(writer) if recipe.asks else "nobody: the rows exist already")]
    if plan.cells:
        rows.append(("grid", console.plural(plan.cells, "cell")))
    rows.append(("rows", _rows(plan, bool(recipe.asks), "answered" if writer.provider.rehearsal else "paid")))
    if plan.skipped:
        rows.append(("skipped", console.causes(plan.skipped)))
    if ahead is not None:
        rows.append(("keep", _outcome.outlook(ahead)))
    if recipe.asks:
        unpaid = ": a rehearsal pays nobody" if writer.provider.rehearsal and plan.new_calls else ""
        rows.append(("bill", _spend.bill(plan, target, writer) + unpaid))
    rows += asked
    if plan.aside:
        rows.append(("aside", _spend.aside(plan, writer)))
    console.out(f"{console.styled(target.name, 'bold')}  {console.styled(console.near(target.path), 'dim')}")
    console.block(rows)
    if plan.new_calls:
        console.out()
        first = f"synth init {target.name}, then " if target.only_shipped else ""
        for line in _bill.table(plan, f"{first}synth preview {target.name} -n {_bill.TELLING}"):
            console.out(line)
        if told := _prices(writer):
            console.block([("prices", told), *([("at most", most)] if (most := _most(plan)) else [])])


def _rewritten(recipe: Recipe, dataset: Dataset, writer: Writer, plan: RunPlan) -> RewritesAhead | None:
    """What rewrites may ask of the rows of a plan; None where none asks, or nothing is left to ask."""
    from pipeline.augment import RowsToCome, rewrites_ahead
    from pipeline.engine import output_limit

    if not recipe.augment:
        return None
    most = output_limit({**recipe.generate.body(), **recipe.asks[-1].body()}) if recipe.asks else None
    to_come = RowsToCome(max(0, plan.wanted - plan.reused), plan.prompts[0] if plan.prompts else "", most)
    found = rewrites_ahead(recipe, dataset, writer, to_come)
    return found if found is not None and found.new_calls else None


def _rewrites(found: RewritesAhead, writer: Writer) -> str:
    """`at most 58 calls (expand 1 a row), at most $0.09; how many is known once rows are curated`."""
    by = ", ".join(f"{name} {count:,}" for name, count in found.calls.items())
    usd = "rehearsed, $0" if writer.provider.rehearsal else f"at most {console.money(found.usd_worst)}"
    if found.new_calls == found.there:
        return f"{console.plural(found.there, 'call')}, {usd}"
    there = f", {found.there:,} of them of rows that are there" if found.there else ""
    return (f"at most {console.plural(found.new_calls, 'call')} ({by} a row){there}, {usd}; how many is known once "
            "rows are curated")


def _most(plan: RunPlan) -> str:
    """What the upper sum of the bill takes for granted; empty where it says no more than the other."""
    if plan.usd_worst is None or plan.usd_expected is None or plan.usd_worst <= plan.usd_expected:
        return ""
    again = f", and {console.plural(plan.repairs, plan.further)} too" if plan.repairs else ""
    return f"{console.money(plan.usd_worst)} where every answer fills its max_tokens{again}"


def _prices(writer: Writer) -> str:
    """What a million tokens cost, and who says so; empty for a rehearsal."""
    price = writer.price
    if price is None:
        return f'none is known: write [prices."{writer.model}"] with input and output into synth.toml'
    if free_here(price):
        return FREE_HERE
    if writer.provider.rehearsal or not price.input + price.output:
        return ""
    said = f"as of {price.date} ({price.source})" if price.date else f"as {price.source} says"
    return f"{console.price(price.input)} in and {console.price(price.output)} out per million tokens, {said}"


def _rows(plan: RunPlan, asks: bool, done: str) -> str:
    """`396 wanted, 362 paid already`; a rehearsal's rows are answered, not paid."""
    parts = [f"{plan.wanted:,} wanted"]
    if asks and (plan.reused or not plan.skipped):
        parts.append(f"{plan.reused:,} {done} already" if plan.reused else "none asked for yet")
    if plan.barren:
        parts.append(f"{plan.barren:,} asked for and without a row")
    if plan.surplus:
        done = "rehearsed" if "rehearsed" in plan.aside else done  # no real row is there yet
        parts.append(f"{plan.surplus:,} more that are {done} and no longer asked for")
    return ", ".join(parts)


def _drawn(recipe: Recipe, dataset: Dataset, writer: Writer, rows: int | None = None) -> Iterator[Draw]:
    """The draws of the recipe, completed around what is paid, as a run would take them."""
    from pipeline.generate.plan import wanted_draws
    from pipeline.grid.axes import load_axes

    return wanted_draws(recipe, load_axes(recipe) if recipe.axes else None, dataset, writer, rows)


def _coverage(recipe: Recipe, dataset: Dataset, writer: Writer) -> tuple[Coverage, Coverage | None]:
    """Of the draws that are wanted, and of the rows that are kept once there are any."""
    from pipeline.grid.axes import load_axes
    from pipeline.grid.draws import coverage
    from pipeline.rows import read
    from pipeline.types import Draw

    if not recipe.axes:
        raise RecipeError(f"{recipe.at('source')}: the rows come from a file: there are no axes", "leave out --axes")
    axes = load_axes(recipe)
    kept = coverage(axes, (Draw(row.sample.cell) for row in read(dataset) if row.state == "kept"))
    return coverage(axes, _drawn(recipe, dataset, writer)), kept if kept.rows else None


def _axes(drawn: Coverage, kept: Coverage | None) -> None:
    """Values and pairs of values, drawn and kept: what is wanted, and what is there."""
    for covered, what in ((drawn, "drawn"), (kept, "kept")):
        if covered is None:
            continue
        console.out()
        lines = _spread(covered, VALUES_SHOWN, what)
        cut = console.screen() and any("…" in line for line in lines)
        for line in _spread(covered, 1, what) if cut else lines:
            console.out(line)
    if drawn.pairs:
        console.out()
        pairs = [_pairs(pair, *found, kept.pairs[pair][0] if kept else None) for pair, found in drawn.pairs.items()]
        pairs.append(_pairs("all pairs", drawn.covered, drawn.possible, kept.covered if kept else None))
        columns = ("pairs of values", "possible", "drawn", " ", *(("kept", "  ") if kept else ()))
        for line in console.table(pairs, columns, right=columns[1:]):
            console.out(line)


def _pairs(name: str, drawn: int, possible: int, kept: int | None) -> tuple[str, ...]:
    """A line of the table of pairs: how many there can be, and how many are drawn and kept."""
    found = (name, f"{possible:,}", f"{drawn:,}", console.percent(drawn, possible))
    return found if kept is None else (*found, f"{kept:,}", console.percent(kept, possible))


def _spread(covered: Coverage, shown: int, what: str) -> list[str]:
    """A line for each axis: how often its rarest and its most frequent values come, so many of each."""
    rows = []
    for axis, counts in covered.values.items():
        ranked = sorted(counts.items(), key=lambda item: (item[1], item[0]))
        least = ", ".join(f"{count:,} {value}" for value, count in ranked[:shown])
        most = ", ".join(f"{count:,} {value}" for value, count in ranked[: -shown - 1 : -1])
        rows.append((axis, len(counts), sum(count == 0 for count in counts.values()), least, most))
    titles = (f"{covered.rows:,} {what}", "values", "never", "least often", "most often")
    return console.table(rows, titles, right=("values", "never"))


def _defaults(recipe: Recipe, target: Target) -> None:
    from pipeline.explain import defaults

    found = defaults(recipe, target.settings)
    titles = {"recipe": "what the recipe leaves open", "machine": "what this machine leaves open"}
    for kind, title in titles.items():
        console.out()
        console.out(title, "bold")
        console.block(
            (default.key, f"{_shown(default.value)}: {default.why}") for default in found if default.kind == kind
        )
    _rules(recipe)


def _rules(recipe: Recipe) -> None:
    """The rules in force; a line of the recipe stands behind each that it names itself."""
    from pipeline.explain import rules_in_force

    held = rules_in_force(recipe)
    presets = dict.fromkeys(f"{rule.preset} ({rule.at})" for rule in held if rule.preset)
    told = f", by {', '.join(presets)}" if presets else "" if held else ": none, every row is kept"
    if "curate" not in recipe.model_fields_set:
        told = f", by the preset {held[0].preset}, as the recipe names none"
    console.out()
    console.out(f"rules in force{told}", "bold")
    console.block((rule.rule, _rule(rule) + ("" if rule.preset else f"   {rule.at}")) for rule in held)


def _rule(held: Held) -> str:
    """`{min: 20, unit: words}`, or what a rule does of which nothing is set."""
    told = ", ".join(f"{key}: {_shown(value)}" for key, value in held.options.items())
    known = plugins("rules").get(held.rule)
    return f"{{{told}}}" if told else known.summary if known else ""


def _shown(value: Any) -> str:
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _examples(recipe: Recipe, draws: list[Draw], dataset: Path) -> None:
    """Two prompts as the writer gets them, and one row as the tuned model will see it."""
    from pipeline.generate import in_their_place, train_in_place
    from pipeline.grid.fill import fill, train_messages

    if recipe.dialogue is not None:
        for place, name in enumerate(recipe.dialogue.order):
            for message in fill(recipe, draws[0], {}, place) if draws else ():
                if message["content"]:
                    _text(f"{name} is asked ({message['role']})", str(message["content"]))
    elif recipe.asks:
        for draw in draws:
            for message in fill(recipe, draw, {}, 0):
                _text(f"the writer is asked ({message['role']})", str(message["content"]))
    answers = in_their_place(recipe, dataset)
    for draw in draws[:1]:
        seen = train_messages(recipe, draw, answers) if recipe.dialogue is None else train_in_place(recipe, draw)
        for message in seen:
            _text(f"the tuned model sees ({message['role']})", str(message.get("content") or ""))


def _text(title: str, text: str) -> None:
    console.out()
    console.out(title, "bold")
    for line in console.shown(text).split("\n"):
        console.out(f"  {line}".rstrip())
