"""A proposal as models word it: what is read, what is mended, what is asked again; the recipe that it becomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.json_text import Unread, json_in
from pipeline.recipe import parse_recipe
from pipeline.starters.idea import Proposal, changed, question, read
from pipeline.starters.proposed import check, recipe_text

PLACES = ["Peru", "Kenya", "Japan", "Cuba", "Nepal", "Chile", "Norway", "Ghana", "Greece"]
MOODS = ["calm", "angry", "polite", "eager", "tired", "proud", "shy", "bitter"]


def said(**over: Any) -> str:
    value = {"axes": {"place": PLACES, "mood": MOODS}, "prompt": "A {{mood}} note from {{place}}.",
             "train": "{{place}}, {{mood}}", "words": [30, 90]}
    return json.dumps(value | over)


def test_an_answer_as_it_should_be() -> None:
    found = read(said())
    assert found == Proposal({"place": PLACES, "mood": MOODS}, "A {{mood}} note from {{place}}.", "{{place}}, {{mood}}",
                             (30, 90))
    assert found.cells == 72


@pytest.mark.parametrize("around", [
    "{}", "```json\n{}\n```", "Here is the grid:\n\n```\n{}\n```\nTell me if you want more!", "Sure! {} Enjoy.",
    "  \n{}\n\n",
])
def test_json_is_found_within_prose(around: str) -> None:
    assert read(around.replace("{}", said())).axes["place"] == PLACES


@pytest.mark.parametrize(("text", "why"), [
    ("", "it is empty"),
    ("I'm sorry, I can't help with that.", "it is not JSON"),
    ("[1, 2]", "axes"),
    (said(axes=[]), "axes"),
    (said()[:-20], "it is not JSON"),
    (said(axes={"place": PLACES}), "it has 1 axes"),
    (said(axes={"place": PLACES, "mood": MOODS[:3]}), "'mood' has 3 values, not 8 to 15"),
    (said(axes={"place": PLACES, "mood": "calm"}), "are no list"),
    (said(axes={"place": PLACES, "mood": [*MOODS, None]}), "is no text"),
    (said(axes={"place": PLACES, "mood": ["calm"] * 9}), "all the same"),
    (said(prompt=""), '"prompt" is no text'),
    (said(prompt="A {{tone}} note from {{place}}"), '"prompt" names {{tone}}, which is no axis'),
    (said(prompt="{% for x in y %}{{place}}{{mood}}{% endfor %}"), "braces"),
    (said(prompt="{{place.__class__}} {{mood}}"), "which is no axis"),
])
def test_what_cannot_be_used(text: str, why: str) -> None:
    with pytest.raises(Unread, match=why.replace("{", r"\{").replace("}", r"\}")):
        read(text)


def test_what_is_mended_without_another_call() -> None:
    axes = {"Customer Type": PLACES, "answer": MOODS, "größe": MOODS, "2nd": MOODS}
    found = read(said(axes=axes, prompt="To a {{ Customer Type }} in {größe}: {{answer}}", train=None, words="many"))
    assert list(found.axes) == ["customer_type", "answer_2", "grosse", "axis_2nd"]
    assert found.prompt == "To a {{customer_type}} in {{grosse}}: {{answer_2}}\n\nAxis 2nd: {{axis_2nd}}"
    assert found.train.splitlines() == [
        "Customer type: {{customer_type}}", "Answer 2: {{answer_2}}", "Grosse: {{grosse}}", "Axis 2nd: {{axis_2nd}}"]
    assert found.words == (20, 150)
    assert "renamed 'Customer Type' to customer_type" in found.notes
    check(recipe_text("mine", "x", "a:b", found))


def test_near_synonyms_and_what_is_too_many_are_named() -> None:
    many = ["calm", "Calm", "calmly", *(f"kind {number}" for number in range(20)), "x" * 200]
    found = read(said(axes={"place": PLACES, "mood": many}))
    assert found.axes["mood"] == ["calm", *(f"kind {number}" for number in range(14))]
    assert "mood: dropped 'calmly' (near 'calm': the same words in another form)" in found.notes
    assert any(note.startswith("mood: 15 of 21 values taken; not taken: kind 14") for note in found.notes)
    assert any("longer than 100 characters" in note for note in found.notes)


def test_a_short_axis_will_do_once_it_was_asked_for_again() -> None:
    found = read(said(axes={"place": PLACES, "stars": [1, 2, 3]}, prompt="{{place}} {{stars}}"), fewest=2)
    assert found.axes["stars"] == [1, 2, 3]
    assert "stars has only 3 values: synth plan NAME --more stars=8" in found.notes


def test_what_the_model_itself_calls_near() -> None:
    alike = {"mood": [["calm", "polite"], ["calm", "gone"], ["tired", "tired"], "shy", []], "tone": [["a", "b"]],
             "place": None}
    found = read(said(alike=alike))
    assert found.axes["mood"] == [mood for mood in MOODS if mood != "polite"]
    assert found.notes == ("mood: dropped 'polite' (near 'calm': the model says so)",
                           "mood has only 7 values: synth plan NAME --more mood=8")
    all_of_them = read(said(alike={"mood": [MOODS]}))
    assert all_of_them.axes["mood"] == ["calm", "bitter"]
    assert read(said(alike=7)).axes["mood"] == MOODS


def test_a_hand_wins() -> None:
    found = changed(read(said()), "mood", ["calmly", "angry", "calmly"], ["calm"])
    assert found.axes["mood"] == [*MOODS[1:], "calmly"]
    with pytest.raises(RecipeError, match="no value left"):
        changed(found, "mood", [], found.axes["mood"])


def test_the_same_idea_is_the_same_question() -> None:
    assert question("  tickets\r\n of a bank ", "a").text == question("tickets\n of a bank", "b").text
    with pytest.raises(RecipeError, match="--idea is empty"):
        question(" \n\x00", "a")


TEXT = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=40)


@settings(max_examples=60)
@given(st.lists(TEXT, min_size=8, max_size=12), TEXT, TEXT, TEXT)
def test_whatever_a_model_says_becomes_a_recipe_that_reads_back(
    values: list[str], name: str, prompt: str, idea: str
) -> None:
    axes = {name: [f"{value}{number}" for number, value in enumerate(values)], "mood": MOODS}
    text = said(axes=axes, prompt=f"{prompt}\n{{{{mood}}}}", train=f"{prompt} {{{{mood}}}}")
    try:
        found = read(text)
    except Unread:
        return
    written = recipe_text("mine", idea, "a:b", found)
    check(written)
    recipe = parse_recipe(written, Path("mine.yaml"))
    assert recipe.prompt is not None
    assert recipe.prompt.user == found.prompt
    assert recipe.train.user == found.train
    assert {axis: recipe.axes[axis].values for axis in recipe.axes} == dict(found.axes)


@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(
    TEXT, inner), max_leaves=8))
def test_json_of_any_kind_is_read_or_refused(value: Any) -> None:
    assert json_in(json.dumps(value)) == value
    try:
        read(json.dumps(value))
    except Unread:
        return
    raise AssertionError("that was no proposal")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '"\\ud800"', "[" * 100_000, '{"a": 1} {"b": 2}',
                                  "```\n1\n```\n```\n2\n```"])
def test_json_that_is_not_taken(text: str) -> None:
    with pytest.raises(Unread):
        json_in(text)
