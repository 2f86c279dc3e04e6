"""`synth preview`: a few real rows first; they are kept, counted and never paid for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.commands import _asking, _outcome, _row, _spend
from pipeline.commands import _console as console
from pipeline.commands._options import Target, json_option, target, yes_option

if TYPE_CHECKING:
    from pipeline.generate import Writer
    from pipeline.recipe import Recipe
    from pipeline.rows import Row
    from pipeline.store import Dataset

ROWS = 3


@click.command("preview")
@target(sets=True, asks=True)
@click.option("-n", "--rows", type=click.IntRange(1), default=ROWS, show_default=True, help="How many rows.")
@yes_option
@json_option
@click.pass_context
def command(context: click.Context, /, target: Target, rows: int, yes: bool, json_: bool) -> None:
    """Makes the first few rows and shows them: what is asked, what came back.

    They are real rows: stored, counted, and not asked for again by a later run.
    """
    from pipeline.generate import Options
    from pipeline.store import Dataset

    recipe = target.recipe()
    writer = _spend.writer_of(target, recipe)
    if not _asking.agreed(target, recipe, writer, rows, yes):
        context.exit(1)
    with Dataset.create(target.path) as dataset:
        dataset.verb = target.verb
        keys = _draws(recipe, dataset, writer, rows)
        done = _asking.make_rows(target, recipe, dataset, writer, Options(rows=rows))
        found = _drawn(dataset, keys)
        if json_:
            console.as_json([_row.everything(dataset, row) for row in found])
        else:
            for row in found:
                _show(dataset, row)
            console.say()
        _outcome.tell(done, dataset)
        _outcome.tell_cap(dataset, target.settings.max_usd)
        console.wrote(dataset.path / "samples.jsonl")
    if done.interrupted:
        _outcome.stopped(f"synth preview {target.name} -n {rows}")
        context.exit(_outcome.INTERRUPTED)
    console.next_command(f"synth run {target.name}", "all rows; these are not paid for again")


def _draws(recipe: Recipe, dataset: Dataset, writer: Writer, rows: int) -> dict[str, int]:
    """Keys of the first draws -> their place."""
    from pipeline.generate.plan import wanted_draws
    from pipeline.grid.axes import load_axes

    axes = load_axes(recipe) if recipe.axes else None
    return {draw.key: place for place, draw in enumerate(wanted_draws(recipe, axes, dataset, writer, rows))}


def _drawn(dataset: Dataset, keys: dict[str, int]) -> list[Row]:
    """The rows of draws, in the order of the draws."""
    from pipeline.rows import read

    found = {}
    for row in read(dataset):
        place = keys.get(str(row.sample.provenance.get("draw")))
        if place is not None and row.sample.parent is None:
            found[place] = row  # the last one: made by today's prompt and model
    return [found[place] for place in sorted(found)]


def _show(dataset: Dataset, row: Row) -> None:
    """What was asked and answered, and the row that is trained on: rules measure that one."""
    sample = row.sample
    console.out(f"{console.styled(sample.id[:8], 'bold')}  {console.styled(console.pairs(sample.cell), 'name')}")
    answers = set()
    if any(ref.role.startswith("turn:") for ref in sample.calls):
        _row.asked(dataset, sample)
        _row.tools(sample)
        for message in sample.messages:
            _row.message(message, "trained on, ")
        console.out()
        return
    for ref in sample.calls:
        call = dataset.calls.get(ref.id)
        for message in call.body.get("messages", []) if call else []:
            _row.message(message, f"asked by {ref.role}, ")
        if call:
            _row.message(call.message or {}, "answer of the ")
            answers.add((call.message or {}).get("content"))
    for message in sample.messages:
        same = message.get("role") == "assistant" and message.get("content") in answers
        _row.message(message, "trained on, ", "the answer above" if same else "")
    console.out()
