"""`synth augment`: rewrite rows that can be saved, as those that are too short."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from pipeline.commands import _console as console
from pipeline.commands import _outcome, _spend
from pipeline.commands._options import Target, json_option, target, yes_option
from pipeline.commands._panel import Panel
from pipeline.errors import RecipeError

if TYPE_CHECKING:
    from pipeline.augment import Augmented, AugmentPlan, Refusal
    from pipeline.generate import Writer
    from pipeline.recipe import Recipe

TEXT, IDS = 60, 3
"""Columns that the beginning of a row may take; refused rows that are named of each kind."""
ASIDE = "rehearsed rewrites of real rows stand aside"


@click.command("augment")
@target(sets=True, asks=True)
@yes_option
@click.option("--dry-run", is_flag=True, help="List every row that would be touched, and the bill; send and write "
                                              "nothing.")
@json_option
@click.pass_context
def command(context: click.Context, /, target: Target, yes: bool, dry_run: bool, json_: bool) -> None:
    """Rewrites rows that can be saved. Says first which rows it would touch and what that costs.

    The originals stay. A rewrite that is not better is refused and counted; curating then takes a row
    or its rewrite, never both. Rows that a rehearsal rewrites stand aside where the rows are real ones.

    \b
    synth augment plots --dry-run                 every row it would touch, and the bill
    synth augment plots
    synth augment mine --set 'augment=[expand: {below: 1500}]'
    synth augment mine --set 'augment=[mask]'     # asks nobody
    synth augment mine --set 'augment=[strip_opener, mend_text, continue, fill_sections]'
    """
    from pipeline.augment import asks, augment, plan_augment

    recipe = target.recipe()
    if not recipe.augment:
        raise RecipeError(f"{recipe.at()}: `augment` names no rewrite",
                          f"synth augment {target.name} --set 'augment=[expand: {{below: 1024}}]'")
    with target.dataset() as dataset:
        asked = asks(recipe, dataset)
        if dry_run:
            writer = _asked(target, recipe, asked)
            _dry(target, plan_augment(recipe, dataset, writer, shown=None), writer, asked, json_)
            return
        writer = _spend.writer_of(target, recipe, asks=asked)
        plan = plan_augment(recipe, dataset, writer)
        preview(plan, "--dry-run lists them")
        if not _spend.consent(plan, target, writer, yes, known=not asked):
            console.say("nothing was asked, nothing was spent")
            context.exit(1)
        with Panel(target.name) as panel:
            done = augment(recipe, dataset, writer, target.settings, panel.update)
        tell(done)
        if json_:
            console.as_json(done.as_json())
        if done.added:
            console.wrote(dataset.path / "samples.jsonl")
    if done.interrupted:
        _outcome.stopped(f"synth augment {target.name}")
        context.exit(_outcome.INTERRUPTED)
    if done.added and done.added == done.aside:
        console.next_command(f"synth augment {target.name} {_spend.NAMES_A_REAL_ONE}", "makes real ones")
    else:
        console.next_command(f"synth curate {target.name}", "takes a row or its rewrite")


def _asked(target: Target, recipe: Recipe, asked: bool) -> Writer:
    """Who would be asked: where nobody is named the model that wrote the rows, whose key need not be there."""
    model = _spend.unnamed(target, recipe) if asked else None
    return _spend.writer_of(replace(target, model=model) if model else target, recipe, asks=False)


def _dry(target: Target, plan: AugmentPlan, writer: Writer, asked: bool, json_: bool) -> None:
    """Every row that would be touched, and the bill."""
    if json_:
        console.as_json(plan.as_json())
    elif plan.touched:
        lines = [(row.id[:8], row.rewrite, console.size(row.bytes), console.one_line(row.begins, TEXT))
                 for row in plan.touched]
        for line in console.table(lines, ("row", "rewrite", "size", "answer"), right=("size",), wide="answer"):
            console.out(line)
    preview(plan, "")
    if asked:
        console.fact("writer", _spend.who(writer), "warn" if writer.provider.rehearsal else "")
    console.fact("bill", f"{_spend.bill(plan, target, writer)}; nothing was sent, nothing was written")
    if plan.total:
        console.next_command(f"synth augment {target.name}", "does it")


def preview(plan: AugmentPlan, more: str) -> None:
    """Which rows would be touched: how many, and the first ones.

    Args:
        plan: with the first of its rows.
        more: what lists the others; empty where they are listed.
    """
    by = ", ".join(f"{name} {count:,}" for name, count in plan.rows.items())
    known = f"; {plan.reused:,} answered before" if plan.reused else ""
    known += "; nobody is asked" if plan.total and plan.free == plan.total else ""
    rows = console.plural(plan.total, "row")
    console.fact("rows", f"{rows} to rewrite ({by}){known}" if plan.total else "no row to rewrite")
    for row in plan.touched if more else ():
        console.say(f"       {row.id[:8]}  {console.size(row.bytes):>7}  {console.one_line(row.begins, TEXT)}", "dim")
    if more and plan.total > len(plan.touched):
        console.say(f"       and {plan.total - len(plan.touched):,} more; {more}", "dim")
    if plan.rehearsed:
        console.warn(f"{ASIDE} ({plan.rehearsed:,} here): {_spend.NAMES_A_REAL_ONE} makes real ones")


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
