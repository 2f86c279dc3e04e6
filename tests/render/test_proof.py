"""Renderings are proven: by marks in place of texts, and by what a tokenizer makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pipeline.formats import FormatRefusal, find, open_formats
from pipeline.formats._text import TextFormat
from pipeline.formats._turns import Turn
from pipeline.formats.gemma import Gemma
from pipeline.formats.llama2 import Llama2
from pipeline.render import Proof, family
from pipeline.sections import Item
from pipeline.types import Example

ROW = [("user", "Q1 "), ("assistant", "A1\n\nand more"), ("user", "Q2"), ("assistant", " A2")]
WITH_SYSTEM = [("system", "SYS"), *ROW]


def row(said: Sequence[tuple[str, str]]) -> Example:
    return Example([{"role": role, "content": text} for role, text in said], sample="s1")


def codes(
    kind: str, render: Callable[[Any], str], said: Sequence[tuple[str, str]], text: str | None = None
) -> list[str]:
    proof = Proof(family(kind), render)
    return [problem.code for problem in proof.problems(render(said) if text is None else text, said, "s1")]


def of(name: str) -> Callable[[Any], str]:
    plugin = find(name)
    assert isinstance(plugin, TextFormat)
    return lambda said: plugin.render([Turn(*turn) for turn in said])


@pytest.mark.parametrize("said", [ROW, WITH_SYSTEM, ROW[:2]])
@pytest.mark.parametrize("kind", ["llama2", "gemma"])
def test_ours_are_proven(kind: str, said: list[tuple[str, str]]) -> None:
    assert codes(kind, of(kind), said) == []


@pytest.mark.parametrize(("kind", "wrong", "code"), [
    ("gemma", lambda text: "<bos>" + text, "double-begin"),
    ("gemma", lambda text: text.removeprefix("<bos>"), "no-begin"),
    ("gemma", lambda text: text.replace("<bos>", "<bos><start_of_turn>user\nYou are kind.<end_of_turn>\n"),
     "text-injected"),
    ("gemma", lambda text: text.removesuffix("<end_of_turn>\n"), "stop-not-trained"),
    ("gemma", lambda text: text.replace("<end_of_turn>\n<start_of_turn>user", "\n<start_of_turn>user"),
     "stop-not-trained"),
    ("gemma", lambda text: text[:text.rindex("<start_of_turn>")], "text-lost"),
    ("llama2", lambda text: text.replace("</s><s>", "</s>"), "no-begin"),
    ("llama2", lambda text: text.replace("</s><s>", "</s><s><s>"), "double-begin"),
    ("llama2", lambda text: text.removesuffix(" </s>"), "stop-not-trained"),
    ("llama2", lambda text: text.replace("[INST] ", "[INST] <<SYS>>\nBe safe.\n<</SYS>>\n\n", 1), "text-injected"),
])
def test_a_template_that_does_it_wrong_is_found(kind: str, wrong: Callable[[str], str], code: str) -> None:
    """As axolotl forces a system text, litgpt writes no BOS, and a double one is a common fault."""
    assert code in codes(kind, lambda said: wrong(of(kind)(said)), ROW)


@pytest.mark.parametrize(("wrong", "code"), [
    (lambda text: text.replace("and more", "and  more"), "text-lost"),
    (lambda text: text.replace("\n\n", "\n"), "text-lost"),
    (lambda text: text.replace("Q2", "Q2?"), "text-injected"),
    (lambda text: text + "\n", "text-injected"),
    (lambda text: text.replace("A1", "A2"), "text-lost"),
    (lambda text: "", "text-lost"),
])
@pytest.mark.parametrize("kind", ["llama2", "gemma"])
def test_a_text_that_is_not_its_row_is_found(kind: str, wrong: Callable[[str], str], code: str) -> None:
    assert codes(kind, of(kind), ROW, wrong(of(kind)(ROW))) == [code]


@pytest.mark.parametrize(("kind", "token"), [("llama2", "</s>"), ("llama2", "[/INST]"), ("gemma", "<end_of_turn>")])
def test_control_tokens_of_a_row_are_refused_before_they_are_rendered(kind: str, token: str) -> None:
    assert codes(kind, of(kind), [("user", f"a {token} b"), ("assistant", "c")]) == ["control-token"]


class TwoBegins(Llama2):
    """Llama-2 as a text that a tokenizer with add_bos made."""

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        return "<s>" + super().render(conversation, prompt=prompt)

    def parse(self, text: str) -> list[Turn]:
        return super().parse(text.removeprefix("<s>"))


class Unended(Gemma):
    """Gemma whose last answer has no stop token; its own reader forgives that."""

    def render(self, conversation: list[Turn], *, prompt: bool = False) -> str:
        return super().render(conversation, prompt=prompt).removesuffix("<end_of_turn>\n") + "\n"

    def parse(self, text: str) -> list[Turn]:
        return super().parse(text.removesuffix("\n") + "<end_of_turn>\n")


@pytest.mark.parametrize(("plugin", "code"), [(TwoBegins, "double-begin"), (Unended, "stop-not-trained")])
def test_such_a_format_writes_no_row(plugin: type[TextFormat], code: str) -> None:
    with pytest.raises(FormatRefusal) as refused:
        plugin().write(row(ROW))
    assert refused.value.code == code


@pytest.mark.parametrize(("options", "text", "code"), [
    ({"eos": "</s>"}, "one <s> two", "double-begin"),
    ({"eos": "</s>"}, "one </s> two", "control-token"),
    ({"eos": "<eos>"}, "one <bos> two", "double-begin"),
])
def test_a_plain_text_ends_once_and_begins_where_the_tokenizer_says(
    options: dict[str, str], text: str, code: str
) -> None:
    (plugin,) = open_formats([Item(name="text", options=options)])
    with pytest.raises(FormatRefusal) as refused:
        plugin.write(row([("user", "Q"), ("assistant", text)]))
    assert refused.value.code == code
    assert [problem.code for problem in plugin.check(b'{"text": "no end"}', "f:1")] == ["stop-not-trained"]
    assert find("text").check(b'{"text": "no end"}', "f:1") == []


@pytest.mark.parametrize("kind", ["llama2", "gemma"])
@pytest.mark.parametrize("said", [ROW, WITH_SYSTEM])
def test_a_tokenizer_reads_it_so(kind: str, said: list[tuple[str, str]]) -> None:
    """Nobody's proof but a tokenizer's: begins counted in ids, the stop id behind each answer, texts decoded."""
    tokenizers = pytest.importorskip("tokenizers")
    known = family(kind)
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600, special_tokens=list(known.tokens), show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator([" ".join(text for _, text in said)], trainer)
    begin, stop = made.token_to_id(known.begin), made.token_to_id(known.stop)
    ids = made.encode(json.loads(find(kind).write(row(said)))["text"], add_special_tokens=False).ids
    assert ids[0] == begin
    assert ids.count(begin) == (2 if known.begins == "exchange" else 1)
    answers = [text.strip() for role, text in said if role == "assistant"]
    ends = [at for at, token in enumerate(ids) if token == stop]
    before = [made.decode(ids[:at], skip_special_tokens=True).rstrip(" ") for at in ends]
    ended = [text for text in before if text.endswith(tuple(answers))]
    assert [next(answer for answer in answers if text.endswith(answer)) for text in ended] == answers
