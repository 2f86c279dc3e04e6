"""What a run says of itself: phrases, speeds, a panel on a terminal, lines elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from pipeline.commands import _panel
from pipeline.commands._panel import Panel, Speed, parts
from pipeline.engine.progress import Progress
from pipeline.types import Failure
from tests import made


def running() -> Progress:
    return Progress(
        total=396, done=212, kept=158, answered=200, reused=12, failed=3, in_flight=32, retried=4, output_tokens=90_000,
        usd=0.12, usd_worst=0.02, failures={"timeout": 2, "refused": 1}, last=made.call(1, "A weary\narchivist\x1b[2J"),
    )


def clock(*times: float) -> Iterator[float]:
    return iter(times)


def test_the_phrases() -> None:
    assert parts(running(), Speed(1240.4, 2.0)) == [
        "212 of 396 rows", "158 kept so far", "3 failed (1 refused, 2 timeout)", "1,240 tokens/s",
        "$0.12 so far, about $0.23 in all", "1 min 30 s left",
    ]


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert parts(Progress(done=4), Speed(0, 0)) == ["4 rows"]
    assert parts(Progress(total=4, usd=None), Speed(0, 0)) == ["0 of 4 rows", "cost unknown"]


def test_waiting_and_stopping() -> None:
    assert parts(Progress(total=4, waiting="rate limit"), Speed(0, 0))[-1] == "waiting: rate limit"
    stopping = Progress(total=4, in_flight=1, stopping=29.6)
    assert parts(stopping, Speed(0, 0))[-1] == "stopping: 30 s for 1 answer on the way; Ctrl-C again leaves at once"


def test_speed_is_that_of_the_last_seconds() -> None:
    panel, progress = Panel("plots", live=False, clock=lambda: 0.0), Progress()
    for second in range(100):
        progress.output_tokens += 100 if second < 60 else 300
        progress.answered += 1
        speed = panel.speed(progress, float(second))
    assert speed.tokens == pytest.approx(300)
    assert speed.rows == pytest.approx(1)


def test_lines_every_few_seconds_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    times = clock(*[0.0, *(second * 0.5 for second in range(25))])
    with Panel("plots", clock=lambda: next(times)) as panel:
        for _ in range(25):
            panel.update(running())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2
    assert captured.err.startswith("212 of 396 rows, 158 kept so far, 3 failed (1 refused, 2 timeout), $0.12 so far")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_panel_fits_its_terminal_and_obeys_no_answer(width: int) -> None:
    screen = io.StringIO()
    progress = running()
    progress.stopping = 12.0
    console = Console(file=screen, width=width, force_terminal=False)
    console.print(_panel._drawn("plots", progress, Speed(1240.0, 2.0)))
    lines = screen.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    assert len(lines) == 5
    assert "212" in lines[0]
    assert "\x1b" not in screen.getvalue()
    assert lines[-1].startswith("stopping: 12 s for 32 answers")


def test_no_part_of_a_narrow_panel_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    screen, progress = io.StringIO(), running()
    progress.usd, progress.usd_worst, progress.failures = 12.34, 56.78, {"timeout": 2, "refused": 1, "rate_limit": 30}
    Console(file=screen, width=80).print(_panel._drawn("plots", progress, Speed(13_605.0, 2.0)))
    lines = screen.getvalue().splitlines()
    assert all(len(line) <= 76 for line in lines)
    for part in ("1 min 30 s left", "30 rate_limit, 1 refused, 2 timeout", "4 tried again", "13,605 tokens/s",
                 "at most $56.78 more on the way"):
        assert any(part in line for line in lines), part


def test_a_failure_is_shown_as_the_last_row() -> None:
    screen, progress = io.StringIO(), running()
    progress.last = _failed()
    Console(file=screen, width=100).print(_panel._drawn("plots", progress, Speed(0, 0)))
    assert "the host is overloaded" in screen.getvalue()


def _failed() -> object:
    from dataclasses import replace

    return replace(made.call(2, ""), failure=Failure("server", "the host is overloaded", status=503))


def test_a_live_panel_leaves_stdout_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with Panel("plots", live=True) as panel:
        panel.update(running())
    assert capsys.readouterr().out == ""
