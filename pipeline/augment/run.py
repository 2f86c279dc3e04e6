"""Asks for rewrites of the rows that can be saved, and keeps the children that are better than their parents."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.engine import Asker, Limits, Progress, Report, Writer, drive, output_limit, refuse_unknown
from pipeline.errors import DataError
from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.rewrites import Refused
from pipeline.rules import RowRule, open_rules
from pipeline.settings import Settings
from pipeline.store import Dataset, SampleWriter
from pipeline.types import Call, CallRequest, Sample

from .plan import Only, Task, further, raised, rewrites_of, tasks_of


@dataclass(slots=True)
class Tally:
    """What one rewrite did in a run.

    Attributes:
        touched: rows that were rewritten, or asked about.
        calls: questions that a host was asked in this run.
        usd: what these calls did cost; None where a price is unknown.
        gained: children that were written.
        refused: why there was no child -> how many.
    """

    touched: int = 0
    calls: int = 0
    usd: float | None = 0.0
    gained: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def usd_per_row(self) -> float | None:
        """What a row gained did cost; None where nothing was gained or the price is unknown."""
        return self.usd / self.gained if self.gained and self.usd is not None else None

    def then(self, later: Tally) -> Tally:
        """With what came of a later run, which touched again what this one refused."""
        usd = None if self.usd is None or later.usd is None else self.usd + later.usd
        return Tally(self.gained + later.touched, self.calls + later.calls, usd, self.gained + later.gained,
                     later.refused)

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"touched": self.touched, "calls": self.calls, "gained": self.gained, "refused": dict(self.refused),
                "usd": self.usd, "usd_per_row": self.usd_per_row}


class Refusal(NamedTuple):
    """A row that got no child.

    Attributes:
        id: the row's.
        rewrite: what was to rewrite it.
        code: why, in a word.
        reason: what was measured.
    """

    id: str
    rewrite: str
    code: str
    reason: str


@dataclass(slots=True)
class Augmented:
    """What a run did.

    Attributes:
        touched: rows that were rewritten, or asked about.
        free: of these, rows that nobody was asked about.
        added: children that were written.
        aside: of these, children that stand aside: a rehearsal rewrote a real row.
        refusals: the rows that got no child, and why.
        failed: calls without a usable answer.
        by: the same by rewrite.
        interrupted: a person stopped it.
    """

    touched: int = 0
    free: int = 0
    added: int = 0
    aside: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    failed: int = 0
    by: dict[str, Tally] = field(default_factory=dict)
    interrupted: bool = False
    progress: Progress = field(default_factory=Progress)

    @property
    def refused(self) -> Counter[str]:
        """Why answers made no child -> how many."""
        return Counter(refusal.code for refusal in self.refusals)

    @property
    def usd_per_row(self) -> float | None:
        """What a row gained did cost in this run; None where nothing was gained or the price is unknown."""
        return self.progress.usd / self.added if self.added and self.progress.usd is not None else None

    def then(self, later: Augmented) -> Augmented:
        """With what came of a later run, which touched again what this one refused."""
        names = dict.fromkeys([*self.by, *later.by])
        return Augmented(
            self.added + later.touched, min(self.free, self.added) + later.free, self.added + later.added,
            self.aside + later.aside, later.refusals, self.failed + later.failed,
            {name: self.by.get(name, Tally()).then(later.by.get(name, Tally())) for name in names},
            later.interrupted, self.progress + later.progress,
        )

    def as_json(self) -> dict[str, Any]:
        """Counts, as `--json` prints them."""
        return {
            "touched": self.touched, "free": self.free, "added": self.added, "aside": self.aside,
            "refused": dict(self.refused), "refusals": [refusal._asdict() for refusal in self.refusals],
            "failed": self.failed, "usd": self.progress.usd, "usd_per_row": self.usd_per_row,
            "by": {name: tally.as_json() for name, tally in self.by.items()},
            "interrupted": self.interrupted, "noticed": self.progress.noticed,
        }


def augment(
    recipe: Recipe, dataset: Dataset, writer: Writer, settings: Settings, report: Report | None = None,
    only: Only = None,
) -> Augmented:
    """Asks about every row that a rewrite of the recipe is for, and writes the children that hold.

    Parents are left as they are; curating decides between them and children in their place. Run it again, and
    what was answered costs nothing.

    Args:
        recipe: names the rewrites.
        dataset: whose rows.
        writer: who is asked.
        settings: how this machine asks.
        report: receives the counters.
        only: which rows are meant; None for all.

    Raises:
        RecipeError: an unknown rewrite or rule, or a cap that cannot be kept; nothing was sent.
        DataError: in use by another process, or changed by hand.
        ProviderError: the host stopped the run; what came is kept.
    """
    with dataset.lock("samples", "augment"):
        if edits := dataset.hand_edits():
            raise DataError(
                f"{dataset.path / 'samples.jsonl'}: {edits}",
                f"synth generate {dataset.name} --adopt     keeps that as your decisions\n"
                f"synth generate {dataset.name} --restore   brings ours back (a copy of yours is kept)",
            )
        run = _Run(recipe, dataset, writer, only)
        try:
            with dataset.sample_writer() as rows:
                return run.go(rows, settings, report)
        finally:
            dataset.write_failures(dataset.calls.outcomes("failed"))


class _Run:
    """One run."""

    def __init__(self, recipe: Recipe, dataset: Dataset, writer: Writer, only: Only) -> None:
        self.recipe, self.dataset, self.writer, self.only = recipe, dataset, writer, only
        self.rewrites = rewrites_of(recipe, dataset)
        rules = open_rules(recipe.curate, lambda index: recipe.at("curate", index),
                           own_folder(recipe.path, dataset.path))
        self.rules: list[RowRule[Any, Any]] = [rule for rule in rules if isinstance(rule, RowRule)]
        self.done = Augmented(progress=Progress(started=time.monotonic()))

    def go(self, rows: SampleWriter, settings: Settings, report: Report | None) -> Augmented:
        """Asks, and writes children as answers come."""
        chosen, asks = set[tuple[str, str, int, str | None]](), False
        for task in self._tasks():
            chosen.add(task.key)
            asks = asks or task.request is not None
            self.done.free += task.request is None
            self.done.by.setdefault(task.rewrite.name, Tally()).touched += 1
        self.done.touched = self.done.progress.total = len(chosen)
        # only rows that were there before: children arrive in the file that is being read
        tasks = (task for task in self._tasks() if task.key in chosen)
        if asks:
            self._ask(tasks, rows, settings, report)
        else:
            for task in tasks:
                self._take(rows, task)
        return self.done

    def _ask(self, tasks: Iterator[Task], rows: SampleWriter, settings: Settings, report: Report | None) -> None:
        """Asks about the rows whose rewrite wants an answer, and takes the others as they come.

        Raises:
            RecipeError: a cap that cannot be kept.
        """
        writer = self.writer
        refuse_unknown(settings.max_usd, writer.price, output_limit(self.recipe.generate.body()), writer.model)
        limits = Limits.of(settings, self.writer.provider, self.writer.price)
        asker: list[Asker] = []

        def make() -> Asker:
            asker.append(Asker(self.writer.provider, self.dataset.calls, limits, self.done.progress))
            return asker[0]

        async def work(task: Task) -> None:
            calls: list[Call] = []
            request: CallRequest | Refused | None = task.request
            while isinstance(request, CallRequest):
                call = await self._call(asker[0], task, request)
                if call.failure is not None:
                    self.done.failed += 1
                    return
                calls.append(call)
                request = further(task, calls, self.recipe, writer)
            self._take(rows, task, calls, request)

        _, self.done.interrupted = drive(tasks, work, make, report)

    async def _call(self, asker: Asker, task: Task, request: CallRequest) -> Call:
        """The answer about a row, and what it did cost, where it was not there before."""
        known = self.dataset.calls.state(request.id) == "answered"
        call = await asker.ask(request)
        if not known:
            tally = self.done.by[task.rewrite.name]
            tally.calls += 1
            cost = 0.0 if call.failure is not None and call.cost_usd is None else call.cost_usd
            tally.usd = None if tally.usd is None or cost is None else tally.usd + cost
        return call

    def _tasks(self) -> Iterator[Task]:
        return tasks_of(self.rewrites, self.recipe, self.dataset, self.writer, self.only)

    def _take(
        self, rows: SampleWriter, task: Task, calls: Sequence[Call] = (), refused: Refused | None = None
    ) -> None:
        """Writes the child of some answers (none: of a row alone), or counts why there is none."""
        try:
            child = refused or task.rewrite.child(task.sample, *calls)
            if isinstance(child, Sample):
                child = self._worse(task.sample, child) or child
        except Exception as error:  # a rewrite may be anyone's: its fault is a record on this row
            child = raised(task.rewrite, error)
        if isinstance(child, Refused):
            self.done.refusals.append(Refusal(task.sample.id, task.rewrite.name, child.code, child.reason))
            self.done.by[task.rewrite.name].refused[child.code] += 1
        else:
            gained = rows.add(child)
            self.done.added += gained
            self.done.aside += gained and child.rehearsal and not task.sample.rehearsal
            self.done.by[task.rewrite.name].gained += gained
        self.done.progress.done += 1

    def _worse(self, parent: Sample, child: Sample) -> Refused | None:
        """The first of the recipe's rules that drops the child and not its parent."""
        for rule in self.rules:
            found = rule.finding(child)
            if found.outcome == "drop" and rule.finding(parent).outcome != "drop":
                return Refused(rule.name, found.reason)
        return None

