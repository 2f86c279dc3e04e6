"""What a request may cost at most, what it did cost, and what a cap needs to be kept."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import tokens
from pipeline.engine import cost_of, output_limit, refuse_unknown, worst_case
from pipeline.engine.budget import Budget
from pipeline.errors import CapReached, RecipeError
from pipeline.prices import Price
from pipeline.types import Usage

PRICE = Price(1.0, 10.0, 0.1, "2026-11", "a test")
FREE = Price(0.0, 0.0, 0.0, "", "a rehearsal")


@given(st.text(st.characters(codec=None)), st.integers(1, 10**6))
def test_no_answer_costs_more_than_the_worst_case(text: str, limit: int) -> None:
    messages = [{"role": "user", "content": text}]
    worst = worst_case({"messages": messages, "max_tokens": limit}, "m", PRICE)
    counted = tokens.count_messages(messages, "gpt-4o")
    assert worst is not None
    assert worst >= (cost_of(PRICE, Usage(counted.tokens if counted.exact else 0, limit)) or 0)


@pytest.mark.parametrize(("body", "limit"), [
    ({}, None), ({"max_tokens": 5}, 5), ({"max_completion_tokens": 7}, 7),
    ({"max_tokens": 5, "max_completion_tokens": 7}, 7), ({"max_tokens": "many"}, None),
])
def test_the_output_limit_of_a_body(body: dict, limit: int | None) -> None:
    assert output_limit(body) == limit


def test_a_worst_case_needs_price_and_limit() -> None:
    assert worst_case({"max_tokens": 5}, "m", None) is None
    assert worst_case({}, "m", PRICE) is None
    assert worst_case({}, "m", FREE) == 0.0
    assert worst_case({"messages": []}, "m", Price(1.0, 0.0, None, "", "")) is not None


def test_what_an_answer_cost() -> None:
    assert cost_of(None, Usage(1, 1)) is None
    assert cost_of(PRICE, None) is None
    assert cost_of(FREE, None) == 0.0
    assert cost_of(PRICE, Usage(1000, 100)) == pytest.approx(0.002)
    assert cost_of(PRICE, Usage(1000, 0, cached_tokens=1000)) == pytest.approx(0.0001)
    assert cost_of(PRICE, Usage(1000, 0, cached_tokens=5000)) == pytest.approx(0.0001), "more cached than there are"
    assert cost_of(PRICE._replace(cached=None), Usage(1000, 0, cached_tokens=1000)) == pytest.approx(0.001)


def test_a_cap_without_price_or_limit_is_refused_with_the_lines_that_supply_them() -> None:
    refuse_unknown(None, None, None, "m")
    refuse_unknown(1.0, PRICE, 100, "m")
    refuse_unknown(1.0, FREE, None, "m")
    with pytest.raises(RecipeError) as caught:
        refuse_unknown(1.0, None, 100, "some/model")
    assert '[prices."some/model"]' in caught.value.hint
    with pytest.raises(RecipeError) as caught:
        refuse_unknown(1.0, PRICE, None, "m")
    assert "generate.max_tokens" in caught.value.hint


@given(st.floats(0, 10), st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), max_size=30))
def test_no_order_of_takes_and_settles_passes_the_cap(cap: float, calls: list[tuple[float, float]]) -> None:
    async def run() -> None:
        budget, flying = Budget(cap, 0.0), list[tuple[float, float]]()
        for worst, share in calls:
            while flying and budget.spent + budget.held + worst > cap:
                done = flying.pop(0)
                budget.settle(done[0], done[0] * done[1])
            try:
                assert await asyncio.wait_for(budget.take(worst), 1)
            except CapReached:
                assert not flying
                assert budget.spent + worst > cap
                return
            flying.append((worst, share))
            assert budget.spent + budget.held <= cap + 1e-9

    asyncio.run(run())


async def test_a_closed_budget_gives_nothing_out() -> None:
    budget = Budget(1.0, 0.0)
    assert await budget.take(0.9)
    waiting = asyncio.create_task(budget.take(0.5))
    await asyncio.sleep(0)
    budget.close()
    assert await asyncio.wait_for(waiting, 1) is False
    assert await budget.take(0.01) is False
    assert budget.held == pytest.approx(0.9)


async def test_the_hint_of_a_reached_cap_is_enough_to_go_on() -> None:
    for cap, spent, worst in ((0.0, 0.0, 0.002), (1.0, 0.999, 0.5), (0.01, 0.0, 7.0)):
        with pytest.raises(CapReached) as caught:
            await Budget(cap, spent).take(worst)
        assert await Budget(caught.value.enough, spent).take(worst)
