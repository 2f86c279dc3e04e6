"""`synth augment`: rewrite rows that can be saved, as those that are too short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.commands import _console as console
from pipeline.commands import _outcome, _spend
from pipeline.commands._options import Target, target, yes_option
from pipeline.commands._panel import Panel
from pipeline.errors import RecipeError

if TYPE_CHECKING:
    from pipeline.augment import Augmented, AugmentPlan

TEXT = 60
"""Columns that the beginning of a row may take."""


@click.command("augment")
@target(sets=True, asks=True)
@yes_option
@click.pass_context
def command(context: click.Context, /, target: Target, yes: bool) -> None:
    """Rewrites rows that can be saved. Says first which rows it would touch and what that costs.

    The originals stay. A rewrite that is not better is refused and counted; curating then takes a row
    or its rewrite, never both.

    \b
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
        writer = _spend.writer_of(target, recipe, asks=asked)
        plan = plan_augment(recipe, dataset, writer)
        preview(plan)
        if not _spend.consent(plan, target, writer, yes, known=not asked):
            console.say("nothing was asked, nothing was spent")
            context.exit(1)
        with Panel(target.name) as panel:
            done = augment(recipe, dataset, writer, target.settings, panel.update)
        tell(done)
        if done.added:
            console.wrote(dataset.path / "samples.jsonl")
    if done.interrupted:
        _outcome.stopped(f"synth augment {target.name}")
        context.exit(_outcome.INTERRUPTED)
    console.next_command(f"synth curate {target.name}", "takes a row or its rewrite")


def preview(plan: AugmentPlan) -> None:
    """Which rows would be touched: how many, and the first ones."""
    total = sum(plan.rows.values())
    by = ", ".join(f"{name} {count:,}" for name, count in plan.rows.items())
    known = f"; {plan.reused:,} answered before" if plan.reused else ""
    known += "; nobody is asked" if total and plan.free == total else ""
    console.fact("rows", f"{console.plural(total, 'row')} to rewrite ({by}){known}" if total else "no row to rewrite")
    for sample in plan.samples:
        size = console.size(len(sample.answer.encode("utf-8", "surrogatepass")))
        console.say(f"       {sample.id[:8]}  {size:>7}  {console.one_line(sample.answer, TEXT)}", "dim")


def tell(done: Augmented) -> None:
    """What was gained, what was refused, and what a row gained did cost."""
    if not done.touched:
        return
    console.fact("gained", f"{console.plural(done.added, 'row')} of {done.touched:,}{_price(done)}")
    what = "row" if done.free == done.touched else "answer"
    for code, count in done.refused.most_common():
        console.fact("", f"{console.plural(count, what)} refused: {code}, as {done.reasons[code]}")
    if len(done.by) > 1:
        table(done)
    _outcome.tell_noticed(done.progress)
    if done.failed:
        console.fact("failed", f"{console.plural(done.failed, 'call')}; see failures.jsonl", "warn")


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
