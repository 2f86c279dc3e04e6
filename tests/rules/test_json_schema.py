"""The rule `json_schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.rules import open_rules
from pipeline.sections import Item
from tests.rules.rows import judged, row, rule

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@pytest.mark.parametrize(("answer", "outcome", "why"), [
    ('{"age": 3}', "keep", ""), ('```json\n{"age": 3}\n```', "keep", ""), ('[{"age": 3}]', "keep", ""),
    ('{"age": 3, "age": 4}', "drop", "the key 'age' stands twice"),
    ('{"age": 3} Hope this helps!', "drop", "text stands around the JSON"),
    ('{"age": [3, 4', "drop", "it is not JSON: Expecting ',' delimiter"), ('{"age": NaN}', "drop", "JSON has no NaN"),
    ('{"age": 3,}', "drop", "it is not JSON"), ('```json\n{"age": 3,}\n```', "drop", "it is not JSON"),
    ("positive", "not_applicable", ""), ("", "not_applicable", ""), ("[1] Smith 1999, [2]", "not_applicable", ""),
    ("{{name}} greets {you}", "not_applicable", ""), ('{"age": True}', "not_applicable", ""),
    ('{"age": 3}\n{"age": 4}', "not_applicable", ""), ('Sure! {"age": 3,}', "not_applicable", ""),
    ('```json\n{"age": 3}\n```\nThe key is an age.', "not_applicable", ""),
])
def test_without_a_schema_json_has_to_be_json(answer: str, outcome: str, why: str) -> None:
    found = judged("json-schema", row(answer))
    assert (found.outcome, why in found.reason) == (outcome, True), found
    assert judged("json-schema", row(answer), act="flag").outcome == outcome.replace("drop", "flag")


@pytest.mark.parametrize(("answer", "why"), [
    ('{"age": 3}', ""), ('```json\n{"age": 3}\n```', ""), ('{"age": "3"}', '$.age: integer is wanted, not "3"'),
    ("three", "it is not JSON"), ('Sure! {"age": 3}', "text stands around the JSON"), ("[]", "$: object is wanted"),
])
def test_with_a_schema_every_answer_is_held_to_it(answer: str, why: str) -> None:
    found = judged("json-schema", row(answer), schema=SCHEMA)
    assert (found.outcome, why in found.reason) == ("drop" if why else "keep", True), found


def test_what_may_stand_around_it_is_said() -> None:
    for around, outcomes in (("nothing", ["keep", "drop", "drop"]), ("fence", ["keep", "keep", "drop"]),
                             ("text", ["keep", "keep", "keep"])):
        texts = ('{"age": 3}', '```json\n{"age": 3}\n```', 'Sure! {"age": 3}')
        assert [judged("json-schema", row(text), schema=SCHEMA, around=around).outcome for text in texts] == outcomes


def test_the_schema_may_lie_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "age.json").write_text(json.dumps(SCHEMA))

    def opened(folder: Path | None, **options: Any) -> Any:
        return open_rules([Item(name="json-schema", options=options)], folder=folder)[0]

    by_file = opened(tmp_path, schema="age.json")
    assert by_file.finding(row('{"age": "3"}')).outcome == "drop"
    assert by_file.key == rule("json-schema", schema=SCHEMA).key
    assert by_file.options["schema"] == SCHEMA
    for folder, options, why in ((tmp_path, {"schema": "no.json"}, "No such file"),
                                 (None, {"schema": "age.json"}, "beside a recipe"),
                                 (tmp_path, {"schema": {"typ": "object"}}, "'typ' is not checked here"),
                                 (tmp_path, {"shema": {}}, "unknown option 'shema'")):
        with pytest.raises(RecipeError, match=why):
            opened(folder, **options)


def test_every_answer_of_a_conversation_is_looked_at() -> None:
    talk = row("").with_messages([{"role": "assistant", "content": '{"age": 3,}'}, {"role": "user", "content": "And?"},
                                  {"role": "assistant", "content": '{"age": 3}'}])
    assert judged("json-schema", talk).outcome == "drop"
