"""What every format promises, for any text: written rows read back the same, or the row is refused."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example as case
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import registry
from pipeline.errors import DataError
from pipeline.formats import Format, FormatRefusal, find, formats, open_formats, recognise
from pipeline.sections import Item
from pipeline.types import Example

NAMES = list(registry.plugins("formats"))


def one(name: str) -> Format:
    """A format with its defaults; of one that holds nothing without an option, with that."""
    return open_formats([Item(name=name, options={"model": "m"})])[0] if find(name).asks else find(name)



TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(
        alphabet=st.sampled_from(list("<>[]/|INST sys\n\r\t\u2028\u0085\u00a0\x1c\0\ufeff\"'\\,;éß😀")), max_size=30
    ),
    st.lists(
        st.sampled_from(
            [
                "[INST]",
                " [/INST] ",
                "<<SYS>>\n",
                "\n<</SYS>>\n\n",
                " </s>",
                "<s>",
                "<end_of_turn>\n",
                "<bos>",
                "<start_of_turn>model\n",
                "<|im_start|>user\n",
                "<|im_end|>",
                "<|endoftext|>",
                "<|eot_id|>",
                "[/INST]",
                "x",
                " ",
                "\n",
                '"',
                ",",
            ]
        ),
        max_size=5,
    ).map("".join),
    st.text(alphabet=st.characters(), max_size=5),  # lone surrogates among them
)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    roles = draw(
        st.one_of(
            st.lists(st.sampled_from(["system", "user", "assistant"]), max_size=5),
            st.sampled_from(
                [
                    ["user", "assistant"],
                    ["system", "user", "assistant"],
                    ["assistant"],
                    ["user", "assistant", "user", "assistant"],
                ]
            ),
        )
    )
    messages = [{"role": role, "content": draw(TEXTS)} for role in roles]
    for message in messages:
        if message["role"] == "assistant" and draw(st.integers(0, 7)) == 0:
            message["weight"] = draw(st.sampled_from([0, 1]))  # type: ignore[assignment]
    fields = draw(
        st.dictionaries(st.sampled_from(["name", "instruction", "input", "prompt", "text"]), TEXTS, max_size=2)
    )
    label = draw(st.sampled_from([None, "true", "false"]))
    return Example(messages, label=label, fields=fields, sample="s1")


def surrogates(example: Example) -> bool:
    return any(0xD800 <= ord(letter) <= 0xDFFF for message in example.messages for letter in message["content"])


def named(refusal: FormatRefusal) -> None:
    """A refusal says what, and what to do about it."""
    assert refusal.message
    assert all(p.code and p.fix and p.severity == "error" and p.where for p in refusal.problems("s1"))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=80, deadline=None)
@given(example=examples(), escape=st.booleans())
@case(Example([{"role": "user", "content": "Q1"}, {"role": "assistant", "content": "A1"}], sample="s1"), False)
@case(
    Example(
        [{"role": "user", "content": "<s>[INST]<start_of_turn>"}, {"role": "assistant", "content": "[/INST]"}],
        sample="s1",
    ),
    False,
)
@case(
    Example([{"role": "user", "content": "0"}, {"role": "assistant", "content": "[INST][/INST]"}], sample="s1"), False
)
@case(Example([{"role": "assistant", "content": "A\r\n1\r"}], sample="s1"), False)
@case(
    Example(
        [
            {"role": "system", "content": " S\n"},
            {"role": "user", "content": " Q1 "},
            {"role": "assistant", "content": " A1 "},
        ],
        sample="s1",
    ),
    True,
)
def test_written_rows_read_back(name: str, example: Example, escape: bool) -> None:
    plugin = one(name)
    if not plugin.lines:
        return
    try:
        line = plugin.write(example, ascii=escape)
    except FormatRefusal as refusal:
        named(refusal)
        return
    assert not surrogates(example)
    assert b"\n" not in line
    assert b"\r" not in line
    values = json.loads(line.decode("ascii" if escape else "utf-8"))
    assert line == json.dumps(values, ensure_ascii=escape).encode("utf-8")
    back = plugin.read(values)
    assert plugin.same(back, example)
    assert plugin.write(back, ascii=escape) == line  # a fixed point
    assert [problem for problem in plugin.check(line, "f:1") if problem.severity == "error"] == []
    known = recognise(values)
    assert known is not None
    if set(values) != {"text"}:  # what a text was rendered for, its first letters say at best
        assert known.name == plugin.name
    elif plugin.kind is not None:
        assert known.kind is not None


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(rows=st.lists(examples(), max_size=4))
def test_files_are_proven(name: str, rows: list[Example]) -> None:
    plugin = one(name)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"train{plugin.suffix}"
        written = []
        with plugin.open(target) as sink:
            for row in rows:
                try:
                    sink.add(row)
                except FormatRefusal:
                    continue
                written.append(row)
        assert plugin.prove(target, written) == len(written)
        if written:
            with pytest.raises((DataError, FileNotFoundError)):
                plugin.prove(target, written[:-1])
            other = Example(
                [{"role": "user", "content": "other"}, {"role": "assistant", "content": "words"}],
                fields=written[-1].fields,
                sample="s1",
            )
            if not plugin.same(other, written[-1]):
                with pytest.raises(DataError):
                    plugin.prove(target, [*written[:-1], other])


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_held_is_refused(name: str) -> None:
    plugin = one(name)
    exchange = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    loaded = {
        "tools": Example(exchange, tools=[{"type": "function", "function": {"name": "f"}}]),
        "weight": Example([*exchange[:1], {"role": "assistant", "content": "A0", "weight": 0}, *exchange]),
        "name": Example([{"role": "user", "content": "Q", "name": "ann"}, exchange[1]]),
        "calls": Example(
            [
                exchange[0],
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                },
            ]
        ),
        "parts": Example([{"role": "user", "content": [{"type": "text", "text": "Q"}]}, exchange[1]]),
        "system": Example([{"role": "system", "content": "S"}, *exchange]),
        "turns": Example(exchange * 2),
    }
    for what, bare in loaded.items():
        row = replace(bare, sample="s1")
        try:
            values = json.loads(plugin.write(row)) if plugin.lines else plugin.values(row)
        except FormatRefusal as refusal:
            named(refusal)
            continue
        assert plugin.same(plugin.read(values), row), what


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_answer_is_never_written(name: str) -> None:
    for text in ("", " ", "\n\t", "\u00a0"):
        with pytest.raises(FormatRefusal) as refusal:
            one(name).write(Example([{"role": "user", "content": "Q"}, {"role": "assistant", "content": text}]))
        assert refusal.value.code == "empty-answer"


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[1]", b"null", b"3", b'"x"', b"{}", b'{"text": 3}', b'{"messages": 3}', b"\xff", b"[" * 9999]
)
@pytest.mark.parametrize("name", NAMES)
def test_check_names_what_is_no_row(name: str, line: bytes) -> None:
    found = one(name).check(line, "f.jsonl:7")
    assert found
    assert all(problem.where == "f.jsonl:7" and problem.code and problem.fix for problem in found)


SCALARS = st.none() | st.booleans() | st.integers(-1, 2) | st.text(max_size=3) | st.just([]) | st.just({})
OBJECTS = st.dictionaries(
    st.sampled_from(
        [
            "role",
            "content",
            "from",
            "value",
            "weight",
            "tool_calls",
            "tool_call_id",
            "name",
            "type",
            "image_url",
            "function",
        ]
    ),
    SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from(["url", "name", "arguments"]), SCALARS),
    max_size=5,
)
LINES = st.dictionaries(
    st.sampled_from(
        [
            "messages",
            "conversations",
            "text",
            "tools",
            "prompt",
            "completion",
            "instruction",
            "input",
            "output",
            "history",
        ]
    ),
    SCALARS | st.lists(OBJECTS | SCALARS | st.lists(SCALARS, max_size=2), max_size=3),
    max_size=4,
)


@settings(max_examples=200, deadline=None)
@given(LINES)
@case({"messages": [{"role": []}]})
@case({"conversations": [{"from": {}}]})
def test_no_object_breaks_a_format(value: dict[str, Any]) -> None:
    for plugin in formats():
        known: Format = plugin()
        known.recognises(value)
        found = list(known.problems(value, "f:1"))
        assert all(problem.code and problem.where == "f:1" for problem in found)
        readable = True
        try:
            row = known.read(value)
        except FormatRefusal:
            readable = False
        if readable:
            with suppress(FormatRefusal):
                known.write(row)
        else:  # what cannot be read is a problem
            assert any(problem.severity == "error" for problem in found)
