"""`synth init`: begin with a starter, a blank recipe, an idea, or a file of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands import _console as console
from pipeline.commands._options import Target, target, yes_option
from pipeline.errors import DataError, RecipeError

if TYPE_CHECKING:
    from pipeline.starters import Looked

CLASSES, OTHERS = 20, 3
"""Classes that are listed, the others are counted; other columns that could be the answer."""


@click.command("init")
@target(asks=True)
@click.option("--template", metavar="STARTER", help="Copy this starter under NAME.")
@click.option("--blank", is_flag=True, help="Write NAME.yaml: twelve lines with comments, runs as it stands.")
@click.option("--idea", metavar="TEXT", help="Ask a model for axes and values, and write NAME.yaml from its answer.")
@click.option("--edit", is_flag=True, help="With --idea: open the recipe in your editor.")
@click.option("--from", "file", metavar="FILE", help="Write NAME.yaml for the rows of a file: JSONL, CSV, Parquet.")
@click.option("--encoding", metavar="NAME", help="Of the file, as cp1252. [utf-8]")
@yes_option
def command(
    target: Target, template: str | None, blank: bool, idea: str | None, edit: bool, file: str | None,
    encoding: str | None, yes: bool,
) -> None:
    """Writes a recipe beside your code. Nothing is ever overwritten.

    \b
    synth init plots                        copies a starter: plots/recipe.yaml, its prompts, a README
    synth init mine --template plots        the same under a name of your own
    synth init mine --blank                 mine.yaml, to fill in by hand
    synth init mine --idea "bedtime tales"  mine.yaml, axes and values proposed by --model
    synth init tickets --from tickets.csv   tickets.yaml, from rows that you have
    """
    name = target.name
    if sum((template is not None, blank, file is not None, idea is not None)) > 1:
        raise RecipeError("--template, --blank, --idea and --from exclude each other", f"synth init {name} --blank")
    if encoding is not None and file is None:
        raise RecipeError("--encoding is of a file", f"synth init {name} --from rows.csv --encoding {encoding}")
    if edit and idea is None:
        raise RecipeError("--edit goes with --idea", f'synth init {name} --idea "support tickets of a bank app" --edit')
    cwd = Path()  # so that paths are said as they are typed
    if idea is not None:
        from pipeline.commands import _idea

        _idea.begin(target, cwd, idea, edit=edit, yes=yes)
    elif file is not None:
        _from(name, cwd, file, encoding)
    elif blank:
        from pipeline.starters import write_blank

        console.wrote(write_blank(name, cwd))
        console.next_command(f"synth run {name}", "offline: a rehearsal, until you name a model")
    else:
        from pipeline.starters import copy_starter

        console.wrote(*copy_starter(name, cwd, template))
        console.next_command(f"synth run {name}", "offline: a rehearsal, until you name a model")


def _from(name: str, cwd: Path, file: str, encoding: str | None) -> None:
    from pipeline.starters import look_at, write_from

    try:
        looked = look_at(file, cwd, encoding)
    except DataError as error:
        if error.hint.startswith("--encoding "):
            raise DataError(error.message, f"synth init {name} --from {file} {error.hint}") from None
        raise
    path = write_from(name, cwd, looked)
    _show(looked)
    console.wrote(path)
    console.next_command(f"synth run {name}", "curate and export; edit `train` first if the guess is wrong")


def _show(looked: Looked) -> None:
    """The columns, the classes, and rows as they will be trained."""
    from pipeline.read.look import doubts

    count = f"{looked.rows:,}{' and more' if looked.more else ''} {'row' if looked.rows == 1 else 'rows'}"
    console.fact("rows", f"{count}, columns {', '.join(looked.columns)}")
    console.fact("read", looked.shape)
    if looked.unused:
        console.fact("unused", ", ".join(map(console.shown, looked.unused)))
    if looked.others:
        console.fact("or", f"assistant = {', or '.join(map(console.shown, looked.others[:OTHERS]))}: edit `train`")
    if looked.classes:
        listed = list(looked.classes.items())
        shown = ", ".join(f"{name} {count:,}" for name, count in listed[:CLASSES])
        rest = f", {len(listed) - CLASSES} more" if len(listed) > CLASSES else ""
        console.fact("label", f"{console.plural(len(listed), 'class', 'classes')}: {console.shown(shown)}{rest}")
        if looked.without:
            console.warn(f"{console.plural(looked.without, 'row')} without a label")
        for doubt in doubts(looked.classes):
            console.warn(console.shown(doubt))
    refused = [problem for problem in looked.problems if problem.severity == "error"]
    for problem in refused[:SHOWN]:
        console.fact("error", f"{problem.where}: {problem.message}", "bad")
    if len(refused) > SHOWN:
        console.fact("", f"{len(refused):,} in all; such rows are left out", "bad")
    console.out(f"{console.plural(len(looked.examples), 'row')} as they will be trained", "bold")
    for number, messages in enumerate(looked.examples, 1):
        for message in messages:
            content = message.get("content")
            text = content if isinstance(content, str) else "" if content is None else str(content)
            mark = str(number) if message is messages[0] else ""
            shown = text.replace("\n", " ⏎ ") if isinstance(text, str) else ""
            console.out(f"{mark:>2}  {str(message.get('role', ''))!s:<9}  {console.one_line(shown, _room())}")


SHOWN = 3
"""Rows with faults that are shown."""


def _room() -> int:
    return console.width() - 15
