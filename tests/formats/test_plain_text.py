"""Plain texts: the seed's quotes, byte for byte, and the end that must not stand in the middle."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import RecipeError
from pipeline.formats import FormatRefusal, find, open_formats
from pipeline.sections import Item
from pipeline.types import Example

QUOTE = Example(
    [{"role": "user", "content": "Quote by Ada:"}, {"role": "assistant", "content": " It runs."}],
    fields={"author": "Ada", "quote": "It runs.", "own name": "x"},
)


def one(**options: str) -> object:
    (found,) = open_formats([Item(name="text", options=options)])
    return found


def test_a_template_over_fields_ends_in_eos() -> None:
    line = one(template="Quote by {{author}}: {{quote}}", eos="<|endoftext|>").write(QUOTE)  # type: ignore[attr-defined]
    assert line == b'{"text": "Quote by Ada: It runs.<|endoftext|>"}'


def test_without_a_template_prompt_and_answer_stand_as_they_are() -> None:
    assert find("text").write(QUOTE) == b'{"text": "Quote by Ada: It runs."}'


def test_a_name_that_is_no_field_is_a_refusal_that_says_so() -> None:
    with pytest.raises(FormatRefusal, match="autor"):
        one(template="{{autor}}").write(QUOTE)  # type: ignore[attr-defined]


def test_the_end_within_a_text_is_refused() -> None:
    row = Example([{"role": "assistant", "content": "one</s>two"}])
    with pytest.raises(FormatRefusal, match="</s>"):
        one(eos="</s>").write(row)  # type: ignore[attr-defined]
    assert json.loads(find("text").write(row)) == {"text": "one</s>two"}


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(RecipeError, match="temlate") as fault:
        one(temlate="x")
    assert "template" in fault.value.hint
