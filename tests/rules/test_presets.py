"""Presets: one name for a list of rules, in a recipe's `curate` and behind `--rule`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline import registry
from pipeline.curate import curate
from pipeline.errors import RecipeError
from pipeline.rules import AnyRule, RowRule, held, open_rules
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.types import Sample
from tests import made

from .rows import row


def opened(*items: Any) -> list[AnyRule]:
    return open_rules([Item.model_validate(item) for item in items], "plots.yaml:{}".format)


def names(*items: Any) -> list[str]:
    return [rule.name for rule in opened(*items)]


def the(name: str, rules: list[AnyRule]) -> AnyRule:
    (found,) = [rule for rule in rules if rule.name == name]
    return found


@pytest.mark.parametrize("preset", sorted(registry.presets("rules")))
def test_a_preset_opens_and_says_what_it_is_for(preset: str) -> None:
    assert names(preset) == list(held(preset))
    assert len(names(preset)) >= 1
    plugin = registry.presets("rules")[preset]
    assert len(plugin.summary) > 20
    assert preset not in registry.plugins("rules"), "one name, one thing"


def test_sft_is_a_list_of_rules_in_its_order() -> None:
    found = names("sft")
    assert found[:3] == ["length", "finish-reason", "refusal"]
    order = ["refusal", "repetition", "exact-duplicate", "near-duplicate"]
    assert [name for name in found if name in order] == order
    assert the("length", opened("sft")).bounds.min == 1


def test_options_of_a_preset_change_one_rule_and_leave_another_out() -> None:
    found = opened({"sft": {"length": {"min": 20, "unit": "words"}, "refusal": False, "near_duplicate": None}})
    length = the("length", found)
    assert (length.how.unit, length.bounds.min) == ("words", 20)
    assert "refusal" not in [rule.name for rule in found]
    assert len(found) == len(names("sft")) - 1


def test_an_option_extends_what_the_preset_sets() -> None:
    length = the("length", opened({"sft": {"length": {"max": 300}}}))
    assert (length.bounds.min, length.bounds.max, length.how.unit) == (1, 300, "words")


def test_the_names_of_rules_are_read_in_every_spelling() -> None:
    assert "near-duplicate" not in names({"sft": {"fuzzy-duplicate": False}})
    assert "finish-reason" not in names({"sft": {"finish_reason": False}})


def test_a_rule_beside_a_preset_stands_in_place_of_the_presets_own() -> None:
    found = opened("sft", {"length": {"min": 5, "unit": "words"}}, {"turns": {"min": 2}})
    assert sorted(rule.name for rule in found) == sorted([*names("sft"), "turns"])
    assert the("length", found).how.unit == "words"
    assert sorted(names({"fuzzy_duplicate": {"threshold": 0.9}}, "sft")) == sorted(names("sft"))


def test_two_rules_of_one_name_beside_a_preset_both_run() -> None:
    found = names({"length": {"min": 5, "unit": "words"}}, {"length": {"max": 9, "unit": "chars"}}, "sft")
    assert [name for name in found if name.startswith("length")] == ["length", "length-2"]


def test_of_two_presets_with_the_same_rule_the_later_one_says_how() -> None:
    found = opened("sft", {"sft": {"length": {"min": 7}}})
    assert [rule.name for rule in found] == names("sft")
    assert the("length", found).bounds.min == 7


@pytest.mark.parametrize(("item", "message", "hint"), [
    ({"sft": {"lenght": False}}, "plots.yaml:0: sft: there is no rule 'lenght' in it", "did you mean 'length'"),
    ({"sft": {"turns": {"min": 3}}}, "plots.yaml:0: sft: it holds no rule 'turns'", "curate: [sft, turns]"),
    ({"sft": False}, "plots.yaml:0: sft: say which rule False is for", "- sft: {length: off}"),
    ({"sft": {"length": {"mni": 3}}}, "plots.yaml:0: sft: length: unknown option 'mni'", "did you mean 'min'"),
    ({"sft": {"length": 20}}, "plots.yaml:0: sft: length: is 20 the least or the most?", "- length: {min: 20"),
    ("sfd", "plots.yaml:0: unknown rule 'sfd'", "did you mean 'sft'"),
])
def test_a_fault_is_told_with_its_line_and_what_to_write(item: Any, message: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        opened(item)
    assert message in caught.value.message
    assert hint in caught.value.hint


def tasks(data: Path) -> list[Sample]:
    """What people asked and answered."""
    lines = (data / "seed-tasks" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    return [row(instance["output"], f"{task['instruction']}\n\n{instance['input']}".strip(), task["id"])
            for task in map(json.loads, lines) for instance in task["instances"]]


def test_sft_drops_none_of_175_tasks_that_people_wrote(shared_data: Path, tmp_path: Path) -> None:
    """By rules of a row and by those that compare rows; what it flags was read."""
    with Dataset.open(made.dataset(tmp_path / "tasks", tasks(shared_data), curated=False)) as dataset:
        tally = curate(dataset, [Item(name="sft")], processes=1).tally
    assert (tally.rows, tally.kept, tally.by_rule) == (175, 175, {})
    assert tally.flagged_by_rule == {"pii": 2, "placeholder": 1}, "mail addresses; an e-mail with a place for the name"


@pytest.mark.parametrize("preset", ["c4", "fineweb", "gopher"])
def test_what_rules_for_web_pages_say_they_drop_of_answers_that_people_wrote(preset: str, shared_data: Path) -> None:
    told = re.search(r"of (\d+) answers that people wrote (\d+) are dropped", registry.presets("rules")[preset].summary)
    assert told
    rules = [rule for rule in opened(preset) if isinstance(rule, RowRule)]
    rows = tasks(shared_data)
    dropped = sum(any(rule.finding(each).outcome == "drop" for rule in rules) for each in rows)
    assert (len(rows), dropped) == (int(told[1]), int(told[2]))


@pytest.mark.parametrize("name", ["length", "judge", "contamination", "label-set"])
def test_an_item_of_the_list_that_is_switched_off_says_what_is_meant(name: str) -> None:
    """`curate: [sft, judge: off]`: not that an option of the judge could be False."""
    with pytest.raises(RecipeError, match="is not switched off, it is left out") as error:
        open_rules([Item.model_validate("refusal"), Item.model_validate({name: False})])
    assert f"take `{name}: off` out" in error.value.hint
    assert "False" not in str(error.value) + error.value.hint


def test_an_item_of_the_list_that_is_switched_on_is_named_without() -> None:
    with pytest.raises(RecipeError, match="on by being in the list") as error:
        open_rules([Item.model_validate({"length": True})])
    assert error.value.hint == "- length"
