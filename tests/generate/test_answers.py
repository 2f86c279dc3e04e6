"""What a text says: labels exactly, JSON in three stated ways, numbers alone; and nothing is ever bent to fit."""

from __future__ import annotations

import json
import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.generate.answers import variable
from pipeline.json_text import Unread, json_in
from pipeline.readers import Json, Labels, Number

LABELS = Labels(["Positive", "negative", "not sure"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3),
    max_leaves=8,
)
CONTAINERS = VALUES.filter(lambda value: isinstance(value, dict | list))
PROSE = st.text(string.ascii_letters + " .,:\n", max_size=20)


@pytest.mark.parametrize("text", [
    "positive", " Positive\n", '"POSITIVE"', "positive.", "'positive'.", "“Positive.”", "`positive`",
])
def test_a_label_with_nothing_but_its_dress(text: str) -> None:
    said = LABELS.read(text)
    assert (said.text, said.value) == ("Positive", "Positive")


@pytest.mark.parametrize("text", [
    "", "posit", "positive!", "Label: positive", "positive, negative", "positive..", "not  sure", "neg",
])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(Unread, match=r"is not one of Positive, negative, not sure"):
        LABELS.read(text)


@given(st.text())
def test_a_label_is_read_only_where_it_stands_alone(text: str) -> None:
    try:
        said = LABELS.read(text)
    except Unread:
        return
    around = set(" \t\r\n\"'`“”‘’«».")
    assert "".join(c for c in text if c not in around).casefold() in {"positive", "negative", "notsure"}
    assert said.text in ("Positive", "negative", "not sure")


def test_a_label_that_was_cut_and_may_go_on_is_none() -> None:
    two = Labels(["A", "AB", "C"])
    assert two.read("C", cut=True).text == "C"
    assert two.read("A").text == "A"
    with pytest.raises(Unread):
        two.read("A", cut=True)


@given(VALUES)
def test_json_alone_in_a_block_and_within_prose(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert json_in(text) == value
    assert json_in(f"\n {json.dumps(value, indent=2)} ") == value
    assert json_in(f"Here it is:\n```json\n{text}\n```\nAnything else?") == value
    assert json_in(f"```\n{text}\n```") == value


@given(CONTAINERS, PROSE, PROSE)
def test_json_within_prose_without_brackets(value: object, before: str, behind: str) -> None:
    assert json_in(f"{before}{json.dumps(value)}{behind}") == value


@given(CONTAINERS, CONTAINERS)
def test_two_values_are_none(one: object, other: object) -> None:
    with pytest.raises(Unread):
        json_in(f"{json.dumps(one)} or {json.dumps(other)}")
    with pytest.raises(Unread, match="several blocks"):
        json_in(f"```\n{json.dumps(one)}\n```\nor\n```\n{json.dumps(other)}\n```")


@pytest.mark.parametrize(("text", "why"), [
    ("", "it is empty"), ("no", "not JSON"), ('{"a": 1', "not JSON"), ('{"a": 1, "a": 2}', "'a' stands twice"),
    ('{"a": NaN}', "no NaN"), ('{"a": 1e999}', "number that JSON does not have"),
    ('"\\ud800"', "half of a surrogate"), ("[" * 100_000, "nested too deeply"), ("```json\nno\n```", "not JSON"),
])
def test_what_is_no_json_is_told(text: str, why: str) -> None:
    with pytest.raises(Unread, match=why):
        json_in(text)


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    for reader in (LABELS, Number(), Json({"type": "object"})):
        with suppress(Unread):
            said = reader.read(text)
            assert reader.read(said.text) == said, "what was read is read as itself again"


@pytest.mark.parametrize(("text", "value"), [("7", 7.0), (" 7.5. ", 7.5), ("-1", -1.0)])
def test_a_number_alone(text: str, value: float) -> None:
    assert Number().read(text).value == value


@pytest.mark.parametrize("text", ["", "7/10", "about 7", "7 8", "1e3", "٧x"])
def test_no_number_alone(text: str) -> None:
    with pytest.raises(Unread):
        Number().read(text)


def test_numbers_and_json_that_were_cut_are_none() -> None:
    for reader in (Number(), Json({})):
        with pytest.raises(Unread):
            reader.read("7", cut=True)


def test_json_prints_as_json_wherever_a_template_prints_it() -> None:
    said = Json({"type": "object"}).read('{"city": "Zürich", "parts": [{"a": null}], "n": 1}')
    assert said.text == '{"city": "Zürich", "parts": [{"a": null}], "n": 1}'
    assert str(variable(said)) == said.text
    assert str(variable(said)["parts"]) == '[{"a": null}]'


def test_the_fault_names_its_place() -> None:
    item = {"properties": {"n": {"type": "integer"}}}
    items = {"type": "array", "items": item}
    schema = {"type": "object", "properties": {"items": items}, "required": ["items", "city"]}
    with pytest.raises(Unread, match=r"\$: 'city' is missing"):
        Json(schema).read('{"items": []}')
    with pytest.raises(Unread, match=r'\$\.items\[1\]\.n: integer is wanted, not "2"'):
        Json(schema).read('{"items": [{"n": 1}, {"n": "2"}], "city": ""}')
