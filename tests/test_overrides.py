"""`--set`: one option of a plug-in, by its name within a list of the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.overrides import meant
from pipeline.recipe import Recipe, parse_recipe
from pipeline.rules import held, open_rules

HEAD = "synth: 1\nname: plots\nsource: {file: rows.jsonl}\ntrain: {user: x, assistant: y}\n"


def parsed(curate: str, *sets: str) -> Recipe:
    return parse_recipe(HEAD + curate, Path("plots.yaml"), sets)


def listed(recipe: Recipe) -> list[Any]:
    return [(item.name, item.options) if item.options else item.name for item in recipe.curate]


@pytest.mark.parametrize(("curate", "sets", "found"), [
    ("", ["length.min=400"], [("sft", {"length": {"min": 400}})]),
    ("", ["length.min=400", "length.unit=chars"], [("sft", {"length": {"min": 400, "unit": "chars"}})]),
    ("curate: [refusal, length: {min: 3, unit: chars}]", ["length.min=400"],
     ["refusal", ("length", {"min": 400, "unit": "chars"})]),
    ("curate: [sft: {near_duplicate: {keep: first}, pii: off}, c4]", ["near-duplicate.threshold=0.9", "pii.max=2"],
     [("sft", {"near_duplicate": {"keep": "first", "threshold": 0.9}, "pii": {"max": 2}}), "c4"]),
    ("curate: [sft, length: {min: 3, unit: words}]", ["length.max=9"], ["sft", ("length", {
        "min": 3, "unit": "words", "max": 9})]),
    ("curate: [length: {min: 3, unit: words}, length: {max: 900, unit: bytes}]", ["length-2.max=9"],
     [("length", {"min": 3, "unit": "words"}), ("length", {"max": 9, "unit": "bytes"})]),
    ("curate: [{rule: ./goats.py, min: 3}]", ["goats.min=4"], [("./goats.py", {"min": 4})]),
    ("curate: [refusal]", ["length.min=400"], ["refusal", ("length", {"min": 400})]),
    ("", ["pii=off", "length={min: 3, unit: words}"], [("sft", {"pii": False, "length": {"min": 3, "unit": "words"}})]),
    ("curate: [refusal, pii]", ["pii=off"], ["refusal"]),
    ("", ["sft.near_duplicate.threshold=0.9"], [("sft", {"near-duplicate": {"threshold": 0.9}})]),
    ("", ["turns.min=4"], ["sft", ("turns", {"min": 4})]),
])
def test_one_option_of_one_rule(curate: str, sets: list[str], found: list[Any]) -> None:
    assert listed(parsed(curate, *(f"curate.{each}" for each in sets))) == found


def test_a_list_that_is_set_and_then_an_option_of_it() -> None:
    assert listed(parsed("", "curate=[refusal, length: {min: 1, unit: chars}]", "curate.length.min=2")) == [
        "refusal", ("length", {"min": 2, "unit": "chars"})]


def test_other_lists_of_plug_ins() -> None:
    recipe = parsed("augment: [{expand: {below: 1024}}]\n", "augment.expand.below=9",
                    "export.formats.openai-chat.system=x")
    assert recipe.augment[0].options == {"below": 9}
    assert [(item.name, item.options) for item in recipe.export.formats] == [("openai-chat", {"system": "x"})]
    assert parsed("", "augment.mask.kinds=[email]").augment[0].options == {"kinds": ["email"]}


@pytest.mark.parametrize(("override", "message", "hint"), [
    ("curate.lenght.min=4", "--set curate.lenght.min=4: unknown rule 'lenght'", "did you mean 'length'?"),
    ("curate.length-2.min=4", "--set curate.length-2.min=4: unknown rule 'length-2'", "did you mean 'length'?"),
    ("augment.expnd.below=4", "--set augment.expnd.below=4: unknown rewrite 'expnd'", "did you mean 'expand'?"),
])
def test_a_plug_in_that_there_is_not(override: str, message: str, hint: str) -> None:
    with pytest.raises(RecipeError) as error:
        parsed("", override)
    assert (error.value.message, error.value.hint) == (message, hint)


def test_an_option_that_there_is_not_is_the_overrides_fault() -> None:
    recipe = parsed("curate: [refusal, length: {min: 3, unit: words}]", "curate.length.mni=4")
    with pytest.raises(RecipeError) as error:
        open_rules(recipe.curate, lambda index: recipe.at("curate", index))
    assert error.value.message == "--set curate.length.mni: length: unknown option 'mni'"
    assert error.value.hint == "did you mean 'min'?"
    assert recipe.at("curate", 0) == "plots.yaml:5"


def test_a_list_that_is_none_is_named_by_its_line() -> None:
    with pytest.raises(RecipeError, match=r"^plots\.yaml:5: curate: a list is wanted here"):
        parsed("curate: sft", "curate.length.min=4")


def test_what_was_meant() -> None:
    assert meant("length.min=4") == "curate.length.min=4"
    assert meant("sft.length.min=4") == "curate.sft.length.min=4"
    assert meant("expand.below=4") == "augment.expand.below=4"
    assert meant("generate.model=x") == ""


def test_what_a_preset_holds_are_rules() -> None:
    assert {"length", "near-duplicate"} <= held("sft").keys()
