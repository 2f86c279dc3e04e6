"""The pre-flight of a training file, ours or another's: every fault with its line and its cure, none hiding another.

In groups: A, what the reader of users' files notices, too few rows, too many bytes, two shapes in one file. B, what
each row's format says of it. C, what shows over rows (check_across). D, tokens and money (check_tokens). E, what is
wrong with a row as the target's rendered text. Rules and numbers: OpenAI's fine-tuning guide, and the job errors that
people have met.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pipeline import formats
from pipeline.errors import DataError, RecipeError, did_you_mean
from pipeline.formats import Format, FormatRefusal
from pipeline.read import Batch, Row, encoding_of, kind, rows, sifted
from pipeline.types import Example, Problem
from pipeline.words import plural

from .check_across import NEAR_BYTES, Across, by_name, provenance
from .check_target import OPENAI, Target, as_written, for_target, named, target_of
from .check_tokens import Tokens, rendered, spread
from .placing import MANIFEST, measure, side_of
from .write import NAMES, unfit

if TYPE_CHECKING:
    from pipeline.store.dataset import Dataset

Report = Callable[[Problem], None]

GROUPS = "ABCDE"
FEWEST = 10
"""Rows that a job needs: `invalid_n_examples`, 'must have at least 10 examples'."""

LARGE, LARGEST = 512 * 10**6, 8 * 10**9
"""Bytes of a file that /files takes; and that /uploads takes, in parts."""
_HEAD = 20
"""Rows that are looked at to see of which shape the file is."""

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
        facts: what is worth knowing of all rows together: messages, rows without a system or a user message.
        tokens: see Tokens.summary; None where no target was named.
    """

    path: Path
    format: str | None = None
    rows: int = 0
    errors: int = 0
    warnings: int = 0
    notes: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    facts: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] | None = None


def check_file(
    path: Path, report: Report, *, target: Target | str | None = None, validation: Path | None = None,
    groups: str = GROUPS, own: Format | None = None,
) -> list[Checked]:
    """Checks a training file, and a validation file against it.

    Args:
        path: JSON lines, a table, Parquet, or a folder with prompts/ and completions/.
        report: receives every problem as it is found.
        target: who reads it, as `target_of` takes it; None for whoever reads such rows.
        validation: a second file, none of whose rows may stand in the first one.
        groups: which checks: letters of GROUPS.
        own: the format in which the file was written, with its options, where that is known.

    Returns:
        What was found, a value per file.

    Raises:
        DataError: a file cannot be read at all.
        RecipeError: an unknown target.
    """
    wanted = target_of(target) if isinstance(target, str) else target
    first = _Check(path, report, wanted, groups, own=own)
    first.run()
    done = [first.checked]
    if validation is not None:
        second = _Check(validation, report, wanted, groups, against=first, own=own)
        second.run()
        done.append(second.checked)
    return done


def check_dataset(dataset: Dataset, report: Report, *, target: Target | str | None = None) -> list[Checked]:
    """Checks every export of a dataset, and that its files are those of its manifest.

    Args:
        dataset: what was exported.
        report: receives every problem as it is found.
        target: only the export that this one reads, as `openai` or `llama2`; None for all.

    Raises:
        DataError: nothing was exported yet, or not in that format.
        RecipeError: an unknown target.
    """
    done: list[Checked] = []
    goal = target_of(target) if isinstance(target, str) else target
    wanted = goal.format.name if goal and goal.format else "*"
    for manifest in sorted(dataset.exports.glob(f"{wanted}/{MANIFEST}")):
        told = orjson.loads(manifest.read_bytes())
        listed, own = told["files"], None
        with suppress(RecipeError):  # a plug-in that is not here
            own = formats.written_as(told)
        paths = {side_of(file["name"]): manifest.parent / file["name"] for file in listed}
        for file in listed:
            path = manifest.parent / file["name"]
            if path.exists() and measure(path)[1] != file["sha256"]:
                report(Problem("error", "changed-file", str(path), "is not the file that was exported (sha256 differs)",
                               f"synth export {dataset.name} --format {manifest.parent.name}"))
        done += check_file(paths[NAMES[0]], report, target=as_written(goal, own), validation=paths.get(NAMES[1]),
                           own=own)
    if not done:
        others = sorted(each.parent.name for each in dataset.exports.glob(f"*/{MANIFEST}"))
        what = f"not exported as {wanted}, but as {', '.join(others)}" if others else "nothing is exported yet"
        raise DataError(f"{dataset.name}: {what}",
                        f"synth export {dataset.name}{f' --format {wanted}' if target else ''}")
    return done


class _Check:
    """One file's check."""

    def __init__(
        self, path: Path, report: Report, target: Target | None, groups: str, *, against: _Check | None = None,
        own: Format | None = None,
    ) -> None:
        self.checked = Checked(path)
        meant = (own, target.format if target else None)
        self._own = own is not None
        self._names: list[str] = []
        self._meant = [each for each in meant if each is not None and each.kind is not None]
        self._report, self._target, self._against = report, target, against
        self._known: list[Format] = [each() for each in formats.formats()]
        self._told_shape = False
        self._other, self._fits, self._unfit = "", 0, list[Problem]()
        near = path.is_file() and path.stat().st_size <= NEAR_BYTES
        self.across = Across(str(path), near) if "C" in groups else None
        self._tokens = Tokens(str(path), target) if target is not None and "D" in groups else None
        self._renders = "E" in groups
        self._looks_beyond = bool(set(groups) & set("CDE"))

    @cached_property
    def _encoding(self) -> str | None:
        """What the file is in, looked at once and only where something is wrong with it; None where nobody can tell."""
        return encoding_of(self.checked.path)

    @cached_property
    def _shape(self) -> Format | None:
        """The shape that most of the first rows have."""
        if self.checked.path.is_dir():
            return formats.find("prompt-completion")
        head = islice(rows(self.checked.path, lambda _: None), _HEAD)
        found = Counter(shape for row in head if (shape := self._recognised(row.values)) is not None)
        return found.most_common(1)[0][0] if found else None

    def run(self) -> None:
        """Reads all rows and says what is wrong."""
        try:
            for found in self._rows():
                if isinstance(found, Batch):
                    self._batch(found)
                else:
                    self.checked.rows += 1
                    self._row(found, f"{self.checked.path}:{found.number}")
            if self.across is not None:
                self._compared(self.across)
        finally:
            if self.across is not None:
                self.across.close()
        self._whole()
        self.checked.tokens = self._tokens.summary() if self._tokens else None

    def _compared(self, across: Across) -> None:
        for problem in across.whole(self._against.across if self._against else None):
            if problem.code != "empty-prompt" or not {"empty-prompt", "no-user"} & self.checked.codes.keys():
                self._say(problem)  # else each such row was named already
        if across.rows:
            self.checked.facts = {"without_system": across.no_system, "without_user": across.no_user,
                                  "messages": spread(across.turns)}

    def _rows(self) -> Iterator[Row | Batch]:
        path = self.checked.path
        if path.is_dir():
            from pipeline.read.folders import pairs

            for number, pair in enumerate(pairs(path / "prompts", path / "completions", "name", self._say), 1):
                self._names.append(pair.name)
                yield Row({"prompt": pair.prompt, "completion": pair.completion}, number, 0, 0, pair.data)
            return
        yield from sifted(path, self._read_problem, self._sound)

    def _sound(self, lines: Sequence[Mapping[str, Any]], text: bytes) -> int:
        return self._shape.sound(lines, text) if self._shape else 0

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

    def _batch(self, batch: Batch) -> None:
        """Rows of the file's shape with which nothing is wrong by themselves."""
        assert self._shape is not None
        self.checked.rows += len(batch.values)
        self._is_target(f"{self.checked.path}:{batch.number}")
        if self._looks_beyond:
            for number, values in enumerate(batch.values, batch.number):
                self._beyond(self._shape, values, number, set())

    def _row(self, row: Row, where: str) -> None:
        shape = self._shape if self._shape and self._shape.takes(row.values) else self._recognised(row.values)
        if shape is None:
            keys = ", ".join(sorted(map(str, row.values))[:8]) or "none"
            near = [did_you_mean(str(key), KEYS) for key in row.values if key not in KEYS]
            self._error("unknown-shape", where, f"no known kind of training row; its keys: {keys}",
                        next((clause for clause in near if clause.startswith("did")), self._columns(row.values)))
            return
        if not self._told_shape:
            self._is_target(where)
        if self._shape is not None and shape.name != self._shape.name:
            self._error("mixed-shapes", where, f"a row of {shape.name} in a file of {self._shape.name}",
                        "one kind of row per file: import both, export once")
        said = set()
        for problem in shape.problems(row.values, where):
            said.add(problem.code)
            if (heard := for_target(problem, self._target)) is not None:
                self._say(heard)
        if len(row.values) > 1:
            for problem in provenance(row.values, where):
                self._say(problem)
        if self._looks_beyond or self._target is not None:
            self._beyond(shape, row.values, row.number, said)

    def _beyond(self, shape: Format, values: dict[str, Any], number: int, said: set[str]) -> None:
        """What the row is beside the others, for the target, and in tokens."""
        try:
            example = shape.read(values)
        except FormatRefusal:
            return  # said by `problems` already
        target, written, fits = self._target, None, True
        if target is not None and target.format is not None and shape.name not in target.takes:
            written = self._written(target.format, example, f"{self.checked.path}:{number}", said)
            fits = written is not None
        elif self._renders and not said and shape.rendering() is not None:
            self._proven(shape, values, example, f"{self.checked.path}:{number}")
        if self.across is not None and not shape.asks:
            for problem in self.across.add(example, number):
                self._say(problem)
        if self._tokens is not None and target is not None and fits:
            for problem in self._tokens.add(example, rendered(target, values, written), number):
                self._say(problem)

    def _columns(self, values: dict[str, Any]) -> str:
        """What to do about columns of no known shape: those of a table that was never made into rows are imported."""
        texts = [key for key, value in values.items() if isinstance(value, str) and value.strip()]
        if self._shape is not None or not texts:
            return 'as {"messages": [...]}'
        words = ["synth", "import", "NAME", str(self.checked.path)]
        words += ["--prompt", texts[-2]] if len(texts) > 1 else []
        return f"{shlex.join([*words, '--completion', texts[-1]])}   # or other columns"

    def _recognised(self, values: dict[str, Any]) -> Format | None:
        """The format whose row it is: of rendered text rather the one that is meant, for many begin alike."""
        meant = next((each for each in self._meant if each.takes(values)), None)
        return meant or next((each for each in self._known if each.recognises(values)), None)

    def _is_target(self, where: str) -> None:
        """Whether the file's rows have the target's shape; a table's or a folder's are pairs."""
        if self._told_shape or self._shape is None:
            return
        self._told_shape, self.checked.format = True, self._shape.name
        target, shape = self._target, self._shape.name
        if target is None or target.format is None or shape in target.takes or not target.format.lines:
            return
        self._other = where

    def _other_shape(self, target: Target) -> None:
        """That the rows are not the target's own; its conversion is proposed where it can hold any of them."""
        assert self._shape is not None
        assert target.format is not None
        shape, wanted = self._shape.name, target.format.name
        into = f"synth export {shlex.quote(str(self.checked.path))} --to {shlex.quote(named(target.format))}"
        if self._unfit and not self._fits:
            first = self._unfit[0]
            into = f"no row fits as it is ({first.code}, {first.where}): {first.fix}"
        if target.renders:
            what = f"rows of {shape}: each is checked as the {wanted} text that it becomes"
            self._say(Problem("note", "other-shape", self._other, what, into))
        else:
            self._error("other-shape", self._other, f"rows of {shape}, and {wanted} was asked for", into)

    def _written(self, wanted: Format, example: Example, where: str, said: set[str]) -> dict[str, Any] | None:
        """The row in the target's format; None where that cannot hold it, which is said."""
        values = None
        try:
            if (refused := unfit(wanted, example)) is not None:
                raise refused
            values = wanted.values(example)
            found = [*wanted.problems(values, where), *(wanted.unproven(values, example) if self._renders else ())]
        except FormatRefusal as refusal:
            found = refusal.problems(where)
        self._say_new(found, where, said)
        stopped = [problem for problem in found if problem.severity == "error"]
        self._fits += not stopped
        if stopped and not self._unfit:
            self._unfit = [replace(stopped[0], where=where)]
        return values

    def _proven(self, shape: Format, values: dict[str, Any], example: Example, where: str) -> None:
        """A rendered text of the file's own: whether it says its row and nothing else."""
        reader = self._target.format if self._target and self._target.format else shape
        self._say_new(reader.unproven(values, example), where, set())

    def _say_new(self, found: Iterable[Problem], where: str, said: set[str]) -> None:
        for problem in found:
            if problem.code not in said:
                self._say(replace(problem, where=where))

    def _whole(self) -> None:
        """What only shows when all rows are read."""
        path, count = self.checked.path, self.checked.rows
        self._is_target(str(path))
        if self._other and self._target is not None:
            self._other_shape(self._target)
        openai = self._target is not None and self._target.by_openai
        if not count:
            self._error("no-rows", str(path), "holds no row that can be read",
                        "synth export NAME" if self._own else "a training file holds a JSON object on every line")
        elif count < FEWEST and self._against is None and (
                openai or (self._target is None and self.checked.format == OPENAI)):
            self._say(Problem("error" if openai else "warning", "too-few-rows", str(path),
                              f"{plural(count, 'row')}, and OpenAI's jobs want at least {FEWEST}", "write more rows"))
        size = path.stat().st_size if openai and path.is_file() else 0
        if size > LARGEST:
            self._error("too-large", str(path), f"{size:,} bytes, and /uploads takes {LARGEST:,}", "divide it")
        elif size > LARGE:
            self._say(Problem("warning", "large", str(path), f"{size:,} bytes, and /files takes {LARGE:,}",
                              "it goes through /uploads in parts, as synth finetune does"))

    def _error(self, code: str, where: str, message: str, fix: str) -> None:
        self._say(Problem("error", code, where, message, fix))

    def _say(self, problem: Problem) -> None:
        if self._names:
            problem = by_name(problem, self.checked.path, self._names)
        elif problem.code == "no-user":
            problem = replace(problem, fix=problem.fix.replace("FILE", shlex.quote(str(self.checked.path))))
        self.checked.codes[problem.code] += 1
        if problem.severity == "error":
            self.checked.errors += 1
        elif problem.severity == "warning":
            self.checked.warnings += 1
        else:
            self.checked.notes += 1
        self._report(problem)
