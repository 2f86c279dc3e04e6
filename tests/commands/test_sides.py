"""Two answers beside each other, or one under the other."""

from __future__ import annotations

import shutil
from os import terminal_size

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pipeline.commands import _console
from pipeline.commands._sides import GAP, Side, lines_of, note, show

LEFT = Side("base: tiny", "9 tokens, ended by itself", "One word after the other, and so on until the end of the line.")
RIGHT = Side("tuned: k3v9", "4 tokens, cut at the limit",
             "Short.\n\n犬と猫が一緒に雨の中を歩いていたが、誰も気づかなかった。")


def printed(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], most: int | None = None
) -> list[str]:
    monkeypatch.setattr(_console, "screen", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda *_: terminal_size((columns, 40)))
    show(LEFT, RIGHT, most)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [72, 80, 120, 200])
def test_two_columns_stand_in_line_whatever_the_script(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(columns, monkeypatch, capsys)
    assert max(map(cell_len, lines)) <= columns
    bars = {cell_len(line.split("│")[0]) for line in lines if "│" in line}
    assert len(bars) == 1
    assert "base: tiny" in lines[0]
    assert "tuned: k3v9" in lines[0]
    left = " ".join(line.split(GAP.rstrip())[0].strip() for line in lines[2:])
    assert " ".join(left.split()) == LEFT.text
    assert "".join(line.partition("│")[2].strip() for line in lines[2:]) == RIGHT.text.replace("\n", "")


@pytest.mark.parametrize("columns", [40, 71])
def test_a_narrow_terminal_has_one_under_the_other(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(columns, monkeypatch, capsys)
    assert "│" not in "".join(lines)
    assert max(map(cell_len, lines)) <= columns
    assert [line for line in lines if line.startswith(("base", "tuned"))] == [
        "base: tiny   9 tokens, ended by itself", "tuned: k3v9   4 tokens, cut at the limit"]


def test_long_answers_can_be_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(72, monkeypatch, capsys, most=2)
    assert len(lines) == 5
    assert "more line" in lines[3]


def test_in_a_pipe_nothing_is_cut_or_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    show(LEFT, RIGHT, 1)
    lines = capsys.readouterr().out.splitlines()
    assert f"  {LEFT.text}" in lines
    assert f"  {RIGHT.text.splitlines()[2]}" in lines


def test_what_is_known_of_an_answer() -> None:
    assert note(1, True) == "1 token, ended by itself"
    assert note(None, False) == "cut at the limit"
    assert note(None, None) == ""


@given(st.text(max_size=200), st.integers(10, 80))
def test_no_text_is_wider_than_its_room_or_steers_the_terminal(text: str, room: int) -> None:
    lines = lines_of(text, room)
    assert lines
    assert all("\x1b" not in line and "\r" not in line for line in lines)
    assert all(cell_len(line) <= room for line in lines)
