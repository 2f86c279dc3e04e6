"""What the rules look at in a conversation of several turns, with and without calls of tools."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.types import Message, Sample
from pipeline.views import answers, asked, said
from tests.rules.rows import judged, row, rule

BYE = "You are welcome, and have a pleasant day with it."


def talk(*said: str, id: str = "row", weight: int | None = None, **fields: Any) -> Sample:  # noqa: A002
    """User and assistant by turns, the user first; `weight` is that of the first answer."""
    messages: list[Message] = [{"role": "system", "content": "S"}]
    messages += [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)]
    if weight is not None:
        messages[2] = {**messages[2], "weight": weight}
    return Sample(id=id, messages=messages, **fields)


def calling(arguments: str, id: str = "row") -> Sample:  # noqa: A002
    call = {"id": "c", "type": "function", "function": {"name": "fly", "arguments": arguments}}
    return Sample(id=id, messages=[{"role": "user", "content": "Bring it down here, safely, would you?"},
                                   {"role": "assistant", "content": None, "tool_calls": [call]}])


def matches(name: str, *rows: Sample, **options: Any) -> set[str]:
    return {match.sample for match in rule(name, **options).compare(rows, ())}  # type: ignore[union-attr]


def test_one_exchange_is_seen_as_before() -> None:
    assert (answers(row("A", "P")), said(row("A", "P")), asked(row("A", "P"))) == (["A"], "A", "P")
    assert said(calling("{}")) is None


def test_of_a_conversation_the_trained_answers_count() -> None:
    assert answers(talk("p", "one", "q", "two")) == ["one", "two"]
    assert answers(talk("p", "one", "q", "two", weight=0)) == ["two"]
    assert asked(talk("p", "one", "q", "two")) == "user: p\nassistant: one\nuser: q"


@pytest.mark.parametrize("name", ["exact-duplicate", "near-duplicate"])
def test_two_that_end_alike_are_no_duplicates(name: str) -> None:
    one = talk("a lamp", "The lamp was sent on Monday with the green van.", "thanks", BYE, id="one")
    two = talk("a rug", "Your rug waits for customs; that may take a week.", "thanks", BYE, id="two")
    assert matches(name, one, two) == set()
    assert matches(name, one, talk(*[str(m["content"]) for m in one.messages[1:]], id="three")) != set()


def test_calls_are_told_apart_by_what_they_call() -> None:
    for name in ("exact-duplicate", "near-duplicate"):
        assert matches(name, calling('{"to": 1}', "a"), calling('{"to": 2}', "b")) == set()
        assert len(matches(name, calling('{"to": 1}', "a"), calling('{"to": 1}', "b"))) == 1


@pytest.mark.parametrize(("of", "value"), [("last", 2), ("shortest", 1), ("longest", 4), ("all", 7)])
def test_the_length_of_which_turn(of: str, value: int) -> None:
    rows = talk("p", "one", "q", "one two three four", "r", "one two")
    assert judged("length", rows, unit="words", of=of, max=9).value == value


def test_a_refusal_in_any_trained_turn_is_one() -> None:
    no = "I'm sorry, I can't assist with that."
    assert judged("refusal", talk("p", no, "q", "Here it is.")).outcome == "drop"
    assert judged("refusal", talk("p", no, "q", "Here it is.")).span is None, "it is of no place in the last answer"
    assert judged("refusal", talk("p", no, "q", "Here it is.", weight=0)).outcome == "keep"
    assert judged("refusal", talk("p", "Here.", "q", no)).span is not None


def test_turns_are_counted_by_speaker() -> None:
    assert judged("turns", talk("p", "a", "q", "b"), min=4).outcome == "keep"
    found = judged("turns", talk("p", "a"), min=4)
    assert (found.outcome, found.value, found.reason) == ("drop", 2, "2 turns < 4")
    assert judged("turns", talk("p", "a", "q", "b"), max=3).reason == "4 turns > 3"
    tool = Sample("x", [*calling("{}").messages, {"role": "tool", "tool_call_id": "c", "content": "ok"},
                        {"role": "assistant", "content": "done"}])
    assert judged("turns", tool, min=2).value == 2, "a call and its result are part of a turn"


@pytest.mark.parametrize("options", [{}, {"min": 5, "max": 4}])
def test_bounds_that_mean_nothing(options: dict[str, int]) -> None:
    with pytest.raises(RecipeError):
        rule("turns", **options)
