"""`synth curate` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.commands.curate import rules_of
from pipeline.errors import RecipeError

TEXTS = ["short", "I'm sorry, but I can't help with that request today.", "The ferry leaves at six, without the goat."]


@pytest.fixture
def ferry(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A dataset of three imported rows."""
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    assert main(["import", "ferry", "rows.jsonl", "--completion", "text"]) == 0
    capsys.readouterr()
    return workdir / "datasets" / "ferry"


def test_one_json_document_with_the_counts(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}", "--rule", "refusal", "--json"]) == 0
    said = capsys.readouterr()
    done = json.loads(said.out)
    assert (done["kept"], done["dropped"], done["by_rule"]) == (1, 2, {"length": 1, "refusal": 1})
    assert "synth export ferry" in said.err


def test_people_see_a_table_the_dropped_rows_and_the_next_command(
    ferry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curate", "ferry", "--rule", "[length: {min: 10, unit: bytes}, refusal]"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "1 kept, 2 dropped, 0 flagged, of 3 rows"
    assert "5 bytes < 10" in said.err
    assert said.err.splitlines()[-1].endswith("synth export ferry")


def test_nothing_kept_is_exit_code_3_after_the_report(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 1000, unit: words}"]) == 3
    said = capsys.readouterr()
    assert "0 kept, 3 dropped" in said.out
    assert "all 3 rows are dropped" in said.err
    assert len((ferry / "verdicts.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.parametrize(("rule", "words"), [
    ("length: 1 KB", "has several meanings"), ("lenght: {min: 1}", "did you mean 'length'?"), ("[a", "not YAML"),
    ("3", "no rule"), ("length {min: 5, unit: words}", "--rule 'length: {min: 5, unit: words}'"),
    ("length:{min:5}", "--rule 'length: {min: 5}'"), ("refusal: {partial: dorp}", "did you mean 'drop'?"),
])
def test_a_rule_that_cannot_be_meant_is_exit_code_2(
    ferry: Path, capsys: pytest.CaptureFixture[str], rule: str, words: str
) -> None:
    assert main(["curate", "ferry", "--rule", rule]) == 2
    assert words in capsys.readouterr().err
    assert not (ferry / "verdicts.jsonl").exists()


def test_the_fault_names_the_rule_that_has_it(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "refusal", "--rule", "length: {min: 5}"]) == 2
    assert "--rule 2: length: which unit?" in capsys.readouterr().err


def test_without_rules_some_are_named(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry"]) == 2
    assert "--rule refusal" in capsys.readouterr().err


def test_the_recipes_rules_can_be_set_for_a_call(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--set", "curate=[refusal]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["by_rule"] == {"refusal": 1}


def test_rules_are_what_a_recipes_list_takes() -> None:
    found = rules_of(["refusal", "length: {min: 1, unit: bytes}", "[finish_reason, near_duplicate: {threshold: 0.7}]"])
    assert [item.name for item in found] == ["refusal", "length", "finish_reason", "near_duplicate"]
    with pytest.raises(RecipeError, match="no rule"):
        rules_of(["{length: 1, refusal: 2}"])
