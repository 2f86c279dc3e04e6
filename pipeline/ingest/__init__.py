"""Import: rows that exist become a dataset, each with the place that it came from."""

from __future__ import annotations

from .datasets import import_dataset
from .rows import Imported, import_rows
from .shape import Columns

__all__ = ["Columns", "Imported", "import_dataset", "import_rows"]
