"""The rule `length`: units, line breaks, inclusive bounds, and sizes with several meanings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.rules import open_rules
from pipeline.sections import Item
from tests.rules.rows import judged, row, rule

TEXT = "Zürich\r\nist schön 🎬"


@pytest.mark.parametrize(("options", "value"), [
    ({"unit": "bytes"}, 24), ({"unit": "bytes", "newline": "lf"}, 23), ({"unit": "bytes", "newline": "crlf"}, 24),
    ({"unit": "chars"}, 19), ({"unit": "chars", "newline": "lf"}, 18), ({"unit": "words"}, 4),
])
def test_each_unit_counts_what_it_says(options: dict[str, str], value: int) -> None:
    assert judged("length", row(TEXT), **options).value == value


def test_lone_carriage_returns_are_line_breaks_too() -> None:
    assert judged("length", row("a\rb\nc\r\nd"), unit="bytes", newline="crlf").value == 10
    assert judged("length", row("a\rb\nc\r\nd"), unit="bytes", newline="lf").value == 7


@pytest.mark.parametrize(("length", "outcome"), [(9, "drop"), (10, "keep"), (20, "keep"), (21, "drop")])
def test_both_bounds_are_inclusive(length: int, outcome: str) -> None:
    found = judged("length", row("x" * length), min=10, max=20, unit="chars")
    assert (found.outcome, found.value) == (outcome, length)


def test_the_reason_says_what_was_measured_and_compared() -> None:
    assert judged("length", row("x" * 1500), max=1200, unit="bytes").reason == "1,500 bytes > 1,200"
    assert judged("length", row("x"), min=2, unit="bytes").reason == "1 byte < 2"


def test_without_bounds_it_only_measures() -> None:
    found = judged("length", row("three little words"), unit="words")
    assert (found.outcome, found.value) == ("keep", 3)


def test_a_call_of_tools_has_no_length_and_an_empty_answer_has_none_of_it() -> None:
    calls = [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]
    assert judged("length", row("").with_messages(calls), min=1, unit="chars").outcome == "not_applicable"
    assert judged("length", row(""), min=1, unit="chars").outcome == "drop"
    assert judged("length", row("").with_messages([]), min=1, unit="chars").outcome == "drop"


def test_text_in_parts_is_text() -> None:
    assert judged("length", row([{"type": "text", "text": "four"}]), unit="chars").value == 4


def test_tokens_need_a_model_and_say_whether_they_are_estimates() -> None:
    found = judged("length", row("one two three " * 20), min=500, unit="tokens", model="no-such-model-anywhere")
    assert found.outcome == "drop"
    assert found.reason.startswith("about ")
    with pytest.raises(RecipeError, match="whose tokens") as error:
        rule("length", min=5, unit="tokens")
    assert "- length: {min: 5, unit: tokens, model: " in error.value.hint


@pytest.mark.parametrize("size", ["2 KiB", "2KiB", "2048", "2,048 bytes", 2048])
def test_sizes_with_one_meaning_are_read(size: str | int) -> None:
    assert rule("length", min=size, unit="bytes").bounds.min == 2048


def test_a_size_may_bring_its_unit() -> None:
    found = rule("length", min="200 words", max="900 words")
    assert (found.how.unit, found.bounds.min, found.bounds.max) == ("words", 200, 900)
    with pytest.raises(RecipeError, match="is no number of chars"):
        rule("length", min="200 words", unit="chars")


@pytest.mark.parametrize("options", [
    {"min": "1 KB"}, {"min": "1 KB", "unit": "bytes"}, {"min": "1k"}, {"max": "1 kb"}, {"value": "1 KB"},
    {"min": "1KB", "unit": "chars", "newline": "lf"},
])
def test_one_kilobyte_is_refused_with_lines_that_work(options: dict[str, str]) -> None:
    with pytest.raises(RecipeError) as error:
        rule("length", **options)
    said = str(error.value)
    for choice in ("1,000", "1,024", "bytes", "characters", "LF", "CRLF"):
        assert choice in said
    for line in error.value.hint.splitlines()[1:]:
        opened(line)


@pytest.mark.parametrize("options", [{"min": 100}, {"min": 100, "max": 200}, {}, {"value": 100}])
def test_without_a_unit_the_lines_that_have_one_are_shown(options: dict[str, int]) -> None:
    with pytest.raises(RecipeError) as error:
        rule("length", **options)
    lines = error.value.hint.splitlines()
    assert len(lines) >= 2
    for line in lines:
        opened(line)


def opened(line: str) -> None:
    """A line of a hint is an item of a recipe's list that can be pasted."""
    import yaml

    (item,) = yaml.safe_load(line)
    open_rules([Item.model_validate(item)])


@pytest.mark.parametrize(("options", "message"), [
    ({"min": 5, "max": 4, "unit": "chars"}, "no row can pass"),
    ({"min": -1, "unit": "chars"}, "min"),
    ({"min": 1, "unit": "letters"}, "letters"),
    ({"min": "many", "unit": "chars"}, "min"),
    ({"minimum": 1, "unit": "chars"}, "unknown option 'minimum'"),
    ({"unit": "chars", "model": "gpt-4.1-mini"}, "goes with unit: tokens"),
])
def test_what_cannot_be_meant_is_refused_with_its_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as error:
        open_rules([Item(name="length", options=options)], where=lambda index: f"plots.yaml:{12 + index}")
    assert error.value.message.startswith("plots.yaml:12: length: ")


def test_a_misspelled_option_has_a_neighbour() -> None:
    with pytest.raises(RecipeError) as error:
        rule("length", min=1, unit="byts")
    assert error.value.hint == "did you mean 'bytes'?"
    with pytest.raises(RecipeError) as error:
        rule("length", mn=1, unit="bytes")
    assert error.value.hint == "did you mean 'min'?"


@given(st.text(), st.integers(0, 50), st.integers(0, 50))
def test_bounds_do_not_change_what_is_measured(text: str, low: int, more: int) -> None:
    wide, narrow = rule("length", unit="bytes"), rule("length", min=low, max=low + more, unit="bytes")
    assert wide.key == narrow.key
    first = wide.finding(row(text))
    again = narrow.finding(row("another text"), earlier=first)
    assert again.value == first.value
    assert again == narrow.finding(row(text))


def test_measure_options_change_the_key() -> None:
    keys = {rule("length", unit=unit).key for unit in ("bytes", "chars", "words")}
    keys |= {rule("length", unit="bytes", newline=newline).key for newline in ("lf", "crlf")}
    assert len(keys) == 5


def test_the_synopses_that_their_author_kept(shared_data) -> None:
    import json

    lines = (shared_data / "synopses" / "synopses.jsonl").read_bytes().splitlines()
    length = rule("length", min=2048, max=6144, unit="bytes")
    outcomes = [length.finding(row(json.loads(line)["text"])).outcome for line in lines]
    assert (outcomes.count("keep"), outcomes.count("drop")) == (169, 217)
