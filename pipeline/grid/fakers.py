"""Values that Faker makes, each seeded by its own number, so that more of them change none."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterator
from typing import Any

from ..digest import hash_int
from ..errors import RecipeError, did_you_mean
from ..types import Scalar

_TIMELESS = frozenset({"century", "timezone", "pytimezone"})
"""What Faker's date provider makes without asking what time it is."""
_TIMELY = frozenset({
    "credit_card_expire", "credit_card_full", "passport_dates", "passport_dob", "passport_full", "profile",
    "simple_profile",
})
"""What its other providers make from today's date: another value tomorrow, and every row paid again."""


MOST = 100_000
"""Values of one axis: they are made one by one, ten thousand in a second or two."""


def fake_values(provider: str, count: int, locale: str, seed: int, axis: str, where: str) -> tuple[Scalar, ...]:
    """Distinct values of a Faker provider.

    Value i is made from a seed of (seed, axis, i), and of a number of tries where an earlier value came again.

    Args:
        provider: as `name`, `city`, `job`.
        count: how many.
        locale: as `en_US`.
        seed: the recipe's.
        axis: the axis' name.
        where: its place, as `plots.yaml:7`.

    Raises:
        RecipeError: no such provider or locale, too many values, too few distinct ones, or some that are no texts or
            numbers.
    """
    if count > MOST:
        raise RecipeError(f"{where}: axis '{axis}': {count:,} values of Faker; at most {MOST:,}", f"n: {MOST}")
    make = _maker(provider, locale, f"{where}: axis '{axis}'")
    found: dict[str, Scalar] = {}
    for index in range(count):
        for attempt in range(200 + 20 * index):
            value = make(hash_int("faker", seed, axis, index, attempt))
            if str(value) not in found:
                found[str(value)] = value
                break
        else:
            message = f"{where}: axis '{axis}': {count:,} distinct values are asked of Faker's {provider}"
            raise RecipeError(f"{message}, and it makes only {len(found):,}", f"n: {len(found)}")
    return tuple(found.values())


def _maker(provider: str, locale: str, where: str) -> Callable[[int], Scalar]:
    import faker
    from faker.config import AVAILABLE_LOCALES

    if locale.replace("-", "_") not in AVAILABLE_LOCALES:
        raise RecipeError(f"{where}: Faker has no locale '{locale}'", did_you_mean(locale, sorted(AVAILABLE_LOCALES)))
    generator = faker.Faker(locale).factories[0]
    known = dict(_methods(generator))
    if provider not in known:
        hint = did_you_mean(provider, sorted(known))
        cure = hint if hint.startswith("did you mean") else "as name, city, job, company, color_name, word"
        raise RecipeError(f"{where}: Faker has no '{provider}'", cure)
    if provider in _TIMELY or (known[provider].endswith("date_time") and provider not in _TIMELESS):
        message = f"{where}: Faker's {provider} depends on the clock, so that rows would be paid again tomorrow"
        raise RecipeError(message, "name the values: {numbers: {min: 1990, max: 2020}}")
    method = getattr(generator, provider)

    def make(seed: int) -> Scalar:
        generator.seed_instance(seed)
        try:
            value = method()
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise RecipeError(f"{where}: Faker's {provider} cannot be used: {said}", "as name, city, job") from None
        return _scalar(value, f"{where}: Faker's {provider}")

    return make


def _methods(generator: Any) -> Iterator[tuple[str, str]]:
    """The public methods of a generator's providers, and the family of providers that each is of."""
    for provider in reversed(generator.get_providers()):
        family = next((kind.__module__ for kind in reversed(type(provider).__mro__[:-1])
                       if kind.__name__ == "Provider"), type(provider).__module__)
        for name in dir(provider):
            if not name.startswith("_") and callable(getattr(provider, name, None)) and hasattr(generator, name):
                yield name, family


def _scalar(value: Any, where: str) -> Scalar:
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, decimal.Decimal | datetime.date | datetime.time):
        return str(value)
    raise RecipeError(f"{where} makes a {type(value).__name__}; an axis needs texts or numbers", "as name, city, job")
