"""A Parquet file of two text columns, prompt and completion.

Written in groups of 10,000 rows, so that memory stays flat. The same rows give the same bytes with
the same version of pyarrow, whose name stands in the file. It holds what prompt-completion holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import MissingExtra
from pipeline.types import Example

from . import Format, Sink
from ._pair import COLUMNS, PairFormat

_GROUP = 10_000


class Parquet(PairFormat):
    """Prompt and completion as columns of a Parquet file."""

    name = "parquet"
    suffix = ".parquet"
    rank = 91
    lines = False

    @contextmanager
    def open(self, target: Path, *, ascii: bool = False) -> Iterator[Sink]:  # noqa: A002 - as Format
        """See Format.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        try:
            import pyarrow  # type: ignore[import-untyped]
            import pyarrow.parquet  # type: ignore[import-untyped]
        except ImportError:
            raise MissingExtra.of("pyarrow", "parquet", "writing Parquet") from None
        schema = pyarrow.schema([(name, pyarrow.string()) for name in COLUMNS])
        with pyarrow.parquet.ParquetWriter(target, schema, compression="zstd") as writer:
            rows = _Groups(self, ascii, lambda group: writer.write_batch(pyarrow.record_batch(group, schema=schema)))
            yield rows
            rows.flush()

    def read_back(self, target: Path) -> Iterator[Example]:
        """See Format."""
        return self.table_rows(target)


class _Groups:
    """The sink that gathers rows into groups and hands them on."""

    def __init__(self, format: Parquet, ascii: bool, write: Callable[[list[list[str]]], None]) -> None:  # noqa: A002
        self._format, self._ascii, self._write = format, ascii, write
        self._columns: list[list[str]] = [[], []]

    def add(self, example: Example, line: bytes | None = None) -> None:
        """See Sink."""
        for column, text in zip(self._columns, self._format.texts(example, self._ascii), strict=True):
            column.append(text)
        if len(self._columns[0]) >= _GROUP:
            self.flush()

    def flush(self) -> None:
        """Hands on what has been gathered."""
        if self._columns[0]:
            self._write(self._columns)
        self._columns = [[], []]


plugin: type[Format] = Parquet
