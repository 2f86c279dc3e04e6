"""The rule `secrets`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import secrets
from pipeline.errors import RecipeError
from tests.rules.rows import judged, row, rule
from tests.test_secrets import MADE


def test_a_key_is_flagged_and_never_shown() -> None:
    found = judged("secrets", row(f"Use {MADE['github']}."))
    assert (found.outcome, found.value, found.span) == ("flag", "1: github ghp_…", (4, 4 + len(MADE["github"])))
    assert MADE["github"][4:12] not in json.dumps([found.value, found.reason])
    assert judged("secrets", row("ok", f"My key is {MADE['aws']}")).reason == "aws AKIA… in the prompt"


@pytest.mark.parametrize(("options", "outcome"), [
    ({"act": "drop"}, "drop"), ({"kinds": "aws"}, "keep"), ({"over": "prompt"}, "keep"), ({"max": 1}, "keep")])
def test_options(options: dict[str, object], outcome: str) -> None:
    assert judged("secrets", row(MADE["github"], "A key?"), **options).outcome == outcome


def test_placeholders_stay() -> None:
    assert judged("secrets", row('client = OpenAI(api_key="sk-...")  # or YOUR_API_KEY')).outcome == "keep"


def test_a_kind_that_is_none() -> None:
    with pytest.raises(RecipeError, match="unknown word 'githb'"):
        rule("secrets", kinds=["githb"])


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["key", ":", "=", ":=", "=>", " ", "'", "b'", "a1b2c3d4e5f6g7h8", "short", "x", "é"]),
                max_size=12).map("".join))
def test_a_value_is_found_as_the_pattern_finds_it(text: str) -> None:
    assert secrets._has_value(text) == (secrets._VALUE.search(text) is not None)
