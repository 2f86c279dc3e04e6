"""Prices: the table, its overrides, and what a call costs."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline
from pipeline.prices import Price, base_model, cost, free_here, price_at, price_of, training_price_of
from pipeline.settings import PriceEntry, ProviderEntry, Settings
from pipeline.types import Usage

NONE = Settings()


@pytest.mark.parametrize(
    ("model", "input_", "output", "cached"),
    [
        ("gpt-4.1", 2.0, 8.0, 0.5), ("gpt-4.1-mini", 0.4, 1.6, 0.1), ("gpt-4.1-nano", 0.1, 0.4, 0.025),
        ("gpt-4o", 2.5, 10.0, 1.25), ("gpt-4o-mini", 0.15, 0.6, 0.075), ("gpt-5", 1.25, 10.0, 0.125),
        ("gpt-5-mini", 0.25, 2.0, 0.025), ("gpt-5-nano", 0.05, 0.4, 0.005),
        ("gpt-4.1-mini-2025-04-14", 0.4, 1.6, 0.1),
        ("ft:gpt-4o-mini-2024-07-18:org:plots:id", 0.3, 1.2, 0.15),
        ("ft:gpt-4.1-mini:openai::7p4lURel", 0.8, 3.2, 0.2),
    ],
)
def test_the_table(model, input_, output, cached):
    price = price_of("openai", model, NONE)
    assert price is not None
    assert (price.input, price.output, price.cached) == (input_, output, cached)
    assert price.date.startswith("2026-")
    assert price.source


@pytest.mark.parametrize(
    ("namespace", "model"),
    [("openai", "gpt-6-luna"), ("openai", "gpt-4.1-minimal"), ("openai", "ft:gpt-6-luna:org::id"),
     ("openrouter", "gpt-4.1"), ("mine", "gpt-4.1"), ("mine", "ft:gpt-4.1:org::id")],
)
def test_a_price_that_nobody_told_us_is_unknown(namespace, model):
    assert price_of(namespace, model, NONE) is None


def test_own_prices_win_and_the_narrower_one_first():
    settings = Settings(prices={
        "gpt-4.1": PriceEntry(input=1, output=2), "openai:gpt-4.1": PriceEntry(input=3, output=4, cached=1)})
    assert price_of("openai", "gpt-4.1", settings)[:3] == (3, 4, 1)
    assert price_of("mine", "gpt-4.1", settings)[:3] == (1, 2, None)
    assert "synth.toml" in price_of("mine", "gpt-4.1", settings).source


def test_a_batch_is_half_at_openai_and_what_one_says_elsewhere():
    assert price_of("openai", "gpt-4.1-mini", NONE).batch == 0.5
    assert price_of("openai", "ft:gpt-4o-mini:org::id", NONE).batch == 0.5
    own = Settings(prices={"m": PriceEntry(input=1, output=2), "n": PriceEntry(input=1, output=2, batch=0.25)})
    assert price_of("openai", "m", own).batch == 0.5
    assert price_of("mine", "m", own).batch is None, "nobody said that this host takes batches"
    assert price_of("mine", "n", own).batch == 0.25
    assert price_of("rehearsal", "rehearsal", NONE).batch is None


def test_rehearsals_and_own_servers_cost_nothing():
    assert price_of("rehearsal", "rehearsal", NONE)[:2] == (0, 0)
    assert price_of("ollama", "llama3.2:3b", NONE)[:2] == (0, 0)
    renamed = Settings(providers={"mock": ProviderEntry(type="rehearsal"), "ollama": ProviderEntry(base_url="http://x/v1")})
    assert price_of("mock", "any", renamed)[:2] == (0, 0)
    assert price_of("ollama", "llama3.2:3b", renamed) is None  # an entry of one's own under that name may be paid


def test_an_address_on_this_machine_counts_as_free_and_says_so():
    here, there = (Settings(base_url=url) for url in ("http://127.0.0.1:8411/v1", "https://models.example/v1"))
    free = price_at("local", "mine", here, {})
    assert (free.input, free.output, free_here(free)) == (0, 0, True)
    assert price_at("local", "mine", there, {}) is None
    known = price_at("openai", "gpt-4.1", here, {})
    assert known == price_of("openai", "gpt-4.1", here), "a price that is known counts, whoever passes the question on"
    assert not free_here(known)
    own = Settings(providers={"bank": ProviderEntry(base_url="http://localhost:1/v1")})
    assert free_here(price_at("bank", "m", own, {}))
    priced = own.model_copy(update={"prices": {"m": PriceEntry(input=1, output=2)}})
    assert price_at("bank", "m", priced, {}).output == 2
    assert not free_here(price_at("rehearsal", "rehearsal", NONE, {}))
    assert not free_here(None)


def test_local_names_are_presets():
    home = Path(pipeline.__file__).parent
    hosts = orjson.loads((home / "hosts" / "hosts.json").read_bytes())
    assert set(orjson.loads((home / "prices.json").read_bytes())["local"]) == {
        name for name, host in hosts.items() if host.get("local")}


def test_cost_by_hand():
    price = Price(2.0, 8.0, 0.5, "", "")
    assert cost(price, Usage(1000, 500)) == pytest.approx(0.006)
    assert cost(price, Usage(1000, 500, cached_tokens=400)) == pytest.approx((600 * 2 + 400 * 0.5 + 500 * 8) / 1e6)
    assert cost(price._replace(cached=None), Usage(1000, 500, cached_tokens=400)) == pytest.approx(0.006)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**8))
def test_cost_is_never_below_zero_nor_above_the_uncached(asked, said, cached):
    price = Price(2.0, 8.0, 0.5, "", "")
    assert 0 <= cost(price, Usage(asked, said, cached)) <= cost(price, Usage(asked, said)) + 1e-12


def test_training_prices_and_names():
    assert training_price_of("gpt-4o-mini-2024-07-18").usd == 3.0
    assert training_price_of("ft:gpt-4.1:org:x:id").usd == 25.0
    assert training_price_of("gpt-6-luna") is None
    assert training_price_of("gpt-4o-mini", "together") is None
    own = Settings(prices={"together:m": PriceEntry(input=1, output=1, training=0.5),
                           "n": PriceEntry(input=1, output=1)})
    assert training_price_of("m", "together", own).usd == 0.5
    assert training_price_of("m", "openai", own) is training_price_of("n", "together", own) is None
    assert base_model("ft:gpt-4.1-mini-2025-04-14:org::id") == "gpt-4.1-mini"
