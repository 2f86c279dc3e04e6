"""The stage that tells: one page of HTML on everything that became of a dataset.

    datasets/NAME/report.html      whole in itself: no script, no font, no picture from anywhere else

The same state of a dataset gives the same bytes: the page has the dates of its data and none of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.store.files import write_atomic

if TYPE_CHECKING:
    from pipeline.store import Dataset

REPORT = "report.html"

__all__ = ["REPORT", "write_report"]


def write_report(dataset: Dataset) -> Path:
    """Writes a dataset's page, of whatever stages have run so far.

    Args:
        dataset: the dataset; nothing but the page is written.

    Returns:
        The page's path, `report.html` in the dataset's folder.

    Raises:
        DataError: the dataset's rows, plan or calls are damaged, or the page cannot be written.
    """
    from .material import collect
    from .page import render

    path = dataset.path / REPORT
    write_atomic(path, render(collect(dataset)).encode("utf-8"))
    return path
