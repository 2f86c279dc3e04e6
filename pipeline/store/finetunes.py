"""What tuning left in a dataset: `finetunes/<id>/` with finetune.json, metrics.jsonl, the recipe and the adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson

from ..errors import DataError
from ..types import Problem
from .files import append_lines, jsonl_bytes, jsonl_reader, loads, write_atomic

FOLDER = "finetunes"
RECORD, METRICS, RECIPE = "finetune.json", "metrics.jsonl", "recipe.yaml"


@dataclass(frozen=True, slots=True)
class Finetune:
    """finetune.json: one model that was tuned, or is being tuned.

    Attributes:
        id: digest of data, backend, base and settings, with `-2` for a repetition; the folder's name.
        state: running, succeeded, failed or cancelled.
        created: UTC, ISO 8601; `finished` too, None while it goes on.
        settings: the backend's options with all their values, and the seed.
        data: train and validation as {path below the dataset, sha256, rows}, and whether rows were rehearsed.
        parameters: {total, trainable}, or None.
        metrics: see `summary`.
        model: the adapter's folder below this one, or a host's name for the model.
        seconds: of work, over all runs.
        problems: code, severity, where, message, fix of each.
        attempt: 1, and one more after each failure.
        cost_usd: of this attempt; None while it is not known.
        usd_worst: the most it may cost, counted while the cost is not known.
        earlier_usd: what attempts before this one cost.
        remote: what a host knows it by.
        more: what another version of synth wrote, kept as it is.
    """

    id: str
    backend: str
    base: str
    state: str
    created: str
    finished: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, int] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    base_digest: str | None = None
    seconds: float = 0.0
    problems: list[dict[str, Any]] = field(default_factory=list)
    attempt: int = 1
    cost_usd: float | None = 0.0
    usd_worst: float | None = 0.0
    earlier_usd: float = 0.0
    remote: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def spent_usd(self) -> float:
        """What all attempts cost, or may cost where that is not known yet; 0 without a price."""
        return self.earlier_usd + ((self.usd_worst or 0.0) if self.cost_usd is None else self.cost_usd)

    def as_json(self) -> dict[str, Any]:
        """As the file has it."""
        value = asdict(self)
        more = value.pop("more")
        if self.remote is None:
            del value["remote"]
        return value | {key: each for key, each in more.items() if key not in value}


def folder_of(dataset: Path, finetune: str) -> Path:
    """Where a fine-tune of a dataset lies."""
    return dataset / FOLDER / finetune


def finetunes(dataset: Path, problem: Callable[[Problem], None] | None = None) -> list[Finetune]:
    """All fine-tunes of a dataset, oldest first.

    Args:
        dataset: its folder.
        problem: receives folders whose finetune.json cannot be read.
    """
    found = []
    for path in sorted(dataset.glob(f"{FOLDER}/*/{RECORD}")):
        try:
            finetune = read(path.parent)
        except DataError as error:
            if problem is not None:
                problem(Problem("error", "unreadable-finetune", str(path), error.message, error.hint))
            continue
        if finetune is not None:
            found.append(finetune)
    return sorted(found, key=lambda finetune: (finetune.created, finetune.id))


def tuned_usd(dataset: Path, besides: str | None = None) -> float:
    """What the fine-tunes of a dataset cost, or may cost, without the one of the id `besides`."""
    return sum(each.spent_usd for each in finetunes(dataset) if each.id != besides)


def read(folder: Path) -> Finetune | None:
    """What a folder's finetune.json says; None where there is none.

    Raises:
        DataError: it is damaged.
    """
    path = folder / RECORD
    try:
        value = loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}", f"rm -r {folder}   forgets that fine-tune") from None
    names = {each.name for each in fields(Finetune)} - {"more"}
    needed = ("id", "backend", "base", "state", "created")
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in needed):
        raise DataError(f"{path}: not a fine-tune's record", f"rm -r {folder}   forgets that fine-tune")
    known = {key: each for key, each in value.items() if key in names}
    return Finetune(**known, more={key: each for key, each in value.items() if key not in names})


def save(folder: Path, finetune: Finetune) -> None:
    """Replaces finetune.json as a whole."""
    write_atomic(folder / RECORD, orjson.dumps(finetune.as_json(), option=orjson.OPT_INDENT_2) + b"\n")


def keep_recipe(folder: Path, text: str) -> None:
    """The recipe's text beside what was made of it."""
    write_atomic(folder / RECIPE, text.encode("utf-8"))


def log(folder: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Appends lines to metrics.jsonl."""
    append_lines(folder / METRICS, (jsonl_bytes(dict(line)) for line in lines))


def forget_metrics(folder: Path) -> None:
    """Takes metrics.jsonl away: another attempt begins."""
    (folder / METRICS).unlink(missing_ok=True)


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl by step. Of what was logged twice the later values count, and the first `at`."""
    steps: dict[int, dict[str, Any]] = {}
    for line in jsonl_reader(folder / METRICS):
        step = line.get("step")
        if isinstance(step, int):
            before = steps.get(step, {})
            steps[step] = {**before, **line, **{key: before[key] for key in ("at",) if key in before}}
    return [steps[step] for step in sorted(steps)]


def summary(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """First and last values of what was logged.

    Args:
        lines: as `metrics` gives them.

    Returns:
        steps, train_loss, validation_loss, first_train_loss, first_validation_loss, train_token_accuracy and
        validation_token_accuracy; None for what was never logged. Where a host only told the loss of a batch of the
        validation file (`validation_batch_loss`), that is taken.
    """
    listed = list(lines)

    def known(*keys: str) -> Iterator[float]:
        for key in keys:
            values = [line[key] for line in listed if isinstance(line.get(key), int | float)]
            if values:
                yield from values
                return

    def last(*keys: str) -> float | None:
        return next(reversed(list(known(*keys))), None)

    loss, accuracy = ("validation_loss", "validation_batch_loss"), "validation_token_accuracy"
    return {
        "steps": listed[-1]["step"] if listed else None,
        "train_loss": last("train_loss"), "validation_loss": last(*loss),
        "first_train_loss": next(known("train_loss"), None), "first_validation_loss": next(known(*loss), None),
        "train_token_accuracy": last("train_token_accuracy"),
        "validation_token_accuracy": last(accuracy, "validation_batch_token_accuracy"),
    }
