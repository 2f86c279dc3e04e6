"""Brings the rows of a file, or of two folders, into a dataset; twice brings nothing twice."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from pipeline.errors import DataError, RecipeError
from pipeline.read import columns as columns_of
from pipeline.read import rows as rows_of
from pipeline.read.source import SourceRow, refuse_encoding, source_rows
from pipeline.recipe import NAME
from pipeline.sections import Source
from pipeline.shapes import Columns, Shape, Templated, example_of, shape_by_names, shape_of
from pipeline.store import Dataset
from pipeline.store.journal import now
from pipeline.types import Message, Problem, Sample

from .snapshot import save, seen_from

Report = Callable[[Problem], None]
NO_PROMPT = "empty-prompt"
"""The warning of a row whose prompt is empty, which is kept; one without a prompt where others have one is refused."""


class Imported(NamedTuple):
    """What an import did.

    Attributes:
        rows: rows that could be read as conversations.
        added: of these, rows that are new.
        changed: rows that were there and read differently now; rows that a hand edited stay.
        there: rows that were there, or that a hand deleted.
        shape: how rows were read.
        first: the messages of the first row.
        notes: what was done about edits by hand.
        recipe: the snapshot, where it was written.
    """

    rows: int
    added: int
    changed: int
    there: int
    shape: str
    first: list[Message]
    notes: tuple[str, ...] = ()
    recipe: Path | None = None


def import_rows(path: Path, source: Source, columns: Columns, cwd: Path, problem: Report, *,
                edits: Literal["adopt", "restore"] | None = None,
                progress: Callable[[int], None] = lambda rows: None) -> Imported:
    """Imports rows. Rows that are there already stay; nothing is written where no row can be read.

    Args:
        path: the dataset's folder; made where there is none.
        source: a file or two folders, relative to `cwd`.
        columns: what was said about the columns.
        cwd: where the command was typed.
        problem: receives what was wrong with a row; such a row is left out.
        edits: what is done with rows that a hand changed in the dataset.
        progress: is told the number of rows so far, every thousand.

    Raises:
        RecipeError: a column that is not there, or rows of no known shape.
        DataError: no such file, no row that can be read, rows edited by hand, or the dataset is in use.
    """
    if not NAME.fullmatch(path.name):
        raise RecipeError(f"'{path.name}' cannot be a dataset's name", "letters, digits, '.', '_' and '-', as my-rows")
    shape = _shape(path.name, source, columns, cwd)
    first_problems: list[Problem] = []

    def report(found: Problem) -> None:
        if found.severity == "error" and not first_problems:
            first_problems.append(found)
        problem(found)

    samples = _samples(path, source, shape, cwd, report)
    first = next(samples, None)
    if first is None:
        where = source.file or f"{source.prompts}, {source.completions}"
        why = f": {first_problems[0].where}: {first_problems[0].message}" if first_problems else ""
        raise DataError(f"{where}: no row can be read{why}", first_problems[0].fix if first_problems else "")
    with Dataset.create(path) as dataset, dataset.lock("samples", "import"):
        notes = _hand_edits(dataset, edits)
        saved = save(dataset, _from_dataset(source, cwd, path), shape)  # first, so that an import cut short has one too
        counts = _write(dataset, first, samples, progress)
    return Imported(*counts, shape.name, first.messages, notes, saved)


def _shape(name: str, source: Source, columns: Columns, cwd: Path) -> Shape:
    """How rows are read; looks at no more than the beginning of the file."""
    if source.file is None:
        said = columns._replace(prompt=columns.prompt or "prompt", completion=columns.completion or "completion")
        if columns.messages is not None:
            raise RecipeError("--messages names a column of a file; two folders have none", "leave --messages out")
        return Templated(said, ("name", "prompt", "completion"), str(source.completions), ("prompt", "completion"))
    file = cwd / source.file
    refuse_encoding(file, source.encoding)
    names = columns_of(file, encoding=source.encoding)
    peeked: list[Problem] = []
    head = rows_of(file, peeked.append, encoding=source.encoding)
    first = next(head, None)
    head.close()  # type: ignore[attr-defined]
    if first is None:
        fault = next((found for found in peeked if found.severity == "error"), None)
        why = f": {fault.where}: {fault.message}" if fault else ""
        raise DataError(f"{source.file}: holds no row that can be read{why}", fault.fix if fault else "")
    shape = shape_of(columns, names, first.values, source.file)
    if shape is None:
        again = (row.values for row in rows_of(file, peeked.append, encoding=source.encoding))
        return shape_by_names(names, again, source.file, _again(name, source))
    return shape


def _again(name: str, source: Source) -> str:
    """The command so far, without what it does not yet say about the columns."""
    encoding = ["--encoding", source.encoding] if source.encoding else []
    return shlex.join(["synth", "import", name, str(source.file), *encoding])


def _samples(path: Path, source: Source, shape: Shape, cwd: Path, report: Report) -> Iterator[Sample]:
    """The rows as samples; what cannot be one is reported."""
    created = now()
    there = _from_dataset(source, cwd, path)
    for row in source_rows(source, cwd, report):
        example = example_of(shape, row.values, _where(row, source), report)
        if example is None:
            continue
        if "user" in shape.train and not any(message.get("role") == "user" for message in example.messages):
            report(Problem("warning", NO_PROMPT, _where(row, source), "its prompt is empty: an answer alone",
                           "fill it, or leave the row out"))
        place = {**row.source, "file": there.file}
        if there.file is None:
            name = row.values["name"]
            place.update(file=f"{there.completions}/{name}", prompt_file=f"{there.prompts}/{name}")
        yield Sample(
            id=row.id, messages=example.messages, fields=example.fields, rejected=example.rejected, label=example.label,
            tools=example.tools, source=place,
            provenance={"imported": shape.format or "columns", "rehearsal": False, "created": created},
        )


def _write(
    dataset: Dataset, first: Sample, rest: Iterator[Sample], progress: Callable[[int], None]
) -> tuple[int, int, int, int]:
    """Adds what is new, renews what reads differently now. Returns rows, added, changed, there."""
    rows = added = changed = 0
    with closing(_Waiting()) as waiting:
        with dataset.sample_writer() as writer:
            for sample in (row for part in ([first], rest) for row in part):
                rows += 1
                if rows % 1000 == 0:
                    progress(rows)
                if writer.add(sample):
                    added += 1
                else:
                    waiting.put(sample)
        if rows > added and any(waiting.renewed(sample) is not None for sample in dataset.samples()):
            changed = _rewrite(dataset, waiting)
    return rows, added, changed, rows - added - changed


def _rewrite(dataset: Dataset, waiting: _Waiting) -> int:
    """Renews rows. Returns how many say something else now; the others only moved in their file."""
    changed = 0

    def renew(sample: Sample) -> Sample | None:
        nonlocal changed
        new = waiting.renewed(sample)
        changed += new is not None and replace(new, source=sample.source, provenance=sample.provenance) != sample
        return new

    dataset.rewrite(renew)
    return changed


class _Waiting:
    """Rows that were there before, as they read now, kept out of memory until they are compared."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for line in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF",
                     "CREATE TABLE rows (id TEXT PRIMARY KEY, row BLOB)", "BEGIN"):
            self._database.execute(line)

    def put(self, sample: Sample) -> None:
        """Keeps what was read of a row."""
        read = [sample.messages, sample.rejected, sample.label, sample.tools, sample.fields, sample.source,
                sample.provenance["imported"]]
        self._database.execute("INSERT OR REPLACE INTO rows VALUES (?, ?)", (sample.id, orjson.dumps(read)))

    def renewed(self, sample: Sample) -> Sample | None:
        """The row as it reads now; None where it reads as it stands, or did not come."""
        found = self._database.execute("SELECT row FROM rows WHERE id = ?", (sample.id,)).fetchone()
        if found is None or "imported" not in sample.provenance:  # another verb made it: its recipe says how it reads
            return None
        messages, rejected, label, tools, fields, source, imported = orjson.loads(found[0])
        new = replace(sample, messages=messages, rejected=rejected, label=label, tools=tools, fields=fields,
                      source=source, provenance={**sample.provenance, "imported": imported})
        return new if new != sample else None

    def close(self) -> None:
        """Forgets everything."""
        self._database.close()


def _hand_edits(dataset: Dataset, edits: Literal["adopt", "restore"] | None) -> tuple[str, ...]:
    if edits == "adopt":
        return (dataset.adopt().adopted(),)
    if edits == "restore":
        return (str(dataset.restore()),)
    if found := dataset.hand_edits():
        raise DataError(
            f"{dataset.path / 'samples.jsonl'}: {found}",
            "the same command with --adopt     keeps that as your decisions\n"
            "the same command with --restore   brings ours back (a copy of yours is kept)",
        )
    return ()


def _from_dataset(source: Source, cwd: Path, path: Path) -> Source:
    """The source as the dataset's own recipe writes it."""
    paths: dict[str, Any] = {
        key: seen_from(value, cwd, path)
        for key in ("file", "prompts", "completions") if (value := getattr(source, key)) is not None
    }
    return source.model_copy(update=paths)


def _where(row: SourceRow, source: Source) -> str:
    return f"{source.file}:{row.source['number']}" if source.file is not None else str(row.source["file"])
