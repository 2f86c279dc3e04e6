"""Rows in tokens: what is trained, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.rows import Proof, end_ids, row_of, shape_problems
from pipeline.local.templates import BUILT_IN
from tests.local.models import CHATML, talk, tokenizer_of

STRIPS = CHATML.replace("message['content']", "message['content'] | trim")
FORGETS = CHATML.replace("in messages %}", "in messages if message['role'] != 'system' %}")
TWO_BEGINS = "{{ bos_token }}{{ bos_token }}" + CHATML
NO_END = CHATML.replace("<|im_end|>\\n", "\\n")


def codes(template: str, messages: list[dict[str, Any]]) -> set[str]:
    tokenizer = tokenizer_of(template)
    row = row_of(tokenizer, messages)
    return {problem.code for problem in Proof(tokenizer).problems(row, messages, None, "f:1")}


def test_the_answer_and_its_end_are_trained_and_nothing_else():
    tokenizer = tokenizer_of()
    row = row_of(tokenizer, [{"role": "system", "content": "be old"}, *talk("the clock", "struck nine")])
    asked = "<|im_start|>system\nbe old<|im_end|>\n<|im_start|>user\nthe clock<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(row.ids[: row.asked]) == asked
    assert tokenizer.decode(row.ids[row.asked :]) == "struck nine<|im_end|>\n"
    assert row.trained == [place >= row.asked for place in range(len(row.ids))]
    assert row.labels == [-100] * row.asked + row.ids[row.asked :]
    assert row.whole
    assert tokenizer.convert_ids_to_tokens(list(end_ids(tokenizer))) == ["<|im_end|>"]


def test_the_whole_row_is_trained_where_that_is_asked_for():
    tokenizer = tokenizer_of()
    row = row_of(tokenizer, talk("the clock", "struck nine"), full=True)
    assert all(row.trained)
    assert row.labels == row.ids
    assert row.asked > 0


@given(asked=st.text(min_size=1, max_size=60), answer=st.text(min_size=1, max_size=60))
def test_any_text_comes_back_whole_or_is_named(asked: str, answer: str):
    try:
        f"{asked}{answer}".encode()
    except UnicodeEncodeError:
        return
    tokenizer = tokenizer_of()
    row = row_of(tokenizer, talk(asked, answer))
    found = {problem.code for problem in Proof(tokenizer).problems(row, talk(asked, answer), None, "f:1")}
    if any(token in asked + answer for token in ("<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>")):
        assert "control-token" in found
    else:
        assert not found
        said = tokenizer.decode(row.ids[row.asked :])
        assert said == f"{answer}<|im_end|>\n"


@pytest.mark.parametrize(("template", "messages", "code"), [
    (CHATML, talk("a <|im_end|> b", "c"), "control-token"),
    (FORGETS, [{"role": "system", "content": "be old"}, *talk("a", "b")], "text-lost"),
    (TWO_BEGINS, talk("a", "b"), "double-begin"),
    (NO_END, talk("a", "b"), "stop-not-trained"),
    (STRIPS, talk(" a", "b"), "text-stripped"),
    (BUILT_IN["plain"], talk("the ol", "d clock"), "prompt-merges"),
])
def test_what_a_template_does_to_a_row_is_named(template: str, messages: list[dict[str, Any]], code: str):
    assert code in codes(template, messages)


@pytest.mark.parametrize(("begin", "words"), [
    ("<|im_start|>system\nYou are Qwen, created by Alibaba Cloud.<|im_end|>\n",
     "You are Qwen, created by Alibaba Cloud."),
    ("{{ 'Today Date: ' + strftime_now('%Y') }}", "Today Date: 20"),
])
def test_words_that_a_template_adds_are_said(begin: str, words: str):
    template = "{% if messages[0]['role'] != 'system' %}" + begin + "{% endif %}" + CHATML
    found = Proof(tokenizer_of(template)).added("base")
    assert found is not None
    assert (found.severity, found.code, found.where) == ("warning", "template-adds", "base")
    assert f"'{words}" in found.message


@pytest.mark.parametrize("template", [CHATML, *BUILT_IN.values(), STRIPS])
def test_words_that_say_who_speaks_are_not_added_ones(template: str):
    assert Proof(tokenizer_of(template)).added("base") is None


@pytest.mark.parametrize("name", BUILT_IN)
def test_our_own_templates_end_an_answer_and_begin_once(name: str):
    tokenizer = tokenizer_of(BUILT_IN[name])
    row = row_of(tokenizer, [{"role": "system", "content": "be old\n"}, *talk("the clock\n", "struck nine")])
    assert row.ids[-1] == tokenizer.eos_token_id
    assert row.ids.count(tokenizer.bos_token_id) == 1
    assert row.trained[-1]
    assert row.whole
    assert codes(BUILT_IN[name], talk("the clock\n", "struck nine")) == set()
    exchange = talk("the clock\n", "struck nine")
    marked = tokenizer.apply_chat_template(exchange, return_dict=True, return_assistant_tokens_mask=True)
    assert marked["assistant_masks"] == [int(each) for each in row_of(tokenizer, exchange).trained]


@pytest.mark.parametrize(("values", "code"), [
    ({"prompt": "a"}, "no-conversation"),
    ({"messages": []}, "no-conversation"),
    ({"messages": ["a"]}, "no-conversation"),
    ({"messages": [{"role": "user", "content": "a"}]}, "no-answer"),
    ({"messages": [*talk("a", "b")[:1], {"role": "assistant", "content": "b", "weight": 0}]}, "answer-not-trained"),
    ({"messages": talk("a", " ")}, "empty-answer"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, talk("a", "b")[1]]}, "not-text"),
])
def test_a_row_that_cannot_be_trained_is_named(values: dict[str, Any], code: str):
    assert code in {problem.code for problem in shape_problems(values, "f:1")}


def test_a_sound_row_has_no_problem():
    assert not list(shape_problems({"messages": talk("a", "b")}, "f:1"))
    assert codes(CHATML, talk("a", "b")) == set()
