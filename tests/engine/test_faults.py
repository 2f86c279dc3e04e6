"""Every fault of the server alone and all at once, through `generate`: rows that stand, rows that say why not."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pipeline.errors import DataError, ProviderError, YieldError
from pipeline.hosts.failures import retry_after
from pipeline.store import Dataset
from tests.engine.test_host import RECIPE, made
from tests.servers._answers import ANSWERED, ERRORS

PASSING = {"rate_limit", "rate_limit_ms", "rate_limit_bare", "slow_down", "server_500", "overloaded", "bad_gateway",
           "reset", "reset_mid", "truncated", "closed", "malformed", "html", "array", "empty_choices", "no_message",
           "zero_bytes", "hang"}
"""What a second try may cure: the marker says it happens once."""
FAILED = {"context": "length", "content_filter": "content_filter", "server_500_final": "bad_request"}
"""What fails the row that meets it, and its class."""
STOPS = {"quota", "auth", "forbidden", "model", "parameter"}
"""What stops the run, since all others would meet the same."""
ROWS = {"length", "refusal", "null_content", "empty", "filtered", "tool_calls", "parts", "wrong_language"}
"""What is an answer as far as the engine goes; the rules look at it."""
SIX = RECIPE.replace("max: 60", "max: 6")


def marked(fault: str, times: str = "") -> str:
    """A recipe of six rows whose third meets a fault."""
    text = "Tale {{n}}.{{ ' [[fault:" + fault + times + "]]' if n == 3 else '' }}"
    return SIX.replace("Tale {{n}}.", text)


def test_each_fault_is_in_one_of_the_lists() -> None:
    assert set(ERRORS) | ANSWERED == PASSING | set(FAILED) | STOPS | ROWS


@pytest.mark.parametrize("fault", sorted(PASSING))
def test_what_passes_costs_a_row_nothing_but_time(tmp_path: Path, openai_server, fault: str) -> None:
    server = openai_server()
    done = made(tmp_path, server, marked(fault, "*1"), timeout_s=0.5)
    assert (done.standing, done.progress.retried) == (6, 1)
    assert server.kinds()["ok"] == 6


@pytest.mark.parametrize("fault", sorted(FAILED))
def test_what_is_wrong_with_one_row_fails_that_row(tmp_path: Path, openai_server, fault: str) -> None:
    server = openai_server()
    done = made(tmp_path, server, marked(fault).replace("max_tokens: 2000", "max_tokens: 2000, floor: 0.5"))
    assert done.standing == 5
    assert server.kinds() == {"ok": 5, fault: 1}, "and is not asked again"
    (line,) = (tmp_path / "tales" / "failures.jsonl").read_text().splitlines()
    assert FAILED[fault] in line


@pytest.mark.parametrize("fault", sorted(STOPS))
def test_what_all_would_meet_stops_the_run_and_the_next_one_goes_on(tmp_path: Path, openai_server, fault: str) -> None:
    server = openai_server(latency_s=0.02)
    with pytest.raises(ProviderError):
        made(tmp_path, server, marked(fault, "*1"), concurrency=1)
    before = server.kinds()["ok"]
    assert (server.kinds()[fault], before < 6) == (1, True)
    assert made(tmp_path, server, marked(fault, "*1")).standing == 6
    assert server.kinds()["ok"] == 6


@pytest.mark.parametrize("fault", sorted(ROWS))
def test_what_is_an_answer_is_kept_as_it_came(tmp_path: Path, openai_server, fault: str) -> None:
    server = openai_server()
    made(tmp_path, server, marked(fault))
    with Dataset.open(tmp_path / "tales") as dataset:
        calls = [*dataset.calls.outcomes("answered"), *dataset.calls.outcomes("failed")]
    assert len(calls) == 6
    assert set(server.paid().values()) == {1}


@pytest.mark.parametrize("fault", ["zero_bytes", "malformed", "hang", "closed", "server_500"])
def test_a_host_that_only_does_that_is_no_success(tmp_path: Path, openai_server, fault: str) -> None:
    server = openai_server(rates={fault: 1.0})
    with pytest.raises((YieldError, ProviderError)):
        made(tmp_path, server, SIX, timeout_s=0.2, retries=1)
    assert (tmp_path / "tales" / "failures.jsonl").exists()


def test_all_at_once(tmp_path: Path, openai_server) -> None:
    rates = dict.fromkeys(sorted(PASSING - {"rate_limit", "slow_down", "overloaded", "html"}), 0.012)
    server = openai_server(rates=rates, latency_s=0.01, jitter=True)
    done = made(tmp_path, server, RECIPE.replace("max: 60", "max: 200"), timeout_s=0.5, retries=12, concurrency=32)
    assert done.standing == 200
    assert server.kinds()["ok"] == 200, "no answer that could be used was asked for twice"


def test_a_prompt_of_a_megabyte_and_odd_characters(tmp_path: Path, openai_server) -> None:
    """A NUL, controls and a megabyte: sent as they are, kept as they are, read back as they are."""
    values = ["x" * 1_000_000, "nul\x00here", "lone \ud800 surrogate", "\u2028\x85\x1b[31m", "🎬"]
    rows = "".join(json.dumps({"n": value}) + "\n" for value in values)
    (tmp_path / "rows.jsonl").write_text(rows)
    recipe = RECIPE.replace("axes: {n: {numbers: {min: 1, max: 60}}}", "source: {file: rows.jsonl}").replace(
        '"{{n}}"', '"{{n[:20]}}"')
    server = openai_server(keep=True)
    done = made(tmp_path, server, recipe)
    assert done.standing == 4
    assert any("rows.jsonl:3" in note and "surrogate" in note for note in done.notes), "the one that no UTF-8 can hold"
    assert sorted(len(event["text"]) for event in server.received())[-1] > 1_000_000
    made(tmp_path, server, recipe)
    assert len(server.received()) == 4
    with Dataset.open(tmp_path / "tales") as dataset:
        asked = {str(call.body["messages"][0]["content"]) for call in dataset.calls.outcomes("answered")}
    assert asked == {f"Tale {value}." for value in values if "\ud800" not in value}


@pytest.mark.parametrize("template", [
    "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    "{{ ''.__class__.__mro__ }}", "{{ 'x' * 999999999 }}", "{{ n.__init__.__globals__ }}",
])
def test_a_template_that_loops_or_reaches_for_attributes_sends_nothing(
    tmp_path: Path, openai_server, template: str
) -> None:
    server = openai_server()
    started = time.monotonic()
    with pytest.raises(Exception) as caught:
        made(tmp_path, server, SIX.replace("Tale {{n}}.", template.replace('"', "'")))
    assert type(caught.value).__module__ == "pipeline.errors"
    assert server.received() == []
    assert time.monotonic() - started < 10


def test_a_wrong_wall_clock_does_not_make_a_date_longer() -> None:
    """A host says `come at 12:00:10` at 12:00:00 of its own clock; ours may be an hour off, or jump."""
    headers = {"date": "Tue, 03 Nov 2026 12:00:00 GMT", "retry-after": "Tue, 03 Nov 2026 12:00:10 GMT"}
    for now in (0.0, 1_793_707_200.0, 4e9):
        assert retry_after(headers, now) == 10.0
    assert retry_after({"retry-after": "Tue, 03 Nov 2026 12:00:10 GMT"}, 1_793_707_200.0) == pytest.approx(10, abs=1)
    assert retry_after({**headers, "date": "yesterday"}, 1_793_707_200.0) == pytest.approx(10, abs=1)


def test_a_wall_clock_that_jumps_changes_no_wait_and_loses_nothing(
    tmp_path: Path, openai_server, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = time.time, [0]

    def jumping() -> float:
        calls[0] += 1
        return real() + (7200 if calls[0] % 2 else -7200)

    monkeypatch.setattr(time, "time", jumping)
    server = openai_server(rates={"rate_limit_ms": 0.2, "server_500": 0.1})
    started = time.monotonic()
    done = made(tmp_path, server)
    assert done.standing == 60
    assert time.monotonic() - started < 20
    again = made(tmp_path, server)
    assert (again.standing, server.kinds()["ok"]) == (60, 60)


def test_two_runs_on_one_dataset(tmp_path: Path, openai_server) -> None:
    server = openai_server()
    with Dataset.create(tmp_path / "tales") as dataset, dataset.lock("samples", "generate"), pytest.raises(DataError):
        made(tmp_path, server)
    assert server.received() == []
    assert made(tmp_path, server).standing == 60
