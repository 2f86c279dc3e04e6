"""The cap: the worst case of a request is taken before it is sent, and given back when it is known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline import prices, tokens
from pipeline.errors import CapReached, RecipeError
from pipeline.prices import Price
from pipeline.types import Usage
from pipeline.words import money


class Bill(NamedTuple):
    """What asking costs.

    Attributes:
        new_calls: calls that would be sent.
        usd_expected: None without a price.
        usd_worst: None without a price or an output limit.
    """

    new_calls: int
    usd_expected: float | None
    usd_worst: float | None


class Budget:
    """Dollars left under a cap.

    Args:
        cap: the most that may be spent; None for no cap.
        spent: dollars already spent, unconfirmed ones included.
    """

    def __init__(self, cap: float | None, spent: float) -> None:
        self.cap = cap
        self.spent = spent
        self.held = 0.0
        self._freed = asyncio.Event()
        self._closed = False

    async def take(self, worst: float) -> bool:
        """Takes `worst` dollars, or waits until requests in flight have given enough back.

        Returns:
            False where the run stops meanwhile; nothing was taken.

        Raises:
            CapReached: even with nothing in flight, the request could pass the cap.
        """
        while not self._closed and self.cap is not None and self.spent + self.held + worst > self.cap + 1e-12:
            if self.held <= 0:
                raise cap_reached(self.cap, self.spent, worst)
            self._freed.clear()
            await self._freed.wait()
        if self._closed:
            return False
        self.held += worst
        return True

    def close(self) -> None:
        """Nothing is given out any more: who waits is sent away."""
        self._closed = True
        self._freed.set()

    def settle(self, worst: float, cost: float) -> None:
        """Gives `worst` back and counts what it did cost."""
        self.held = max(0.0, self.held - worst)
        if self.held < 1e-9:
            self.held = 0.0
        self.spent += cost
        self._freed.set()


def worst_case(body: Mapping[str, Any], model: str, price: Price | None) -> float | None:
    """The most that a request can cost, in dollars; None without a price or an output limit.

    Input is counted exactly where the vocabulary is at hand, else bounded by its UTF-8 bytes.
    """
    limit = output_limit(body)
    if price is None or (limit is None and price.output > 0):
        return None
    if price.input == price.output == 0:
        return 0.0
    count = tokens.count_body(body, model)
    bound = count.tokens if count.exact else tokens.at_most_body(body)
    return (bound * price.input + (limit or 0) * price.output) / 1e6


def rough_tokens(body: Mapping[str, Any]) -> float:
    """Tokens of a prompt as hosts count them for their limits before they read it: four characters make one."""
    return sum(4 + len(str(message.get("content") or "")) / 4 for message in body.get("messages", []))


def output_limit(body: Mapping[str, Any]) -> int | None:
    """The output tokens that a body allows; None where it sets no limit."""
    limits = [body.get("max_completion_tokens"), body.get("max_tokens")]
    given = [limit for limit in limits if isinstance(limit, int)]
    return max(given) if given else None


def refuse_unknown(cap: float | None, price: Price | None, limit: int | None, model: str) -> None:
    """A cap cannot be kept without a price and an output limit.

    Raises:
        RecipeError: with the lines that supply what is missing.
    """
    if cap is None:
        return
    if price is None:
        raise RecipeError(
            f"--max-usd needs a price, and none is known for {model}",
            f'in synth.toml, in dollars per million tokens:\n[prices."{model}"]\ninput = 0.15\noutput = 0.60',
        )
    if limit is None and price.output > 0:
        raise RecipeError("--max-usd needs an output limit", "synth generate NAME --set generate.max_tokens=1000")


def cost_of(price: Price | None, usage: Usage | None) -> float | None:
    """What an answered call cost; None where price or usage is unknown."""
    if price is None:
        return None
    if price.input == price.output == 0:
        return 0.0
    if usage is None:
        return None
    return prices.cost(price, usage)


def cap_reached(cap: float, spent: float, worst: float) -> CapReached:
    """The error of a call that could pass the cap, with a cap that would hold it."""
    return CapReached(
        f"the cap of {money(cap)} is reached: ${spent:.4f} are spent, the next call may cost ${worst:.4f}",
        max(cap * 2, round(spent + worst + 0.005, 2)),
    )
