"""Who answers: hosts that speak OpenAI's API, and the rehearsal that needs none."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline import registry
from pipeline.engine.protocol import Provider
from pipeline.hosts import REHEARSAL, Host, entry_of, host, names, split
from pipeline.settings import Settings

__all__ = ["REHEARSAL", "Host", "build", "hosts", "provider_for", "split"]


def build(entry_name: str, settings: Settings, env: Mapping[str, str]) -> Provider:
    """The provider of an entry. Opens nothing and needs no key yet.

    Raises:
        RecipeError: unknown entry or provider type, or an entry without an address.
    """
    entry = entry_of(entry_name, settings, env)
    provider: Provider = registry.load("providers", entry.type).build(entry_name, entry, settings, env)
    return provider


def provider_for(
    model_spec: str | None, settings: Settings, env: Mapping[str, str]
) -> tuple[Provider, str]:
    """The provider of a model, and the model's name there; see `split` and `build`."""
    entry, model = split(model_spec, settings)
    return build(entry, settings, env), model


def hosts(settings: Settings, env: Mapping[str, str]) -> list[Host]:
    """All entries as they would be used now, without asking any of them."""
    return [host(name, settings, env) for name in names(settings)]
