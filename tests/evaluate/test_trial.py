"""A prompt of one's own: filled from what is given, the rest drawn by a seed so that the conditions hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import DataError, RecipeError
from pipeline.evaluate.finetunes import tuned_model
from pipeline.evaluate.trial import as_tuned, blanks, fill, trained_on
from pipeline.recipe import Recipe, parse_recipe
from pipeline.store import Dataset
from pipeline.types import Sample
from tests.evaluate import tuned

GRID = """\
synth: 1
name: tales
axes:
  genre: [romance & comedy, horror & thriller, high fantasy]
  year: [1920, 1960, 2000]
  mood: {values: [dark, light], weights: [1, 0.0001]}
  unused: [a, b]
where: ["not (genre == 'high fantasy' and year == 1920)"]
prompt: {user: "A {{genre}} of {{year}}, {{mood}}, {{unused}}"}
train: {system: "You write {{mood}} tales.", user: "Genre: {{genre}}, {{year}}", assistant: "{{answer}}"}
"""
COLUMNS = """\
synth: 1
name: tickets
source: {file: tickets.csv}
train: {user: "{{subject}}: {{fields.body}}", assistant: "{{label}}"}
"""


@pytest.fixture
def grid() -> Recipe:
    return parse_recipe(GRID)


def empty(path: Path) -> Dataset:
    return Dataset.create(path / "tales")


def test_the_blanks_are_what_the_prompt_uses_in_the_order_of_the_axes(grid: Recipe) -> None:
    assert [blank.name for blank in blanks(grid)] == ["genre", "year", "mood"]
    assert [blank.name for blank in blanks(grid, "A text of my own.")] == ["mood"], "of the system prompt alone"
    assert blanks(grid)[1].values == (1920, 1960, 2000)
    assert [(blank.name, blank.values) for blank in blanks(parse_recipe(COLUMNS))] == [("subject", ())]


def test_what_is_given_is_filled_in_and_the_rest_is_drawn(grid: Recipe, tmp_path: Path) -> None:
    with empty(tmp_path) as dataset:
        found = fill(grid, dataset, {"genre": "HORROR", "year": "1960"}, 0)
        assert found.messages == [
            {"role": "system", "content": "You write dark tales."},
            {"role": "user", "content": "Genre: horror & thriller, 1960"},
        ]
        assert found.given == {"genre": "horror & thriller", "year": 1960}
        assert found.drawn == {"mood": "dark"}
        assert found.notes == []
        assert fill(grid, dataset, {}, 4) == fill(grid, dataset, {}, 4)
        assert len({fill(grid, dataset, {}, seed).messages[1]["content"] for seed in range(40)}) == 8, "all legal cells"


def test_what_is_drawn_keeps_to_the_conditions_and_the_weights(grid: Recipe, tmp_path: Path) -> None:
    with empty(tmp_path) as dataset:
        found = [fill(grid, dataset, {"genre": "high fantasy"}, seed).drawn for seed in range(30)]
    assert {drawn["year"] for drawn in found} == {1960, 2000}
    assert {drawn["mood"] for drawn in found} == {"dark"}


def test_a_value_of_ones_own_is_taken_with_a_note(grid: Recipe, tmp_path: Path) -> None:
    with empty(tmp_path) as dataset:
        found = fill(grid, dataset, {"genre": "horor & thriller"}, 0)
    assert "Genre: horor & thriller" in found.messages[1]["content"]
    assert found.notes == ["'horor & thriller' is none of the 3 values of genre: did you mean 'horror & thriller'?"]


def test_the_beginning_of_two_values_is_neither(grid: Recipe, tmp_path: Path) -> None:
    with empty(tmp_path) as dataset:
        assert "none of the 3 values" in fill(grid, dataset, {"genre": "h"}, 0).notes[0]


def test_an_unknown_name_is_refused(grid: Recipe, tmp_path: Path) -> None:
    with empty(tmp_path) as dataset, pytest.raises(RecipeError, match="no axis or column 'gerne'") as error:
        fill(grid, dataset, {"gerne": "x"}, 0)
    assert "did you mean 'genre'?" in error.value.hint


def test_a_text_of_ones_own_keeps_the_system_prompt(grid: Recipe, tmp_path: Path) -> None:
    with empty(tmp_path) as dataset:
        found = fill(grid, dataset, {"mood": "light"}, 0, "Once upon {{a}} time")
    assert [message["content"] for message in found.messages] == ["You write light tales.", "Once upon {{a}} time"]


def test_columns_come_from_one_row_of_the_dataset(tmp_path: Path) -> None:
    rows = [Sample(f"t{number:025d}", [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
                   fields={"subject": f"subject {number}", "body": f"body {number}"}) for number in range(5)]
    path = tuned.dataset(tmp_path / "tickets", [tuned.row(1)], [tuned.row(2)], rows)
    recipe = parse_recipe(COLUMNS)
    with Dataset.open(path) as dataset:
        texts = {fill(recipe, dataset, {}, seed).messages[0]["content"] for seed in range(20)}
        assert texts <= {f"subject {number}: body {number}" for number in range(5)}
        assert len(texts) > 2
        mine = fill(recipe, dataset, {"subject": "Lost key"}, 0)
        assert mine.messages[0]["content"].startswith("Lost key: body ")
    with empty(tmp_path) as dataset, pytest.raises(DataError, match="no row to draw a prompt from"):
        fill(recipe, dataset, {}, 0)


def test_a_column_of_conversations_is_asked_up_to_its_last_answer(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Bye"}, {"role": "assistant", "content": "See you"}]
    path = tuned.dataset(tmp_path / "talks", [tuned.row(1)], [tuned.row(2)], [Sample("a" * 26, talk)])
    recipe = parse_recipe("synth: 1\nname: talks\nsource: {file: a.jsonl}\ntrain: {messages: talk}\n")
    with Dataset.open(path) as dataset:
        assert fill(recipe, dataset, {}, 0).messages == talk[:3]
        own = fill(recipe, dataset, {}, 0, "Well?")
    assert own.messages == [{"role": "user", "content": "Well?"}]


def test_a_prompt_that_was_trained_on_is_known(tmp_path: Path) -> None:
    path = tuned.dataset(tmp_path / "plots", [tuned.row(1)], [tuned.row(2)])
    with Dataset.open(path) as dataset:
        model = tuned_model(dataset)
        assert trained_on(model, tuned.row(1)["messages"][:1])
        assert not trained_on(model, tuned.row(2)["messages"][:1])
        model.train.path.unlink()
        assert not trained_on(model, tuned.row(1)["messages"][:1])


def test_the_training_prompt_of_then_is_used(grid: Recipe, tmp_path: Path) -> None:
    path = tuned.dataset(tmp_path / "plots", [tuned.row(1)], [tuned.row(2)])
    with Dataset.open(path) as dataset:
        model = tuned_model(dataset)
        assert as_tuned(grid, model) == (grid, [])
        (model.folder / "recipe.yaml").write_text(GRID)
        assert as_tuned(grid, model) == (grid, [])
        (model.folder / "recipe.yaml").write_text(GRID.replace("Genre: ", "A "))
        then, notes = as_tuned(grid, model)
        assert "the training prompt changed" in notes[0]
        found = fill(then, dataset, {"genre": "high fantasy", "year": "2000"}, 0)
    assert found.messages[1]["content"] == "A high fantasy, 2000"
