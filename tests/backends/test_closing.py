"""The end of OpenAI's fine-tuning: what is said when, of which address, and that the dates are those of the table."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipeline.backends._closing import ended, is_openai, notice, shutdown, table, ways_on

OPENAI, OTHER = "https://api.openai.com/v1", "https://host.example/openai/v1"
END = date.fromisoformat(table()["jobs_end"])
TODAY = date(2026, 11, 21)
WAYS = ways_on("plots", "datasets/plots/exports/openai-chat/train.jsonl")


@pytest.mark.parametrize(("url", "ours"), [
    (OPENAI, True), ("https://eu.api.openai.com/v1", True), ("HTTPS://API.OPENAI.COM", True), (OTHER, False),
    ("https://api.openai.com.evil.example/v1", False), ("http://localhost:8000/v1", False), ("", False)])
def test_whose_address_it_is(url: str, ours: bool) -> None:
    assert is_openai(url) is ours


def test_the_last_day_is_the_day_before() -> None:
    assert ended(OPENAI, END - timedelta(days=1), WAYS) is None
    assert ended(OTHER, END + timedelta(days=400), WAYS) is None
    over = ended(OPENAI, END, WAYS)
    assert over is not None
    assert (over.severity, over.fix) == ("error", WAYS)
    assert date(2027, 1, 6) == END


def test_the_notice_counts_days_and_names_who_is_shut_out() -> None:
    said = notice("gpt-4.1-mini-2025-04-14", OPENAI, TODAY, WAYS)
    assert said is not None
    assert said.severity == "warning"
    for words in ("no new jobs from 2027-01-06, in 46 days", "stops answering on 2027-01-14", "never tuned a model",
                  "for 60 days"):
        assert words in said.message
    early = notice("gpt-4.1", OPENAI, date(2026, 6, 1), WAYS)
    assert early is not None
    assert "for 60 days" not in early.message
    assert notice("gpt-4.1", OTHER, TODAY, WAYS) is None


def test_three_ways_on() -> None:
    lines = WAYS.splitlines()
    assert len(lines) == 3
    assert "--base HOST:MODEL" in lines[0]
    assert "--backend lora" in lines[1]
    assert "train.jsonl" in lines[2]


@pytest.mark.parametrize(("base", "url", "said", "code"), [
    ("gpt-3.5-turbo", OPENAI, {}, "base-gone"), ("gpt-4o-mini-2024-07-18", OPENAI, {}, None),
    ("gpt-4o-mini-2024-07-18", OPENAI, {"shutdown_date": "2026-11-21"}, "base-gone"),
    ("gpt-4o-mini-2024-07-18", OPENAI, {"shutdown_date": "2026-11-22"}, "base-ends"),
    ("gpt-3.5-turbo", OTHER, {}, None), ("gpt-3.5-turbo", OTHER, {"shutdown_date": None}, None),
    ("own", OTHER, {"shutdown_date": "2026-11-01T00:00:00Z"}, "base-gone"), ("own", OTHER, {"shutdown_date": 7}, None),
    ("ft:gpt-3.5-turbo:org::id", OPENAI, {}, "base-gone")])
def test_a_base_is_gone_by_the_hosts_word_or_by_the_table(
    base: str, url: str, said: dict[str, object], code: str | None
) -> None:
    found = shutdown(base, url, said, TODAY, WAYS)
    assert (found.code if found else None) == code
