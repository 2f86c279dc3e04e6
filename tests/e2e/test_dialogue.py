"""The shipped recipe `dialogue`: rehearsed, and on the loopback server with its tool."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from typing import Any

import pytest

pytestmark = pytest.mark.forked
SCRIPT = {
    r"You play a customer.*Write your first": "Hello, where is my order?",
    r"You play a customer": "Thank you, that helps. What now?",
    r"there is no order with this number": "I cannot find it.",
    r"\"item\":": "It is on its way to you. Do you need more?",
    r"You work in the support": 'call:look_up_order {"order": 1}',
}
"""Who says what; the last texts are found only where none before is. A look-up of order 1 finds nothing."""


def said(row: dict[str, Any]) -> list[str]:
    return [message["role"] for message in row["messages"]]


def test_a_rehearsal_makes_dialogues_with_calls_and_faults(shared_synth) -> None:
    ran = shared_synth("run", "dialogue")
    assert "600 new calls and at most" in ran.said
    rows = shared_synth.rows(shared_synth.dataset("dialogue") / "samples.jsonl")
    assert 100 < len(rows) <= 120
    whole = [row for row in rows if said(row) == [
        "system", "user", "assistant", "tool", "assistant", "user", "assistant"]]
    assert len(whole) > 70
    for row in whole:
        (call,) = row["messages"][2]["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == {"order": row["cell"]["order"]}
        assert row["messages"][3]["tool_call_id"] == call["id"]
        assert json.loads(row["messages"][3]["content"])["status"] == row["cell"]["status"], "true to the cell"
    roles = Counter(ref["role"] if isinstance(ref, dict) else ref[1] for row in rows for ref in row["calls"])
    assert roles["repair"] > 0, "calls that could not be used, and were mended"
    states = Counter(line["state"] for line in shared_synth.rows(
        shared_synth.dataset("dialogue") / "verdicts.jsonl"))
    assert states["dropped"] > 5
    assert states["kept"] > 70
    lines = [line for path in shared_synth.exported("dialogue", "openai-chat") for line in shared_synth.rows(path)]
    assert len(lines) == states["kept"]
    assert all(line["tools"][0]["function"]["name"] == "look_up_order" for line in lines)
    for path in shared_synth.exported("dialogue", "openai-chat"):
        assert "error" not in shared_synth("check", path).out


def test_a_second_run_asks_nothing_and_a_longer_one_its_new_turns(shared_synth) -> None:
    assert "0 new calls" in shared_synth("run", "dialogue").said
    longer = shared_synth("plan", "dialogue", "--set", "dialogue.turns=6", "--json").json
    rows = shared_synth.rows(shared_synth.dataset("dialogue") / "samples.jsonl")
    went = [row for row in rows if row["provenance"]["turns"] == 4 and row["provenance"]["finish_reason"] == "stop"]
    assert longer["new_calls"] <= 2 * len(went), "two turns for each that has not ended before, by a word for it"
    assert longer["new_calls"] > 1.6 * len(went)


def test_a_conversation_is_readable(shared_synth) -> None:
    row = next(row for row in shared_synth.rows(shared_synth.dataset("dialogue") / "samples.jsonl")
               if "tool" in said(row))
    shown = shared_synth("inspect", "dialogue", row["id"], env={"COLUMNS": "80"}).out
    for message in row["messages"]:
        assert " ".join(str(message["content"] or "").split()) in " ".join(shown.split())
    assert f"look_up_order({row['messages'][2]['tool_calls'][0]['function']['arguments']})" in shown
    assert "tool_call_id" not in shown
    assert shown.count("You play a customer") == 1, "what each side was told stands there once"
    assert max(map(len, shown.splitlines())) < 1000


@pytest.mark.parametrize("form", ["llama2", "gemma", "text", "sharegpt", "prompt-completion", "csv"])
def test_what_holds_no_tools_says_so_and_counts(shared_synth, form: str) -> None:
    ran = shared_synth("export", "dialogue", "--format", form, code=None)
    assert ran.code != 0
    assert f"{form} has no place for tools and their calls" in ran.said


def ready(synth, openai_server, **options: Any) -> Any:
    server = openai_server(script=SCRIPT, key="sk-loopback-key", keep=True, **options)
    synth.env |= {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-loopback-key"}
    synth("init", "dialogue")
    return server


ASKED = ("--model", "openai:story-small", "--set", "sample.rows=20", "--yes")


def test_on_a_real_server_each_turn_is_paid_once(synth, openai_server) -> None:
    server = ready(synth, openai_server)
    synth("generate", "dialogue", *ASKED)
    rows = synth.rows(synth.dataset("dialogue") / "samples.jsonl")
    assert len(rows) == 20
    assert {tuple(said(row)) for row in rows} == {
        ("system", "user", "assistant", "tool", "assistant", "user", "assistant")}
    assert rows[0]["messages"][3]["content"] == '{"error": "there is no order with this number"}'
    assert rows[0]["messages"][4]["content"] == "I cannot find it."
    assert set(server.kinds()) == {"ok"}, "the server refuses calls without results, and results without calls"
    assert set(server.paid().values()) == {1}
    before = len(server.received())
    synth("generate", "dialogue", *ASKED)
    assert len(server.received()) == before


def test_killed_in_the_middle_it_pays_no_turn_twice(synth, openai_server) -> None:
    server = ready(synth, openai_server, latency_s=0.05)
    for _ in range(2):
        child = synth.start("generate", "dialogue", *ASKED, "--concurrency", "2")
        deadline, before = time.monotonic() + 60, len(server.answered("ok"))
        while time.monotonic() < deadline and len(server.answered("ok")) < before + 12:
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    synth("generate", "dialogue", *ASKED)
    rows = synth.rows(synth.dataset("dialogue") / "samples.jsonl")
    assert len(rows) == 20
    again = sum(count - 1 for count in server.paid().values())
    assert again <= 2 * 2, "what was in flight at each kill, and no more"


def test_in_batches_the_same_calls(synth, openai_server) -> None:
    server = ready(synth, openai_server, batch={"pace_s": 0.00001})
    synth("generate", "dialogue", *ASKED, "--batch", timeout=200)
    rows = synth.rows(synth.dataset("dialogue") / "samples.jsonl")
    assert len(rows) == 20
    assert not [event for event in server.received() if "prompt" in event], "nothing was asked live"
    assert "0 new calls" in synth("plan", "dialogue", *ASKED[:-1]).said


def test_bad_calls_on_a_real_server_are_mended_or_failures(synth, openai_server) -> None:
    bad = {r"This cannot be used": 'call:look_up_order {"order": "one"}', **SCRIPT,
           r"You work in the support": 'call:look_up_order {"order": "on'}
    server = openai_server(script=bad)
    synth.env |= {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-x"}
    synth("init", "dialogue")
    synth("generate", "dialogue", *ASKED, code=3)
    lines = synth.rows(synth.dataset("dialogue") / "failures.jsonl")
    assert len(lines) == 20
    assert {line["failure"]["kind"] for line in lines} == {"parse"}
    assert lines[0]["failure"]["raw"] == 'look_up_order({"order": "one"})'
    assert set(server.kinds()) == {"ok"}, "the conversation of a repair is one that a host takes"
