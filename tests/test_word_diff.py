"""Differences of texts by words: both texts come back from them, and a phrase is one change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline import word_diff as module
from pipeline.word_diff import Span, word_diff

WORDS = ["a", "goat", " ", "  ", "\n", "sleeps", ".", "isn't", "Größe", "雪"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=30).map("".join)


@given(TEXTS | st.text(max_size=40), TEXTS | st.text(max_size=40))
def test_both_texts_come_back(old: str, new: str) -> None:
    spans = word_diff(old, new)
    assert "".join(span.text for span in spans if span.what != "new") == old
    assert "".join(span.text for span in spans if span.what != "old") == new
    assert all(span.text for span in spans)
    assert (old != new) == any(span.what != "same" for span in spans)


def test_a_phrase_is_one_change_and_the_rest_stands() -> None:
    assert word_diff("The ferry leaves at six, they say.", "The last boat leaves at six, they say.") == [
        Span("same", "The "), Span("old", "ferry"), Span("new", "last boat"), Span("same", " leaves at six, they say.")]
    assert word_diff("one two three", "uno dos three") == [
        Span("old", "one two"), Span("new", "uno dos"), Span("same", " three")]


def test_texts_without_end_are_compared_as_a_whole() -> None:
    many = int(module.MOST ** 0.5) + 10
    old, new = " ".join(f"a{number}" for number in range(many)), " ".join(f"b{number}" for number in range(many))
    assert [span.what for span in word_diff(f"same {old} end", f"same {new} end")] == ["same", "old", "new", "same"]
