"""Two answers to one question, and who says which is better: what a pair for preference tuning is made of."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.digest import hash_unit
from pipeline.errors import DataError, RecipeError
from pipeline.grid.fill import judge_messages
from pipeline.readers import Labels, Number, Reader, Said
from pipeline.types import Call, CallRef, Message

from .answers import PICKS, variable
from .questions import Asking, Lost, Made, Question, Trail, Unpaired, Wanted

if TYPE_CHECKING:
    from .road import Road

SECOND = 1_000_000_000
"""Repeats between the first answer and the second where both are asked the very same: more than further tries reach."""
TIE, EQUAL, TURNED = "tie", "equal answers", "verdict that turned with the order"
FIRST, OTHER = "first", "second"
"""Roles of the two until the judge has spoken: chosen and rejected from then on."""


def pair_of(road: Road, trail: Trail, said: dict[str, Said]) -> Generator[Question, Call | None, Made]:
    """The two answers of the last step and their judgement, behind the answers of the steps before it.

    Raises:
        Lost: an answer that cannot be used, a judge who cannot be read, equal answers, a tie, a verdict that turned
            with the order, a first answer that `skip_when` skips.
    """
    assert road.recipe.pairs is not None
    index, name = len(road.recipe.asks) - 1, road.recipe.asks[-1].name
    wanted = road.step(trail, index, said, FIRST)
    over = road.recipe.pairs.second
    other = road.step(trail, index, said, OTHER, over, over.model)
    same = wanted.writer.name == other.writer.name and wanted.parameters == other.parameters
    first = yield from road.answer(trail, wanted)
    if trail.guess:
        trail.unknown.add(name)
    road.skips.refuse(trail, index + 1, {**said, name: first})
    other = other._replace(step=index + 1, repeat=other.repeat + SECOND if same else other.repeat)
    second = yield from road.answer(trail, other)
    known = not trail.guess
    if known and first.text.strip() == second.text.strip():
        raise Lost(Unpaired(EQUAL))
    better = yield from _judged(road, trail, wanted.messages, said, (first, second))
    if known and better not in (FIRST, OTHER):
        raise Lost(Unpaired(better))
    won = better if better in (FIRST, OTHER) else FIRST
    roles = {won: "chosen", OTHER if won == FIRST else FIRST: "rejected"}
    refs = tuple(CallRef(ref.id, roles.get(ref.role, ref.role)) for ref in trail.refs)
    chosen, rejected = (first, second) if won == FIRST else (second, first)
    said = {**said, name: chosen}
    return Made(refs, tuple(trail.calls), said, rejected, tuple(trail.instead), tuple(trail.undecided))


def _judged(
    road: Road, trail: Trail, messages: list[Message], said: Mapping[str, Said], answers: tuple[Said, Said]
) -> Generator[Question, Call | None, str]:
    """Which of the two is better; else why neither is."""
    assert road.recipe.pairs is not None
    judge = road.recipe.pairs.judge
    seen = {name: variable(each) for name, each in said.items()} | {"prompt": str(messages[-1]["content"])}
    first, second = (variable(each) for each in answers)
    if judge.margin is not None:
        scores = []
        for each in (first, second):
            score = yield from _ask(road, trail, {**seen, "answer": each}, Number())
            scores.append(float(score.value))
        ahead = scores[0] - scores[1]
        return TIE if abs(ahead) < judge.margin else FIRST if ahead > 0 else OTHER
    turned = hash_unit("order", road.recipe.seed, answers[0].text, answers[1].text) < 0.5
    picks = list[str]()
    for swapped in (turned, not turned) if judge.both_orders else (turned,):
        a, b = (second, first) if swapped else (first, second)
        pick = yield from _ask(road, trail, {**seen, "answer_a": a, "answer_b": b}, Labels(PICKS))
        order = (OTHER, FIRST) if swapped else (FIRST, OTHER)
        picks.append(TIE if pick.value == TIE else order[PICKS.index(pick.value)])
    if len(set(picks)) == 1:
        return picks[0]
    return TIE if TIE in picks else TURNED  # else the one that stood in a certain place won both times


def _ask(road: Road, trail: Trail, seen: Mapping[str, Any], reader: Reader) -> Asking:
    """One word of the judge. It is asked once for the same two answers, however many rows they are of."""
    assert road.recipe.pairs is not None
    assert road.judge is not None
    try:
        messages = judge_messages(road.recipe, trail.draw, seen)
    except (RecipeError, DataError):
        if not trail.guess:
            raise
        messages = [{"role": "user", "content": road.recipe.template(road.recipe.pairs.judge.user)}]
    hints = {"cell": trail.draw.cell, "fields": trail.draw.fields, "answer": {**reader.hint, "judge": True}}
    wanted = Wanted(road.judge, messages, road.recipe.pairs.judge.body(), 0, "judge", reader, hints,
                    step=len(road.recipe.asks) + 1)
    return (yield from road.answer(trail, wanted))
