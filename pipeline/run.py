"""Orders the stages: the only place where one follows another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.errors import SynthError
from pipeline.generate import Generated, Options, Writer, generate
from pipeline.prices import price_of
from pipeline.providers import provider_for
from pipeline.recipe import Recipe
from pipeline.settings import Settings
from pipeline.store import Dataset

REHEARSAL = "rehearsal"


def model_of(recipe: Recipe, settings: Settings, flag: str | None = None) -> str:
    """PROVIDER:MODEL that writes: the flag's, the recipe's, the machine's; else a rehearsal."""
    return flag or recipe.generate.model or settings.model or REHEARSAL


def writer_for(recipe: Recipe, settings: Settings, env: Mapping[str, str], flag: str | None = None) -> Writer:
    """The provider, the model's name there and its price. Nothing is contacted.

    Raises:
        RecipeError: no provider of that name, or no key where one is needed.
    """
    provider, model = provider_for(model_of(recipe, settings, flag), settings, env)
    return Writer(provider, model, price_of(provider.namespace, model, settings))
