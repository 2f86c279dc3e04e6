"""The rewrite `expand`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.rewrites import AnyRewrite, Refused, open_rewrites
from pipeline.sections import Item
from pipeline.types import Call, Sample
from tests import made

SHORT = "A ferry is late, and the captain blames a goat."
LONGER = "A ferry is three hours late on the last day of spring, and its captain, who was never late, blames a goat. "


def expand(**options: Any) -> AnyRewrite:
    return open_rewrites([Item(name="expand", options={"below": 100, **options})])[0]


def row(answer: Any = SHORT, **fields: Any) -> Sample:
    messages = [{"role": "system", "content": "You tell stories."}, {"role": "user", "content": "A ferry."},
                {"role": "assistant", "content": answer}]
    return Sample("parent", messages, cell={"genre": "farce"}, fields={"premise": "late"}, **fields)


def answered(text: str) -> Call:
    return made.call(7, text)


@pytest.mark.parametrize(("answer", "options", "applies"), [
    (SHORT, {}, True), ("x" * 99, {}, True), ("x" * 100, {}, False), ("ü" * 60, {}, False), ("", {}, False),
    (" \n", {}, False), ("ü" * 60, {"unit": "chars"}, True), ("word " * 99, {"unit": "words"}, True),
    ("word " * 100, {"unit": "words"}, False), ([{"type": "text", "text": SHORT}], {}, True),
])
def test_it_is_for_answers_that_are_too_short(answer: Any, options: dict[str, Any], applies: bool) -> None:
    assert expand(**options).applies(row(answer)) is applies


def test_once_is_enough() -> None:
    assert not expand().applies(row(provenance={"augmentation": "expand"}))
    assert expand().applies(row(provenance={"augmentation": "repair"}))


def test_the_writer_sees_the_conversation_and_the_wish() -> None:
    asked = expand(below=1024).messages(row())
    assert [message["role"] for message in asked] == ["system", "user", "assistant", "user"]
    assert asked[2]["content"] == SHORT
    assert "at least 1,280 bytes, which is about 214 words" in asked[3]["content"]
    assert "at least 130 words" in expand(unit="words").messages(row())[-1]["content"]


def test_the_child_is_a_row_of_its_own_with_a_parent() -> None:
    parent = row(label="farce", source={"file": "a.jsonl"}, provenance={
        "writer": "w", "draw": "d", "finish_reason": "length", "refusal": "no", "rehearsal": True, "cost_usd": 9.0})
    call = answered(LONGER + SHORT)
    child = expand().child(parent, call)
    assert isinstance(child, Sample)
    assert child.answer == (LONGER + SHORT).strip()
    assert [message["role"] for message in child.messages] == ["system", "user", "assistant"]
    assert (child.parent, child.cell, child.fields, child.label, child.source) == (
        "parent", parent.cell, parent.fields, "farce", None)
    assert [(ref.id, ref.role) for ref in child.calls] == [(call.id, "rewrite")]
    assert child.provenance == {
        "writer": "w", "draw": "d", "finish_reason": "stop", "rehearsal": True, "cost_usd": call.cost_usd,
        "augmentation": "expand", "replaces": "parent", "model": call.model, "namespace": call.namespace,
        "created": call.at, "input_tokens": 40, "output_tokens": len(call.text) // 4}
    assert parent.answer == SHORT
    assert child.id == expand(below=50).child_id(parent, call.id) != expand().child_id(parent, "another call")


@pytest.mark.parametrize(("text", "code"), [
    ("", "not-longer"), (SHORT, "not-longer"), (f"  {SHORT}\n\n", "not-longer"), ("A ferry.", "not-longer"),
    (SHORT + " Indeed.", "still-too-short"),
])
def test_answers_that_are_no_gain_are_refused(text: str, code: str) -> None:
    found = expand().child(row(), answered(text))
    assert isinstance(found, Refused)
    assert (found.code, bool(found.reason)) == (code, True)


def test_the_parent_with_a_few_words_more_is_a_copy() -> None:
    long = " ".join(f"word{number}" for number in range(200))
    more = " ".join(f"more{number}" for number in range(60))
    assert isinstance(expand(below=1800).child(row(long), answered(f"{long} {more}")), Sample)
    found = expand(below=1500).child(row(long), answered(long + " and no more than that, as one may say"))
    assert isinstance(found, Refused)
    assert found.code == "near-copy"


def test_another_text_is_no_longer_form_of_this_one(shared_data: Path) -> None:
    """An outline tells its own synopsis in other words, and no other story; texts that nobody here wrote."""
    lines = (shared_data / "outlines" / "outlines.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    codes: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for number, each in enumerate(told):
        for step in (0, 1, 100):
            other = told[(number + step) % len(told)]
            longer = f"{other['outline']}{' The end.' * 800}"
            found = expand(below=5_000).child(row(each["synopsis"]), answered(longer))
            codes[not step][found.code if isinstance(found, Refused) else "gained"] += 1
    assert codes[True]["another-text"] == 1, "of 252"
    assert codes[False]["another-text"] == 480, "of 504"
    assert isinstance(expand().child(row("A goat sleeps."), answered(LONGER)), Sample), "too few words to tell"


def test_of_several_turns_only_the_last_answer_changes() -> None:
    turns = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "two", "weight": 0},
             {"role": "user", "content": "3"}, {"role": "assistant", "content": "four", "refusal": None, "weight": 1}]
    child = expand().child(row().with_messages(turns), answered(LONGER))
    assert isinstance(child, Sample)
    assert child.messages == [*turns[:3], {"role": "assistant", "content": LONGER.strip(), "weight": 1}]


@pytest.mark.parametrize(("options", "message"), [
    ({}, "r.yaml:9: expand: 'below' is missing"), ({"below": 0}, "below"), ({"below": 10, "unit": "pages"}, "pages"),
    ({"above": 3}, "unknown option 'above'"),
])
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        open_rewrites([Item(name="lengthen", options=options)], where=lambda index: f"r.yaml:{9 + index}")


def test_an_unknown_rewrite_has_a_neighbour() -> None:
    with pytest.raises(RecipeError) as error:
        open_rewrites([Item(name="expnd")])
    assert error.value.hint == "did you mean 'expand'?"
