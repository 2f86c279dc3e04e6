"""`synth augment`: rewrite rows that can be saved, as those that are too short."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from pipeline._yaml import flow
from pipeline.commands import _changes, _filters, _outcome, _spend
from pipeline.commands import _console as console
from pipeline.commands._items import items_of
from pipeline.commands._options import Target, json_option, target, yes_option
from pipeline.commands._panel import Panel
from pipeline.errors import RecipeError, did_you_mean
from pipeline.rows import Filters, Row, named
from pipeline.words import ranked

if TYPE_CHECKING:
    from pipeline.augment import Augmented, AugmentPlan, Made, Refusal, Touched
    from pipeline.generate import Writer
    from pipeline.recipe import Recipe
    from pipeline.store import Dataset

REPEATED = ("axis", "rule", "text", "cluster")
"""Filters that may be given more than once."""
TEXT, IDS = 60, 3
"""Columns that the beginning of a row may take; refused rows that are named of each kind."""
ASIDE = "rehearsed rewrites of real rows stand aside"


@dataclass(frozen=True, slots=True)
class Ask:
    """What was asked for.

    Attributes:
        recipe: with the rewrites that are meant.
        rows: ids, or their beginnings, of the rows that were named.
        rewrites: of --with, as typed.
        only: which rows are meant; None for all.
        typed: the command, with what names rows and rewrites.
        asks: whether a model may be asked.
        yes: of --yes.
        json_: of --json.
    """

    recipe: Recipe
    rows: tuple[str, ...]
    rewrites: tuple[str, ...]
    only: Callable[[Row], bool] | None
    typed: str
    asks: bool
    yes: bool
    json_: bool


@click.command("augment")
@target(sets=True, asks=True)
@click.argument("rows", nargs=-1, metavar="[ID]...")
@click.option("--with", "rewrites", multiple=True, metavar="REWRITE",
              help="A rewrite in place of the recipe's, as continue or 'expand: {below: 1500}'. Repeatable.")
@_filters.options
@yes_option
@click.option("--dry-run", is_flag=True, help="List every row that would be touched, and the bill; send and write "
                                              "nothing.")
@click.option("--diff", is_flag=True, help="Show what rewrites changed so far, word by word; send and write nothing.")
@json_option
@click.pass_context
def command(
    context: click.Context, /, target: Target, rows: tuple[str, ...], rewrites: tuple[str, ...], yes: bool, json_: bool,
    **given: Any,
) -> None:
    """Rewrites rows that can be saved, or adds rows beside them. Says first which rows it would touch and the price.

    The originals stay. A rewrite that is not better is refused and counted; curating then takes a row
    or the rewrite in its place, never both; rows of paraphrase and evolve stand beside theirs. Rows that a
    rehearsal rewrites stand aside where the rows are real ones.

    \b
    synth augment plots --dry-run                 every row it would touch, and the bill
    synth augment plots
    synth augment mine k3v9 --with continue       one row, and what changed
    synth augment mine --rule cut-ending --with continue    all rows with that finding
    synth augment mine --rule cut-ending --diff   what changed in them
    synth augment mine --with mask                # asks nobody
    synth augment mine --with 'paraphrase: {times: 2}' --with evolve
    """
    from pipeline.augment import asks, made, plan_augment, rewrites_of

    dry_run, diff = given.pop("dry_run"), given.pop("diff")
    if dry_run and diff:
        raise RecipeError("--dry-run and --diff: one at a time", f"synth augment {target.name} --diff")
    given = {key: value for key, value in given.items() if value}
    typed = f"synth augment {target.name}{_typed(rows, rewrites, given)}"
    recipe = _recipe(target, rewrites)
    if not recipe.augment and not diff:
        raise RecipeError(f"{recipe.at()}: `augment` names no rewrite",
                          f"synth augment {target.name} --with 'expand: {{below: 1024}}'")
    with target.dataset() as dataset:
        only = _only(dataset, rows, given)
        if diff:
            names = [rewrite.name for rewrite in rewrites_of(recipe, dataset)] if rewrites else None
            _diff(target, made(dataset, names, only), typed if recipe.augment else "", json_)
            return
        asked = asks(recipe, dataset)
        if dry_run:
            writer = _asked(target, recipe, asked)
            _dry(target, plan_augment(recipe, dataset, writer, None, only), writer, (typed, asked, json_))
            return
        _go(context, target, dataset, Ask(recipe, rows, rewrites, only, typed, asked, yes, json_))


def _go(context: click.Context, target: Target, dataset: Dataset, ask: Ask) -> None:
    """Says the bill, asks, and says what came of it."""
    from pipeline.augment import REHEARSED, augment, made, plan_augment, rewrites_of

    writer = _spend.writer_of(target, ask.recipe, asks=ask.asks)
    plan = plan_augment(ask.recipe, dataset, writer, only=ask.only)
    preview(plan, "--dry-run lists them")
    _left(plan)
    if not _spend.consent(plan, target, writer, ask.yes, known=not ask.asks):
        console.say("nothing was asked, nothing was spent")
        context.exit(1)
    before = {pair.child.id for pair in made(dataset, None, ask.only)} if ask.rows else set()
    with Panel(target.name) as panel:
        done = augment(ask.recipe, dataset, writer, target.settings, panel.update, ask.only)
    tell(done)
    if ask.json_:
        console.as_json(done.as_json())
    elif ask.rows:
        _changes.show(made(dataset, None, ask.only, before))
    if done.added:
        console.wrote(dataset.path / "samples.jsonl")
    if done.interrupted:
        _outcome.stopped(ask.typed)
        context.exit(_outcome.INTERRUPTED)
    if done.added and done.added == done.aside:
        console.next_command(f"{ask.typed} {_spend.NAMES_A_REAL_ONE}", "makes real ones")
    elif rule := _fault(dataset, ask) if done.added else None:
        others = plan_augment(ask.recipe, dataset, writer, only=Filters(rules=(rule,)).hold)
        console.fact("others", f"{console.plural(others.total, 'row')} that {rule} found: "
                               f"{_spend.bill(others, target, writer)}")
        words = _typed((), ask.rewrites, {"rule": (rule,)})
        console.next_command(f"synth augment {target.name}{words}", "does the same to them")
    elif plan.left.get(REHEARSED) and not plan.total:
        console.next_command(f"synth run {target.name}", "writes real rows, which can be rewritten")
    else:
        names = None if done.added else {rewrite.name for rewrite in rewrites_of(ask.recipe, dataset)}
        there = made(dataset, names, ask.only)
        _after(target, there, ask.typed if there else "")


def _after(target: Target, there: list[Made], typed: str) -> None:
    """What helps now. `there`: what rewrites made so far; `typed`: the command that made it, empty where none is known.
    """
    if any(pair.child.rehearsal <= pair.parent.rehearsal for pair in there):
        beside = all(pair.child.provenance.get("added") for pair in there)
        console.next_command(f"synth curate {target.name}",
                             "judges the new rows" if beside else "takes a row or its rewrite")
    elif there and typed:
        console.next_command(f"{typed} {_spend.NAMES_A_REAL_ONE}", f"makes real ones: {ASIDE}")
    elif there:
        console.next_command(f"synth inspect {target.name} --state aside", ASIDE)
    elif typed:
        console.next_command(f"{typed} --dry-run", "says which rows a rewrite is for")
    else:
        console.next_command(f"synth inspect {target.name} --sample 5", "read some of them")


def _typed(rows: tuple[str, ...], rewrites: tuple[str, ...], given: dict[str, Any]) -> str:
    """What names rows and rewrites, as it was typed."""
    words = [*rows, *(part for text in rewrites for part in ("--with", text))]
    for name, value in given.items():
        words += [part for each in (value if isinstance(value, tuple) else (value,)) for part in (f"--{name}", each)]
    return "".join(f" {shlex.quote(word)}" for word in words)


def _recipe(target: Target, rewrites: tuple[str, ...]) -> Recipe:
    """The recipe, with the rewrites of --with in place of its own.

    Raises:
        RecipeError: --with names what is no rewrite.
    """
    if not rewrites:
        return target.recipe()
    from pipeline.rewrites import open_rewrites

    items = items_of("--with", rewrites, "expand: {below: 1500}")
    open_rewrites([item for item in items if not item.name.endswith(".py")], lambda index: "--with")
    told = [{"rewrite": item.name, **item.options} if item.name.endswith(".py") else
            {item.name: item.options} if item.options else item.name for item in items]
    return replace(target, sets=(*target.sets, f"augment={flow(told)}")).recipe()


def _only(dataset: Dataset, rows: tuple[str, ...], given: dict[str, Any]) -> Callable[[Row], bool] | None:
    """Which rows are meant; None for all.

    Raises:
        DataError: no row's id begins so.
        RecipeError: a filter that cannot be.
    """
    if not rows and not given:
        return None
    ids = {named(dataset, row).sample.id for row in rows}
    every: dict[str, Any] = {name: () if name in REPEATED else None for name in _filters.NAMES}
    filters = _filters.read(dataset, **{**every, **given})
    known = _filters.measured(dataset)
    for rule in filters.rules:
        if rule not in known:
            raise RecipeError(f"--rule {rule}: no row was measured by it",
                              did_you_mean(rule, known) if known else f"synth curate {dataset.name}")
    return lambda row: (not ids or row.sample.id in ids) and filters.hold(row)


def _diff(target: Target, found: list[Made], typed: str, json_: bool) -> None:
    """What rewrites changed so far. `typed`: see `_after`."""
    if json_:
        console.as_json([pair.as_json() for pair in found])
    else:
        _changes.show(found)
    console.fact("diff", f"{console.plural(len(found), 'row')} that a rewrite made; nothing was sent or written")
    _after(target, found, typed)


def _fault(dataset: Dataset, ask: Ask) -> str | None:
    """The rule that one of the named rows was dropped by and that a rewrite cures; None where there is none."""
    from pipeline.augment import rewrites_of

    cures = {rule for rewrite in rewrites_of(ask.recipe, dataset) for rule in rewrite.cures}
    found = (name for row in ask.rows for name in named(dataset, row).dropped_by)
    return next((name for name in found if re.sub(r"-\d+$", "", name) in cures), None)


def _asked(target: Target, recipe: Recipe, asked: bool) -> Writer:
    """Who would be asked: where nobody is named the model that wrote the rows, whose key need not be there."""
    model = _spend.unnamed(target, recipe) if asked else None
    return _spend.writer_of(replace(target, model=model) if model else target, recipe, asks=False)


def _dry(target: Target, plan: AugmentPlan, writer: Writer, ask: tuple[str, bool, bool]) -> None:
    """Every row that would be touched, and the bill. `ask`: what was typed, whether a model is asked, --json."""
    typed, asked, json_ = ask
    if json_:
        console.as_json(plan.as_json())
    elif plan.touched:
        lines = [(row.id[:8], row.rewrite + _times(row), console.size(row.bytes), console.one_line(row.begins, TEXT))
                 for row in plan.touched]
        what = " or ".join(dict.fromkeys(row.text for row in plan.touched))
        for line in console.table(lines, ("row", "rewrite", "size", what), right=("size",), wide=what):
            console.out(line)
    preview(plan, "")
    _left(plan)
    if asked:
        console.fact("writer", _spend.who(writer), "warn" if writer.provider.rehearsal else "")
    console.fact("bill", f"{_spend.bill(plan, target, writer)}; nothing was sent, nothing was written")
    if plan.total:
        console.next_command(typed, "does it")


def preview(plan: AugmentPlan, more: str) -> None:
    """Which rows would be touched: how many, and the first ones.

    Args:
        plan: with the first of its rows.
        more: what lists the others; empty where they are listed.
    """
    by = ", ".join(f"{name} {count:,}" for name, count in plan.rows.items())
    known = f", {console.plural(plan.new_calls, 'call')}" if plan.new_calls > plan.total else ""
    known += f"; {plan.reused:,} answered before" if plan.reused else ""
    known += "; nobody is asked" if plan.total and plan.free == plan.children else ""
    rows = console.plural(plan.total, "row")
    alone = f": {next(iter(plan.left))}" if sum(plan.left.values()) == 1 else ""
    console.fact("rows", f"{rows} to rewrite ({by}){known}" if plan.total else f"no row to rewrite{alone}")
    for row in plan.touched if more else ():
        console.say(f"       {row.id[:8]}  {console.size(row.bytes):>7}  "
                    f"{console.one_line(row.begins, TEXT)}{_times(row)}", "dim")
    if more and plan.total > len(plan.touched):
        console.say(f"       and {plan.total - len(plan.touched):,} more; {more}", "dim")
    rehearsed(plan)
    if plan.rehearsed:
        console.warn(f"{ASIDE} ({plan.rehearsed:,} here): {_spend.NAMES_A_REAL_ONE} makes real ones")


def rehearsed(plan: AugmentPlan) -> None:
    """Says that a real model is not paid to rewrite what a rehearsal wrote."""
    from pipeline.augment import REHEARSED

    if count := plan.left.get(REHEARSED, 0):
        console.warn(f"{console.plural(count, 'rehearsed row')} left alone: no real model is paid to rewrite "
                     f"{'it' if count == 1 else 'them'}")


def _left(plan: AugmentPlan) -> None:
    """How many of the rows that were meant are left alone, and why."""
    from pipeline.augment import REHEARSED

    count = sum(plan.left.values())
    if count and not (count == 1 and not plan.total) and set(plan.left) != {REHEARSED}:
        by = Counter[str]()
        for why, found in plan.left.items():
            by[why.split(",")[0]] += found
        whys = ", ".join(f"{why} {found:,}" if len(by) > 1 else why for why, found in ranked(by).items())
        console.say(f"       {console.plural(count, 'row')} left alone: {whys}", "dim")


def _times(row: Touched) -> str:
    return f" x{row.times}" if row.times > 1 else ""


def tell(done: Augmented) -> None:
    """What was gained, what was refused, and what a row gained did cost."""
    if not done.touched:
        return
    console.fact("gained", f"{console.plural(done.added, 'row')} of {done.touched:,}{_price(done)}")
    if done.aside:
        console.warn(f"{ASIDE}, {done.aside:,} of these: {_spend.NAMES_A_REAL_ONE} makes real ones")
    what = "row" if done.free == done.touched else "answer"
    by_code: dict[str, list[Refusal]] = {}
    for refusal in done.refusals:
        by_code.setdefault(refusal.code, []).append(refusal)
    for code, found in sorted(by_code.items(), key=lambda each: -len(each[1])):
        console.fact("", f"{console.plural(len(found), what)} refused: {code}, as {_refused(found)}")
    if len(done.by) > 1:
        table(done)
    _outcome.tell_noticed(done.progress)
    if done.failed:
        console.fact("failed", f"{console.plural(done.failed, 'call')}; see failures.jsonl", "warn")


def _refused(found: list[Refusal]) -> str:
    """`k3v9a2b1 by expand: 85 bytes, and the row has 88; also p4q5r6s7 and 12 more, all in --json`."""
    first, *others = found
    named = [refusal.id[:8] for refusal in others[:IDS]]
    hidden = len(others) - len(named)
    also = f"; also {', '.join(named)}" if named else ""
    also += f" and {hidden:,} more: --json lists them" if hidden else ""
    return f"{first.id[:8]} by {first.rewrite}: {first.reason}{also}"


def table(done: Augmented) -> None:
    """What each rewrite did."""
    rows = []
    for name, tally in done.by.items():
        usd = tally.usd_per_row
        price = "unknown" if tally.usd is None else "-" if usd is None else console.money(usd) if usd else "$0"
        rows.append((name, tally.touched, tally.calls, tally.gained, tally.refused.total(), price))
    columns = ("rewrite", "rows", "calls", "gained", "refused", "a row gained")
    for line in console.table(rows, columns, right=columns[1:-1], indent=7):
        console.say(line)


def _price(done: Augmented) -> str:
    usd = done.usd_per_row
    return f", {console.money(usd)} a row gained" if usd else ""
