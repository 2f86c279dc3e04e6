"""Examples in prompts through a run: what an edit of their file costs, and what a row says it was shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.generate import doubts
from pipeline.store import Dataset
from tests.generate.folder import Folder

RECIPE = """\
synth: 1
name: tales
seed: 3
axes: {hero: {numbers: {min: 1, max: 24}}}
prompt:
  user: "{% for e in examples %}<{{ e.tale }}> {% endfor %}A tale of hero {{hero}}."
  examples: {file: tales.jsonl, n: 2}
train: {user: "{{hero}}"}
generate: {model: "scripted:m", max_tokens: 100}
"""


def tales(count: int) -> str:
    return "".join(json.dumps({"tale": f"once {number}"}) + "\n" for number in range(count))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path, RECIPE)
    (tmp_path / "tales.jsonl").write_text(tales(12))
    return made


def test_the_bill_counts_the_examples_and_the_row_names_them(folder: Folder) -> None:
    plan = folder.plan()
    assert plan.new_calls == 24
    assert all(prompt.count("<once ") == 2 for prompt in plan.prompts)
    folder.run()
    for row in folder.rows():
        refs = row.provenance["examples"]["answer"]
        shown = "".join(f"<once {ref['number'] - 1}> " for ref in refs)
        assert folder.prompts[f"{shown}A tale of hero {row.cell['hero']}."] == 1
        assert {ref["file"] for ref in refs} == {"tales.jsonl"}
        assert row.messages[0]["content"] == str(row.cell["hero"]), "the tuned model sees none of it"


def test_a_line_more_pays_for_the_rows_that_it_wins(folder: Folder) -> None:
    folder.run()
    (folder.path / "tales.jsonl").write_text(tales(13))
    plan = folder.plan()
    assert 0 < plan.new_calls < 10
    assert plan.reused == 24 - plan.new_calls
    assert plan.aside == {"earlier": plan.new_calls}
    assert folder.asked() == plan.new_calls
    assert len(folder.standing()) == 24, "what was shown others stands aside"
    shown = [ref["number"] for row in folder.standing() for ref in row.provenance["examples"]["answer"]]
    assert shown.count(13) == plan.new_calls
    (folder.path / "tales.jsonl").write_text(tales(12))
    assert folder.plan().new_calls == 0
    folder.run()
    assert len(folder.standing()) == 24, "and comes back for nothing"


def test_another_order_asks_for_nothing_and_puts_nothing_aside(folder: Folder) -> None:
    folder.run()
    before = folder.file.read_bytes()
    (folder.path / "tales.jsonl").write_text("".join(reversed(tales(12).splitlines(keepends=True))))
    plan = folder.plan()
    assert (plan.new_calls, plan.aside) == (0, {})
    assert folder.asked() == 0
    assert folder.file.read_bytes() == before


def test_rows_made_again_after_their_file_is_gone(folder: Folder) -> None:
    folder.run()
    folder.file.unlink()
    assert folder.asked() == 0
    assert len(folder.standing()) == 24
    assert (folder.home / "tales.jsonl").read_text() == tales(12), "the snapshot has them"


def test_what_cannot_be_shown_is_said_before_anything_is_sent(folder: Folder) -> None:
    (folder.path / "tales.jsonl").write_text(tales(5) + '{"tail": "x"}\n')
    with Dataset(folder.home) as dataset:
        said = doubts(folder.recipe, dataset, folder.writer)
    wanted = "1 of 6 rows of tales.jsonl is never shown: tales.jsonl:6: this row has no 'tale'"
    assert any(wanted in one for one in said)


def test_inspect_says_which_lines_a_row_was_shown(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "tales.yaml").write_text(RECIPE.replace('model: "scripted:m", ', ""))
    (workdir / "tales.jsonl").write_text(tales(12))
    assert main(["generate", "tales"]) == 0
    capsys.readouterr()
    row = json.loads(Path("datasets/tales/samples.jsonl").read_text().splitlines()[0])
    assert main(["inspect", "tales", row["id"]]) == 0
    lines = ", ".join(f"tales.jsonl:{ref['number']}" for ref in row["provenance"]["examples"]["answer"])
    assert f"answer was shown  {lines}" in capsys.readouterr().out
