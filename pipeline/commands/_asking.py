"""Asking a model for rows, as generate, preview and run do: the bill first, a panel while it goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from pipeline.commands import _console as console
from pipeline.commands import _judged, _outcome, _spend
from pipeline.commands._options import Target
from pipeline.commands._panel import Panel
from pipeline.errors import RecipeError, did_you_mean

if TYPE_CHECKING:
    from pipeline.engine import BatchHost
    from pipeline.generate import Generated, Options, Retry, Writer
    from pipeline.recipe import Recipe
    from pipeline.run import Kept
    from pipeline.store import Dataset
    from pipeline.types import Sample


class Again(NamedTuple):
    """What `--retry` asks again, and who writes all the rest."""

    writer: Writer
    retry: Retry


def retry_of(target: Target, recipe: Recipe, retry: bool, classes: tuple[str, ...]) -> Again | None:
    """What `--retry`, `--class` and `--model` mean together; None where nothing is asked again.

    `--model` names who is asked for the failed rows alone: the others stay those of the recipe's model, or of the one
    that wrote them.

    Raises:
        RecipeError: --class without --retry, or a class that there is not.
    """
    from pipeline.generate import Retry
    from pipeline.settings import load_settings
    from pipeline.types import FailureClass

    if not retry:
        if classes:
            raise RecipeError("--class says which failures --retry asks again",
                              f"synth generate {target.name} --retry --class {classes[0]}")
        return None
    known = get_args(FailureClass)
    for name in classes:
        if name not in known:
            raise RecipeError(f"--class {name}: there is no such class of failures", did_you_mean(name, known))
    if target.model is None:
        return Again(_spend.writer_of(target, recipe), Retry(classes))
    machine = load_settings(target.cwd, os.environ, {}).model  # what the flag stands in front of
    usual = replace(target, model=None, settings=target.settings.model_copy(update={"model": machine}))
    usual = replace(usual, model=_spend.unnamed(usual, recipe))
    by = _spend.writer_of(target, recipe)
    writer = _spend.writer_of(usual, recipe)
    if writer.provider.rehearsal and not by.provider.rehearsal:
        writer = by  # nobody real wrote before: there is no row to be joined
    return Again(writer, Retry(classes, None if by.name == writer.name else writer.of(by.name)))


def agreed(
    target: Target, recipe: Recipe, writer: Writer, rows: int | None, yes: bool, retry: Retry | None = None
) -> bool:
    """Says what is doubtful and the bill, and asks where it has to be asked; False where a person said no.

    Raises:
        RecipeError: it has to be asked, and nobody is there.
    """
    from pipeline.generate import doubts, outlook_of, plan_run, write_down
    from pipeline.store import Dataset

    with Dataset(target.path) as dataset:  # not made before a person agreed
        doubted = doubts(recipe, dataset, writer)
        if not recipe.asks:
            for doubt in doubted:
                console.warn(doubt)
            return True
        plan = plan_run(recipe, dataset, _priced(target, writer), rows, retry=retry)
        ahead = outlook_of(recipe, None, dataset, writer, whole=True)[1] if recipe.sample.keep else None
        curates = rows is None and (target.verb == "run" or ahead is not None)
        judged = _judged.foreseen(target, recipe, dataset, writer, plan) if curates else None
    _spend.foresee(plan, doubted, writer)
    if ahead is not None:
        console.fact("keep", _outcome.outlook(ahead))
    if _spend.consent(plan, target, retry.by if retry and retry.by else writer, yes, beside=judged):
        if rows is None:
            with Dataset.create(target.path) as dataset:
                write_down(plan, recipe, dataset, writer)
        return True
    console.say("nothing was asked, nothing was spent")
    return False


def agreed_to_more(target: Target, recipe: Recipe, dataset: Dataset, writer: Writer, yes: bool) -> bool:
    """Says what it will take after all until `sample.keep` rows are kept, and asks where it has to be asked.

    Raises:
        RecipeError: it has to be asked, and nobody is there.
    """
    from pipeline.generate import outlook_of, plan_run

    console.fact("keep", _outcome.outlook(outlook_of(recipe, None, dataset, writer, whole=True)[1]))
    return _spend.consent(plan_run(recipe, dataset, _priced(target, writer)), target, writer, yes, known=True)


def batch_of(target: Target, writer: Writer) -> BatchHost | None:
    """Who takes batches, where `--batch` wants them.

    Raises:
        RecipeError: the host takes none.
    """
    from pipeline.providers import batch_host

    return batch_host(writer.provider.namespace, target.settings, os.environ) if target.settings.batch else None


def _priced(target: Target, writer: Writer) -> Writer:
    """The writer at the price that is paid."""
    return writer.in_batches() if target.settings.batch else writer


def make_rows(target: Target, recipe: Recipe, dataset: Dataset, writer: Writer, options: Options) -> Generated:
    """Makes the rows that are missing, with a panel where there is a terminal."""
    from pipeline.generate import generate

    with Panel(target.name) as panel:
        told = replace(options, keeps=keeps(recipe, dataset.path))
        return generate(recipe, dataset, writer, target.settings, told, panel.update)


def keep_rows(
    target: Target, recipe: Recipe, dataset: Dataset, writer: Writer, options: Options, yes: bool
) -> Kept:
    """As `make_rows`, on until the recipe's `sample.keep` rows are kept; a line for each round."""
    from pipeline import run

    panel = Panel(target.name)

    def more() -> bool:
        with panel.paused():
            return agreed_to_more(target, recipe, dataset, writer, yes)

    told = replace(options, keeps=keeps(recipe, dataset.path))
    rounds = run.keep_rows(recipe, dataset, writer, target.settings, told, panel.update, more)
    while True:
        with panel:
            found = next(rounds)
        if isinstance(found, run.Kept):
            return found
        _outcome.tell_round(found)


def keeps(recipe: Recipe, dataset: Path) -> Callable[[Sample], bool] | None:
    """Whether the recipe's row rules keep a row; None where it has none. For the panel: curating decides.

    Raises:
        RecipeError: an unknown rule or option; better said before anything is paid.
    """
    from pipeline.options import own_folder
    from pipeline.rules import RowRule, open_rules

    folder = own_folder(recipe.path, dataset)
    named = [item for item in recipe.curate if folder is not None or not item.name.endswith(".py")]
    rules = open_rules(named, lambda index: recipe.at("curate", recipe.curate.index(named[index])), folder)
    checked = [rule for rule in rules if isinstance(rule, RowRule)]
    if not checked:
        return None
    return lambda sample: all(rule.finding(sample).outcome != "drop" for rule in checked)
