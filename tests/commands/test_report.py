"""`synth report` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.commands import main
from tests import made


@pytest.fixture
def rows(workdir: Path) -> Path:
    return made.dataset(workdir / "datasets" / "rows", [made.sample(number) for number in range(6)])


def test_it_says_what_it_wrote_and_what_is_next(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "rows"]) == 0
    said = capsys.readouterr()
    assert said.out == "", "the page is a file, stdout is data"
    assert [line.split() for line in said.err.splitlines()] == [
        ["wrote", "datasets/rows/report.html"], ["next", "synth", "report", "rows", "--open"]]
    assert (rows / "report.html").read_bytes().startswith(b"<!doctype html>")


def test_it_opens_in_the_browser_when_asked(
    rows: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("click.launch", opened.append)
    assert main(["report", "rows", "--open"]) == 0
    assert opened == [(rows / "report.html").as_uri()]
    assert "synth inspect rows" in capsys.readouterr().err


def test_no_dataset_is_exit_code_4(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "nothing"]) == 4
    assert "no dataset" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_exit_code_4(rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (rows / "report.html").mkdir()
    assert main(["report", "rows"]) == 4
    assert "report.html" in capsys.readouterr().err
