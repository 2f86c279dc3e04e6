"""Runs the plan: draws through their steps, each answer written down before it counts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from copy import copy
from itertools import islice

from pipeline.engine import (
    Asker,
    Gatherer,
    Limits,
    Progress,
    Report,
    batched,
    drive,
    output_limit,
    refuse_unknown,
    routed,
)
from pipeline.errors import DataError, RecipeError, YieldError
from pipeline.formats import FormatRefusal
from pipeline.grid.axes import Axes, load_axes
from pipeline.grid.draws import wanted
from pipeline.grid.fill import check_templates
from pipeline.marks import Marks
from pipeline.recipe import Recipe
from pipeline.settings import Settings
from pipeline.shapes import refuse_unheeded
from pipeline.store import Dataset, SampleWriter
from pipeline.store.journal import now
from pipeline.store.plan import SURPLUS, WANTED
from pipeline.types import Call, Draw, Problem, Sample

from .failures import Failures
from .history import asked_instead
from .plan import answered, misfit, outlook_of, paid_cells, settled_draws, transitions, writer_digest
from .questions import Made, Outcome, Passed, Question, Retry, Skipped, Unpaired, Unusable, Writer, parameters
from .road import Road
from .rows import Scan, render_anew, row_of_calls, row_of_source, scan, train_digest
from .skip import KIN, kin
from .skip import note as skip_note
from .told import Generated, LeftOut, Options, gaps

HELD = 10_000
"""Draws of axes that are held during a run, some 5 MB: a grid with conditions takes seconds to list. More of them, and
source rows, which may be long, are made again."""


def generate(
    recipe: Recipe, dataset: Dataset, writer: Writer, settings: Settings, options: Options, report: Report | None = None
) -> Generated:
    """Makes the rows that the recipe asks for and that are not there yet.

    With `sample.keep` one round of them: `run.keep_rows` curates and comes again until enough are kept.

    Raises:
        RecipeError: the recipe cannot mean anything; nothing was sent.
        DataError: in use by another process, or changed by hand (with the two ways on).
        ProviderError: the host stopped the run; everything that came is kept.
        YieldError: fewer rows got an answer than the recipe's floor; they are kept.
    """
    axes = load_axes(recipe) if recipe.axes else None
    retry = None if options.retry is None else Retry(options.retry, options.by)
    writer = writer.in_batches() if options.batch else writer
    road = Road(recipe, writer, dataset.path, asked_instead(dataset), retry)
    _capped(recipe, road, settings)
    with dataset.lock("samples", "generate"):
        run = _Run(recipe, dataset, road, settings, options, axes)
        try:
            done = run.go(report)
        except BaseException:
            with suppress(DataError):  # on a full disk the first fault is the one to show
                run.failures.write(dataset, complete=False)
            raise
        run.failures.write(dataset, complete=options.rows is None and not done.interrupted)
        return done


def _capped(recipe: Recipe, road: Road, settings: Settings) -> None:
    """Refuses a cap that cannot be kept: of everybody who may be asked, price and output limit must be known."""
    sent = [parameters(recipe, step) for step in recipe.asks]
    if recipe.pairs is not None:
        sent += [{**sent[-1], **recipe.pairs.second.body()}, recipe.pairs.judge.body()]
    limits = [output_limit(each) for each in sent]
    if limits:
        limit = None if None in limits else max(limit for limit in limits if limit)
        for writer in road.everybody:
            refuse_unknown(settings.max_usd, writer.price, limit, writer.model)


class _Run:
    """One run: the parts that its steps share."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, road: Road, settings: Settings, options: Options, axes: Axes | None
    ) -> None:
        self.recipe, self.dataset, self.road, self.settings = recipe, dataset, road, settings
        self.options, self.axes = options, axes
        self.writer = writer = road.writer
        self.failures = Failures(dataset)
        self.unpaired, self.skipped = Counter[str](), Counter[str]()
        self.marks = {"writer": writer_digest(recipe, writer), "train": train_digest(recipe)}
        self.began = now()
        self.fetched: Callable[[str], bool] = lambda _: False
        self.progress = Progress(started=time.monotonic(), kept=0 if options.keeps else None)
        self.notes: list[str] = []
        self.left_out = LeftOut()
        self.wanted = 0
        self.paid = paid_cells(recipe, dataset)
        self.goal = recipe.sample.keep is not None
        self.held: list[Draw] | None = None
        self.keys = Marks()
        self.others, self.theirs = Marks(), Marks()
        self.renewed: set[str] = set()
        self.standing = self.passed = self.answered = self.added = self.again = 0
        self.unnoted = False

    def go(self, report: Report | None) -> Generated:
        self._hand_edits()
        if rebuilt := self.dataset.rebuild():
            self.notes.append(str(rebuilt))
            self.again += rebuilt.again
        self.dataset.save_recipe(self.recipe)
        self._plan()
        found = scan(self.dataset, self.marks)
        self.others, self.theirs = found.others, found.theirs
        rendered = render_anew(self.recipe, self.dataset) if found.unrendered else 0
        self._note(found)
        interrupted = False
        with self.dataset.sample_writer() as rows:
            if self.recipe.asks:
                interrupted = self._ask(rows, report)
            else:
                self._copy(rows)
        if self.renewed:
            self.dataset.remark(self.renewed, "writer", self.marks["writer"])
        if self.left_out.count:
            self.notes.append(str(self.left_out))
        why = self._gaps()
        noted = self.dataset.manifest()["generate"]
        whole = self.options.rows is None and not (interrupted or self.options.settled or self.progress.elsewhere)
        if whole and noted.get("same") and noted.get("writer") == self.marks["writer"]:
            self.dataset.note("generate", {**noted, "through": True})
        self._floor(interrupted)
        return Generated(
            self.wanted, self.standing, self.added, rendered, interrupted, self.progress, (*self.notes, *why),
            self.again, why,
        )

    def _gaps(self) -> tuple[str, ...]:
        """Why some of what is wanted is no row, though nothing failed; the manifest counts it as well."""
        found = gaps(self.unpaired, self.skipped, self.wanted)
        counts = {"unpaired": self.unpaired.total(), "skipped": dict(self.skipped)}
        if found:
            noted = {key: count for key, count in counts.items() if count}
            self.dataset.note("generate", {**self.dataset.manifest()["generate"], **noted})
        return found

    def _note(self, found: Scan) -> None:
        """Names the writer whose rows are the set, once one of them stands: a run that makes none changes nothing.

        A rehearsal does not take that from rows that were paid for.
        """
        before = self.dataset.manifest().get("generate")
        if not self.recipe.asks or not isinstance(before, dict) or before.get("writer") in (None, self.marks["writer"]):
            self._noted({})
        elif self.writer.provider.rehearsal and found.real:
            self._noted({key: before[key] for key in ("writer", "model", *KIN) if key in before})
            self.notes.append("real rows are there, and stay the set: rows of a rehearsal stand aside")
        elif found.mine or not found.others:
            self._noted({})
        else:
            self.unnoted = True  # until a row comes, those of the writer before are the set

    def _noted(self, kept: Mapping[str, object]) -> None:
        self.unnoted = False
        instead = [each.name for each in self.road.instead]
        also = {"instead": instead} if instead else {}
        asks = writer_digest(self.recipe, self.writer, skips=False)
        kept = kept or kin(self.dataset.manifest().get("generate"), self.marks["writer"], asks)
        self.dataset.note("generate", {**self.marks, "model": self._model(), "rows": self.wanted, **kept, **also})

    def _copy(self, rows: SampleWriter) -> None:
        """Rows of a source that nothing is asked for."""
        for draw in self._draws():
            try:
                self._add(rows, row_of_source(self.recipe, draw, self.marks))
            except FormatRefusal as refusal:
                place = draw.source or {}
                for problem in refusal.problems(f"{place.get('file')}:{place.get('number')}"):
                    self.left_out(problem)

    def _model(self) -> str | None:
        return f"{self.writer.provider.namespace}:{self.writer.model}" if self.recipe.asks else None

    def _hand_edits(self) -> None:
        if self.options.adopt:
            self.notes.append(self.dataset.adopt().adopted())
        elif self.options.restore:
            restored = self.dataset.restore()
            self.notes.append(str(restored))
            self.again += restored.rows
        elif edits := self.dataset.hand_edits():
            raise DataError(
                f"{self.dataset.path / 'samples.jsonl'}: {edits}",
                f"synth generate {self.dataset.name} --adopt     keeps that as your decisions\n"
                f"synth generate {self.dataset.name} --restore   brings ours back (a copy of yours is kept)",
            )

    def _draws(self, problem: Callable[[Problem], None] | None = None) -> Iterator[Draw]:
        """The draws wanted today: held where they are few and small, else made anew each time."""
        if self.held is not None:
            return iter(self.held)
        return islice(wanted(self.recipe, self.axes, paid=self.paid, problem=problem), self.options.rows)

    def _plan(self) -> None:
        """Brings plan.jsonl up to date before anything is sent."""
        refuse_unheeded(self.recipe)
        if self.goal:
            self.held = self._towards_the_goal()
        states = self.dataset.plan.states()
        columns: list[str] = []
        stale, held = 0, list[Draw]()
        for draw in self._draws(self.left_out):
            columns = columns or list(draw.fields)
            if self.recipe.source is None and len(held) <= HELD and not self.goal:
                held.append(draw)
            key = draw.key
            self.keys.add(key)
            self.wanted += 1
            stale += states.get(key) != WANTED
        check_templates(self.recipe, self.axes, columns)
        if not self.goal:
            self.held = held if self.recipe.source is None and len(held) <= HELD else None
        if stale:
            self.dataset.plan.append((draw, WANTED) for draw in self._draws() if states.get(draw.key) != WANTED)
        if self.options.rows is None and not self.options.settled:
            self.dataset.plan.append(
                list(transitions(self.recipe, self.axes, self.dataset, self.writer, self.keys))
            )
        self.progress.total = self.wanted

    def _towards_the_goal(self) -> list[Draw]:
        """What was asked for, and one round more; what changes while it runs moves none of them."""
        if self.options.settled:
            return settled_draws(self.recipe, self.axes, self.dataset, self.writer)
        some = self.options.rows
        asked, ahead = outlook_of(self.recipe, self.axes, self.dataset, self.writer, whole=some is not None)
        return [*asked, *ahead.draws][:some]

    def _ask(self, rows: SampleWriter, report: Report | None) -> bool:
        settings = self.settings
        limits = Limits.of(settings, self.writer.provider, self.writer.price,
                           {each.name: each.price for each in self.road.everybody})
        again = self.options.retry if self.options.retry else self.options.retry is not None
        if self.options.batch is not None:
            return self._ask_in_batches(rows, report, limits, again)
        asker: list[Asker] = []

        def make() -> Asker:
            provider = routed(each.provider for each in self.road.everybody)
            asker.append(Asker(provider, self.dataset.calls, limits, self.progress))
            return asker[0]

        async def work(draw: Draw) -> None:
            self._take(rows, draw, await self._walk(draw, asker[0], again))

        _, interrupted = drive(self._surplus_too(), work, make, report)
        return interrupted

    def _ask_in_batches(
        self, rows: SampleWriter, report: Report | None, limits: Limits, again: bool | tuple[str, ...]
    ) -> bool:
        """As `_ask`, in files of questions; rows come once all that can be asked is answered."""
        host = self.options.batch
        assert host is not None
        others = {each.provider.namespace for each in self.road.everybody} - {host.namespace}
        if others:
            raise RecipeError(f"--batch sends to {host.namespace}, and this recipe asks {min(others)}, too",
                              "leave out --batch")
        gatherer = Gatherer(host, self.dataset.calls, limits, self.progress)
        self.fetched = gatherer.fetched
        before = copy(self.left_out)

        async def ask(draw: Draw) -> None:
            await self._walk(draw, gatherer, again)

        async def take(draw: Draw) -> None:
            if gatherer.closed and self.left_out is not before:
                self.left_out = before  # what was noted while asking is noted once
            self._take(rows, draw, await self._walk(draw, gatherer, again))

        self.left_out = LeftOut()
        return batched(self._surplus_too, ask, take, gatherer, report)

    async def _walk(self, draw: Draw, asker: Asker | Gatherer, again: bool | tuple[str, ...]) -> Outcome:
        """All questions of a draw: what came of them."""
        asking, call = self.road.ask(draw), None
        while isinstance(question := self._next(draw, asking, call), Question):
            request = question.request
            if question.look:
                call = self.dataset.calls.find(request.id)
            else:
                call = await asker.ask(request, again=again)
        return question

    def _next(
        self, draw: Draw, asking: Generator[Question, Call | None, Outcome], call: Call | None
    ) -> Question | Outcome:
        """The next question of a draw, or what came of all. A draw whose templates fail is a record, never an abort."""
        try:
            return asking.send(call)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        except (RecipeError, DataError) as error:
            self.left_out(misfit(draw, error))
            return None

    def _take(self, rows: SampleWriter, draw: Draw, outcome: Outcome) -> None:
        """Writes the row of a draw, or notes why there is none."""
        self.failures.saw(draw)
        if isinstance(outcome, Made):
            self.failures.made_up_for(outcome.instead)
            try:
                sample = row_of_calls(self.recipe, draw, outcome, self.marks)
            except (RecipeError, DataError) as error:
                self.left_out(misfit(draw, error))
                return
            self._add(rows, sample)
        elif isinstance(outcome, Passed):
            self.passed += 1
        elif isinstance(outcome, Unpaired | Skipped):
            if draw.key in self.keys:
                (self.unpaired if isinstance(outcome, Unpaired) else self.skipped)[outcome.why] += 1
                self.progress.total = (self.progress.total or 1) - 1  # there is no row to come
        elif isinstance(outcome, Unusable) and outcome.call.failure is None:
            self.failures.unusable(draw, outcome)
            if outcome.call.at >= self.began or self.fetched(outcome.call.id):  # no earlier run has told it
                self.progress.failed += 1
                self.progress.failures[outcome.kind] = self.progress.failures.get(outcome.kind, 0) + 1

    def _surplus_too(self) -> Iterator[Draw]:
        """Wanted draws, then paid ones that are no longer asked for and whose rows are gone: they cost nothing.

        With them, those whose rows another writer's name: where today's recipe asks the same, they are its own.
        """
        yield from self._draws()
        if self.options.rows is not None or SURPLUS not in self.dataset.plan.states().counts():
            return
        there = Marks(sample.provenance.get("draw") for sample in self.dataset.samples() if sample.parent is None)
        for draw, state in self.dataset.plan.draws():
            look = state == SURPLUS and draw.source is None and (draw.key not in there or draw.key in self.theirs)
            if look and answered(self.recipe, draw, self.dataset, self.writer):
                yield draw

    def _add(self, rows: SampleWriter, sample: Sample) -> None:
        added = rows.add(sample)
        self.added += added
        if not added and sample.id in self.others:
            self.renewed.add(sample.id)  # its calls are those of today's recipe: only the words around them changed
        if self.unnoted and (added or sample.id in self.renewed):
            self._noted({})
        if sample.provenance["draw"] in self.keys:
            self.answered += 1
            self.standing += not self.dataset.deleted(sample.id)
        self.progress.done += 1
        if self.options.keeps is not None and self.progress.kept is not None:
            self.progress.kept += self.options.keeps(sample)

    def _floor(self, interrupted: bool) -> None:
        """A run with zero rows is never a success, nor one under the recipe's floor."""
        gone = self.skipped.total()
        meant = self.wanted - self.passed - gone
        if gone and not meant and not (self.goal or self.progress.elsewhere or interrupted):
            raise YieldError(f"{skip_note(self.skipped, self.wanted)}; no row is left, and what was paid is kept",
                             f"loosen `skip_when`, then: synth plan {self.dataset.name}")
        if interrupted or not meant or self.progress.elsewhere:
            return
        share = (self.answered + self.unpaired.total()) / meant
        if self.answered == 0 or share < self.recipe.generate.floor:
            classes = ", ".join(f"{count} {kind}" for kind, count in sorted(self.progress.failures.items()))
            if 2 * self.left_out.count > meant - self.answered:
                made = f"{self.answered} of {meant} rows could be made"
                raise YieldError(f"{made}: {self.left_out}; all that came is kept",
                                 f"mend the recipe, then: synth plan {self.dataset.name}")
            raise YieldError(
                f"{self.answered} of {meant} rows got an answer, under the floor of "
                f"{self.recipe.generate.floor:.0%} ({classes or 'no new failure'}); all that came is kept",
                f"synth generate {self.dataset.name} --retry   or see {self.dataset.path / 'failures.jsonl'}",
            )
