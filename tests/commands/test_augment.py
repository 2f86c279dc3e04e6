"""`synth augment` as it is typed, on a rehearsal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.commands import main

SHORT = "In Egypt, a piano tuner finds a letter in a piano. Nobody has played it for forty years."
LENGTHEN = "augment=[expand: {below: 400}]"


@pytest.fixture
def tales(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A dataset of three imported rows, two of them short."""
    texts = [SHORT, SHORT.replace("Egypt", "Japan"), " ".join(f"Scene {number} is told." for number in range(40))]
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert main(["import", "tales", "rows.jsonl", "--completion", "text"]) == 0
    capsys.readouterr()
    return workdir / "datasets" / "tales"


def test_rows_and_price_first_then_what_was_gained(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "tales", "--set", LENGTHEN]) == 0
    said = capsys.readouterr().err
    lines = said.splitlines()
    assert lines[0] == "rows   2 rows to rewrite (expand 2)"
    order = ("rehearsal: nobody real answers", "2 new calls, $0", "gained 2 rows of 2")
    assert sorted(order, key=said.index) == list(order)
    assert lines[-1].startswith("next   synth curate tales")
    rows = [json.loads(line) for line in (tales / "samples.jsonl").read_bytes().splitlines()]
    assert [len(row["messages"][-1]["content"]) >= 400 for row in rows] == [False, False, True, True, True]
    assert {row["parent"] for row in rows[3:]} == {row["id"] for row in rows[:2]}
    assert all(row["provenance"]["rehearsal"] for row in rows[3:])


def test_a_second_time_there_is_nothing_to_do(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["augment", "tales", "--set", LENGTHEN])
    data = (tales / "samples.jsonl").read_bytes()
    capsys.readouterr()
    assert main(["augment", "tales", "--set", LENGTHEN]) == 0
    assert "no row to rewrite" in capsys.readouterr().err
    assert (tales / "samples.jsonl").read_bytes() == data


def test_without_rewrites_one_is_named(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "tales"]) == 2
    assert "--set 'augment=[expand: {below: 1024}]'" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "words"), [
    ("[expnd: {below: 3}]", "did you mean 'expand'?"), ("[expand]", "'below' is missing"),
    ("[expand: 1024]", "expand: {below: 1024}"),
])
def test_a_rewrite_that_cannot_be_meant(
    tales: Path, capsys: pytest.CaptureFixture[str], value: str, words: str
) -> None:
    assert main(["augment", "tales", "--set", f"augment={value}"]) == 2
    assert words in capsys.readouterr().err


def test_masking_asks_nobody_and_says_so(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales.parent.parent / "more.jsonl").write_text(json.dumps({"text": f"{SHORT} Write to eva@holm.io."}) + "\n")
    assert main(["import", "mails", "more.jsonl", "--completion", "text"]) == 0
    capsys.readouterr()
    assert main(["augment", "mails", "--set", "augment=[mask]"]) == 0
    said = capsys.readouterr().err
    assert said.splitlines()[0] == "rows   1 row to rewrite (mask 1); nobody is asked"
    assert "bill   0 new calls, $0" in said
    assert "rehearsal" not in said
    assert "gained 1 row of 1\n" in said
    rows = [json.loads(line) for line in (tales.parent / "mails" / "samples.jsonl").read_bytes().splitlines()]
    assert "@example." in rows[1]["messages"][-1]["content"]
    assert rows[1]["provenance"]["changed"] == "1 email"
    assert rows[1]["provenance"]["rehearsal"] is False
