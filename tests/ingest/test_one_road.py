"""`synth import` and a recipe's `source` are one road: the same rows, under the same ids, never twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import main
from pipeline.store import Dataset
from pipeline.types import Sample

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
ASKED = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALL = {"role": "assistant", "tool_calls": [ASKED]}
FILES: dict[str, list[dict[str, Any]]] = {
    "chat.jsonl": [{"messages": [{"role": "user", "content": "Q"}, CALL], "tools": TOOLS, "n": 1},
                   {"messages": [{"role": "user", "content": "R"}, {"role": "assistant", "content": "A"}], "n": 2}],
    "turns.jsonl": [{"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}], "system": "S"}],
    "alpaca.json": [{"instruction": "Do", "input": "this", "output": "done"}, {"instruction": "Go", "output": "gone"}],
    "pairs.jsonl": [{"prompt": "", "completion": "A"}, {"prompt": "Q ", "completion": " A"}],
    "tickets.csv": [{"subject": f"It is broken {n}", "body": "very\r\nbroken", "label": "ab"[n % 2]} for n in range(6)],
}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".csv":
        import csv

        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def samples(name: str) -> list[Sample]:
    with Dataset.open(Path("datasets") / name) as dataset:
        return list(dataset.samples())


@pytest.mark.parametrize("file", FILES)
def test_the_same_rows_both_ways(workdir: Path, capsys: pytest.CaptureFixture[str], file: str) -> None:
    write(workdir / file, FILES[file])
    columns = ["--prompt", "{{subject}}\n{{body}}", "--completion", "label"] if file == "tickets.csv" else []
    assert main(["import", "mine", file, *columns]) == 0
    assert main(["init", "again", "--from", file]) == 0
    assert main(["generate", "again"]) == 0, capsys.readouterr().err
    mine, again = samples("mine"), samples("again")
    assert [sample.id for sample in again] == [sample.id for sample in mine]
    assert len(mine) == len(FILES[file])
    for one, other in zip(mine, again, strict=True):
        assert (one.messages, one.tools, one.fields) == (other.messages, other.tools, other.fields)
    assert mine[0].tools == (TOOLS if file == "chat.jsonl" else None)
    assert main(["generate", "mine"]) == 0, "the snapshot of an import is a recipe like any other"
    assert samples("mine") == mine
    assert main(["import", "again", file, *columns]) == 0
    assert samples("again") == again


def test_folders_both_ways(workdir: Path) -> None:
    for folder in ("p", "c"):
        (workdir / folder).mkdir()
        for name in ("b", "A"):
            (workdir / folder / name).write_text(f"{folder} {name}\n")
    assert main(["import", "mine", "--prompts", "p", "--completions", "c", "--order", "name-ignorecase"]) == 0
    before = samples("mine")
    assert main(["generate", "mine"]) == 0
    assert samples("mine") == before


def test_rows_that_a_source_cannot_give_are_said(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = b'[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]'
    (workdir / "rows.jsonl").write_bytes(b'{"messages":%s}\nnonsense\n{"messages":"no"}\n' % turns)
    assert main(["init", "mine", "--from", "rows.jsonl"]) == 0
    capsys.readouterr()
    assert main(["generate", "mine"]) == 0
    err = capsys.readouterr().err
    assert "2 rows are left out; the first: " in err
    assert "rows.jsonl:2: not JSON" in err
    assert len(samples("mine")) == 1
