"""`synth check`: what is wrong with a training file, ours or another's."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.commands._options import Target, json_option, target
from pipeline.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from pipeline.export.check import Checked
    from pipeline.types import Problem

SHOWN = 5
"""On a terminal, so many problems of a code are shown; --all, --json and a pipe show every one."""

_STYLES = {"error": "bad", "warning": "warn", "note": "dim"}


@click.command("check")
@target()
@click.option("--for", "wanted", metavar="FORMAT",
              help="Who reads it, as openai, llama2; of a dataset, the export to check. [as its rows are; all]")
@click.option("--validation", type=click.Path(path_type=Path, exists=True), metavar="FILE",
              help="A second file; none of its rows may stand in the first one.")
@click.option("--all", "everything", is_flag=True, help=f"Show every problem, not {SHOWN} of each kind.")
@json_option
def command(target: Target, wanted: str | None, validation: Path | None, everything: bool, json_: bool) -> None:
    """Checks a training file, or all exports of a dataset. NAME is a path or a dataset.

    \b
    synth check plots                            every export, and that nobody changed it
    synth check train.jsonl --for openai
    synth check train.jsonl --validation held.jsonl

    Exit status: 0 without errors, 4 with any.
    """
    from pipeline.export import check
    from pipeline.store import Dataset

    talk = _Talk(everything or not console.screen(), json_)
    path, name = Path(target.name), target.name
    if _is_file(path):
        done = check.check_file(path, talk.take, target=wanted, validation=validation)
    elif path.suffix and not (target.path / "manifest.json").is_file():
        raise DataError(f"{path}: no such file", did_you_mean(path.name, [beside.name for beside in _beside(path)]))
    else:
        found = _exported(path, wanted)
        folder, wanted = found or (target.made, wanted)
        name = str(folder) if found else name
        with Dataset.open(folder) as dataset:
            done = check.check_dataset(dataset, talk.take, target=wanted)
    talk.end()
    if json_:
        console.as_json({"files": [_as_json(one) for one in done], "problems": [asdict(p) for p in talk.kept]})
    for one in done:
        console.fact("read", _sentence(one))
    errors = talk.count["error"]
    if errors:
        again = shlex.join(["synth", "check", name, *(["--for", wanted] if wanted else []),
                            *(["--validation", str(validation)] if validation else [])])
        hint = f"{again} --all" if talk.hidden else f"mend these, then: {again}"
        raise DataError(f"{target.name}: {console.plural(errors, 'error')}", hint)
    console.next_command(f"synth import NAME {path}" if _is_file(path) else f"synth inspect {name} --sample 5")


class _Talk:
    """Prints problems as they are found, or keeps them for --json."""

    def __init__(self, everything: bool, keep: bool) -> None:
        self.kept: list[Problem] = []
        self.count: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self._everything, self._keep = everything, keep

    @property
    def hidden(self) -> bool:
        """Whether problems were counted and not shown."""
        return not self._everything and not self._keep and any(count > SHOWN for count in self._codes.values())

    def take(self, problem: Problem) -> None:
        """One problem."""
        self.count[problem.severity] += 1
        self._codes[problem.code] += 1
        if self._keep:
            self.kept.append(problem)
        elif self._everything or self._codes[problem.code] <= SHOWN:
            severity = console.styled(f"{problem.severity:<7}", _STYLES[problem.severity])
            console.out(f"{severity} {problem.where}  {problem.code}: {console.shown(problem.message)}")
            if problem.fix:
                console.out(f"        {console.shown(problem.fix)}", "dim")

    def end(self) -> None:
        """Says what was counted and not shown."""
        if self.hidden:
            for code, count in self._codes.items():
                if count > SHOWN:
                    console.out(f"        and {count - SHOWN:,} more of {code}", "dim")


def _beside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []


def _is_file(path: Path) -> bool:
    return path.is_file() or (path / "completions").is_dir()


def _exported(path: Path, wanted: str | None) -> tuple[Path, str | None] | None:
    """The dataset of an exports folder, or of one format's folder in it, and which format is meant."""
    exports = path if path.name == "exports" else path.parent
    if not path.is_dir() or exports.name != "exports" or not (exports.parent / "manifest.json").is_file():
        return None
    return exports.parent, wanted if path == exports else path.name


def _sentence(one: Checked) -> str:
    what = f" of {one.format}" if one.format else ""
    found = ((one.errors, "error"), (one.warnings, "warning"))
    counts = ", ".join(console.plural(count, word) for count, word in found if count)
    return f"{console.near(one.path)}: {console.plural(one.rows, 'row')}{what}, {counts or 'no problem found'}"


def _as_json(one: Checked) -> dict[str, Any]:
    return {"path": str(one.path), "format": one.format, "rows": one.rows, "errors": one.errors,
            "warnings": one.warnings, "notes": one.notes, "codes": dict(sorted(one.codes.items()))}
