"""Bounds of the last curation's rules, by name: what `--what-if` moves, and how two lists of rules differ."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import _yaml
from pipeline.errors import DataError, RecipeError, did_you_mean
from pipeline.options import BARE, own_folder
from pipeline.recipe import Recipe
from pipeline.registry import plugins, presets, printed
from pipeline.rules import AnyRule, as_before, named, open_rules, resolved
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.words import number

from .outcome import GIVEN

WHAT_IF = "--what-if"


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
        return f"{self.rule}.{self.bound} {value_of(self.now)} -> {value_of(self.then)}"


class Noted(NamedTuple):
    """The rules of the last curation.

    Attributes:
        items: as a recipe's list names them, with all options.
        rules: the same, opened.
        origins: the recipe's item that each comes from, a rule or its preset; None where it was named otherwise.
        given: whether `--rule` named them.
        folder: where rules of one's own lie.
    """

    items: list[Item]
    rules: list[AnyRule]
    origins: list[int | None]
    given: bool
    folder: Path | None


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
    known = named(recipe.curate, str) if recipe else {}
    origins = [known[rule.name].nth if rule.name in known else None for rule in rules]
    return Noted(items, rules, origins, noted.get("by") == GIVEN, folder)


def _kind(rule: Mapping[str, Any]) -> str:
    """The plug-in of a rule as the note has it: of `length-2` it is `length`."""
    if rule.get("file"):
        return str(rule["file"])
    name = resolved(str(rule.get("rule")))
    return name if name in plugins("rules") else re.sub(r"-\d+$", "", name)


def read_moves(texts: Sequence[str], rules: Sequence[AnyRule], name: str) -> list[Move]:
    """What `--what-if` says, rule and bound found.

    Args:
        texts: as `length.min=800`, or `length.min`.
        rules: of the last curation.
        name: the dataset's, for the commands that are proposed.

    Raises:
        RecipeError: no such rule or bound, with all that can be moved; or an option that changes what is measured.
    """
    return [_read(text, rules, name) for text in texts]


def _read(text: str, rules: Sequence[AnyRule], name: str) -> Move:
    path, sign, given = text.partition("=")
    rule_name, dot, bound = path.strip().rpartition(".")
    known = [rule.name for rule in rules]
    if not dot or printed(rule_name) not in known:
        word = rule_name if dot else path.strip()
        near = did_you_mean(printed(word), known) if printed(word) not in known else ""
        what = f"rule '{word}' in the last curation" if near else f"bound in '{text}'"
        raise RecipeError(f"{WHAT_IF} {text}: no {what}", "\n".join(filter(None, (near, can_move(rules)))))
    index = known.index(printed(rule_name))
    rule, bound = rules[index], bound.replace("-", "_")
    if bound in type(rule.how).model_fields:
        option = f"{rule_name}.{bound}"
        raise RecipeError(
            f"{WHAT_IF} {text}: {option} changes what is measured, so every row is measured anew for it (costs "
            "nothing, writes nothing)",
            f"synth curate {name} {_anew(rules, index, bound, given if sign else '...')} --diff")
    if bound not in type(rule.bounds).model_fields:
        near = did_you_mean(bound, type(rule.bounds).model_fields)
        raise RecipeError(f"{WHAT_IF} {text}: {rule_name} has no bound '{bound}'",
                          "\n".join(filter(None, (near, can_move(rules)))))
    value = _yaml.parse(given, f"{WHAT_IF} {text}")[0] if sign else None
    return Move(text, index, bound, not sign, value)


def _anew(rules: Sequence[AnyRule], index: int, option: str, value: str) -> str:
    """All rules as `--rule`, one of them with an option."""
    told = (written(rule, {option: value} if place == index else {}) for place, rule in enumerate(rules))
    return " ".join(f"--rule {shlex.quote(each)}" for each in told)


def can_move(rules: Sequence[AnyRule]) -> str:
    """The bounds of rules and where they stand: `it moves length.min (1,024), length.max (none)`."""
    bounds = [f"{rule.name}.{key} ({value_of(value)})"
              for rule in rules for key, value in rule.bounds.model_dump(mode="json").items()]
    return f"it moves {', '.join(bounds)}" if bounds else "none of its rules has a bound to move"


def written(rule: AnyRule, more: Mapping[str, str] = {}) -> str:
    """A rule as a recipe has it, what is default left out: `length: {unit: bytes, min: 800}`."""
    options = {**rule.how.model_dump(mode="json", exclude_defaults=True),
               **rule.bounds.model_dump(mode="json", exclude_defaults=True)}
    return _said(rule.plugin, {**{key: _yaml.flow(value) for key, value in options.items()}, **more})


def _said(plugin: str, options: Mapping[str, str]) -> str:
    """A rule or a preset as a recipe's list has it."""
    own = plugin.endswith(".py")
    told = {"rule": _yaml.flow(plugin), **options} if own else options
    braces = f"{{{', '.join(f'{key}: {value}' for key, value in told.items())}}}"
    return braces if own else f"{plugin}: {braces}" if told else plugin


def decides(
    recipe: Recipe | None, noted: Noted, moves: Sequence[Move], found: Sequence[Moved], then: Sequence[str],
) -> list[tuple[str, str]]:
    """Where to write moved bounds so that they are decided, and what: a rule, or the whole list where a preset has it.

    Args:
        recipe: with the rules, or presets of them.
        noted: the last curation's rules.
        moves: the bounds, as they were read.
        found: the same, with their values.
        then: each rule as a recipe would have it by itself.
    """
    if noted.given:
        return []
    told, items = list[tuple[str, str]](), list(recipe.curate if recipe else ())
    preset = False
    for move, to in zip(moves, found, strict=True):
        origin = noted.origins[move.rule]
        if recipe is None or origin is None:
            told.append(("", then[move.rule]))
        elif items[origin].name in presets("rules"):
            items[origin], preset = _in_preset(items[origin], noted.rules[move.rule].plugin, to), True
        else:
            told.append((recipe.at("curate", origin), then[move.rule]))
    if preset and recipe is not None:
        place = recipe.at("curate") if "curate" in recipe.model_fields_set else ""
        told.append((place, f"curate: [{', '.join(map(_item, items))}]"))
    return list(dict.fromkeys(told))


def _in_preset(item: Item, rule: str, to: Moved) -> Item:
    """A preset with a bound of one of its rules elsewhere, all else as the recipe has it."""
    key = next((key for key in item.options if resolved(key) == rule), rule)
    said = item.options.get(key)
    said = said if isinstance(said, dict) else {} if said in (None, True) else {BARE: said}
    return Item(name=item.name, options={**item.options, key: {**said, to.bound: to.then}})


def _item(item: Item) -> str:
    return _said(item.name, {key: _yaml.flow(value) for key, value in item.options.items()})


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
    """How two lists of rules differ, as the manifest has them: `length.min 1,024 -> 800`, `refusal added`."""
    then, there = ({str(rule.get("rule")): rule.get("options") or {} for rule in rules or [] if isinstance(rule, dict)}
                   for rules in (before, now))
    told = [f"{name} left out" for name in then if name not in there]
    told += [f"{name} added" for name in there if name not in then]
    for name in then.keys() & there.keys():
        told += [str(Moved(name, key, then[name].get(key), value)) for key, value in there[name].items()
                 if then[name].get(key) != value]
    return sorted(told)


def value_of(value: Any) -> str:
    """A bound's value as a person reads it."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else number(value)
