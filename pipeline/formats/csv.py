"""A table of two columns, prompt and completion, for spreadsheets and data frames.

RFC 4180 with every value in quotes and LF between records, UTF-8 without BOM; line breaks within a
text stand as they are. It holds what prompt-completion holds, and refuses the rest.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipeline.types import Example

from . import Format, Sink
from ._pair import COLUMNS, PairFormat


class Csv(PairFormat):
    """Prompt and completion as columns."""

    name = "csv"
    suffix = ".csv"
    rank = 90
    lines = False

    def write(self, example: Example, *, ascii: bool = False) -> bytes:  # noqa: A002 - as Format
        """One record without its line break; `ascii` is refused, since a table has no escapes."""
        return _record(self.texts(example, ascii))

    @contextmanager
    def open(self, target: Path, *, ascii: bool = False) -> Iterator[Sink]:  # noqa: A002 - as Format
        """See Format."""
        with target.open("wb", buffering=1 << 20) as file:
            file.write(_record(COLUMNS) + b"\n")
            yield _Records(self, file, ascii)

    def read_back(self, target: Path) -> Iterator[Example]:
        """See Format."""
        return self.table_rows(target)


class _Records:
    """The sink of records."""

    def __init__(self, format: Csv, file: IO[bytes], ascii: bool) -> None:  # noqa: A002 - as Format
        self._format, self._file, self._ascii = format, file, ascii

    def add(self, example: Example, line: bytes | None = None) -> None:
        """See Sink."""
        self._file.write(self._format.write(example, ascii=self._ascii) + b"\n")


def _record(values: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="").writerow(values)
    return text.getvalue().encode("utf-8")


plugin: type[Format] = Csv
