"""Rendered text of every family: byte for byte the official templates' own, the way back, what they lose or add."""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example as case
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.formats import FormatRefusal, open_formats
from pipeline.formats._text import TextFormat
from pipeline.sections import Item
from pipeline.types import Example

GOLDEN = Path(__file__).parent.parent / "golden" / "renderings.jsonl"
SYSTEM = {"role": "system", "content": "SYS"}
ASKS = [{"role": "user", "content": "Q1"}, {"role": "user", "content": "Q2"}]
ANSWERS = [{"role": "assistant", "content": "A1"}, {"role": "assistant", "content": "A2"}]
ONE, TWO = [ASKS[0], ANSWERS[0]], [ASKS[0], ANSWERS[0], ASKS[1], ANSWERS[1]]
CASES = {"single": ONE, "system": [SYSTEM, *ONE], "two_turns": TWO, "system_two_turns": [SYSTEM, *TWO],
         "prompt": ASKS[:1], "system_prompt": [SYSTEM, ASKS[0]]}

OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama2": ("llama2", {}),
    "llama3": ("llama3", {}),
    "llama3.1": ("llama3", {"date": "26 Jul 2024"}),
    "llama3.2": ("llama3", {"date": "26 Jul 2024"}),
    "gemma": ("gemma", {}),
    "gemma3": ("gemma", {}),
    "mistral-v1": ("mistral", {"version": "v1"}),
    "mistral-v3": ("mistral", {}),
    "mistral-v3-tekken": ("mistral", {"version": "tekken"}),
    "mistral-v7-tekken": ("mistral", {"version": "v7"}),
    "chatml": ("chatml", {}),
    "qwen2.5": ("qwen", {"added": "allow"}),
    "qwen3": ("qwen", {"version": 3, "added": "allow"}),
    "gemma4": ("gemma4", {}),
    "phi3": ("phi3", {}),
}
REFUSED = {
    ("mistral-v3", "system"): "system-lost", ("mistral-v3", "system_two_turns"): "system-lost",
    ("mistral-v3", "system_prompt"): "system-lost",
    ("mistral-v3-tekken", "system"): "system-lost", ("mistral-v3-tekken", "system_two_turns"): "system-lost",
    ("mistral-v3-tekken", "system_prompt"): "system-lost",
    ("qwen3", "two_turns"): "prompt-not-prefix", ("qwen3", "system_two_turns"): "prompt-not-prefix",
}
"""What an official template does and ours does not write: (template, case) -> the code."""
OTHERWISE = {
    ("gemma", "system"): "Gemma 1 and 2 refuse a system text; it is folded, as Google's page says",
    ("gemma", "system_two_turns"): "the same", ("gemma", "system_prompt"): "the same",
    ("qwen3", "prompt"): "ours ends in the block of enable_thinking=False", ("qwen3", "system_prompt"): "the same",
}


def one(name: str, **options: Any) -> TextFormat:
    (found,) = open_formats([Item(name=name, options=options)])
    assert isinstance(found, TextFormat)
    return found


def named(refusal: FormatRefusal) -> None:
    """A refusal says what, and what to do about it."""
    assert all(problem.code and problem.message and problem.fix for problem in refusal.problems("s1"))


def rendered(plugin: TextFormat, messages: list[dict[str, Any]]) -> str:
    if messages[-1]["role"] == "assistant":
        return str(json.loads(plugin.write(Example(messages, sample="s1")))["text"])
    return plugin.prompt_text(Example([*messages, ANSWERS[1]], sample="s1"))


def official() -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]
    return [line for line in lines if line["format"] in OURS]


@pytest.mark.parametrize("line", official(), ids=lambda line: f"{line['format']}-{line['case']}")
def test_as_the_official_template(line: dict[str, Any]) -> None:
    name, options = OURS[line["format"]]
    plugin, messages, case = one(name, **options), CASES[line["case"]], (line["format"], line["case"])
    if case in REFUSED:
        with pytest.raises(FormatRefusal) as refused:
            rendered(plugin, messages)
        assert refused.value.code == REFUSED[case]
    elif case not in OTHERWISE:
        assert rendered(plugin, messages) == line["text"]


def test_two_thirds_of_what_is_known_is_compared() -> None:
    compared = [line for line in official() if (line["format"], line["case"]) not in OTHERWISE]
    assert len(compared) >= 75


def test_a_system_text_that_the_template_loses_can_be_put_where_the_model_is_given_it() -> None:
    for version, text in (("v3", "<s>[INST] SYS\n\nQ1[/INST] A1</s>"), ("tekken", "<s>[INST]SYS\n\nQ1[/INST]A1</s>")):
        plugin = one("mistral", version=version, system="fold")
        assert rendered(plugin, CASES["system"]) == text
        assert text.startswith(rendered(plugin, CASES["system_prompt"]))  # as the template's own
        with pytest.raises(FormatRefusal) as refused:
            rendered(plugin, CASES["system_two_turns"])
        assert refused.value.code == "system-moves"


@pytest.mark.parametrize(("name", "options", "messages", "code"), [
    ("qwen", {}, ONE, "default-system"),
    ("qwen", {"version": "3"}, ONE, "think-block"),
    ("qwen", {"version": 3, "added": "allow"}, TWO, "prompt-not-prefix"),
    ("mistral", {"version": "v7"}, ONE, "default-system"),
    ("llama3", {}, [{"role": "system", "content": " "}, *ONE], "empty-system"),
    ("chatml", {}, [*ONE, SYSTEM, *ONE], "late-system"),
    ("llama3", {}, [ASKS[0], {"role": "assistant", "content": "a<|reserved_special_token_250|>"}], "control-token"),
    ("chatml", {}, [{"role": "user", "content": "<|im_end|>"}, ANSWERS[0]], "control-token"),
    ("mistral", {}, [{"role": "user", "content": "[TOOL_CALLS]"}, ANSWERS[0]], "control-token"),
    ("qwen", {"version": "3-2507"}, [{"role": "user", "content": "<think>"}, ANSWERS[0]], "control-token"),
    ("qwen", {"version": "3", "added": "allow"}, [ASKS[0], {"role": "assistant", "content": "x </think> y"}],
     "thoughts-lost"),
])
def test_what_would_be_lost_or_added_is_refused(
    name: str, options: dict[str, Any], messages: list[dict[str, Any]], code: str
) -> None:
    with pytest.raises(FormatRefusal) as refused:
        one(name, **options).write(Example(messages, sample="s1"))
    assert refused.value.code == code
    assert refused.value.fix


def test_near_control_tokens_are_text() -> None:
    said = "<|reserved_special_token_251|> <|reserved_special_token_007|> <|im_end|> [INST]"
    assert rendered(one("llama3"), [ASKS[0], {"role": "assistant", "content": said}]).endswith(f"{said}<|eot_id|>")


def test_thoughts_of_a_qwen3_answer_are_written_as_they_are() -> None:
    answer = {"role": "assistant", "content": "<think>\nIt adds up.\n</think>\n\n4"}
    text = rendered(one("qwen", version="3"), [ASKS[0], answer])
    assert text == f"<|im_start|>user\nQ1<|im_end|>\n<|im_start|>assistant\n{answer['content']}<|im_end|>\n"
    assert one("qwen", version="3").read({"text": text}).messages == [ASKS[0], answer]


def test_a_format_with_its_options_takes_what_it_wrote() -> None:
    for name, options in OURS.values():
        plugin = one(name, **options)
        row = Example([SYSTEM, *ONE] if options.get("version") == "v7" else ONE)
        assert plugin.takes(json.loads(plugin.write(row)))
        assert not plugin.takes({"text": "a story"})
    assert not one("qwen").takes(json.loads(one("llama3").write(Example(ONE))))


def test_a_begin_token_can_be_left_to_the_tokenizer() -> None:
    for name, text in (("llama2", "[INST] Q1 [/INST] A1 </s><s>[INST] Q2 [/INST] A2 </s>"),
                       ("mistral", "[INST] Q1[/INST] A1</s>[INST] Q2[/INST] A2</s>")):
        plugin = one(name, bos="leave")
        assert rendered(plugin, TWO) == text
        assert plugin.read({"text": text}).messages == TWO
        assert plugin.check(json.dumps({"text": text}).encode(), "f:1") == []
        assert plugin.rendering()["add_special_tokens"] is True
    assert one("llama3").rendering()["add_special_tokens"] is False
    with pytest.raises(RecipeError):
        one("chatml", bos="leave")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.lists(st.sampled_from([
    "x", " ", "\n", "<think>", "\n</think>\n\n", "<|im_end|>", "[INST]", "[/INST] ", "</s>", "<s>", "<|eot_id|>",
    "system", "Today Date: 26 Jul 2024", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."]),
    max_size=4).map("".join)


TURNS = st.one_of(
    st.lists(TEXTS, min_size=2, max_size=4).map(
        lambda texts: [(("user", "assistant")[at % 2], text) for at, text in enumerate(texts)]),
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), TEXTS), max_size=4),
)


def through(plugin: TextFormat, row: Example) -> None:
    """A row is refused with a reason; or its line reads back as the row, and is written again byte for byte."""
    try:
        line = plugin.write(row)
    except FormatRefusal as refusal:
        named(refusal)
        return
    back = plugin.read(json.loads(line))
    assert plugin.same(back, row)
    assert plugin.write(back) == line
    assert plugin.check(line, "f:1") == []


@pytest.mark.parametrize(("name", "options"), [
    *sorted({str(way): way for way in OURS.values()}.values(), key=str),
    ("llama2", {"bos": "leave"}), ("mistral", {"system": "fold"}), ("mistral", {"version": "tekken", "system": "fold"}),
    ("qwen", {}), ("qwen", {"version": "3"}), ("qwen", {"version": "3-2507"})])
@settings(max_examples=120, deadline=None)
@given(turns=TURNS, system=st.none() | TEXTS)
def test_any_text_through_any_family_and_back(
    name: str, options: dict[str, Any], turns: list[tuple[str, str]], system: str | None
) -> None:
    plugin = one(name, **options)
    head = [] if system is None else [{"role": "system", "content": system}]
    through(plugin, Example(head + [{"role": role, "content": text} for role, text in turns], sample="s1"))


def trl_templates() -> Path | None:
    """The folder in which TRL ships the hub's templates, without importing it."""
    spec = util.find_spec("trl")
    return Path(spec.origin).parent / "chat_templates" if spec and spec.origin else None


@pytest.mark.parametrize(("template", "name", "options", "tokens", "arguments"), [
    ("llama3", "llama3", {}, {"bos_token": "<|begin_of_text|>"}, {}),
    ("llama3_1", "llama3", {"date": "26 Jul 2024"}, {"bos_token": "<|begin_of_text|>"}, {}),
    ("llama3_2", "llama3", {"date": "26 Jul 2024"}, {"bos_token": "<|begin_of_text|>"}, {"date_string": "26 Jul 2024"}),
    ("gemma", "gemma", {}, {"bos_token": "<bos>"}, {}),
    ("gemma3", "gemma", {}, {"bos_token": "<bos>"}, {}),
    ("gemma4", "gemma4", {}, {"bos_token": "<bos>"}, {}),
    ("qwen2_5", "qwen", {"added": "allow"}, {}, {}),
    ("qwen3", "qwen", {"version": "3", "added": "allow"}, {}, {}),
    ("qwen3_instruct_2507", "qwen", {"version": "3-2507"}, {}, {}),
    ("phi3", "phi3", {}, {"eos_token": "<|endoftext|>"}, {}),
])
@settings(max_examples=60, deadline=None)
@given(turns=TURNS, system=st.none() | TEXTS)
@case([("assistant", "A")], "S")  # a real row, without a question
def test_the_hubs_templates_write_the_same(
    template: str, name: str, options: dict[str, Any], tokens: dict[str, str], arguments: dict[str, str],
    turns: list[tuple[str, str]], system: str | None
) -> None:
    """Any text, through transformers and the template that TRL ships: what we write is what it writes."""
    folder = trl_templates()
    if folder is None:
        pytest.skip("trl is not installed: no template of the hub to compare with")
    render = pytest.importorskip("transformers.utils.chat_template_utils").render_jinja_template
    head = [] if system is None or template == "gemma" else [{"role": "system", "content": system}]
    messages = head + [{"role": role, "content": text} for role, text in turns]
    try:
        line = one(name, **options).write(Example(messages, sample="s1"))
    except FormatRefusal:
        return
    theirs = render([messages], chat_template=(folder / f"{template}.jinja").read_text("utf-8"), **tokens, **arguments)
    assert json.loads(line)["text"] == (theirs[0][0] if isinstance(theirs, tuple) else theirs[0])
