"""`synth inspect`: the rows of a dataset, as a table or one in full."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pipeline import rows as rows_
from pipeline.commands import _clusters, _filters, _row
from pipeline.commands import _console as console
from pipeline.commands._options import Target, json_option, target
from pipeline.errors import DataError, RecipeError, did_you_mean
from pipeline.rows import REWRITTEN, Filters, Row
from pipeline.views import shown as says

if TYPE_CHECKING:
    from pipeline.store import Dataset
    from pipeline.types import Problem

LIMIT = 20
OTHERS_WIDE, AXIS_WIDE = 62, 14
"""Columns of a terminal for id, state, measure and the answer's beginning, and for each axis."""
TEXT_WIDE = 100
"""Columns of a terminal of a text in the table, also in a pipe."""
POLL_S = 0.5
IDLE_POLLS = 3
"""So often in a row nobody is found at work before a run counts as ended."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was asked for."""

    sort: str | None
    desc: bool
    axis: tuple[str, ...]
    rule: tuple[str, ...]
    state: rows_.Standing | Literal["flagged"] | None
    text: tuple[str, ...]
    cluster: tuple[str, ...]
    where: str | None
    sample: int | None
    seed: int
    limit: int | None
    json_: bool

    @property
    def count(self) -> int | None:
        """How many rows at most; None for all."""
        if self.limit is None:
            return None if self.json_ else LIMIT
        return self.limit or None


@click.command("inspect")
@target()
@click.argument("row", required=False, metavar="[ID|FILE:LINE]")
@click.option("--sort", metavar="COLUMN", help="Order by a measure (length), an axis, cost, tokens. Smallest first.")
@click.option("--desc", is_flag=True, help="Largest first.")
@_filters.options
@click.option("--sample", type=click.IntRange(1), metavar="N", help="N rows at random.")
@click.option("--seed", type=int, default=0, help="Of --sample: the same seed shows the same rows.")
@click.option("--limit", type=click.IntRange(0), metavar="N", help="At most N rows; 0 for all. [20, with --json all]")
@click.option("--why", is_flag=True, help="Of one row: the verdict and its reasons, nothing else.")
@click.option("--mask", "masked", metavar="ID|FILE:LINE", help="A row token by token: what is trained, what is not.")
@click.option("--for", "wanted", metavar="WHO", help="Of --mask: a format, one with a tokenizer's folder (gemma:DIR), "
              "a model. [the file's format, else the recipe's tuning]")
@click.option("--follow", is_flag=True, help="A line per row as a run writes it, until it ends.")
@json_option
def command(
    target: Target, row: str | None, why: bool, follow: bool, masked: str | None, wanted: str | None, **given: Any
) -> None:
    """Reads the rows of a dataset: as a table, or one in full with all that is behind it.

    \b
    synth inspect plots --sort length            the shortest first
    synth inspect plots --rule refusal           what a rule dropped or flagged, and why
    synth inspect plots --cluster all            rows that are alike: the largest clusters, a line each
    synth inspect plots --cluster 7f3a2c1b       the rows of one, and how alike they are
    synth inspect plots --sample 5 --seed 2      five at random
    synth inspect plots k3v9                     one row, by the beginning of its id
    synth inspect plots train.jsonl:12           the row behind a line of an exported file
    synth inspect plots --mask k3v9              its tokens, trained or only read
    """
    look = Look(**given)
    if wanted and not masked:
        raise RecipeError("--for says who reads the row of --mask",
                          f"synth inspect {target.name} --mask ID --for {wanted}")
    with target.dataset() as dataset:
        if follow:
            _follow(dataset)
        elif masked:
            from pipeline.commands import _mask

            files, (found, *_) = _files(dataset, masked), _meant(dataset, masked)
            _mask.show(target, dataset, found, files, wanted, look.json_)
        elif row is not None:
            found, *twins = _meant(dataset, row)
            _one(dataset, found, why, look.json_)
            if twins:
                console.warn(f"rows that read the same: {', '.join(twin.sample.id[:8] for twin in twins)}")
        elif why:
            raise RecipeError("--why is about one row", f"synth inspect {target.name} ID --why")
        elif _clusters.ALL in look.cluster:
            _clusters.alone({key: getattr(look, key) for key in ("sort", *_filters.NAMES, "sample")
                             if key != "cluster"}, target.name)
            _clusters.show(dataset, look.limit, look.json_)
        else:
            _list(dataset, look)


def _meant(dataset: Dataset, text: str) -> list[Row]:
    """The row of an id's beginning, or the rows that a line of an exported file was written from."""
    files, line = _files(dataset, text), text.rpartition(":")[2]
    if not files:
        return [rows_.named(dataset, text)]
    from pipeline.trace import rows_of

    found = [rows_of(dataset, file, int(line)) for file in files]
    if any(rows[0].sample.id != found[0][0].sample.id for rows in found):
        lines = [f"synth inspect {dataset.name} {file.relative_to(dataset.exports)}:{line}" for file in files]
        raise DataError(f"{text}: another row in each of {len(files)} exports", "\n".join(lines))
    return found[0]


def _files(dataset: Dataset, text: str) -> list[Path]:
    """The files that `FILE:LINE` may mean; none for an id."""
    path, _, line = text.rpartition(":")
    if not (path and line.isdigit()):
        return []
    return [Path(path)] if Path(path).is_file() else _exported(dataset, path)


def _exported(dataset: Dataset, path: str) -> list[Path]:
    """The files of a name under exports: `train.jsonl` in each format's folder, or `llama2/train.jsonl`."""
    files = sorted(file for file in dataset.exports.glob("*/*.jsonl") if file.name != "refused.jsonl")
    found = [file for file in files if path in (file.name, str(file.relative_to(dataset.exports)))]
    if not found:
        known = sorted({file.name for file in files} | {str(file.relative_to(dataset.exports)) for file in files})
        hint = did_you_mean(path, known) if known else f"synth export {dataset.name}"
        raise DataError(f"{path}: no such file here or in {console.near(dataset.exports)}", hint)
    return found


def _one(dataset: Dataset, row: Row, why: bool, json_: bool) -> None:
    if json_:
        console.as_json(_row.everything(dataset, row))
    elif why:
        _row.why(row, dataset.name)
    else:
        _row.show(dataset, row)


def _list(dataset: Dataset, look: Look) -> None:
    broken: list[Problem] = []
    known = rows_.columns(dataset)
    sort = rows_.column(look.sort, known) if look.sort else None
    counted = _Counted(rows_.read(dataset, broken.append), _filters.read(
        dataset, look.axis, look.rule, look.state, look.text, look.where, look.cluster))
    rows = _chosen(counted, look, sort)
    if look.json_:
        _json_lines(rows)
        if look.cluster and not counted.clustered:
            raise _clusters.unknown(look.cluster, dataset.name)
    else:
        found = list(rows)
        _explain_nothing(found, counted, look, dataset)
        beside = _clusters.measured(found, look.cluster) if look.cluster else []
        hidden = _table(found, known, sort, [*beside, *_numbers_of(found, counted.rules)], counted.rules)
        if look.cluster:
            _clusters.tell_measure(found, look.cluster)
        _summary(found, counted, dataset)
        if hidden:
            console.fact("hidden", f"{', '.join(hidden)}: no room for more columns; a wider terminal or --json has all")
        if found:
            console.next_command(f"synth inspect {dataset.name} {found[0].sample.id[:8]}", "one row in full")
    for problem in broken[:5]:
        console.warn(f"{problem.where}: {problem.message}; {problem.fix}")


class _Counted:
    """The rows that pass the filters, counted on the way, with the axis values that went by."""

    def __init__(self, rows: Iterator[Row], filters: Filters) -> None:
        self._rows = rows
        self._filters = filters
        self.rules = filters.rules
        self.seen = self.passed = 0
        self.whole = False
        self.values: dict[str, set[str]] = {axis: set() for axis, _ in filters.axes}
        self.spoke_up: set[str] = set()
        self.clustered = False

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.seen += 1
            for axis, values in self.values.items():
                if len(values) < 1000:
                    values.add(str(row.sample.cell.get(axis)))
            if self.rules and row.verdict:
                self.spoke_up.update(found.rule for found in row.verdict.findings)
            self.clustered = self.clustered or self._filters.in_cluster(row)
            if self._filters.hold(row):
                self.passed += 1
                yield row
        self.whole = True


def _chosen(rows: _Counted, look: Look, sort: str | None) -> Iterator[Row] | list[Row]:
    if look.sample:
        found = rows_.picked(rows, look.sample, look.seed)
        return rows_.ordered(found, sort, limit=None, descending=look.desc) if sort else found
    if sort:
        return rows_.ordered(rows, sort, limit=look.count, descending=look.desc)
    return _clusters.linked(rows, look.cluster, look.count) if look.cluster else itertools.islice(rows, look.count)


def _json_lines(rows: Iterator[Row] | list[Row]) -> None:
    """One JSON array, written row by row."""
    import orjson

    opened = False
    for row in rows:
        try:
            data = orjson.dumps(_row.summary(row)).decode()
        except TypeError:
            import json

            data = json.dumps(_row.summary(row))
        console.out(("," if opened else "[") + data)
        opened = True
    console.out("]" if opened else "[]")


def _explain_nothing(found: list[Row], counted: _Counted, look: Look, dataset: Dataset) -> None:
    if found:
        return
    if not counted.seen:
        raise DataError(f"{dataset.name}: no rows yet", f"synth generate {dataset.name}")
    if look.cluster and not counted.clustered:
        raise _clusters.unknown(look.cluster, dataset.name)
    for wanted in look.axis:
        axis, _, value = wanted.partition("=")
        if value not in counted.values[axis]:
            raise RecipeError(f"no row has {wanted}", did_you_mean(value, sorted(counted.values[axis])))
    for rule in look.rule:
        if rule.replace("_", "-") not in counted.spoke_up:
            hint = did_you_mean(rule, sorted(counted.spoke_up)) or f"synth curate {dataset.name}"
            raise RecipeError(f"no row was measured by '{rule}'", hint)


def _table(
    found: list[Row], known: list[str], sort: str | None, beside: list[str], rules: tuple[str, ...] = (),
) -> list[str]:
    """Prints the rows, with the columns `beside` and what `rules` have against them; returns the axes for which there
    is no room."""
    if not found:
        return []
    every = [name for name in known if name.startswith("cell.")]
    room = console.width() * 2 // 5
    axes = _axes_that_fit(every, sort, room if rules else 0)
    measured = "measure.length" if "measure.length" in known else "bytes"
    shown = list(dict.fromkeys([measured, *beside, *([sort] if sort and sort not in (*axes, "id", "state") else [])]))
    short = [name.split(".", 1)[-1] for name in (*shown, *axes)]
    why, text = ["why"] if rules else [], [] if axes or rules else ["prompt"]
    spare = [short[0]] if rules and measured not in (sort, *beside) else []
    numbers = [title for title, name in zip(short, shown, strict=False)
               if not any(isinstance(rows_.value(row, name), str) for row in found)]
    lines = console.table(
        [
            [row.sample.id[:8], _state(row), *(_short(rows_.value(row, name)) for name in shown),
             *(_why(row, rules, room) for _ in why), *(_short(str(rows_.value(row, name))) for name in axes),
             *(console.one_line(row.sample.prompt) for _ in text), _short(says(row.sample.last("assistant") or {}))]
            for row in found
        ],
        ["row", "state", *short[:len(shown)], *why, *short[len(shown):], *text, "answer"], right=numbers, wide="answer",
        spare=spare,
    )
    for line, row in zip(lines, [None, *found], strict=True):
        console.out(line, "dim" if row and row.state in ("dropped", "aside") else "")
    return [name.removeprefix("cell.") for name in every if name not in axes]


def _numbers_of(found: list[Row], rules: tuple[str, ...]) -> list[str]:
    """The columns of rules that measured numbers of these rows; a text says what its reason does."""
    names = [f"measure.{rows_.spelled(rule)}" for rule in rules]
    return [name for name in names if any(rows_.is_number(rows_.value(row, name)) for row in found)]


def _why(row: Row, rules: tuple[str, ...], room: int) -> str:
    """What these rules have against a row, with their names where there are several; on a screen its beginning."""
    told = [f"{found.rule}: {found.reason}" if len(rules) > 1 else found.reason
            for found in row.against if found.rule in rules]
    text = console.short_ids("; ".join(told))
    return console.one_line(text, room) if console.screen() else text


def _short(found: Any) -> Any:
    """What stands in a cell: of a text its beginning."""
    return console.one_line(found, TEXT_WIDE) if isinstance(found, str) else found


def _axes_that_fit(axes: list[str], sort: str | None, taken: int) -> list[str]:
    """As many axes as leave room for the answer and `taken` columns, the one that rows are sorted by first; all in a
    pipe."""
    if not console.screen():
        return axes
    ranked = sorted(axes, key=lambda name: name != sort)[: max(1, (console.width() - OTHERS_WIDE - taken) // AXIS_WIDE)]
    return [name for name in axes if name in ranked]


def _state(row: Row) -> str:
    """`kept`, `dropped length`, `kept, flagged repetition`, `replaced by its rewrite k3v9...`, `aside earlier`."""
    if row.aside is not None:
        return f"aside {row.aside}"
    if row.state == "dropped":
        rewrite = next((str(found.value) for found in row.against if found.rule == REWRITTEN), None)
        return f"replaced by its rewrite {rewrite[:8]}" if rewrite else f"dropped {', '.join(row.dropped_by)}".strip()
    rules = ", ".join(dict.fromkeys(found.rule for found in row.against))
    return f"{row.state}, flagged {rules}" if rules else row.state


def _summary(found: list[Row], counted: _Counted, dataset: Dataset) -> None:
    console.say()
    shown, passed, seen = len(found), counted.passed, counted.seen
    if not found:
        console.fact("rows", f"none of {seen:,} is like that")
        return
    if not counted.whole:
        console.fact("rows", f"the first {shown:,}; --limit 0 shows all, --sort length the shortest")
    elif passed == seen:
        console.fact("rows", f"all {seen:,}" if shown == seen else f"{shown:,} of {seen:,}")
    elif shown == passed:
        console.fact("rows", f"{shown:,} of {seen:,} {'is' if shown == 1 else 'are'} like that")
    else:
        console.fact("rows", f"{shown:,} of {passed:,} that are like that, {seen:,} in all")

def _follow(dataset: Dataset) -> None:
    from pipeline.store.locks import holders
    from pipeline.store.tail import tail

    path = dataset.path / "samples.jsonl"

    seen = any(holders(dataset.path))
    console.fact("follow", f"{console.near(path)}; {'' if seen else 'nobody is at work on it yet; '}Ctrl-C ends it")
    idle = 0

    def wait() -> bool:
        """Goes on until nobody has been at work for a while; stages of a run follow each other closely."""
        nonlocal seen, idle
        if seen and idle >= IDLE_POLLS:
            return False
        time.sleep(POLL_S)
        idle = 0 if any(holders(dataset.path)) else idle + 1
        seen = seen or not idle
        return True

    try:
        for sample in tail(path, wait, last=5):
            room = console.width() - 20 if console.screen() else 200
            size = len(sample.answer.encode("utf-8", "surrogatepass"))
            console.out(f"{sample.id[:8]}  {size:>7,}  {console.one_line(sample.answer, room)}")
    except KeyboardInterrupt:  # the other way to end it
        console.say()
        return
    console.fact("ended", "nobody is at work on it any more")
    console.next_command(f"synth status {dataset.name}")
