"""Who tunes: one file per backend. It says what is wrong before anything is spent, then tunes and reports.

The stage `finetune` makes the Job, keeps finetune.json and metrics.jsonl from what a backend reports, and finds a run
again that was made before. A backend writes into the job's folder what is large: an adapter, checkpoints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast, get_args

from pydantic import Field, ValidationError

from .. import options, registry, sections
from ..errors import RecipeError, did_you_mean
from ..settings import Settings
from ..types import Problem

__all__ = ["CANCELLED", "FAILED", "RUNNING", "SUCCEEDED", "TERMINAL", "AnyBackend", "Backend", "Bill", "Job", "Options",
           "Parameters", "RemoteBackend", "RemoteJob", "Report", "TuneProgress", "Tuned", "open_backend"]

SUCCEEDED, FAILED, CANCELLED, RUNNING = "succeeded", "failed", "cancelled", "running"
TERMINAL = frozenset({SUCCEEDED, FAILED, CANCELLED})
"""States in which a run has ended; every other word, known or not, means that it goes on."""


class Options(options.Options):
    """What a recipe's `finetune` may set. A backend adds its own; every default is the recipe's too.

    Attributes:
        base: the model that is tuned.
    """

    base: str = Field("tiny", description="the model that is tuned")


How = TypeVar("How", bound=Options)


@dataclass(frozen=True, slots=True)
class Job(Generic[How]):
    """One model to tune.

    Attributes:
        id: the fine-tune's, and the name of its folder.
        folder: `datasets/NAME/finetunes/<id>`; exists.
        train: JSON lines of the format openai-chat.
        validation: the same, of cells that train does not know; None where nothing was held out.
        options: read and checked by the backend's own model.
        name: the dataset's.
        seed: of everything that is drawn while tuning.
        rehearsal: whether rows of a rehearsal are among them.
        attempt: 1, and one more each time after a failure.
        remote: what an earlier run of this attempt reported as `remote`, before it was killed.
    """

    id: str
    folder: Path
    train: Path
    validation: Path | None
    options: How
    name: str
    seed: int
    rehearsal: bool
    attempt: int = 1
    remote: Mapping[str, Any] = field(default_factory=dict)


class Parameters(NamedTuple):
    """How many numbers a model has, and how many of them are trained."""

    total: int
    trainable: int


@dataclass(frozen=True, slots=True)
class TuneProgress:
    """What a backend says while it works; each report is whole in itself.

    Attributes:
        state: what it is doing, as `loading`, `uploading`, `running`; a host's own words are passed on.
        message: a line for a person; empty where there is none.
        step: steps done.
        steps: steps in all, where that is known.
        train_loss: the last one, in nats per token.
        validation_loss: the last one over the whole validation file.
        seconds_left: by the backend's own reckoning.
        parameters: said once, before the first step.
        logged: a line of metrics.jsonl: step, epoch, train_loss, validation_loss, train_token_accuracy,
            validation_token_accuracy, learning_rate, at (UTC, ISO 8601); what is not known is left out. Of a step
            that is logged again the later values count.
        remote: what a host knows this run by, as file and job ids; it is on disk when `report` returns.
        warning: something a person should know when all is done.
    """

    state: str
    message: str = ""
    step: int = 0
    steps: int | None = None
    train_loss: float | None = None
    validation_loss: float | None = None
    seconds_left: float | None = None
    parameters: Parameters | None = None
    logged: Mapping[str, Any] | None = None
    remote: Mapping[str, Any] | None = None
    warning: Problem | None = None


Report = Callable[[TuneProgress], None]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of a job.

    Attributes:
        state: succeeded, failed or cancelled; another word where a host still works on it (`--detach`).
        model: the adapter's folder relative to the job's, or a host's name as `ft:...`; None where there is none.
        parameters: None where nobody says.
        metrics: what is known beside the lines that were logged; it wins over what follows from them.
        base_digest: of the base model's weights, where they were on this machine.
        problems: what went wrong, and what a person should know.
        cost_usd: None where it costs something and no price is known.
        remote: as TuneProgress.remote, complete.
    """

    state: str
    model: str | None = None
    parameters: Parameters | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    base_digest: str | None = None
    problems: tuple[Problem, ...] = ()
    cost_usd: float | None = 0.0
    remote: Mapping[str, Any] | None = None


class Bill(NamedTuple):
    """What a job will cost.

    Attributes:
        tokens: that are trained on, epochs included.
        exact: False for an estimate.
        epochs: None where the host decides and no rule is known.
        usd_expected: None without a price.
        usd_worst: None without a price.
        note: where the price comes from, with its date.
        unsure: the line that makes the worst case certain, where a host may go over it; empty where it is.
    """

    tokens: int
    exact: bool
    epochs: int | None
    usd_expected: float | None
    usd_worst: float | None
    note: str = ""
    unsure: str = ""


class Backend(ABC, Generic[How]):
    """One way to tune. A subclass names its options once, as `class Lora(Backend[LoraOptions])`.

    Args:
        name: the printed name.
        settings: how this machine runs it.
        env: the environment; holds keys.

    Attributes:
        model: the class of its options.
        fewest: rows that it needs in the training file.
        here: options that say how this machine runs it; they are part of no id.
        remote: whether rows leave this machine, and a host keeps the job.
    """

    model: ClassVar[type[Options]] = Options
    fewest: ClassVar[int] = 1
    here: ClassVar[frozenset[str]] = frozenset({"device", "report_to"})
    remote: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        for base in getattr(cls, "__orig_bases__", ()):
            for found in get_args(base):
                if isinstance(found, type) and issubclass(found, Options):
                    cls.model = found

    def __init__(self, name: str, settings: Settings, env: Mapping[str, str]) -> None:
        self.name = name
        self.settings = settings
        self.env = env

    @abstractmethod
    def problems(self, job: Job[How]) -> list[Problem]:
        """What is wrong with base, options or files, before anything is spent. An error stops the run.

        Raises:
            MissingExtra: a package is needed that is not installed.
            ProviderError: a host must be asked, and does not answer.
        """

    def bill(self, job: Job[How]) -> Bill | None:
        """What the job will cost; None where it costs nothing."""
        return None

    @abstractmethod
    def run(self, job: Job[How], report: Report) -> Tuned:
        """Tunes, from wherever an earlier run of this job was stopped.

        Raises:
            SynthError: what a person can mend; the next run goes on from here.
        """


class RemoteJob(NamedTuple):
    """A job as its host lists it.

    Attributes:
        state: the host's word.
        created: UTC, ISO 8601; empty where the host does not say.
        tuned: the model that came of it.
        finetune: our id, for one that we made.
        dataset: its name, for one that we made.
    """

    id: str
    base: str
    state: str
    created: str
    tuned: str | None
    finetune: str | None
    dataset: str | None


class RemoteBackend(Backend[How]):
    """A backend whose host keeps the job: one may leave it alone and come back."""

    remote: ClassVar[bool] = True

    @abstractmethod
    def submit(self, job: Job[How], report: Report) -> Tuned:
        """As `run`, up to where the host has the job."""

    @abstractmethod
    def jobs(self, options: How) -> list[RemoteJob]:
        """The jobs that the host knows, newest first."""

    @abstractmethod
    def cancel(self, options: How, job_id: str) -> str:
        """Asks the host to end a job; returns its state."""


AnyBackend = Backend[Any]


def open_backend(
    section: sections.Finetune, settings: Settings, env: Mapping[str, str],
    where: Callable[[str], str] = "finetune.{}".format,
) -> tuple[AnyBackend, Options]:
    """The backend that a recipe's `finetune` names, and its options, read and checked.

    Args:
        section: the recipe's.
        settings: how this machine runs it.
        env: the environment.
        where: the place of a key, as `plots.yaml:31`.

    Raises:
        RecipeError: an unknown backend, option or value: all faults of the options, each with its line.
    """
    try:
        name = registry.resolve("backends", section.backend)
        kind = registry.load("backends", section.backend)
    except RecipeError as error:
        raise RecipeError(f"{where('backend')}: {error.message}", error.hint) from None
    if not (isinstance(kind, type) and issubclass(kind, Backend)):
        raise RecipeError(f"{where('backend')}: {name}: `plugin` is no backend", "subclass Backend")
    given = section.model_extra or {}
    if "base" in section.model_fields_set:
        given = {**given, "base": section.base}
    return kind(name, settings, env), _options(name, kind.model, given, where)


def _options(name: str, model: type[Options], given: Mapping[str, Any], where: Callable[[str], str]) -> Options:
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        faults = cast(list[dict[str, Any]], error.errors())
    said: dict[str, list[str]] = {}
    hint = ""
    for fault in faults:
        path = [str(part) for part in fault["loc"]]
        key = path[0] if path else "backend"
        text = str(fault["msg"]).removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            text, near = f"unknown option '{path[-1]}'", did_you_mean(path[-1], model.model_fields)
            hint = hint or near
        elif fault["type"] == "missing":
            text = f"'{'.'.join(path)}' is missing"
        elif path:
            text = f"{key}: {text[:1].lower()}{text[1:]}"
        known = said.setdefault(key, [])
        known.append(text.removeprefix(f"{key}: ") if known else text)  # one of a union's members each
    lines = [f"{where(key)}: {name}: {', or '.join(texts)}" for key, texts in said.items()]
    raise RecipeError("\n".join(lines), hint)
