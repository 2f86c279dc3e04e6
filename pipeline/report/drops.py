"""What each rule dropped, alone and with others, and what it was set to."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from markupsafe import Markup

from pipeline.words import number, percent, plural

from pipeline.independence import SURE, independence, numbers
from ._svg import share_bar
from ._text import brief
from .gather import REWRITTEN
from .material import Material, rules_of, within

WORDS = {"review": "decided by a person", REWRITTEN: "its rewrite stands in its place"}
"""What decides beside rules -> what a reader is told about it."""
RULES, FALLS = 20, 8


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


class Drops(NamedTuple):
    """The section. `even` is said where no rule falls unevenly; empty where there are too few rows to say so."""

    lead: str
    rules: list[Drop]
    falls: list[Fall]
    even: str


def drops(material: Material) -> Drops | None:
    """The section; None where nothing was curated."""
    found = material.rows
    if not found.curated:
        return None
    options = {str(rule.get("rule")): within(rule, "options") for rule in rules_of(material.manifest)}
    names = sorted(dict.fromkeys([*found.by_rule, *options, *found.flagged_by_rule]),
                   key=lambda rule: -found.by_rule[rule])[:RULES]
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
    return Drops(_lead(material), rules, falls, even if tested and not falls else "")


def _falls(material: Material) -> tuple[list[Fall], int]:
    """Rules that take some values of an axis more than others, by more than chance; and how many tests that took.

    Of many tests one will show something, so each has to be as many times surer (Bonferroni).
    """
    found, tests = material.rows, list[tuple[float, float, Fall]]()
    for axis, fates in found.fates.items():
        for rule in list(found.by_rule)[:RULES]:
            taken = {value: found.lost.get(axis, {}).get(value, Counter())[rule] for value in fates}
            test = independence([[taken[value], fate.rows - taken[value]] for value, fate in fates.items()])
            if test is None or not test.sound:
                continue
            shares = sorted((taken[value] / fate.rows, value) for value, fate in fates.items())
            least, most = (f"{brief(value)}, {taken[value]} of {fates[value].rows}"
                           for _, value in (shares[0], shares[-1]))
            tests.append((test.p, test.v, Fall(brief(rule), axis, most, least, numbers(test))))
    falls = sorted((each for each in tests if each[0] < SURE / len(tests)), key=lambda each: -each[1])
    return [fall for _, _, fall in falls[:FALLS]], len(tests)


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
