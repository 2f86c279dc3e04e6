"""reviews.jsonl: what each person decided, what was taken back, and whose word counts."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.store import Dataset
from pipeline.store.reviews import Reviews, decision


def test_each_person_has_a_word_and_the_last_one_decides(tmp_path: Path) -> None:
    with Dataset.create(tmp_path / "plots") as dataset:
        dataset.review("a", "keep", "d", by="eva")
        dataset.review("a", "drop", "d", by="bob", note="too vague", drawn={"by": "length", "blind": True})
        assert {by: line["action"] for by, line in dataset.labels()["a"].items()} == {"eva": "keep", "bob": "drop"}
        assert dataset.reviews()["a"]["note"] == "too vague"
        dataset.review("a", "undo", "d", by="bob")
        assert (dataset.reviews()["a"]["by"], dataset.reviews()["a"]["action"]) == ("eva", "keep")
        dataset.review("a", "undo", "d", by="eva")
        assert dataset.labels() == {}
        lines = [json.loads(line) for line in (dataset.path / "reviews.jsonl").read_text().splitlines()]
        assert [line["action"] for line in lines] == ["keep", "drop", "undo", "undo"], "nothing is edited away"
        assert ["note" in line or "drawn" in line for line in lines] == [False, True, False, False]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["eva", "bob"]),
                          st.sampled_from(["keep", "drop", "undo"])), max_size=12))
def test_what_stands_is_the_last_word_that_was_not_taken_back(words: list[tuple[str, str, str]]) -> None:
    lines = [decision(sample, action, "", by) for sample, by, action in words]
    found = Reviews.of(lines)
    for sample in "ab":
        last = {by: action for one, by, action in words if one == sample}
        told = {by: action for by, action in last.items() if action != "undo"}
        assert {by: line["action"] for by, line in found.get(sample, {}).items()} == told
