"""Rows that are given up on the way, by `skip_when`: before a step is asked, and what that saves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.errors import RecipeError
from pipeline.grid.fill import context_of
from pipeline.grid.skipping import Entry, skip_entries, skips
from pipeline.options import own_folder
from pipeline.readers import Said
from pipeline.recipe import Recipe
from pipeline.rules import AskRule, RowRule, open_rules
from pipeline.store.foreseen import Range, sure
from pipeline.types import Draw, Sample
from pipeline.words import causes, plural

from .answers import variable
from .history import of_share
from .questions import Lost, Made, Outcome, Skipped, Trail

PRIOR = Range(0.5, 1.0, 1.0)
"""Share of rows that go on at a place where nothing was decided yet: a guess, until preview rows tell."""
KIN = ("asks", "same", "through")
"""What the manifest keeps of writers that differ in what they skip; see `kin`."""


class Skips:
    """The `skip_when` of every step, and of `pairs`, with its rules opened.

    Args:
        recipe: the recipe.
        dataset: its folder: code beside a snapshot in there is not run.

    Raises:
        RecipeError: an entry that is no expression, a rule or option that is not known, a rule that compares rows.
    """

    def __init__(self, recipe: Recipe, dataset: Path) -> None:
        self.steps = [step.name for step in recipe.asks]
        folder = own_folder(recipe.path, dataset)
        self.places = [[(entry, _rule(entry, folder)) for entry in entries] for entries in skip_entries(recipe)]

    def refuse(self, trail: Trail, place: int, said: Mapping[str, Said]) -> None:
        """Ends a draw that is to be skipped; notes where an answer that is not known yet will decide it.

        Args:
            trail: of the draw.
            place: the step that would be asked next; behind the last, the second answer of a pair.
            said: the answers before it.

        Raises:
            Lost: with Skipped.
            RecipeError: a condition cannot be decided on this draw's values.
        """
        if not self.places[place]:
            return
        draw, before = trail.draw, self.steps[place - 1] if place else ""
        context = context_of(draw, {name: variable(each) for name, each in said.items()})
        undecided = False
        for entry, rule in self.places[place]:
            taken = entry.condition.variables if entry.condition else {before}
            if not trail.unknown.isdisjoint(taken):
                undecided = True
            elif entry.condition.holds(context) if entry.condition else _drops(rule, trail, said[before]):
                raise Lost(Skipped(place, entry.said, not self._given(place, context), tuple(trail.undecided)))
        if undecided:
            trail.undecided.append(place)

    def _given(self, place: int, context: Mapping[str, Any]) -> bool:
        """Whether axes and columns alone end a draw at a place, whatever an answer says."""
        for entry, _ in self.places[place]:
            if entry.condition and entry.condition.variables.isdisjoint(self.steps):
                with suppress(RecipeError):  # another entry has ended the draw: this one need not be decided
                    if entry.condition.holds(context):
                        return True
        return False


class SkipTally:
    """Counts what became of draws at the places where they may be skipped, for a bill.

    Only a decision that took an answer tells of those that will take one.

    Attributes:
        skipped: why -> draws.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.places = [place for place, entries in enumerate(skip_entries(recipe)) if entries]
        self.skipped = Counter[str]()
        self._ended, self._went_on, self._open = Counter[int](), Counter[int](), Counter[int]()

    def add(self, outcome: Outcome) -> None:
        """Takes in what came of a draw, or would."""
        if isinstance(outcome, Skipped):
            self.skipped[outcome.why] += 1
            self._ended[outcome.place] += outcome.told
            self._went_on.update(place for place in self.places
                                 if place < outcome.place and place not in outcome.undecided)
        elif isinstance(outcome, Made):
            self._open.update(outcome.undecided)
            self._went_on.update(place for place in self.places if place not in outcome.undecided)

    @property
    def decided(self) -> int:
        """Draws that tell of those to come, at the place where the fewest do; 0 for a guess."""
        return min((self._ended[place] + self._went_on[place] for place in self._open), default=0)

    def goes_on(self) -> dict[int, Range]:
        """Place -> the share of draws that go on there, of those where it is not decided yet."""
        return {place: of_share(self._went_on[place], self._ended[place] + self._went_on[place], count) or PRIOR
                for place, count in self._open.items()}


def share_of(undecided: Mapping[tuple[int, ...], int], goes_on: Mapping[int, Range]) -> Range:
    """The share that goes on, of things of which it depends on some places each.

    Args:
        undecided: the places -> how many depend on them.
        goes_on: place -> share; see `SkipTally.goes_on`.
    """
    count = sum(undecided.values())
    if not count or not any(undecided):
        return sure(1.0)
    total = sure(0.0)
    for places, many in undecided.items():
        each = sure(float(many))
        for place in places:
            each = each.by(goes_on.get(place, PRIOR))
        total = total.plus(each)
    return total.times(1 / count)


def note(skipped: Mapping[str, int], wanted: int) -> str:
    """`of 12 draws skipped 7: 5 by premise|length < 80, 2 by refusal`."""
    return f"of {plural(wanted, 'draw')} skipped {causes(skipped)}"


def undecidable(recipe: Recipe, draw: Draw, answers: Mapping[str, Any]) -> list[str]:
    """The conditions that fail on a draw, a sentence each with its place.

    Args:
        recipe: the recipe.
        draw: the first one.
        answers: step -> what stands in the place of its answer.
    """
    found: list[str] = []
    context = context_of(draw, answers)
    for entry in (entry for entries in skip_entries(recipe) for entry in entries if entry.condition):
        try:
            assert entry.condition is not None
            entry.condition.holds(context)
        except RecipeError as error:
            found.append(error.message + (f" ({error.hint})" if error.hint else ""))
    return found


def mark_of(recipe: Recipe) -> list[object]:
    """What enters the name of a writer: nothing where no row may be skipped, so that it stays what it was."""
    pairs = recipe.pairs.skip_when if recipe.pairs else []
    return ["skip_when", [step.skip_when for step in recipe.asks], pairs] if skips(recipe) else []


def kin(before: object, mine: str, asks: str) -> dict[str, object]:
    """What the manifest keeps of the writers before that asked the same and skipped other rows.

    Args:
        before: what it says of the writer before; None where there was none.
        mine: the name of today's writer; see `writer_digest`.
        asks: what is asked, whatever is skipped.

    Returns:
        `asks` where it is not the writer's own name; `same`, the names of those writers, where there are any; and
        `through` where a run of this writer has looked at their rows: those that it left to them are skipped.
    """
    found: dict[str, object] = {"asks": asks} if asks != mine else {}
    last = before.get("writer") if isinstance(before, dict) else None
    if not isinstance(before, dict) or last is None or before.get("asks", last) != asks:
        return found
    if same := [each for each in dict.fromkeys([*before.get("same", ()), last]) if each != mine]:
        found |= {"same": same, **({"through": True} if last == mine and before.get("through") else {})}
    return found


def _rule(entry: Entry, folder: Path | None) -> RowRule[Any, Any] | None:
    if entry.rule is None:
        return None
    rule, *more = open_rules([entry.rule], lambda _: entry.where, folder)
    if more:
        raise RecipeError(f"{entry.where}: skip_when: {entry.rule.name} is a preset, and one rule goes here",
                          f"synth plugins {entry.rule.name}   says which rules it holds")
    if not isinstance(rule, RowRule):
        raise RecipeError(f"{entry.where}: skip_when: {rule.name} compares rows, and here is one alone",
                          "it belongs under `curate`")
    if isinstance(rule, AskRule):
        raise RecipeError(f"{entry.where}: skip_when: {rule.name} asks a model, on rows that are there",
                          "it belongs under `curate`")
    return rule


def _drops(rule: RowRule[Any, Any] | None, trail: Trail, said: Said) -> bool:
    """Whether a rule would drop a row that ended in the answer that was given last."""
    assert rule is not None
    call = trail.calls[-1]
    asked = [each for each in call.body.get("messages", []) if each.get("role") != "assistant"]  # of a repair as well
    messages = [*asked, {"role": "assistant", "content": said.text}]
    made = {"finish_reason": call.ended, "refusal": (call.message or {}).get("refusal")}
    sample = Sample("", messages, trail.draw.cell, trail.draw.fields, calls=tuple(trail.refs), provenance=made)
    return rule.finding(sample).outcome == "drop"
