"""A rule beside people's labels: how well they go together, and the bound that keeps what people would keep.

Labels are drawn unevenly by the rule's value, so that some lie near the bound (`review --by`). Shares of the labelled
rows would then be no shares of the dataset: each labelled row is weighted by how many rows it speaks for
(`pipeline.strata`), found from the values of all rows. What is told so holds as far as chance chose the rows within a
stratum; rows that a person picked, or that a filter let through, need not be like the others, and are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pipeline import strata
from pipeline.errors import RecipeError, did_you_mean
from pipeline.recipe import Recipe
from pipeline.registry import printed
from pipeline.rows import is_number, numbered
from pipeline.rules import AskRule, Measured, RowRule
from pipeline.store import Dataset

from .agreement import Estimate, auc, kappa, share, spearman
from .labelled import Gathered, Label, Labels, People, gathered, require
from .moves import Noted, Proposal, asking, last_rules, moved, proposed, read_moves
from .threshold import At, Chosen, chosen_of, points_of, wrong_at

CALIBRATE = "--calibrate"
PRECISION = 0.9
"""Share of the kept rows that people are to keep as well, where nobody asks for another."""
FOLLOWS, SAME = 0.2, 0.99
"""Rank correlations with length: under the first is next to none (Cohen 1988: 0.1 small, 0.3 medium), over the second
the rule measures nothing else."""


class Length(NamedTuple):
    """Whether the rule goes by length: rank correlations of the answer's characters with what counts as good.

    Attributes:
        rule: with the rule's value, over all rows that were measured; positive where it likes long ones.
        people: with the labels.
        verdict: `none`: the rule hardly goes by length; `itself`: it measures length; `people`: people go the same way
            more than by chance; `bias`: surely less than the rule does; `unclear`: there are too few labels to say.
    """

    rule: Estimate
    people: Estimate | None
    verdict: Literal["none", "itself", "people", "bias", "unclear"]


class Stratum(NamedTuple):
    """Rows of like values, and how many of them were labelled."""

    least: float
    most: float
    rows: int
    labelled: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rule beside the labels.

    Attributes:
        rule: its name.
        bound: of its bounds the one that is moved.
        higher: whether larger values are better.
        by: how that is known: its `bounds`, or the `labels`.
        now: where the bound stands; None where it does not.
        want: the precision that was asked for.
        rows: rows that were measured.
        labels: the counts.
        strata: rows of like values.
        right: labelled rows on which the rule, as it decides now, and the person agree.
        agreement: the share of the dataset on which they would.
        kappa: likewise; None where the rule decides alike on all labelled rows.
        auc: how well its value tells good rows from bad ones, whatever the bound.
        points: bounds that were tried, the loosest first.
        chosen: the bound that is suggested.
        wrong: labelled rows on which that bound and the person differ, see `wrong_at`.
        length: whether the rule goes by length; None where all rows have one value or one length.
        people: pairs of people who labelled the same rows.
        move: the bound that is suggested, as `--what-if` takes it; empty where none is needed.
        decides: where to write it, and the line, as `Proposal.lines`.
        words: what `synth curate` takes to decide so once, as `Proposal.words`.
        rehearsed: whether its scores are rehearsed: nobody real judged, and no bound is proposed.
    """

    rule: str
    bound: str
    higher: bool
    by: Literal["bounds", "labels"]
    now: float | None
    want: float
    rows: int
    labels: Labels
    strata: list[Stratum]
    right: int
    agreement: Estimate
    kappa: Estimate | None
    auc: Estimate
    points: list[At]
    chosen: Chosen
    wrong: list[Label]
    length: Length | None
    people: list[People]
    move: str
    decides: list[tuple[str, str]]
    words: list[str]
    rehearsed: bool = False


def calibrate(dataset: Dataset, text: str, recipe: Recipe | None, want: float = PRECISION) -> Calibration:
    """Compares what a rule measured in the last curation with the labels; nothing is written.

    Args:
        dataset: curated, and labelled by `review`.
        text: the rule, as `length`, or one of its bounds, as `length.max`.
        recipe: says where the rule stands.
        want: the least precision of the bound that is suggested.

    Raises:
        RecipeError: no such rule or bound, or one that divides no rows by a number.
        DataError: nothing was curated, or too little labelled.
    """
    noted = last_rules(dataset, recipe)
    rule, named = _named(noted, text, dataset.name, recipe)
    found = gathered(dataset, rule.name)
    if not found.values:
        raise RecipeError(f"{CALIBRATE} {text}: {rule.name} measured no number of any row", _with_numbers(dataset))
    require(found, dataset.name, rule.name)
    labels, cuts = found.labels, strata.edges(found.values, filter(is_number, rule.bounds.model_dump().values()))
    weights = strata.weights(cuts, found.values, [each.value for each in labels])
    bound, higher, by = _direction(rule, named, text, dataset.name, found, weights)
    good, passes = [each.good for each in labels], [each.passes for each in labels]
    right = [one == other for one, other in zip(good, passes, strict=True)]
    agreed = share(right, weights)
    area = auc([each.value if higher else -each.value for each in labels], good, weights)
    assert agreed is not None, "`require` found labels"
    assert area is not None, "of both kinds"
    now = getattr(rule.bounds, bound)
    points = points_of(found.values, labels, weights, higher, now)
    chosen = chosen_of(points, labels, weights, higher, want)
    value = chosen.at.at
    rehearsed = isinstance(rule, AskRule) and rule.who.rehearsal
    move = "" if chosen.all or rehearsed else f"{rule.name}.{bound}={int(value) if value == int(value) else value}"
    told = _proposed(dataset, recipe, noted, move) if move else Proposal([], [])
    return Calibration(
        rule=rule.name, bound=bound, higher=higher, by=by, now=now, want=want, rows=sum(found.values.values()),
        labels=found.counts, strata=_strata(cuts, found), right=sum(right), agreement=agreed,
        kappa=kappa(good, passes, weights) if len(set(passes)) > 1 else None, auc=area, points=points, chosen=chosen,
        wrong=wrong_at(labels, value, higher), length=_length(found, higher), people=found.people, move=move,
        decides=told.lines, words=told.words, rehearsed=rehearsed,
    )


def _proposed(dataset: Dataset, recipe: Recipe | None, noted: Noted, move: str) -> Proposal:
    moves = read_moves([move], noted, dataset.name, recipe)
    return proposed(recipe, noted, moves, moved(noted, moves)[1])


def _with_numbers(dataset: Dataset) -> str:
    """The rules that measured numbers in the last curation."""
    names = numbered(dataset)
    return f"these did: {', '.join(names)}" if names else f"synth curate {dataset.name} --rule repetition"


def _strata(cuts: Sequence[float], found: Gathered) -> list[Stratum]:
    inside: list[list[float]] = [[] for _ in range(len(cuts) + 1)]
    for value in sorted(found.values):
        inside[strata.stratum(cuts, value)].append(value)
    there = Counter(strata.stratum(cuts, each.value) for each in found.labels)
    return [Stratum(values[0], values[-1], sum(found.values[value] for value in values), there[number])
            for number, values in enumerate(inside)]


def _named(
    noted: Noted, text: str, name: str, recipe: Recipe | None,
) -> tuple[RowRule[Any, Any], str | None]:
    """The rule that is meant, and its bound where one is named."""
    known = {rule.name: rule for rule in noted.rules}
    rule, bound = known.get(printed(text)), None
    if rule is None and "." in text:
        (move,) = read_moves([text], noted, name, recipe)
        rule, bound = noted.rules[move.rule], move.bound
    if rule is None:
        raise RecipeError(f"{CALIBRATE} {text}: no rule '{text}' in the last curation",
                          did_you_mean(printed(text), known))
    if not isinstance(rule, RowRule):
        raise RecipeError(f"{CALIBRATE} {text}: {rule.name} compares rows, and a label is about one row alone",
                          f"synth curate {name} --what-if {asking(rule)}   shows what other bounds would decide"
                          if type(rule.bounds).model_fields else "")
    return rule, bound


def _direction(
    rule: RowRule[Any, Any], bound: str | None, text: str, name: str, found: Gathered, weights: Sequence[float],
) -> tuple[str, bool, Literal["bounds", "labels"]]:
    """The bound that is moved, whether larger values pass it, and how that is known.

    Of two bounds that pull in different ways, the one that is set; where both are or neither is, the one on the side on
    which the labels are better.
    """
    names = [bound] if bound else _movable(rule)
    ways = {key: way for key in names if (way := _way(rule, key, found.values)) is not None}
    if not ways:
        raise RecipeError(f"{CALIBRATE} {text}: no bound of {rule.name} drops rows by what it measures",
                          f"synth curate {name} --what-if {asking(rule)}   shows what its bounds do"
                          if type(rule.bounds).model_fields else "")
    there = [key for key in ways if getattr(rule.bounds, key) is not None] or list(ways)
    sides = {ways[key] for key in there}
    if len(sides) == 1:
        return there[0], ways[there[0]], "bounds"
    area = auc([each.value for each in found.labels], [each.good for each in found.labels], weights)
    higher = area is None or area.value >= 0.5
    return next(key for key in there if ways[key] is higher), higher, "labels"


def _movable(rule: RowRule[Any, Any]) -> list[str]:
    """The bounds of a rule that are numbers."""
    fields = type(rule.bounds).model_fields
    return [key for key, each in fields.items() if {int, float} & _kinds(each.annotation) and bool not in _kinds(
        each.annotation)]


def _kinds(annotation: Any) -> set[Any]:
    return set() if get_origin(annotation) is Literal else set(get_args(annotation) or (annotation,))


def _way(rule: RowRule[Any, Any], bound: str, values: Mapping[float, int]) -> bool | None:
    """Whether larger values pass a bound that lies among them; None where it drops neither side alone."""
    fields = type(rule.bounds).model_fields
    if bound not in _movable(rule):
        return None
    middle = (min(values) + max(values)) / 2
    at = middle if float in _kinds(fields[bound].annotation) else round(middle)
    away = {key: None for key in _movable(rule) if key != bound and NoneType in _kinds(fields[key].annotation)}
    try:
        tried = type(rule)(rule.name, rule.how, rule.bounds.model_copy(update={**away, bound: at}))
        below, above = (tried.decide(Measured(value)).outcome != "drop" for value in (at - 1, at + 1))
    except Exception:  # a rule may be anyone's: a bound that it refuses is none that can be moved
        return None
    return above if below != above else None


def _length(found: Gathered, higher: bool) -> Length | None:
    """Whether the rule goes by length, and whether people do; None where all rows have one value or one length."""
    side = 1 if higher else -1
    rule = spearman([side * value for value in found.measured], found.lengths)
    people = spearman([float(each.good) for each in found.labels], [each.length for each in found.labels])
    if rule is None:
        return None
    if abs(rule.value) >= SAME:
        return Length(rule, people, "itself")
    if abs(rule.value) < FOLLOWS:
        return Length(rule, people, "none")
    if people is None:
        return Length(rule, people, "unclear")
    low, high = (people.low, people.high) if rule.value > 0 else (-people.high, -people.low)
    return Length(rule, people, "people" if low > 0 else "bias" if high < _as_the_rule(found, higher) else "unclear")


def _as_the_rule(found: Gathered, higher: bool) -> float:
    """The rank correlation of labels with length, had as many rows been labelled as good, and those the rule's best."""
    ranked = sorted(found.labels, key=lambda each: each.value, reverse=higher)
    best = [float(place < found.counts.keep) for place in range(len(ranked))]
    told = spearman(best, [each.length for each in ranked])
    return abs(told.value) if told else 0.0
