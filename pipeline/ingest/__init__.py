"""Import: rows that exist become a dataset, each with the place that it came from."""

from __future__ import annotations

from pipeline.shapes import Columns

from .datasets import import_dataset
from .rows import NO_PROMPT, Imported, import_rows

__all__ = ["NO_PROMPT", "Columns", "Imported", "import_dataset", "import_rows"]
