"""What an answer shows of a host that ignored part of the request."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.engine.noticed import noticed
from pipeline.engine.protocol import Answer
from pipeline.types import Usage
from tests.generate.folder import Folder

JSON = {"response_format": {"type": "json_object"}}


def notes(body, content="fine", finish="stop", tokens: int | None = 20, model="story-small-2026", choices=1):
    usage = None if tokens is None else Usage(5, tokens)
    answer = Answer({"role": "assistant", "content": content}, finish, usage, model, choices)
    return list(noticed({"model": "story-small", "messages": [], **body}, answer))


@pytest.mark.parametrize(("given", "said"), [
    ({"body": {"max_tokens": 19}}, "ignored max_tokens"),
    ({"body": {"max_completion_tokens": 19}}, "knows only max_tokens"),
    ({"body": {}, "choices": 2}, "several choices"),
    ({"body": JSON, "content": "Sure! {}"}, "ignored response_format"),
    ({"body": {"stop": "###"}, "content": "a ### b"}, "ignored stop"),
    ({"body": {"stop": ["x", "###"]}, "content": "a ### b"}, "ignored stop"),
    ({"body": {}, "finish": None}, "no finish_reason"),
    ({"body": {}, "tokens": None}, "no usage"),
    ({"body": {}, "model": "tinyllama.gguf"}, "asked for story-small, answered by tinyllama.gguf"),
    ({"body": {}, "content": "I think.\n</think>\n\nYes."}, "no <think>"),
])
def test_each_thing_is_one_sentence(given, said):
    (note,) = notes(**given)
    assert said in note


@pytest.mark.parametrize("given", [
    {"body": {"max_tokens": 20}}, {"body": {"n": 2}, "choices": 2}, {"body": JSON, "content": ' {"a": 1}\n'},
    {"body": JSON, "content": '<think>{</think>{"a": 1}'}, {"body": JSON, "content": '{"a"', "finish": "length"},
    {"body": {"stop": "###"}, "content": "<think>###</think>b"}, {"body": {}, "model": "other/STORY-large"},
    {"body": {}, "content": "Write <think>, then </think>."}, {"body": JSON, "content": None},
])
def test_what_was_heeded_is_not_spoken_of(given):
    assert notes(**given) == []


def test_a_run_counts_each_and_says_it_once(tmp_path):
    here = Folder(tmp_path)
    here.edit("max_tokens: 100", "max_tokens: 5")
    done = here.run()
    by = Counter(done.progress.noticed)
    assert by["the host ignored max_tokens: answers are longer"] == 12
