"""The three ways to begin: a starter, a blank recipe, a file of one's own; all three run unchanged through export."""

from __future__ import annotations

import csv
import json

import pytest

TICKETS = [
    ("Printer on fire", "It smokes, please come.", "hardware"), ("Cannot log in", "Is it, \"no\", again?", "account"),
    ("Invoice twice", "You charged me\ntwice in May.", "billing"), ("Screen dark", "Nothing to see here", "hardware"),
    ("Reset link", "The link is dead", "account"), ("Refund", "Where is my money?", "billing"),
    ("Größe ändern", "Umlauts: äöü €", "account"), ("Keyboard", "Keys stick", "hardware"),
    ("Tax id", "Please add it", "billing"), ("Two factor", "No code arrives", "account"),
    ("Mouse", "Jumps", "hardware"), ("Discount", "The code fails", "billing"),
]


@pytest.fixture
def tickets(synth) -> None:
    with (synth.folder / "tickets.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("subject", "body", "label"), *TICKETS])


def test_a_starter_is_copied_and_runs(synth) -> None:
    ran = synth("init", "plots")
    recipe = next(p for p in (synth.folder / "plots" / "recipe.yaml", synth.folder / "plots.yaml") if p.exists())
    assert recipe.name in ran.said
    text = recipe.read_text()
    synth("run", "plots", "--no-tune", "--set", "sample.rows=30")
    assert recipe.read_text() == text, "a run never edits the user's recipe"
    assert synth.exported("plots")


def test_init_never_overwrites(synth) -> None:
    synth("init", "mine", "--blank")
    before = synth.tree(synth.folder)
    ran = synth("init", "mine", "--blank", code=None)
    assert ran.code != 0
    assert synth.tree(synth.folder) == before


def test_a_blank_recipe_is_short_commented_and_runs(synth) -> None:
    synth("init", "mine", "--blank")
    recipe = next(p for p in (synth.folder / "mine.yaml", synth.folder / "mine" / "recipe.yaml") if p.exists())
    lines = [line for line in recipe.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) <= 14
    assert "#" in recipe.read_text()
    synth("run", "mine")
    (first, *_) = synth.exported("mine")
    assert synth.rows(first)


def test_a_file_of_ones_own_is_looked_at_and_runs(synth, tickets) -> None:
    ran = synth("init", "tickets", "--from", "tickets.csv")
    assert "label" in ran.said
    for name in ("hardware", "account", "billing"):
        assert name in ran.said, "class counts"
    assert "Printer on fire" in ran.said, "three rows as they will be trained"
    synth("run", "tickets")
    chat = [row for path in synth.exported("tickets", "openai-chat") for row in synth.rows(path)]
    pairs = {(r["messages"][-2]["content"], r["messages"][-1]["content"]) for r in chat}
    assert len(chat) == len(TICKETS)
    for subject, body, label in TICKETS:
        assert any(subject in user and body in user and answer == label for user, answer in pairs), (subject, pairs)


@pytest.mark.parametrize("name", ["messages", "alpaca", "sharegpt", "pairs"])
def test_chat_files_are_recognised(synth, name: str) -> None:
    row = {
        "messages": {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]},
        "alpaca": {"instruction": "Q", "input": "", "output": "A"},
        "sharegpt": {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]},
        "pairs": {"prompt": "Q", "completion": "A"},
    }[name]
    lines = [json.dumps(row).replace('"Q"', f'"Q {i}"').replace('"A"', f'"A {i}"') for i in range(5)]
    synth.write("rows.jsonl", "\n".join(lines) + "\n")
    synth("import", "mine", "rows.jsonl")
    synth("export", "mine", "--format", "openai-chat", "--split", "none")
    (path,) = synth.exported("mine", "openai-chat")
    assert [r["messages"] for r in synth.rows(path)] == [
        [{"role": "user", "content": f"Q {i}"}, {"role": "assistant", "content": f"A {i}"}] for i in range(5)]
