"""Who writes and who judges: by a flag, the recipe, the machine, or as it was before; else a rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from pipeline.generate import Writer
from pipeline.prices import price_at
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
        RecipeError: no provider of that name. A missing key shows at the first question.
    """
    return writer_named(model_of(recipe, settings, flag), settings, env)


def writer_named(spec: str, settings: Settings, env: Mapping[str, str]) -> Writer:
    """As `writer_for`, of PROVIDER:MODEL."""
    provider, model = provider_for(spec, settings, env)
    return Writer(provider, model, price_at(provider.namespace, model, settings, env),
                  lambda other: writer_named(other, settings, env))


def names_a_model(recipe: Recipe, settings: Settings, flag: str | None = None) -> bool:
    """Whether anybody named who writes; nobody did where `model_of` falls back on a rehearsal."""
    return bool(flag or recipe.generate.model or settings.model)


def wrote(dataset: Dataset) -> str | None:
    """PROVIDER:MODEL that wrote rows of a dataset, or was paid to; None where no real model did. Looks, at most, at all
    rows."""
    noted = (dataset.manifest().get("generate") or {}).get("model") or REHEARSAL
    if noted.partition(":")[0] != REHEARSAL and dataset.calls.spent().answered:
        return str(noted)
    for sample in dataset.samples():
        made = sample.provenance
        if not sample.rehearsal and made.get("namespace") and made.get("model"):
            return f"{made['namespace']}:{made['model']}"
    return None


def judges(
    recipe: Recipe, dataset: Dataset, writer: Writer, settings: Settings
) -> Callable[[str | None, str], Writer]:
    """Who answers a rule that asks, by the model that the rule names (or None) and who answered it before (or "").

    Rows that a rehearsal wrote are judged by one, whoever a rule names. Real rows for which nobody is named are judged
    by who did so before, so that their scores hold.
    """
    @cache
    def as_written() -> bool:  # it may take a look at all rows
        return names_a_model(recipe, settings) or (bool(recipe.asks) and wrote(dataset) is None)

    def of(model: str | None, before: str) -> Writer:
        if writer.named is None or as_written():
            return writer.of(model)
        name = model or (before if before.partition(":")[0] != REHEARSAL else "")
        return writer.named(name) if name else writer

    return of
