"""What the rehearsal proposes for an idea, and for an axis that lacks values: from the word lists of ideas.txt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from ._grammar import Dice

ASIDE = ("prompt", "train", "words", "alike")
"""Lines of a grid that are no axis."""


class List(NamedTuple):
    """A part of ideas.txt: the words that pick it, and its lines as name -> text (no name in a bank)."""

    words: frozenset[str]
    lines: dict[str, str]


@cache
def lists(kind: str) -> dict[str, List]:
    """The parts of one kind, `grid` or `bank`, by name."""
    found: dict[str, List] = {}
    for part in (Path(__file__).with_name("ideas.txt")).read_text(encoding="utf-8").split("\n[")[1:]:
        head, _, body = part.partition("]")
        what, _, name = head.partition(" ")
        words, *lines = body.split("\n")
        if what == kind:
            pairs = [line.partition(": ") if kind == "grid" else ("", "", line) for line in lines if line]
            found[name] = List(frozenset([name, *words.split()]), {key: text for key, _, text in pairs})
    return found


def proposal(dice: Dice, hints: Mapping[str, Any]) -> str | None:
    """The answer to a question for a grid or for values, as JSON; None where the question is another one.

    Args:
        dice: decides the order of values.
        hints: `idea` where a grid is asked for; `axis`, `has` and `more` where values are: the axis, those that it has,
            and how many further ones.
    """
    if "idea" in hints:
        return orjson.dumps(_grid(str(hints["idea"])), option=orjson.OPT_INDENT_2).decode()
    if "more" in hints:
        has = {str(value).casefold() for value in hints["has"]}
        values = [value for value in _bank(str(hints["axis"]), has) if value.casefold() not in has]
        chosen = [values.pop(dice.below(len(values))) for _ in range(min(len(values), int(hints["more"])))]
        return orjson.dumps(chosen).decode()
    return None


def _grid(idea: str) -> dict[str, Any]:
    words = set(re.findall(r"\w+", idea.casefold()))
    *named, otherwise = lists("grid").values()
    best = max(named, key=lambda grid: len(grid.words & words))
    lines = (best if best.words & words else otherwise).lines
    axis, _, pair = lines.get("alike", "").partition(": ")
    return {
        "axes": {name: _values(text) for name, text in lines.items() if name not in ASIDE},
        "prompt": lines["prompt"], "train": lines["train"], "words": [int(word) for word in lines["words"].split()],
        "alike": {axis: [_values(pair)]} if axis else {},
    }


def _bank(axis: str, has: set[str]) -> list[str]:
    """The list for an axis: by its name, else the one that holds most of its values, else topics."""
    banks = lists("bank")
    named = [bank for bank in banks.values() if axis.casefold() in bank.words]
    shared = max(banks.values(), key=lambda bank: len(has & {value.casefold() for value in _values(bank.lines[""])}))
    known = has & {value.casefold() for value in _values(shared.lines[""])}
    return _values((named or [shared if known else banks["topic"]])[0].lines[""])


def _values(text: str) -> list[str]:
    return [value.strip() for value in text.split(";")]
