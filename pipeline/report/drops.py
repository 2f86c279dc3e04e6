"""What each rule dropped, alone and with others, and what it was set to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from pipeline.independence import Uneven, numbers, uneven
from pipeline.rows import REVIEW, REWRITTEN
from pipeline.words import number, percent, plural, ranked

from ._svg import share_bar
from ._text import brief
from .material import Alike, Material, alike, finite, rules_of, whole, within

WORDS = {REVIEW: "decided by a person", REWRITTEN: "its rewrite stands in its place"}
"""What decides beside rules -> what a reader is told about it."""
RULES, FALLS, PAIRS, TEXT = 20, 8, 6, 120


class Drop(NamedTuple):
    """A rule: rows that it dropped, rows that nothing else dropped, rows that it flagged."""

    rule: str
    options: str
    dropped: int
    share: str
    only: int
    flagged: int
    bar: Markup


class Fall(NamedTuple):
    """A rule that falls on the values of an axis unevenly: where most, where least, and by which test."""

    rule: str
    axis: str
    most: str
    least: str
    test: str


class Cluster(NamedTuple):
    """Rows that are alike: how many, the weakest link between them, and how the one begins that stands for them."""

    id: str
    rows: int
    weakest: str
    text: str


class Clusters(NamedTuple):
    """What one rule found alike; the largest clusters."""

    lead: str
    largest: list[Cluster]


class Drops(NamedTuple):
    """The section. `even` is said where no rule falls unevenly; empty where there are too few rows to say so. `both`
    names the rules that drop the same rows, `quiet` those that found nothing."""

    lead: str
    rules: list[Drop]
    quiet: str
    clusters: list[Clusters]
    falls: list[Fall]
    even: str
    both: str


def drops(material: Material) -> Drops | None:
    """The section; None where nothing was curated."""
    found = material.rows
    if not found.curated:
        return None
    options = {str(rule.get("rule")): within(rule, "options") for rule in rules_of(material.manifest)}
    every = dict.fromkeys([*found.by_rule, *options, *found.flagged_by_rule])
    spoke = [rule for rule in every if found.by_rule[rule] or found.flagged_by_rule[rule]]
    names = sorted(spoke, key=lambda rule: -found.by_rule[rule])[:RULES]
    silent = [brief(rule) for rule in every if rule not in spoke]
    most = max(found.by_rule.values(), default=0)
    rules = [
        Drop(
            brief(rule), WORDS.get(rule) or _options(options.get(rule, {})), found.by_rule[rule],
            percent(found.by_rule[rule], found.kept + found.dropped), found.only_by_rule[rule],
            found.flagged_by_rule[rule], share_bar(found.by_rule[rule], found.only_by_rule[rule], most),
        )
        for rule in names
    ]
    falls, tested = _falls(material)
    even = f"On no axis does a rule fall on one value more than chance explains ({plural(tested, 'test')})."
    pairs = list(ranked(found.together).items())[:PAIRS]
    both = ", ".join(f"{brief(one)} and {brief(other)} {number(count)}" for (one, other), count in pairs)
    quiet = f"{plural(len(silent), 'rule')} found nothing to drop or flag: {', '.join(silent)}." if silent else ""
    clusters = [_clusters(one, found.answers) for one in alike(material.manifest)]
    return Drops(_lead(material), rules, quiet, clusters, falls, even if tested and not falls else "",
                 f"Dropped by two rules at once: {both}." if both else "")


def _clusters(found: Alike, answers: Mapping[str, str]) -> Clusters:
    """Beginnings of the rows that stand for the largest clusters; the id is what `inspect --cluster` takes."""
    largest = [
        Cluster(brief(str(one.get("id"))), whole(one.get("rows")),
                f"{finite(within(one, 'weakest').get('jaccard')) or 0.0:.2f}",
                brief(answers.get(str(one.get("kept")), "none of them is kept"), TEXT))
        for one in found.largest
    ]
    return Clusters(f"{brief(found.rule)} found {plural(found.clusters, 'cluster')} of rows that are alike, "
                    f"{plural(found.rows, 'row')} in all", largest)


def _falls(material: Material) -> tuple[list[Fall], int]:
    """Rules that take some values of an axis more than others, by more than chance; and how many tests that took."""
    found = material.rows
    rows = {axis: {value: fate.rows for value, fate in fates.items()} for axis, fates in found.fates.items()}
    falls, tests = uneven(rows, found.lost, list(found.by_rule)[:RULES])
    return [Fall(brief(one.rule), one.axis, f"{brief(one.value)}, {one.taken} of {one.rows}",
                 _least(one, rows[one.axis], found.lost[one.axis]), numbers(one.test)) for one in falls[:FALLS]], tests


def _least(one: Uneven, rows: Mapping[str, int], lost: Mapping[str, Counter[str]]) -> str:
    """The value of which the rule takes the smallest share."""
    taken = {value: lost.get(value, Counter())[one.rule] for value in rows}
    _, value = min((taken[value] / of, value) for value, of in rows.items())
    return f"{brief(value)}, {taken[value]} of {rows[value]}"


def _lead(material: Material) -> str:
    found = material.rows
    if not found.dropped:
        return f"No rule dropped any of the {plural(found.kept, 'row')}."
    several = found.dropped - found.only_by_rule.total()
    said = f"{plural(found.dropped, 'row')} of {number(found.kept + found.dropped)} were dropped"
    worst, count = found.by_rule.most_common(1)[0]
    said += f", {'all' if count == found.dropped else number(count)} of them by {brief(worst)}."
    if several:
        said += f" {plural(several, 'row')} {'was' if several == 1 else 'were'} dropped by more than one rule."
    return said


def _options(options: dict[str, Any]) -> str:
    """`min 1,024, unit bytes`; what is not set is left out."""
    told = [f"{key} {_value(value)}" for key, value in options.items() if value not in (None, [], "")]
    return brief(", ".join(told), 90)


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else number(value)
