"""Chat, pair, Alpaca and ShareGPT lines: what is read, what is refused, and how each fault is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.formats import FormatRefusal, find, recognise
from pipeline.formats._chat import conversation_problems, plainly_sound
from pipeline.render import control_tokens
from pipeline.types import Example

ASK, ANSWER = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
CALLS = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


def ask(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def codes(name: str, values: dict[str, Any], severity: str = "error") -> list[str]:
    return [p.code for p in find(name).problems(values, "f:1") if p.severity == severity]


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([ASK, ANSWER], []),
        ([{"role": "developer", "content": "D"}, ASK, ANSWER], []),
        ([ASK, CALLS], []),
        ([ASK, CALLS, {"role": "tool", "tool_call_id": "c1", "content": "4"}, ANSWER], []),
        ([ASK, {"role": "assistant", "content": "", "refusal": "no"}], []),
        ([], ["no-messages"]),
        ([ASK], ["no-answer"]),
        ([ASK, ANSWER, ASK], ["last-turn-not-assistant"]),
        ([ANSWER], ["no-user"]),
        ([{"role": "system", "content": "S"}, ANSWER], []),
        ([{"role": "human", "content": "Q"}, ANSWER], ["unknown-role", "no-user"]),
        ([{"content": "Q"}, ASK, ANSWER], ["unknown-role"]),
        (["Q", ASK, ANSWER], ["message-not-an-object"]),
        ([ASK, {"role": "assistant", "content": " \n"}], ["empty-answer"]),
        ([ASK, {"role": "assistant"}], ["empty-answer"]),
        ([ASK, {"role": "assistant", "content": []}], ["empty-answer"]),
        ([{"role": "user"}, ANSWER], ["no-content"]),
        ([{"role": "user", "content": 3}, ANSWER], ["bad-content"]),
        ([ASK, {**ANSWER, "weight": 0}], ["nothing-trained"]),
        ([ASK, {**ANSWER, "weight": 0}, ASK, {**ANSWER, "weight": 1}], []),
        ([ASK, {**ANSWER, "weight": 0}, ASK, ANSWER], []),
        ([ASK, {**ANSWER, "weight": 0.5}], ["bad-weight"]),
        ([ASK, {**ANSWER, "weight": True}], ["bad-weight"]),
        ([{**ASK, "weight": 1}, ANSWER], ["weight-not-on-answer"]),
        ([{**ASK, "name": "a b"}, ANSWER], ["bad-name"]),
        ([ASK, {"role": "assistant", "content": "x<|fim_suffix|>y<|im_end|>"}], ["special-token", "special-token"]),
        ([{"role": "user", "content": [{"type": "text", "text": "<|endoftext|>"}]}, ANSWER], ["special-token"]),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "cat.png"}}]}, ANSWER], ["bad-part"]),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b"}}] * 11}, ANSWER],
            ["too-many-images"],
        ),
        ([ask(*[PNG] * 6), ANSWER, ask(*[PNG] * 5), ANSWER], ["too-many-images"]),
        ([ask({**PNG, "image_url": {"url": "data:image/gif;base64,R0lG"}}), ANSWER], ["bad-image"]),
        ([ask({**PNG, "image_url": {"url": "data:image/png;base64," + "A" * 14_000_000}}), ANSWER], ["bad-image"]),
        ([ASK, {**CALLS, "tool_calls": CALLS["tool_calls"] * 2}], ["duplicate-tool-call-id"]),
        ([ASK, {"role": "assistant", "content": "\u200b\u2800\ufeff"}], ["empty-answer"]),
        ([ASK, {"role": "assistant", "content": "👍🏽"}], []),
        (
            [ASK, {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "https://a/b"}}]}],
            ["image-in-answer", "empty-answer"],
        ),
        ([ASK, CALLS, ASK, ANSWER], ["tool-call-unanswered"]),
        ([ASK, {"role": "tool", "tool_call_id": "c9", "content": "4"}, ANSWER], ["unknown-tool-call-id"]),
        (
            [ASK, {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{"}}]}],
            ["bad-arguments"],
        ),
        ([ASK, {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}], ["bad-tool-call"]),
        (
            [{"role": "robot"}, {"role": "assistant", "content": " ", "weight": 7}],
            ["unknown-role", "no-content", "empty-answer", "no-user", "bad-weight"],
        ),
    ],
)
def test_chat_faults(messages: list[Any], found: list[str]) -> None:
    assert codes("openai-chat", {"messages": messages}) == found


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "role": st.sampled_from(["system", "user", "assistant", "developer"]),
                "content": st.sampled_from(["x", " ", "<|im_end|>", "", None, "\u200b", 3]),
            },
            optional={"weight": st.sampled_from([0, 1])},
        ),
        max_size=4,
    ),
    st.sampled_from([None, [], [{}]]),
)
def test_the_quick_way_lets_nothing_pass(messages: list[Any], tools: Any) -> None:
    """A row that is plainly sound has no problem in the slow way either."""
    values = {"messages": messages, "tools": tools}
    if plainly_sound([values]):
        assert list(conversation_problems(values, "f:1")) == []


def test_chat_warnings() -> None:
    assert codes("openai-chat", {"messages": [ASK, {**ANSWER, "thinking": "hm"}]}, "warning") == ["unknown-key"]
    assert codes("openai-chat", {"messages": [{"role": "user", "content": " "}, ANSWER]}, "warning") == [
        "empty-message"
    ]
    assert codes("openai-chat", {"messages": [ASK, {"role": "system", "content": "S"}, ANSWER]}, "warning") == [
        "late-system"
    ]
    assert codes("openai-chat", {"messages": [ASK, ANSWER], "tools": [{"name": "f"}]}) == ["bad-tools"]


def test_the_cookbooks_file_has_no_error(shared_data: Path) -> None:
    """Five rows that OpenAI's notebook passes; one of them has no user, which we do say."""
    lines = (shared_data / "openai" / "toy_chat_fine_tuning.jsonl").read_bytes().splitlines()
    found = [
        (problem.where, problem.severity, problem.code)
        for number, line in enumerate(lines, 1)
        for problem in find("openai-chat").check(line, f"toy:{number}")
    ]
    assert found == [("toy:4", "warning", "no-user")]


def test_special_tokens() -> None:
    assert control_tokens("a <|reserved_200013|> b <|reserved_999999|> <|start|>", "openai") == [
        "<|reserved_200013|>",
        "<|start|>",
    ]
    assert control_tokens("1 < 2 | 3 <|nothing|>", "openai") == []
    assert control_tokens("</s> and [INST] and </s>", "llama2") == ["</s>", "[INST]"]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"messages": []}, "openai-chat"),
        ({"conversations": [], "id": 1}, "sharegpt"),
        ({"prompt": "p", "completion": "c", "id": 1}, "prompt-completion"),
        ({"prompt": None, "completion": "c"}, "prompt-completion"),
        ({"instruction": "i", "output": "o"}, "alpaca"),
        ({"instruction": "i", "input": "", "output": "o"}, "alpaca"),
        ({"text": "<s>[INST] Q [/INST] A </s>"}, "llama2"),
        ({"text": "<start_of_turn>user\n"}, "gemma"),
        ({"text": "a story"}, "text"),
        ({"text": "a story", "name": "a"}, None),
        ({"prompt": [], "completion": []}, "trl-prompt-completion"),
        ({"prompt": [], "completion": 3}, None),
        ({}, None),
    ],
)
def test_recognise(values: dict[str, Any], name: str | None) -> None:
    found = recognise(values)
    assert (found.name if found else None) == name


def test_other_keys_become_fields() -> None:
    assert find("prompt-completion").read({"prompt": "p", "completion": "c", "id": 3}).fields == {"id": 3}
    assert find("openai-chat").read({"messages": [ASK, ANSWER], "id": 3}).fields == {"id": 3}
    assert find("sharegpt").read({"conversations": [], "id": 3}).fields == {"id": 3}


def test_alpaca_takes_llama_factorys_keys() -> None:
    row = find("alpaca").read({"instruction": "i", "input": "n", "output": "o", "system": "s", "history": [["a", "b"]]})
    assert [message["role"] for message in row.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert row.messages[3]["content"] == "i\n\nn"
    with pytest.raises(FormatRefusal, match="system"):
        find("alpaca").write(row)


def test_alpaca_keeps_a_changed_row_whole() -> None:
    """Instruction and input come back only where they still say what the row says."""
    fields = {"instruction": "i", "input": "n"}
    changed = Example([{"role": "user", "content": "i, in short\n\nn"}, ANSWER], fields=fields)
    assert json.loads(find("alpaca").write(changed)) == {"instruction": "i, in short\n\nn", "input": "", "output": "A"}


def test_sharegpt_speakers() -> None:
    row = find("sharegpt").read(
        {
            "system": "s",
            "conversations": [
                {"from": "user", "value": "q"},
                {"role": "assistant", "content": "a", "weight": 0},
                {"from": "human", "value": "q"},
                {"from": "chatgpt", "value": "a", "markdown": None},
            ],
        }
    )
    assert row.messages == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a", "weight": 0},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
    ]
    with pytest.raises(FormatRefusal) as refusal:
        find("sharegpt").read({"conversations": [{"from": "humen", "value": "q"}]})
    assert refusal.value.fix == "did you mean 'human'?"


def test_seed_systems_line() -> None:
    """`json.dump` of a dict, as scripts of 2022 wrote their training files."""
    row = Example(
        [{"role": "user", "content": "Genre: é\n\nPLOT OUTLINE: "}, {"role": "assistant", "content": "“A” — b"}]
    )
    line = find("prompt-completion").write(row, ascii=True)
    assert line == json.dumps({"prompt": "Genre: é\n\nPLOT OUTLINE: ", "completion": "“A” — b"}).encode()


def test_half_a_surrogate_pair_is_refused() -> None:
    for escape in (False, True):
        with pytest.raises(FormatRefusal) as refusal:
            find("prompt-completion").write(Example([ASK, {"role": "assistant", "content": "a\ud800"}]), ascii=escape)
        assert refusal.value.code == "lone-surrogate"
