"""The tuned models of a dataset, as their finetune.json says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pipeline.errors import DataError, did_you_mean
from pipeline.store import Dataset

SUCCEEDED = "succeeded"


class File(NamedTuple):
    """A file that a model was tuned on, with its digest then."""

    path: Path
    sha256: str
    rows: int


class Finetune(NamedTuple):
    """A tuned model. `model` is its adapter's folder, or a host's name for it."""

    id: str
    folder: Path
    backend: str
    base: str
    model: str
    settings: dict[str, Any]
    train: File
    validation: File | None
    rehearsal: bool
    finished: str
    remote: dict[str, Any]

    @property
    def local(self) -> bool:
        """Whether it runs on this machine."""
        return not self.remote


def tuned_model(dataset: Dataset, prefix: str | None = None) -> Finetune:
    """A tuned model of the dataset.

    Args:
        dataset: whose.
        prefix: how its id begins; the one that was finished last where it is not given.

    Raises:
        DataError: there is none, or `prefix` begins none or several ids.
    """
    found = sorted(_all(dataset), key=lambda each: (each.finished, each.id))
    if not found:
        raise DataError(f"{dataset.name}: no model was tuned on it yet", f"synth finetune {dataset.name}")
    if prefix is None:
        return found[-1]
    meant = [each for each in found if each.id.startswith(prefix)]
    if not meant:
        near = did_you_mean(prefix, [each.id for each in found])
        raise DataError(f"{dataset.name}: no tuned model's id begins with '{prefix}'", near)
    if len(meant) > 1:
        ids = ", ".join(each.id for each in meant)
        raise DataError(f"{dataset.name}: '{prefix}' begins several ids: {ids}", "type more of it")
    return meant[0]


def _all(dataset: Dataset) -> Iterator[Finetune]:
    for path in sorted((dataset.path / "finetunes").glob("*/finetune.json")):
        try:
            value = orjson.loads(path.read_bytes())
            if value["state"] == SUCCEEDED and value.get("model"):
                yield _finetune(dataset, path.parent, value)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: cannot be read: {error}", f"rm -r {path.parent}   then: synth finetune") from None


def _finetune(dataset: Dataset, folder: Path, value: dict[str, Any]) -> Finetune:
    files = value["data"]
    return Finetune(
        id=value["id"], folder=folder, backend=value["backend"], base=value["base"], model=value["model"],
        settings=value.get("settings") or {}, train=_file(dataset, files["train"]),
        validation=_file(dataset, files["validation"]) if files.get("validation") else None,
        rehearsal=bool(files.get("rehearsal")), finished=str(value.get("finished") or ""),
        remote=value.get("remote") or {},
    )


def _file(dataset: Dataset, value: dict[str, Any]) -> File:
    return File(dataset.path / value["path"], value["sha256"], int(value.get("rows") or 0))
