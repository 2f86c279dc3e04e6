"""The texts of a sample as rules see them."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipeline import views
from pipeline.types import Sample


def test_answer_and_prompt_are_the_last_of_their_role() -> None:
    sample = Sample("a", [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"},
                          {"role": "user", "content": [{"type": "text", "text": "3"}, {"type": "image_url"}]},
                          {"role": "assistant", "content": [{"type": "text", "text": each} for each in "45"]}])
    assert (sample.prompt, views.answer(sample)) == ("3", "4\n5")


def test_nothing_said_is_empty_and_a_call_of_tools_is_no_text() -> None:
    assert views.answer(Sample("a", [])) == ""
    assert views.answer(Sample("a", [{"role": "assistant", "content": None}])) == ""
    assert views.answer(Sample("a", [{"role": "assistant", "content": None, "tool_calls": [{}]}])) is None
    assert views.answer(Sample("a", [{"role": "assistant", "content": "Look:", "tool_calls": [{}]}])) == "Look:"
    assert (Sample("a", [])).prompt == ""


def test_words_in_many_scripts() -> None:
    assert views.words("Don't stop, Zoë—GO! 3.5") == ["don", "t", "stop", "zoë", "go", "3", "5"]
    assert views.words("Zoe\u0308") == views.words("Zoë")
    assert views.words("हिन्दी में") == ["हिन्दी", "में"]
    assert views.words("日本語 text") == ["日", "本", "語", "text"]


def test_a_text_is_taken_apart_once_and_each_caller_has_its_own_list() -> None:
    text = "once upon a time, taken apart once"
    before = views.words_of.cache_info()
    first = views.words(text)
    first.clear()
    assert views.words(text) == ["once", "upon", "a", "time", "taken", "apart", "once"]
    after = views.words_of.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 1)


@given(st.text(st.characters(max_codepoint=0x2100), max_size=40))
def test_the_fast_way_is_the_same_way(text: str) -> None:
    assert views.words(text) == views._WORD.findall(unicodedata.normalize("NFC", text).casefold())


@given(st.text(max_size=40), st.integers(0, 5))
def test_counting_words_up_to_a_limit(text: str, count: int) -> None:
    assert views.has_words(text, count) == (len(views._WORD.findall(text)) >= count)


@given(st.text(st.characters(max_codepoint=0xff), max_size=40))
def test_the_fastest_way_is_the_same_way(text: str) -> None:
    assert views.words(text) == views._WORD.findall(unicodedata.normalize("NFC", text).casefold())


def test_a_row_is_looked_at_once_however_many_rules_ask() -> None:
    seen = []
    look = views.of_row(lambda sample: seen.append(sample.id) or sample.id)
    one, other = Sample("a", []), Sample("a", [])
    assert [look(one), look(one), look(other), look(one)] == ["a"] * 4
    assert seen == ["a"] * 3
