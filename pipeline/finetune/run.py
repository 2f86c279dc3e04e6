"""Tunes as planned, and keeps finetune.json and metrics.jsonl current while a backend works."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.backends import (
    FAILED,
    RUNNING,
    SUCCEEDED,
    TERMINAL,
    RemoteBackend,
    RemoteJob,
    Report,
    Tuned,
    TuneProgress,
    open_backend,
)
from pipeline.errors import DataError, ProviderError, RecipeError, SynthError, did_you_mean
from pipeline.sections import Finetune as Section
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.store.finetunes import (
    Finetune,
    finetunes,
    folder_of,
    forget_metrics,
    keep_recipe,
    log,
    metrics,
    read,
    save,
    summary,
)
from pipeline.store.journal import now
from pipeline.types import Problem

from .plan import Plan, opened

Trace = Callable[[Path, int], list[str]]
"""Ids of the rows that a line of a training file was written from."""

SAVE_S = 5.0
"""Seconds after which losses and time reach the record though nothing else changed: for `models`, and for a kill."""
LONGEST_LINE = 600
"""Characters of a refused line that are shown."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a fine-tune.

    Attributes:
        record: finetune.json as it stands.
        folder: where it lies.
        found: it was there already, and nothing was done.
    """

    dataset: str
    record: Finetune
    folder: Path
    found: bool = False

    @property
    def interrupted(self) -> bool:
        """Whether it goes on, at a host or at the next call."""
        return self.record.state not in TERMINAL

    def require_model(self) -> None:
        """A fine-tune without a model is no success.

        Raises:
            DataError: it failed over a line of a file of ours, which is shown.
            ProviderError: it failed otherwise, or was cancelled.
        """
        record = self.record
        if record.state == SUCCEEDED or self.interrupted:
            return
        if record.state != FAILED:
            raise ProviderError(f"{self.dataset}: fine-tune {record.id} was {record.state}",
                                f"synth finetune {self.dataset}   begins again")
        errors = [problem for problem in record.problems if problem.get("severity") == "error"]
        lines = [f"{self.dataset}: fine-tune {record.id} failed"]
        lines += [f"{problem['where']}: {problem['message']}" for problem in errors]
        shown = next((problem for problem in errors if problem.get("line")), None)
        if shown is not None:
            rows = ", ".join(shown.get("samples") or ()) or "no row of this dataset"
            lines += [f"the line: {shown['line']}", f"its row:  {rows}"]
        hint = next((str(problem["fix"]) for problem in errors if problem.get("fix")), "")
        raise (DataError if shown else ProviderError)("\n".join(lines), hint)


def finetune(
    plan: Plan, report: Report | None = None, *, detach: bool = False, trace: Trace | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Does what was planned, and goes on where an earlier run was stopped.

    Args:
        plan: see `plan_finetune`.
        report: receives what the backend says.
        detach: leave the job to its host once that has it.
        trace: finds the rows behind a line that a host refuses.
        clock: seconds of any beginning.

    Raises:
        DataError: another process is at it.
        RecipeError: `detach` where the backend works on this machine.
        SynthError: the backend cannot go on. What was done is kept; the next run goes on from there.
    """
    dataset, folder = plan.dataset, folder_of(plan.dataset.path, plan.record.id)
    if plan.state == "found":
        return Run(dataset.name, plan.record, folder, found=True)
    if detach and not isinstance(plan.backend, RemoteBackend):
        raise RecipeError(f"{plan.backend.name} tunes in this process: it cannot be left alone",
                          f"nohup synth finetune {dataset.name} &")
    with dataset.lock(f"finetune-{plan.record.id}", "finetune"):
        current = read(folder)
        if current is not None and current.state == SUCCEEDED:  # another process was at it since we planned
            return Run(dataset.name, current, folder, found=True)
        keeper = _Keeper(plan, folder, report, trace, clock)
        keeper.begin()
        try:
            if detach and isinstance(plan.backend, RemoteBackend):
                keeper.end(plan.backend.submit(plan.job, keeper))
            else:
                keeper.end(plan.backend.run(plan.job, keeper))
        except BaseException as error:
            keeper.stop(error)
            raise
    return Run(dataset.name, keeper.record, folder)


class _Keeper:
    """Receives a backend's reports, writes what must last, and passes them on."""

    def __init__(
        self, plan: Plan, folder: Path, report: Report | None, trace: Trace | None, clock: Callable[[], float]
    ) -> None:
        self.record = plan.record
        self._plan, self._folder, self._report, self._trace, self._clock = plan, folder, report, trace, clock
        self._began = self._saved = clock()
        self._before = plan.record.seconds
        self._warnings: list[Problem] = []

    def begin(self) -> None:
        """Makes the folder, or takes up the one that is there."""
        if self._plan.state == "retried":
            forget_metrics(self._folder)
        if self._plan.recipe is not None:
            keep_recipe(self._folder, self._plan.recipe)
        self._save(problems=[])

    def __call__(self, progress: TuneProgress) -> None:
        """One report: what must last is on disk when this returns."""
        if progress.logged is not None:
            log(self._folder, [{"at": now(), **progress.logged}])
        changes: dict[str, Any] = {}
        if progress.parameters is not None:
            changes["parameters"] = progress.parameters._asdict()
        if progress.remote is not None and progress.remote != self.record.remote:
            changes["remote"] = dict(progress.remote)
        if progress.warning is not None:
            self._warnings.append(progress.warning)
            changes["problems"] = [asdict(each) for each in self._warnings]
        if progress.logged is not None and self._clock() - self._saved >= SAVE_S:
            changes["metrics"] = summary(metrics(self._folder))
        if changes:
            self._save(**changes)
        if self._report is not None:
            self._report(progress)

    def end(self, tuned: Tuned) -> None:
        """Writes what came of it; a job that its host goes on with stays running."""
        lines = summary(metrics(self._folder))
        known = {key: value for key, value in tuned.metrics.items() if value is not None}
        over = tuned.state in TERMINAL
        remote = tuned.remote if tuned.remote is not None else self.record.remote
        self._save(
            state=tuned.state if over else RUNNING, finished=now() if over else None, metrics={**lines, **known},
            model=tuned.model, parameters=tuned.parameters._asdict() if tuned.parameters else self.record.parameters,
            base_digest=tuned.base_digest, cost_usd=tuned.cost_usd, remote=dict(remote) if remote is not None else None,
            problems=[self._told(each) for each in dict.fromkeys((*self._warnings, *tuned.problems))],
        )

    def stop(self, error: BaseException) -> None:
        """Says in the record why it does not go on now; the next run takes it up."""
        text = error.message if isinstance(error, SynthError) else str(error)
        why = Problem("error", "stopped", self.record.id, text or type(error).__name__,
                      f"synth finetune {self._plan.dataset.name}   goes on from here")
        with suppress(DataError):  # a full disk may be the reason
            self._save(problems=[asdict(each) for each in (*self._warnings, why)],
                       metrics=summary(metrics(self._folder)))

    def _save(self, **changes: Any) -> None:
        seconds = round(self._before + self._clock() - self._began, 3)
        self._saved = self._clock()
        self.record = replace(self.record, seconds=seconds, **changes)
        save(self._folder, self.record)

    def _told(self, problem: Problem) -> dict[str, Any]:
        """A problem as the record has it; one with a line of a file of ours shows the line and its rows."""
        value = asdict(problem)
        path, colon, number = problem.where.rpartition(":")
        ours = {str(each) for each in (self._plan.job.train, self._plan.job.validation) if each}
        if colon and path in ours and number.isdecimal():
            with Path(path).open("rb") as file:
                line = next(islice(file, int(number) - 1, int(number)), b"").decode("utf-8", "replace").rstrip("\n")
            value["line"] = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"
            value["samples"] = self._rows(Path(path), int(number))
        return value

    def _rows(self, path: Path, number: int) -> list[str]:
        try:
            return self._trace(path, number) if self._trace else []
        except SynthError:
            return []


def find(dataset: Dataset, name: str) -> Finetune:
    """A fine-tune by its id, the beginning of it, or its job's id at the host.

    Raises:
        DataError: there is none, or there are several.
    """
    known = finetunes(dataset.path)
    exact = [each for each in known if name in (each.id, (each.remote or {}).get("job"))]
    found = exact or [each for each in known if each.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    ids = [each.id for each in (found or known)]
    what = "several fine-tunes begin with" if found else "no fine-tune"
    raise DataError(f"{dataset.name}: {what} '{name}'", did_you_mean(name, ids) or f"synth finetune {dataset.name}")


def cancel(dataset: Dataset, name: str, settings: Settings, env: Mapping[str, str]) -> str:
    """Asks the host to end a job of ours. Returns the state that it gives.

    Raises:
        DataError: no such fine-tune, or one that no host works on.
        ProviderError: the host refuses.
    """
    record = find(dataset, name)
    backend, options = opened(record, settings, env)
    job = (record.remote or {}).get("job")
    if record.state in TERMINAL:
        what = f"{dataset.name}: fine-tune {record.id} is over: {record.state}"
        raise DataError(what, f"synth models {dataset.name}")
    if not isinstance(backend, RemoteBackend) or not job:
        raise DataError(f"{dataset.name}: no host works on fine-tune {record.id}",
                        "Ctrl-C ends one on this machine; synth finetune goes on with it")
    return backend.cancel(options, str(job))


def jobs(
    section: Section, settings: Settings, env: Mapping[str, str], where: Callable[[str], str] = "finetune.{}".format
) -> list[RemoteJob]:
    """The jobs that a host knows, ours and others, newest first.

    Args:
        section: names backend and base.
        settings: how this machine runs it.
        env: holds keys.
        where: the place of a key of the section.

    Raises:
        RecipeError: the backend has no host.
    """
    backend, options = open_backend(section, settings, env, where)
    if not isinstance(backend, RemoteBackend):
        raise RecipeError(f"{backend.name} tunes on this machine: no host has jobs of it",
                          "synth models   lists what was tuned")
    return backend.jobs(options)
