"""The config `ollama`: what its template sends is the prompt that the format wrote and proved."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.configs import Made, open_configs
from pipeline.configs.ollama import go_template
from pipeline.errors import RecipeError
from pipeline.formats import FormatRefusal, find, open_formats
from pipeline.formats._text import TextFormat
from pipeline.formats._turns import turns
from pipeline.sections import Item
from pipeline.types import Example, Message

FORMATS: list[dict[str, dict[str, str]]] = [
    {"llama2": {}}, {"llama3": {}}, {"llama3": {"date": "26 Jul 2024"}}, {"gemma": {}}, {"gemma4": {}}, {"chatml": {}},
    {"qwen": {"version": "2.5", "added": "allow"}}, {"qwen": {"version": "3", "added": "allow"}},
    {"qwen": {"version": "3-2507"}}, {"mistral": {"version": "v1"}}, {"mistral": {"system": "fold"}},
    {"mistral": {"version": "tekken", "system": "fold"}}, {"mistral": {"version": "v7"}}, {"phi3": {}}]


def evaluated(template: str, messages: list[Message]) -> str:
    """What Go's text/template makes of the few words that our templates use; any other word fails."""
    parts = re.split(r"\{\{ (.*?) \}\}", template)  # text, word, text, word, ..., text
    assert "{{" not in "".join(parts[::2])
    begin, end = parts.index("range $i, $_ := .Messages"), len(parts) - 1 - parts[::-1].index("end")
    out = parts[0]
    for number, message in enumerate(messages):
        live, taken = [True], [True]  # of each open `if`: whether it is written, and whether a branch of it was
        for place in range(begin, end):
            part = parts[place]
            if place % 2 == 0:
                out += part if all(live) and place > begin else ""
            elif found := re.fullmatch(r"(else )?if eq (\.Role|\$i) (.+)", part):
                value = message["role"] if found[2] == ".Role" else number
                if not found[1]:
                    live.append(False)
                    taken.append(False)
                live[-1] = not taken[-1] and value == json.loads(found[3])
                taken[-1] = taken[-1] or live[-1]
            elif part == "else":
                live[-1] = not taken[-1]
            elif part == "end":
                live.pop()
                taken.pop()
            elif part == ".Content":
                out += str(message["content"]) if all(live) else ""
            else:
                assert place == begin, part
        assert live == [True]
    return out + parts[end + 1]


def opened(item: dict[str, dict[str, str]]) -> TextFormat:
    (found,) = open_formats([Item.model_validate(item)])
    assert isinstance(found, TextFormat)
    return found


def real(folder: Path) -> Iterator[list[Message]]:
    """Chats of OpenAI's toy file, seed tasks, and raw stories: nobody here wrote them."""
    for line in (folder / "openai" / "toy_chat_fine_tuning.jsonl").read_text(encoding="utf-8").splitlines():
        messages = json.loads(line)["messages"]
        if any(message["role"] == "user" for message in messages):  # Ollama sends no chat without one
            yield messages
    for line in (folder / "seed-tasks" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines():
        task = json.loads(line)
        one = task["instances"][0]
        yield [{"role": "system", "content": "You follow instructions."},
               {"role": "user", "content": f"{task['instruction']}\n{one['input']}".strip()},
               {"role": "assistant", "content": one["output"]}]
    for line in (folder / "synopses" / "synopses.jsonl").read_text(encoding="utf-8").splitlines():
        story = json.loads(line)
        texts = [value for value in story.values() if isinstance(value, str) and value.strip()]
        yield [{"role": "user", "content": texts[0]}, {"role": "assistant", "content": texts[-1]},
               {"role": "user", "content": "Go on."}, {"role": "assistant", "content": texts[-1]}]


@pytest.mark.parametrize("item", FORMATS, ids=json.dumps)
def test_the_template_sends_the_prompt_that_was_proven(item: dict[str, dict[str, str]], shared_data: Path) -> None:
    plugin, compared, refused = opened(item), 0, 0
    template = go_template(plugin)
    for messages in real(shared_data):
        row = Example(messages, sample="s1")
        try:
            wanted = plugin.prompt_text(row)
        except FormatRefusal:
            refused += 1
            continue
        strips = plugin.leaves(turns(row, plugin.name)) != turns(row, plugin.name)
        asked = [{**message, "content": message["content"].strip()} if strips else message for message in messages[:-1]]
        assert plugin.kind.begin + evaluated(template, asked) == wanted
        compared += 1
    assert compared > 100, f"{compared} compared, {refused} refused"


def test_the_modelfile_stops_where_the_model_learned_to(tmp_path: Path) -> None:
    golden = Path(__file__).parent.parent / "golden" / "configs"
    (config,) = open_configs([Item(name="ollama")], [find("llama3")])
    for name in ("llama2", "llama3", "gemma", "mistral", "chatml", "qwen", "phi3"):
        plugin = find(name)
        assert isinstance(plugin, TextFormat)
        text = config.files(Made(plugin, "train.jsonl", None, 700))["Modelfile"]
        assert text == (golden / f"Modelfile.{name}").read_text(encoding="utf-8")
        assert f'PARAMETER stop "{plugin.kind.stop}"' in text
        assert "PARAMETER num_ctx 1280\n" in text, "half as much again as the longest row, in steps of 256"
        assert text.count('"""') == 2


def test_a_format_without_prompts_of_its_own_is_refused() -> None:
    with pytest.raises(RecipeError, match="no way to read openai-chat") as refused:
        open_configs([Item(name="ollama")], [find("openai-chat")])
    assert "--format llama3 --config ollama" in refused.value.hint
