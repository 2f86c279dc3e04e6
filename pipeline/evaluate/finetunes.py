"""The tuned models of a dataset that can be judged, and the files that they were tuned on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import DataError, did_you_mean
from pipeline.store import Dataset
from pipeline.store import finetunes as store
from pipeline.types import Problem

SUCCEEDED = "succeeded"


class File(NamedTuple):
    """A file that a model was tuned on, with its digest then."""

    path: Path
    sha256: str
    rows: int


class TunedModel(NamedTuple):
    """A model that was tuned.

    Attributes:
        folder: `finetunes/<id>`.
        base: the base model's name; at a host, as the host knows it.
        model: the adapter's folder below `folder`, or a host's name for it.
        host: the provider entry that knows both; empty for models on this machine.
        rehearsal: whether it was tuned on rehearsed rows.
    """

    id: str
    folder: Path
    base: str
    model: str
    train: File
    validation: File | None
    rehearsal: bool
    host: str = ""

    @property
    def local(self) -> bool:
        """Whether it runs on this machine."""
        return not self.host


def tuned_model(dataset: Dataset, prefix: str | None = None) -> TunedModel:
    """A tuned model of the dataset.

    Args:
        dataset: whose.
        prefix: how its id begins; the one that was finished last where it is not given.

    Raises:
        DataError: there is none, or `prefix` begins none or several ids.
    """
    problems: list[Problem] = []
    known = store.finetunes(dataset.path, problems.append)
    records = [each for each in known if each.state == SUCCEEDED and each.model]
    if not records and problems:
        raise DataError(problems[0].message, problems[0].fix)
    if not records:
        raise DataError(f"{dataset.name}: no model was tuned on it yet", f"synth finetune {dataset.name}")
    if prefix is None:
        return _model(dataset, max(records, key=lambda each: (each.finished or "", each.id)))
    meant = [each for each in records if each.id.startswith(prefix)]
    exact = [each for each in meant if each.id == prefix]
    if not meant:
        near = did_you_mean(prefix, [each.id for each in records])
        raise DataError(f"{dataset.name}: no tuned model's id begins with '{prefix}'", near)
    if len(meant) > 1 and not exact:
        ids = ", ".join(each.id for each in meant)
        raise DataError(f"{dataset.name}: '{prefix}' begins several ids: {ids}", "type more of it")
    return _model(dataset, (exact or meant)[0])


def _model(dataset: Dataset, record: store.Finetune) -> TunedModel:
    folder = store.folder_of(dataset.path, record.id)
    try:
        train, held = record.data["train"], record.data.get("validation")
        host = str(record.remote.get("host") or "openai") if record.remote else ""
        return TunedModel(
            record.id, folder, record.base.removeprefix(f"{host}:") if host else record.base, str(record.model),
            _file(dataset, train), _file(dataset, held) if held else None, bool(record.data.get("rehearsal")), host)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder / store.RECORD}: does not say what it was tuned on: {error!r}",
                        f"synth finetune {dataset.name}") from None


def _file(dataset: Dataset, value: dict[str, Any]) -> File:
    return File(dataset.path / value["path"], str(value["sha256"]), int(value.get("rows") or 0))
