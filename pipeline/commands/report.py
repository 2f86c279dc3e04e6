"""`synth report`: one page on everything that became of a dataset."""

from __future__ import annotations

import click

from pipeline.commands import _console as console
from pipeline.commands._options import Target, target


@click.command("report")
@target()
@click.option("--open", "open_", is_flag=True, help="Show it in the browser.")
def command(target: Target, open_: bool) -> None:
    """Writes one HTML page: coverage, lengths, drops, rows, cost, files, curves, before and after.

    The page is whole in itself and loads nothing from anywhere, so it can be mailed, printed and kept.
    """
    from pipeline.report import write_report

    with target.dataset() as dataset:
        path = write_report(dataset)
    console.wrote(path)
    if open_:
        click.launch(path.resolve().as_uri())
    console.next_command(f"synth inspect {target.name} --sample 5" if open_ else f"synth report {target.name} --open")
