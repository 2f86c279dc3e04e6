"""`init --idea` and `plan --more`: asked once, read strictly, kept, shown, and nothing else is paid."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.recipe import load_recipe
from tests.servers import Server

PRICES = '[prices."story-small"]\ninput = 1\noutput = 10\n'
KEY = "sk-planted-51b2c8"
PLACES = ["Peru", "Kenya", "Japan", "Cuba", "Nepal", "Chile", "Norway", "Ghana", "Greece"]
MOODS = ["happy", "angry", "polite", "eager", "tired", "proud", "shy", "happily"]
GOOD = {"axes": {"place": PLACES, "mood": MOODS}, "prompt": "A {{mood}} note from {{place}}, in 50 words.",
        "train": "{{place}}, {{mood}}", "words": [30, 90]}
SHORT = {**GOOD, "axes": {"place": PLACES, "mood": MOODS[:3]}}
REFUSES = "I'm sorry, but I can't help with that."
Start = Callable[..., Server]


@pytest.fixture
def here(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (workdir / "synth.toml").write_text(PRICES)
    return workdir


def init(server: Server, *more: str, name: str = "notes", idea: str = "notes of travellers") -> int:
    return main(["init", name, "--idea", idea, "--model", "openai:story-small", "--base-url", server.base_url, *more])


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert KEY not in captured.out + captured.err
    return captured.out + captured.err


def as_prose(value: object) -> str:
    return f"Of course! Here is a grid:\n\n```json\n{json.dumps(value, indent=1)}\n```\n\nShall I add more?"


@pytest.mark.parametrize("answer", [json.dumps(GOOD), as_prose(GOOD)])
def test_one_call_makes_a_recipe(here: Path, openai_server: Start, capsys: pytest.CaptureFixture[str],
                                 answer: str) -> None:
    server = openai_server(answer=answer, key=KEY)
    assert init(server) == 0
    out = said(capsys)
    assert out.index("bill   1 new call, about $0.") < out.index("mood: dropped 'happily'")
    assert "(near 'happy': the same words in another form)" in out
    assert "9 x 7 = 63 combinations" in out
    assert "next   synth plan notes --model openai:story-small" in out
    recipe = load_recipe(here / "notes.yaml")
    assert recipe.axes["mood"].values == MOODS[:-1]
    assert recipe.axes["place"].values == PLACES
    assert recipe.prompt is not None
    assert recipe.prompt.user == GOOD["prompt"]
    assert recipe.generate.model is None
    text = (here / "notes.yaml").read_text()
    assert "# From an idea: notes of travellers" in text
    assert "# Proposed by openai:story-small." in text
    assert len(server.answered()) == 1
    assert main(["plan", "notes"]) == 0
    assert len(server.received()) == 1, "plan asks for nothing"


def test_a_host_with_another_name_for_the_output_limit(
    here: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = openai_server(answer=json.dumps(GOOD), refuses={"max_tokens": "max_completion_tokens"})
    assert init(server) == 5
    cure = '[providers.openai.parameters]\nmax_tokens = "max_completion_tokens"\n'
    assert cure.replace("]\n", "] ").strip() in said(capsys)
    (here / "synth.toml").write_text(PRICES + cure)
    assert init(server) == 0
    assert len(server.answered("ok")) == 1


def test_the_same_idea_is_paid_once(here: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]) -> None:
    server = openai_server(answer=json.dumps(GOOD))
    assert init(server) == 0
    assert init(server) == 4
    assert "notes.yaml: is there already; nothing was written" in said(capsys)
    text = (here / "notes.yaml").read_text()
    (here / "notes.yaml").unlink()
    assert init(server) == 0
    assert "bill   0 new calls, $0" in said(capsys)
    assert (here / "notes.yaml").read_text() == text
    assert init(server, name="others") == 0, "a neighbour's answer"
    assert set(server.paid().values()) == {1}
    assert len(server.received()) == 1
    assert init(server, name="third", idea="notes of cooks") == 0
    assert len(server.received()) == 2


def test_an_answer_that_cannot_be_used_is_asked_for_once_more(
    here: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = openai_server(script={"cannot be used": json.dumps(GOOD), "": REFUSES}, keep=True)
    assert init(server) == 0
    assert load_recipe(here / "notes.yaml").axes["place"].values == PLACES
    first, second = server.received()
    assert "notes of travellers" in first["text"]
    assert REFUSES in second["text"]
    assert "That cannot be used: it is not JSON" in second["text"]
    (here / "notes.yaml").unlink()
    capsys.readouterr()
    assert init(server) == 0
    assert "bill   0 new calls, $0" in said(capsys), "both are kept"
    assert len(server.received()) == 2


def test_two_refusals_end_with_the_text_and_what_to_type(
    here: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = openai_server(answer=REFUSES)
    assert init(server) == 5
    out = said(capsys)
    assert "two answers, and none can be used: it is not JSON" in out
    assert REFUSES in out
    assert "synth init notes --blank" in out
    assert "--model OTHER" in out
    assert not (here / "notes.yaml").exists()
    assert len(server.received()) == 2
    assert init(server) == 5
    assert len(server.received()) == 2, "what was paid is not paid again"


def test_a_refusal_in_its_own_field_is_not_asked_twice(
    here: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = openai_server()
    assert init(server, idea="notes [[fault:refusal]]") == 5
    assert "refuses" in said(capsys)
    assert len(server.received()) == 1


def test_an_axis_that_stays_short_will_do(
    here: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = openai_server(answer=json.dumps(SHORT))
    assert init(server) == 0
    assert len(server.received()) == 2
    assert "mood has only 3 values: synth plan notes --more mood=8" in said(capsys)
    assert load_recipe(here / "notes.yaml").axes["mood"].values == MOODS[:3]


def test_the_cap_and_consent(here: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]) -> None:
    server = openai_server(answer=json.dumps(GOOD))
    assert init(server, "--max-usd", "0.001") == 5
    assert "the cap of $0.001 is reached" in said(capsys)
    (here / "synth.toml").write_text("")
    assert main(["init", "notes", "--idea", "x", "--model", "openai:nobody-knows-its-price"]) == 2
    assert "an unknown amount" in said(capsys)
    assert server.received() == []
    assert not (here / "notes.yaml").exists()
    (here / "synth.toml").write_text(PRICES)
    assert init(server, "--max-usd", "1", name="more", idea="another") == 0


def test_no_key(here: Path, openai_server: Start, capsys: pytest.CaptureFixture[str],
                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert main(["init", "notes", "--idea", "x", "--model", "openai:story-small"]) == 5
    assert "OPENAI_API_KEY" in said(capsys)
    assert not (here / "notes.yaml").exists()


@pytest.mark.parametrize("idea", ["support tickets of a bank app", "bedtime stories", "x", "Übungsaufgaben {{x}} # %"])
def test_a_rehearsal_in_an_empty_folder(workdir: Path, capsys: pytest.CaptureFixture[str], idea: str) -> None:
    assert main(["init", "mine", "--idea", idea]) == 0
    out = said(capsys)
    assert "word lists that synth ships" in out
    assert "dropped" in out
    recipe = load_recipe(workdir / "mine.yaml")
    assert all(8 <= len(axis.values or []) <= 15 for axis in recipe.axes.values())
    before = (workdir / "mine.yaml").read_bytes()
    assert main(["run", "mine", "--set", "sample.rows=30"]) == 0
    assert (workdir / "mine.yaml").read_bytes() == before
    rows = (workdir / "datasets/mine/exports/openai-chat/train.jsonl").read_text().splitlines()
    assert len(rows) > 15


def test_options_that_do_not_go_together(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "mine", "--idea", "x", "--blank"]) == 2
    assert main(["init", "mine", "--edit"]) == 2
    assert main(["init", "mine", "--idea", "  "]) == 2
    assert main(["init", "mine", "--idea", "x", "--edit"]) == 2
    assert "there is no terminal" in said(capsys)
    assert list(workdir.iterdir()) == []


def on_terminal(folder: Path, args: list[str], *typed: str, env: dict[str, str] | None = None) -> str:
    """A command on a terminal of 100 columns, and lines typed where it waits for one."""
    parent, child = pty.openpty()
    place = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(Path(__file__).parents[2]), **(env or {})}
    process = subprocess.Popen([sys.executable, "-m", "pipeline", *args], cwd=folder, stdin=child, stdout=child,
                               stderr=child, env=place)
    os.close(child)
    seen, left = b"", list(typed)
    waited = time.monotonic() + 60
    while time.monotonic() < waited:
        try:
            part = os.read(parent, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
        if left and seen.rstrip().endswith(b"Enter keeps it:"):
            os.write(parent, left.pop(0).encode() + b"\n")
    assert process.wait(10) == 0, seen.decode()
    os.close(parent)
    return seen.decode().replace("\r\n", "\n")


def test_values_are_changed_at_the_terminal(workdir: Path) -> None:
    out = on_terminal(workdir, ["init", "mine", "--idea", "bedtime stories"], "place: -Peru, +Atlantis, the Moon",
                      "plaze: +x", "mood: -nice", "")
    assert "did you mean 'place'?" in out
    assert "mood has no 'nice'" in out
    values = load_recipe(workdir / "mine.yaml").axes["place"].values
    assert values is not None
    assert "Peru" not in values
    assert list(values)[-2:] == ["Atlantis", "the Moon"]


def test_the_recipe_in_an_editor(workdir: Path) -> None:
    editor = workdir / "editor.sh"
    editor.write_text("#!/bin/sh\nsed -i 's/rows: 200/rows: 7/' \"$1\"\n")
    editor.chmod(0o755)
    on_terminal(workdir, ["init", "mine", "--idea", "tales", "--edit"], env={"EDITOR": str(editor)})
    assert load_recipe(workdir / "mine.yaml").sample.rows == 7


# -- plan --more -------------------------------------------------------------------------------------

RECIPE = """\
synth: 1
name: notes
axes:
  place: [Peru, Kenya, Japan]   # far away
  mood: {file: moods.txt}
prompt: "A {{mood}} note from {{place}}."
train: {user: "{{place}}"}
generate: {max_tokens: 100}
"""


@pytest.fixture
def notes(here: Path) -> Path:
    (here / "notes.yaml").write_text(RECIPE)
    (here / "moods.txt").write_text("happy\nangry\n")
    return here


def more(server: Server, *words: str) -> int:
    return main(["plan", "notes", *words, "--model", "openai:story-small", "--base-url", server.base_url])


def test_more_is_proposed_then_written_for_nothing(
    notes: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = '```json\n["Chile", "PERU", "Nepal", "a, b", "Chile"]\n```'
    server = openai_server(answer=answer, keep=True)
    assert main(["run", "notes", "--model", "openai:story-small", "--base-url", server.base_url]) == 0
    paid = len(server.received())
    assert paid == 6
    capsys.readouterr()
    assert more(server, "--more", "place=4") == 0
    captured = capsys.readouterr()
    assert captured.out == "Chile, Nepal, 'a, b'\n"
    assert captured.err.index("bill   1 new call, about") < captured.err.index("3 values that it lacks, of 4 asked for")
    assert "left out 'PERU' (near 'Peru': case, accents or punctuation)" in captured.err
    assert "6 cells, 12 with them: 12 rows wanted, keeps 6 of 6 paid rows" in captured.err
    assert "run    6 new calls, about" in captured.err
    assert "synth plan notes --more place=4 --write" in captured.err
    assert (notes / "notes.yaml").read_text() == RECIPE
    assert "Peru, Kenya, Japan" in server.received()[-1]["text"]
    assert more(server, "--more", "place=4", "--write") == 0
    assert (notes / "notes.yaml").read_text() == RECIPE.replace("Kenya, Japan]", "Kenya, Japan, Chile, Nepal, 'a, b']")
    assert len(server.received()) == paid + 1


def test_more_of_a_file_and_as_json(notes: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]) -> None:
    server = openai_server(answer='{"values": ["shy", "bold"]}')
    assert more(server, "--more", "mood=2", "--write", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["more"] == [{"axis": "mood", "values": ["shy", "bold"], "dropped": []}]
    assert told["before"] == {"cells": 6, "wanted": 6, "reused": 0, "surplus": 0, "new_calls": 6}
    assert told["after"] == {"cells": 12, "wanted": 12, "reused": 0, "surplus": 0, "new_calls": 12}
    assert (notes / "moods.txt").read_text() == "happy\nangry\nshy\nbold\n"
    assert (notes / "notes.yaml").read_text() == RECIPE


def test_more_that_cannot_be_used(notes: Path, openai_server: Start, capsys: pytest.CaptureFixture[str]) -> None:
    server = openai_server(script={"cannot be used": '["Peru", "Kenya"]', "": "Peru and so on"})
    assert more(server, "--more", "place=2", "--write") == 0
    assert "nothing to add" in said(capsys)
    assert (notes / "notes.yaml").read_text() == RECIPE
    assert more(server, "--more", "plaze=2") == 2
    assert "did you mean 'place'?" in said(capsys)
    assert more(server, "--write") == 2
    assert more(server, "--more", "place=2", "--write", "--set", "axes.place=[a]") == 2
    assert len(server.received()) == 2


def test_a_snapshot_is_not_edited(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "notes"]) == 0
    (notes / "notes.yaml").unlink()
    before = (notes / "datasets/notes/recipe.yaml").read_bytes()
    assert main(["plan", "notes", "--more", "place=3"]) == 0
    assert main(["plan", "notes", "--more", "place=3", "--write"]) == 2
    assert "cp datasets/notes/recipe.yaml notes.yaml" in said(capsys)
    assert (notes / "datasets/notes/recipe.yaml").read_bytes() == before


def test_more_in_a_rehearsal(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "plots"]) == 0
    assert main(["plan", "plots", "--more", "place=20", "--write"]) == 0
    out = said(capsys)
    assert "20 values that it lacks" in out
    assert "word lists that synth ships" in out
    values = load_recipe(workdir / "plots/recipe.yaml").axes["place"].values
    assert values is not None
    assert len(values) == len(set(values)) == 29


def test_a_dataset_that_was_only_asked_for_axes(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "mine", "--idea", "tales"]) == 0
    capsys.readouterr()
    assert main(["status", "mine"]) == 0
    out = said(capsys)
    assert "nobody yet" in out
    assert "next   synth plan mine" in out
