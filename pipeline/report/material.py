"""What the page is made of: a dataset's files, read once, and read with patience.

A file of another stage that is damaged, or of a later version, is passed over and named; it never keeps
the rest of the page from being written.
"""

from __future__ import annotations

import itertools
import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pipeline.errors import SynthError
from pipeline.grid.axes import Axes, load_axes
from pipeline.grid.draws import coverage
from pipeline.grid.legal import LISTABLE
from pipeline.masks import View
from pipeline.recipe import Recipe
from pipeline.store import Dataset
from pipeline.store.calls import Spent
from pipeline.store.finetunes import METRICS, finetunes, folder_of
from pipeline.store.foreseen import Reckoning, reckon
from pipeline.types import Call

from .gather import Gathered, gather
from .mask import view_of

LENGTH = "length"
SIDES = 5
"""Prompts of an evaluation that are shown."""
POINTS = 240
"""Points of a curve that are drawn: more than a screen tells apart."""


class Bound(NamedTuple):
    """A length rule of the last curation: what it counts, and the bounds that it held rows to; 0 for none."""

    rule: str
    key: str
    unit: str
    low: int
    high: int


class Finetune(NamedTuple):
    """A tuned model: what finetune.json tells, and the lines of metrics.jsonl."""

    told: dict[str, Any]
    lines: list[dict[str, Any]]

    @property
    def id(self) -> str:
        """Its name, which is its folder's."""
        return str(self.told["id"])

    @property
    def state(self) -> str:
        """running, succeeded, failed, cancelled, or a host's own word."""
        return str(self.told.get("state", ""))


class Evaluation(NamedTuple):
    """A comparison of base and tuned: what evaluation.json tells, and the first lines of sides.jsonl."""

    told: dict[str, Any]
    sides: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that a section may tell.

    Attributes:
        manifest: what each stage noted last.
        recipe: the snapshot; None where there is none, or it cannot be read.
        axes: the grid; None where rows come from a file, or a file of an axis is not there.
        possible: two axes, as `genre x place` -> pairs of values that some legal cell has.
        plan: state -> draws.
        failures: kind -> calls without a usable answer.
        exports: manifests of the exports that are there, by name.
        finetunes: the oldest first.
        evaluations: the oldest first.
        bounds: the length rules of the last curation.
        bill: what the last run was thought to cost before it, and what it came to.
        view: who trains the rows; None where nothing was exported.
        unread: names of files that are damaged.
        call: the outcome of a call, by id.
        by_hand: whether a hand changed a row, by id and digest.
    """

    name: str
    manifest: dict[str, Any]
    recipe: Recipe | None
    axes: Axes | None
    possible: dict[str, int]
    rows: Gathered
    plan: Counter[str]
    failures: Counter[str]
    spent: Spent
    exports: list[dict[str, Any]]
    finetunes: list[Finetune]
    evaluations: list[Evaluation]
    bounds: list[Bound]
    bill: Reckoning | None
    view: View | None
    unread: list[str]
    call: Callable[[str], Call | None]
    by_hand: Callable[[str, str], bool]

    @property
    def typed(self) -> str:
        """The name as it is typed behind a verb."""
        return shlex.quote(self.name)

    @property
    def model(self) -> str:
        """Who writes, as `openai:gpt-4.1-mini`; empty where nobody does."""
        return str(within(self.manifest, "generate").get("model") or "")

    @property
    def rehearsal(self) -> bool:
        """Whether rows of the set, or of a tuned model's files, are a rehearsal."""
        return self.rows.rehearsed > 0 or any(within(one.told, "data").get("rehearsal") for one in self.finetunes)

    @property
    def tuning_usd(self) -> float:
        """What tuning cost, or may cost where that is not known yet."""
        paid = 0.0
        for one in self.finetunes:
            known = finite(one.told.get("cost_usd"))
            paid += finite(one.told.get("earlier_usd")) or 0.0
            paid += known if known is not None else finite(one.told.get("usd_worst")) or 0.0
        return paid

    @property
    def tuned(self) -> Finetune | None:
        """The model that was tuned last; one that succeeded before any other."""
        done = [one for one in self.finetunes if one.state == "succeeded"]
        return next(reversed(done or self.finetunes), None)

    @property
    def compared(self) -> Evaluation | None:
        """The last evaluation of the last model; of any model where that has none."""
        of_it = [one for one in self.evaluations if self.tuned and one.told.get("finetune") == self.tuned.id]
        return next(reversed(of_it or self.evaluations), None)


def collect(dataset: Dataset) -> Material:
    """Reads all that a page is made of.

    Raises:
        DataError: the dataset's own rows, plan or calls are damaged.
    """
    unread: list[str] = []
    manifest = dataset.manifest()
    bounds = list(_bounds(manifest))
    recipe, axes = _recipe(dataset, unread)
    tuned = list(_finetunes(dataset.path, unread))
    exports = [told for told, _ in _told(dataset.path, "exports/*/manifest.json", "format", unread)
               if isinstance(told.get("files"), list)]
    return Material(
        name=dataset.name, manifest=manifest, recipe=recipe, axes=axes, possible=_possible(axes),
        rows=gather(dataset, frozenset(bound.rule for bound in bounds), frozenset(
            str(one.get("kept")) for found in alike(manifest) for one in found.largest)),
        plan=dataset.plan.states().counts(),
        failures=Counter(call.failure.kind for call in dataset.calls.outcomes("failed") if call.failure),
        spent=dataset.calls.spent(),
        exports=exports, finetunes=tuned, view=view_of(dataset, recipe, exports, tuned),
        evaluations=[Evaluation(told, list(itertools.islice(_lines(folder / "sides.jsonl"), SIDES)))
                     for told, folder in _told(dataset.path, "evaluations/*/evaluation.json", "id", unread)],
        bounds=bounds, bill=reckon(dataset), unread=unread, call=dataset.calls.get,
        by_hand=lambda sample, digest: _by_hand(dataset, sample, digest),
    )


def _finetunes(home: Path, unread: list[str]) -> Iterator[Finetune]:
    for record in finetunes(home, lambda problem: unread.append(Path(problem.where).relative_to(home).as_posix())):
        lines = _lines(folder_of(home, record.id) / METRICS)
        yield Finetune(record.as_json(), list(_thinned(lines)))


def finite(value: Any) -> float | None:
    """A number that can be drawn and compared; None for everything else."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None


def whole(value: Any) -> int:
    """A count; 0 for everything that is none."""
    return int(finite(value) or 0)


def within(told: Any, *keys: str) -> dict[str, Any]:
    """The object at a path of a file that another stage wrote; empty where something else is there."""
    for key in keys:
        told = told.get(key) if isinstance(told, dict) else None
    return told if isinstance(told, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def rules_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The rules of the last curation, with options and key, as it noted them."""
    return objects(within(manifest, "curation").get("rules"))


class Alike(NamedTuple):
    """What a rule that links rows found: clusters, rows in them, and the largest ones as types.Cluster has them."""

    rule: str
    clusters: int
    rows: int
    largest: list[dict[str, Any]]


def alike(manifest: dict[str, Any]) -> list[Alike]:
    """Clusters of the last curation, by rule."""
    noted = within(manifest, "curation", "clusters")
    return [Alike(rule, whole(found.get("clusters")), whole(found.get("rows")), objects(found.get("largest")))
            for rule, found in noted.items() if isinstance(found, dict)]


def _bounds(manifest: dict[str, Any]) -> Iterator[Bound]:
    for rule in rules_of(manifest):
        name, options = str(rule.get("rule", "")), within(rule, "options")
        if name == LENGTH or name.startswith(f"{LENGTH}-"):
            key, unit = str(rule.get("key", name)), str(options.get("unit", ""))
            yield Bound(name, key, unit, whole(options.get("min")), whole(options.get("max")))


def _recipe(dataset: Dataset, unread: list[str]) -> tuple[Recipe | None, Axes | None]:
    """The snapshot and its grid, as far as they can be read."""
    recipe = None
    try:
        recipe = dataset.recipe()
        return recipe, load_axes(recipe) if recipe and recipe.axes else None
    except SynthError:
        unread.append("recipe.yaml" if recipe is None else "an axis of recipe.yaml")
        return recipe, None


def _possible(axes: Axes | None) -> dict[str, int]:
    if axes is None or len(axes.names) < 2 or math.prod(sorted(axes.shape)[-2:]) > LISTABLE:
        return {}

    try:
        return {pair: possible for pair, (_, possible) in coverage(axes, ()).pairs.items()}
    except SynthError:  # conditions that leave no cell today, though they did
        return {}


def _told(home: Path, pattern: str, key: str, unread: list[str]) -> list[tuple[dict[str, Any], Path]]:
    """The JSON objects of files that a stage left, the oldest first; what cannot be read is noted."""
    found = []
    for path in sorted(home.glob(pattern)):
        try:
            told = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            told = None
        if isinstance(told, dict) and isinstance(told.get(key), str):
            found.append((told, path.parent))
        else:
            unread.append(path.relative_to(home).as_posix())
    return sorted(found, key=lambda each: (str(each[0].get("created") or ""), each[1].name))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of lines that may still be written: what is not whole is passed over."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(value, dict):
                yield value


def _thinned(lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A long log, every n-th line of it: n doubles whenever thrice as many as are drawn were kept.

    Lines with a validation loss are rare and all stay, up to the same number; the last line always does.
    """
    kept: list[tuple[int, dict[str, Any]]] = []
    every = 1
    last: tuple[int, dict[str, Any]] | None = None
    for number, line in enumerate(lines):
        last = (number, line)
        if number % every == 0 or "validation_loss" in line:
            kept.append(last)
        if len(kept) > 3 * POINTS:
            every *= 2
            rare = sum("validation_loss" in each for _, each in kept) <= POINTS
            kept = [(at, each) for at, each in kept if at % every == 0 or (rare and "validation_loss" in each)]
    if last is not None and kept[-1][0] != last[0]:
        kept.append(last)
    return (line for _, line in kept)


def _by_hand(dataset: Dataset, sample: str, digest: str) -> bool:
    """Whether someone changed a row, or added it, after we wrote it."""
    known = dataset.calls.index.sample(sample)
    return known is None or known[1] == "edited" or known[0] != digest
