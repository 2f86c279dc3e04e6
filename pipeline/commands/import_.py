"""`synth import`: rows that exist become a dataset."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pipeline.commands import _console as console
from pipeline.commands._options import Target, json_option, target
from pipeline.errors import DataError, RecipeError

if TYPE_CHECKING:
    from pipeline.ingest import Imported
    from pipeline.sections import Source
    from pipeline.types import Problem

SHOWN, COUNTED = 20, 5
"""Problems that are shown one by one; problems from which on they are counted as well."""

SHORT = {"system": "system", "developer": "system", "user": "user", "assistant": "answer", "tool": "tool"}
"""Role -> the label before its text."""

_ESCAPED = re.compile(r"\\(\\?)([nt])")
_READ_AS = {"n": ("\n", "a line break"), "t": ("\t", "a tab")}
"""What is typed behind a backslash -> what it is read as; a second backslash before it keeps it as it stands."""

_ARGUMENTS = ("--prompt", "--completion", "--system", "--messages", "--prompts", "--completions", "--order")


@dataclass(slots=True)
class Faults:
    """What was wrong with rows: counted, and the first ones in full; of notes, the first of each kind."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: list[Problem] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    _last: str = ""

    def __call__(self, problem: Problem) -> None:
        """Takes in one problem; several errors of one row refuse it once."""
        self.counts[problem.severity, problem.code] += 1
        if problem.severity == "error" and problem.where != self._last:
            self.refused += 1
            self._last = problem.where
        if problem.severity == "note":
            self.notes.setdefault(problem.code, problem.message)
        shown = sum(found.severity == problem.severity for found in self.first)
        if problem.severity != "note" and shown < SHOWN:
            self.first.append(problem)

    def of(self, severity: str) -> dict[str, int]:
        """Code -> how many, the most frequent first."""
        return {code: count for (kind, code), count in self.counts.most_common() if kind == severity}


@click.command("import")
@target()
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--prompt", metavar="COLUMN",
              help="Column of what is asked, a template as '{{subject}} {{body}}', or one sentence for all rows.")
@click.option("--completion", metavar="COLUMN", help="Column of what is answered, or a template. Enough on its own.")
@click.option("--system", metavar="TEXT", help="System text of every row: a text, a template or a column.")
@click.option("--messages", metavar="COLUMN", help="Column of whole conversations, where it is not called messages.")
@click.option("--prompts", metavar="DIR", help="Folder of prompts, one text per file.")
@click.option("--completions", metavar="DIR", help="Folder of completions, under the same file names.")
@click.option("--order", type=click.Choice(["given", "name", "name-ignorecase"]), help="Of the joined files. [name]")
@click.option("--encoding", metavar="NAME", help="Of the texts, as cp1252 or utf-16. [utf-8]")
@click.option("--from", "origin", metavar="DATASET", help="Take the rows of another dataset, with their lineage.")
@click.option("--adopt", is_flag=True, help="Keep what a hand changed in samples.jsonl as your decisions.")
@click.option("--restore", is_flag=True, help="Bring our rows back, after a copy of samples.jsonl.")
@json_option
def command(target: Target, file: str | None, json_: bool, **given: Any) -> None:
    """Brings in rows that exist: JSONL, JSON, CSV, TSV, Parquet, two folders of texts, another dataset.

    Chat messages, ShareGPT, Alpaca and prompt/completion are recognised. Texts come in byte for byte. Import a
    file again when it has grown: only new rows are added.

    \b
    synth import chats conversations.jsonl
    synth import tickets tickets.csv --prompt '{{subject}}: {{body}}' --completion label
    synth import stories stories.jsonl --completion text
    synth import mine --prompts prompts/ --completions completions/ --order name
    """
    faults = Faults()
    notes = _unescape(given)
    done = _run(target, file, faults, **given)
    if json_:
        console.as_json({
            "dataset": str(target.path), "rows": done.rows, "added": done.added, "changed": done.changed,
            "there": done.there, "refused": faults.refused, "shape": done.shape,
            "problems": {**faults.of("warning"), **faults.of("error")},
        })
    for note in notes:
        console.fact("note", note, "dim")
    _report(target, done, faults)


def _unescape(given: dict[str, Any]) -> list[str]:
    """Reads `\\n` and `\\t` of templates as they are meant on a command line, in place; returns what was done."""
    notes = []
    for key in ("prompt", "completion", "system"):
        if given[key] is None:
            continue
        kinds = dict.fromkeys(match[2] for match in _ESCAPED.finditer(given[key]) if not match[1])
        given[key] = _ESCAPED.sub(lambda match: match[0][1:] if match[1] else _READ_AS[match[2]][0], given[key])
        notes += [f"--{key}: \\{kind} is read as {_READ_AS[kind][1]}" for kind in kinds]
    return notes


def _run(target: Target, file: str | None, faults: Faults, *, origin: str | None, adopt: bool, restore: bool,
         **given: Any) -> Imported:
    from pipeline.ingest import Columns, import_dataset, import_rows
    from pipeline.locate import dataset_path

    if adopt and restore:
        raise RecipeError("--adopt and --restore exclude each other", "choose one")
    if origin is not None:
        if file is not None or any(given.values()):
            raise RecipeError("--from takes the rows of a dataset as they are: it goes without FILE and other options",
                              f"synth import {target.name} --from {origin}")
        return import_dataset(target.path, dataset_path(origin, target.settings))
    source = _source(target.name, file, given)
    columns = Columns(given["prompt"], given["completion"], given["system"], given["messages"])
    edits: Literal["adopt", "restore"] | None = "adopt" if adopt else "restore" if restore else None
    try:
        done = import_rows(target.path, source, columns, Path(), faults, edits=edits, progress=_count)
    except DataError as error:
        if error.hint.startswith("--encoding "):
            raise DataError(error.message, f"{_typed(target.name, file, given)} {error.hint}") from None
        raise
    if done.rows >= 1000:
        _count(None)
    return done


def _count(rows: int | None) -> None:
    """The rows so far on one line of a terminal, which None clears."""
    if console.terminal():
        click.echo("\r\033[K" if rows is None else f"\r{rows:,} rows", nl=False, err=True)


def _source(name: str, file: str | None, given: dict[str, Any]) -> Source:
    """Where the rows are, by what was typed."""
    from pipeline.sections import Source

    folders = {key: given[key] for key in ("prompts", "completions") if given[key] is not None}
    if (file is None) != bool(folders) or len(folders) == 1:
        what = "a FILE, or two folders" if not folders else "--prompts and --completions go together, without a FILE"
        raise RecipeError(f"import needs {what}" if not folders else what,
                          f"synth import {name} rows.jsonl\n"
                          f"synth import {name} --prompts prompts/ --completions completions/")
    if file is not None and given["order"] is not None:
        raise RecipeError("--order is of two folders; the rows of a file have an order",
                          f"synth export {name} --order {given['order']}")
    return Source(file=file, encoding=given["encoding"], order=given["order"] or "name", **folders)


def _typed(name: str, file: str | None, given: dict[str, Any]) -> str:
    """The command again, as it was typed, less --encoding."""
    words = ["synth", "import", name, *([file] if file else [])]
    for option in _ARGUMENTS:
        if given[option[2:]] is not None:
            words += [option, given[option[2:]]]
    return shlex.join(words)


def _report(target: Target, done: Imported, faults: Faults) -> None:
    """What came in, what did not, one row as it is now, and what is next."""
    parts = [f"{done.added:,} new" if done.added != done.rows else "all new"]
    parts += [f"{done.changed:,} read anew"] if done.changed else []
    parts += [f"{done.there:,} there already"] if done.there else []
    console.fact("rows", f"{console.plural(done.rows, 'row')}, {', '.join(parts)}; {done.shape}")
    for note in done.notes:
        console.warn(note)
    _problems(faults, done)
    for message in done.first:
        content = message.get("content")
        text = content if isinstance(content, str) else "" if content is None else str(content)
        console.fact(SHORT.get(str(message.get("role")), "other"), console.one_line(text, console.width() - 8), "dim")
    console.wrote(target.path / "samples.jsonl", *([done.recipe] if done.recipe else []))
    console.next_command(f"synth curate {target.name}", "measure every row and decide")


def _problems(faults: Faults, done: Imported) -> None:
    """The first problems with their places, then how many there are of each kind."""
    from pipeline.ingest import NO_PROMPT

    alone = faults.counts["warning", NO_PROMPT] == done.rows  # no news of any single row
    for severity, label, verb, style in (("error", "error", "left out", "bad"), ("warning", "warn", "kept", "warn")):
        found = {code: count for code, count in faults.of(severity).items() if code != NO_PROMPT or not alone}
        for problem in (first for first in faults.first if first.severity == severity and first.code in found):
            fix = f"mend these bytes; {problem.fix} if all texts are so" if problem.code == "encoding" else problem.fix
            cure = f"   # {fix}" if fix else ""
            console.fact(label, f"{problem.where}: {problem.message}{cure}", style)
        if sum(found.values()) > COUNTED:
            counts = ", ".join(f"{code} {count:,}" for code, count in found.items())
            console.fact("", f"{sum(found.values()):,} in all, {verb}: {counts}", style)
    if alone:
        console.fact("note", "every prompt is empty: rows of answers alone", "dim")
    if notes := faults.of("note"):
        told = (faults.notes[code] + (f" ({count:,} times)" if count > 1 else "") for code, count in notes.items())
        console.fact("note", "; ".join(told), "dim")
