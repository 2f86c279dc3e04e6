"""A recipe made from a file of rows: what is question, what is answer, how it will look when it is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pipeline._yaml import flow
from pipeline.errors import DataError
from pipeline.read import columns as columns_of
from pipeline.read import rows
from pipeline.read.look import LOOKED_AT, Guess, guess, look
from pipeline.read.source import refuse_encoding
from pipeline.shapes import Columns, Shape, Templated, example_of, shape_of, template_of
from pipeline.types import Message, Problem

from ._new import free_name, quoted, write_new

SHOWN = 3
_CLASSES = 12


class Looked(NamedTuple):
    """What a file seems to hold.

    Attributes:
        file: as it was typed.
        rows: how many were looked at, at most look.LOOKED_AT.
        more: whether the file has more.
        columns: their names.
        shape: a format's name, or which columns are taken for what.
        train: the recipe's `train` section.
        format: the recipe's `source.format`, where rows are conversations.
        classes: class -> rows looked at; empty where the answer is no label.
        without: rows looked at that have no label.
        unused: columns that are neither question nor answer.
        others: columns that could as well be the answer.
        examples: the first rows as they will be trained.
        problems: what was wrong with rows that were looked at.
    """

    file: str
    encoding: str | None
    rows: int
    more: bool
    columns: list[str]
    shape: str
    train: dict[str, str]
    format: str | None
    export: str
    classes: dict[str, int]
    without: int
    unused: list[str]
    others: list[str]
    examples: list[list[Message]]
    problems: list[Problem]


def look_at(file: str, cwd: Path, encoding: str | None = None) -> Looked:
    """Looks at the first rows of a file and guesses what is to be learnt from them.

    Raises:
        DataError: no such file, no row that can be read, or no text in it.
        RecipeError: no such encoding.
    """
    path = cwd / file
    refuse_encoding(path, encoding)
    problems: list[Problem] = []
    stream = rows(path, problems.append, encoding=encoding)
    head = [row.values for row in islice(stream, LOOKED_AT)]
    more = next(stream, None) is not None
    if not head:
        fault = next((found for found in problems if found.severity == "error"), None)
        why = f": {fault.where}: {fault.message}" if fault else ""
        raise DataError(f"{file}: holds no row that can be read{why}", fault.fix if fault else "")
    names = columns_of(path, encoding=encoding)
    shape, found = _shape(names, head, file)
    used = [part for part in (found.completion, *found.prompt) if part]
    unused = [name for name in names if used and not any(_is_of(name, part) for part in used)]
    examples = list(islice(_examples(shape, head, file, problems), SHOWN))
    if not examples:
        raise DataError(f"{file}: no row reads as {shape.name}: {problems[-1].message}", problems[-1].fix)
    return Looked(
        file, encoding, len(head), more, names, shape.name, shape.train, shape.format, shape.export, found.classes,
        found.without, unused, list(found.others), examples, problems,
    )


def write_from(name: str, cwd: Path, looked: Looked) -> Path:
    """Writes NAME.yaml, a recipe with `source:` and `train:` that runs as it stands through export.

    Raises:
        RecipeError: not a name.
        DataError: a recipe of this name is there; nothing was written.
    """
    source: dict[str, Any] = {"file": Path(looked.file).as_posix()}
    source.update({key: value for key, value in (("format", looked.format), ("encoding", looked.encoding)) if value})
    seen = f"{looked.rows:,} rows{' and more' if looked.more else ''}"
    lines = [
        f"# Made from {looked.file}: {seen}. Columns: {', '.join(looked.columns)}.",
        f"# synth run {name}               curate and export",
        "synth: 1",
        f"name: {flow(free_name(name, cwd))}",
        f"source: {flow(source)}",
        "train:                       # what the tuned model will see; any column: {{name}}",
        *(f"  {role}: {quoted(text)}" for role, text in looked.train.items()),
        *_class_comment(looked.classes),
        *([f"  # not used: {', '.join(looked.unused)}"] if looked.unused else []),
        "curate: [sft]               # synth plugins sft shows its rules",
        f"export: {{formats: [{looked.export}], validation: 0.1}}",
    ]
    return write_new(cwd / f"{name}.yaml", "\n".join(lines) + "\n")


def _shape(names: list[str], head: list[dict[str, Any]], file: str) -> tuple[Shape, Guess]:
    """How rows are read, and what the columns seem to be; nothing of that where rows have a known shape."""
    known = shape_of(Columns(), names, head[0], file)
    if known is not None:
        return known, Guess(None, (), False, {})
    found: Guess = guess(*look(head))
    if found.completion is None:
        raise DataError(f"{file}: no column of it holds text that could be an answer; "
                        f"its columns are: {', '.join(names)}",
                        "synth import NAME FILE --prompt COLUMN --completion COLUMN")
    prompt = template_of(found) if found.prompt else None
    return Templated(Columns(prompt, found.completion), names, file), found


def _is_of(name: str, part: str) -> bool:
    """Whether a column is what was guessed, or the one of objects that it is a part of."""
    return part == name or part.startswith(("{{" + name + "[", "{{" + name + "."))


def _examples(shape: Shape, head: list[dict[str, Any]], file: str, problems: list[Problem]) -> Iterator[list[Message]]:
    for number, values in enumerate(head, 1):
        example = example_of(shape, values, f"{file}: row {number}", problems.append)
        if example is not None:
            yield example.messages


def _class_comment(classes: Mapping[str, int]) -> Iterator[str]:
    if classes:
        shown = ", ".join(f"{name} {count:,}" for name, count in list(classes.items())[:_CLASSES])
        rest = f", {len(classes) - _CLASSES} more" if len(classes) > _CLASSES else ""
        yield "  # " + " ".join(f"classes: {shown}{rest}".split())
