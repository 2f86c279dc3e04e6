"""Conversations with tools: read, written and read back as they stand, and refused whole where there is no place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline import registry
from pipeline.commands import main
from pipeline.formats import FormatRefusal, find
from pipeline.sections import Item
from pipeline.types import Example
from tests.formats.test_golden import CALL, TOOL

ROW = Example(
    [{"role": "user", "content": "Weather in Zürich?"},
     {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 0},
     {"role": "tool", "tool_call_id": "call_1", "content": '{"t": 7}'},
     {"role": "assistant", "content": "Seven degrees."}], tools=[TOOL], sample="a row")
HOLD = {"openai-chat", "openai-dpo", "trl-dpo", "trl-prompt-completion", "trl-kto", "openai-batch"}


def test_weights_calls_and_results_come_back() -> None:
    chat = find("openai-chat")
    line = chat.write(ROW)
    assert chat.check(line, "here") == []
    again = chat.read(json.loads(line))
    assert chat.same(again, ROW)
    assert chat.write(again) == line


@pytest.mark.parametrize("name", sorted(set(registry.plugins("formats")) - HOLD))
@pytest.mark.parametrize("row", [
    ROW, Example(ROW.messages, sample="calls alone"), Example([ROW.messages[0], ROW.messages[3]], tools=[TOOL])],
    ids=["both", "calls", "tools"])
def test_a_format_without_a_place_says_one_sentence(name: str, row: Example) -> None:
    with pytest.raises(FormatRefusal) as caught:
        find(name).values(row)
    assert caught.value.code == "holds-no-tools"
    said = [problem.message for problem in caught.value.problems("")]
    assert said.count(f"{name} has no place for tools and their calls") == 1
    assert not any("without text" in each or "role 'tool'" in each or "empty" in each for each in said)


def test_a_template_of_text_drops_no_tool_in_silence() -> None:
    from pipeline.formats import open_formats

    (text,) = open_formats([Item(name="text", options={"template": "{{prompt}} {{answer}}"})])
    with pytest.raises(FormatRefusal) as caught:
        text.values(ROW)
    assert caught.value.code == "holds-no-tools"


def published(shared_data: Path) -> list[dict[str, Any]]:
    """Rows of OpenAI's own examples: each request that has tools, with the answer that its description gives to it."""
    text = (shared_data / "openai" / "openapi.yaml").read_text().replace("'\\''", "'")
    decoder, found = json.JSONDecoder(), []
    for asked in re.finditer(r"/v1/chat/completions[^{}]*-d '(?=\{)", text):
        try:
            request, end = decoder.raw_decode(text, asked.end())
        except ValueError:
            continue  # with a variable of a shell in it
        answered = re.compile(r"response: (?:\||>)\s+(?=\{)").search(text, end)
        if "tools" in request and answered:
            message = decoder.raw_decode(text, answered.end())[0]["choices"][0]["message"]
            found.append({"messages": [*request["messages"], message], "tools": request["tools"]})
    return found


def test_openais_own_tool_calls_come_in_and_go_out_byte_for_byte(shared_data: Path, workdir: Path) -> None:
    rows = published(shared_data)
    assert rows, "the description has an example with tools"
    assert rows[0]["messages"][-1]["tool_calls"][0]["function"]["arguments"] == '{\n"location": "Boston, MA"\n}'
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    Path("weather.jsonl").write_bytes(lines)
    assert main(["import", "weather", "weather.jsonl"]) == 0
    assert main(["export", "weather"]) == 0
    (path,) = Path("datasets/weather/exports/openai-chat").glob("train.jsonl")
    assert path.read_bytes() == lines
    assert main(["check", str(path)]) == 0
    chat = find("openai-chat")
    for row in rows:
        assert json.loads(chat.write(chat.read(row))) == row, "written anew, it says the same"
