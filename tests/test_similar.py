"""Shingles and the exact join, beside a computation by sets of texts."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.shingles import CHARS, Shingler, Text, jaccard
from pipeline.similar import Link, Sets
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
    assert Shingler(2).grams("one two three").tolist() == [4252210315157436151, 6736934055807822513]


@given(st.lists(st.text(), max_size=5))
def test_a_word_is_a_word_of_views(texts: list[str]) -> None:
    for text, grams in zip(texts, Shingler(1).many(map(Text, texts)), strict=True):
        found = set(words(text))
        assert not found or len(grams) == len(found)


PIECES = [*"aB7_ \n,\0éßжक्“—語かก€😀𝔘", "\ud800", "longerthaneight", "longerthansixteenletters"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_a_word_has_the_hash_that_it_has_by_itself(text: str) -> None:
    shingler = Shingler(1)
    assert set(shingler.grams(text)) == {int(shingler.grams(word)[0]) for word in words(text)} or not words(text)


@given(st.lists(st.text("ab c\n", max_size=30), max_size=6), st.integers(1, 3))
def test_many_at_once_are_the_same_as_one_by_one(texts: list[str], size: int) -> None:
    together = list(Shingler(size).many(Text(text, "x") for text in texts))
    assert [each.tolist() for each in together] == [Shingler(size).grams(text, "x").tolist() for text in texts]


def test_a_word_has_one_hash_wherever_it_stands() -> None:
    long = "filler " * 90_000
    assert set(Shingler(2).grams("one two")) <= set(Shingler(2).grams(f"{long} one two {long}"))


def by_brute_force(sets: Sets, threshold: float) -> set[frozenset[int]]:
    """What all pairs connect."""
    group = {number: frozenset({number}) for number in range(len(sets))}
    for left in range(len(sets)):
        for right in range(left):
            if sets.size(left) and jaccard(sets[left], sets[right]) >= threshold:
                both = group[left] | group[right]
                group.update(dict.fromkeys(both, both))
    return set(group.values())


def by_links(sets: Sets, links: list[Link], threshold: float) -> set[frozenset[int]]:
    """What the links from a threshold on connect."""
    group = {number: frozenset({number}) for number in range(len(sets))}
    for link in links:
        if link.jaccard >= threshold:
            assert not group[link.left] & group[link.right], "a spanning forest has no cycle"
            both = group[link.left] | group[link.right]
            group.update(dict.fromkeys(both, both))
    return set(group.values())


def test_sets_are_added_after_others_were_read() -> None:
    with Sets() as sets:
        for number in range(3):
            sets.add(np.arange(number, number + 5, dtype=np.uint64))
            assert sets[0].tolist() == [0, 1, 2, 3, 4]
        assert sets[2].tolist() == [2, 3, 4, 5, 6]


THRESHOLDS = (0.05, 0.1, 1 / 3, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0)
TOKENS = st.lists(st.frozensets(st.integers(0, 14), max_size=12), max_size=14)


@settings(max_examples=30, deadline=None)
@given(TOKENS, st.randoms(use_true_random=False))
def test_one_search_answers_every_threshold_as_all_pairs_do(tokens: list[frozenset[int]], random: Random) -> None:
    with Sets() as sets:
        for each in tokens:
            sets.add(np.array(sorted(each), np.uint64))
        order = list(range(len(sets)))
        links = list(sets.links(0.05, order))
        for link in links:
            assert link.jaccard == jaccard(sets[link.left], sets[link.right])
        assert links == sorted(links, key=lambda link: -link.jaccard)
        for threshold in {*THRESHOLDS, *(link.jaccard for link in links)}:
            found = by_links(sets, links, threshold)
            assert found == by_brute_force(sets, threshold)
            assert found == by_links(sets, list(sets.links(threshold, order)), threshold)
        random.shuffle(order)
        other = list(sets.links(0.05, order))
        assert [link.jaccard for link in other] == [link.jaccard for link in links]
        assert all(by_links(sets, other, each) == by_links(sets, links, each) for each in THRESHOLDS)


def mixed(sets: Sets, rows: int, seed: int, shared: int) -> None:
    """Sets of which every seventh is a template's, the others some copies and strangers; all hold `shared` tokens."""
    random, every = Random(seed), list[list[int]]()
    for number in range(rows):
        own = [random.randrange(1 << 60) for _ in range(60)]
        if number % 7 == 0:
            own = [*range(1000, 1060 - number % 5), *own[:5]]
        elif number % 3 == 0:
            own = [*every[-1][random.randint(0, 25):], *own[:5]]
        every.append(own)
        tokens = [*own, *range(100, 100 + shared)]
        sets.add(np.unique(np.array([each * 0x9E3779B97F4A7C15 % (1 << 64) for each in tokens], np.uint64)))


@pytest.mark.parametrize("shared", [0, 30])
def test_text_that_many_share_is_counted_as_well(shared: int) -> None:
    """86 sets of 600 share a template, counted token by token; what all share, a third of each, is counted by bits."""
    with Sets() as sets:
        mixed(sets, 600, 3, shared)
        links = list(sets.links(0.3, range(600)))
        for threshold in (0.3, 0.5, 0.7, 0.85):
            assert by_links(sets, links, threshold) == by_brute_force_fast(sets, threshold)


def by_brute_force_fast(sets: Sets, threshold: float) -> set[frozenset[int]]:
    """The same for some hundred sets, by a table of all pairs."""
    tokens = np.unique(np.concatenate([sets[number] for number in range(len(sets))]))
    held = np.zeros((len(sets), len(tokens)), np.float32)
    for number in range(len(sets)):
        held[number, tokens.searchsorted(sets[number])] = 1
    shared = held @ held.T
    sizes = held.sum(axis=1)
    alike = (shared / (sizes[:, None] + sizes - shared)).astype(np.float64)
    pairs = zip(*np.nonzero(np.triu(alike >= threshold - 1e-6, 1)), strict=True)
    group = {number: frozenset({number}) for number in range(len(sets))}
    for left, right in pairs:
        if group[left] is not group[right]:
            both = group[left] | group[right]
            group.update(dict.fromkeys(both, both))
    return set(group.values())


@pytest.mark.parametrize("shared", [0, 30])
def test_signatures_find_what_the_join_finds_at_every_threshold(shared: int) -> None:
    """86 sets of a template are paired with more than DENSE others each, and joined."""
    with Sets() as sets:
        mixed(sets, 600, 5, shared)
        exact, found = list(sets.links(0.7, range(600))), list(sets.links(0.7, range(600), many=10))
        assert len(exact) > 150
        for threshold in (0.75, 0.8, 0.9):
            assert by_links(sets, found, threshold) == by_links(sets, exact, threshold)


@settings(max_examples=60, deadline=None)
@given(TOKENS, TOKENS, st.sampled_from([0.1, 0.5, 0.8]))
def test_the_nearest_of_others_is_found(ours: list[frozenset[int]], others: list[frozenset[int]], least: float) -> None:
    with Sets() as sets:
        for each in (*ours, *others):
            sets.add(np.array(sorted(each), np.uint64))
        behind = range(len(ours), len(sets))
        found = {link.left: link for link in sets.nearest(behind, range(len(ours)), least)}
        for number in range(len(ours)):
            alike = [jaccard(sets[number], sets[other]) for other in behind]
            if alike and max(alike) >= least:
                assert found[number] == Link(number, behind[alike.index(max(alike))], max(alike))
            else:
                assert number not in found
