"""Writes the files of one format: into a folder beside, proven row by row, then put in place."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from pipeline import tokens
from pipeline.errors import DataError, YieldError
from pipeline.formats import Format, FormatRefusal
from pipeline.store.files import jsonl_bytes
from pipeline.types import Example, Message, Problem, text_of

from ._originals import Originals
from ._spool import TRAIN, VALIDATION, Spool
from .card import CARD, Story, card
from .origins import Origins
from .placing import MANIFEST, REFUSED, UNFINISHED, manifest_bytes, manifest_in, measure, put_in_place, remove, side_of

NAMES = {TRAIN: "train", VALIDATION: "validation"}

COUNTED_AS = {"openai-chat": "gpt-4.1"}
"""Format -> the model whose encoding its rows are counted in; for others tokens are an estimate."""


_NO_PAIR = "convert to trl-dpo or openai-dpo; or import the file: synth export NAME says so and leaves it out"


class File(NamedTuple):
    """A file that was written. A folder's sha256 is that of its files' names and digests.

    Attributes:
        tokens: of all its rows; exact or an estimate, as `tokens_exact` says.
    """

    path: Path
    rows: int
    bytes: int
    sha256: str
    tokens: int
    tokens_exact: bool


@dataclass(slots=True)
class Written:
    """What came of one format.

    Attributes:
        files: train, and validation where there is one; none where no row could be written.
        refused: problem code -> how many rows it stopped; a row may have several.
        reasons: problem code -> the first problem of that kind.
        refused_rows: rows that this format cannot hold; listed in `refused.jsonl`.
        changed: rows whose text the official template strips or folds.
        passed: rows written as they stood in the user's own file.
        left: rows whose rejected answer stays behind.
        untrained: rows of which an answer that was to be trained is only asked with.
        unproven: of `passed`, rows whose own line is not what the official template makes.
        card: README.md beside the files.
        card_kept: whether it is one that a hand wrote or changed, which is left as it is.
        stale: config files of the export before, which were taken away or, where a hand changed them, stay.
        without: where the refused rows come from.
        weighted: rows with an answer of weight 0, which stands in the file.
        longest: tokens of the longest row; exact or an estimate, as those of the files are.
        reasons_in: `refused.jsonl`, where there is one.
    """

    format: str
    folder: Path
    files: list[File] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Problem] = field(default_factory=dict)
    refused_rows: int = 0
    changed: int = 0
    passed: int = 0
    left: int = 0
    untrained: int = 0
    unproven: int = 0
    weighted: int = 0
    longest: int = 0
    manifest: Path | None = None
    card: Path | None = None
    card_kept: bool = False
    stale: tuple[str, ...] = ()
    without: Origins = field(default_factory=Origins)
    reasons_in: Path | None = None


class Job(NamedTuple):
    """What all formats of an export share.

    Attributes:
        spool: the rows, divided.
        originals: the users' own lines.
        ascii: see Format.write.
        about: what a manifest says of the export as a whole.
        story: what the dataset card tells.
        whole: whether a rejected answer that a format has no place for is a reason to refuse the row.
        sources: what a manifest says of where rows come from, for a format that has not all of them.
        unread: lines that could not be read, as lines of `refused.jsonl`; None where there are none.
    """

    spool: Spool
    originals: Originals
    ascii: bool
    about: dict[str, Any]
    story: Story
    whole: bool = False
    unread: Path | None = None
    sources: Callable[[Origins], dict[str, Any]] | None = None


def write_format(plugin: Format, folder: Path, job: Job) -> Written:
    """Writes train and validation of one format, proves them, and puts them in place.

    What stood there before is replaced only when all is proven; manifest.json is taken away first and
    written last, so a folder without it is not whole.

    Args:
        plugin: the format.
        folder: where its files go.
        job: rows and options.

    Raises:
        DataError: a file does not read back as it was meant.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _write_format(plugin, folder, job)
    finally:
        with suppress(OSError):
            folder.rmdir()  # of a format that cannot be written here nothing is left but why


def _write_format(plugin: Format, folder: Path, job: Job) -> Written:
    done = Written(plugin.name, folder)
    job.spool.forget_refused()
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as temporary:
        new = Path(temporary)
        with (new / REFUSED).open("wb") as refused:
            if job.unread is not None:
                with job.unread.open("rb") as lines:
                    shutil.copyfileobj(lines, refused)
            for side, name in NAMES.items():
                target = new / f"{name}{plugin.suffix}"
                if _write_side(plugin, target, side, job, done, refused):
                    done.files.append(_proven(plugin, target, side, job.spool, done))
                else:
                    remove(target)
        if not (new / REFUSED).stat().st_size:
            (new / REFUSED).unlink()
        if not done.files or side_of(done.files[0].path.name) != NAMES[TRAIN]:
            done.files.clear()
            (new / REFUSED).replace(folder / REFUSED)
        else:
            job = _of_the_written(job, done)
            manifest = _manifest(done, plugin, job.about)
            _write_card(new / CARD, folder, plugin, (job, manifest), done)
            (new / MANIFEST).write_bytes(manifest_bytes(manifest))
            done.stale = put_in_place(new, folder)
            done.manifest = folder / MANIFEST
            done.files = [file._replace(path=folder / file.path.name) for file in done.files]
        if (folder / REFUSED).is_file():
            done.reasons_in = folder / REFUSED
        return done


def _write_side(plugin: Format, target: Path, side: int, job: Job, done: Written, refused: IO[bytes]) -> int:
    """Writes one file; returns how many rows are in it."""
    rows = 0
    with plugin.open(target, ascii=job.ascii) as sink:
        for row in job.spool.rows(side):
            line = job.originals.line(row, plugin) if plugin.lines and not job.ascii else None
            try:
                if (refusal := unfit(plugin, row.example, job.whole)) is not None:
                    raise refusal
                sink.add(row.example, line)
            except FormatRefusal as refusal:
                job.spool.refuse(row.ordinal)
                done.without.add(row.origin)
                _note_refusal(done, refusal, row.example.sample, refused)
                continue
            rows += 1
            done.passed += line is not None
            done.unproven += line is not None and any(plugin.unproven(orjson.loads(line), row.example))
            done.left += row.example.rejected is not None and not plugin.pairs
            as_is = not plugin.has_turns or plugin.asks
            left = row.example.messages if as_is else plugin.normal(row.example).messages
            done.changed += _texts(left) != _texts(row.example.messages)
            done.weighted += "weight" in plugin.holds and _asked_with(left) > 0
            done.untrained += _asked_with(left) > _asked_with(row.example.messages)
    return rows


def _of_the_written(job: Job, done: Written) -> Job:
    """What is told of the rows, with the counts of those that are written."""
    if not done.refused_rows or job.sources is None:
        return job
    origins = job.story.origins.without(done.without)
    story = job.story._replace(origins=origins, labels=job.spool.labels(without_refused=True))
    return job._replace(story=story, about={**job.about, **job.sources(origins)})


def unfit(plugin: Format, example: Example, whole: bool = True) -> FormatRefusal | None:
    """Why a row does not go into a format that could write it: what is meant by it would be lost.

    Args:
        plugin: the format.
        example: the row.
        whole: whether a rejected answer without a place is such a loss.
    """
    if whole and example.rejected is not None and not plugin.pairs:
        return FormatRefusal("holds-no-pair", f"{plugin.name} has no place for the rejected answer", _NO_PAIR)
    if example.label == "false" and "label" not in plugin.holds and not plugin.asks:
        return FormatRefusal("not-desired", f"its answer is labelled as not desired, and {plugin.name} would train it",
                             "convert to trl-kto, which holds the label; or drop it")
    return None


def _note_refusal(done: Written, refusal: FormatRefusal, sample: str, refused: IO[bytes]) -> None:
    done.refused_rows += 1
    problems = refusal.problems(sample)
    done.refused.update({problem.code for problem in problems})
    for problem in problems:
        done.reasons.setdefault(problem.code, problem)
        refused.write(refused_line(problem, sample))


def refused_line(problem: Problem, sample: str) -> bytes:
    """A line of `refused.jsonl`."""
    return jsonl_bytes({"sample": sample, "code": problem.code, "message": problem.message, "fix": problem.fix})


def _texts(messages: list[Message]) -> list[Any]:
    return [message.get("content") for message in messages]


def _asked_with(messages: list[Message]) -> int:
    """Answers that are not trained."""
    return sum(message.get("weight") == 0 for message in messages)


def _proven(plugin: Format, target: Path, side: int, spool: Spool, done: Written) -> File:
    """Reads a file back, compares it row by row with what was meant, and measures it."""
    total, exact = 0, True

    def wanted() -> Iterator[Example]:
        nonlocal total, exact
        for row in spool.rows(side, without_refused=True):
            found = _tokens(plugin, row.example)
            total, exact = total + found.tokens, exact and found.exact
            done.longest = max(done.longest, found.tokens)
            yield row.example

    rows = plugin.prove(target, wanted())
    size, sha256 = measure(target)
    return File(target, rows, size, sha256, total, exact)


def _tokens(plugin: Format, example: Example) -> tokens.Count:
    """The tokens of a row: a conversation's with its wire form; of other formats an estimate of the texts in a line."""
    model = COUNTED_AS.get(plugin.name)
    if model is not None:
        count = tokens.count_messages(example.messages, model)
        return count._replace(exact=count.exact and not example.tools)
    texts = [text for text in plugin.values(example).values() if isinstance(text, str)] if not plugin.asks else []
    if not texts:
        said = plugin.normal(example).messages if plugin.asks else example.messages
        turns = [*said, *((example.rejected or []) if plugin.pairs else [])]
        texts = [text_of(message["content"]) for message in turns]
    return tokens.Count(sum(tokens.estimate(text) for text in texts), False)


def _manifest(done: Written, plugin: Format, about: dict[str, Any]) -> dict[str, Any]:
    rendering = plugin.rendering()
    options = plugin.how.model_dump(mode="json", exclude_defaults=True, exclude={"tokenizer"})  # a path of one machine
    files = [
        {"name": file.path.name, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256,
         "tokens": file.tokens, "tokens_exact": file.tokens_exact}
        for file in done.files
    ]
    counts = {"refused": done.refused_rows, "refused_by_code": dict(sorted(done.refused.items())),
              "text_changed_by_template": done.changed, "written_as_imported": done.passed,
              "rejected_answers_left_out": done.left}
    rows = sum(file.rows for file in done.files)
    value = {"format": done.format, "format_options": options, "files": files, **about,
             "counts": {**about["counts"], **counts}}
    if rendering is not None:
        value["rendering"] = {**rendering, "proven": rows - done.unproven, "unproven": done.unproven}
    return value


def _write_card(target: Path, folder: Path, plugin: Format, told: tuple[Job, dict[str, Any]], done: Written) -> None:
    """Writes README.md and notes its digest in the manifest; one that a hand wrote or changed there is left alone."""
    job, manifest = told
    before, there = manifest_in(folder).get("card"), folder / CARD
    done.card = there
    if there.is_file() and (not isinstance(before, dict) or measure(there)[1] != before.get("sha256")):
        done.card_kept = True
        if before is not None:
            manifest["card"] = before
        return
    first = next(job.spool.rows(TRAIN, without_refused=True), None)
    row = plugin.values(first.example) if first is not None else None
    target.write_text(card(job.story, manifest, row), encoding="utf-8", newline="\n")
    manifest["card"] = {"name": CARD, "sha256": measure(target)[1]}


def require_most(name: str, written: list[Written]) -> None:
    """A file that lacks most of the rows is no success, though it is written.

    Args:
        name: of the dataset or the file.
        written: what came of each format.

    Raises:
        DataError: a format could hold no row.
        YieldError: a format refused more rows than it took.
    """
    refuse_empty(name, written)
    for one in written:
        taken = sum(file.rows for file in one.files)
        if one.refused_rows > taken:
            code, count = one.refused.most_common(1)[0]
            problem, whole = one.reasons[code], taken + one.refused_rows
            raise YieldError(f"{name}: {one.format} refused {one.refused_rows:,} of {whole:,} rows, "
                             f"{count:,} of them: {problem.message}", problem.fix)


def refuse_empty(name: str, written: list[Written]) -> None:
    """Raises DataError where a format could hold no row."""
    empty = [one for one in written if not one.files]
    if not empty:
        return
    lines, hint = [], ""
    for one in empty:
        whole = "; ".join(f"{count} x {one.reasons[code].message}" for code, count in one.refused.most_common(3))
        lines.append(f"{name}: no row could be written as {one.format}, {one.refused_rows} were refused: {whole}"
                     + (f"; each with its reason in {one.reasons_in}" if one.reasons_in else ""))
        hint = hint or next((problem.fix for problem in one.reasons.values() if problem.fix), "")
    raise DataError("\n".join(lines), hint)
