"""Rows of Parquet, a batch at a time, as values that JSON has."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, MissingExtra
from pipeline.types import Problem, Severity

from ._json import Row
from ._open import Report

_BATCH = 256


def parquet_rows(stream: BufferedIOBase, path: Path, report: Report) -> Iterator[Row]:
    """One row per row; `number` counts them, `data` is empty.

    A null inside a struct counts as absent, for Parquet cannot say otherwise. Dates are ISO 8601 texts,
    decimals texts. NaN is missing (a note); bytes that are no UTF-8 are left out (a warning).

    Raises:
        DataError: not a Parquet file.
        MissingExtra: pyarrow is not installed.
    """
    file = _open(stream, path)
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH):
            for values in batch.to_pylist():
                number += 1
                at = f"{path}:{number}"
                plain = {name: _plain(value, f"'{name}'", at, report) for name, value in values.items()}
                yield Row(plain, number, 0, 0, b"")
    except (OSError, ValueError) as error:
        report(Problem("error", "parquet", f"{path}:{number + 1}", f"damaged: {str(error).splitlines()[0]}",
                       "copy or download the file again"))


def parquet_columns(stream: BufferedIOBase, path: Path) -> list[str]:
    """The names of the columns."""
    return list(_open(stream, path).schema_arrow.names)


def _open(stream: BufferedIOBase, path: Path) -> Any:
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtra.of("pyarrow", "parquet", f"reading {path}") from None
    try:
        return parquet.ParquetFile(stream)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from None


def _plain(value: Any, column: str, where: str, report: Report) -> Any:
    """A value of Arrow's as JSON has it."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        severity: Severity = "note" if math.isnan(value) else "warning"
        report(Problem(severity, "not-a-number", where, f"{column} is {value}; it is read as missing"))
        return None
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, dict):
        present = {str(key): item for key, item in value.items() if item is not None}
        return {key: _plain(item, f"{column}.{key}", where, report) for key, item in present.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, column, where, report) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            what = f"{column} holds {len(value)} bytes that are no text; they are left out"
            report(Problem("warning", "binary", where, what, "name only columns of text"))
            return None
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)
