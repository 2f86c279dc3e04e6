"""A file's rows in other formats: any that is read into any that is written, and what would be lost is refused.

    rows-exports/llama3/train.jsonl        beside rows.jsonl, as an export of a dataset has it: proven, with a manifest

No dataset is made. A row that a format cannot hold is named with its line, in `refused.jsonl` too; columns that no line
of a format has a place for are named once.
"""

from __future__ import annotations

import shlex
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import __version__, formats
from pipeline.configs import open_configs
from pipeline.errors import DataError
from pipeline.formats import FormatRefusal
from pipeline.read.source import source_rows
from pipeline.sections import Source
from pipeline.shapes import Columns, Shape, Templated, example_of, shape_of_file
from pipeline.types import Example, Problem, Sample

from ._originals import Originals
from ._spool import Spool
from .card import Story
from .configure import configure
from .options import Options
from .order import place_of
from .origins import Files, Origins, sources
from .placing import REFUSED, measure
from .split import Divided, divide, doubts_about
from .write import Job, Written, refuse_empty, refused_line, write_format

Report = Callable[[Problem], None]


class Converted(NamedTuple):
    """What a conversion did.

    Attributes:
        shape: how the file's rows were read.
        rows: rows that could be read.
        unread: rows that could not.
        written: one per format.
        notes: what a person should know, as sentences.
        configs: files for trainers and servers.
        divided: how rows were divided, and what train and validation share.
    """

    shape: str
    rows: int
    unread: int
    written: list[Written]
    notes: list[str]
    configs: list[Path]
    divided: Divided


def convert(path: Path, plugins: list[formats.Format], options: Options, report: Report) -> Converted:
    """Writes the rows of a file in other formats.

    Args:
        path: JSON lines, a table, Parquet, or a folder with prompts/ and completions/.
        plugins: what is written.
        options: order, split, seed, ascii, and `out` where the files do not go beside `path`.
        report: receives rows that cannot be read, each with its line.

    Raises:
        DataError: no row can be read, or written.
        RecipeError: rows of no known shape, with the command that says which columns they are.
    """
    configs = open_configs(options.configs, plugins)
    source = source_of(path)
    shape = shape_in(path, source)
    unread = Counter[str]()
    target = options.out or path.with_name(f"{Path(path.name.removesuffix('.gz')).stem}-exports")
    target.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=target) as temporary, \
                Spool(Path(temporary) / "rows.sqlite") as spool:
            origins = Origins()
            lines = Path(temporary) / REFUSED
            with lines.open("wb") as refused:
                def told(problem: Problem) -> None:
                    if problem.severity == "error":
                        unread[problem.where] += 1
                        refused.write(refused_line(problem, f"{path.name}{problem.where.removeprefix(str(path))}"))
                    report(problem)

                fields = _gather(source, path, shape, options, (spool, origins), told)
            count, _ = spool.chosen()
            faults = len(unread)
            if not count:
                raise DataError(f"{path}: no row can be read as {shape.name}", f"synth check {path}")
            divided = divide(spool, options.validation, options.seed, options.near_duplicate)
            labels = spool.labels()
            notes = [*divided.notes, *doubts_about(labels, divided.validation)]
            again = shlex.join(["synth", "export", path.name, *chain.from_iterable(("--to", p.name) for p in plugins)])
            story = Story(path.name.split(".")[0], again, None, None, origins, {}, labels)
            files = Files([path.parent])
            with Originals(files) as originals:
                told_of = partial(sources, None, recipe=None, files=files)
                about = {**_about(path, options, divided, count), **told_of(origins)}
                job = Job(spool, originals, options.ascii, about, story, whole=True,
                          unread=lines if faults else None, sources=told_of)
                written = [write_format(plugin, target / plugin.name, job) for plugin in plugins]
            as_they_were = {one.format for one in written if one.passed == count}
            notes += [note for plugin in plugins if plugin.name not in as_they_were for note in _left(plugin, fields)]
    finally:
        if not any(target.iterdir()):
            target.rmdir()
    if not any(one.files for one in written):
        refuse_empty(str(path), written)
    return Converted(shape.name, count, faults, written, notes, configure(configs, plugins, written), divided)


def source_of(path: Path) -> Source:
    """A file, or a folder with prompts/ and completions/, as a recipe names it."""
    if path.is_dir():
        return Source(prompts="prompts", completions="completions")
    return Source(file=path.name)


def shape_in(path: Path, source: Source) -> Shape:
    """How rows are read; looks at no more than the beginning of the file."""
    if source.file is None:
        return Templated(Columns("prompt", "completion"), ("name", "prompt", "completion"), str(path),
                         ("prompt", "completion"))
    return shape_of_file(path)


def _gather(
    source: Source, path: Path, shape: Shape, options: Options, into: tuple[Spool, Origins], report: Report,
) -> Counter[str]:
    """Reads all rows into the spool. Returns columns that no conversation holds, and how many rows have them."""
    fields, (spool, origins) = Counter[str](), into
    for ordinal, sample in samples(source, path, shape, report):
        spool.add(ordinal, sample, place_of(sample, ordinal, None, options.order, options.seed), None)
        origins.add(sample)
        said = "\n".join(str(message.get("content")) for message in sample.messages)
        fields.update(name for name, value in sample.fields.items()
                      if not (isinstance(value, str) and value in said))
    return fields


def samples(source: Source, path: Path, shape: Shape, report: Report) -> Iterator[tuple[int, Sample]]:
    """The rows of a file, each with its place among all; `FILE:LINE` is their id."""
    folder = path if source.file is None else path.parent
    for ordinal, row in enumerate(source_rows(source, folder, report)):
        number = row.source.get("number", ordinal + 1)
        example = example_of(shape, row.values, f"{path}:{number}", report)
        if example is not None:
            yield ordinal, Sample(f"{path.name}:{number}", example.messages, fields=example.fields,
                                  rejected=example.rejected, label=example.label, tools=example.tools,
                                  source=row.source)


def _left(plugin: formats.Format, fields: Counter[str]) -> list[str]:
    """Which columns stay behind."""
    probe = Example([{"role": "user", "content": "-"}, {"role": "assistant", "content": "-"}], fields=dict(fields))
    try:
        kept = plugin.values(probe).keys()
    except FormatRefusal:
        kept = {}.keys()
    named = list(plugin.how.model_dump().values())  # as a label's column is
    left = [f"{name} ({count:,} rows)" for name, count in fields.most_common() if name not in [*kept, *named]]
    if plugin.name == "folders":
        left = [each for each in left if not each.startswith("name (")]
    more = f" and {len(left) - 5} more" if len(left) > 5 else ""
    listed = f"{', '.join(left[:5])}{more}"
    return [f"{plugin.name} has no place for these columns, which stay behind: {listed}"] if left else []


def _about(path: Path, options: Options, divided: Divided, count: int) -> dict[str, Any]:
    """What a manifest says of the whole. No clock, no absolute path: the same rows, the same bytes."""
    return {
        "source": {"file": path.name, "sha256": measure(path)[1]},
        "options": {"order": options.order, "ascii": options.ascii, "seed": options.seed,
                    "validation": options.validation, "near_duplicate": options.near_duplicate},
        **divided.as_json(),
        "counts": {"rows": count, "chosen": count},
        "synth": __version__,
    }
