"""`synth check`: what is wrong with a training file, ours or another's."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.commands._options import Target, json_option, target
from pipeline.errors import DataError, RecipeError, did_you_mean

if TYPE_CHECKING:
    from pipeline.export.check import Checked
    from pipeline.export.check_fix import Change, Fixed
    from pipeline.export.check_target import Target as Who
    from pipeline.export.leak import Pair
    from pipeline.types import Problem

SHOWN = 5
"""On a terminal, so many problems of a code are shown; --all, --json and a pipe show every one."""
TOGETHER = 1_000
"""Lines that are written into a pipe at once."""

NEAR = 0.8
"""Shared runs of words from which on a row of validation is known from train, as `export` has it."""
NAMED = 3
"""Other exports with the same problem: so many are named, more are counted."""
_FILE = re.compile(r"\b(train|validation)(?:\.[a-z.]+)?(?=[:\s]|$)(:\d+)?")
"""A file of an export, with or without a suffix, and a line."""

_STYLES = {"error": "bad", "warning": "warn", "note": "dim"}


@click.command("check")
@target()
@click.option("--for", "wanted", metavar="WHO",
              help="Who reads it: a model (gpt-4.1-mini), a format (llama2), a format with a tokenizer's folder "
                   "(gemma:PATH), or that folder. [as its rows are; all exports]")
@click.option("--validation", type=click.Path(path_type=Path, exists=True), metavar="FILE",
              help="A second file; none of its rows may stand in the first one.")
@click.option("--limit", type=click.IntRange(1), metavar="TOKENS", help="Tokens that a row may have. [the model's]")
@click.option("--fix", is_flag=True, help="Mend what is certain, show the changes, keep the original as FILE.orig.")
@click.option("--all", "everything", is_flag=True,
              help=f"Show every problem; a terminal shows {SHOWN} of each kind, a pipe all.")
@json_option
def command(target: Target, json_: bool, **given: Any) -> None:
    """Checks a training file, or all exports of a dataset. NAME is a path or a dataset.

    \b
    synth check plots                            every export, and that nobody changed it
    synth check train.jsonl --for gpt-4.1-mini   its rules, tokens, limit, epochs and price
    synth check train.jsonl --for gemma:./gemma-2b --limit 2048
    synth check train.jsonl --validation held.jsonl
    synth check train.jsonl --fix                what is certain is mended, the original kept

    Exit status: 0 without errors, 4 with any.
    """
    path, validation = Path(target.name), given["validation"]
    apart: Pair | None = None
    talk = _Talk(given["everything"] or not console.screen(), json_)
    who = _who(given["wanted"], given["limit"], target)
    if _is_file(path):
        from pipeline.export.check import check_file
        from pipeline.export.check_leak import most_alike

        fixed = [_fix(each, talk) for each in (path, validation) if each is not None] if given["fix"] else []
        done, name = check_file(path, talk.take, target=who, validation=validation), target.name
        apart = most_alike(path, validation) if validation is not None and not _shared(done) else None
    elif path.suffix and not (target.path / "manifest.json").is_file():
        raise DataError(f"{path}: no such file", did_you_mean(path.name, [beside.name for beside in _beside(path)]))
    else:
        if given["fix"]:
            raise DataError(f"{target.name}: exports are not mended, they are made anew", f"synth export {target.name}")
        fixed, (done, name) = [], _dataset(target, path, who, talk)
    talk.end()
    if json_:
        console.as_json({"files": [_as_json(one) for one in done], "problems": talk.kept,
                         **({"most_alike": apart.as_json() if apart else None} if validation is not None else {}),
                         **({"fixed": [_fixed_as_json(one) for one in fixed]} if fixed else {})})
    for one in done:
        _facts(one)
    if validation is not None and not _shared(done):
        console.fact("split", _apart(done, apart), "warn" if apart and apart.jaccard >= NEAR else "")
    errors = talk.count["error"]
    if errors:
        again = shlex.join(_typed(name, given))
        hint = f"{again} --all" if talk.hidden else f"mend these, then: {again}"
        raise DataError(f"{target.name}: {console.plural(errors, 'error')}", hint)
    console.next_command(_next(path, name, target))


def _next(path: Path, name: str, target: Target) -> str:
    """A file from elsewhere is imported; of what a dataset exported, its rows are looked at."""
    if not _is_file(path):
        return f"synth inspect {name} --sample 5"
    home, file = target.settings.datasets.resolve(), path.resolve()
    if home in file.parents:
        return f"synth inspect {shlex.quote(file.relative_to(home).parts[0])} --sample 5"
    stem = path.name.removesuffix(".gz").partition(".")[0]
    return shlex.join(["synth", "import", stem, str(path)])


def _who(text: str | None, limit: int | None, target: Target) -> Who | None:
    from pipeline.export.check_target import target_of

    if text is None and limit is not None:
        raise RecipeError("--limit is counted in tokens, and nobody is named who counts them",
                          f"synth check {target.name} --for gpt-4.1-mini --limit {limit}")
    return target_of(text, target.settings, limit) if text else None


def _dataset(target: Target, path: Path, who: Who | None, talk: _Talk) -> tuple[list[Checked], str]:
    """The exports of a dataset, and the name under which it can be checked again."""
    from pipeline.export.check import check_dataset
    from pipeline.export.check_target import target_of
    from pipeline.store import Dataset

    found = _exported(path)
    folder, only = found or (target.made, None)
    with Dataset.open(folder) as dataset:
        talk.exports = f"{dataset.exports}/"
        done = check_dataset(dataset, talk.take, target=who or (target_of(only) if only else None))
    return done, str(folder) if found else target.name


def _typed(name: str, given: dict[str, Any]) -> list[str]:
    """What was typed, less what is done by now."""
    named = {"--for": given["wanted"], "--limit": given["limit"], "--validation": given["validation"]}
    words = [word for option, value in named.items() if value for word in (option, str(value))]
    return ["synth", "check", name, *words]


def _fix(path: Path, talk: _Talk) -> tuple[Fixed, list[Change]]:
    """Mends a file, and shows what changes in it."""
    from pipeline.export.check_fix import fix_file

    changes: list[Change] = []

    def take(change: Change) -> None:
        if len(changes) < SHOWN or talk.everything:
            talk.change(path, change)
        changes.append(change)

    fixed = fix_file(path, take)
    if fixed.kept is None:
        console.fact("mended", f"nothing in {console.near(path)}: nothing in it has a certain cure")
    else:
        hidden = fixed.changes - SHOWN
        if hidden > 0 and not talk.everything:
            console.out(f"        and {console.plural(hidden, 'change')} more: "
                        f"diff {console.near(fixed.kept)} {console.near(path)}", "dim")
        console.wrote(path)
        console.fact("kept", f"{console.near(fixed.kept)}, the file as it was")
    return fixed, changes


class _Talk:
    """Prints problems as they are found, or keeps them for --json."""

    def __init__(self, everything: bool, keep: bool) -> None:
        self.kept: list[Problem] = []
        self.count: Counter[str] = Counter()
        self.exports = ""
        self._alike: dict[tuple[str, ...], list[Problem]] = {}
        self._codes: Counter[str] = Counter()
        self.everything, self._keep = everything, keep
        self._lines: list[str] = []
        self._at_once = console.screen()
        self._heads = {severity: console.styled(f"{severity:<7}", style) for severity, style in _STYLES.items()}

    @property
    def hidden(self) -> bool:
        """Whether problems were counted and not shown."""
        return not self.everything and not self._keep and any(count > SHOWN for count in self._codes.values())

    def take(self, problem: Problem) -> None:
        """One problem."""
        self.count[problem.severity] += 1
        if self._keep:
            self.kept.append(problem)
        elif self.exports:
            self._alike.setdefault(self._key(problem), []).append(problem)
        else:
            self._show(problem)

    def _key(self, problem: Problem) -> tuple[str, ...]:
        """What is the same of a problem in every export that has it: the row and what is wrong with it."""
        exported = f"{self.exports}{self._export(problem)}/"
        plain = (_FILE.sub(r"\1\2", text.replace(exported, "")) for text in (problem.where, problem.message))
        return problem.severity, problem.code, *plain

    def _export(self, problem: Problem) -> str:
        return problem.where.removeprefix(self.exports).partition("/")[0]

    def _show(self, problem: Problem, others: str = "") -> None:
        """One problem, and where else it is."""
        self._codes[problem.code] += 1
        if self.everything or self._codes[problem.code] <= SHOWN:
            head = self._heads[problem.severity]
            self._lines.append(f"{head} {problem.where}  {problem.code}: {_said(problem.message)}")
            if problem.fix:
                self._lines.append(_cure(problem.fix))
            if others:
                self._lines.append(_cure(others))
            if self._at_once or len(self._lines) >= TOGETHER:
                self._print()

    def _print(self) -> None:
        if self._lines:
            console.out("\n".join(self._lines))
            self._lines.clear()

    def change(self, path: Path, change: Change) -> None:
        """One line that is mended: what it was, and what it is."""
        from pipeline.export.check_fix import shown_change

        if self._keep:
            return
        where = f"{path}:{change.line}" if change.line else str(path)
        console.out(f"{console.styled('mended ', 'good')} {where}  {console.shown('; '.join(change.done))}")
        if change.before is not None and change.before.strip():
            old, new = shown_change(change.before, change.after)
            console.out(f"        - {console.shown(old)}", "bad")
            if new:
                console.out(f"        + {console.shown(new)}", "good")

    def end(self) -> None:
        """Says what exports share, once, and what was counted and not shown."""
        for first, *rest in self._alike.values():
            names = sorted({self._export(problem) for problem in rest} - {self._export(first)})
            told = ", ".join(names) if len(names) <= NAMED else f"{len(names)} more exports"
            self._show(first, f"and in {told}" if names else "")
        self._print()
        if self.hidden:
            for code, count in self._codes.items():
                if count > SHOWN:
                    console.out(f"        and {count - SHOWN:,} more of {code}", "dim")


@lru_cache(256)
def _said(text: str) -> str:
    """A problem as it is shown; that of one row is often that of all."""
    return console.shown(text)


@lru_cache(256)
def _cure(text: str) -> str:
    """A cure as it is shown."""
    return console.styled(f"        {console.shown(text)}", "dim")


def _beside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []


def _is_file(path: Path) -> bool:
    return path.is_file() or (path / "completions").is_dir()


def _exported(path: Path) -> tuple[Path, str | None] | None:
    """The dataset of an exports folder, or of one format's folder in it, and which format is meant."""
    exports = path if path.name == "exports" else path.parent
    if not path.is_dir() or exports.name != "exports" or not (exports.parent / "manifest.json").is_file():
        return None
    return exports.parent, None if path == exports else path.name


def _facts(one: Checked) -> None:
    """What a file holds, what its tokens are, and what a job on it would be."""
    console.fact("read", _sentence(one))
    found = one.tokens
    if found is None:
        return
    about = "" if found["exact"] else "about "
    row, by = found["row"], found["counted_by"]
    who = f"{found['for']} ({by})" if by and by != found["for"] else found["for"]
    console.fact("tokens", f"{about}{found['total']:,} for {who}: a row {row['min']:,} to {row['max']:,}, "
                           f"median {row['median']:,.0f}; answers {found['answers']['total']:,}")
    if not found["exact"]:
        console.fact("", _why_about(found))
    if found["limit"] is not None:
        over, maybe = found["over_limit"], found["maybe_over_limit"]
        said = f"{over:,} over it" if over else "none over it"
        said = f"{maybe:,} may be over it" if maybe and not over else said
        console.fact("limit", f"{found['limit']:,} tokens a row, {said}")
    if "job" in found:
        console.fact("job", _job(found["job"], about))


def _shared(done: list[Checked]) -> bool:
    """Whether a row of the second file stands in the first one."""
    return "in-both-files" in done[-1].codes


def _apart(done: list[Checked], most: Pair | None) -> str:
    """`no row of held.jsonl is in train.jsonl; the most alike share 6% of their runs of words: train.jsonl:12, ...`."""
    train, held = (str(one.path) for one in done)
    prompts = done[1].codes["prompt-in-both-files"]
    asked = f", {console.plural(prompts, 'of its prompts is', 'of its prompts are')}" if prompts else ""
    alike = "" if most is None else "; they have no run of words in common"
    if most and most.train:
        alike = f"; the most alike share {most.jaccard:.0%} of their runs of words: {most.train}, {most.validation}"
    said = f"no row of {held} is in {train}{asked}{alike}"
    short = [Path(each).name for each in (train, held)]
    return said if short[0] == short[1] else said.replace(train, short[0]).replace(held, short[1])


def _why_about(found: dict[str, Any]) -> str:
    if found["missing"]:
        return f"an estimate; its vocabulary is not on this machine. For exact counts, once: {found['missing']}"
    if found["counted_by"]:
        return "an estimate: what tools and images cost is not published"
    return f"an estimate: for exact counts name a tokenizer's folder, as --for {found['format']}:PATH"


def _job(job: dict[str, Any], about: str) -> str:
    """Epochs, steps and dollars of a job that is started with what it takes by default."""
    text = (f"{console.plural(job['epochs'], 'epoch')} by OpenAI's rule, {about}{job['tokens']:,} tokens, "
            f"{job['steps_at_batch_1']:,} steps of one row")
    if job["usd"] is None:
        return f"{text}; no price is known"
    most = f", at most {console.money(job['usd_at_most'])}" if about else ""
    return (f"{text}, {about}{console.money(job['usd'])}{most} ({console.price(job['usd_per_million'])} for a million, "
            f"as of {job['price_as_of']})")


def _sentence(one: Checked) -> str:
    what = f" of {one.format}" if one.format else ""
    found = ((one.errors, "error"), (one.warnings, "warning"))
    counts = ", ".join(console.plural(count, word) for count, word in found if count)
    return f"{console.near(one.path)}: {console.plural(one.rows, 'row')}{what}, {counts or 'no problem found'}"


def _as_json(one: Checked) -> dict[str, Any]:
    return {"path": str(one.path), "format": one.format, "rows": one.rows, "errors": one.errors,
            "warnings": one.warnings, "notes": one.notes, "codes": dict(sorted(one.codes.items())),
            "facts": one.facts, "tokens": one.tokens}


def _fixed_as_json(found: tuple[Fixed, list[Change]]) -> dict[str, Any]:
    def text(line: bytes | None) -> str | None:
        return None if line is None else line.decode("utf-8", "backslashreplace")

    fixed, changes = found
    return {"path": str(fixed.path), "kept": str(fixed.kept) if fixed.kept else None,
            "changes": [{"line": each.line, "done": list(each.done), "before": text(each.before),
                         "after": text(each.after)} for each in changes]}
