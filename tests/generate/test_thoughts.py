"""What a model thinks before it answers is kept in the call and trained on only where the recipe asks for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.digest import call_id
from pipeline.engine.protocol import Answer
from pipeline.errors import RecipeError
from pipeline.store import Dataset
from pipeline.store.calls import call_of, event_of
from pipeline.types import Call, Usage, thoughts_apart
from tests.generate.folder import RECIPE, Folder

STEPS = RECIPE.replace('prompt: {user: "A tale of a {{hero}} in {{place}}."}', """steps:
  - {name: idea, user: "An idea: {{hero}}, {{place}}."}
  - {name: tale, user: "Tell it: {{idea}}"}""")


def call(message, finish="stop", apart=True):
    return Call("i", "n", {}, 0, message, finish, None, None, 0.1, None, 1, "2026", apart=apart)


def said(content, finish="stop", **more):
    return Answer({"role": "assistant", "content": content, **more}, finish, Usage(5, 9), "m")


@given(st.text(), st.text())
def test_only_a_block_at_the_head_counts(thoughts, answer):
    if "</think>" not in thoughts:
        assert thoughts_apart(f"\n<think>{thoughts}</think>\n\n{answer}") == (thoughts.strip(), answer.lstrip())
    assert thoughts_apart(f"A tag is <think>{thoughts}</think>") == (None, f"A tag is <think>{thoughts}</think>")


def test_thoughts_without_an_end_are_no_answer():
    cut = call({"content": "<think>First I"}, "stop")
    assert (cut.text, cut.reasoning, cut.ended) == ("", "First I", "length")
    whole = call({"content": "<think>First I</think>Yes"})
    assert (whole.text, whole.reasoning, whole.ended) == ("Yes", "First I", "stop")


@pytest.mark.parametrize("message", [
    {"content": "Yes", "reasoning_content": "Hm"}, {"content": "Yes", "reasoning": "Hm"},
    {"content": "Yes", "thinking": "Hm"},
    {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Yes"}]},
])
def test_hosts_give_thoughts_in_keys_of_their_own(message):
    assert (call(message, apart=False).text, call(message, apart=False).reasoning) == ("Yes", "Hm")


def test_calls_of_earlier_versions_stay_as_they_were():
    old = call({"content": "<think>a</think>b"}, apart=False)
    assert "apart" not in event_of(old)
    assert call_of(event_of(old)).text == "<think>a</think>b"
    new = replace(old, apart=True)
    assert call_of(event_of(new)) == new


def test_rows_hold_the_answer_and_calls_hold_all(tmp_path):
    here = Folder(tmp_path)
    here.says = lambda prompt, turn: said(f"<think>\nA {prompt}\n</think>\n\nThe answer.")
    here.run()
    for row in here.rows():
        assert [m["content"] for m in row.messages if m["role"] == "assistant"] == ["The answer."]
        assert "think" not in repr(row)
    with Dataset.open(here.home) as dataset:
        assert all(call.message["content"].startswith("<think>") for call in dataset.calls.outcomes("answered"))


def test_later_steps_get_the_answer_and_not_the_thoughts(tmp_path):
    here = Folder(tmp_path, STEPS)
    here.says = lambda prompt, turn: said("<think>Hm.</think>Boats")
    here.run()
    assert here.prompts["Tell it: Boats"] >= 1
    assert not [prompt for prompt in here.prompts if "Hm" in prompt]
    assert here.run().progress.answered == 0


def test_a_recipe_that_names_reasoning_trains_on_it(tmp_path):
    here = Folder(tmp_path)
    here.says = lambda prompt, turn: said("Yes", reasoning_content="Hm.")
    here.run()
    assert {row.answer for row in here.rows()} == {"Yes"}
    here.edit('train: {user: "{{hero}}, {{place}}"}',
              'train: {user: "{{hero}}", assistant: "<think>{{reasoning}}</think>{{answer}}"}')
    done = here.run()
    assert (done.rendered, done.progress.answered) == (12, 0)
    assert {row.answer for row in here.rows()} == {"<think>Hm.</think>Yes"}
    here.edit("A tale of a {{hero}}", "A tale of {{reasoning}}")
    with pytest.raises(RecipeError, match=r"'reasoning' in prompt\.user is not known"):
        here.run()


def test_an_id_does_not_know_of_thoughts():
    body = {"model": "m", "messages": []}
    assert call_id("n", "chat", body) == call_id("n", "chat", dict(body))
