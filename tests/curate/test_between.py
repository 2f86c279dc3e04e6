"""Two curations that were made: what the later one changed, and the way back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.curate import between, undo
from pipeline.errors import DataError
from pipeline.status import shipped
from pipeline.store import Dataset
from tests.curate.test_curate import LENGTH, STORY, dataset, fill, row, run, verdicts

__all__ = ["dataset"]


def states(found: Dataset) -> dict[str, str]:
    return {name: verdict.state for name, verdict in verdicts(found).items()}


def twice(found: Dataset) -> None:
    """A curation by length, and another by words."""
    fill(found, [row("a", "short"), row("b", "I'm sorry, but I can't help with that today."), row("c", STORY)])
    run(found, LENGTH)
    run(found, "refusal")


def test_what_the_last_curation_changed(dataset: Dataset) -> None:
    twice(dataset)
    found = between(dataset)
    assert found is not None
    assert [(change.sample, change.state) for change in found.changes] == [("a", "kept"), ("b", "dropped")]
    assert [change.why.split(":")[0] for change in found.changes] == ["length", "refusal"]
    assert found.changed == (1, 1)
    assert found.differences == ["refusal added", "length left out"]
    assert found.unjudged == 0


def test_undo_brings_states_and_rules_back_and_undo_again_takes_it_back(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("c", STORY)])
    run(dataset, LENGTH)
    first, noted = (dataset.path / "verdicts.jsonl").read_bytes(), dataset.manifest()["curation"]
    run(dataset, {"length": {"min": 2, "unit": "chars"}})
    second, then = (dataset.path / "verdicts.jsonl").read_bytes(), dataset.manifest()["curation"]
    assert second != first
    found = undo(dataset)
    assert (dataset.path / "verdicts.jsonl").read_bytes() == first
    assert dataset.manifest()["curation"] == noted
    assert (found.changed, found.differences) == ((0, 1), ["length.min 2 -> 20"])
    assert found.noted["kept"] == 1
    undo(dataset)
    assert (dataset.path / "verdicts.jsonl").read_bytes() == second
    assert dataset.manifest()["curation"] == then


def test_the_first_curation_cannot_be_undone(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short")])
    run(dataset, LENGTH)
    assert between(dataset) is None
    with pytest.raises(DataError, match="no curation before the last one is kept"):
        undo(dataset)


def test_the_same_again_and_new_rows_leave_the_way_back_as_it_is(dataset: Dataset) -> None:
    twice(dataset)
    before = (dataset.path / "verdicts.before.jsonl").read_bytes()
    run(dataset, "refusal")
    fill(dataset, [row("d", "A new one")])
    run(dataset, "refusal")
    assert (dataset.path / "verdicts.before.jsonl").read_bytes() == before
    found = undo(dataset)
    assert found.unjudged == 1
    assert states(dataset) == {"a": "dropped", "b": "kept", "c": "kept"}


def test_a_review_can_be_undone_as_a_rule_can(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("c", STORY)])
    run(dataset, LENGTH)
    dataset.review("a", "keep", "", by="eva")
    run(dataset, LENGTH)
    assert states(dataset) == {"a": "kept", "c": "kept"}
    undo(dataset)
    assert states(dataset) == {"a": "dropped", "c": "kept"}


def test_exports_are_out_of_date_after_undo(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("c", STORY)])
    run(dataset, LENGTH)
    run(dataset, "refusal")
    export = dataset.exports / "openai-chat" / "manifest.json"
    export.parent.mkdir(parents=True)
    export.write_text("{}")
    assert shipped(dataset)
    stamp = export.stat().st_mtime_ns - 1
    os.utime(dataset.path / "verdicts.before.jsonl", ns=(stamp, stamp))
    undo(dataset)
    assert not shipped(dataset)
    assert export.read_text() == "{}"


def test_where_files_have_no_second_name_they_are_copied(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    """As on exFAT and some network folders."""
    def refuse(*_: object) -> None:
        raise OSError(95, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    twice(dataset)
    undo(dataset)
    assert states(dataset) == {"a": "dropped", "b": "kept", "c": "kept"}
    undo(dataset)
    assert states(dataset) == {"a": "kept", "b": "dropped", "c": "kept"}
    assert not [path.name for path in dataset.path.iterdir() if path.name.endswith((".part", ".before", ".swap"))]
