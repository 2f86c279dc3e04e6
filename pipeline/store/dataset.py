"""A dataset: one folder, read and written here and nowhere else.

    recipe.yaml      snapshot of the recipe that made it      verdicts.jsonl   a line per row
    plan.jsonl       draws, append-only                       reviews.jsonl    decisions by hand
    calls/           paid answers, append-only                failures.jsonl   calls without a usable answer
    samples.jsonl    rows, in order of arrival                exports/         files for trainers
    written.jsonl    which rows we wrote                      manifest.json    what each stage noted last
    pairs.jsonl      rows that are alike, made again for nothing
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from ..errors import DataError
from ..recipe import TEXT_FILES, Recipe, load_recipe
from ..types import Call, Pairs, Problem, Sample, Verdict
from . import pairs as _pairs
from . import plan as _plan
from .calls import CallStore
from .edits import HandEdits, Rebuilt, Restored
from .files import jsonl_bytes, jsonl_reader, refusal, swap_files, write_atomic
from .hand import Hand
from .journal import now
from .locks import lock, mutex
from .reviews import Reviews, decision
from .samples import SampleFile
from .standing import Aside, any_real, standing
from .verdicts import line_of, verdict_of
from .writer import SampleWriter

_AFRESH = "rm {path} && synth generate {name}   makes it anew; rows and paid answers are kept"
BEFORE = "verdicts.before.jsonl"
"""The verdicts before the last curation that changed any: `curate --undo` brings them back."""
PAIRS = "pairs.jsonl"
LAYOUT = 1
"""Version of the folder's layout; tests/golden/dataset-v1 is one of version 1."""


_OURS = frozenset(
    {"recipe.yaml", "plan.jsonl", "calls", "samples.jsonl", "written.jsonl", "manifest.json", "verdicts.jsonl",
     BEFORE, PAIRS, "reviews.jsonl", "failures.jsonl", "exports", "finetunes", "evaluations",
     "report.html", ".locks"}
)
"""Names that a recipe's own files do not take when they are copied in."""


class Dataset:
    """One dataset's folder. Use as a context manager, or `close` it.

    Attributes:
        verb: what was typed, for those who find the dataset in use; each stage names itself where it is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.verb = ""
        self.name = path.resolve().name
        self.calls = CallStore(path)
        self.plan = _plan.PlanLog(path / "plan.jsonl")
        self.exports = path / "exports"
        self._reviews = Reviews(path / "reviews.jsonl")
        self._samples = SampleFile(path / "samples.jsonl", self.calls)
        self._hand = Hand(self._samples, self.calls, self._reviews)

    @classmethod
    def open(cls, path: Path) -> Dataset:
        """A dataset that exists.

        Raises:
            DataError: there is none, or a later version of synth made it.
        """
        if not (path / "manifest.json").is_file():
            known = sorted(found.parent.name for found in path.parent.glob("*/manifest.json"))
            hint = f"here: {', '.join(known)}" if known else f"synth run {path.name}"
            raise DataError(f"{path}: no dataset", hint)
        dataset = cls(path)
        layout = dataset.manifest().get("layout", 0)
        if not isinstance(layout, int) or layout > LAYOUT:
            raise DataError(f"{path}: made by a later version (layout {layout}, this one knows {LAYOUT})",
                            "pip install -U synth-pipeline")
        return dataset

    @classmethod
    def create(cls, path: Path) -> Dataset:
        """The dataset at `path`, made where there is none."""
        if not (path / "manifest.json").is_file():
            begun = {"layout": LAYOUT, "name": path.resolve().name, "created": now()}
            write_atomic(path / "manifest.json", _pretty(begun))
            with suppress(OSError):
                (path / "calls").mkdir(exist_ok=True)  # the index lives there, for rows without calls too
        return cls.open(path)

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Writes what is queued and closes all files."""
        self.calls.close()

    def lock(self, output: str, doing: str = "") -> AbstractContextManager[None]:
        """Exclusive use of `samples`, `verdicts` or `exports`. Raises DataError where another has it."""
        return lock(self.path, output, self.verb or doing or output)

    # -- recipe and manifest ---------------------------------------------------------------------

    def save_recipe(self, recipe: Recipe) -> None:
        """Snapshot of the recipe, with the prompt files that it names."""
        snapshot = self.path / "recipe.yaml"
        if recipe.path is not None and recipe.path.resolve() == snapshot.resolve():
            return
        write_atomic(snapshot, recipe.text.encode("utf-8"))
        for relative in _files_of(recipe):
            found = recipe.folder / relative
            inside = not Path(relative).is_absolute() and ".." not in Path(relative).parts
            if found.is_file() and inside and Path(relative).parts[0] not in _OURS:
                write_atomic(self.path / relative, found.read_bytes())

    def recipe(self) -> Recipe | None:
        """The snapshot; None where the dataset has none."""
        path = self.path / "recipe.yaml"
        return load_recipe(path) if path.is_file() else None

    def manifest(self) -> dict[str, Any]:
        """What each stage noted last."""
        path = self.path / "manifest.json"
        try:
            value = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise refusal(path, error) from error
        except orjson.JSONDecodeError as error:
            raise DataError(f"{path}: not JSON: {error}", _AFRESH.format(path=path, name=self.name)) from None
        if not isinstance(value, dict):
            raise DataError(f"{path}: not a JSON object", _AFRESH.format(path=path, name=self.name))
        return value

    def note(self, section: str, value: Any) -> None:
        """Replaces one section of manifest.json."""
        self.notes({section: value})

    def notes(self, sections: Mapping[str, Any]) -> None:
        """Replaces some sections of manifest.json at once."""
        with mutex(self.path):  # generate and curate may both have something to say
            write_atomic(self.path / "manifest.json", _pretty({**self.manifest(), **sections}))

    # -- rows ------------------------------------------------------------------------------------

    def samples(self, problems: Callable[[Problem], None] | None = None) -> Iterator[Sample]:
        """Rows as they stand in the file now, hand edits included, in order of arrival."""
        return self._samples.samples(problems)

    @contextmanager
    def sample_writer(self) -> Iterator[SampleWriter]:
        """Appends rows; for one process at a time (`lock("samples")`)."""
        self.calls.mend()
        clean = self._untouched() or self._claim()
        writer = SampleWriter(self._samples, self.calls, self._hand.rebuild)
        try:
            yield writer
        finally:
            writer.close()
            self.calls.journal.sync()
            if clean and not writer.disturbed and not self._untouched():
                self.note("samples", self._samples.signature())

    def judged(self) -> dict[str, list[int]]:
        """Which rows and which verdicts are there: equal to what a curation noted, they are those that it left."""
        path = self.path / "verdicts.jsonl"
        verdicts = [path.stat().st_size, path.stat().st_ino] if path.exists() else []
        return {"samples": self._samples.signature(), "verdicts": verdicts}

    def _untouched(self) -> bool:
        return bool(self._samples.signature()) and self.manifest().get("samples") == self._samples.signature()

    def _claim(self) -> bool:
        """Takes note of rows that are ours though the log does not say so; returns whether no hand changed any."""
        if not self._samples.path.exists():
            self.rebuild()
            return True
        found = self._samples.compare()
        self._samples.claim(found.unlogged)
        return not found.edits

    def written(self, sample_id: str) -> bool:
        """Whether a row of this id was ever written and not taken back by `restore`."""
        known = self.calls.index.sample(sample_id)
        return known is not None and known[1] != "forgotten"

    def deleted(self, sample_id: str) -> bool:
        """Whether a row of this id was deleted by hand, and that was adopted as a decision."""
        known = self.calls.index.sample(sample_id)
        return known is not None and known[1] == "deleted"

    def hand_edits(self) -> HandEdits:
        """What a hand changed in samples.jsonl since we wrote it. Writes nothing; cheap where nobody touched it.

        A file that is gone as a whole is no edit: its rows are made again, for nothing.
        """
        if self._untouched() or not self._samples.path.exists():
            return HandEdits([], [], [], [])
        return self._samples.compare().edits

    def adopt(self) -> HandEdits:
        """Keeps hand edits as decisions: recorded in reviews.jsonl with the rows, the file is not touched."""
        if not self._samples.path.exists():
            return HandEdits([], [], [], [])
        edits = self._hand.adopt()
        self.note("samples", self._samples.signature())
        return edits

    def restore(self) -> Restored:
        """Undoes hand edits after a copy of the file; where there are none, those that were adopted.

        `synth generate` makes the rows that come back, for nothing.
        """
        stem = f"samples.by-hand-{time.strftime('%Y%m%dT%H%M%S')}"
        names = (f"{stem}{f'.{turn}' if turn else ''}.jsonl" for turn in range(1000))
        copy = next(self.path / name for name in names if not (self.path / name).exists())
        done = self._hand.restore(copy)
        self.note("samples", self._samples.signature())
        return done

    def rebuild(self) -> Rebuilt:
        """Where samples.jsonl is gone as a whole, which is no decision on any row: makes ready to write all rows again.

        What was adopted of a hand is written from reviews.jsonl. For the one process that holds `lock("samples")`.
        """
        return Rebuilt() if self._samples.path.exists() else self._hand.rebuild()

    def decisions(self) -> dict[str, int]:
        """How many rows were `written`, or stand `edited` or `deleted` by hand, as the log has it."""
        return self._hand.counts()

    def rewrite(self, renew: Callable[[Sample], Sample | None]) -> int:
        """Renders rows anew where the training prompt changed; rows that a hand edited stay as they are.

        Args:
            renew: the row as it should stand; None to leave it.

        Returns:
            How many rows changed. The file is replaced as a whole, and only where one did.
        """
        clean = self._untouched()
        changed = self._samples.rewrite(renew)
        if changed and clean:
            self.note("samples", self._samples.signature())
        return changed

    def remark(self, ids: Collection[str], key: str, value: str) -> int:
        """Puts another name under `provenance.key` of some rows and their children; no other byte changes.

        Hand-edited rows too: it says how they were made, which no edit changes.

        Returns:
            How many rows changed.
        """
        clean = self._untouched()
        changed = self._samples.remark(ids, key, value)
        if changed and clean:
            self.note("samples", self._samples.signature())
        return changed

    # -- decisions -------------------------------------------------------------------------------

    def review(self, sample_id: str, action: str, digest: str, *, by: str, **more: Any) -> None:
        """Appends one decision of a person: keep, drop, undo or edit. `more`: as for `reviews.decision`."""
        self._reviews.append([decision(sample_id, action, digest, by, **more)])

    def put_reviews(self, decisions: Iterable[dict[str, Any]]) -> None:
        """Appends many, as `reviews.decision` makes them."""
        self._reviews.append(decisions)

    def reviews(self) -> dict[str, dict[str, Any]]:
        """The last keep or drop of each row that a person decided on."""
        return self._reviews.standing()

    def labels(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Row -> person -> their last keep or drop of it, the last person last."""
        return self._reviews.labels()

    def write_verdicts(self, verdicts: Iterable[Verdict]) -> Path:
        """Replaces verdicts.jsonl as a whole; see `put_verdicts`."""
        self.put_verdicts(map(line_of, verdicts), lambda: False)
        return self.path / "verdicts.jsonl"

    def put_verdicts(self, lines: Iterable[bytes], keep: Callable[[], bool]) -> bool:
        """Replaces verdicts.jsonl as a whole; the same verdicts leave it as it is, so that exports stay up to date.

        Args:
            lines: as `verdicts.verdict_line` makes them.
            keep: asked once all are written: whether those that were there are kept for `swap_verdicts`.

        Returns:
            Whether they were kept.
        """
        path, kept = self.path / "verdicts.jsonl", list[Path]()

        def before() -> Path | None:
            kept.extend([self.path / BEFORE] if path.exists() and keep() else [])
            return kept[0] if kept else None

        write_atomic(path, lines, spare=True, before=before)
        return bool(kept)

    def swap_verdicts(self) -> None:
        """Brings the verdicts that were kept back, with what was noted of them; once more undoes that."""
        noted = self.manifest()
        swap_files(self.path / "verdicts.jsonl", self.path / BEFORE)
        self.notes({"curation": noted.get("curation_before"), "curation_before": noted.get("curation")})

    def verdicts(self, *, whole: bool = True, before: bool = False) -> Iterator[Verdict]:
        """The verdicts of the last curation; none where there was none.

        Args:
            whole: whether a damaged line is an error: its row may have been dropped. Curating passes over it, and
                measures that row again.
            before: those that `swap_verdicts` would bring back.

        Raises:
            DataError: a damaged line, with the command that mends it.
        """
        name = BEFORE if before else "verdicts.jsonl"
        return map(verdict_of, jsonl_reader(self.path / name, f"synth curate {self.name}", whole=whole))

    def put_pairs(self, measured: Collection[_pairs.Measured]) -> None:
        """Replaces pairs.jsonl as a whole; what the verdicts at hand were not decided by answers nothing later."""
        path = self.path / PAIRS
        if measured:
            write_atomic(path, _pairs.lines_of(measured), spare=True)
        elif path.exists():
            path.unlink()

    def pairs(self, key: str, rows: str) -> Pairs | None:
        """Pairs that a rule of this key measured between rows of this digest; None where none are stored."""
        return _pairs.read(self.path / PAIRS, key, rows)

    def write_failures(self, calls: Iterable[Call], unusable: Iterable[dict[str, Any]] | None = None) -> Path:
        """Replaces failures.jsonl: one line per call whose last outcome is a failure, then the answers of no use.

        Args:
            calls: those that failed.
            unusable: lines of answers that came and cannot be used; None leaves those that are there.
        """
        path = self.path / "failures.jsonl"
        more = list(self.unusable() if unusable is None else unusable)
        failed = ({"id": call.id, **asdict(call)} for call in calls)
        write_atomic(path, (jsonl_bytes(line) for line in chain(failed, more)))
        return path

    def unusable(self) -> Iterator[dict[str, Any]]:
        """Lines of failures.jsonl on answers that cannot be used, each of a draw; none where the file is damaged."""
        with suppress(DataError):  # the next run makes it anew
            yield from (line for line in jsonl_reader(self.path / "failures.jsonl") if "draw" in line)

    def aside(self) -> Callable[[Sample], Aside | None]:
        """Says why a row stands aside (see standing.WHY), or None where it is part of the set today."""
        return standing(self.manifest(), self.plan.states(), any_real(self.samples()))

    def surplus_ids(self) -> set[str]:
        """Ids of rows whose draw is paid and legal, and no longer asked for."""
        states = self.plan.states()
        if not states.counts()[_plan.SURPLUS]:
            return set()
        return {s.id for s in self.samples() if states.get(str(s.provenance.get("draw"))) == _plan.SURPLUS}


def _files_of(recipe: Recipe) -> set[str]:
    """Files beside the recipe that it names, sources left out: prompts, examples in them, and axis files."""
    texts = {text for step in recipe.asks for text in (step.user, step.system) if text}
    texts |= {text for text in (recipe.train.user, recipe.train.system, recipe.train.assistant) if text}
    if recipe.pairs is not None:
        texts |= {text for text in (recipe.pairs.judge.user, recipe.pairs.judge.system) if text}
    if recipe.dialogue is not None:
        texts |= {says for says in (recipe.dialogue.tool.says if recipe.dialogue.tool else None,) if says}
    named = {text for text in texts if "\n" not in text and "{{" not in text and text.endswith(TEXT_FILES)}
    named |= {step.answer.schema_ for step in recipe.asks if step.answer and isinstance(step.answer.schema_, str)}
    source = recipe.source.file if recipe.source else None
    named |= {step.examples.file for step in recipe.asks if step.examples and step.examples.file != source}
    if recipe.dialogue is not None:
        named |= {role.tools for role in recipe.dialogue.roles.values() if isinstance(role.tools, str)}
    return named | {axis.file for axis in recipe.axes.values() if axis.file}


def _pretty(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"
