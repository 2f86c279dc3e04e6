"""`synth.load`: one line per row, columns by family, hand edits and stale verdicts seen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import synth
from pipeline.curate import curate
from pipeline.errors import DataError
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.types import Sample
from tests import made


@pytest.fixture
def six(workdir: Path) -> Path:
    return made.dataset(workdir / "datasets" / "six", [made.sample(i) for i in range(6)])


def test_columns_and_values(six: Path) -> None:
    frame = synth.load("six")
    assert list(frame.columns) == [
        "id", "cell.genre", "cell.year", "fields.premise", "measure.length", "measure.near_duplicate", "state",
        "answer", "prompt", "cost_usd", "model", "rehearsal", "parent", "finish_reason",
    ]
    assert len(frame) == 6
    first = made.sample(0)
    assert frame.loc[0, "answer"] == first.answer
    assert frame.loc[0, "prompt"] == "Genre: horror"
    assert frame.loc[0, "measure.length"] == len(first.answer)
    assert list(frame["state"]) == ["dropped"] * 3 + ["kept"] * 3
    assert frame["cell.year"].tolist() == list(range(1900, 1906))
    assert frame["cost_usd"].sum() == pytest.approx(sum(made.sample(i).provenance["cost_usd"] for i in range(6)))
    assert frame["cost_usd"].dtype == "float64"
    assert frame["rehearsal"].dtype == "bool"
    assert frame.groupby("cell.genre").size().to_dict() == dict.fromkeys(made.GENRES, 2)


def test_a_name_a_path_and_another_folder(six: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas

    by_name = synth.load("six")
    pandas.testing.assert_frame_equal(by_name, synth.load(six))
    monkeypatch.chdir("/")
    pandas.testing.assert_frame_equal(by_name, synth.load(str(six)))
    pandas.testing.assert_frame_equal(by_name, synth.load("six", datasets=workdir / "datasets"))
    assert by_name.attrs["path"].endswith("six")
    assert by_name.attrs["rules"] == {}, "nothing was noted of its curation"


def test_thresholds_stand_beside_the_measures(six: Path) -> None:
    with Dataset.open(six) as dataset:
        items = [Item.model_validate(each) for each in ({"length": {"min": 400, "unit": "bytes"}}, "near_duplicate")]
        curate(dataset, items)
    frame = synth.load("six")
    assert frame.attrs["rules"] == {"length": {"min": 400, "max": None}, "near_duplicate": {
        "threshold": 0.8, "keep": "longest", "by": None}}
    low = frame.attrs["rules"]["length"]["min"]
    assert list(frame[frame["measure.length"] < low].state.unique()) == ["dropped"]


def test_rows_changed_since_they_were_curated_are_new(six: Path) -> None:
    path = six / "samples.jsonl"
    lines = path.read_text().splitlines()
    row = json.loads(lines[4])
    row["messages"][-1]["content"] = "by hand"
    path.write_text("\n".join([*lines[:2], *lines[3:4], json.dumps(row), lines[5]]) + "\n")
    frame = synth.load("six")
    assert list(frame["state"]) == ["dropped", "dropped", "kept", "new", "kept"]
    assert frame.loc[3, "answer"] == "by hand"
    assert frame["measure.length"].isna().tolist() == [False] * 3 + [True, False]


def test_rows_of_other_shapes_share_a_frame(workdir: Path) -> None:
    child = Sample(id="zchild", messages=[{"role": "assistant", "content": None}], parent=made.sample(0).id)
    late = Sample(id="zlate", messages=[], cell={"place": "Lima"}, fields={"n": 3, "tags": ["a"]})
    made.dataset(workdir / "datasets" / "mixed", [made.sample(0), child, late], curated=False)
    frame = synth.load("mixed").set_index("id")
    assert frame.loc["zchild", "parent"] == made.sample(0).id
    assert frame.loc["zchild", "answer"] == ""
    assert frame.loc["zlate", "cell.place"] == "Lima"
    assert frame["cell.genre"].isna().tolist() == [False, True, True]
    assert frame.loc["zlate", "fields.tags"] == ["a"]
    assert set(frame["state"]) == {"new"}


def test_an_empty_dataset_has_the_columns(workdir: Path) -> None:
    made.dataset(workdir / "datasets" / "none", [])
    frame = synth.load("none")
    assert len(frame) == 0
    assert "cost_usd" in frame
    assert frame["rehearsal"].dtype == "bool"


def test_no_dataset(workdir: Path) -> None:
    with pytest.raises(DataError, match="nothing: no dataset"):
        synth.load("nothing")


@pytest.mark.parametrize("hiding", ["pipeline.py", "pipeline/__init__.py"])
def test_a_folder_that_hides_ours_is_named(tmp_path: Path, hiding: str) -> None:
    (tmp_path / hiding).parent.mkdir(exist_ok=True)
    (tmp_path / hiding).write_text("MINE = 1\n")
    command = [sys.executable, "-c", "import synth"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{tmp_path / hiding} hides the package" in done.stderr.splitlines()[-1]


def test_import_is_light() -> None:
    code = "import sys, synth; print([m for m in ('pandas', 'numpy', 'openai', 'rich', 'faker') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
