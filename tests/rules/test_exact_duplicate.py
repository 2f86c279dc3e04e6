"""The rule `exact_duplicate`."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.types import Sample
from tests.rules.rows import row, rule


def dropped(rows: list[Sample], held: set[str] = frozenset(), **options: Any) -> dict[str, str]:  # type: ignore[assignment]
    return {m.sample: m.reason for m in rule("exact-duplicate", **options).compare(rows, held)}  # type: ignore[union-attr]


def test_the_same_pair_stands_once() -> None:
    rows = [row("Yes.", "Is it?", "b"), row("yes. ", "is  it?", "a"), row("Yes.", "Was it?", "c"),
            row("No.", "Is it?", "d")]
    assert dropped(rows) == {"b": "same prompt and answer as a, 2 rows in all"}


def test_exact_means_byte_for_byte() -> None:
    rows = [row("Yes.", "Is it?", "b"), row("yes.", "Is it?", "a"), row("Yes.", "Is it?", "c")]
    assert set(dropped(rows, text="exact")) == {"c"}


def test_over_the_answer_alone() -> None:
    rows = [row("Yes.", "Is it?", "b"), row("Yes.", "Was it?", "a")]
    assert dropped(rows) == {}
    assert set(dropped(rows, over="answer")) == {"b"}
    assert set(dropped([row("Yes.", "Is it?", "b"), row("No.", "Is it?", "a")], over="prompt")) == {"b"}


def test_first_is_first_in_the_source_and_longest_is_longest() -> None:
    rows = [row("Yes.", id="a", source={"number": 9}), row("yes.  ", id="z", source={"start": 2})]
    assert set(dropped(rows)) == {"a"}
    assert set(dropped(rows, keep="longest")) == {"a"}
    assert set(dropped([row("Yes.", id="a"), row("yes.  ", id="z")], keep="longest")) == {"a"}


def test_a_row_that_a_person_keeps_represents_the_others() -> None:
    rows = [row("Yes.", id=name) for name in "abc"]
    assert set(dropped(rows, held={"b"})) == {"a", "c"}
    assert set(dropped(rows, held={"b", "c"})) == {"a"}


def test_calls_of_tools_are_told_apart() -> None:
    def calls(name: str, called: str) -> Sample:
        message = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": called}}]}
        return row("", id=name).with_messages([{"role": "user", "content": "Go"}, message])

    assert set(dropped([calls("a", "look"), calls("b", "look"), calls("c", "listen")])) == {"b"}


pairs = st.tuples(st.sampled_from(["yes", "Yes", "no"]), st.sampled_from(["p", "q"]))


@given(st.lists(pairs, max_size=12), st.randoms())
def test_order_of_rows_changes_nothing(texts: list[tuple[str, str]], random: Any) -> None:
    rows = [row(answer, prompt, f"row{index:02}") for index, (answer, prompt) in enumerate(texts)]
    expected = dropped(rows)
    assert len(rows) - len(expected) == len({(a.casefold(), p) for a, p in texts})
    random.shuffle(rows)
    assert dropped(rows) == expected
