"""Labels from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.review import Brought, bring
from pipeline.store import Dataset
from pipeline.types import Problem
from tests.curate.test_curate import dataset, fill, row

__all__ = ["dataset"]


@pytest.fixture
def three(dataset: Dataset) -> Dataset:
    fill(dataset, [row(name, name) for name in ("abc", "abd", "xyz")])
    return dataset


def test_a_table_of_labels_brings_each_once(three: Dataset, tmp_path: Path) -> None:
    file, problems = tmp_path / "labels.csv", list[Problem]()
    file.write_text("id,label,note\nabc,KEEP,\nabd,0,too short\nx,good,\n")
    assert bring(three, file, "eva", problems.append) == Brought(2, 1, 0, 0)
    found = {key: line["action"] for key, line in three.reviews().items()}
    assert found == {"abc": "keep", "abd": "drop", "xyz": "keep"}
    line = three.reviews()["abd"]
    digest = next(sample.digest for sample in three.samples() if sample.id == "abd")
    assert (line["by"], line["note"], line["digest"]) == ("eva", "too short", digest)
    before = (three.path / "reviews.jsonl").read_bytes()
    assert bring(three, file, "eva", problems.append) == Brought(0, 0, 3, 0)
    assert (three.path / "reviews.jsonl").read_bytes() == before
    assert problems == []


def test_json_lines_of_two_people(three: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text('{"id": "abc", "label": true, "by": "bob"}\n{"id": "abc", "label": 0, "by": "ann"}\n')
    assert bring(three, file, "eva", print) == Brought(1, 1, 0, 0)
    assert {by: line["action"] for by, line in three.labels()["abc"].items()} == {"bob": "keep", "ann": "drop"}


def test_a_line_that_says_nothing_is_named_and_the_others_count(three: Dataset, tmp_path: Path) -> None:
    file, problems = tmp_path / "labels.csv", list[Problem]()
    file.write_text("id,label,by\nab,keep,\nnobody,keep,\nabc,maybe,\n,keep,\nabc,keep,hand\nxyz,bad,\n")
    assert bring(three, file, "eva", problems.append) == Brought(0, 1, 0, 5)
    assert [problem.message for problem in problems] == [
        "several ids begin with 'ab'", "no row's id begins with 'nobody'", "'maybe' is no label", "no id",
        "`by: hand` means an edit of samples.jsonl"]
    assert problems[0].where.endswith("labels.csv:2")


def test_a_file_without_a_usable_line_is_an_error_that_says_what_is_wanted(three: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("row,verdict\nabc,keep\n")
    with pytest.raises(DataError, match=r"no line can be used: .*:2: no id and no label") as error:
        bring(three, file, "eva", lambda problem: None)
    assert "the columns id and label" in error.value.hint
    assert not (three.path / "reviews.jsonl").exists()


@settings(max_examples=25)
@given(st.lists(st.fixed_dictionaries({}, optional={
    "id": st.one_of(st.sampled_from(["abc", "xyz", "a", ""]), st.integers(), st.none()),
    "label": st.one_of(st.sampled_from(["keep", "drop", "?"]), st.booleans(), st.floats(allow_nan=False), st.none()),
    "by": st.one_of(st.text(max_size=3), st.none())}), min_size=1, max_size=5))
def test_whatever_stands_there_each_line_is_counted_once(tmp_path_factory: pytest.TempPathFactory, lines: list) -> None:  # type: ignore[type-arg]
    import json

    folder = tmp_path_factory.mktemp("labels")
    (folder / "labels.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Dataset.create(folder / "plots") as found:
        fill(found, [row(name, name) for name in ("abc", "abd", "xyz")])
        try:
            brought = bring(found, folder / "labels.jsonl", "eva", lambda problem: None)
        except DataError:
            assert found.labels() == {}
        else:
            assert sum(brought) == len(lines)
