"""What other bounds would decide, from what was measured: one value, or the rows kept at each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pipeline._yaml import flow
from pipeline.errors import RecipeError
from pipeline.options import OptionFault
from pipeline.recipe import Recipe
from pipeline.rows import REVIEW, joined
from pipeline.rules import AnyRule, AskRule, CompareRule, LinkedRule, Measured, Place, RowRule
from pipeline.store import Dataset
from pipeline.store.pairs import RowsDigest
from pipeline.types import Sample, Verdict

from .asking import Ask
from .linked import stored_pairs
from .moves import WHAT_IF, Move, Moved, Proposal, asking, last_rules, moved, proposed, read_moves
from .outcome import Curation
from .run import curate
from .tally import Changed

QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
"""Of the measured values: where a bound is tried."""
OF_DROPPED = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Of the values of rows that the rule drops, which may all lie between two of the others."""
DIGITS = 4
"""Leading digits of a tried bound that is no whole number."""


class WhatIf(NamedTuple):
    """What other bounds would decide.

    Attributes:
        moved: the bounds.
        curation: what would be decided, with the rows that change their state; nothing was written.
        compared: comparing rules that looked at the rows anew.
        stored: comparing rules that were answered from stored pairs.
        proposal: how that is decided.
        rehearsed: of these rules, those whose scores are rehearsed: they only flag real rows.
    """

    moved: list[Moved]
    curation: Curation
    compared: list[str]
    stored: list[str]
    proposal: Proposal
    rehearsed: list[str] = []  # noqa: RUF012 - never written to

    @property
    def changed(self) -> Changed:
        """Rows that change their state by these bounds: not those that change by reviews made since."""
        both, other = self.curation.changed, self.curation.reviewed
        return Changed(both.back - other.back, both.gone - other.gone)


class Point(NamedTuple):
    """A bound that was tried.

    Attributes:
        at: its value.
        below: the share of measured values below it; None where they are no numbers.
        alone: rows that stand by this rule alone.
        kept: rows that stand by all rules, the others as they decided last.
        now: whether that is where it stands.
    """

    at: Any
    below: float | None
    alone: int
    kept: int
    now: bool


class Curve(NamedTuple):
    """Rows kept at each bound that was tried.

    Attributes:
        uncompared: rows that this rule dropped, so that no rule compared them.
        floor: of a rule that compares pairs, the least value that the stored ones answer.
        spared: real rows with a rehearsed score, which only flags them.
        held: rows that a person keeps, whatever the rules.
    """

    rule: str
    bound: str
    rows: int
    points: list[Point]
    uncompared: int
    floor: float | None = None
    spared: int = 0
    held: int = 0

    @property
    def another(self) -> str:
        """What `--what-if` takes to see rows change: the bound with the nearest value that keeps other rows; empty
        where none does."""
        now = next((place for place, point in enumerate(self.points) if point.now), 0)
        others = [place for place, point in enumerate(self.points) if point.kept != self.points[now].kept]
        if not others:
            return ""
        return f"{self.rule}.{self.bound}={flow(self.points[min(others, key=lambda place: abs(place - now))].at)}"


def is_curve(text: str) -> bool:
    """Whether a bound is named without a value."""
    return "=" not in text


def ways(texts: Sequence[str]) -> list[list[str]]:
    """Bounds with values, one way for each value of a bound that has several: each with every other."""
    bounds: dict[str, list[str]] = {}
    for text in texts:
        bounds.setdefault(text.partition("=")[0].strip().replace("_", "-"), []).append(text)
    return [list(way) for way in product(*map(dict.fromkeys, bounds.values()))]


def what_if(dataset: Dataset, texts: Sequence[str], recipe: Recipe | None, ask: Ask | None = None) -> WhatIf:
    """Decides by the last curation's rules with other bounds. Measurements are taken from it; nothing is written.

    Args:
        dataset: curated.
        texts: as `length.min=800`.
        recipe: says where rules stand, and where rules of its own lie.
        ask: whom rules that ask would ask, for the bill of what was never asked; nothing is sent.

    Raises:
        RecipeError: no such bound, a value that it cannot have, or an option that changes what is measured.
        DataError: nothing was curated yet.
    """
    noted = last_rules(dataset, recipe)
    moves = read_moves(texts, noted, dataset.name, recipe)
    items, rules, found = moved(noted, moves)
    done = curate(dataset, items, recipe, lambda index: noted.rules[index].name, diff=True, ask=ask)
    anew = [rule.name for rule in noted.rules if isinstance(rule, CompareRule) and rule.name not in done.stored]
    made_up = [rule for move in moves if isinstance(rule := noted.rules[move.rule], AskRule) and rule.who.rehearsal]
    rehearsed = [rule.name for rule in made_up if any(_spares(rule, sample) for sample in dataset.samples())]
    return WhatIf(found, done, anew, done.stored, proposed(recipe, noted, moves, rules), rehearsed)


def curve(dataset: Dataset, text: str, recipe: Recipe | None) -> Curve:
    """How many rows are kept at each value of a bound, from what was measured.

    Args:
        dataset: curated.
        text: the bound, as `length.min`.
        recipe: as for `what_if`.

    Raises:
        RecipeError: no such bound; or one of which there is no such table, as of a rule that compares rows.
        DataError: nothing was curated yet.
    """
    noted = last_rules(dataset, recipe)
    (move,) = read_moves([text], noted, dataset.name, recipe)
    rule = noted.rules[move.rule]
    if isinstance(rule, LinkedRule) and move.bound == rule.threshold:
        return _linked_curve(dataset, rule, [r.name for r in noted.rules if r.compares])
    if not isinstance(rule, RowRule):
        raise RecipeError(f"{WHAT_IF} {text}: {rule.name} compares rows, each value anew: give it one",
                          f"synth curate {dataset.name} {WHAT_IF} {asking(rule, move.bound, value=True)}")
    found = _measured(dataset, rule, [r.name for r in noted.rules if r.compares])
    tried = _tried(rule, move, found.values, dataset.name)
    points = [_point(rule, move.bound, at, found.values) for at in tried]
    return Curve(rule.name, move.bound, found.rows, [point for point in points if point is not None], found.uncompared,
                 spared=found.spared, held=_held(found.values))


def _linked_curve(dataset: Dataset, rule: LinkedRule[Any, Any], compares: Sequence[str]) -> Curve:
    """Rows kept at each threshold that stored pairs answer.

    Raises:
        RecipeError: none are stored of the rows that were compared.
    """
    values, uncompared, rows, *_ = _measured(dataset, rule, compares)
    reviews, digest, others = dataset.reviews(), RowsDigest(), set[str]()
    for sample, verdict in joined(dataset, whole=False):
        if verdict is not None and _was_compared(verdict, rule.name):
            digest.add(sample.id, verdict.digest)
            if _others(verdict, rule.name) is not False:
                others.add(sample.id)
    pairs = stored_pairs(dataset, rule, str(digest))
    if pairs is None:
        raise RecipeError(f"{WHAT_IF} {rule.name}.{rule.threshold}: no pairs are stored of the rows as they are now",
                          f"synth curate {dataset.name}   stores them")
    alike = {row for pair in pairs.links for row in pair[:2]} | {pair.left for pair in pairs.foreign}
    places: dict[str, Place] = {}
    for _ in rule.noted((sample for sample in dataset.samples() if sample.id in alike), places):
        pass
    held = {name for name, review in reviews.items() if review.get("action") == "keep"}
    now, points = getattr(rule.bounds, rule.threshold), list[Point]()
    kept = sum(count for (*_, stand), count in values.items() if stand is not False)
    steps = {step / 100 for step in range(5, 101, 5) if step / 100 >= pairs.floor}
    for at in sorted({*steps, pairs.floor, now}):
        tried = type(rule)(rule.name, rule.how, rule.bounds.model_copy(update={rule.threshold: at}))
        gone = {match.sample for match in tried.settle(pairs, places, held, {}).matches if match.outcome == "drop"}
        points.append(Point(at, None, rows - len(gone), kept - len(gone & others), at == now))
    return Curve(rule.name, rule.threshold, rows, points, uncompared, pairs.floor, held=_held(values))


def _was_compared(verdict: Verdict, rule: str) -> bool:
    return any(found.rule == rule and found.outcome in ("keep", "drop") for found in verdict.findings)


Values = Counter[tuple[Any, bool, bool | None]]
"""(value, whether the rule has something to say, whether the rest keeps it; None: a person keeps it) -> rows."""


def _held(values: Values) -> int:
    """Rows that a person keeps."""
    return sum(count for (*_, others), count in values.items() if others is None)


class _Found(NamedTuple):
    """What a rule measured.

    Attributes:
        uncompared: rows that no comparing rule looked at since this one dropped them.
        rows: all of them.
        spared: real rows with a rehearsed score.
    """

    values: Values
    uncompared: int
    rows: int
    spared: int


def _measured(dataset: Dataset, rule: AnyRule, compares: Sequence[str]) -> _Found:
    """See `_Found`; a rule has nothing to say of a row that it only flags."""
    values, uncompared, rows, spared = Values(), 0, 0, 0
    aside = dataset.aside()
    for sample, verdict in joined(dataset, whole=False):
        if verdict is None or aside(sample) is not None:
            continue
        rows += 1
        found = next((each for each in verdict.findings if each.rule == rule.name), None)
        others = _others(verdict, rule.name)
        speaks = found is not None and found.outcome in ("keep", "drop", "flag")
        spares = speaks and _spares(rule, sample)
        spared += spares
        values[found.value if found and speaks else None, speaks and not spares, others] += 1
        if others and found is not None and found.outcome == "drop":
            uncompared += any(each.rule in compares and each.outcome == "unmeasured" for each in verdict.findings)
    return _Found(values, uncompared, rows, spared)


def _spares(rule: AnyRule, sample: Sample) -> bool:
    """Whether what a rule scores is made up, and the row is not: such a score drops nothing."""
    return isinstance(rule, AskRule) and rule.who.rehearsal and not sample.rehearsal


def _others(verdict: Verdict, rule: str) -> bool | None:
    if any(found.rule == REVIEW and found.outcome == "keep" for found in verdict.findings):
        return None
    return not any(found.outcome == "drop" and found.rule != rule for found in verdict.findings)


def _tried(rule: RowRule[Any, Any], move: Move, values: Values, name: str) -> list[Any]:
    """The values at which a bound is tried: all words that it takes, or quantiles of what was measured."""
    annotation, now = type(rule.bounds).model_fields[move.bound].annotation, getattr(rule.bounds, move.bound)
    kinds = [kind for kind in (get_args(annotation) or (annotation,)) if kind is not NoneType]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if bool in kinds:
        return [False, True]
    numbers, dropped = Counter[float](), Counter[float]()
    for (value, speaks, _), count in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers[value] += count
            if speaks and not _stands(rule, value):
                dropped[value] += count
    if not any(speaks for _, speaks, _ in values):
        raise RecipeError(f"{WHAT_IF} {move.text}: {rule.name} looked at no row: none is of its kind",
                          f"synth curate {name}")
    if not numbers or not {int, float} & set(kinds):
        raise RecipeError(f"{WHAT_IF} {move.text}: what {rule.name} measures is no number that {move.bound} cuts: give "
                          "it a value", f"synth curate {name} {WHAT_IF} {asking(rule, move.bound, value=True)}")
    whole = float not in kinds
    tried = {round(value) if whole else float(f"{value:.{DIGITS}g}")
             for value in (*_quantiles(numbers, QUANTILES), *_quantiles(dropped, OF_DROPPED))}
    return sorted(tried | ({now} if isinstance(now, int | float) else set()))


def _quantiles(numbers: Counter[float], shares: Sequence[float]) -> list[float]:
    """The measured values at some shares, each the smallest with at least that share at or below it."""
    ranked, total, found, passed = sorted(numbers.items()), numbers.total(), list[float](), 0
    wanted = list(shares)
    for value, count in ranked:
        passed += count
        while wanted and passed >= wanted[0] * total:
            found.append(value)
            wanted.pop(0)
    return found


def _point(rule: RowRule[Any, Any], bound: str, at: Any, values: Values) -> Point | None:
    """None where the bound cannot have this value, as a least above the most."""
    try:
        tried = type(rule)(rule.name, rule.how, rule.bounds.model_copy(update={bound: at}))
    except OptionFault:
        return None
    alone = kept = below = numbers = 0
    for (value, speaks, others), count in values.items():
        stands = not speaks or _stands(tried, value)
        alone += count * stands
        kept += count * (others is None or (others and stands))
        if isinstance(value, int | float) and isinstance(at, int | float):
            numbers += count
            below += count * (value < at)
    share = below / numbers if numbers and not isinstance(at, bool) else None
    return Point(at, share, alone, kept, at == getattr(rule.bounds, bound))


def _stands(rule: RowRule[Any, Any], value: Any) -> bool:
    try:
        return rule.decide(Measured(value)).outcome != "drop"
    except Exception:  # as `finding`: a row on which a rule raises is kept
        return True
