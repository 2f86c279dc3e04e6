"""Two lines of samples.jsonl deleted and one fixed by hand: kept as decisions, nothing overwritten, nothing re-paid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.servers import Server, running

pytestmark = pytest.mark.forked
RECIPE = """\
synth: 1
name: tales
axes: {hero: [baker, pilot, nurse, judge], place: [Lima, Oslo, Cairo]}
prompt: {user: "A tale of a {{hero}} in {{place}}."}
train: {user: "{{hero}} in {{place}}"}
generate: {model: "openai:story-small", max_tokens: 2000}
export: {formats: [openai-chat]}
"""
ENV = {"OPENAI_API_KEY": "sk-loopback-e2e"}
MINE = "A tale that I wrote with my own hand."


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture
def edited(synth, server: Server) -> tuple[Path, list[dict]]:
    """samples.jsonl after a run and a person's edits, and the rows as they were."""
    synth.write("tales.yaml", RECIPE)
    synth("run", "tales", "--base-url", server.base_url, "--yes", env=ENV)
    path = synth.dataset("tales") / "samples.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    rows = synth.rows(path)
    fixed = json.loads(lines[5])
    fixed["messages"][-1]["content"] = MINE
    lines[5] = json.dumps(fixed) + "\n"  # as a person's script would write it: other spaces, other escapes
    path.write_text("".join(line for i, line in enumerate(lines) if i not in (2, 7)))
    return path, rows


def again(server: Server, *more: str) -> list[str]:
    return ["run", "tales", "--base-url", server.base_url, "--yes", *more]


def test_an_edited_file_is_named_and_not_touched(synth, server: Server, edited) -> None:
    path, _ = edited
    mine = path.read_bytes()
    ran = synth(*again(server), env=ENV, code=None)
    for word in ("2 rows deleted", "1 edited", "--adopt", "--restore"):
        assert word in ran.said, ran.said
    assert path.read_bytes() == mine
    assert len(server.received()) == 12, "nothing is paid again"


def test_adopted_edits_are_decisions(synth, server: Server, edited) -> None:
    path, before = edited
    synth(*again(server, "--adopt"), env=ENV)
    synth(*again(server), env=ENV)

    samples = synth.rows(path)
    assert {s["id"] for s in samples} == {s["id"] for i, s in enumerate(before) if i not in (2, 7)}
    (chat,) = synth.exported("tales", "openai-chat")
    answers = [row["messages"][-1]["content"] for row in synth.rows(chat)]
    assert MINE in answers, "the fixed row is what is exported"
    gone = {before[i]["messages"][-1]["content"] for i in (2, 5, 7)}
    assert not gone & set(answers)
    assert len(answers) == 10
    assert len(server.received()) == 12, "nothing is paid again"


def test_restored_rows_come_back_and_the_edits_are_copied(synth, server: Server, edited) -> None:
    path, before = edited
    mine = path.read_bytes()
    ran = synth(*again(server, "--restore"), env=ENV)
    assert "rows   12 of 12\n" in ran.err, ran.err
    assert {s["id"] for s in synth.rows(path)} == {s["id"] for s in before}
    assert MINE not in path.read_text()
    copies = [p for p in synth.dataset("tales").rglob("*") if p.is_file() and p != path and p.read_bytes() == mine]
    assert copies, "a copy is kept"
    assert len(server.received()) == 12


def test_a_deleted_samples_file_is_rebuilt_for_nothing(synth, server: Server, edited) -> None:
    path, before = edited
    path.unlink()
    ran = synth(*again(server), env=ENV)
    assert "rows   12 of 12\n" in ran.err, ran.err
    assert {s["id"] for s in synth.rows(path)} == {s["id"] for s in before}
    assert len(server.received()) == 12


def test_rows_appended_by_hand_survive(synth, server: Server, edited) -> None:
    path, before = edited
    path.write_text("".join(json.dumps(row) + "\n" for row in before))
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": MINE}]
    with path.open("a") as file:
        file.write(json.dumps({"messages": messages}) + "\n")
    synth(*again(server, "--adopt"), env=ENV)
    assert MINE in path.read_text()
    assert len(server.received()) == 12
