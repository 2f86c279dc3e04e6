"""`synth run plots` in an empty folder, offline, and the specimen recipe of the design."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent.parent / "golden"
AXES = {"genre": 6, "modifier": 6, "place": 9, "period": 6}
PLACES = ["Lisbon", "Kyoto", "Lagos", "Oaxaca", "Tromsø"]


@pytest.fixture(scope="module")
def plots(shared_synth):
    """The shipped recipe, run once in an empty folder: the finished command."""
    return shared_synth("run", "plots", "--no-tune", timeout=200)


def test_from_nothing_to_validated_files_in_under_a_minute(shared_synth, plots) -> None:
    assert plots.seconds < 60, f"{plots.seconds:.1f} s"
    assert "rehearsal" in plots.said, "a rehearsal says that it is one"
    assert "--model" in plots.said, "with the line that names a real one"
    places = (shared_synth.folder / "plots.yaml", shared_synth.folder / "plots" / "recipe.yaml")
    recipes = [path for path in places if path.exists()]
    assert len(recipes) == 1
    assert recipes[0].name in plots.said, "it says which file it wrote"

    samples = shared_synth.rows(shared_synth.dataset("plots") / "samples.jsonl")
    assert len({s["id"] for s in samples}) == len(samples) == 396
    assert len({json.dumps(s["cell"], sort_keys=True) for s in samples}) == 396, "cells are drawn without repetition"
    for axis, size in AXES.items():
        assert len({s["cell"][axis] for s in samples}) == size, f"every {axis} is covered"
    assert all(s["provenance"]["rehearsal"] for s in samples), "rows of a rehearsal are marked for ever"


def test_verdicts_account_for_every_row(shared_synth, plots) -> None:
    verdicts = shared_synth.rows(shared_synth.dataset("plots") / "verdicts.jsonl")
    states = Counter(v["state"] for v in verdicts)
    assert sum(states.values()) == 396
    assert states["dropped"] > 0, "the rehearsal shows the faults that real models show"
    assert states["kept"] > 396 // 3, "and many rows are good"
    kept = {v["sample"] for v in verdicts if v["state"] == "kept"}
    for sample in shared_synth.rows(shared_synth.dataset("plots") / "samples.jsonl"):
        if sample["id"] in kept:
            assert len(sample["messages"][-1]["content"].replace("\r\n", "\n").encode()) >= 1024
            assert sample["provenance"]["finish_reason"] == "stop"


def test_every_line_of_every_export_is_a_row_that_was_kept(shared_synth, plots) -> None:
    verdicts = shared_synth.rows(shared_synth.dataset("plots") / "verdicts.jsonl")
    kept = {v["sample"] for v in verdicts if v["state"] == "kept"}
    samples = shared_synth.rows(shared_synth.dataset("plots") / "samples.jsonl")
    answers = Counter(s["messages"][-1]["content"] for s in samples if s["id"] in kept)
    chat = [row for path in shared_synth.exported("plots", "openai-chat") for row in shared_synth.rows(path)]
    assert Counter(row["messages"][-1]["content"] for row in chat) == answers
    pairs = [row for path in shared_synth.exported("plots", "prompt-completion") for row in shared_synth.rows(path)]
    assert Counter(row["completion"].strip() for row in pairs) == Counter({k.strip(): n for k, n in answers.items()})
    assert all("PLOT OUTLINE:" in row["prompt"] and row["prompt"].startswith("Genre: ") for row in pairs)
    for name in ("llama2", "gemma"):
        assert sum(len(shared_synth.rows(path)) for path in shared_synth.exported("plots", name)) == len(kept)
    files = shared_synth.exported("plots", "openai-chat", "valid")
    validation = [row for path in files for row in shared_synth.rows(path)]
    assert 0.04 * len(chat) < len(validation) < 0.18 * len(chat)


def test_a_manifest_holds_the_digest_of_every_exported_file(shared_synth, plots) -> None:
    home = shared_synth.dataset("plots")
    manifests = b"".join(path.read_bytes() for path in home.rglob("*manifest*.json"))
    files = shared_synth.exported("plots")
    assert len(files) >= 8
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest().encode() in manifests, path


def test_a_second_run_asks_for_nothing_and_writes_the_same_bytes(shared_synth, plots) -> None:
    home = shared_synth.dataset("plots")
    before = shared_synth.tree(home / "exports")
    samples = (home / "samples.jsonl").read_bytes()
    again = shared_synth("run", "plots", "--no-tune")
    assert "0 new calls" in again.said
    assert (home / "samples.jsonl").read_bytes() == samples
    assert shared_synth.tree(home / "exports") == before


def test_two_machines_write_the_same_files(shared_synth, plots, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    shared_synth("run", "plots", "--no-tune", cwd=other)
    here, there = shared_synth.dataset("plots") / "exports", other / "datasets" / "plots" / "exports"
    data = {name: b for name, b in shared_synth.tree(here).items() if name.endswith(".jsonl")}
    assert data == {name: b for name, b in shared_synth.tree(there).items() if name.endswith(".jsonl")}


def test_the_specimen_recipe_of_the_design_runs(synth) -> None:
    synth.write("plots.yaml", (GOLDEN / "specimen.yaml").read_bytes())
    synth.write("places.txt", "".join(f"{place}\n" for place in PLACES))
    synth.write("prompts/plot.md", "A plot:\nGenre: {{genre}}\nPlace: {{place}}\nPeriod: {{period}}\nHero: {{hero}}\n")
    ran = synth("run", "plots", "--no-tune", "--model", "rehearsal")

    samples = synth.rows(synth.dataset("plots") / "samples.jsonl")
    drawn = [s for s in samples if not s.get("parent")]
    assert len(drawn) == 396
    assert not [s for s in drawn if s["cell"]["genre"] == "high fantasy" and s["cell"]["period"] == "the 1920s"]
    assert {s["cell"]["place"] for s in drawn} == set(PLACES)
    periods = Counter(s["cell"]["period"] for s in drawn if s["cell"]["genre"] != "high fantasy")
    assert 1.5 < periods["the 1920s"] / periods["the near future"] < 2.7, "weights 2 to 1"
    parents = {s["id"] for s in drawn if len(s["messages"][-1]["content"].encode()) < 1024}
    children = [s for s in samples if s.get("parent")]
    assert children, "rows that are too short were expanded"
    assert {s["parent"] for s in children} <= parents
    for name in ("openai-chat", "llama2", "gemma"):
        assert len(synth.exported("plots", name)) == 2, "train and validation"
    assert ran.err.strip().splitlines()[-1].split(None, 1)[1].startswith("synth "), ran.err
