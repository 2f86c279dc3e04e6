"""finetune.json and metrics.jsonl: read back as written, whole at any moment, damaged ones named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.store import Dataset
from pipeline.store.finetunes import (
    Finetune,
    finetunes,
    folder_of,
    forget_metrics,
    log,
    metrics,
    read,
    save,
    summary,
)
from pipeline.store.locks import holder
from pipeline.types import Problem

KEYS = ["id", "backend", "base", "state", "created", "finished", "settings", "data", "parameters", "metrics", "model",
        "base_digest", "seconds", "problems"]
ONE = Finetune("abcdefghij", "lora", "tiny", "running", "2026-11-21T08:00:00Z", settings={"rank": 16, "seed": 7})


def test_read_back_with_what_others_wrote(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ONE.id)
    assert read(folder) is None
    save(folder, ONE)
    value = json.loads((folder / "finetune.json").read_bytes())
    assert list(value)[: len(KEYS)] == KEYS
    assert "remote" not in value
    (folder / "finetune.json").write_text(json.dumps(value | {"later": [1], "remote": {"job": "ftjob-1"}}))
    found = read(folder)
    assert found == replace(ONE, more={"later": [1]}, remote={"job": "ftjob-1"})
    save(folder, replace(found, state="succeeded"))
    assert json.loads((folder / "finetune.json").read_bytes())["later"] == [1]


def test_listed_oldest_first_and_damaged_ones_named(tmp_path: Path) -> None:
    for name, created in (("b", "2026-11-21T09"), ("a", "2026-11-21T10"), ("c", "2026-11-21T08")):
        save(folder_of(tmp_path, name), replace(ONE, id=name, created=created))
    (tmp_path / "finetunes" / "torn").mkdir()
    (tmp_path / "finetunes" / "torn" / "finetune.json").write_text('{"id": "t')
    (tmp_path / "finetunes" / "odd").mkdir()
    (tmp_path / "finetunes" / "odd" / "finetune.json").write_text("[]")
    problems: list[Problem] = []
    assert [each.id for each in finetunes(tmp_path, problems.append)] == ["c", "b", "a"]
    assert sorted(Path(problem.where).parent.name for problem in problems) == ["odd", "torn"]
    assert all("rm -r" in problem.fix for problem in problems)
    with pytest.raises(DataError, match="not JSON"):
        read(tmp_path / "finetunes" / "torn")


def test_spent_is_the_worst_until_it_is_known() -> None:
    assert replace(ONE, cost_usd=None, usd_worst=2.5).spent_usd == 2.5
    assert replace(ONE, cost_usd=1.5, usd_worst=2.5).spent_usd == 1.5
    assert replace(ONE, cost_usd=1.5, usd_worst=2.5, earlier_usd=0.5).spent_usd == 2.0
    assert replace(ONE, cost_usd=None, usd_worst=None).spent_usd == 0.0


def test_metrics_by_step_the_later_line_counts(tmp_path: Path) -> None:
    assert metrics(tmp_path) == []
    log(tmp_path, [{"step": 1, "train_loss": 3.0}, {"step": 2, "train_loss": 2.0}])
    log(tmp_path, [{"step": 2, "train_loss": 2.5, "validation_loss": 2.6}, {"step": 3, "train_loss": 1.0}])
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 4, "tra')  # killed while it wrote
    found = metrics(tmp_path)
    assert [line["step"] for line in found] == [1, 2, 3]
    assert found[1] == {"step": 2, "train_loss": 2.5, "validation_loss": 2.6}
    log(tmp_path, [{"step": 4, "train_loss": 0.5}])
    assert [line["step"] for line in metrics(tmp_path)] == [1, 2, 3, 4]
    assert summary(metrics(tmp_path)) == {
        "steps": 4, "train_loss": 0.5, "validation_loss": 2.6, "first_train_loss": 3.0, "first_validation_loss": 2.6,
        "train_token_accuracy": None, "validation_token_accuracy": None}
    forget_metrics(tmp_path)
    assert metrics(tmp_path) == []


def test_a_batch_of_validation_counts_only_where_the_whole_is_unknown() -> None:
    lines = [{"step": 1, "validation_batch_loss": 9.0}, {"step": 2, "validation_loss": 2.0},
             {"step": 3, "validation_batch_loss": 8.0}]
    assert summary(lines)["validation_loss"] == 2.0
    assert summary(lines[:1])["validation_loss"] == summary(lines[:1])["first_validation_loss"] == 9.0
    assert summary([])["steps"] is None


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 10))))
def test_steps_stand_once_in_order(logged: list[tuple[int, float]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        log(Path(folder), ({"step": step, "train_loss": loss} for step, loss in logged))
        found = metrics(Path(folder))
    assert [line["step"] for line in found] == sorted({step for step, _ in logged})
    assert {line["step"]: line["train_loss"] for line in found} == dict(logged)


def test_who_holds_a_lock(tmp_path: Path) -> None:
    with Dataset.create(tmp_path / "plots") as dataset:
        assert holder(dataset.path, "finetune-x") is None
        with dataset.lock("finetune-x", "finetune"):
            assert str(holder(dataset.path, "finetune-x")).startswith("pid ")
        assert holder(dataset.path, "finetune-x") is None
