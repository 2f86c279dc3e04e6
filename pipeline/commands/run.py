"""`synth run`: the whole road, from the recipe to the training files, a tuned model and a report."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _asking, _judged, _outcome, _spend, _tuning
from pipeline.commands import _console as console
from pipeline.commands._doing import Doing
from pipeline.commands._options import Target, json_option, target, yes_option
from pipeline.commands._panel import Panel
from pipeline.errors import RecipeError
from pipeline.words import ranked

if TYPE_CHECKING:
    from pipeline.augment import Augmented, AugmentPlan
    from pipeline.curate import Curation
    from pipeline.engine.progress import Progress
    from pipeline.export import Exported
    from pipeline.finetune import Plan as TuningPlan
    from pipeline.recipe import Recipe
    from pipeline.store import Dataset
    from pipeline.store.foreseen import Reckoning


@click.command("run")
@target(sets=True, asks=True, keep=True, batch=True)
@click.option("--retry", is_flag=True, help="Ask again what failed for good, as refused or unreadable answers.")
@click.option("--adopt", is_flag=True, help="Keep what was changed by hand in samples.jsonl as your decisions.")
@click.option("--restore", is_flag=True, help="Undo what was changed by hand; a copy of yours is kept.")
@click.option("--no-tune", is_flag=True, help="End with the training files, whatever the recipe's `finetune` says.")
@yes_option
@json_option
@click.pass_context
def command(
    context: click.Context, /, target: Target, retry: bool, adopt: bool, restore: bool, no_tune: bool, yes: bool,
    json_: bool,
) -> None:
    """Generates, curates, augments, exports, tunes, evaluates and reports, as the recipe says.

    Where there is no recipe of that name, a shipped one is copied here first: `synth run plots` is a demo in a minute,
    offline. Run it again after an edit: only what is new is asked for.
    """
    from pipeline.commands.augment import rehearsed
    from pipeline.curate import AskBill
    from pipeline.generate import Options
    from pipeline.run import run_recipe
    from pipeline.store import Dataset

    if adopt and restore:
        raise RecipeError("--adopt keeps your changes and --restore undoes them", "give one of the two")
    _bring_starter(target)
    recipe = target.recipe()
    writer = _spend.writer_of(target, recipe)
    keeps = _asking.keeps(recipe, target.path)
    batch = _asking.batch_of(target, writer)
    if not _asking.agreed(target, recipe, writer, None, yes):
        context.exit(1)
    options = Options(retry=() if retry else None, adopt=adopt, restore=restore, keeps=keeps, batch=batch)
    with Dataset.create(target.path) as dataset:
        dataset.verb = target.verb
        screen = _Screen(target.name, recipe, writer.name, tables=not json_)

        def agreed(plan: AugmentPlan | AskBill) -> bool:
            with screen.paused():
                if isinstance(plan, AskBill):
                    _judged.introduce(plan, target, recipe)
                    foreseen = bool(recipe.asks)  # in the bill that was agreed to
                    return _spend.consent(plan, target, plan.writers[0], yes or foreseen, known=True)
                if not plan.total and recipe.sample.keep is not None:
                    rehearsed(plan)
                    return True  # a round with nothing to rewrite
                screen.preview(plan)
                return _spend.consent(plan, target, writer, yes, known=True)

        def more() -> bool:
            with screen.paused():
                return _asking.agreed_to_more(target, recipe, dataset, writer, yes)

        stages = run_recipe(recipe, dataset, writer, target.settings, options, screen.report, agreed, more)
        done = dict(screen.stages(stages, dataset))
        _outcome.tell_cap(dataset, target.settings.max_usd)
        whole = "export" in done and all(written.files for written in done["export"].written)
        if recipe.finetune is not None and not no_tune and whole:
            done |= _tuned(target, recipe, dataset, yes, tables=not json_)
    if json_:
        console.as_json({verb: _as_dict(result) for verb, result in done.items()})
    if any(getattr(result, "interrupted", False) for result in done.values()):
        _outcome.stopped(f"synth run {target.name}")
        context.exit(_outcome.INTERRUPTED)
    _wrote(done, target)
    if "keep" in done:
        done["keep"].require(recipe)
    if "export" in done:
        done["export"].require_most()
    _next(done, target)


def _next(done: dict[str, Any], target: Target) -> None:
    if "report" in done and "evaluate" in done:
        console.next_command(f"synth report {target.name} --open", "one page on all of it")
    elif "finetune" in done:
        console.next_command(f"synth evaluate {target.name}", "the same prompts before and after")
    else:
        console.next_command(f"synth inspect {target.name} --sample 5", "read some of them")


def _tuned(target: Target, recipe: Recipe, dataset: Dataset, yes: bool, tables: bool) -> dict[str, Any]:
    """The half of the road behind the export; without the packages for it, one line that brings them."""
    from pipeline.commands import evaluate, finetune
    from pipeline.run import run_tuning

    panel, doing, done = _tuning.TuningPanel(target.name), Doing(), dict[str, Any]()

    def agreed(plan: TuningPlan) -> bool:
        with panel.paused():
            finetune.introduce(plan)
            return finetune.agreed(plan, target, yes)

    stages = run_tuning(recipe, dataset, target.settings, os.environ, agreed, panel.update, doing.tell)
    screens: dict[str, AbstractContextManager[Any]] = {"": panel, "finetune": doing}
    verb = ""
    while True:
        with screens.get(verb) or nullcontext():
            found = next(stages, None)
        if found is None:
            return done
        verb, result = found
        if verb in ("untuned", "unjudged"):
            console.warn(f"{'not tuned' if verb == 'untuned' else 'not judged'}: {result.message}\n{result.hint}")
            continue
        if verb == "finetune" and tables:
            _tuning.tell(result.record)
        elif verb == "evaluate" and tables and not result.interrupted:
            evaluate.tell(result, 1)
        done[verb] = result


def _bring_starter(target: Target) -> None:
    """Copies the shipped recipe of that name where there is none, and says which files it wrote."""
    if target.only_shipped:
        from pipeline.starters import copy_starter

        console.wrote(*copy_starter(target.name, target.cwd, None))


class _Screen:
    """A panel while a stage asks, a few lines once it is done; without `tables`, stdout is left alone."""

    def __init__(self, name: str, recipe: Recipe, model: str, tables: bool) -> None:
        self.name, self._recipe, self._model = name, recipe, model
        self._tables = tables
        self._panel: Panel | None = None
        self._asked_for = 0
        self._asked: Progress | None = None
        self._closed: Reckoning | None = None
        self._previewed = False

    def report(self, progress: Progress) -> None:
        """Receives the counters of whichever stage is at work."""
        if self._panel is not None:
            self._panel.update(progress)

    def preview(self, plan: AugmentPlan) -> None:
        """The rows that would be rewritten: the first time some of them, later how many."""
        from pipeline.commands.augment import preview

        if self._previewed:
            known = f"; {plan.reused:,} answered before" if plan.reused else ""
            console.fact("rows", f"{console.plural(plan.total, 'row')} to rewrite{known}")
        else:
            preview(plan, f"synth augment {self.name} --dry-run lists them")
        self._previewed = self._previewed or bool(plan.total)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Takes the panel off the terminal while something else is said there."""
        with self._panel.paused() if self._panel else nullcontext():
            yield

    def stages(self, stages: Iterator[tuple[str, Any]], dataset: Dataset) -> Iterator[tuple[str, Any]]:
        """Runs the stages one by one, and tells what each did."""
        from pipeline.run import Round
        from pipeline.store.foreseen import close

        while True:
            with Panel(self.name) as self._panel:
                found = next(stages, None)
            self._panel = None
            if found is None:
                return
            verb, result = found
            if verb == "keep":
                if isinstance(result, Round):
                    _outcome.tell_round(result)
                    continue
                _outcome.tell_lost(result)
            elif verb == "generate":
                _outcome.tell(result, dataset)
                self._asked_for, self._asked = result.standing, result.progress
                self._closed = close(dataset, self._model) if not result.interrupted else None
            elif verb == "augment":
                _augmented(result, self._asked)
            elif verb == "curate":
                _outcome.tell_default(self._recipe)
                console.fact("kept", _curated(result, self._asked_for))
                _outcome.tell_flagged(result.tally.flagged, result.tally.flagged_by_rule, self.name)
                _judged.tell(result.asked, self.name)
                if told := result.overruled():
                    console.warn(told)
                if self._closed is not None:
                    _outcome.tell_bill(dataset, None if result.tally.rewritten else result.tally.kept, self._closed)
            elif verb == "export" and self._tables:
                _exported(result)
            yield verb, result


def _curated(done: Curation, asked_for: int) -> str:
    """`26 of 29 (24 asked for, 5 no longer asked for), 3 dropped (length 2, refusal 1)`."""
    tally = done.tally
    more = {"rewritten": tally.rewritten, "no longer asked for": tally.rows - tally.rewritten - asked_for}
    parts = [f"{count:,} {what}" for what, count in {"asked for": asked_for, **more}.items() if count > 0]
    total = f" ({', '.join(parts)})" if len(parts) > 1 else ""
    by_rule = ", ".join(f"{rule} {count:,}" for rule, count in ranked(tally.by_rule).items() if count)
    dropped = f", {tally.dropped:,} dropped ({by_rule})" if tally.dropped else ""
    aside = sum(done.aside.values())
    return f"{tally.kept:,} of {tally.rows:,}{total}{dropped}" + (f", {aside:,} stand aside" if aside else "")


def _augmented(done: Augmented, before: Progress | None) -> None:
    """What rewriting did, and what it asked beside what was asked `before` it."""
    from pipeline.commands.augment import tell

    tell(done)
    if done.progress.answered:
        usd = None if before is None or before.usd is None or done.progress.usd is None else (
            before.usd + done.progress.usd)
        whole = f"; in all {before.answered + done.progress.answered:,}, {console.money(usd)}" if before else ""
        console.fact("asked", f"{_outcome.asked(done.progress, ' for rewrites')}{whole}")


def _exported(done: Exported) -> None:
    from pipeline.commands.export import show

    show(done, told=("dropped", "flagged"))


def _wrote(done: dict[str, Any], target: Target) -> None:
    """The files that are new, exports on one line; a run that adds no row leaves samples.jsonl as it was."""
    made = done.get("generate")
    if made is None or made.added or made.rendered or "augment" in done:
        console.wrote(target.path / "samples.jsonl")
    if "curate" in done:
        console.wrote(done["curate"].verdicts)
    if "export" in done:
        names = [written.folder.name for written in done["export"].written if written.files]
        console.wrote(target.path / "exports" / (f"{{{','.join(names)}}}" if len(names) > 1 else names[0]))
    console.wrote(*(done[verb].folder for verb in ("finetune", "evaluate") if verb in done))
    if "report" in done:
        console.wrote(done["report"])


def _as_dict(result: Any) -> dict[str, Any]:
    from pipeline.commands.export import as_dict
    from pipeline.export import Exported

    if isinstance(result, Exported):
        return as_dict(result)
    if isinstance(result, Path):
        return {"path": str(result)}
    if hasattr(result, "record"):
        return dict(result.record.as_json())
    if hasattr(result, "as_json"):
        return dict(result.as_json())
    told = {key: value for key, value in result._asdict().items() if key not in ("progress", "notes")}
    return told | ({"noticed": result.progress.noticed} if hasattr(result, "progress") else {})
