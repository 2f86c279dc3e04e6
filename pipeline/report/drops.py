"""What each rule dropped, alone and with others, and what it was set to."""

from __future__ import annotations

from typing import Any, NamedTuple

from markupsafe import Markup

from pipeline.words import number, percent, plural

from ._svg import share_bar
from ._text import brief
from .gather import REWRITTEN
from .material import Material, rules_of, within

WORDS = {"review": "decided by a person", REWRITTEN: "its rewrite stands in its place"}
"""What decides beside rules -> what a reader is told about it."""
RULES = 20


class Drop(NamedTuple):
    """A rule: rows that it dropped, rows that nothing else dropped, rows that it flagged."""

    rule: str
    options: str
    dropped: int
    share: str
    only: int
    flagged: int
    bar: Markup


class Drops(NamedTuple):
    """The section."""

    lead: str
    rules: list[Drop]


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
    return Drops(_lead(material), rules)


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
