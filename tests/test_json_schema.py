"""The part of JSON Schema that answers are held to means what the standard's own checker says that it means."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.json_schema import KNOWN, broken, check_schema, stand_in

SCALARS = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from([0.5, 1.0, 2.0]) | st.text("ab", max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6)
TYPES = st.sampled_from(["object", "array", "string", "boolean", "null", "number", "integer"])


def one(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries({}, optional={
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3), "const": VALUES,
        "properties": st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
        "required": st.lists(st.sampled_from("xyz"), max_size=2, unique=True), "additionalProperties": inner,
        "items": inner, "minItems": st.integers(0, 3), "maxItems": st.integers(0, 3), "uniqueItems": st.booleans(),
        "minLength": st.integers(0, 3), "maxLength": st.integers(0, 3), "pattern": st.sampled_from(["a", "^b", "b$"]),
        "minimum": st.integers(-2, 3), "maximum": st.sampled_from([0.5, 1, 2]), "exclusiveMinimum": st.integers(-2, 3),
        "exclusiveMaximum": st.integers(-2, 3), "anyOf": some, "oneOf": some, "allOf": some,
    })


SCHEMAS = st.recursive(st.booleans() | st.just({"$ref": "#/$defs/part"}), one, max_leaves=5)


@settings(max_examples=250)
@given(SCHEMAS, SCHEMAS.filter(lambda part: "$ref" not in str(part)), VALUES)
def test_as_the_standards_own_checker(schema: Any, part: Any, value: Any) -> None:
    whole = {"$defs": {"part": part}, "allOf": [schema]}
    check_schema(whole, "here")
    found = broken(value, whole)
    assert (found is None) == jsonschema.Draft202012Validator(whole).is_valid(value), found
    stand_in(whole)


def test_every_keyword_is_one_that_the_comparison_draws() -> None:
    drawn = {"$defs", "$ref", "type", "enum", "const", "properties", "required", "additionalProperties", "items",
             "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "minimum", "maximum",
             "exclusiveMinimum", "exclusiveMaximum", "anyOf", "oneOf", "allOf"}
    assert drawn == KNOWN


@pytest.mark.parametrize(("schema", "says"), [
    ({"patternProperties": {}}, r"here: \$: the keyword 'patternProperties' is not checked here"),
    ({"properties": {"a": {"format": "date"}}}, r"\$\.a: the keyword 'format'"),
    ({"type": "text"}, r'"text" is none of object, array'), ({"$ref": "#/x"}, "leads nowhere"),
    ({"pattern": "("}, "no pattern"), ({"anyOf": []}, "a list is wanted"), ({"minimum": "1"}, "a number is wanted"),
    ({"items": 3}, "a schema is a mapping"), (3, "a schema is a mapping"),
])
def test_what_is_not_checked_is_refused(schema: Any, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        check_schema(schema, "here")


def test_a_reference_to_itself_ends() -> None:
    loop = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    with pytest.raises(RecipeError, match="refers to itself"):
        broken(1, loop)
    tree = {"$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}, "n": {"type": "integer"}}}},
            "$ref": "#/$defs/node"}
    assert str(broken({"next": {"next": {"n": "x"}}}, tree)) == '$.next.next.n: integer is wanted, not "x"'
    assert stand_in(tree)["next"]["next"]["n"] == 0
