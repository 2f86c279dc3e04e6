"""The pre-flight of a training file, ours or another's: every fault with its line and its cure, none hiding another.

What the reader of users' files notices, what each row's format says of it, and what only shows over
rows: too few of them, two shapes in one file, rows that stand twice or on both sides of the split.
Rules and numbers: OpenAI's fine-tuning guide, and the job errors that people have met.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pipeline import formats
from pipeline.digest import canonical, normal_text
from pipeline.errors import DataError, did_you_mean
from pipeline.formats import Format, FormatRefusal
from pipeline.read import Row, encoding_of, kind, rows
from pipeline.types import Example, Problem
from pipeline.words import plural

from .write import MANIFEST, NAMES, measure

if TYPE_CHECKING:
    from pipeline.store.dataset import Dataset

Report = Callable[[Problem], None]

OPENAI = "openai-chat"
FEWEST = 10
"""Rows that a job needs: `invalid_n_examples`, 'must have at least 10 examples'."""

LARGEST = 512 * 10**6
"""Bytes of a file that /files takes; larger ones go through /uploads."""

KEYS = ("messages", "prompt", "completion", "instruction", "output", "conversations", "text")

_IN_A_TRAINING_FILE: dict[str, tuple[Any, str]] = {
    "bom": ("error", "save it as UTF-8 without byte order mark: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE"),
    "blank-line": ("error", "take the line out: hosts want a JSON object on every line"),
    "not-lines": ("error", "one JSON object per line: synth import NAME FILE, then synth export NAME"),
    "duplicate-key": ("error", "give each key once: readers differ in which one they take"),
    "encoding": ("error", "hosts read UTF-8 only: mend these bytes, or write the file again in UTF-8"),
    "crlf": ("warning", "end lines in LF, as every host expects: tr -d '\\r' < FILE > NEW"),
}
"""What a reader forgives and a host does not: code -> (severity, fix)."""


@dataclass(slots=True)
class Checked:
    """What was found in one file.

    Attributes:
        format: the shape of its rows by format name; None where no row has one.
        rows: rows that could be read.
        codes: problem code -> how often.
    """

    path: Path
    format: str | None = None
    rows: int = 0
    errors: int = 0
    warnings: int = 0
    notes: int = 0
    codes: Counter[str] = field(default_factory=Counter)


def check_file(
    path: Path, report: Report, *, target: str | None = None, validation: Path | None = None
) -> list[Checked]:
    """Checks a training file, and a validation file against it.

    Args:
        path: JSON lines, a table, Parquet, or a folder with prompts/ and completions/.
        report: receives every problem as it is found.
        target: a format that the rows must fit, as `openai` or `llama2`; None for that of the rows.
        validation: a second file, none of whose rows may stand in the first one.

    Returns:
        What was found, a value per file.

    Raises:
        DataError: a file cannot be read at all.
        RecipeError: an unknown target.
    """
    wanted = formats.find(target) if target else None
    first = _Check(path, report, wanted)
    first.run()
    done = [first.checked]
    if validation is not None:
        second = _Check(validation, report, wanted, against=first)
        second.run()
        done.append(second.checked)
    return done


def check_dataset(dataset: Dataset, report: Report, *, target: str | None = None) -> list[Checked]:
    """Checks every export of a dataset, and that its files are those of its manifest.

    Args:
        dataset: what was exported.
        report: receives every problem as it is found.
        target: only the export of this format, as `openai` or `llama2`; None for all.

    Raises:
        DataError: nothing was exported yet, or not in that format.
        RecipeError: an unknown target.
    """
    done: list[Checked] = []
    wanted = formats.find(target).name if target else "*"
    for manifest in sorted(dataset.exports.glob(f"{wanted}/{MANIFEST}")):
        listed = orjson.loads(manifest.read_bytes())["files"]
        paths = {Path(file["name"]).stem: manifest.parent / file["name"] for file in listed}
        for file in listed:
            path = manifest.parent / file["name"]
            if path.exists() and measure(path)[1] != file["sha256"]:
                report(Problem("error", "changed-file", str(path), "is not the file that was exported (sha256 differs)",
                               f"synth export {dataset.name} --format {manifest.parent.name}"))
        done += check_file(paths[NAMES[0]], report, target=target, validation=paths.get(NAMES[1]))
    if not done:
        others = sorted(each.parent.name for each in dataset.exports.glob(f"*/{MANIFEST}"))
        what = f"not exported as {wanted}, but as {', '.join(others)}" if others else "nothing is exported yet"
        raise DataError(f"{dataset.name}: {what}",
                        f"synth export {dataset.name}{f' --format {wanted}' if target else ''}")
    return done


class _Check:
    """One file's check.

    Rows are remembered by digests of 8 bytes: about 200 bytes of memory for each row, whatever its length.
    """

    def __init__(self, path: Path, report: Report, target: Format | None, against: _Check | None = None) -> None:
        self.checked = Checked(path)
        self.seen: dict[bytes, int] = {}
        self.asked: dict[bytes, int] = {}
        self._report, self._target, self._against = report, target, against
        self._shape: Format | None = None
        self._known: list[Format] = [each() for each in formats.formats()]

    @cached_property
    def _encoding(self) -> str | None:
        """What the file is in, looked at once and only where something is wrong with it; None where nobody can tell."""
        return encoding_of(self.checked.path)

    def run(self) -> None:
        """Reads all rows and says what is wrong."""
        for row in self._rows():
            self.checked.rows += 1
            self._row(row, f"{self.checked.path}:{row.number}")
        self._whole()

    def _rows(self) -> Iterator[Row]:
        path = self.checked.path
        if path.is_dir():
            from pipeline.read.folders import pairs

            for number, pair in enumerate(pairs(path / "prompts", path / "completions", "name", self._say), 1):
                yield Row({"prompt": pair.prompt, "completion": pair.completion}, number, 0, 0, pair.data)
            return
        yield from rows(path, self._read_problem)

    def _read_problem(self, problem: Problem) -> None:
        """A reader's problem, as heavy as it is in a training file."""
        path = self.checked.path
        lines = not path.is_dir() and kind(path) in ("jsonl", "json")
        if lines and problem.code in _IN_A_TRAINING_FILE:
            severity, fix = _IN_A_TRAINING_FILE[problem.code]
            if problem.code in ("bom", "encoding") and self._encoding != "utf-8":
                fix = f"hosts read UTF-8 only: iconv -f {self._encoding or 'ENCODING'} -t utf-8 FILE > NEW"
            problem = replace(problem, severity=severity, fix=fix.replace("FILE", str(path)))
        if problem.code != "empty":
            self._say(problem)

    def _row(self, row: Row, where: str) -> None:
        shape = self._shape if self._shape and self._shape.recognises(row.values) else self._recognised(row.values)
        if shape is None:
            keys = ", ".join(sorted(map(str, row.values))[:8]) or "none"
            near = [did_you_mean(str(key), KEYS) for key in row.values]
            self._error("unknown-shape", where, f"no known kind of training row; its keys: {keys}",
                        next((clause for clause in near if clause.startswith("did")), 'as {"messages": [...]}'))
            return
        if self._shape is None:
            self._shape, self.checked.format = shape, shape.name
            self._is_target(shape, where)
        elif shape.name != self._shape.name:
            self._error("mixed-shapes", where, f"a row of {shape.name} in a file of {self._shape.name}",
                        "one kind of row per file: import both, export once")
        found = list(shape.problems(row.values, where))
        for problem in found:
            self._say(problem)
        try:
            example = shape.read(row.values)
        except FormatRefusal:
            return  # said by `problems` already
        if self._target is not None and self._target.name != shape.name:
            self._fits_target(example, where, {problem.code for problem in found})
        self._twins(example, row.number, where)

    def _recognised(self, values: dict[str, Any]) -> Format | None:
        return next((each for each in self._known if each.recognises(values)), None)

    def _is_target(self, shape: Format, where: str) -> None:
        """Whether the file's rows have the target's shape; a table's or a folder's are pairs."""
        wanted = self._target
        if wanted is not None and wanted.name != shape.name and wanted.lines:
            self._error("other-shape", where, f"rows of {shape.name}, and {wanted.name} was asked for",
                        f"synth import NAME {self.checked.path}, then synth export NAME --format {wanted.name}")

    def _fits_target(self, example: Example, where: str, said: set[str]) -> None:
        """Whether the target format could hold the row."""
        assert self._target is not None
        try:
            self._target.write(example)
        except FormatRefusal as refusal:
            for problem in refusal.problems(where):
                if problem.code not in said:
                    self._say(replace(problem, where=where))

    def _twins(self, example: Example, number: int, where: str) -> None:
        """Rows that stand twice, here or in the file beside."""
        row = _short(canonical([example.messages, example.tools, example.rejected]))
        asked = " ".join(str(m.get("content")) for m in example.messages if m.get("role") == "user")
        prompt = _short(normal_text(asked).encode("utf-8", "surrogatepass")) if asked.strip() else b""
        if row in self.seen:
            self._say(Problem("warning", "duplicate-row", where, f"the same as line {self.seen[row]}",
                              "keep one of them: synth curate with the rule exact_duplicate"))
        self.seen.setdefault(row, number)
        if prompt:
            self.asked.setdefault(prompt, number)
        if self._against is None:
            return
        other = self._against.checked.path
        if row in self._against.seen:
            self._error("in-both-files", where, f"the same row is line {self._against.seen[row]} of {other}",
                        "take it out of one: what was trained on proves nothing")
        elif prompt in self._against.asked:
            self._say(Problem("warning", "prompt-in-both-files", where,
                              f"the same prompt is in line {self._against.asked[prompt]} of {other}",
                              "split by prompt: synth import, then synth export --split 0.1"))

    def _whole(self) -> None:
        """What only shows when all rows are read."""
        path, count = self.checked.path, self.checked.rows
        openai = self._target is not None and self._target.name == OPENAI
        if not count:
            self._error("no-rows", str(path), "holds no row that can be read", "synth export NAME")
        elif count < FEWEST and self._against is None and (openai or self.checked.format == OPENAI):
            self._say(Problem("error" if openai else "warning", "too-few-rows", str(path),
                              f"{plural(count, 'row')}, and OpenAI's jobs want at least {FEWEST}", "write more rows"))
        if openai and path.is_file() and path.stat().st_size > LARGEST:
            self._error("too-large", str(path), f"{path.stat().st_size:,} bytes, and /files takes {LARGEST:,}",
                        "divide it, or upload it in parts through /uploads")

    def _error(self, code: str, where: str, message: str, fix: str) -> None:
        self._say(Problem("error", code, where, message, fix))

    def _say(self, problem: Problem) -> None:
        self.checked.codes[problem.code] += 1
        if problem.severity == "error":
            self.checked.errors += 1
        elif problem.severity == "warning":
            self.checked.warnings += 1
        else:
            self.checked.notes += 1
        self._report(problem)


def _short(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()
