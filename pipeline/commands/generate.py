"""`synth generate`: ask the model for every row that is still missing."""

from __future__ import annotations

import click

from pipeline.commands import _asking, _outcome, _spend
from pipeline.commands import _console as console
from pipeline.commands._options import Target, target, yes_option
from pipeline.errors import RecipeError


@click.command("generate")
@target(sets=True, asks=True, keep=True, batch=True)
@click.option("--retry", is_flag=True, help="Ask again what failed for good; --model then names who is asked.")
@click.option("--class", "classes", multiple=True, metavar="CLASS",
              help="With --retry: only failures of this class, as parse, length, refused. Repeatable.")
@click.option("--adopt", is_flag=True, help="Keep what was changed by hand in samples.jsonl as your decisions.")
@click.option("--restore", is_flag=True, help="Undo what was changed by hand; a copy of yours is kept.")
@yes_option
@click.pass_context
def command(
    context: click.Context, /, target: Target, retry: bool, classes: tuple[str, ...], adopt: bool, restore: bool,
    yes: bool,
) -> None:
    """Asks the model for every row of the recipe that is still missing.

    Run it again after an edit, a crash or Ctrl-C: what was paid for is never asked again.
    """
    from pipeline.generate import Options
    from pipeline.store import Dataset
    from pipeline.store.foreseen import close

    if adopt and restore:
        raise RecipeError("--adopt keeps your changes and --restore undoes them", "give one of the two")
    recipe = target.recipe()
    again = _asking.retry_of(target, recipe, retry, classes)
    writer = again.writer if again else _spend.writer_of(target, recipe)
    batch = _asking.batch_of(target, writer)
    if not _asking.agreed(target, recipe, writer, None, yes, again.retry if again else None):
        context.exit(1)
    with Dataset.create(target.path) as dataset:
        options = Options(retry=classes if retry else None, by=again.retry.by if again else None, adopt=adopt,
                          restore=restore, batch=batch)
        kept = _asking.keep_rows(target, recipe, dataset, writer, options, yes) if recipe.sample.keep else None
        done = kept.made if kept else _asking.make_rows(target, recipe, dataset, writer, options)
        _outcome.tell(done, dataset)
        _outcome.tell_cap(dataset, target.settings.max_usd)
        if kept:
            _outcome.tell_kept(kept)
        if not done.interrupted:
            closed = close(dataset, writer.name)
            _outcome.tell_bill(dataset, kept.ahead.kept if kept else done.progress.kept, closed)
        rows = (dataset.path / "samples.jsonl",) if done.added or done.rendered else ()
        console.wrote(*rows, *((kept.curation.verdicts,) if kept else ()))
    if done.interrupted:
        _outcome.stopped(f"synth generate {target.name}")
        context.exit(_outcome.INTERRUPTED)
    if kept:
        kept.require(recipe)
        console.next_command(f"synth export {target.name}")
        return
    console.next_command(f"synth curate {target.name}" if recipe.curate else f"synth export {target.name}")
