"""That a curation is not the recipe's is said by who ships it, and what makes it so can be pasted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.commands import main

OTHERWISE = "decided by"


@pytest.fixture
def ferry(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Three imported rows, and a recipe of the person's own for them."""
    texts = ["short", "I'm sorry, but I can't help with that request today.", "The ferry leaves at six, in the rain."]
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert main(["import", "ferry", "rows.jsonl", "--completion", "text"]) == 0
    _recipe(workdir, "[length: {min: 10, unit: bytes}]")
    assert main(["curate", "ferry"]) == 0
    capsys.readouterr()
    return workdir


def _recipe(folder: Path, rules: str) -> None:
    made = (folder / "datasets" / "ferry" / "recipe.yaml").read_text()
    (folder / "ferry.yaml").write_text(f"{made}curate: {rules}\n")


def _said(capsys: pytest.CaptureFixture[str], verb: str) -> str:
    capsys.readouterr()
    assert main([verb, "ferry"]) == 0
    return capsys.readouterr().err


@pytest.mark.parametrize(("words", "by"), [
    (["--rule", "refusal"], "--rule"), (["--set", "curate.length.min=3"], "--set"),
    (["--against", "eval.jsonl"], "--against"),
])
def test_rules_of_the_command_line_are_told_until_the_recipe_has_them(
    ferry: Path, capsys: pytest.CaptureFixture[str], words: list[str], by: str,
) -> None:
    (ferry / "eval.jsonl").write_text(json.dumps({"prompt": "Which boat?", "completion": "None of them."}) + "\n")
    assert OTHERWISE not in _said(capsys, "export") + _said(capsys, "status")
    assert main(["curate", "ferry", *words]) == 0
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("write  "))
    for verb in ("export", "status"):
        said = _said(capsys, verb)
        assert f"decided by {by}, not by ferry.yaml (" in said
        assert "synth curate ferry   decides by the recipe" in said
    place, _, rules = line.partition(": curate: ")
    assert place == "write  ferry.yaml:" + str(len((ferry / "ferry.yaml").read_text().splitlines()))
    _recipe(ferry, rules)
    assert OTHERWISE not in _said(capsys, "export") + _said(capsys, "status"), "the line that was proposed is pasted"


def test_a_recipe_that_changed_is_told_until_it_decided(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _recipe(ferry, "[length: {min: 12, unit: bytes}, refusal]")
    told = "decided by other rules than ferry.yaml has now (length.min 10 -> 12, refusal added): synth curate ferry"
    assert told in _said(capsys, "export")
    assert told in _said(capsys, "status")
    assert main(["export", "ferry", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["decided_otherwise"].startswith(told)
    assert OTHERWISE not in _said(capsys, "curate")
    assert OTHERWISE not in _said(capsys, "export") + _said(capsys, "status")
