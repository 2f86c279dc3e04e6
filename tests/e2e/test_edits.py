"""Eleven edits of a recipe: what each one pays for, by the server's ledger, and that `plan` says so before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers import running

pytestmark = pytest.mark.forked
ROWS = 60
RECIPE = """\
synth: 1
name: tales
seed: 3
axes:
  hero: [baker, pilot, nurse, judge, diver, clerk, weaver, smith]
  place: [Lima, Oslo, Cairo, Delhi, Turin, Perth]
  mood: [merry, bleak, tense, calm]
sample: {rows: 60, how: random}
prompt: {user: "A tale of a {{hero}} in {{place}}, {{mood}}.", salt: true}
train: {user: "{{hero}}, {{place}}, {{mood}}"}
generate: {model: "openai:story-small", max_tokens: 2000}
curate: [{length: {min: 300, unit: chars}}]
export: {formats: [openai-chat]}
"""
ENV = {"OPENAI_API_KEY": "sk-loopback-e2e"}


class Edit(NamedTuple):
    """An edit of the recipe's text, the fewest and most calls that it may pay for, and which prompts they hold."""

    change: Callable[[str], str]
    least: int
    most: int
    new: Callable[[str], bool] = lambda prompt: False


def swap(*words: str) -> Callable[[str], str]:
    """An edit that puts the second word for the first, the fourth for the third, ..."""
    def change(text: str) -> str:
        for old, new in zip(words[::2], words[1::2]):
            assert old in text
            text = text.replace(old, new)
        return text
    return change


EDITS = {
    "add a value": Edit(swap("Perth]", "Perth, Quito]"), 1, 25, lambda prompt: "Quito" in prompt),
    "remove a value": Edit(swap(", Perth]", "]"), 1, 25, lambda prompt: "Perth" not in prompt),
    "rename a value": Edit(swap("Perth", "Hobart"), 1, 25, lambda prompt: "Perth" not in prompt),
    "reorder the values": Edit(swap("[Lima, Oslo, Cairo,", "[Cairo, Lima, Oslo,"), 0, 0),
    "add an axis": Edit(swap("  mood:", "  year: [1900, 2000]\n  mood:", "{{mood}}.", "{{mood}}, {{year}}."),
                        ROWS, ROWS, lambda prompt: prompt.endswith(("1900.", "2000."))),
    "a comment": Edit(lambda text: "# my first recipe\n" + text.replace("seed: 3", "seed: 3   # lucky"), 0, 0),
    "a rule": Edit(swap("curate: [", "curate: [refusal, exact_duplicate, "), 0, 0),
    "a threshold": Edit(swap("min: 300", "min: 900"), 0, 0),
    "a format": Edit(swap("[openai-chat]", "[openai-chat, prompt-completion]"), 0, 0),
}


@pytest.fixture(scope="module")
def tales(shared_synth):
    """The recipe, run against a server that stays up for the whole file: (server, the run's folder)."""
    with running(keep=True) as server:
        shared_synth.write("tales.yaml", RECIPE)
        shared_synth(*run(server.base_url), env=ENV)
        assert len(server.received()) == ROWS
        yield server


def run(base_url: str, name: str = "tales") -> list[str]:
    return ["run", name, "--base-url", base_url, "--yes"]


def planned(synth, base_url: str, cwd: Path, name: str = "tales") -> int:
    """What `plan` says that a run would ask for; it asks for nothing itself."""
    return synth("plan", name, "--base-url", base_url, "--json", cwd=cwd, env=ENV).json["new_calls"]


def copied(shared_synth, folder: Path) -> Path:
    """A copy of the finished run, to be edited."""
    for name, data in shared_synth.tree(shared_synth.folder).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_pays_only_for_what_is_new(shared_synth, tales, tmp_path: Path, name: str) -> None:
    edit = EDITS[name]
    here = copied(shared_synth, tmp_path / "copy")
    (here / "tales.yaml").write_text(edit.change(RECIPE))

    before = tales.received()
    plan = planned(shared_synth, tales.base_url, here)
    assert len(tales.received()) == len(before), "plan asks for nothing"
    shared_synth(*run(tales.base_url), cwd=here, env=ENV)

    paid = tales.received()[len(before):]
    assert len(paid) == plan, "the plan said so before"
    assert edit.least <= len(paid) <= edit.most, f"{name}: {len(paid)} calls"
    assert all(edit.new(event["text"]) for event in paid), "only what is new"
    assert not {event["body"] for event in paid} & {event["body"] for event in before[:ROWS]}, "what the copy had paid"
    assert planned(shared_synth, tales.base_url, here) == 0


def test_renaming_the_dataset_pays_nothing(shared_synth, tales, tmp_path: Path) -> None:
    here = copied(shared_synth, tmp_path / "copy")
    (here / "tales.yaml").unlink()
    (here / "stories.yaml").write_text(RECIPE.replace("name: tales", "name: stories"))
    before = len(tales.received())
    assert planned(shared_synth, tales.base_url, here, "stories") == 0
    shared_synth(*run(tales.base_url, "stories"), cwd=here, env=ENV)
    assert len(tales.received()) == before
    assert len(shared_synth.rows(here / "datasets" / "stories" / "samples.jsonl")) == ROWS


def test_moving_the_folder_pays_nothing(shared_synth, tales, tmp_path: Path) -> None:
    here = copied(shared_synth, tmp_path / "before")
    moved = tmp_path / "after" / "deeper"
    moved.parent.mkdir()
    here.rename(moved)
    before = len(tales.received())
    assert planned(shared_synth, tales.base_url, moved) == 0
    shared_synth(*run(tales.base_url), cwd=moved, env=ENV)
    assert len(tales.received()) == before


def test_an_added_rule_and_threshold_change_what_is_kept(shared_synth, tales, tmp_path: Path) -> None:
    """The free edits are free because nothing is asked, not because nothing happens."""
    here = copied(shared_synth, tmp_path / "copy")
    (here / "tales.yaml").write_text(EDITS["a threshold"].change(RECIPE))
    shared_synth(*run(tales.base_url), cwd=here, env=ENV, code=None)

    def kept(folder: Path) -> int:
        verdicts = shared_synth.rows(folder / "datasets" / "tales" / "verdicts.jsonl")
        return sum(verdict["state"] == "kept" for verdict in verdicts)

    assert 0 < kept(here) < kept(shared_synth.folder)


def test_paid_rows_that_no_longer_belong_are_kept_on_disk(shared_synth, tales, tmp_path: Path) -> None:
    here = copied(shared_synth, tmp_path / "copy")
    (here / "tales.yaml").write_text(EDITS["remove a value"].change(RECIPE))
    shared_synth(*run(tales.base_url), cwd=here, env=ENV)
    before = shared_synth.rows(shared_synth.dataset("tales") / "samples.jsonl")
    after = {s["id"] for s in shared_synth.rows(here / "datasets" / "tales" / "samples.jsonl")}
    assert {s["id"] for s in before} <= after, "nothing that was paid for is lost"
    (path,) = [p for p in (here / "datasets" / "tales" / "exports").rglob("*.jsonl") if "openai-chat" in str(p)]
    assert not any("Perth" in row["messages"][0]["content"] for row in shared_synth.rows(path)), "nor is it exported"
    back = copied(shared_synth, here)
    assert planned(shared_synth, tales.base_url, back) == 0, "and the edit undone costs nothing"
