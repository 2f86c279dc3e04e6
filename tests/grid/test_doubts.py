"""What a recipe probably does not mean, said with its place; what it may well mean, not said."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.grid.doubts import doubts
from pipeline.recipe import load_recipe

RECIPE = """\
synth: 1
name: tales
axes:
  hero: [baker, pilot]
  place: [Lima, Oslo]
prompt: {user: "%s"}
train: {user: "%s"}
"""


def doubted(folder: Path, prompt: str, train: str = "{{hero}} in {{place}}", more: str = "") -> list[str]:
    (folder / "tales.yaml").write_text(RECIPE % (prompt, train) + more)
    return [said.removeprefix(f"{folder}/") for said in doubts(load_recipe(folder / "tales.yaml"))]


@pytest.mark.parametrize("prompt", [
    "A {{hero}} in {{place}}.",
    "A {{ hero | upper }} {% if place == 'Lima' %}in Peru{% endif %}",
    "{% for name, value in cell.items() %}{{name}}: {{value}} {% endfor %}",
    "{{cell.hero}} and {{cell['place']}}",
    "{{hero}} in {{place}} as JSON: {'hero': ..., x: {y}}",
    "{{hero}} {{place}} {{ '{hero}' }} {# {place} #}",
])
def test_nothing_is_doubted(tmp_path: Path, prompt: str) -> None:
    assert doubted(tmp_path, prompt) == []


def test_a_variable_in_single_braces(tmp_path: Path) -> None:
    assert doubted(tmp_path, "A {hero} in {{place}}, { hero }.") == [
        "tales.yaml:6: {hero} in prompt.user stays as it is written; its value is {{hero}}",
        "tales.yaml:6: { hero } in prompt.user stays as it is written; its value is {{hero}}",
    ]


def test_what_would_be_trained_on_as_it_is_written(tmp_path: Path) -> None:
    train = '{hero}", assistant: "{answer} {{answer}}'
    assert doubted(tmp_path, "A {{hero}} in {{place}}.", train) == [
        "tales.yaml:7: {hero} in train.user stays as it is written; its value is {{hero}}",
        "tales.yaml:7: {answer} in train.assistant stays as it is written; its value is {{answer}}",
    ]


def test_an_axis_that_no_prompt_names(tmp_path: Path) -> None:
    assert doubted(tmp_path, "A {{hero}}.") == [
        "tales.yaml:5: no prompt names the axis 'place': the writer does not know its value, "
        "though the tuned model sees it"
    ]
    assert doubted(tmp_path, "A {{cell.hero}}.", "{{hero}}") == [
        "tales.yaml:5: no prompt names the axis 'place': the writer does not know its value"
    ]


def test_of_a_file_the_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "tale.md").write_text("{{hero}}\n{% if place %}\n{% endif %}\nin {place}\n")
    assert doubted(tmp_path, "tale.md") == [
        "tale.md:4: {place} in prompt.user stays as it is written; its value is {{place}}"]


def test_a_step_may_name_what_the_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "tales.yaml").write_text((RECIPE % ("", "{{hero}}")).replace(
        'prompt: {user: ""}', "steps: [{name: a, user: '{{hero}}'}, {name: b, user: '{{a}} {place}'}]"))
    (said,) = doubts(load_recipe(tmp_path / "tales.yaml"))
    assert "{place} in steps.b.user" in said


def test_columns_of_rows_that_exist(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "synth: 1\nname: t\nsource: {file: t.csv}\ntrain: {user: 'Q: {q}', assistant: '{{a}}'}\n")
    recipe = load_recipe(tmp_path / "t.yaml")
    assert doubts(recipe) == []
    assert [said.partition(": ")[2] for said in doubts(recipe, ["q", "a"])] == [
        "{q} in train.user stays as it is written; its value is {{q}}"]


def test_templates_with_faults_are_left_to_those_who_use_them(tmp_path: Path) -> None:
    assert doubted(tmp_path, "A {{hero} in {place}") == []
