"""How rows become conversations: recognised, of a column, by columns and templates."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.formats import FormatRefusal
from pipeline.read.look import Guess
from pipeline.shapes import Columns, Templated, arguments, shape_by_names, shape_of, variable

USER, ANSWER = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}


@pytest.mark.parametrize(("row", "name"), [
    ({"messages": [USER, ANSWER], "id": 3}, "openai-chat"),
    ({"messages": json.dumps([USER, ANSWER])}, "openai-chat"),
    ({"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]}, "sharegpt"),
    ({"instruction": "Q", "input": "", "output": "A"}, "alpaca"),
    ({"prompt": "Q", "completion": "A", "n": 1}, "prompt-completion"),
])
def test_known_shapes(row: dict[str, Any], name: str) -> None:
    shape = shape_of(Columns(), list(row), row, "rows.jsonl")
    assert shape is not None
    assert (shape.name, shape.format, shape.export) == (name, name, name)
    example = shape.read(row, "rows.jsonl:1")
    assert example.messages == [USER, ANSWER]
    assert "messages" not in example.fields


def rows_of(**columns: str) -> list[dict[str, Any]]:
    return [{"id": f"x{n}", **{name: f"{text} of number {n}." for name, text in columns.items()}} for n in range(9)]


@pytest.mark.parametrize(("question", "answer"), [
    ("prompt", "answer"), ("question", "answer"), ("Question", "Answer"), ("instruction", "response"),
    ("input", "output"), ("query", "reply"), ("problem", "solution"), ("user", "assistant"),
])
def test_question_and_answer_are_told_by_usual_names_which_is_said(question: str, answer: str) -> None:
    rows = rows_of(**{question: "What is the meaning", answer: "It is the sense"})
    assert shape_of(Columns(), list(rows[0]), rows[0], "rows.csv") is None
    shape = shape_by_names(list(rows[0]), rows, "rows.csv", "synth import qa rows.csv")
    assert shape.train == {"user": variable(question), "assistant": variable(answer)}
    assert shape.name == (f"user = {question}, assistant = {answer} "
                          "(by their names: --prompt and --completion say otherwise)")
    assert [each["content"] for each in shape.read(rows[0], "rows.csv:1").messages] == list(rows[0].values())[1:]


@pytest.mark.parametrize(("columns", "words"), [
    ({"context": "A long text", "question": "What is it", "answer": "It is this"},
     "--prompt '{{context}}\n{{question}}' --completion answer"),
    ({"question": "What is it", "answer": "It is this", "response": "It is that"}, "--prompt"),
    ({"title": "What is it", "body": "It is this"}, "--prompt title --completion body"),
])
def test_what_names_leave_open_is_asked_with_the_command(columns: dict[str, str], words: str) -> None:
    rows = rows_of(**columns)
    with pytest.raises(RecipeError) as caught:
        shape_by_names(list(rows[0]), rows, "rows.csv", "synth import qa rows.csv")
    assert f"its columns are: id, {', '.join(columns)}" in caught.value.message
    assert words in caught.value.hint.replace("$'", "'").replace("\\n", "\n")


@pytest.mark.parametrize(("guess", "words"), [
    (Guess("label", ("subject", "body"), True, {}), ["--prompt", "{{subject}}\n{{body}}", "--completion", "label"]),
    (Guess("the answer", ("it's",), False, {}), ["--prompt", "it's", "--completion", "the answer"]),
    (Guess("text", (), False, {}), ["--completion", "text"]),
    (Guess(None, (), False, {}), ["--completion", "COLUMN"]),
])
def test_a_guess_can_be_typed(guess: Guess, words: list[str]) -> None:
    typed = arguments(guess)
    if "$'" in typed:  # bash's own quotes, which shlex does not read
        typed = typed.replace("$'", "'").replace("\\n", "\n")
    assert shlex.split(typed) == words


def templated(names: list[str], **columns: str) -> Templated:
    return Templated(Columns(**columns), names, "rows.csv")


def test_texts_come_as_they_are() -> None:
    shape = templated(["q", "a"], prompt="q", completion="a", system="Be brief.")
    values = {"q": " Q\r\n", "a": "\n{{not a template}} \u2028\n", "n": 3}
    assert shape.read(values, "").messages == [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": " Q\r\n"},
        {"role": "assistant", "content": "\n{{not a template}} \u2028\n"}]
    assert shape.read(values, "").fields == values
    assert shape.train == {"system": "Be brief.", "user": "{{q}}", "assistant": "{{a}}"}


def test_a_text_longer_than_a_template_may_write() -> None:
    text = "x" * 3_000_000
    assert templated(["a"], completion="a").read({"a": text}, "").messages == [{"role": "assistant", "content": text}]


def test_an_empty_prompt_is_no_turn_and_an_empty_answer_is_one() -> None:
    shape = templated(["q", "a"], prompt="q", completion="a")
    assert shape.read({"q": "", "a": ""}, "").messages == [{"role": "assistant", "content": ""}]


def test_templates_and_awkward_columns() -> None:
    names = ["Ticket text", "n", "messages", "tags", "answer"]
    assert [variable(name) for name in names] == [
        "{{fields['Ticket text']}}", "{{n}}", "{{fields['messages']}}", "{{tags}}", "{{answer}}"]
    shape = templated(names, prompt="{{fields['Ticket text']}} #{{n}} {{tags | join('/')}}", completion="Ticket text")
    row = {"Ticket text": "Hi", "n": 3, "tags": ["a", "b"]}
    assert [message["content"] for message in shape.read(row, "").messages] == ["Hi #3 a/b", "Hi"]
    assert shape.train["assistant"] == "{{fields['Ticket text']}}"


@pytest.mark.parametrize(("values", "code"), [
    ({}, "missing-column"), ({"a": None, "b": ""}, "null"), ({"a": ["x"], "b": ""}, "not-a-text"),
    ({"a": {"x": 1}, "b": ""}, "not-a-text"), ({"a": "x"}, "missing-column"), ({"a": "x", "b": None}, "null"),
    ({"a": "x", "b": {"c": 1}}, None),
])
def test_a_row_without_its_text_is_refused(values: dict[str, Any], code: str | None) -> None:
    shape = templated(["a", "b"], completion="a", prompt="-{{b}}")
    if code is None:
        assert shape.read(values, "").messages
        return
    with pytest.raises(FormatRefusal) as caught:
        shape.read(values, "")
    assert caught.value.code == code
    assert caught.value.fix


def test_a_row_on_which_a_template_fails_is_refused() -> None:
    with pytest.raises(FormatRefusal) as caught:
        templated(["a"], completion="{{a + 1}}").read({"a": "x"}, "")
    assert caught.value.code == "template"


@pytest.mark.parametrize(("columns", "message", "hint"), [
    ({"completion": "anwser"}, "no column 'anwser' for --completion", "'answer'"),
    ({"completion": "answer", "prompt": "{{questoin}}"}, "--prompt names 'questoin', which is no column", "'question'"),
    ({"completion": "{{fields['x']}}"}, "names 'x'", "question"),
    ({"completion": "answer", "prompt": "questoin"}, "no column 'questoin' for --prompt", "'question'"),
    ({"completion": "answer", "prompt": "the question"}, "no column 'the question' for --prompt", "'question'"),
    ({"completion": "{{answer"}, "--completion", ""),
    ({"prompt": "question"}, "--completion is missing", ""),
    ({"messages": "chat"}, "no column 'chat'", "question"),
    ({"messages": "question", "completion": "answer"}, "have no place", "--messages"),
])
def test_columns_that_are_not_there(columns: dict[str, str], message: str, hint: str) -> None:
    with pytest.raises(RecipeError) as caught:
        shape_of(Columns(**columns), ["question", "answer"], {"question": "", "answer": ""}, "rows.csv")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_one_sentence_may_be_the_prompt_of_all_rows() -> None:
    shape = templated(["text"], prompt="Write a synopsis.", completion="text")
    assert shape.read({"text": "Once."}, "").messages == [
        {"role": "user", "content": "Write a synopsis."}, {"role": "assistant", "content": "Once."}]
    assert shape.train == {"user": "Write a synopsis.", "assistant": "{{text}}"}
    assert shape.name == "user = 'Write a synopsis.', assistant = text"


@pytest.mark.parametrize("turns", [
    [USER, ANSWER], json.dumps([USER, ANSWER]), [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]])
def test_a_column_of_conversations(turns: Any) -> None:
    tools = None if isinstance(turns, list) else json.dumps([{"type": "function"}])
    row = {"chat": turns, "id": "7", "tools": tools}
    shape = shape_of(Columns(messages="chat"), list(row), row, "rows.csv")
    assert shape is not None
    assert shape.train == {"messages": "chat"}
    example = shape.read(row, "")
    assert example.messages == [USER, ANSWER]
    assert example.fields["id"] == "7"
    for bad in ("no", None, [], [1]):
        with pytest.raises(FormatRefusal):
            shape.read({"chat": bad} if bad != [] else {"chat": "[}"}, "")
