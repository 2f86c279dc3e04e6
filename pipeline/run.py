"""Orders the stages: the only place where one follows another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pipeline.engine import Report
from pipeline.errors import ProviderError, SynthError, YieldError
from pipeline.generate import Generated, Options, Outlook, Retry, Writer, calls_ahead, generate, outlook_of
from pipeline.recipe import Recipe
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.store.foreseen import leave_out
from pipeline.words import causes, ranked
from pipeline.writers import judges

if TYPE_CHECKING:
    from pipeline.augment import Augmented, AugmentPlan
    from pipeline.backends import Report as TuneReport
    from pipeline.curate import AskBill, Curation
    from pipeline.evaluate.pair import Tell
    from pipeline.finetune import How
    from pipeline.finetune import Plan as TuningPlan
    from pipeline.finetune import Run as TuningRun
    from pipeline.sections import Finetune as Section
    from pipeline.types import Problem

HOPELESS = 50
"""So many rows in a row of which none is kept, or what five kept ones took so far, end a run that wants more kept."""


Agreed: TypeAlias = "Callable[[AugmentPlan | AskBill], bool]"
"""Whether rewrites, or rules that ask, may take what they will."""


class Round(NamedTuple):
    """One round on the way to `sample.keep`: rows that it asked for, and how many are kept now, of how many wanted."""

    rows: int
    kept: int
    goal: int


class Kept(NamedTuple):
    """How the way to `sample.keep` ended.

    Attributes:
        made: what all rounds together did.
        curation: the last one.
        ahead: where the dataset stands now; `ended` says why no more could be drawn.
        declined: a person did not agree to more calls than were foreseen.
    """

    made: Generated
    curation: Curation
    ahead: Outlook
    declined: bool = False

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        ahead = self.ahead
        return {"goal": ahead.goal, "kept": ahead.kept, "asked": ahead.asked, "lost": ahead.lost, "ended": ahead.ended}

    def require(self, recipe: Recipe) -> None:
        """Fewer rows than were wanted are no success.

        Raises:
            YieldError: with what would give more.
        """
        ahead = self.ahead
        if ahead.kept >= ahead.goal or self.made.interrupted:
            return
        there = f"{recipe.name}: {ahead.kept:,} of {ahead.goal:,} rows are kept"
        if self.declined:
            raise YieldError(f"{there}: more calls were not agreed to",
                             f"synth generate {recipe.name} --keep {ahead.goal} --yes")
        more = -(-recipe.sample.repeats * ahead.goal // max(1, ahead.kept))
        given = "repeats" in recipe.sample.model_fields_set
        repeats = f"sample: {{repeats: {more}}} in the recipe, or " if given else ""
        raise YieldError(f"{there}, and no more can be drawn: {ahead.ended}",
                         f"{repeats}more values on an axis\nsynth curate {recipe.name}   says what was dropped")


def check_plugins(recipe: Recipe) -> None:
    """The options of every rule, rewrite and format that a recipe names, and of `evaluate`: better said early.

    Raises:
        RecipeError: an unknown name or option, with its line.
    """
    from pipeline.formats import open_formats
    from pipeline.rewrites import open_rewrites
    from pipeline.rules import open_rules

    folder = recipe.path.parent if recipe.path else None  # of files that options name
    for section, opener in (("curate", open_rules), ("augment", open_rewrites)):
        for index, item in enumerate(getattr(recipe, section)):
            if not item.name.endswith(".py"):  # code is loaded by the stage that runs it
                opener([item], lambda _, at=(section, index): recipe.at(*at), folder)  # type: ignore[misc]
    open_formats(recipe.export.formats, lambda index: recipe.at("export", "formats", index))
    if recipe.evaluate is not None:
        from pipeline.evaluate import how_of

        how_of(recipe)


def keep_rows(
    recipe: Recipe, dataset: Dataset, writer: Writer, settings: Settings, options: Options,
    report: Report | None = None, agreed: Callable[[], bool] = lambda: True, growing: _Growing | None = None,
) -> Iterator[Round | Kept]:
    """Generates and curates by turns until `sample.keep` rows are kept, one round each time the caller asks.

    Args:
        recipe: with a goal.
        dataset: where the rows go.
        writer: who writes.
        settings: how this machine asks.
        options: of `generate`.
        report: receives the counters of the round at work.
        agreed: asked before a round that could take more calls than were foreseen at the last time of asking.
        growing: decides which rows are kept; by the recipe's rules alone where None.

    Yields:
        A Round each, and how it ended at last: enough is kept, no more can be drawn, or a person stopped it.

    Raises:
        YieldError: row after row is dropped; or as `generate`.
        ProviderError: the host stopped, or the cap is reached.
    """
    growing = growing or _Growing(recipe.model_copy(update={"augment": []}), dataset, writer, settings, report)
    retry = None if options.retry is None else Retry(options.retry, options.by)
    bill = calls_ahead(recipe, dataset, writer, outlook_of(recipe, None, dataset, writer, whole=True), retry)
    paid = dataset.calls.spent().answered
    made = generate(recipe, dataset, writer, settings, replace(options, settled=True), report)
    first = curation = growing.curated()
    options = replace(options, adopt=False, restore=False)
    asked, ahead = outlook_of(recipe, None, dataset, writer)
    sent, declined, dry = 0, False, 0 if ahead.kept else ahead.asked
    while ahead.draws and not made.interrupted and not growing.interrupted:
        if dry >= HOPELESS and not sent:
            raise _hopeless(recipe, dataset, ahead, curation, dry)
        spent = dataset.calls.spent().answered - growing.calls - paid
        if spent + calls_ahead(recipe, dataset, writer, (asked, ahead), retry) > bill:
            if not agreed():
                declined = True
                break
            bill = calls_ahead(recipe, dataset, writer, outlook_of(recipe, None, dataset, writer, whole=True), retry)
            paid = dataset.calls.spent().answered - growing.calls
        try:
            done = generate(recipe, dataset, writer, settings, options, report)
        except (ProviderError, YieldError) as error:
            growing.curated(rewrite=False)
            ahead = outlook_of(recipe, None, dataset, writer)[1]
            error.message += f"; {ahead.kept:,} of {ahead.goal:,} rows are kept so far"
            raise
        made = _together(made, done)
        curation = growing.curated()
        options, retry = replace(options, retry=None), None
        before, (asked, ahead) = ahead, outlook_of(recipe, None, dataset, writer)
        sent += len(before.draws)
        dry = 0 if ahead.kept > before.kept else dry + len(before.draws)
        yield Round(len(before.draws), ahead.kept, ahead.goal)
        if dry >= max(HOPELESS, 5 * ahead.asked / max(ahead.kept, 1) if ahead.kept else 0):
            raise _hopeless(recipe, dataset, ahead, curation, dry)
    curation = replace(curation, changed=first.changed, by_before=first.by_before)
    yield Kept(made, curation, ahead, declined)


def _together(before: Generated, later: Generated) -> Generated:
    """Two runs as one."""
    notes = (*(note for note in before.notes if note not in before.gaps), *later.notes)
    return later._replace(
        added=before.added + later.added, rendered=before.rendered + later.rendered,
        progress=before.progress + later.progress, notes=tuple(dict.fromkeys(notes)),
    )


def _hopeless(recipe: Recipe, dataset: Dataset, ahead: Outlook, curation: Curation, dry: int) -> SynthError:
    """Row after row is dropped: why, and what to look at."""
    rules = ranked(curation.tally.by_rule)
    why = ", ".join(f"{rule} {count:,}" for rule, count in rules.items()) or "none had an answer"
    skipped = (dataset.manifest().get("generate") or {}).get("skipped")
    why += f"; skipped: {causes(skipped)}" if skipped else ""
    worst = f" --rule {next(iter(rules))}" if rules else ""
    return YieldError(f"{recipe.name}: none of the last {dry:,} rows is kept; {ahead.kept:,} of {ahead.goal:,} are. "
                      f"Dropped in all: {why}", f"synth inspect {recipe.name}{worst}")


class _Growing:
    """Curates and, where the recipe names rewrites, augments what is dropped and curates again."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, writer: Writer, settings: Settings, report: Report | None,
        agreed: Agreed = lambda plan: True,
    ) -> None:
        self._recipe, self._dataset, self._writer = recipe, dataset, writer
        self._settings, self._report, self._agreed = settings, report, agreed
        self._judges, self._judged, self._stopped = True, 0, False
        self.grown: Augmented | None = None

    @property
    def interrupted(self) -> bool:
        """A person stopped it at rewriting, or while a rule asked."""
        return self._stopped or (self.grown is not None and self.grown.interrupted)

    @property
    def calls(self) -> int:
        """What rewriting and rules that ask sent so far."""
        return self._judged + (sum(tally.calls for tally in self.grown.by.values()) if self.grown else 0)

    def curated(self, rewrite: bool = True) -> Curation:
        """What is kept, rewritten rows among it; after the first time, none is rewritten where enough are kept."""
        from pipeline.augment import augment, plan_augment

        recipe, dataset = self._recipe, self._dataset
        done = self._curate()
        enough = recipe.sample.keep is not None and done.tally.kept >= recipe.sample.keep
        if not rewrite or not recipe.augment or (enough and self.grown) or self.interrupted:
            return done
        plan = plan_augment(recipe, dataset, self._writer)
        if (self.grown and not plan.total) or not self._agreed(plan):
            return done
        grown = augment(recipe, dataset, self._writer, self._settings, self._report)
        came = grown.progress
        leave_out(dataset, came.answered, came.input_tokens, came.output_tokens, came.usd or 0.0)
        self.grown = self.grown.then(grown) if self.grown else grown
        if grown.interrupted:
            return done
        return replace(self._curate(), changed=done.changed, by_before=done.by_before)

    def _curate(self) -> Curation:
        """By the recipe's rules; those that ask do, unless a person does not agree to the bill."""
        from pipeline.curate import Ask, curate

        recipe, dataset = self._recipe, self._dataset
        of = judges(recipe, dataset, self._writer, self._settings)
        ask = Ask(of, self._settings, self._may, self._report)
        try:
            done = curate(dataset, recipe.curate, recipe, ask=ask if self._judges else None)
        except _Declined:
            self._judges = False
            return self._curate()
        if done.asked is not None:
            came = done.asked.progress
            leave_out(dataset, came.answered, came.input_tokens, came.output_tokens, came.usd or 0.0)
            self._judged += came.answered
            self._stopped = done.asked.interrupted
        return done

    def _may(self, bill: AskBill) -> None:
        if not self._agreed(bill):
            raise _Declined


class _Declined(Exception):
    """A person did not agree to what rules that ask would take. Never shown."""


def run_recipe(
    recipe: Recipe, dataset: Dataset, writer: Writer, settings: Settings, options: Options,
    report: Report | None = None,
    agreed: Agreed = lambda plan: True, more: Callable[[], bool] = lambda: True,
) -> Iterator[tuple[str, Any]]:
    """Takes a recipe down the whole road, one stage each time the caller asks for the next.

    Args:
        recipe: what the rows are.
        dataset: where they go.
        writer: who writes.
        settings: how this machine asks.
        options: of `generate`.
        report: receives the counters of the stage at work.
        agreed: whether rows may be rewritten, or rules may ask, at that price; what it depends on is known only once
            the others stand.
        more: whether more calls than were foreseen may be sent until `sample.keep` rows are kept.

    Yields:
        The stage's verb and what it returned: keep (a Round or Kept, where so many rows are to be kept; rewritten rows
        count), generate, augment (where the recipe names a rewrite; of all rounds together), curate, export. An
        interrupted stage is the last one.

    Raises:
        SynthError: of the stage that cannot go on; what the stages before it made stands.
    """
    from pipeline.export import Options as Export  # a stage is loaded when the road comes to it
    from pipeline.export import export

    growing = _Growing(recipe, dataset, writer, settings, report, agreed)
    curation: Curation | None = None
    if recipe.sample.keep is None:
        made = generate(recipe, dataset, writer, settings, options, report)
        yield "generate", made
        if made.interrupted:
            return
        curation = growing.curated()
    else:
        for found in keep_rows(recipe, dataset, writer, settings, options, report, more, growing):
            yield "keep", found
            if isinstance(found, Kept):
                made, curation = found.made, found.curation
        yield "generate", made
        if made.interrupted:
            return
    if growing.grown is not None:
        yield "augment", growing.grown
    if curation is None or growing.interrupted:
        return
    yield "curate", curation
    curation.require_rows(dataset.name)
    yield "export", export(dataset, Export.of(recipe.export, recipe.about))


def plan_tuning(
    recipe: Recipe, dataset: Dataset, settings: Settings, env: Mapping[str, str], how: How | None = None,
    section: Section | None = None,
) -> TuningPlan:
    """What tuning on the dataset's export would do and cost; see `finetune.plan_finetune`."""
    from pipeline.export.check import check_file
    from pipeline.finetune import How, plan_finetune

    def check(train: Path, validation: Path | None) -> list[Problem]:
        found: list[Problem] = []
        check_file(train, found.append, validation=validation)
        return found

    return plan_finetune(recipe, dataset, settings, env, check, how or How(), section)


def tune(plan: TuningPlan, report: TuneReport | None = None, *, detach: bool = False) -> TuningRun:
    """Does what was planned; see `finetune.finetune`. A line that a host refuses is shown with its rows."""
    from pipeline.finetune import finetune
    from pipeline.trace import rows_of

    def trace(path: Path, line: int) -> list[str]:
        return [row.sample.id for row in rows_of(plan.dataset, path, line)]

    return finetune(plan, report, detach=detach, trace=trace)


def run_tuning(
    recipe: Recipe, dataset: Dataset, settings: Settings, env: Mapping[str, str], agreed: Callable[[TuningPlan], bool],
    told: TuneReport | None = None, tell: Tell = lambda *_: None,
) -> Iterator[tuple[str, Any]]:
    """The second half of the road, behind the export: a tuned model, a verdict, and one page that tells the story.

    Args:
        recipe: with a `finetune`.
        dataset: with an export in openai-chat.
        settings: how this machine runs it.
        env: holds keys.
        agreed: whether a model may be tuned at that price.
        told: receives what the backend says.
        tell: receives what the evaluation does.

    Yields:
        finetune, evaluate (of models on this machine; asking a host is a verb of its own), report. Where the
        packages that tuning needs are not here, `untuned` with the line that brings them, then report; the same where
        rehearsed rows would go to a host, with the two ways on; where nothing was held out, `unjudged` with what to do
        about it.
    """
    from pipeline.errors import DataError, MissingExtra, RowsRehearsed
    from pipeline.evaluate import Options as Judge
    from pipeline.evaluate import evaluate, tuned_model
    from pipeline.report import write_report

    try:
        plan = plan_tuning(recipe, dataset, settings, env)
    except (MissingExtra, RowsRehearsed) as error:
        yield "untuned", error
    else:
        if agreed(plan):
            run = tune(plan, told)
            yield "finetune", run
            if run.interrupted:
                return
            run.require_model()
            if tuned_model(dataset, run.record.id).local:
                try:
                    judged = evaluate(dataset, recipe, run.record.id, Judge(settings=settings), tell)
                except DataError as error:
                    yield "unjudged", error
                else:
                    yield "evaluate", judged
                    if judged.interrupted:
                        return
    yield "report", write_report(dataset)
