"""TRL's prompt and completion: the last answer is trained, and nobody loses another one in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats import FormatRefusal, find, open_formats, recognise
from pipeline.sections import Item
from pipeline.types import Example
from tests.formats.test_families import ANSWERS, ASKS, ONE, SYSTEM, TWO

CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
TOOL = {"role": "tool", "tool_call_id": "c1", "content": "4"}
TOOLS = [{"type": "function", "function": {"name": "f"}}]
UNTRAINED = [ASKS[0], {**ANSWERS[0], "weight": 0}, ASKS[1], ANSWERS[1]]


def one(**options: Any) -> Any:
    (found,) = open_formats([Item(name="trl", options=options)])
    return found


def test_the_bytes() -> None:
    assert find("trl").write(Example([SYSTEM, *ONE])) == (
        b'{"prompt": [{"role": "system", "content": "SYS"}, {"role": "user", "content": "Q1"}], '
        b'"completion": [{"role": "assistant", "content": "A1"}]}')


@pytest.mark.parametrize(("messages", "tools"), [
    (ONE, None), ([SYSTEM, *ONE], None), (UNTRAINED, None), ([ASKS[0], {**CALL, "weight": 0}, TOOL, ANSWERS[0]], TOOLS),
])
def test_rows_read_back(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> None:
    plugin, row = find("trl-prompt-completion"), Example(messages, tools=tools, sample="s1")
    values = json.loads(plugin.write(row))
    assert recognise(values).name == "trl-prompt-completion"  # type: ignore[union-attr]
    assert plugin.read(values).messages == messages
    assert plugin.read(values).tools == tools
    assert "weight" not in json.dumps(values)


@pytest.mark.parametrize(("messages", "code"), [
    (TWO, "trains-last-answer"),
    ([ASKS[0], CALL, TOOL, ANSWERS[0]], "trains-last-answer"),
    (ANSWERS[:1], "no-user"),
    (TWO[:3], "not-one-answer"),
    ([ASKS[0], {**ANSWERS[0], "weight": 0}], "answer-not-trained"),
    ([ASKS[0], CALL], "holds-text-alone"),
    ([ASKS[0], {"role": "assistant", "content": " "}], "empty-answer"),
    ([{"role": "user", "content": [{"type": "text", "text": "Q"}]}, ANSWERS[0]], "holds-text-alone"),
])
def test_what_it_cannot_hold_is_refused(messages: list[dict[str, Any]], code: str) -> None:
    with pytest.raises(FormatRefusal) as refused:
        find("trl").write(Example(messages, tools=TOOLS if CALL in messages else None, sample="s1"))
    assert refused.value.code == code
    assert refused.value.fix


def test_earlier_answers_can_be_made_what_is_asked_with() -> None:
    plugin = one(earlier="context")
    values = json.loads(plugin.write(Example(TWO)))
    assert values["prompt"] == TWO[:3]
    assert plugin.read(values).messages == UNTRAINED
    assert plugin.same(plugin.read(values), Example(TWO))


def test_what_is_wrong_with_a_line_is_named() -> None:
    def codes(line: dict[str, Any]) -> list[str]:
        return [problem.code for problem in find("trl").check(json.dumps(line).encode(), "f:1")]

    assert codes({"prompt": ASKS[:1], "completion": ANSWERS[:1]}) == []
    assert codes({"prompt": [], "completion": "A"}) == ["no-messages", "no-messages"]
    assert codes({"prompt": ASKS[:1], "completion": ANSWERS[:1], "tools": "f"}) == ["bad-tools"]
    human = {"prompt": [{"role": "human", "content": "Q"}], "completion": ANSWERS[:1]}
    assert codes(human) == ["unknown-role", "no-user"]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(prompt=texts, answer=texts, separator=st.sampled_from(["", "\n\n###\n\n", "#", "->"]),
       start=st.sampled_from(["", " "]), stop=st.sampled_from(["", " END", "\n", "##"]))
def test_legacy_separators_are_written_once_and_read_away(
    prompt: str, answer: str, separator: str, start: str, stop: str
) -> None:
    options = {"separator": separator, "start": start, "stop": stop}
    (plugin,) = open_formats([Item(name="prompt-completion", options=options)])
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    row = Example(messages if prompt else messages[1:], sample="s1")
    try:
        line = plugin.write(row)
    except FormatRefusal as refusal:
        named = refusal.code in ("empty-answer", "control-token")
        assert named
        return
    values = json.loads(line)
    assert values == {"prompt": prompt + separator, "completion": start + answer + stop}
    assert not separator or values["prompt"].count(separator) == 1
    assert plugin.read(values).messages == row.messages
    assert plugin.check(line, "f:1") == []


def test_a_line_without_them_is_named() -> None:
    (plugin,) = open_formats([Item(name="prompt-completion", options={"separator": "##", "start": " ", "stop": "END"})])
    assert [problem.code for problem in plugin.check(b'{"prompt": "Q", "completion": "A"}', "f:1")] == [
        "no-separator", "no-start", "no-stop"]
    with pytest.raises(FormatRefusal) as refused:
        plugin.write(Example([ASKS[0], {"role": "assistant", "content": "THE END, and on"}], sample="s1"))
    assert refused.value.code == "control-token"


def test_a_text_can_write_its_begin_itself() -> None:
    (plugin,) = open_formats([Item(name="text", options={"bos": "<s>", "eos": "</s>"})])
    row = Example([{"role": "assistant", "content": "It runs."}])
    assert plugin.write(row) == b'{"text": "<s>It runs.</s>"}'
    assert plugin.read({"text": "<s>It runs.</s>"}).messages == row.messages
    assert plugin.rendering() == {"begin": "<s>", "stop": "</s>", "add_special_tokens": False}
    assert [problem.code for problem in plugin.check(b'{"text": "It runs.</s>"}', "f:1")] == ["no-begin"]
    with pytest.raises(FormatRefusal) as refused:
        plugin.write(Example([{"role": "assistant", "content": "a <s> b"}]))
    assert refused.value.code == "double-begin"
