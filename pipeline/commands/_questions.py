"""A question or two to a model outside of a run of rows: the bill first, a line while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from pipeline.commands import _console as console
from pipeline.commands import _outcome, _spend
from pipeline.commands._doing import Doing
from pipeline.commands._options import Target

if TYPE_CHECKING:
    from pipeline.generate import Writer
    from pipeline.starters import Question

T = TypeVar("T")


def answers(target: Target, writer: Writer, questions: list[Question[T]], yes: bool, again: str) -> list[T]:
    """What a model says to some questions, kept in the dataset's calls/: asked again, they cost nothing.

    Args:
        target: holds the cap, and where the dataset is.
        writer: who is asked.
        questions: what is asked.
        yes: whether `--yes` was given.
        again: the command that goes on after Ctrl-C.

    Raises:
        SynthError: the host refuses, the answer cannot be used, or nobody is there to agree to the bill.
        click.exceptions.Exit: a person said no, or stopped it.
    """
    from pipeline.starters import ask, foresee
    from pipeline.store import Dataset

    with Dataset(target.path) as dataset:  # not made before a person agreed
        plan = foresee(questions, dataset, writer)
    if not _spend.consent(plan, target, writer, yes):
        console.say("nothing was asked, nothing was spent")
        raise click.exceptions.Exit(1)
    with Dataset.create(target.path) as dataset, Doing() as doing:
        dataset.verb = target.verb
        found = ask(questions, dataset, writer, target.settings,
                    lambda progress: doing.tell(progress.waiting or f"{writer.model} answers", 1, 1))
        spent = dataset.calls.spent()
    if found is None:
        _outcome.stopped(again)
        raise click.exceptions.Exit(_outcome.INTERRUPTED)
    if plan.new_calls and not writer.provider.rehearsal:
        console.fact("spent", f"{console.money(spent.usd)} on {target.name} so far")
    return found
