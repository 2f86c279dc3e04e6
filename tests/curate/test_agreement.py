"""Agreement, kappa, ROC AUC and rank correlation, beside numbers that were published or counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.curate.agreement import Estimate, auc, effective, kappa, share, spearman

YES, NO = True, False


def test_kappa_of_the_textbook_table() -> None:
    """45 yes-yes, 15 yes-no, 25 no-yes, 15 no-no: 0.60 agree, chance 0.54, kappa 0.1304."""
    one = [YES] * 60 + [NO] * 40
    other = [YES] * 45 + [NO] * 15 + [YES] * 25 + [NO] * 15
    found = kappa(one, other, [1.0] * 100)
    assert found is not None
    assert found.value == pytest.approx(0.1304, abs=1e-4)
    assert found.low < 0 < found.high
    assert kappa([YES, YES], [YES, YES], [1, 1]) is None, "chance alone agrees on all"


def test_agreement_of_few_rows_says_what_it_cannot_tell() -> None:
    found = share([YES] * 17 + [NO] * 3, [1.0] * 20)
    assert found is not None
    assert (round(found.value, 2), round(found.low, 2), round(found.high, 2), found.rows) == (0.85, 0.64, 0.95, 20)
    assert found.tells_apart() == (0.7, 0.9)
    assert Estimate(0.9, 0.88, 0.92, 900).tells_apart() is None
    assert share([], []) is None


def test_weights_count_as_so_many_rows_and_tell_less() -> None:
    even, heavy = share([YES, NO, NO, NO], [1] * 4), share([YES, NO, NO, NO], [3, 1, 1, 1])
    assert even is not None
    assert heavy is not None
    assert (even.value, heavy.value) == (0.25, 0.5)
    assert effective([3, 1, 1, 1]) == 3
    assert heavy.high - heavy.low > 0.7


def test_auc_by_hand() -> None:
    """Pairs of a good with a bad one: 3>1, 3>2, 2>1 in order, 2=2 half: 3.5 of 4."""
    found = auc([3, 2, 1, 2], [YES, YES, NO, NO], [1] * 4)
    assert found is not None
    assert found.value == 0.875
    assert auc([1, 2], [YES, YES], [1, 1]) is None
    apart = auc(range(20), [index > 9 for index in range(20)], [1] * 20)
    assert apart is not None
    assert (apart.value, apart.high) == (1, 1)
    assert 0.75 < apart.low < 0.9, "twenty rows are no proof, even where all are in order"


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.sampled_from([0.5, 1.0, 4.0])), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool, float]]) -> None:
    pairs = [(a, b) for a in rows for b in rows if a[1] and not b[1]]
    found = auc(*map(list, zip(*rows, strict=True)))  # type: ignore[arg-type]
    if not pairs:
        assert found is None
        return
    all_ = sum(a[2] * b[2] for a, b in pairs)
    told = sum(a[2] * b[2] * ((a[0] > b[0]) + (a[0] == b[0]) / 2) for a, b in pairs) / all_
    assert found is not None
    assert found.value == pytest.approx(told)
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=30))
def test_rank_correlation_is_pearsons_of_mean_ranks(rows: list[tuple[int, int]]) -> None:
    one, other = ([row[side] for row in rows] for side in (0, 1))
    found = spearman(one, other)
    if found is None:
        assert len(set(one)) == 1 or len(set(other)) == 1
        return
    ranks = [[sum(each < value for each in side) + (side.count(value) + 1) / 2 for value in side]
             for side in (one, other)]
    assert found.value == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-9)
    assert found.low <= found.value <= found.high


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Planted judgements, so this proves the arithmetic alone: 95 % of the intervals are to hold what was planted."""
    dice, held, tries = np.random.default_rng(5), np.zeros(3), 300
    truth = {"agree": 0.8, "kappa": 0.6, "auc": 0.8413}  # of two normal values, sqrt(2) apart: Phi(1)
    for _ in range(tries):
        good = dice.random(40) < 0.5
        said = np.where(dice.random(40) < 0.8, good, ~good)
        values = dice.normal(size=40) + np.sqrt(2) * good
        found = (share(list(said == good), [1] * 40), kappa(list(good), list(said), [1] * 40),
                 auc(list(values), [bool(one) for one in good], [1] * 40))
        for place, (each, told) in enumerate(zip(found, truth.values(), strict=True)):
            assert each is not None
            held[place] += each.low <= told <= each.high
    assert (held / tries > 0.92).all(), held / tries
