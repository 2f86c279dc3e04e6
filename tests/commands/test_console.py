"""Lines, tables and numbers as people see them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pipeline.commands import _console as console


@given(st.text(alphabet=st.characters(), max_size=200), st.integers(2, 60))
def test_one_line_fits_and_steers_no_terminal(text: str, limit: int) -> None:
    line = console.one_line(text, limit)
    assert cell_len(line) <= limit
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line)


def test_escapes_of_a_model_become_visible() -> None:
    assert console.shown("a\x1b[31mred\r\nb\x07\u202e") == "a\\x1b[31mred\nb\\x07\\u202e"


@given(st.lists(st.tuples(st.text(max_size=120), st.integers()), min_size=1, max_size=5), st.integers(60, 160))
def test_tables_fit_a_terminal_and_are_whole_in_a_pipe(rows: list[tuple[str, int]], width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        whole = console.table(rows, ("answer", "bytes"), right=("bytes",), wide="answer")
        patch.setattr(console, "width", lambda: width)
        patch.setattr(console, "screen", lambda: True)
        fitted = console.table(rows, ("answer", "bytes"), right=("bytes",), wide="answer")
    assert len(whole) == len(fitted) == len(rows) + 1
    assert all(cell_len(line) <= width for line in fitted)
    for (text, count), line in zip(rows, whole[1:], strict=True):
        assert line.endswith(f"{count:,}")
        assert console.shown(" ".join(text.split())) in line


def test_columns_are_aligned_with_wide_characters() -> None:
    lines = console.table([("日本", 1), ("France", 22)], ("place", "n"), right=("n",))
    assert lines == ["place    n", "日本     1", "France  22"]


def test_no_colour_where_nobody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert console.styled("x", "bad") == "x"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert console.styled("x", "bad") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.styled("x", "bad") == "x"


def test_talk_and_data_are_apart(capsys: pytest.CaptureFixture[str], workdir: Path) -> None:
    console.out("data")
    console.wrote(workdir / "a" / "b.jsonl", Path("/elsewhere/c"))
    console.next_command("synth curate a")
    captured = capsys.readouterr()
    assert captured.out == "data\n"
    assert captured.err == "wrote  a/b.jsonl\nwrote  /elsewhere/c\nnext   synth curate a\n"


def test_json_is_one_line_in_a_pipe_and_holds_any_text(capsys: pytest.CaptureFixture[str]) -> None:
    console.as_json({"path": Path("a"), "lone": "\ud800", "set": {2, 1}})
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == {"path": "a", "lone": "\ud800", "set": [1, 2]}


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (None, "unknown"), (0, "$0"), (0.00001, "under $0.0001"), (0.00042, "$0.0004"), (0.0213, "$0.02"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money(usd: float | None, shown: str) -> None:
    assert console.money(usd) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"), (8, "8.0 s"), (12.4, "12 s"), (59.6, "1 min"), (125, "2 min 5 s"), (120, "2 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert console.duration(seconds) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"), [(0, 9, "0%"), (1, 999, "1%"), (998, 999, "99%"), (9, 9, "100%"), (0, 0, "-")]
)
def test_percent(part: int, whole: int, shown: str) -> None:
    assert console.percent(part, whole) == shown


def test_sizes() -> None:
    counts = (0, 812, 1400, 123_456, 3_200_000_000)
    assert [console.size(n) for n in counts] == ["0 B", "812 B", "1.4 kB", "123 kB", "3.2 GB"]


@pytest.mark.parametrize(("line", "pasted"), [
    ("synth status   what there is", "synth status   # what there is"),
    ("synth generate a --adopt     keeps it   all", "synth generate a --adopt     # keeps it   all"),
    ("synth curate a --set 'x=a   b'   decides", "synth curate a --set 'x=a   b'   # decides"),
    ("synth run a   # offline   still", "synth run a   # offline   still"),
    ("synth run a", "synth run a"), ("a fact   beside another", "a fact   beside another"),
])
def test_what_a_command_does_is_a_comment_behind_it(line: str, pasted: str) -> None:
    assert console.commented(line) == pasted
