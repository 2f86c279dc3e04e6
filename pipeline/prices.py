"""What tokens cost: a dated table beside this file, and the prices that a person sets over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from . import hosts
from .settings import Settings
from .types import Usage

MILLION = 1_000_000
FREE_HERE = "no price: an address on this machine counts as free"
"""The source of a price of 0 that nobody said."""
TARGET_EPOCHS = 3
FEWEST_SEEN, MOST_SEEN = 100, 25_000
"""Examples that all epochs together should show, at least and at most."""
MOST_EPOCHS = 25
"""The rule that OpenAI's cookbook gives for `auto` (examples/Chat_finetuning_data_prep.ipynb, 2e652704)."""
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


class Price(NamedTuple):
    """US dollars for a million tokens.

    Attributes:
        input: tokens of the prompt.
        output: tokens of the answer, those of reasoning included.
        cached: prompt tokens that the host had cached; None where they cost as much as others.
        date: when the price was known to hold, as `2026-04`; empty for one that a person set.
        source: where it was found.
        batch: what a file of many questions costs, as a share of this; None where the host takes none that we know of.
    """

    input: float
    output: float
    cached: float | None
    date: str
    source: str
    batch: float | None = None


class TrainingPrice(NamedTuple):
    """US dollars for a million trained tokens, to be multiplied by epochs."""

    usd: float
    date: str
    source: str


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = orjson.loads(Path(__file__).with_name("prices.json").read_bytes())
    return table


def base_model(model: str) -> str:
    """The name under which a model is priced: without `ft:`, what follows it, and the date of a snapshot.

    `ft:gpt-4o-mini-2024-07-18:org::id` -> `gpt-4o-mini`.
    """
    if model.startswith("ft:"):
        model = model.split(":")[1]
    return _SNAPSHOT.sub("", model)


def price_of(namespace: str, model: str, settings: Settings) -> Price | None:
    """The price of a model at a provider entry.

    `settings.prices` wins, `provider:model` over `model`. A rehearsal and the presets for servers on one's own machine
    cost nothing. The table knows only names that it lists (and their dated snapshots and fine-tunes): a host of
    another name may well ask another price.

    Returns:
        None where no price is known.
    """
    for key in (f"{namespace}:{model}", model):
        if key in settings.prices:
            entry = settings.prices[key]
            batch = entry.batch if entry.batch is not None else _batch(namespace)
            return Price(entry.input, entry.output, entry.cached, "", f"prices.{key} of synth.toml", batch)
    table = _table()
    kind = settings.providers[namespace].type if namespace in settings.providers else namespace
    if kind == "rehearsal":
        return Price(0.0, 0.0, 0.0, table["date"], "a rehearsal asks nobody")
    if namespace in table["local"] and namespace not in settings.providers:
        return Price(0.0, 0.0, 0.0, table["date"], "a server of one's own")
    name = base_model(model)
    if model.startswith("ft:"):
        tuned = table["tuned"]
        row = tuned["inference"].get(name) if namespace == "openai" else None
        return _price(row, tuned["date"], tuned["source"], namespace)
    return _price(table["inference"].get(namespace, {}).get(name), table["date"], table["source"], namespace)


def price_at(namespace: str, model: str, settings: Settings, env: Mapping[str, str]) -> Price | None:
    """As `price_of`, and where no price is known, an address on this machine counts as free (`free_here` is true)."""
    known = price_of(namespace, model, settings)
    if known is None and hosts.host(namespace, settings, env).local:
        return Price(0.0, 0.0, 0.0, "", FREE_HERE)
    return known


def free_here(price: Price | None) -> bool:
    """Whether a price is none: nobody said what the model costs, and it is asked on this machine."""
    return price is not None and price.source == FREE_HERE


def of_batch(price: Price | None) -> Price | None:
    """The price of a question in a batch; the live one, which is the most it can be, where nobody knows of a share."""
    if price is None or price.batch is None:
        return price
    cached = None if price.cached is None else price.cached * price.batch
    return price._replace(input=price.input * price.batch, output=price.output * price.batch, cached=cached)


def _price(row: dict[str, float] | None, date: str, source: str, namespace: str) -> Price | None:
    if row is None:
        return None
    return Price(row["input"], row["output"], row.get("cached"), date, source, _batch(namespace))


def _batch(namespace: str) -> float | None:
    """The share of its price that a host asks for a batch; None where it is not known to take batches."""
    known = _table()["batch"].get(namespace)
    return float(known["factor"]) if known else None


def training_price_of(
    model: str, namespace: str = "openai", settings: Settings | None = None
) -> TrainingPrice | None:
    """What a host asks to tune a model; None where it cannot be tuned or the price is not known.

    The table knows OpenAI's own; `training` of `settings.prices` wins over it, as in `price_of`.
    """
    for key in (f"{namespace}:{model}", model):
        entry = settings.prices.get(key) if settings else None
        if entry is not None and entry.training is not None:
            return TrainingPrice(entry.training, "", f"prices.{key} of synth.toml")
    tuned = _table()["tuned"]
    usd = tuned["training"].get(base_model(model)) if namespace == "openai" else None
    return TrainingPrice(usd, tuned["date"], tuned["source"]) if usd is not None else None


def epochs_of(rows: int) -> int:
    """How often a job whose epochs are `auto` goes through so many rows."""
    if rows * TARGET_EPOCHS < FEWEST_SEEN:
        return min(MOST_EPOCHS, FEWEST_SEEN // max(1, rows))
    if rows * TARGET_EPOCHS > MOST_SEEN:
        return max(1, MOST_SEEN // rows)
    return TARGET_EPOCHS


def cost(price: Price, usage: Usage) -> float:
    """What a call cost, in US dollars. Reasoning tokens are part of the output tokens, as hosts count them."""
    cached = min(usage.cached_tokens, usage.input_tokens)
    kept = price.input if price.cached is None else price.cached
    whole = (usage.input_tokens - cached) * price.input + cached * kept + usage.output_tokens * price.output
    return whole / MILLION
