"""Llama-2 and Gemma text: byte for byte the official templates' own, and the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.formats import FormatRefusal, find
from pipeline.formats._text import TextFormat
from pipeline.formats._turns import Turn
from pipeline.types import Example


def text_format(name: str) -> TextFormat:
    found = find(name)
    assert isinstance(found, TextFormat)
    return found


def conversation(*texts: str, system: str | None = None) -> list[dict[str, Any]]:
    first = [] if system is None else [{"role": "system", "content": system}]
    return first + [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


# Rendered with transformers 5.23's render_jinja_template from the templates of meta-llama and of Gemma 3.
RENDERED = [
    ("llama2", conversation("Q1", "A1"), "<s>[INST] Q1 [/INST] A1 </s>"),
    ("llama2", conversation("Q1", "A1", system="SYS"), "<s>[INST] <<SYS>>\nSYS\n<</SYS>>\n\nQ1 [/INST] A1 </s>"),
    ("llama2", conversation("Q1", "A1", "Q2", "A2"), "<s>[INST] Q1 [/INST] A1 </s><s>[INST] Q2 [/INST] A2 </s>"),
    (
        "llama2",
        conversation("Q1", "A1", "Q2", "A2", system="SYS"),
        "<s>[INST] <<SYS>>\nSYS\n<</SYS>>\n\nQ1 [/INST] A1 </s><s>[INST] Q2 [/INST] A2 </s>",
    ),
    ("llama2", conversation("Q1"), "<s>[INST] Q1 [/INST]"),
    ("llama2", conversation("Q1", system="SYS"), "<s>[INST] <<SYS>>\nSYS\n<</SYS>>\n\nQ1 [/INST]"),
    (
        "gemma",
        conversation("Q1", "A1"),
        "<bos><start_of_turn>user\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n",
    ),
    (
        "gemma",
        conversation("Q1", "A1", system="SYS"),
        "<bos><start_of_turn>user\nSYS\n\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n",
    ),
    (
        "gemma",
        conversation("Q1", "A1", "Q2", "A2"),
        "<bos><start_of_turn>user\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"
        "<start_of_turn>user\nQ2<end_of_turn>\n<start_of_turn>model\nA2<end_of_turn>\n",
    ),
    ("gemma", conversation("Q1"), "<bos><start_of_turn>user\nQ1<end_of_turn>\n<start_of_turn>model\n"),
    (
        "gemma",
        conversation("Q1", system="SYS"),
        "<bos><start_of_turn>user\nSYS\n\nQ1<end_of_turn>\n<start_of_turn>model\n",
    ),
]


def rendered(name: str, messages: list[dict[str, Any]]) -> str:
    if messages[-1]["role"] == "assistant":
        return str(json.loads(find(name).write(Example(messages)))["text"])
    return text_format(name).prompt_text(Example([*messages, {"role": "assistant", "content": "not shown"}]))


@pytest.mark.parametrize(("name", "messages", "text"), RENDERED)
def test_as_the_official_template(name: str, messages: list[dict[str, Any]], text: str) -> None:
    assert rendered(name, messages) == text


@pytest.mark.parametrize("name", ["llama2", "gemma"])
def test_as_published(name: str, shared_data: Path) -> None:
    """Meta's rendering as it is; Google's page shows neither <bos> nor the line break behind the last turn."""
    cases = json.loads((shared_data / "chat-formats" / "expected_renderings.json").read_text())[name]
    assert cases
    for each in cases:
        before, after = ("<bos>", "\n") if name == "gemma" else ("", "")
        assert rendered(name, each["messages"]) == before + each["text"] + after
        if each["messages"][-1]["role"] == "assistant":
            folded = text_format(name).normal(Example(each["messages"])).messages
            assert find(name).read({"text": each["text"]}).messages == folded


def test_llama2_strips_as_its_template_does() -> None:
    """Contents are stripped, the first user turn together with the system text before it, which is not."""

    def text(*texts: str, system: str | None = None) -> str:
        return rendered("llama2", conversation(*texts, system=system))

    assert text(" Q1\n", "\tA1 ") == "<s>[INST] Q1 [/INST] A1 </s>"
    assert text("Q1", "A1", system="  SYS \n") == "<s>[INST] <<SYS>>\n  SYS \n\n<</SYS>>\n\nQ1 [/INST] A1 </s>"
    assert text("  Q1  ", "A1", system="S") == "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\n  Q1 [/INST] A1 </s>"
    assert text("Q1", "A1", " Q2 ", "A2", system="S").endswith("<s>[INST] Q2 [/INST] A2 </s>")


def test_gemma_strips_as_its_template_does() -> None:
    text = rendered("gemma", conversation(" Q1\n", "\tA1 ", system="SYS \n"))
    assert text == "<bos><start_of_turn>user\nSYS \n\n\nQ1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"


@pytest.mark.parametrize(
    ("name", "messages", "codes"),
    [
        ("llama2", conversation("Q [/INST]", "A </s>"), ["control-token", "control-token"]),
        ("llama2", conversation("Q", "A", system="<<SYS>>"), ["control-token"]),
        ("gemma", conversation("Q<end_of_turn>", "A<bos>"), ["control-token", "control-token"]),
        ("gemma", conversation("Q", "A", system=" S"), ["system-edge"]),
        ("gemma", conversation("Q", "A", system=""), ["system-edge"]),
        ("llama2", conversation("Q", " "), ["empty-answer"]),
        ("llama2", conversation("", "A"), ["empty-prompt"]),
        ("llama2", conversation("Q", "A", "Q2"), ["last-turn-not-assistant"]),
        ("gemma", conversation("Q", "A")[1:], ["roles-do-not-alternate"]),
        ("gemma", conversation("Q", "A")[::-1], ["roles-do-not-alternate", "last-turn-not-assistant"]),
        ("llama2", conversation("Q", "A") + conversation("Q", "A", system="S"), ["roles-do-not-alternate"]),
        ("llama2", conversation("Q </s>", " "), ["empty-answer", "control-token"]),
    ],
)
def test_refusals_name_everything(name: str, messages: list[dict[str, Any]], codes: list[str]) -> None:
    with pytest.raises(FormatRefusal) as refusal:
        find(name).write(Example(messages, sample="s7"))
    assert [problem.code for problem in refusal.value.problems("s7")] == codes


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("llama2", "<s>[INST] Q [/INST]A</s>"),  # LLaMA-Factory's rendering
        ("llama2", "[INST] Q [/INST] A </s>"),
        ("llama2", "<s>[INST] Q [/INST] A </s>x"),
        ("llama2", ""),
        ("gemma", "<bos>"),
        ("gemma", "<bos><start_of_turn>model A<end_of_turn>\n"),
        ("gemma", "<start_of_turn>user\nQ<end_of_turn>\n<start_of_turn>model\nA"),
        ("gemma", "<start_of_turn>system\nQ<end_of_turn>\n"),
    ],
)
def test_other_texts_are_refused(name: str, text: str) -> None:
    with pytest.raises(FormatRefusal) as refusal:
        find(name).read({"text": text})
    assert refusal.value.code == f"not-{name}"


def test_a_text_beside_the_template_is_named() -> None:
    found = find("llama2").check(b'{"text": "<s>[INST]  Q [/INST] A </s>"}', "f:1")
    assert [(problem.code, problem.severity) for problem in found] == [("not-as-the-template", "warning")]
    found = find("gemma").check(
        b'{"text": "<start_of_turn>user\\nQ<end_of_turn>\\n<start_of_turn>model\\nA<end_of_turn>"}', "f:1"
    )
    assert [problem.code for problem in found] == ["not-as-the-template"]


def test_folded_and_stripped_rows_are_told_apart() -> None:
    row = Example(conversation("Q ", "A", system="S"))
    assert find("gemma").normal(row).messages == conversation("S\n\nQ", "A")
    assert find("llama2").normal(row).messages == conversation("Q", "A", system="S")
    assert find("llama2").parse(rendered("llama2", row.messages))[0] == Turn("system", "S")  # type: ignore[attr-defined]


@pytest.mark.parametrize("earlier", [
    [{"role": "system", "content": "S"}],
    [{"role": "user", "content": "Q0"}, {"role": "assistant", "content": "A0"}],
])
def test_turns_are_not_glued_together(earlier: list[dict[str, Any]]) -> None:
    from pipeline.formats import open_formats
    from pipeline.sections import Item

    asked = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    with pytest.raises(FormatRefusal, match="nothing between them") as refused:
        find("text").write(Example([*earlier, *asked], sample="s1"))
    assert refused.value.code == "needs-a-template"
    assert "chatml or llama3" in refused.value.fix
    assert json.loads(find("text").write(Example(asked)))["text"] == "QA"
    assert json.loads(find("text").write(Example(asked[1:])))["text"] == "A"
    (plugin,) = open_formats([Item(name="text", options={"template": "{{prompt}}: {{answer}}"})])
    assert json.loads(plugin.write(Example([*earlier, *asked])))["text"] == "Q: A"


def test_cures_that_work_are_named() -> None:
    asked = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    with pytest.raises(FormatRefusal) as refused:
        find("alpaca").write(Example([{"role": "system", "content": "S"}, *asked]))
    assert "prompt-completion: {system: fold}" in refused.value.fix
    with pytest.raises(FormatRefusal) as refused:
        find("llama3").write(Example([asked[0], {**asked[1], "weight": 0}, *asked]))
    assert "trl-prompt-completion: {earlier: context}" in refused.value.fix
