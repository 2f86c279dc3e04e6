"""What a fine-tune will do and cost, before anything leaves the machine or a step is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Literal

from pipeline.backends import RUNNING, SUCCEEDED, AnyBackend, Backend, Bill, Job, Options, open_backend
from pipeline.digest import digest
from pipeline.errors import CapReached, DataError, ProviderError, RecipeError, RowsRehearsed, SynthError
from pipeline.recipe import Recipe
from pipeline.sections import Finetune as Section
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.store.finetunes import Finetune, finetunes, folder_of, read, tuned_usd
from pipeline.store.journal import now
from pipeline.types import Problem

from .exported import Files, Side, exported

Check = Callable[[Path, Path | None], list[Problem]]
"""Proves a training file, and a validation file against it: what is wrong with them."""

ID = 10
"""Characters of a fine-tune's id: 50 bits, for the few of one dataset."""
SHOWN = 10


@dataclass(frozen=True, slots=True)
class How:
    """How a person wants it done.

    Attributes:
        again: repeat what was done already, beside it.
        allow_rehearsal: rehearsed rows may leave this machine.
    """

    again: bool = False
    allow_rehearsal: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A fine-tune that can begin.

    Attributes:
        record: as it will stand in finetune.json when it begins; as it stands where it is found.
        state: new; resumed, after a kill; retried, after a failure; found, and not repeated.
        bill: None where it costs nothing, or nothing more.
        warnings: what a person should know before.
        recipe: the text that is kept beside it; None where the one before stands.
    """

    dataset: Dataset
    backend: AnyBackend
    job: Job[Any]
    record: Finetune
    state: Literal["new", "resumed", "retried", "found"]
    bill: Bill | None = None
    warnings: tuple[Problem, ...] = ()
    recipe: str | None = None


def plan_finetune(
    recipe: Recipe, dataset: Dataset, settings: Settings, env: Mapping[str, str], check: Check, how: How = How(),
    section: Section | None = None,
) -> Plan:
    """Looks at everything that can be wrong before a model is tuned.

    Args:
        recipe: its `finetune` and `seed` count.
        dataset: with an export in openai-chat.
        settings: how this machine runs it.
        env: holds keys.
        check: proves the files.
        how: what a person wants.
        section: in place of the recipe's `finetune`.

    Raises:
        RecipeError: an unknown backend or option; RowsRehearsed where such rows would leave the machine.
        DataError: no export, a stale one, files that are not sound, or a base that cannot be used.
        ProviderError: the host does not answer or takes no such job; CapReached where it would cost too much.
        MissingExtra: the backend needs a package that is not installed.
    """
    wanted = section or recipe.finetune or Section()
    said = recipe.finetune or Section()
    typed = {key for key in ("backend", "base") if getattr(wanted, key) != getattr(said, key)}
    backend, options = open_backend(
        wanted, settings, env, lambda key: f"--{key}" if key in typed else recipe.at("finetune", key))
    files = exported(dataset, recipe)
    if backend.remote and files.rehearsal and not how.allow_rehearsal:
        real = f"synth run {dataset.name} --model openai:gpt-4.1-mini"
        send = "--allow-rehearsal" if section else f"synth finetune {dataset.name} --allow-rehearsal"
        raise RowsRehearsed(f"{dataset.name}: its rows are a rehearsal, and would go to a host",
                            f"{real}   writes real ones\n{send:<{len(real)}}   sends them as they are")
    record = _record(backend, options, files, recipe.seed, dataset)
    known = _known(dataset, record.id, how.again)
    if known is not None and known.state == SUCCEEDED:
        return Plan(dataset, backend, job_of(dataset, known, options), known, "found")
    if how.again:
        record = replace(record, id=_free(dataset, record.id))
    plan = _continued(dataset, backend, options, record, known)
    if plan.record.remote and plan.record.remote.get("job"):
        return plan  # the host has it: files and prices of today change nothing
    return _examined(replace(plan, recipe=recipe.text), files, check, settings)


def plan_of(dataset: Dataset, record: Finetune, settings: Settings, env: Mapping[str, str]) -> Plan:
    """The plan that goes on with a fine-tune, from its record alone."""
    backend, options = opened(record, settings, env)
    state: Literal["resumed", "found"] = "resumed" if record.state == RUNNING else "found"
    return Plan(dataset, backend, job_of(dataset, record, options), record, state)


def opened(record: Finetune, settings: Settings, env: Mapping[str, str]) -> tuple[AnyBackend, Options]:
    """The backend and options of a fine-tune."""
    known = {key: value for key, value in record.settings.items() if key != "seed"}
    section = Section(backend=record.backend, base=record.base, **known)
    return open_backend(section, settings, env, lambda key: f"finetunes/{record.id}")


def job_of(dataset: Dataset, record: Finetune, options: Options) -> Job[Any]:
    """What a backend gets to do."""
    held = record.data.get("validation")
    return Job(
        record.id, folder_of(dataset.path, record.id), dataset.path / record.data["train"]["path"],
        dataset.path / held["path"] if held else None, options, dataset.name, int(record.settings.get("seed") or 0),
        bool(record.data.get("rehearsal")), record.attempt, record.remote or {},
    )


def _record(backend: AnyBackend, options: Options, files: Files, seed: int, dataset: Dataset) -> Finetune:
    """A fine-tune as it begins. Data, backend, base and settings are its id: the same again is the same."""
    given = options.model_dump(mode="json", exclude={"base", *backend.here})
    settings = {**given, "seed": seed if given.get("seed") is None else given["seed"]}
    sides = [side.sha256 if side else None for side in (files.train, files.validation)]
    data = {"train": _side(files.train, dataset), "rehearsal": files.rehearsal,
            "validation": _side(files.validation, dataset) if files.validation else None}
    name = digest("finetune", sides, backend.name, options.base, settings)[:ID]
    return Finetune(name, backend.name, options.base, RUNNING, now(), settings=settings, data=data)


def _side(side: Side, dataset: Dataset) -> dict[str, Any]:
    return {"path": side.path.relative_to(dataset.path).as_posix(), "sha256": side.sha256, "rows": side.rows}


def _known(dataset: Dataset, finetune: str, again: bool) -> Finetune | None:
    """What is there of the same fine-tune; of repetitions the last one, to go on with where it was killed."""
    if not again:
        return read(folder_of(dataset.path, finetune))
    same = [each for each in finetunes(dataset.path) if each.id.partition("-")[0] == finetune]
    open_ = [each for each in same if each.state != SUCCEEDED]
    return open_[-1] if open_ else None


def _free(dataset: Dataset, finetune: str) -> str:
    """The id of a repetition: `-2` and on."""
    if not folder_of(dataset.path, finetune).exists():
        return finetune
    return next(name for turn in count(2) if not folder_of(dataset.path, name := f"{finetune}-{turn}").exists())


def _continued(
    dataset: Dataset, backend: AnyBackend, options: Options, fresh: Finetune, known: Finetune | None
) -> Plan:
    """Begins anew, goes on after a kill, or tries again after a failure."""
    if known is None:
        return Plan(dataset, backend, job_of(dataset, fresh, options), fresh, "new")
    if known.state == RUNNING:
        return Plan(dataset, backend, job_of(dataset, known, options), known, "resumed")
    record = replace(fresh, id=known.id, attempt=known.attempt + 1, earlier_usd=known.spent_usd)
    return Plan(dataset, backend, job_of(dataset, record, options), record, "retried")


def _examined(plan: Plan, files: Files, check: Check, settings: Settings) -> Plan:
    """Files, base and price."""
    backend, job = plan.backend, plan.job
    checked = _rows(backend, files, job.name)
    _raise(DataError, plan.dataset.name, checked)  # of the same file twice, each row is a fault
    checked += check(job.train, job.validation)
    _raise(DataError, plan.dataset.name, checked)
    found = backend.problems(job)
    _raise(ProviderError if backend.remote else DataError, job.options.base, found)
    bill = backend.bill(job)
    _within(bill, plan, settings)
    known = (*files.notes, *_merged(checked), *found)
    record = plan.record
    if bill is not None:
        record = replace(record, cost_usd=None, usd_worst=bill.usd_worst)
    return replace(plan, bill=bill, warnings=known, record=record)


def _rows(backend: Backend[Any], files: Files, name: str) -> list[Problem]:
    train, held = files.train, files.validation
    found = []
    if train.rows < backend.fewest:
        what = f"{train.rows} rows, and a job needs at least {backend.fewest}"
        found.append(Problem("error", "too-few-rows", str(train.path), what, f"synth curate {name} --diff"))
    if held is not None and held.sha256 == train.sha256:
        what = "is the train file over again: what was trained on proves nothing"
        found.append(Problem("error", "same-file", str(held.path), what, f"synth export {name} --split 0.1"))
    return found


def _raise(kind: type[SynthError], name: str, problems: list[Problem]) -> None:
    """Raises where a problem is an error: all of them, a line each, with the first one's cure."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        return
    lines = [f"{problem.where}: {problem.message}" for problem in errors[:SHOWN]]
    if len(errors) > SHOWN:
        lines.append(f"{name}: and {len(errors) - SHOWN:,} more errors")
    raise kind("\n".join(lines), next((problem.fix for problem in errors if problem.fix), ""))


def _merged(problems: list[Problem]) -> list[Problem]:
    """One of each kind, with how many there are."""
    by_code: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.code != "too-few-rows":  # a backend's own least number counts
            by_code.setdefault(problem.code, []).append(problem)
    return [
        each[0] if len(each) == 1 else replace(each[0], message=f"{each[0].message} ({len(each):,} such rows)")
        for each in by_code.values()
    ]


def _within(bill: Bill | None, plan: Plan, settings: Settings) -> None:
    """Whether the cap allows it: all that the dataset cost counts.

    Raises:
        RecipeError: the worst case is not known.
        CapReached: it could cost more than what is left.
    """
    cap = settings.max_usd
    if bill is None or cap is None:
        return
    base = plan.job.options.base
    if bill.usd_worst is None:
        raise RecipeError(f"a cap needs a price, and none is known for tuning {base}",
                          f'[prices."{base}"] in synth.toml: input, output and training, dollars for a million tokens')
    if bill.unsure:
        raise RecipeError("a cap needs a worst case, and this host may go over ours", bill.unsure)
    spent = spent_usd(plan.dataset, besides=plan.record.id) + plan.record.earlier_usd
    if spent + bill.usd_worst > cap:
        raise CapReached(f"{plan.dataset.name}: ${spent:,.2f} spent, and this could cost ${bill.usd_worst:,.2f} more: "
                         f"over the cap of ${cap:,.2f}", round(spent + bill.usd_worst + 0.005, 2))


def spent_usd(dataset: Dataset, besides: str | None = None) -> float:
    """What a dataset cost: its calls, confirmed or not, and its fine-tunes.

    Args:
        dataset: whose calls and fine-tunes are counted.
        besides: the id of a fine-tune that is left out.
    """
    calls = dataset.calls.spent()
    return calls.usd + calls.unconfirmed_usd + tuned_usd(dataset.path, besides)
