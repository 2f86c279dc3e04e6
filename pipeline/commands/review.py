"""`synth review`: people decide on rows, at a terminal, by a command or from a file."""

from __future__ import annotations

import getpass
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pipeline import rows as rows_
from pipeline.commands import _console as console
from pipeline.commands import _filters
from pipeline.commands._options import Target, json_option, target
from pipeline.errors import DataError, RecipeError

if TYPE_CHECKING:
    from pipeline.store import Dataset
    from pipeline.types import Problem

SAMPLE = 20


class Ask(NamedTuple):
    """What was asked for."""

    row: str | None
    kept: bool
    drop: bool
    clear: bool
    note: str | None
    labels: Path | None
    by: str | None
    sample: int
    second: bool
    blind: bool | None
    seed: int
    who: str | None
    json_: bool


@click.command("review")
@target()
@click.argument("row", required=False, metavar="[ROW]")
@click.option("--keep", "kept", is_flag=True, help="ROW stays in the set, whatever rules say.")
@click.option("--drop", is_flag=True, help="ROW leaves the set.")
@click.option("--clear", is_flag=True, help="What you decided on ROW counts no longer.")
@click.option("--note", metavar="TEXT", help="Why, beside --keep or --drop.")
@click.option("--labels", type=click.Path(path_type=Path), metavar="FILE",
              help="Labels from a table or JSON lines: columns id and label (keep or drop, 1 or 0, good or bad), and "
                   "maybe by and note.")
@click.option("--by", metavar="RULE", help="Rows spread over what a rule measured, those near its bound first: for "
                                           "`synth curate NAME --calibrate RULE`.")
@click.option("--sample", type=click.IntRange(1), default=SAMPLE, show_default=True, metavar="N",
              help="At most N rows, of those that nobody labelled.")
@click.option("--second", is_flag=True, help="Rows that somebody else labelled and you did not: how far you agree.")
@click.option("--blind/--open", default=None, help="Hide or show what rules found. [hidden with --by and --second, so "
                                                   "that labels do not follow the rule]")
@click.option("--seed", type=int, default=0, help="The same seed picks the same rows.")
@click.option("--who", metavar="NAME", help="Who decides. [the user of this machine]")
@_filters.options
@json_option
def command(target: Target, **given: Any) -> None:
    """Decides rows by hand. A person's word wins over every rule once `synth curate` has run.

    \b
    synth review plots                           twenty rows at random, a key each
    synth review plots --by length               spread over a rule's values: labels to calibrate it with
    synth review plots --rule refusal            rows that a rule dropped or flagged
    synth review plots k3v9 --drop --note "no ending"
    synth review plots --labels labels.csv       columns id, label
    synth review plots --json                    all decisions
    """
    filters = {key: given.pop(key) for key in _filters.NAMES}
    ask = Ask(**given)
    _one_way(target, ask)
    with target.dataset() as dataset:
        if ask.labels is not None:
            _bring(dataset, target, ask.labels, ask)
        elif ask.kept or ask.drop or ask.clear:
            _one(dataset, target, ask)
        elif ask.json_:
            console.as_json(_decisions(dataset))
        elif not console.terminal():
            raise RecipeError("rows are labelled at a terminal, and this is none", _ways(target))
        else:
            _session(dataset, target, ask, filters)


def _ways(target: Target) -> str:
    return (f"synth review {target.name} ROW --keep            or --drop, or --clear; --note says why\n"
            f"synth review {target.name} --labels labels.csv   columns id and label: keep or drop\n"
            f"synth review {target.name} --json                what was decided")


def _one_way(target: Target, ask: Ask) -> None:
    """Options that mean different things are not given together.

    Raises:
        RecipeError: they are, or one stands alone.
    """
    given = {"--keep": ask.kept, "--drop": ask.drop, "--clear": ask.clear, "--labels": ask.labels}
    ways = [way for way, there in given.items() if there]
    if len(ways) > 1:
        raise RecipeError(f"{' and '.join(ways)}: one at a time", _ways(target))
    if ways and ways != ["--labels"] and ask.row is None:
        raise RecipeError(f"{ways[0]} of which row?", f"synth review {target.name} ROW {ways[0]}")
    if ask.note and ways not in (["--keep"], ["--drop"]):
        raise RecipeError("--note goes with --keep or --drop",
                          f"synth review {target.name} ROW --drop --note {shlex.quote(ask.note)}")
    if ask.row and ask.labels:
        raise RecipeError("--labels is about the rows that the file names", _ways(target))


def _who(ask: Ask) -> str:
    """Who decides. Raises RecipeError: by a name that means edits of samples.jsonl."""
    from pipeline.store.reviews import HAND

    if ask.who == HAND or ask.who == "":
        raise RecipeError(f"--who '{ask.who}': `{HAND}` means an edit of samples.jsonl; name the person", "--who eva")
    if ask.who:
        return ask.who
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no user of this number, as in a container
        return "me"


# -- without a terminal --------------------------------------------------------------------------


def _one(dataset: Dataset, target: Target, ask: Ask) -> None:
    """One decision on one row."""
    who, sample = _who(ask), rows_.named(dataset, ask.row or "").sample
    people = dataset.labels().get(sample.id, {})
    if ask.clear and who not in people:
        short, others = sample.id[:8], f", {', '.join(people)} did" if people else ""
        theirs = f"{short} --clear --who {shlex.quote(next(iter(people)))}" if people else "--json"
        raise DataError(f"{dataset.name}: {who} decided nothing on {short}{others}",
                        f"synth review {target.name} {theirs}")
    action = "undo" if ask.clear else "keep" if ask.kept else "drop"
    dataset.review(sample.id, action, sample.digest, by=who, note=ask.note)
    if ask.json_:
        console.as_json(_decisions(dataset))
    else:
        console.out(f"{sample.id[:8]}  {'no longer decided' if ask.clear else action}, by {who}")
    console.wrote(dataset.path / "reviews.jsonl")
    console.next_command(f"synth curate {target.name}", "decides so")


def _bring(dataset: Dataset, target: Target, path: Path, ask: Ask) -> None:
    """Labels from a file."""
    from pipeline.review import bring

    problems: list[Problem] = []
    found = bring(dataset, path, _who(ask), problems.append)
    if ask.json_:
        console.as_json(found._asdict())
    else:
        there = f", {found.there:,} that stood there already" if found.there else ""
        console.out(f"{found.keep:,} keep, {found.drop:,} drop{there}, of {console.near(path)}")
    wrong = [each for each in problems if each.severity == "error"]
    for problem in wrong[:5]:
        console.warn(f"{problem.where}: {problem.message}; {problem.fix}")
    if len(wrong) > 5:
        console.warn(f"{len(wrong) - 5:,} more lines that cannot be used")
    console.wrote(dataset.path / "reviews.jsonl")
    console.next_command(f"synth curate {target.name}", "decides so")


def _decisions(dataset: Dataset) -> list[dict[str, Any]]:
    """What stands of each person on each row; `counts`: whether it decides; `stale`: given on an earlier text."""
    digests = {sample.id: sample.digest for sample in dataset.samples()}
    found = []
    for sample, people in dataset.labels().items():
        last = next(reversed(people))
        for by, line in people.items():
            stale = line.get("digest") not in ("", None, digests.get(sample))
            told = {key: line.get(key) for key in ("at", "note", "drawn")}
            told |= {"counts": by == last, "stale": stale}
            found.append({"id": sample, "label": line["action"], "by": by, **told})
    return found


# -- at a terminal -------------------------------------------------------------------------------


def _session(dataset: Dataset, target: Target, ask: Ask, filters: dict[str, Any]) -> None:
    """Rows one at a time."""
    from pipeline.commands._reviewing import Session
    from pipeline.review import pick

    who = _who(ask)
    blind = bool(ask.by or ask.second) if ask.blind is None else ask.blind
    drawn: dict[str, Any] | None = None
    if ask.row is not None:
        rows = [rows_.named(dataset, ask.row)]
    else:
        wanted = _filters.read(dataset, **filters)
        rows = pick(dataset, wanted, ask.sample, ask.seed, by=ask.by, second=who if ask.second else None)
        drawn = {"by": ask.by, "blind": blind, "filter": _typed(filters)}
        drawn = {key: value for key, value in drawn.items() if value is not None and value != ""}
    if not rows:
        decided = f"synth review {target.name} --json   what was decided"
        raise DataError(f"{dataset.name}: no row is left to label here",
                        decided if dataset.labels() else f"synth inspect {target.name}")
    hidden = ": what rules found is hidden, so that labels do not follow it" if blind else ""
    console.fact("label", f"{console.plural(len(rows), 'row')} as {who}{hidden}")
    done = Session(dataset, rows, who, drawn, blind, click.getchar).run()
    _ended(dataset, target, ask, done)


def _typed(filters: dict[str, Any]) -> str:
    """The filters as they were typed."""
    words = list[str]()
    for key, value in filters.items():
        for each in value if isinstance(value, tuple) else [value] if value else []:
            words += [f"--{key}", str(each)]
    return shlex.join(words)


def _ended(dataset: Dataset, target: Target, ask: Ask, done: Counter[str]) -> None:
    """What was decided, and what comes next."""
    from pipeline.curate import FEWEST

    labels = dataset.labels()
    console.say()
    console.fact("done", f"{done['keep']:,} keep, {done['drop']:,} drop, {done['skip']:,} skipped; "
                         f"{console.plural(len(labels), 'row')} labelled in all")
    if done["keep"] or done["drop"]:
        console.wrote(dataset.path / "reviews.jsonl")
    if ask.by and len(labels) >= FEWEST:
        console.next_command(f"synth curate {target.name} --calibrate {ask.by}", "how the rule does beside them")
    elif ask.by:
        console.next_command(f"synth review {target.name} --by {ask.by}", f"{FEWEST} labels calibrate a rule, or more")
    else:
        console.next_command(f"synth curate {target.name}", "decides so")
