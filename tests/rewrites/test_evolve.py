"""`evolve`: two questions a child, and what is eliminated before and after the second."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.rewrites import AnyRewrite, Refused, open_rewrites
from pipeline.rewrites.evolve import WAYS
from pipeline.sections import Item
from pipeline.types import Sample
from tests import made

PROMPT = "Why do leaves turn red in autumn?"
ANSWER = "Chlorophyll breaks down before the other pigments do, so that red and yellow are seen."
HARDER = "Why do leaves turn red in autumn, and why does a maple in deep shade often stay yellow until it is bare?"
OTHER = "How does a tree frog survive a winter in which its blood is frozen for weeks?"
TOLD = "A maple in shade makes little sugar, and without sugar there is little of the red pigment."


def evolves(**options: Any) -> AnyRewrite:
    return open_rewrites([Item(name="evolve", options=options)])[0]


def row(name: str = "parent", prompt: str = PROMPT, **more: Any) -> Sample:
    return Sample(name, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt},
                         {"role": "assistant", "content": ANSWER}], **more)


def test_a_child_has_a_new_prompt_and_its_answer() -> None:
    rewrite, parent = evolves(ways="deepen"), row(provenance={"model": "writer-0", "train": "t"})
    (asked,) = rewrite.messages(parent) or []
    assert WAYS["deepen"] in asked["content"]
    first, second = made.call(1, HARDER), made.call(2, TOLD)
    assert rewrite.further(parent, [first]) == [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": HARDER}]
    assert rewrite.further(parent, [first, second]) is None
    child = rewrite.child(parent, first, second)
    assert isinstance(child, Sample)
    assert (child.prompt, child.answer, child.parent) == (HARDER, TOLD, "parent")
    assert [ref.id for ref in child.calls] == [first.id, second.id]
    assert child.id == rewrite.child_id(parent, first.id)
    assert child.provenance["cost_usd"] == pytest.approx((first.cost_usd or 0) + (second.cost_usd or 0))
    told = {key: child.provenance.get(key) for key in ("model", "added", "train", "replaces")}
    assert told == {"model": "writer-1-2026", "added": "both", "train": None, "replaces": None}
    assert not rewrite.applies(child)


@pytest.mark.parametrize(("way", "text", "code"), [
    ("deepen", PROMPT, "near-copy"), ("deepen", "Why do leaves often turn red in late autumn?", "near-copy"),
    ("broaden", "Why do leaves turn red in the autumn?", "near-copy"), ("deepen", " ", "nothing-said"),
    ("deepen", f"The given prompt is: {HARDER}", "speaks-of-task"),
    ("reason", "#Rewritten Prompt#: " + HARDER.replace("Why", "Say why"), "taken"),
    ("deepen", "Warum werden Blätter im Herbst rot, und warum bleibt ein Ahorn im tiefen Schatten oft gelb?",
     "other-language"),
    ("deepen", "The chlorophyll breaks down before the other pigments, so red is seen.", "no-request"),
    ("deepen", "{\"prompt\": \"Why do leaves turn red in autumn when it is cold?\"}", "no-request"),
    ("deepen", HARDER * 6, "much-longer"), ("broaden", OTHER, "taken"), ("concretise", HARDER, "taken"),
])
def test_prompts_that_are_eliminated_before_their_answer_is_paid_for(way: str, text: str, code: str) -> None:
    found = evolves(ways=way).further(row(), [made.call(1, text)])
    assert (found.code if isinstance(found, Refused) else "taken") == code


def test_material_of_a_harder_prompt_stays() -> None:
    sample = row(prompt="What does `sorted(words)[0]` give?")
    lost = "What does that code give where all the words of a list begin with capitals?"
    found = evolves(ways="constrain").further(sample, [made.call(1, lost)])
    assert isinstance(found, Refused)
    assert found.code == "drops-code"


@pytest.mark.parametrize(("text", "code"), [
    ("I am sorry, but a maple is nothing that I know much about.", "sorry"), ("", "says-nothing"),
    ("...!", "says-nothing"), ("It depends.", "says-nothing"), (ANSWER, "same-answer"), (HARDER, "echoes-prompt"),
    (TOLD, "taken"), (f"{TOLD} " * 8 + "They are sorry to see it go.", "taken"),
])
def test_answers_that_are_eliminated(text: str, code: str) -> None:
    found = evolves(ways="deepen").child(row(), made.call(1, HARDER), made.call(2, text))
    assert (found.code if isinstance(found, Refused) else "taken") == code


def test_ways_are_drawn_by_seed_and_row_and_no_child_has_another_ones() -> None:
    def ways(nth: int, seed: int = 0) -> list[str]:
        rewrite = open_rewrites([Item(name="evolve", options={"times": 5})], seed=seed)[nth]
        return [rewrite._way(row(f"row{number}")) for number in range(300)]  # type: ignore[attr-defined]

    counts = Counter(ways(0))
    assert set(counts) == set(WAYS)
    assert min(counts.values()) > 35, "each about a fifth"
    assert ways(0) != ways(0, seed=1)
    assert all(len(set(drawn)) == 5 for drawn in zip(*(ways(nth) for nth in range(5)), strict=True))


def test_rows_that_it_is_not_for() -> None:
    rewrite = evolves()
    assert rewrite.applies(row())
    assert not any(map(rewrite.applies, (
        row(label="red"), row(rejected=[{"role": "assistant", "content": "No."}]), row(prompt="red"),
        row().with_messages([*row().messages, *row().messages[1:]]))))


def test_no_more_children_than_ways() -> None:
    with pytest.raises(RecipeError, match="2 children, and 1 ways"):
        evolves(ways="deepen", times=2)
