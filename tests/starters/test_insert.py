"""Values put into a recipe's text: comments and layout stay to the byte, and nothing else changes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError, RecipeError
from pipeline.recipe import load_recipe
from pipeline.starters._insert import in_lines, with_lines, with_values
from pipeline.starters.more import More, line_of, more_question, weight_of, wish, with_more, write_more

HEAD = "# mine\nsynth: 1\n\naxes:   # of the grid\n"
TAIL = "\n\nprompt: 'A tale of {{place}}.'  # asked\ntrain: {user: '{{place}}'}\n"


def put(axes: str, *values: str, **weights: float) -> str:
    text = HEAD + axes + TAIL
    after = with_values(text, {"place": values}, weights, "mine.yaml")
    assert after.startswith(HEAD)
    assert after.endswith(TAIL)
    return after[len(HEAD) : -len(TAIL)]


@pytest.mark.parametrize(("before", "after"), [
    ("  place: [Peru, Cuba]", "  place: [Peru, Cuba, Chile, 'a, b']"),
    ("  place: [Peru, Cuba,]  # two", "  place: [Peru, Cuba, Chile, 'a, b',]  # two"),
    ("  place: [ 'Peru' , Cuba ]", "  place: [ 'Peru' , Cuba, Chile, 'a, b' ]"),
    ("  place: [Peru,   # far\n    Cuba]   # near", "  place: [Peru,   # far\n    Cuba, Chile, 'a, b']   # near"),
    ("  place:\n    - Peru\n    - Cuba  # hot\n    # more to come",
     "  place:\n    - Peru\n    - Cuba  # hot\n    - Chile\n    - a, b\n    # more to come"),
    ("  place:\n  - Peru\n  - Cuba\n  mood: [a, b]",
     "  place:\n  - Peru\n  - Cuba\n  - Chile\n  - a, b\n  mood: [a, b]"),
    ("  place:\n    - Peru\n    - |-\n      Cuba\n      Libre\n  mood: [a, b]",
     "  place:\n    - Peru\n    - |-\n      Cuba\n      Libre\n    - Chile\n    - a, b\n  mood: [a, b]"),
    ("  place: {values: [Peru, Cuba]}", "  place: {values: [Peru, Cuba, Chile, 'a, b']}"),
    ("  place: {weights: [2, 1], values: [Peru, Cuba]}",
     "  place: {weights: [2, 1, 1.5, 1.5], values: [Peru, Cuba, Chile, 'a, b']}"),
    ("  place:\n    values:\n      - Peru\n      - Cuba\n    weights:\n      - 2\n      - 1",
     "  place:\n    values:\n      - Peru\n      - Cuba\n      - Chile\n      - a, b\n"
     "    weights:\n      - 2\n      - 1\n      - 1.5\n      - 1.5"),
])
def test_layout_stays(before: str, after: str) -> None:
    weights = {"place": 1.5} if "weights" in before else {}
    found = put(before, "Chile", "a, b", **weights)
    assert found.replace("\"", "'").replace("- 'a, b'", "- a, b") == after


def test_long_lists_go_on_below_the_first_value() -> None:
    names = [f"a place with number {number}" for number in range(12)]
    lines = put("  place: [Peru, Cuba]", *names).splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 120 for line in lines)
    assert all(line.startswith(" " * 10 + "a place") for line in lines[1:])


@pytest.mark.parametrize("axes", [
    "  place: *there",
    "  place: &all [Peru, Cuba]\n  other: *all",
    "  place: []",
    "  place: {file: places.txt}",
    "  mood: [a, b]",
])
def test_what_would_change_something_else_is_refused(axes: str) -> None:
    text = "there: &there [Peru]\n" + HEAD + axes + TAIL
    with pytest.raises(DataError, match=r"mine\.yaml: .*nothing was written"):
        with_values(text, {"place": ["Chile"]}, {}, "mine.yaml")


@given(st.lists(st.text(st.characters(min_codepoint=32, blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12)
                .map(str.strip).filter(bool), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_any_value_reads_back(values: list[str], block: bool, crlf: bool) -> None:
    axes = "  place:\n  - Peru\n  - Cuba # c\n" if block else "  place: [Peru, Cuba]\n"
    text = HEAD + axes + TAIL
    text = text.replace("\n", "\r\n") if crlf else text
    after = with_values(text, {"place": values}, {}, "mine.yaml")
    assert yaml.safe_load(after)["axes"]["place"] == ["Peru", "Cuba", *values]
    assert ("\r\n" in after) == crlf
    assert after.replace("\r\n", "").count("\n") == (0 if crlf else after.count("\n"))
    assert in_lines(text, "place") == block


@pytest.mark.parametrize(("before", "after"), [
    ("Peru\nCuba\n", "Peru\nCuba\nChile\n"), ("Peru\nCuba", "Peru\nCuba\nChile\n"),
    ("Peru\r\nCuba", "Peru\r\nCuba\r\nChile\r\n"), ("", "Chile\n"),
])
def test_a_file_of_values(before: str, after: str) -> None:
    assert with_lines(before, ["Chile"]) == after


RECIPE = """\
synth: 1
name: mine
axes:
  place: {file: places.txt}
  mood: {values: [calm, angry], weights: [3, 1]}   # weighted
  hero: {faker: name, n: 20}
  year: {numbers: {min: 1900, max: 1950}}
  land: [France, Japan]
  city: {by: land, values: {France: [Paris, Lyon], Japan: [Tokyo]}}
prompt: "A tale of {{hero}} in {{place}}, {{mood}}, {{year}}, {{land}}, {{city}}."
train: {user: "{{place}}"}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "places.txt").write_bytes(b"\xef\xbb\xbfPeru\r\nCuba")
    (tmp_path / "mine.yaml").write_text(RECIPE)
    return tmp_path / "mine.yaml"


def test_both_kinds_are_written(mine: Path) -> None:
    mine.chmod(0o600)
    link = mine.with_name("link.yaml")
    os.symlink("mine.yaml", link)
    recipe = load_recipe(link)
    more = [More("place", ["Chile", "Großbritannien"], []), More("mood", ["eager"], [])]
    grown = with_more(recipe, more)
    assert grown.axes["mood"].weights == [3, 1, 2]
    assert grown.axes["place"].values == ["Peru", "Cuba", "Chile", "Großbritannien"]
    assert line_of(recipe, more[0]) == "Chile\nGroßbritannien"
    assert line_of(recipe, more[1]) == "eager"
    assert write_more(recipe, more) == [link, mine.with_name("places.txt")]
    assert mine.read_text() == RECIPE.replace(
        "[calm, angry], weights: [3, 1]", "[calm, angry, eager], weights: [3, 1, 2]")
    assert mine.with_name("places.txt").read_bytes() == (
        b"\xef\xbb\xbfPeru\r\nCuba\r\nChile\r\nGro\xc3\x9fbritannien\r\n")
    assert stat.S_IMODE(mine.stat().st_mode) == 0o600
    assert link.is_symlink()


def test_an_edit_of_the_meantime_is_kept(mine: Path) -> None:
    recipe = load_recipe(mine)
    mine.write_text(RECIPE.replace("# weighted", "# changed meanwhile"))
    write_more(recipe, [More("mood", ["eager"], [])])
    assert "# changed meanwhile" in mine.read_text()
    assert "eager" in mine.read_text()


@pytest.mark.parametrize(("axis", "message", "hint"), [
    ("hero", "made by Faker", "hero: {faker: name, n: 40}"),
    ("year", "a range of numbers", "min, max or step"),
    ("city", "for each value of another axis", "by hand"),
    ("land", "decides the values of 'city'", "by hand"),
    ("plaze", "there is no axis 'plaze'", "did you mean 'place'?"),
])
def test_axes_that_nobody_writes_down(mine: Path, axis: str, message: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        more_question(load_recipe(mine), axis, 5, "mine")
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", [
    "place", "place=", "place=x", "=3", "place=-1", "place=0", "place=201", "a=" + "9" * 30,
])
def test_wishes_that_are_none(text: str) -> None:
    with pytest.raises(RecipeError, match="--more"):
        wish(text)
    assert wish(" place = 20 ") == ("place", 20)


def test_the_question_shows_the_grid(mine: Path) -> None:
    question = more_question(load_recipe(mine), "mood", 4, "mine")
    assert "- place: Peru, Cuba\n" in question.text
    assert "1900, 1901" in question.text
    assert "and 39 more" in question.text
    assert "A tale of {{hero}}" in question.text
    assert question.read('["eager", "Calm", "angrily", "shy", "eager to go", "bold", "sad"]') == More(
        "mood", ["eager", "shy", "eager to go", "bold"],
        ["'Calm' (near 'calm': case, accents or punctuation)",
         "'angrily' (near 'angry': the same words in another form)", "1 more than were asked for"])
    assert weight_of(load_recipe(mine).axes["mood"]) == 2
