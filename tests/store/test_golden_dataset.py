"""tests/golden/dataset-v1: what the first layout looked like on disk, opened by every later version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import synth
from pipeline.commands import main
from pipeline.store import Dataset

GOLDEN = Path(__file__).parent.parent / "golden" / "dataset-v1"


@pytest.fixture
def tales(workdir: Path) -> Path:
    """A copy under datasets/, which tests may write to."""
    return Path(shutil.copytree(GOLDEN / "tales", workdir / "datasets" / "tales"))


def test_rows_calls_decisions_and_verdicts_are_read(tales: Path) -> None:
    with Dataset.open(tales) as dataset:
        rows = list(dataset.samples())
        assert len(rows) == 9
        assert all(row.rehearsal for row in rows)
        assert not dataset.hand_edits(), "one deleted and one edited row were adopted"
        assert sorted(line["action"] for line in dataset.reviews().values()) == ["drop"]
        assert dataset.calls.spent().answered == 10
        assert all(dataset.calls.get(ref.id) for row in rows for ref in row.calls)
        assert [verdict.state for verdict in dataset.verdicts()].count("kept") == 5
        assert sum(1 for _ in dataset.plan.draws()) == 10


def test_nothing_is_asked_again(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "tales", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["wanted"], plan["new_calls"]) == (10, 0)


def test_deleted_rows_are_made_again_from_its_calls_and_decisions_stand(tales: Path) -> None:
    before = {row.id: row.messages for row in Dataset(tales).samples()}
    (tales / "samples.jsonl").unlink()
    assert main(["generate", "tales"]) == 0
    after = {row.id: row.messages for row in Dataset(tales).samples()}
    assert after == before, "the adopted edit as it was typed, the deleted row still gone"


def test_the_same_files_are_exported(tales: Path) -> None:
    files = sorted(path.relative_to(tales) for path in (tales / "exports").glob("*/*.jsonl"))
    assert files
    assert main(["export", "tales", "--out", "again"]) == 0
    for path in files:
        assert Path("again", *path.parts[1:]).read_bytes() == (GOLDEN / "tales" / path).read_bytes()


def test_what_was_tuned_and_judged_is_listed_and_reported(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "tales", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)
    assert model["state"] == "succeeded"
    assert main(["report", "tales"]) == 0
    assert "Before and after" in (tales / "report.html").read_text(encoding="utf-8")
    assert len(synth.load("tales")) == 9
