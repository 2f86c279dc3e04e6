"""The bytes of every format, frozen: altering one changes what users' models are trained on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from pipeline import registry
from pipeline.formats import Format, FormatRefusal, find, open_formats
from pipeline.sections import Item
from pipeline.types import Example
from tests.render.folders import folder_of

GOLDEN = Path(__file__).parent.parent / "golden" / "formats"
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"place": "Zürich"}'}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def rows() -> list[Example]:
    def row(*messages: dict[str, object], **rest: object) -> Example:
        return Example(list(messages), sample=f"row{number()}", **rest)  # type: ignore[arg-type]

    count = iter(range(1, 99))

    def number() -> int:
        return next(count)

    ask, answer = {"role": "user", "content": "Q1"}, {"role": "assistant", "content": "A1"}
    return [
        row(ask, answer),
        row({"role": "system", "content": "SYS"}, ask, answer),
        row(ask, answer, {"role": "user", "content": "Q2"}, {"role": "assistant", "content": "A2"}),
        row(answer),
        row(
            {"role": "user", "content": ' Où est "l\'été"?\n\n'},
            {"role": "assistant", "content": "\tÀ 5 €, 😀\u2028\x7f\\ "},
        ),
        row(
            {"role": "user", "content": "Translate\n\ncat"}, answer, fields={"instruction": "Translate", "input": "cat"}
        ),
        row({"role": "user", "content": "named"}, answer, fields={"name": "Crime & Co.txt"}),
        row(
            ask,
            {"weight": 0, "content": "bad", "role": "assistant"},
            ask,
            {"role": "assistant", "content": "A1", "weight": 1},
        ),
        row(
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ],
                "name": "ann",
            },
            answer,
        ),
        row(
            ask,
            {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None},
            {"tool_call_id": "call_1", "role": "tool", "content": "{}"},
            answer,
            tools=[TOOL],
            fields={"parallel_tool_calls": False},
        ),
    ]


def pairs() -> list[Example]:
    """Rows with an answer that lost, for formats that hold it."""
    other = [{"role": "assistant", "content": "B1 “é”"}]
    given = rows()
    return [replace(row, rejected=other, sample=f"pair{at}") for at, row in enumerate(given)] + [
        replace(given[0], rejected=[{"role": "assistant", "content": "A1"}], sample="equal")]


def labelled() -> list[Example]:
    """Rows that say whether their answer is desired, for formats that hold it."""
    return [replace(row, label=("true", "false")[at % 2], sample=f"labelled{at}") for at, row in enumerate(rows())]


def rows_for(plugin: Format) -> list[Example]:
    """All that a format may be given."""
    return [*rows(), *(pairs() if plugin.pairs else []), *(labelled() if "label" in plugin.holds else [])]


TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] | trim }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@cache
def opened(name: str) -> Format:
    """A format, with a tokenizer's folder where it is nothing without one."""
    if name == "openai-batch":
        return open_formats([Item(name=name, options={"model": "gpt-4.1-mini", "params": {"max_tokens": 9}})])[0]
    if name != "chat-template":
        return find(name)
    folder = Path(mkdtemp()) / "model"
    special = ("<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>")
    (found,) = open_formats([Item(name=name, options={"tokenizer": str(folder_of(folder, TEMPLATE, special=special))})])
    return found


def written(name: str, escape: bool) -> bytes:
    """Every row as the format writes it, or the code for which it is refused."""
    plugin, lines = opened(name), []
    for row in rows_for(plugin):
        try:
            lines.append(plugin.write(row, ascii=escape) if plugin.lines else _texts(plugin, row))
        except FormatRefusal as refusal:
            lines.append(b"# " + row.sample.encode() + b" " + refusal.code.encode())
    return b"\n".join(lines) + b"\n"


def _texts(plugin: object, row: Example) -> bytes:
    return b"\x1f".join(text.encode() for text in plugin.texts(row, False))  # type: ignore[attr-defined]


@pytest.mark.parametrize("escape", [False, True])
@pytest.mark.parametrize("name", list(registry.plugins("formats")))
def test_bytes_are_frozen(name: str, escape: bool) -> None:
    if escape and not find(name).lines:
        with pytest.raises(FormatRefusal):
            find(name).texts(rows()[0], True)  # type: ignore[attr-defined]
        return
    path = GOLDEN / f"{name}{'.ascii' if escape else ''}.txt"
    assert written(name, escape) == path.read_bytes()


def test_every_golden_file_has_its_format() -> None:
    stems = {path.name.split(".")[0] for path in GOLDEN.iterdir()}
    assert stems == set(registry.plugins("formats"))


@pytest.mark.parametrize("name", ["csv", "parquet", "folders"])
def test_containers_hold_the_bytes(name: str, tmp_path: Path) -> None:
    target = tmp_path / f"train{find(name).suffix}"
    wanted = []
    with find(name).open(target) as sink:
        for row in rows():
            try:
                sink.add(row)
                wanted.append(row)
            except FormatRefusal:
                pass
    assert find(name).prove(target, wanted) == len(wanted) == 5
    if name == "csv":
        head = target.read_bytes().splitlines()[:2]
        assert head == [b'"prompt","completion"', b'"Q1","A1"']
        assert b'" O\xc3\xb9 est ""l\'\xc3\xa9t\xc3\xa9""?\n\n","\t' in target.read_bytes()
    if name == "folders":
        assert sorted(path.name for path in (target / "completions").iterdir()) == [
            "Crime & Co.txt",
            "row1.txt",
            "row4.txt",
            "row5.txt",
            "row6.txt",
        ]
        assert (target / "prompts" / "row4.txt").read_bytes() == b""
        assert (target / "completions" / "row5.txt").read_bytes() == "\tÀ 5 €, 😀\u2028\x7f\\ ".encode()
