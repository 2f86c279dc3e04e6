"""Which rows are put before a person."""

from __future__ import annotations

from collections import Counter

import pytest

from pipeline.errors import RecipeError
from pipeline.review import pick
from pipeline.rows import Filters
from pipeline.store import Dataset
from tests.curate.test_curate import dataset, fill, row, run

__all__ = ["dataset"]
ALL = Filters()


@pytest.fixture
def words(dataset: Dataset) -> Dataset:
    """A hundred rows of 1 to 100 words, curated by `length: {min: 50}` in words."""
    fill(dataset, [row(f"r{number:03}", "word " * number) for number in range(1, 101)])
    run(dataset, {"length": {"min": 50, "unit": "words"}}, "refusal")
    return dataset


def sizes(rows: list) -> list[int]:  # type: ignore[type-arg]
    return [len(each.sample.answer.split()) for each in rows]


def test_rows_are_spread_over_the_values_those_at_the_bound_first(words: Dataset) -> None:
    found = sizes(pick(words, ALL, 18, 0, by="length"))
    assert len(set(found)) == 18
    assert 41 <= found[0] < 50 <= found[1] < 70, "either side of the bound first"
    parts = Counter(sum(size >= cut for cut in (21, 41, 50, 70, 90)) for size in found)
    assert parts == dict.fromkeys(range(6), 3), "three of each stratum"
    assert found == sizes(pick(words, ALL, 18, 0, by="length"))
    assert found != sizes(pick(words, ALL, 18, 1, by="length"))
    assert sizes(pick(words, ALL, 6, 0, by="length")) == found[:6], "who stops early has labelled the same ones"


def test_labelled_rows_are_left_out_and_count_for_their_stratum(words: Dataset) -> None:
    first = pick(words, ALL, 6, 0, by="length")
    for each in first[:3]:
        words.review(each.sample.id, "keep", each.sample.digest, by="eva")
    again = pick(words, ALL, 3, 0, by="length")
    assert [each.sample.id for each in again] == [each.sample.id for each in first[3:]], "a session that was cut short"
    words.review(first[0].sample.id, "undo", first[0].sample.digest, by="eva")
    assert pick(words, ALL, 1, 0, by="length")[0].sample.id == first[0].sample.id


def test_the_rows_that_another_person_labelled(words: Dataset) -> None:
    for name in ("r010", "r060", "r090"):
        words.review(name, "keep", "", by="eva")
    words.review("r060", "drop", "", by="bob")
    assert {each.sample.id for each in pick(words, ALL, 20, 0, second="bob")} == {"r010", "r090"}
    assert {each.sample.id for each in pick(words, ALL, 20, 0, by="length", second="bob")} == {"r010", "r090"}
    assert pick(words, ALL, 20, 0, second="eva") == []


def test_at_random_and_by_filters(words: Dataset) -> None:
    assert len(pick(words, ALL, 200, 0)) == 100
    dropped = sizes(pick(words, Filters(state="dropped"), 30, 3))
    assert len(dropped) == 30
    assert max(dropped) < 50
    spread = sizes(pick(words, Filters(state="dropped"), 30, 3, by="length"))
    assert max(spread) < 50, "a filter holds in each stratum"


def test_a_rule_without_numbers(words: Dataset) -> None:
    with pytest.raises(RecipeError, match="--by refusal: it measured no number") as error:
        pick(words, ALL, 20, 0, by="refusal")
    assert error.value.hint == "known: length"
    with pytest.raises(RecipeError) as error:
        pick(words, ALL, 20, 0, by="lenght")
    assert error.value.hint == "did you mean 'length'?"
