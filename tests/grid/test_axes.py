"""Axes: values written down, from files, from Faker, from ranges of numbers; and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.grid.axes import load_axes
from pipeline.recipe import Recipe, load_recipe

HEAD = "synth: 1\nname: tales\nseed: 7\naxes:\n"
TAIL = "prompt: {user: 'hello'}\ntrain: {user: 'hello'}\n"


@pytest.fixture
def recipe(tmp_path: Path):
    def make(axes: str, more: str = "", **files: bytes) -> Recipe:
        for name, data in files.items():
            (tmp_path / f"{name}.txt").write_bytes(data)
        (tmp_path / "tales.yaml").write_text(HEAD + axes + "\n" + more + TAIL, encoding="utf-8")
        return load_recipe(tmp_path / "tales.yaml")
    return make


def fault(recipe: Recipe) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        load_axes(recipe)
    return caught.value


def test_values_as_they_are_written(recipe) -> None:
    axes = load_axes(recipe("  genre: [romance & comedy, ' x ', '']\n  year: [1920, 1960.5]\n  ok: [true, false]"))
    assert axes.names == ("genre", "year", "ok")
    assert axes.values == {"genre": ("romance & comedy", " x ", ""), "year": (1920, 1960.5), "ok": (True, False)}
    assert axes.weights["genre"] == (1.0, 1.0, 1.0)
    assert axes.size == 12


def test_weights_and_values_of_weight_zero(recipe) -> None:
    axes = load_axes(recipe("  period: {values: [the 1920s, the 1990s, now], weights: [2, 0, 1]}"))
    assert axes.values["period"] == ("the 1920s", "now")
    assert axes.weights["period"] == (2.0, 1.0)


def test_a_file_has_one_value_per_line(recipe) -> None:
    data = "\ufeffLisbon\r\nKyoto\n\n  Tromsø  \nLisbon\n\u2028\nOaxaca".encode()
    axes = load_axes(recipe("  place: {file: places.txt}", places=data))
    assert axes.values["place"] == ("Lisbon", "Kyoto", "Tromsø", "Oaxaca")
    assert axes.duplicates == {"place": ("Lisbon",)}


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\ufeff")), min_size=1))
def test_any_lines_come_out_once_each(tmp_path_factory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("axis")
    (folder / "a.txt").write_bytes("\n".join([*lines, "last"]).encode())
    (folder / "r.yaml").write_text(HEAD + "  place: {file: a.txt}\n" + TAIL)
    wanted = dict.fromkeys(line.strip() for line in [*lines, "last"] if line.strip())
    assert load_axes(load_recipe(folder / "r.yaml")).values["place"] == tuple(wanted)


def test_faults_of_a_file(recipe) -> None:
    error = fault(recipe("  place: {file: place.txt}", places=b"x"))
    assert error.message.startswith("tales.yaml:5: ")
    assert "place.txt" in error.message
    assert error.hint == "did you mean 'places.txt'?"
    error = fault(recipe("  place: {file: places.txt}", places="ok\nMünchen\n".encode("cp1252")))
    assert "places.txt:2: not UTF-8" in error.message
    assert "iconv" in error.hint
    error = fault(recipe("  place: {file: places.txt}", places=b"\n  \n\r\n"))
    assert error.message.startswith("tales.yaml:5: ")
    assert "no values" in error.message
    assert "places.txt" in error.message


def test_an_empty_axis_and_a_value_twice(recipe) -> None:
    assert fault(recipe("  place: []")).message == "tales.yaml:5: axis 'place' has no values"
    error = fault(recipe("  place:\n  - Lima\n  - Oslo\n  - Lima"))
    assert error.message == "tales.yaml:8: axis 'place' has 'Lima' twice"
    assert "weights" in error.hint
    assert fault(recipe("  place:\n    values:\n    - 1\n    - '1'")).message.startswith("tales.yaml:8: ")


@pytest.mark.parametrize("value", [".nan", ".inf", "123456789012345678901234567890"])
def test_numbers_that_json_does_not_have(recipe, value: str) -> None:
    with pytest.raises(RecipeError, match=r"tales\.yaml:5: ax[ei]s(?s:.*)quotes"):
        load_axes(recipe(f"  n: [1, {value}]"))


def test_numbers(recipe) -> None:
    axes = load_axes(recipe("  a: {numbers: {min: 1, max: 5}}\n  b: {numbers: {min: 0, max: 1, step: 0.1}}\n"
                            "  c: {numbers: {min: 10, max: 25, step: 10}}"))
    assert axes.values["a"] == (1, 2, 3, 4, 5)
    assert axes.values["b"] == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
    assert [str(value) for value in axes.values["b"]] == [str(i / 10) for i in range(11)], "one spelling for all"
    assert axes.values["c"] == (10, 20)
    assert "no values" in fault(recipe("  a: {numbers: {min: 5, max: 1}}")).message
    assert "step" in fault(recipe("  a: {numbers: {min: 1, max: 5, step: 0}}")).message
    assert "10,000,000,001" in fault(recipe("  a: {numbers: {min: 0, max: 10000000000}}")).message


def test_faker_is_seeded_by_recipe_axis_and_index(recipe) -> None:
    few = load_axes(recipe("  hero: {faker: name, n: 20}\n  town: {faker: city, n: 20}")).values
    assert len(set(few["hero"])) == len(set(few["town"])) == 20
    assert all(isinstance(value, str) for value in few["hero"])
    many = load_axes(recipe("  town: {faker: city, n: 25}\n  hero: {faker: name, n: 40}")).values
    assert many["hero"][:20] == few["hero"], "more of them change none"
    assert load_axes(recipe("  who: {faker: name, n: 20}")).values["who"] != few["hero"]
    other = recipe("  hero: {faker: name, n: 20}").model_copy(update={"seed": 8})
    assert load_axes(other).values["hero"] != few["hero"]
    assert load_axes(recipe("  hero: {faker: name, n: 3, locale: ja_JP}")).values["hero"] != few["hero"][:3]


def test_faults_of_faker(recipe) -> None:
    error = fault(recipe("  hero: {faker: nmae}"))
    assert error.message == "tales.yaml:5: axis 'hero': Faker has no 'nmae'"
    assert error.hint == "did you mean 'name'?"
    error = fault(recipe("  hero: {faker: currency_symbol, n: 3000}"))
    assert "only" in error.message
    assert "3,000" in error.message
    assert error.hint.startswith("n: ")
    error = fault(recipe("  hero: {faker: name, n: 2000000}"))
    assert error.message == "tales.yaml:5: axis 'hero': 2,000,000 values of Faker; at most 100,000"
    assert error.hint == "n: 100000"
    assert "locale" in fault(recipe("  hero: {faker: name, locale: en_UK}")).message
    assert "profile" in fault(recipe("  hero: {faker: profile}")).message
    assert "clock" in fault(recipe("  hero: {faker: date_this_year}")).message
    for name in ("enum", "seed_instance", "__class__", "pydict", "binary", "add_provider", "image"):
        assert fault(recipe(f"  hero: {{faker: {name}, n: 2}}")).message.startswith("tales.yaml:5: axis 'hero'"), name


def test_conditions_know_the_axes(recipe) -> None:
    axes = "  genre: [a, b]\n  place: [c, d]"
    (rule,) = load_axes(recipe(axes, "where: [\"genre == 'a'\"]\n")).rules
    assert rule.variables == {"genre"}
    error = fault(recipe(axes, "where:\n- genre == 'a'\n- gnre == 'b' or plce == 'c'\n"))
    assert error.message.count("tales.yaml:9: ") == 2
    assert "'gnre'" in error.message
    assert "'plce'" in error.message
    assert "did you mean 'genre'?" in str(error)
    assert fault(recipe(axes, "where: ['genre = 1']\n")).message.startswith("tales.yaml:7: ")
