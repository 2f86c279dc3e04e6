"""Bounds of the last curation's rules, by name: what `--what-if` moves, and how two lists of rules differ."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pipeline import _yaml
from pipeline.errors import DataError, RecipeError, did_you_mean
from pipeline.options import own_folder
from pipeline.overrides import with_option
from pipeline.recipe import Recipe
from pipeline.registry import plugins, printed
from pipeline.rules import AnyRule, LinkedRule, RowRule, as_before, open_rules, resolved
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.words import number

from .outcome import GIVEN

WHAT_IF = "--what-if"
_NUMBERS, _THOUSANDS = re.compile(r"\s*[\d.]+(?:\s*,\s*[\d.]+)+\s*"), re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")
"""Numbers with commas between them, and what may be one number with commas in it."""


class Move(NamedTuple):
    """A bound as it is named: `length.min=800`; `asked` without a value asks for all of them."""

    text: str
    rule: int
    bound: str
    asked: bool
    value: Any = None


class Moved(NamedTuple):
    """A bound, where it stood and where it would stand."""

    rule: str
    bound: str
    now: Any
    then: Any

    def __str__(self) -> str:
        if isinstance(self.now, dict) or isinstance(self.then, dict):
            return f"{self.rule}.{self.bound} changed"
        return f"{self.rule}.{self.bound} {value_of(self.now)} -> {value_of(self.then)}"


class Noted(NamedTuple):
    """The rules of the last curation.

    Attributes:
        items: each rule by itself, with all options.
        rules: the same, opened.
        listed: as a recipe or `--rule` named them, presets and all; empty where an earlier version curated.
        by: who named them, as `Curation.by`.
        folder: where rules of one's own lie.
    """

    items: list[Item]
    rules: list[AnyRule]
    listed: list[Item]
    by: str
    folder: Path | None


class Proposal(NamedTuple):
    """How other options are decided: what to write, where, for good; and what `synth curate` takes for once.

    Attributes:
        lines: `plots.yaml:7` and the rule, for each rule; or the whole list where no line has it. None where `--rule`
            named the rules.
        words: as `--set curate.length.min=800`, or all rules as `--rule` takes them.
    """

    lines: list[tuple[str, str]]
    words: list[str]


def last_rules(dataset: Dataset, recipe: Recipe | None) -> Noted:
    """The rules of the last curation, as its note has them.

    Raises:
        DataError: nothing was curated yet.
        RecipeError: a rule of it is no longer there, or takes other options.
    """
    noted = dataset.manifest().get("curation") or {}
    listed = [rule for rule in noted.get("rules") or [] if isinstance(rule, dict)]
    if noted and not listed:
        raise DataError(f"{dataset.name}: the last curation had no rule", f"synth curate {dataset.name} --rule sft")
    if not listed:
        raise DataError(f"{dataset.name}: nothing was curated yet", f"synth curate {dataset.name}")
    items = [Item(name=_kind(rule), options=dict(rule.get("options") or {})) for rule in listed]
    folder = own_folder(recipe.path, dataset.path) if recipe else None
    rules = open_rules(items, lambda index: f"{listed[index].get('rule')} of the last curation", folder)
    as_before(rules, dataset.manifest())
    named = [Item.model_validate(each) for each in noted.get("named") or []]
    return Noted(items, rules, named, str(noted.get("by", "")), folder)


def _kind(rule: Mapping[str, Any]) -> str:
    """The plug-in of a rule as the note has it: of `length-2` it is `length`."""
    if rule.get("file"):
        return str(rule["file"])
    name = resolved(str(rule.get("rule")))
    return name if name in plugins("rules") else re.sub(r"-\d+$", "", name)


def read_moves(texts: Sequence[str], noted: Noted, name: str, recipe: Recipe | None) -> list[Move]:
    """What `--what-if` says, rule and bound found.

    Args:
        texts: as `length.min=800`, or `length.min`.
        noted: the rules of the last curation.
        name: the dataset's, for the commands that are proposed.
        recipe: says how other rules are proposed.

    Raises:
        RecipeError: no such rule or bound, with those that can be moved; or an option that changes what is measured.
    """
    moves = [_read(text, noted.rules, name) for text in texts]
    anew = next((move for move in moves if move.bound not in type(noted.rules[move.rule].bounds).model_fields), None)
    if anew is not None:
        option = f"{noted.rules[anew.rule].name}.{anew.bound}"
        given = [move if not move.asked else move._replace(value=_another(noted.rules[move.rule], move.bound))
                 for move in moves if not move.asked or move is anew]
        words = shlex.join(proposed(recipe, noted, given, moved(noted, given)[1]).words)
        raise RecipeError(
            f"{WHAT_IF} {anew.text}: {option} changes what is measured, so every row is measured anew for it (costs "
            "nothing, writes nothing)", f"synth curate {name} {words} --diff")
    return moves


def _read(text: str, rules: Sequence[AnyRule], name: str) -> Move:
    path, sign, given = text.partition("=")
    rule_name, dot, bound = path.strip().rpartition(".")
    known = [rule.name for rule in rules]
    word = printed(rule_name if dot else path.strip())
    if word not in known:
        near = did_you_mean(word, known)
        rule = next((rule for rule in rules if f"'{rule.name}'" in near), None)
        raise RecipeError(f"{WHAT_IF} {text}: no rule '{word}' in the last curation",
                          "\n".join([near, *([can_move(rule, name)] if rule else [])]))
    index = known.index(word)
    rule, bound = rules[index], bound.replace("-", "_")
    fields = {**type(rule.bounds).model_fields, **type(rule.how).model_fields}
    if not dot:
        raise RecipeError(f"{WHAT_IF} {text}: no bound in '{text}'", can_move(rule, name))
    if bound not in fields:
        near = did_you_mean(bound, type(rule.bounds).model_fields)
        hints = [near] if near.startswith("did you mean") else []
        raise RecipeError(f"{WHAT_IF} {text}: {rule.name} has no bound '{bound}'",
                          "\n".join([*hints, can_move(rule, name)]))
    value = _yaml.parse(given, f"{WHAT_IF} {text}")[0] if sign else None
    if isinstance(value, str) and _NUMBERS.fullmatch(value):
        raise RecipeError(f"{WHAT_IF} {text}: several values, or one with commas? each by itself",
                          _each(path.strip(), value, name))
    return Move(text, index, bound, not sign, value)


def _each(path: str, values: str, name: str) -> str:
    """Numbers with commas between them as one command; and as one number, where they may be that."""
    several = " ".join(f"{WHAT_IF} {path}={value.strip()}" for value in values.split(","))
    whole = values.strip().replace(",", "") if _THOUSANDS.fullmatch(values.strip()) else ""
    one = f"synth curate {name} {WHAT_IF} {path}={whole}"
    return "\n".join([f"synth curate {name} {several}", *([one] if whole else [])])


def _another(rule: AnyRule, option: str) -> Any:
    """A value that an option could have beside its own; its own where none is known."""
    field = {**type(rule.bounds).model_fields, **type(rule.how).model_fields}[option]
    words = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    now = rule.options[option]
    return (not now) if isinstance(now, bool) else next((word for word in words if word != now), now)


def can_move(rule: AnyRule, name: str) -> str:
    """The bounds of a rule and where they stand, and a command that asks about one of them."""
    bounds = rule.bounds.model_dump(mode="json")
    if not bounds:
        return f"{rule.name} has no bound to move"
    told = ", ".join(f"{rule.name}.{key} ({value_of(value)})" for key, value in bounds.items())
    return f"it moves {told}\nsynth curate {name} {WHAT_IF} {asking(rule)}"


def asking(rule: AnyRule, bound: str = "", *, value: bool = False) -> str:
    """What `--what-if` can be asked of a bound of a rule: the rows at each value, or another value where no table is.

    Args:
        rule: has bounds.
        bound: one of them; the first, or the one that pairs are compared with, where none is named.
        value: whether it has to be a value.
    """
    fields, threshold = type(rule.bounds).model_fields, rule.threshold if isinstance(rule, LinkedRule) else ""
    bound = bound or threshold or next(filter(partial(_tabled, rule), fields), next(iter(fields)))
    if not value and (bound == threshold or (isinstance(rule, RowRule) and _tabled(rule, bound))):
        return f"{rule.name}.{bound}"
    return shlex.quote(f"{rule.name}.{bound}={_yaml.flow(_another(rule, bound))}")


def _tabled(rule: AnyRule, bound: str) -> bool:
    """Whether a bound is a word, a number or yes and no, so that there is a table of its values."""
    annotation = type(rule.bounds).model_fields[bound].annotation
    return get_origin(annotation) is Literal or bool({int, float, bool} & set(get_args(annotation) or (annotation,)))


def written(rule: AnyRule) -> str:
    """A rule as a recipe has it, what is default left out: `length: {unit: bytes, min: 800}`."""
    return said(Item(name=rule.plugin, options={**rule.how.model_dump(mode="json", exclude_defaults=True),
                                                **rule.bounds.model_dump(mode="json", exclude_defaults=True)}))


def said(item: Item) -> str:
    """A rule or a preset as a recipe's list has it."""
    own = item.name.endswith(".py")
    options = {"rule": item.name, **item.options} if own else item.options
    braces = f"{{{', '.join(f'{key}: {_yaml.flow(value)}' for key, value in options.items())}}}"
    return braces if own else f"{item.name}: {braces}" if options else item.name


def proposed(recipe: Recipe | None, noted: Noted, moves: Sequence[Move], then: Sequence[AnyRule]) -> Proposal:
    """How other options of the last curation's rules are decided: what is proposed comes to exactly these rules.

    Args:
        recipe: where it comes to the last curation's rules, the options are changed in it.
        noted: these rules; where the recipe is another, all of them are proposed, as they were named.
        moves: the options, with a value each.
        then: the rules with them.
    """
    if recipe is not None and (found := _moved(recipe.curate, noted, moves, then)):
        items, touched = found
        sets = [f"curate.{noted.rules[move.rule].name}.{move.bound}={_yaml.flow(move.value)}" for move in moves]
        return Proposal(_lines(recipe, items, touched), [word for each in sets for word in ("--set", each)])
    found = _moved(noted.listed, noted, moves, then)
    rules = list(map(said, found[0])) if found else list(map(written, then))
    lines = [] if noted.by == GIVEN else [_whole(recipe, rules)]
    return Proposal(lines, [word for each in rules for word in ("--rule", each)])


def _moved(
    items: Sequence[Item], noted: Noted, moves: Sequence[Move], then: Sequence[AnyRule],
) -> tuple[list[Item], list[int]] | None:
    """A list with other options, and the places of the items that have them; None where it does not come to these
    rules."""
    found, touched = list(items), list[int]()
    try:
        for move in moves:
            found, at = with_option(found, "rules", (noted.rules[move.rule].name, move.bound), move.value)
            touched.append(at)
        opened = open_rules(found, str, noted.folder)
    except RecipeError:
        return None
    same = [(rule.name, rule.options) for rule in opened] == [(rule.name, rule.options) for rule in then]
    return (found, list(dict.fromkeys(touched))) if same else None


def _lines(recipe: Recipe, items: Sequence[Item], touched: Sequence[int]) -> list[tuple[str, str]]:
    """The lines of a recipe that become others: an item's own, or the whole list where that stands on one line."""
    places = [recipe.at("curate", at) for at in touched]
    if "curate" not in recipe.model_fields_set or recipe.at("curate") in places:
        return [_whole(recipe, list(map(said, items)))]
    return [(place, said(items[at])) for place, at in zip(places, touched, strict=True)]


def permanent(recipe: Recipe, items: Sequence[Item]) -> list[tuple[str, str]]:
    """What to write, and where, so that a recipe names these rules: as `Proposal.lines`."""
    touched = [at for at, pair in enumerate(zip(recipe.curate, items, strict=False)) if pair[0] != pair[1]]
    if len(items) != len(recipe.curate):
        return [_whole(recipe, list(map(said, items)))]
    return _lines(recipe, items, touched)


def _whole(recipe: Recipe | None, rules: Sequence[str]) -> tuple[str, str]:
    there = recipe is not None and "curate" in recipe.model_fields_set
    return (recipe.at("curate") if recipe and there else "", f"curate: [{', '.join(rules)}]")


def moved(noted: Noted, moves: Sequence[Move]) -> tuple[list[Item], list[AnyRule], list[Moved]]:
    """The last curation's rules with some bounds elsewhere, the same opened, and the bounds."""
    items = list(noted.items)
    for move in moves:
        item = items[move.rule]
        items[move.rule] = Item(name=item.name, options={**item.options, move.bound: move.value})
    texts = {move.rule: move.text for move in moves}
    then = open_rules(items, lambda index: f"{WHAT_IF} {texts.get(index, '')}".strip(), noted.folder)
    pairs = [(noted.rules[move.rule], then[move.rule], move.bound) for move in moves]
    found = [Moved(rule.name, bound, rule.options[bound], other.options[bound]) for rule, other, bound in pairs]
    return items, then, found


def differences(before: Any, now: Any) -> list[str]:
    """How two lists of rules differ, as the manifest has them: `length.min 1,024 -> 800`, then `refusal added`."""
    then, there = ({str(rule.get("rule")): rule.get("options") or {} for rule in rules or [] if isinstance(rule, dict)}
                   for rules in (before, now))
    told = [str(Moved(name, key, then[name].get(key), value)) for name in then.keys() & there.keys()
            for key, value in there[name].items() if then[name].get(key) != value]
    return [*sorted(told), *sorted(f"{name} added" for name in there if name not in then),
            *sorted(f"{name} left out" for name in then if name not in there)]


def value_of(value: Any) -> str:
    """A bound's value as a person reads it."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else number(value)
