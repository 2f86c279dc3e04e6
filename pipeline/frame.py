"""A dataset as a pandas DataFrame: `synth.load("plots")`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .locate import dataset_path, no_dataset
from .rows import Row, measures, read, spelled
from .settings import load_settings
from .store import Dataset

if TYPE_CHECKING:
    import pandas

FIRST, LAST = ("id",), (
    "state", "answer", "prompt", "cost_usd", "model", "rehearsal", "parent", "finish_reason",
)
"""Columns before and after those that depend on the dataset: cell.*, fields.*, measure.*."""


def load(name: str | Path, *, datasets: str | Path | None = None) -> pandas.DataFrame:
    """One line per row of a dataset, in order of arrival, as it stands on disk now.

    Hand edits count; rows that were dropped are there too (`frame[frame.state == "kept"]`).

    Args:
        name: a dataset's name, or the path of its folder.
        datasets: the folder that holds the datasets; as in synth.toml where it is not given.

    Returns:
        A frame with these columns:

        - `id`: text. The row's name for `synth inspect NAME ID`.
        - `cell.AXIS`: the axis value as the recipe has it: text, or numbers. NaN where a row has no such axis.
        - `fields.NAME`: columns of the source row and outputs of earlier steps; object dtype where they are mixed.
        - `measure.RULE`: what a rule measured (underscores for hyphens), as `measure.length` in the rule's own
          unit: float64 or int64 for numbers, object for texts. NaN where it was not measured.
        - `state`: `kept`; `dropped`; `new` where it was not curated or was changed since; `aside` where it is no
          part of the set today: of an earlier prompt or model, of a cell that was taken out, or rehearsed
          beside real rows.
        - `answer`, `prompt`: text of the last assistant and the last user turn.
        - `cost_usd`: float64, US dollars; NaN where no price is known, 0.0 for a rehearsal.
        - `model`, `parent`, `finish_reason`: text or None. `rehearsal`: bool.

        `frame.attrs["path"]` is the dataset's folder. `frame.attrs["rules"]` maps each RULE, spelled as in
        `measure.RULE`, to its bounds in the last curation, as `{"length": {"min": 800, "max": None}}`: the thresholds
        that the measures were compared with.

    Raises:
        DataError: there is no such dataset.
    """
    import pandas

    flags = {"datasets": Path(datasets)} if datasets is not None else {}
    settings = load_settings(Path.cwd(), os.environ, flags)
    path = dataset_path(str(name), settings)
    if not (path / "manifest.json").is_file():
        raise no_dataset(str(name), Path.cwd(), settings)
    table = _Table()
    with Dataset.open(path) as dataset:
        for row in read(dataset):
            table.add(row)
        noted = dataset.manifest().get("curation") or {}
    frame = pandas.DataFrame(table.ordered()).astype({"cost_usd": "float64", "rehearsal": "bool"})
    frame.attrs["path"] = str(path)
    frame.attrs["rules"] = {spelled(rule["rule"]): rule.get("bounds", rule.get("options", {}))
                            for rule in noted.get("rules", ())}
    return frame


class _Table:
    """Columns that grow together; one that turns up late is empty in the rows before."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in (*FIRST, *LAST)}
        self._rows = 0

    def add(self, row: Row) -> None:
        sample = row.sample
        values: dict[str, Any] = {
            "id": sample.id, "state": row.state, "answer": sample.answer, "prompt": sample.prompt,
            "rehearsal": sample.rehearsal, "parent": sample.parent,
            **{key: sample.provenance.get(key) for key in ("cost_usd", "model", "finish_reason")},
            **{f"cell.{key}": found for key, found in sample.cell.items()},
            **{f"fields.{key}": found for key, found in sample.fields.items()},
            **{f"measure.{key}": found for key, found in measures(row.verdict).items()},
        }
        for key in values:
            if key not in self._columns:
                self._columns[key] = [None] * self._rows
        for key, column in self._columns.items():
            column.append(values.get(key))
        self._rows += 1

    def ordered(self) -> dict[str, list[Any]]:
        """Columns in the order that the docstring of `load` gives."""
        families: list[str] = []
        for family in ("cell.", "fields.", "measure."):
            families += [name for name in self._columns if name.startswith(family)]
        return {name: self._columns[name] for name in (*FIRST, *families, *LAST)}
