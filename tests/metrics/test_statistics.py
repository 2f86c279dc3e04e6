"""Means, intervals and the test of pairs, against values worked out elsewhere and against many trials."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics import Change, Metric, change, summary, surely


class Plain(Metric):
    """A mean of numbers."""


class Share(Metric):
    """A share."""

    share = True


PLAIN = Plain("plain")


def ones(count: int) -> list[float]:
    return [1.0] * count


@pytest.mark.parametrize(("yes", "of", "low", "high"), [
    (5, 5, 0.5655, 1.0), (0, 5, 0.0, 0.4345), (8, 10, 0.4902, 0.9433), (50, 100, 0.4038, 0.5962),
])
def test_shares_have_wilsons_interval(yes: int, of: int, low: float, high: float) -> None:
    """Known values: five of five is far from proof that it is always so."""
    found = summary(Share("share"), [1.0] * yes + [0.0] * (of - yes), ones(of), seed=0)
    assert (found.mean, found.rows) == (yes / of, of)
    assert 0 <= (found.low or 0) <= found.mean <= (found.high or 0) <= 1
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_what_is_missing_is_counted_and_not_guessed() -> None:
    found = summary(Plain("plain"), [1.0, None, 3.0], ones(3), seed=0)
    assert (found.mean, found.rows, found.missing) == (2.0, 2, 1)
    assert summary(Plain("plain"), [None, None], ones(2), seed=0) == (None, None, None, 0, 2)


def test_one_row_has_no_interval() -> None:
    assert summary(PLAIN, [3.0], ones(1), seed=0) == (3.0, None, None, 1, 0)
    assert change(PLAIN, [3.0], [4.0], ones(1), seed=0) == Change(1.0, None, None, 1, 1, 0, 1.0)


def test_the_bootstrap_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    dice = random.Random(11)
    hits = 0
    for trial in range(300):
        found = summary(Plain("plain"), [dice.gauss(10, 3) for _ in range(40)], ones(40), seed=trial)
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 10 <= found.high
    assert 0.90 <= hits / 300 <= 0.98


def test_the_same_seed_gives_the_same_interval_and_another_seed_nearly_the_same() -> None:
    values: list[float | None] = [float(n % 7) for n in range(60)]
    first, again, other = (summary(Plain("plain"), values, ones(60), seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert first.low == pytest.approx(other.low, abs=0.2)


def test_no_five_pairs_show_more_than_chance() -> None:
    """Two of the 32 sign patterns are as extreme: p = 1/16, above 5%. Six pairs can do it."""
    assert change(PLAIN, ones(5), [9.0] * 5, ones(5), seed=0).p == pytest.approx(2 / 32)
    assert change(PLAIN, ones(6), [9.0] * 6, ones(6), seed=0).p == pytest.approx(2 / 64)
    assert not any(surely([change(PLAIN, ones(5), [float(9 + n) for n in range(5)], ones(5), seed=0)]))
    assert surely([change(PLAIN, ones(6), [9.0] * 6, ones(6), seed=0)]) == [True]


def test_the_sign_of_a_change() -> None:
    found = change(PLAIN, [5.0, 4.0, 3.0, None], [4.0, 4.0, 1.0, 7.0], [1.0, 1.0, 2.0, 1.0], seed=0)
    assert (found.rows, found.up, found.down) == (3, 0, 2)
    assert found.mean == pytest.approx(-5 / 4)
    assert found.p == 0.5, "of the two pairs that differ, two of four patterns are as extreme"


def test_no_difference_and_no_rows_are_chance() -> None:
    assert change(PLAIN, [1.0] * 20, [1.0] * 20, ones(20), seed=0) == Change(0.0, 0.0, 0.0, 20, 0, 0, 1.0)
    assert change(PLAIN, [None], [1.0], ones(1), seed=0) == Change(None, None, None, 0, 0, 0, 1.0)


def test_an_untuned_model_is_seldom_said_to_have_changed() -> None:
    """Twice the same model over 20 prompts: under 5% of trials, within the noise of 300 trials."""
    dice = random.Random(5)
    found = 0
    for trial in range(300):
        base = [dice.expovariate(1) for _ in range(20)]
        tuned = [dice.expovariate(1) for _ in range(20)]
        found += surely([change(PLAIN, base, tuned, ones(20), seed=trial)])[0]
    assert found / 300 <= 0.09


def test_a_change_of_shares_has_a_width_even_where_nothing_changed() -> None:
    found = change(Share("share"), ones(5), ones(5), ones(5), seed=0)
    assert found.mean == 0
    assert (found.low, found.high) == (pytest.approx(-0.28, abs=0.01), pytest.approx(0.28, abs=0.01))
    whole = change(Share("share"), [0.0] * 40, ones(40), ones(40), seed=0)
    assert whole.low is not None
    assert 0.85 < whole.low < 1
    assert whole.high == 1


def test_holm_asks_more_of_many_than_of_one() -> None:
    def of(p: float) -> Change:
        return Change(1.0, 0.5, 1.5, 30, 20, 10, p)

    assert surely([of(0.04)]) == [True]
    assert surely([of(0.04), of(0.9), of(0.9)]) == [False, False, False]
    assert surely([of(0.9), of(0.001), of(0.02), of(0.03)]) == [False, True, False, False]
    assert surely([]) == []


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=12), st.integers(0, 2**64))
def test_swapping_base_and_tuned_turns_the_sign_and_nothing_else(pairs: list[tuple[float, float]], seed: int) -> None:
    base, tuned = [a for a, _ in pairs], [b for _, b in pairs]
    there, back = change(PLAIN, base, tuned, ones(len(pairs)), seed), change(PLAIN, tuned, base, ones(len(pairs)), seed)
    assert there.mean is not None
    assert back.mean is not None
    assert there.mean == -back.mean
    assert (there.up, there.down, there.p) == (back.down, back.up, back.p)
    assert 0 < there.p <= 1
