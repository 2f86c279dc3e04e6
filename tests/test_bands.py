"""Pairs by signatures, beside the join that misses nothing."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from pipeline import bands, similar
from pipeline.similar import Link, Sets

SHARED, OWN = range(1, 41), 80
"""Tokens that every set holds: a third of each; and how many it has of its own."""


def spread(tokens: list[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Tokens as the hashes that shingles are."""
    return np.unique(np.array([each * 0x9E3779B97F4A7C15 % (1 << 64) for each in tokens], np.uint64))


def corpus(sets: Sets, rows: int, seed: int, shared: bool, order: list[int]) -> None:
    """Every tenth set is a copy of the one before, the more alike the later; added in an order."""
    pick, every = Random(seed), []
    for number in range(rows):
        own = [pick.randrange(100, 1 << 60) for _ in range(OWN)]
        if number % 10 == 9:
            changed = round((len(SHARED) * shared + OWN) * pick.uniform(0, 0.17))
            own = [*own[:changed], *every[-1][changed:OWN]]
        every.append([*own, *(SHARED if shared else ())])
    for number in order:
        sets.add(spread(every[number]))


def clusters(links: list[Link], order: list[int]) -> set[frozenset[int]]:
    found = {number: frozenset({number}) for number in order}
    for link in links:
        both = found[order[link.left]] | found[order[link.right]]
        found.update(dict.fromkeys(both, both))
    return {each for each in found.values() if len(each) > 1}


@pytest.mark.parametrize("shared", [False, True])
def test_signatures_find_what_the_join_finds(monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    monkeypatch.setattr(bands, "HELD_BY", 150)
    rows = 1200
    order = list(range(rows))
    with Sets() as sets:
        corpus(sets, rows, 5, shared, order)
        exact = clusters(list(sets.links(0.7, order)), order)
        monkeypatch.setattr(similar, "MANY", 100)
        found = clusters(list(sets.links(0.7, order)), order)
    assert len(exact) > 90
    assert found <= exact, "every pair is verified"
    assert len(found) >= 0.99 * len(exact)


def test_the_clusters_do_not_depend_on_the_order_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "MANY", 100)
    given, mixed = list(range(1000)), list(range(1000))
    Random(3).shuffle(mixed)
    found = []
    for order in (given, mixed):
        with Sets() as sets:
            corpus(sets, 1000, 11, False, order)
            found.append(clusters(list(sets.links(0.8, sorted(given, key=order.__getitem__))), order))
    assert found[0] == found[1]
    assert found[0]


def test_a_text_that_thousands_copy_is_joined_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "HELD_BY", 50)
    monkeypatch.setattr(similar, "MANY", 100)
    pick, template = Random(2), list(range(1000, 1100))
    with Sets() as sets:
        for number in range(400):
            own = [pick.randrange(1 << 60) for _ in range(10)]
            sets.add(spread([*template, *own] if number % 2 else [pick.randrange(1 << 60) for _ in range(110)]))
        links = list(sets.links(0.8, range(400)))
    assert clusters(links, list(range(400))) == {frozenset(range(1, 400, 2))}
    assert len(links) == 199, "a spanning forest has no cycle"
