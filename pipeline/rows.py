"""Rows beside their verdicts: joined, named by column, filtered, sorted. What `inspect` and `synth.load` read."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .digest import hash_unit
from .errors import DataError, RecipeError, did_you_mean
from .types import Finding, Problem, Sample, Verdict

if TYPE_CHECKING:
    from .store.dataset import Dataset
    from .store.standing import Aside

Standing = Literal["kept", "dropped", "new", "aside"]
STANDINGS: tuple[Standing, ...] = ("kept", "dropped", "new", "aside")
"""`new`: not curated, or changed since. `aside`: no part of the set today, see `store.standing.WHY`."""

FLAGGED: Literal["flagged"] = "flagged"
"""Kept, though a rule flagged it or raised on it: what a filter takes beside the four."""
STATES = (*STANDINGS, FLAGGED)

PLAIN = ("id", "state", "bytes", "tokens", "cost_usd", "model", "finish_reason", "created", "parent")
"""Columns that every row has, beside cell.*, fields.* and measure.*."""

SHORT = {"cost": "cost_usd", "finish": "finish_reason"}
SPOKE_UP = ("drop", "flag", "error")
"""Outcomes by which a rule has something to say about a row."""
FAMILIES = ("cell", "fields", "measure")
"""Columns of a row's own: `cell.genre`; in a condition both `genre` and `cell.genre`."""
REVIEW, REWRITTEN = "review", "rewritten"
"""What decides beside rules: a person, and a rewrite that stands in its parent's place."""


class Row(NamedTuple):
    """A sample, the verdict on exactly this content if there is one, and why it stands aside if it does."""

    sample: Sample
    verdict: Verdict | None
    aside: Aside | None = None

    @property
    def state(self) -> Standing:
        """kept, dropped, new or aside."""
        if self.aside is not None:
            return "aside"
        return self.verdict.state if self.verdict else "new"

    @property
    def found(self) -> tuple[Finding, ...]:
        """All findings on it."""
        return self.verdict.findings if self.verdict else ()

    @property
    def against(self) -> list[Finding]:
        """The findings that dropped it or flagged it."""
        return [found for found in self.found if found.outcome in SPOKE_UP]

    @property
    def flagged(self) -> bool:
        """Whether it is kept with a finding against it."""
        return self.state == "kept" and bool(self.against)

    @property
    def dropped_by(self) -> list[str]:
        """What drops it: rules, a review, a rewrite in its place."""
        return list(dict.fromkeys(found.rule for found in self.against if found.outcome == "drop"))


class _State(str):
    """A row's state in a condition: of a flagged row both `state == 'kept'` and `state == 'flagged'` hold."""

    flagged = False

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) is True or (self.flagged and other == FLAGGED)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


BEGINS = 8
"""Letters of an id that tables show."""


class _Id(str):
    """An id in a condition: `parent == 'k3v9p2xq'` holds of one that begins so, since tables show no more."""

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other) is True or (
            isinstance(other, str) and len(other) >= BEGINS and self.startswith(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def read(dataset: Dataset, problem: Callable[[Problem], None] | None = None) -> Iterator[Row]:
    """Every row as it stands today, in order of arrival."""
    aside = dataset.aside()
    return (Row(sample, verdict, aside(sample)) for sample, verdict in joined(dataset, problem))


def joined(
    dataset: Dataset, problem: Callable[[Problem], None] | None = None, *, whole: bool = True, as_it_was: bool = False,
    earlier: Callable[[Verdict], None] | None = None,
) -> Iterator[tuple[Sample, Verdict | None]]:
    """Every sample with its verdict, in order of arrival.

    Both files are read side by side, so that memory stays flat while they are in the same order;
    verdicts that come early are held until their row does. A verdict on earlier content is left out (`earlier` gets it,
    before its row comes), and a damaged one where `whole` is False. `as_it_was`: the rows are known to be those that
    were judged, so no text is digested.
    """
    verdicts, waiting = dataset.verdicts(whole=whole), dict[str, Verdict]()
    for sample in dataset.samples(problem):
        verdict = waiting.pop(sample.id, None)
        while verdict is None and (following := next(verdicts, None)) is not None:
            if following.sample == sample.id:
                verdict = following
            else:
                waiting[following.sample] = following
        if verdict and not as_it_was and verdict.digest != sample.digest:
            if earlier is not None:
                earlier(verdict)
            verdict = None
        yield sample, verdict


def measures(verdict: Verdict | None) -> dict[str, Any]:
    """Rule -> what it measured. Hyphens become underscores: near_duplicate, length_2."""
    return {spelled(finding.rule): finding.value for finding in verdict.findings} if verdict else {}


def scored(rows: Iterable[Row], rule: str) -> Iterator[tuple[Row, Finding]]:
    """The rows of which a rule measured a number, with what it found; not those that stand aside or were rewritten.

    Args:
        rows: as `read` has them.
        rule: its printed name.
    """
    for row in rows:
        if row.aside is None and row.verdict is not None and REWRITTEN not in row.dropped_by:
            found = next((each for each in row.verdict.findings if each.rule == rule), None)
            if found is not None and is_number(found.value):
                yield row, found


def numbered(dataset: Dataset) -> list[str]:
    """The rules that measured a number of any row in the last curation."""
    return list(dict.fromkeys(finding.rule for verdict in dataset.verdicts(whole=False)
                              for finding in verdict.findings if is_number(finding.value)))


def is_number(value: Any) -> bool:
    """Whether a rule's value can be compared: a number, and neither a truth value nor missing."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def spelled(rule: str) -> str:
    """A rule's name as a column's: near_duplicate."""
    return rule.replace("-", "_")


def columns(dataset: Dataset, look: int = 20) -> list[str]:
    """Names of all columns, from the first rows: id, cell.genre, fields.premise, measure.length, cost_usd, ..."""
    found: dict[str, None] = {}
    rows = read(dataset)
    for row, _ in zip(rows, range(look), strict=False):
        found.update(dict.fromkeys(f"cell.{key}" for key in row.sample.cell))
        found.update(dict.fromkeys(f"fields.{key}" for key in row.sample.fields))
        found.update(dict.fromkeys(f"measure.{key}" for key in measures(row.verdict)))
    return [*PLAIN, *found]


def column(name: str, known: Iterable[str]) -> str:
    """The whole name of a column from a short one: length -> measure.length, genre -> cell.genre.

    `length` is the bytes of the answer where no rule measured it.

    Raises:
        RecipeError: no column is called so.
    """
    names = list(known)
    wanted = SHORT.get(name, name)
    under = spelled(wanted)
    for candidate in (wanted, f"cell.{wanted}", f"measure.{under}", f"fields.{wanted}"):
        if candidate in names:
            return candidate
    if name == "length":
        return "bytes"
    short = [found.split(".", 1)[-1] for found in names]
    raise RecipeError(f"no column '{name}'", did_you_mean(name, dict.fromkeys([*short, *SHORT])))


def value(row: Row, name: str) -> Any:
    """What stands in a column (a whole name, see `column`); None where the row has nothing there."""
    family, _, key = name.partition(".")
    sample = row.sample
    if family == "cell":
        return sample.cell.get(key)
    if family == "fields":
        return sample.fields.get(key)
    if family == "measure":
        return measures(row.verdict).get(key)
    if name == "tokens":
        return sample.provenance.get("output_tokens")
    if name == "bytes":
        return len(sample.answer.encode("utf-8", "surrogatepass"))
    return {"id": sample.id, "state": row.state, "parent": sample.parent}.get(name, sample.provenance.get(name))


def context(row: Row) -> dict[str, Any]:
    """The variables of a `--where` condition: axes, fields and measures by name or in their family, plain columns."""
    families = {"cell": row.sample.cell, "fields": row.sample.fields, "measure": measures(row.verdict)}
    plain = {name: value(row, name) for name in PLAIN}
    plain["state"] = state = _State(row.state)
    state.flagged = row.flagged
    plain |= {name: _Id(plain[name]) for name in ("id", "parent") if plain[name] is not None}
    plain["dropped_by"] = row.dropped_by
    text = {"answer": row.sample.answer, "prompt": row.sample.prompt}
    return {**families, **plain, **text, **row.sample.fields, **families["measure"], **row.sample.cell}


class Filters(NamedTuple):
    """What a row must be to be shown; all must hold.

    Attributes:
        axes: axis -> the value that its cell holds, as text.
        rules: rules, one of which dropped or flagged it.
        state: kept, dropped, new, aside or flagged.
        texts: words that stand in its messages, in any case.
        where: a condition over `context`.
        clusters: beginnings of ids of clusters, one of which it is in.
    """

    axes: tuple[tuple[str, str], ...] = ()
    rules: tuple[str, ...] = ()
    state: Standing | Literal["flagged"] | None = None
    texts: tuple[str, ...] = ()
    where: Callable[[dict[str, Any]], bool] | None = None
    clusters: tuple[str, ...] = ()

    def hold(self, row: Row) -> bool:
        """Whether a row is one of those."""
        if self.state and not (row.flagged if self.state == FLAGGED else row.state == self.state):
            return False
        if any(str(row.sample.cell.get(axis)) != wanted for axis, wanted in self.axes):
            return False
        if self.rules and not {found.rule for found in row.against} & set(self.rules):
            return False
        if self.clusters and not self.in_cluster(row):
            return False
        if self.texts:
            said = "\n".join(str(message.get("content") or "") for message in row.sample.messages).casefold()
            if not all(text.casefold() in said for text in self.texts):
                return False
        return self.where is None or self.where(context(row))

    def in_cluster(self, row: Row) -> bool:
        """Whether a row is in one of the clusters."""
        return any(found.cluster.startswith(self.clusters) for found in row.found if found.cluster)


def ordered(rows: Iterable[Row], by: str, *, limit: int | None, descending: bool = False) -> list[Row]:
    """The first `limit` rows in the order of a column; numbers before texts, rows with nothing there last.

    Memory grows with `limit`, not with the rows. Equal rows stay in order of arrival.
    """

    def key(row: Row) -> tuple[bool, bool, float, str]:
        found = value(row, by)
        is_number = isinstance(found, int | float)
        there = found is not None
        return (there == descending, not is_number, float(found) if is_number else 0.0, "" if is_number else str(found))

    if limit is None:
        return sorted(rows, key=key, reverse=descending)
    return heapq.nlargest(limit, rows, key=key) if descending else heapq.nsmallest(limit, rows, key=key)


def picked(rows: Iterable[Row], count: int, seed: int) -> list[Row]:
    """`count` rows at random: the same for a seed whatever the order, and few change when rows are added."""
    return heapq.nsmallest(count, rows, key=lambda row: hash_unit("inspect", seed, row.sample.id))


def named(dataset: Dataset, prefix: str) -> Row:
    """The row whose id begins with `prefix`.

    Raises:
        DataError: none does, or several do.
    """
    found: list[Row] = []
    for row in read(dataset):
        if row.sample.id == prefix:
            return row
        if row.sample.id.startswith(prefix) and len(found) < 6:
            found.append(row)
    if not found:
        raise DataError(f"{dataset.name}: no row's id begins with '{prefix}'", f"synth inspect {dataset.name}")
    if len(found) > 1:
        ids = ", ".join(row.sample.id[: len(prefix) + 4] for row in found[:5])
        more = ", ..." if len(found) > 5 else ""
        raise DataError(f"{dataset.name}: '{prefix}' begins several ids: {ids}{more}", "type more of it")
    return found[0]


def children(dataset: Dataset, parent: str) -> list[Sample]:
    """The rows that were rewritten from a row."""
    return [sample for sample in dataset.samples() if sample.parent == parent]
