"""What a run would do to rows that are paid for, and what its recipe probably does not mean: said before it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.commands import main
from tests.made import TALES
from tests.servers import Server

RECIPE = TALES + "generate: {max_tokens: 500}\ncurate: []\n"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return " ".join(re.sub(r"\s+", " ", captured.out + captured.err).split())


@pytest.mark.parametrize("verb", ["plan", "preview", "generate", "run"])
def test_what_is_probably_not_meant(tales: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("of a {{hero}} in {{place}}", "of a {hero}"))
    assert main([verb, "tales"]) == 0
    told = said(capsys)
    assert "note tales.yaml:6: {hero} in prompt.user stays as it is written; its value is {{hero}}" in told
    assert "note tales.yaml:5: no prompt names the axis 'place'" in told


def test_a_plan_has_it_as_json(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace(" in {{place}}.", "."))
    assert main(["plan", "tales", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert len(value["doubts"]) == 1
    assert value["aside"] == {}


def test_rows_of_a_file_too(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "t.csv").write_text("q,a\nWhy?,So.\n")
    (workdir / "t.yaml").write_text(
        "synth: 1\nname: t\nsource: {file: t.csv}\ntrain: {user: 'Q: {q}', assistant: '{{a}}'}\n")
    assert main(["run", "t"]) == 0
    assert "note t.yaml:4: {q} in train.user stays as it is written; its value is {{q}}" in said(capsys)


@pytest.mark.parametrize("verb", ["plan", "preview", "generate", "run"])
def test_what_becomes_of_paid_rows(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    real = ["--model", "openai:story-small", "--base-url", server.base_url]
    assert main(["generate", "tales", *real]) == 0
    assert "aside" not in said(capsys)
    grown = RECIPE.replace("  place", "  mood: [merry]\n  place").replace("A tale", "A {{mood}} tale")
    (tales / "tales.yaml").write_text(grown)
    assert main([verb, "tales", *real]) == 0
    assert "6 paid rows will stand aside: made by an earlier prompt or model" in said(capsys)


def test_a_value_that_is_renamed(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    real = ["--model", "openai:story-small", "--base-url", server.base_url]
    assert main(["generate", "tales", *real]) == 0
    (tales / "tales.yaml").write_text(RECIPE.replace("nurse", "judge"))
    capsys.readouterr()
    assert main(["plan", "tales", *real]) == 0
    told = said(capsys)
    assert "2 new calls" in told
    assert "2 paid rows will stand aside: cell is no longer in the recipe" in told


def test_rehearsed_rows_make_way_for_real_ones(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "tales"]) == 0
    capsys.readouterr()
    assert main(["generate", "tales", "--model", "openai:story-small", "--base-url", server.base_url]) == 0
    assert "note 6 rows will stand aside: rehearsed, once the first real row is there" in said(capsys)
    assert main(["plan", "tales", "--model", "openai:story-small", "--base-url", server.base_url]) == 0
    assert "stand aside" not in said(capsys)


def test_a_plan_does_not_call_rehearsed_rows_paid(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "tales"]) == 0
    (tales / "tales.yaml").write_text(RECIPE + "sample: {rows: 4}\n")
    capsys.readouterr()
    assert main(["plan", "tales", "--model", "openai:gpt-4.1-mini"]) == 0
    told = said(capsys)
    assert "4 wanted, none asked for yet, 2 more that are rehearsed and no longer asked for" in told
    assert "6 rows will stand aside: rehearsed, once the first real row is there" in told
    assert "real rows exist" not in told
    assert main(["plan", "tales"]) == 0
    assert "2 more that are answered and no longer asked for" in said(capsys)
