"""From a line of a training file back to the row that it was written from."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from . import formats
from .errors import DataError, RecipeError
from .export.placing import manifest_in
from .formats import Format, FormatRefusal
from .rows import Row, read
from .store import Dataset
from .types import Example


def rows_of(dataset: Dataset, path: Path, line: int) -> list[Row]:
    """The rows whose conversation a line holds; twins with the same text are all named.

    Args:
        dataset: where the file was exported from.
        path: a file of JSON lines in any of our formats.
        line: 1-based.

    Raises:
        DataError: there is no such line, it is of no format of ours, or no row of the dataset reads like it.
    """
    where = f"{path}:{line}"
    values = _line(path, line)
    form = _written_as(path.parent, values) or formats.recognise(values)
    if form is None:
        raise DataError(f"{where}: of no format that synth writes", f"synth check {path}")
    try:
        wanted = form.read(values)
    except FormatRefusal as refusal:
        raise DataError(f"{where}: {refusal.message}", refusal.fix) from None
    found = [row for row in read(dataset) if _same(form, wanted, row)]
    if not found:
        raise DataError(f"{where}: no row of {dataset.name} reads like it", f"synth export {dataset.name}")
    return found


def _written_as(folder: Path, values: dict[str, object]) -> Format | None:
    """The format of an export's folder with its options, where a line is of it; None where there is no manifest."""
    try:
        form = formats.written_as(manifest_in(folder))
    except RecipeError:
        return None
    return form if form.takes(values) else None


def _same(form: Format, wanted: Example, row: Row) -> bool:
    try:
        return form.same(wanted, row.sample.example())
    except FormatRefusal:
        return False


def _line(path: Path, line: int) -> dict[str, object]:
    with path.open("rb") as file:
        data = next(islice(file, max(0, line - 1), line), None)
    if data is None or line < 1:
        raise DataError(f"{path}:{line}: there is no such line", f"wc -l {path}")
    try:
        values = json.loads(data)
    except ValueError as error:
        raise DataError(f"{path}:{line}: not JSON: {error}", f"synth check {path}") from None
    if not isinstance(values, dict):
        raise DataError(f"{path}:{line}: not a JSON object", f"synth check {path}")
    return values
