"""Who answers: hosts that speak OpenAI's API, and the rehearsal that needs none."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline import registry
from pipeline.engine.protocol import BatchHost, Provider
from pipeline.errors import RecipeError
from pipeline.hosts import REHEARSAL, Host, entry_of, host, names, split
from pipeline.settings import Settings

__all__ = ["REHEARSAL", "Host", "batch_host", "build", "hosts", "provider_for", "split"]


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


def batch_host(entry_name: str, settings: Settings, env: Mapping[str, str]) -> BatchHost:
    """Who takes batches for an entry.

    Raises:
        RecipeError: nobody does.
    """
    from pipeline.hosts.access import access
    from pipeline.hosts.client import Host as Client

    from ._batch import OpenAIBatch
    from .openai import OpenAI

    live = build(entry_name, settings, env)
    if not isinstance(live, OpenAI):
        raise RecipeError(f"--batch: {entry_name} takes no batches", "leave out --batch")
    entry = entry_of(entry_name, settings, env)
    return OpenAIBatch(live, Client(access(entry_name, entry, env), settings.timeout_s, settings.retries))


def hosts(settings: Settings, env: Mapping[str, str]) -> list[Host]:
    """All entries as they would be used now, without asking any of them."""
    return [host(name, settings, env) for name in names(settings)]
