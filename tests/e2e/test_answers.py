"""Held answers and pairs on a real server, by the installed command: retries by class and model, kills, the ledger."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest

from tests.servers import Server, running

pytestmark = pytest.mark.forked
RECIPE = """\
synth: 1
name: moods
axes: {who: {numbers: {min: 1, max: 20}}, what: [sea, road]}
prompt:
  user: "Is tale {{who}} of the {{what}} merry or sad?"
  answer: {labels: [merry, sad]}
train: {user: "{{what}}"}
generate: {model: "openai:small", max_tokens: 50, floor: 0.2}
"""
PAIRS = """\
synth: 1
name: tales
axes: {who: {numbers: {min: 1, max: 12}}}
prompt: {user: "Tale {{who}}."}
pairs:
  second: {temperature: 1.2}
  judge: {model: "openai:wise", max_tokens: 5, user: "Better, A or B? A: {{answer_a}} B: {{answer_b}}"}
train: {user: "Tale {{who}}"}
generate: {model: "openai:small", max_tokens: 200}
curate: []
export: {formats: [openai-dpo]}
"""
KEY = {"OPENAI_API_KEY": "sk-loopback-e2e"}


def told(server: Server, *words: str) -> list[str]:
    return ["generate", "moods", "--base-url", server.base_url, "--yes", *words]


def models(server: Server) -> Counter[str]:
    return Counter(event["model"] for event in server.received())


def test_failed_rows_are_asked_of_a_bigger_model_by_class(synth) -> None:
    synth.write("moods.yaml", RECIPE)
    with running(script={"^big": "sad", "sea": "hard to say", ".": "Merry."}) as server:
        ran = synth(*told(server), env=KEY)
        assert "40 new calls and at most 40 repairs" in ran.said
        assert "rows 20 of 40" in ran.said
        assert "20 parse" in ran.said
        assert models(server) == {"small": 60}
        ran = synth(*told(server, "--retry", "--class", "length", "--model", "openai:big"), env=KEY)
        assert "0 new calls" in ran.said
        assert models(server) == {"small": 60}
        ran = synth(*told(server, "--retry", "--class", "parse", "--model", "openai:big"), env=KEY)
        assert "writer openai:big" in ran.said
        assert "20 new calls" in ran.said
        assert "stand aside" not in ran.said
        assert "rows 40 of 40, 20 new" in ran.said
        assert models(server) == {"small": 60, "big": 20}
        before = (synth.dataset("moods") / "samples.jsonl").read_bytes()
        assert "rows 40 of 40" in synth(*told(server), env=KEY).said
        assert models(server) == {"small": 60, "big": 20}
        assert (synth.dataset("moods") / "samples.jsonl").read_bytes() == before
        assert (synth.dataset("moods") / "failures.jsonl").read_bytes() == b""
        assert set(server.paid().values()) == {1}
    synth("export", "moods")
    (file,) = synth.exported("moods", "train")
    assert Counter(row["messages"][-1]["content"] for row in synth.rows(file)) == {"merry": 20, "sad": 20}


def test_exit_codes_and_words_that_are_no_class(synth) -> None:
    synth.write("moods.yaml", RECIPE)
    assert "--retry --class parse" in synth("generate", "moods", "--class", "parse", code=2).said
    assert "did you mean 'parse'?" in synth("generate", "moods", "--retry", "--class", "prase", code=2).said
    with running(answer="hard to say") as server:
        ran = synth(*told(server), env=KEY, code=3)
        assert "0 of 40 rows got an answer" in ran.said
        assert "--retry" in ran.said
        assert len(synth.rows(synth.dataset("moods") / "failures.jsonl")) == 40


@pytest.mark.slow
def test_a_kill_between_answer_and_repair_pays_neither_twice(synth) -> None:
    synth.write("moods.yaml", RECIPE)
    script = {"This cannot be used": "sad", ".": "hard to say"}
    grace, kills = 0.3, list[float]()
    with running(script=script, latency_s=0.4, jitter=True) as server:
        for pause in (0.5, 0.7, 0.9):
            process = synth.start(*told(server, "--concurrency", "8"), env=KEY)
            before, deadline = len(server.ledger()), time.monotonic() + 60
            while len(server.ledger()) == before and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(pause)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                kills.append(time.time())
            process.wait()
        assert len(kills) == 3
        synth(*told(server), env=KEY)
        answered: dict[str, float] = {}
        for event in server.ledger():
            if event["event"] == "received" and event["body"] in answered:
                age = min((kill - answered[event["body"]] for kill in kills
                           if kill >= answered[event["body"]] - 0.05), default=None)
                assert age is not None, "asked again though nothing was killed"
                assert age < grace, f"answered {age:.2f} s before the kill, and asked again"
            elif event["event"] == "answered":
                answered[event["body"]] = event["t"]
        assert len(answered) == 80, "forty questions, forty repairs"
        done = len(server.received())
        synth(*told(server), env=KEY)
        assert len(server.received()) == done
    rows = synth.rows(synth.dataset("moods") / "samples.jsonl")
    assert len(rows) == 40
    assert {row["label"] for row in rows} == {"sad"}
    assert {tuple(ref["role"] for ref in row["calls"]) for row in rows} == {("step:answer", "repair")}


def test_a_pairs_run_is_exported_and_checked(synth) -> None:
    synth.write("tales.yaml", PAIRS)
    with running(script={"^wise": "A"}) as server:
        ran = synth("run", "tales", "--base-url", server.base_url, "--yes", env=KEY)
        assert "36 new calls and at most 12 repairs" in ran.said
        assert models(server) == {"small": 24, "wise": 12}
        synth("run", "tales", "--base-url", server.base_url, "--yes", env=KEY)
        assert models(server) == {"small": 24, "wise": 12}
    (file,) = synth.exported("tales", "openai-dpo", "train")
    rows = synth.rows(file)
    assert len(rows) == 12
    assert all(set(row) == {"input", "preferred_output", "non_preferred_output"} for row in rows)
    assert all(row["preferred_output"] != row["non_preferred_output"] for row in rows)
    assert "no problem found" in synth("check", file).said


def test_the_rehearsal_plays_along(synth) -> None:
    synth.write("moods.yaml", RECIPE.replace("max: 20", "max: 200").replace('model: "openai:small", ', ""))
    ran = synth("generate", "moods")
    assert "a rehearsal" in ran.said or "rehearsal:" in ran.said
    rows = synth.rows(synth.dataset("moods") / "samples.jsonl")
    assert 380 <= len(rows) < 400, "some fail for good"
    assert {row["label"] for row in rows} == {"merry", "sad"}
    repaired = [row for row in rows if len(row["calls"]) == 2]
    assert 5 <= len(repaired) <= 40, "and some are repaired"
    synth.write("tales.yaml", PAIRS.replace('model: "openai:small", ', ""))
    ran = synth("run", "tales")
    rows = synth.rows(synth.dataset("tales") / "samples.jsonl")
    assert 6 <= len(rows) <= 12
    assert all(row["rejected"] and row["provenance"]["rehearsal"] for row in rows), "whoever is named is rehearsed"
