"""The folder: opened, moved, damaged, of a later version; what stages note; decisions; verdicts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from pipeline.errors import DataError
from pipeline.recipe import load_recipe
from pipeline.store import Dataset
from pipeline.store.dataset import LAYOUT
from pipeline.types import Finding, Verdict
from tests import made
from tests.store.calls import call

RECIPE = """\
synth: 1
name: tales
axes: {hero: [baker, pilot], place: {file: lists/places.txt}, thing: {file: samples.jsonl}}
prompt: {user: prompts/ask.md, system: "Be brief."}
train: {user: "{{hero}}", assistant: ../outside.md}
"""


def test_there_is_none(tmp_path: Path) -> None:
    Dataset.create(tmp_path / "other").close()
    with pytest.raises(DataError) as caught:
        Dataset.open(tmp_path / "set")
    assert "no dataset" in caught.value.message
    assert "other" in caught.value.hint


def test_looking_makes_nothing(tmp_path: Path) -> None:
    with Dataset(tmp_path / "set") as dataset:
        assert list(dataset.samples()) == []
        assert dataset.recipe() is None
        assert dataset.calls.spent().answered == 0
        assert len(dataset.plan.states()) == 0
        assert not dataset.hand_edits()
        assert dataset.aside() is not None
    assert list(tmp_path.iterdir()) == []


def test_made_once(tmp_path: Path) -> None:
    with Dataset.create(tmp_path / "set") as dataset:
        dataset.note("generate", {"rows": 3})
        before = (tmp_path / "set" / "manifest.json").read_bytes()
    with Dataset.create(tmp_path / "set") as dataset:
        assert dataset.manifest()["generate"] == {"rows": 3}
        assert dataset.name == "set"
    assert (tmp_path / "set" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[1]", b"null"])
def test_a_damaged_manifest_is_a_sentence_and_can_be_made_anew(tmp_path: Path, data: bytes) -> None:
    path = made.dataset(tmp_path / "set", [made.sample(n) for n in range(4)], curated=False)
    (path / "manifest.json").write_bytes(data)
    with pytest.raises(DataError) as caught:
        Dataset.open(path)
    assert str(path / "manifest.json") in caught.value.message
    assert caught.value.hint.startswith(f"rm {path / 'manifest.json'}")
    (path / "manifest.json").unlink()
    with Dataset.create(path) as dataset:
        assert len(list(dataset.samples())) == 4
        assert not dataset.hand_edits()
        assert dataset.calls.spent().answered == 4


@pytest.mark.parametrize("layout", [LAYOUT + 1, "two"])
def test_made_by_a_later_version(tmp_path: Path, layout: object) -> None:
    Dataset.create(tmp_path / "set").close()
    (tmp_path / "set" / "manifest.json").write_bytes(orjson.dumps({"layout": layout}))
    with pytest.raises(DataError) as caught:
        Dataset.open(tmp_path / "set")
    assert "later version" in caught.value.message
    assert "pip install -U" in caught.value.hint


def test_a_moved_or_copied_folder_is_the_same_dataset(tmp_path: Path) -> None:
    path = made.dataset(tmp_path / "set", [made.sample(n) for n in range(4)])
    moved = path.rename(tmp_path / "deeper")
    with Dataset.open(moved) as dataset:
        assert dataset.name == "deeper"
        assert not dataset.hand_edits()
        assert len(list(dataset.verdicts())) == 4
        assert dataset.calls.spent().usd > 0
    subprocess.run(["cp", "-r", str(moved), str(tmp_path / "copy")], check=True)
    with Dataset.open(tmp_path / "copy") as dataset:
        assert not dataset.hand_edits()


def test_notes_of_two_processes_are_both_kept(tmp_path: Path) -> None:
    Dataset.create(tmp_path / "set").close()
    code = """
import sys
from pathlib import Path
from pipeline.store import Dataset
with Dataset.open(Path(sys.argv[1])) as dataset:
    for n in range(40):
        dataset.note(sys.argv[2], n)
        assert dataset.manifest()[sys.argv[2]] == n
"""
    arguments = [sys.executable, "-c", code, str(tmp_path / "set")]
    others = [subprocess.Popen([*arguments, name]) for name in ("generate", "curation", "exports")]
    assert [other.wait() for other in others] == [0, 0, 0]
    with Dataset.open(tmp_path / "set") as dataset:
        found = dataset.manifest()
    assert [found[name] for name in ("generate", "curation", "exports")] == [39, 39, 39]


def test_the_snapshot_brings_the_files_that_the_recipe_names(tmp_path: Path) -> None:
    for name, text in {
        "tales.yaml": RECIPE, "prompts/ask.md": "A tale of {{hero}}.", "lists/places.txt": "Lima\nOslo\n",
        "samples.jsonl": "a file of the user's with a name of ours\n", "../outside.md": "{{answer}}",
    }.items():
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    recipe = load_recipe(tmp_path / "here" / "tales.yaml")
    with Dataset.create(tmp_path / "set") as dataset:
        dataset.save_recipe(recipe)
        again = dataset.recipe()
        assert again is not None
        assert again.model_dump() == recipe.model_dump()
        assert again.template(again.asks[0].user) == "A tale of {{hero}}."
        dataset.save_recipe(again)  # from the snapshot itself: nothing to copy
    assert (tmp_path / "set" / "lists" / "places.txt").read_text() == "Lima\nOslo\n"
    assert not (tmp_path / "set" / "samples.jsonl").exists()


def test_verdicts_come_back_as_they_were(tmp_path: Path) -> None:
    verdicts = [
        Verdict("a", "d1", "kept", (Finding("length", 812, "keep", key="k"),)),
        Verdict("b", "d2", "dropped", (Finding("refusal", "I cannot", "drop", "says no", (0, 8), "k2", ("c1",)),)),
        Verdict("c", "d3", "kept", ()),
    ]
    with Dataset.create(tmp_path / "set") as dataset:
        assert list(dataset.verdicts()) == []
        assert list(Dataset.open(tmp_path / "set").verdicts()) == []
        dataset.write_verdicts(verdicts)
        assert list(dataset.verdicts()) == verdicts
        dataset.write_verdicts(iter(verdicts[:1]))
        assert list(dataset.verdicts()) == verdicts[:1]


def test_the_last_decision_on_a_row_counts_and_a_torn_one_is_none(tmp_path: Path) -> None:
    with Dataset.create(tmp_path / "set") as dataset:
        assert dataset.reviews() == {}
        dataset.review("a", "keep", "d", by="ann")
        dataset.review("b", "drop", "d", by="ann")
        dataset.review("a", "drop", "d", by="bob")
        dataset.review("c", "edit", "d", by="hand")
        path = tmp_path / "set" / "reviews.jsonl"
        with path.open("ab") as file:
            file.write(b'{"sample":"b","acti')
        assert {key: line["action"] for key, line in dataset.reviews().items()} == {"a": "drop", "b": "drop"}
        dataset.review("b", "keep", "d", by="ann")
        assert dataset.reviews()["b"]["action"] == "keep"
        dataset.review("b", "undo", "d", by="bob")
        assert dataset.reviews()["b"]["by"] == "ann", "bob had nothing to take back"
        path.write_bytes(b"no\n" + path.read_bytes())
        with pytest.raises(DataError, match=r"reviews.jsonl:1"):
            dataset.reviews()


def test_failures_are_rows_with_their_reason(tmp_path: Path) -> None:
    with Dataset.create(tmp_path / "set") as dataset:
        for number in range(3):
            dataset.calls.record(call(number, usd=0.0, failure="timeout" if number else ""))
        path = dataset.write_failures(dataset.calls.outcomes("failed"))
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [(row["id"], row["failure"]["kind"]) for row in rows] == [("call-0001", "timeout"), ("call-0002", "timeout")]


def test_rows_stand_aside_for_a_reason(tmp_path: Path) -> None:
    from dataclasses import replace

    from pipeline.store.plan import ILLEGAL, SURPLUS, WANTED
    from pipeline.types import Draw

    draws = [Draw({"n": n}) for n in range(5)]
    rows = [
        replace(made.sample(n), provenance={"writer": "now", "draw": draw.key, "rehearsal": False})
        for n, draw in enumerate(draws)
    ]
    rows[1].provenance["writer"] = "before"
    rows[2].provenance["rehearsal"] = True
    path = made.dataset(tmp_path / "set", rows, curated=False)
    with Dataset.open(path) as dataset:
        dataset.note("generate", {"writer": "now"})
        dataset.plan.append(zip(draws, [WANTED, WANTED, WANTED, ILLEGAL, SURPLUS]))
        aside = dataset.aside()
        assert [aside(row) for row in dataset.samples()] == [None, "earlier", "rehearsed", "illegal", None]
        assert dataset.surplus_ids() == {rows[4].id}
