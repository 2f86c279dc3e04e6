"""A NAME of the command line: a recipe of the user's, a dataset's snapshot, or a sentence that says what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import RecipeError
from pipeline.locate import dataset_path, find_recipe, no_dataset, open_recipe, shipped
from pipeline.settings import Settings
from pipeline.store import Dataset
from tests.test_recipe import GOOD


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(datasets=tmp_path / "datasets")


def test_shipped_recipes() -> None:
    assert "plots" in shipped()
    assert all((folder / "recipe.yaml").is_file() for folder in shipped().values())


@pytest.mark.parametrize(("file", "names"), [
    ("tales.yaml", ["tales", "tales.yaml", "./tales", "./tales.yaml"]),
    ("tales.yml", ["tales", "tales.yml"]),
    ("tales/recipe.yaml", ["tales", "tales/", "tales/recipe.yaml"]),
    ("deep/tales.yaml", ["deep/tales", "deep/tales.yaml"]),
])
def test_the_users_own_file(tmp_path: Path, settings: Settings, file: str, names: list[str]) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(GOOD)
    for name in names:
        found = find_recipe(name, tmp_path)
        assert found is not None, name
        assert found.resolve() == (tmp_path / file).resolve()
        assert open_recipe(name, tmp_path, settings, ["seed=9"]).seed == 9
    assert find_recipe(str(tmp_path / file), Path("/nowhere")) == tmp_path / file


def test_the_snapshot_where_there_is_no_file(tmp_path: Path, settings: Settings) -> None:
    with Dataset.create(settings.datasets / "tales") as dataset:
        (dataset.path / "recipe.yaml").write_text(GOOD)
    assert open_recipe("tales", tmp_path, settings).name == "tales"
    (tmp_path / "tales.yaml").write_text(GOOD.replace("synth: 1", "synth: 1\nseed: 5"))
    assert open_recipe("tales", tmp_path, settings).seed == 5, "the user's own file wins"


@pytest.mark.parametrize(("name", "words"), [
    ("tals", ["no recipe tals.yaml", "did you mean 'tales'?"]),
    ("tale", ["did you mean 'tales'?"]),
    ("plots", ["no recipe plots.yaml", "synth run plots"]),
    ("zzzzzz", ["synth init zzzzzz"]),
    ("", ["no recipe"]),
])
def test_neither(tmp_path: Path, settings: Settings, name: str, words: list[str]) -> None:
    (tmp_path / "tales.yaml").write_text(GOOD)
    with pytest.raises(RecipeError) as caught:
        open_recipe(name, tmp_path, settings)
    for word in words:
        assert word in str(caught.value)


def test_the_folder_of_a_dataset(tmp_path: Path, settings: Settings) -> None:
    home = settings.datasets
    assert dataset_path("tales", settings) == home / "tales"
    assert dataset_path("deep/tales.yaml", settings) == home / "tales"
    assert dataset_path("tales.yml", settings) == home / "tales"
    Dataset.create(tmp_path / "mine").close()
    assert dataset_path(str(tmp_path / "mine"), settings) == tmp_path / "mine"


@pytest.mark.parametrize(("name", "hint"), [
    ("tale", "did you mean 'tales'?"), ("letter", "did you mean 'letters'?"), ("tales", "synth run tales"),
    ("plots", "synth run plots"), ("zzzz", "known: letters, tales"),
])
def test_no_dataset_of_that_name(tmp_path: Path, settings: Settings, name: str, hint: str) -> None:
    (tmp_path / "tales.yaml").write_text(GOOD)
    Dataset.create(settings.datasets / "letters").close()
    error = no_dataset(name, tmp_path, settings)
    assert (error.hint, error.exit_code) == (hint, 4)
    assert name in error.message


def test_no_dataset_and_nothing_else(tmp_path: Path, settings: Settings) -> None:
    assert no_dataset("letters", tmp_path, settings).hint == "synth init letters --blank"
