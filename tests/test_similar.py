"""Shingles and the exact join, beside a computation by sets of texts."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.shingles import CHARS, Shingler, Text, jaccard
from pipeline.similar import Sets
from pipeline.views import words


def as_texts(text: str, size: int) -> set[object]:
    found = words(text)
    if len(found) >= size:
        return {tuple(found[start : start + size]) for start in range(len(found) - size + 1)}
    flat = " ".join(found)
    return {flat[start : start + CHARS] for start in range(max(1, len(flat) - CHARS + 1))} if flat else set()


@given(st.text("ab, .é語", max_size=60), st.text("ab, .é語", max_size=60), st.integers(1, 6))
def test_jaccard_of_hashes_is_that_of_texts(left: str, right: str, size: int) -> None:
    one, two = as_texts(left, size), as_texts(right, size)
    if not one or not two:
        return
    shingler = Shingler(size)
    expected = len(one & two) / len(one | two)
    assert jaccard(shingler.grams(left), shingler.grams(right)) == pytest.approx(expected)


@given(st.text(), st.integers(1, 8))
def test_any_text_has_a_sorted_set(text: str, size: int) -> None:
    grams = Shingler(size).grams(text)
    assert np.array_equal(grams, np.unique(grams))
    assert np.array_equal(grams, Shingler(size).grams(text))
    assert not set(grams) & set(Shingler(size).grams(text, apart="other"))


def test_hashes_are_the_same_on_every_machine() -> None:
    assert Shingler(2).grams("one two three").tolist() == [2789743566856267121, 17209160710924851643]


@given(st.lists(st.text(), max_size=5))
def test_a_word_is_a_word_of_views(texts: list[str]) -> None:
    for text, grams in zip(texts, Shingler(1).many(map(Text, texts)), strict=True):
        found = set(words(text))
        assert not found or len(grams) == len(found)


@given(st.lists(st.text("ab c\n", max_size=30), max_size=6), st.integers(1, 3))
def test_many_at_once_are_the_same_as_one_by_one(texts: list[str], size: int) -> None:
    together = list(Shingler(size).many(Text(text, "x") for text in texts))
    assert [each.tolist() for each in together] == [Shingler(size).grams(text, "x").tolist() for text in texts]


def test_a_word_has_one_hash_wherever_it_stands() -> None:
    long = "filler " * 90_000
    assert set(Shingler(2).grams("one two")) <= set(Shingler(2).grams(f"{long} one two {long}"))


@pytest.mark.parametrize("threshold", [0.1, 1 / 3, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_links_connect_all_pairs_at_the_threshold_and_no_other(threshold: float) -> None:
    random = Random(11)
    with Sets() as sets:
        for _ in range(150):
            start = random.randrange(60)
            sets.add(np.array(sorted(random.sample(range(start, start + 40), random.randint(1, 40))), np.uint64))
        groups = {number: {number} for number in range(len(sets))}
        pairs = 0
        for left in range(len(sets)):
            for right in range(left):
                if jaccard(sets[left], sets[right]) >= threshold:
                    pairs += 1
                    groups[left] |= groups[right]
                    for member in groups[left]:
                        groups[member] = groups[left]
        found = {number: {number} for number in range(len(sets))}
        for link in sets.links(threshold, range(len(sets))):
            assert link.jaccard == jaccard(sets[link.left], sets[link.right]) >= threshold
            assert not found[link.left] & found[link.right], "a spanning forest has no cycle"
            found[link.left] |= found[link.right]
            for member in found[link.left]:
                found[member] = found[link.left]
    assert found == groups
    assert pairs or threshold == 1.0
