"""Who answers: hosts that speak OpenAI's API, and the rehearsal that needs none."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline import registry
from pipeline.engine.protocol import Provider
from pipeline.errors import RecipeError, did_you_mean
from pipeline.settings import Settings

from ._hosts import REHEARSAL, Host, entry_of, host, names

__all__ = ["REHEARSAL", "Host", "build", "hosts", "provider_for", "split"]


def split(model_spec: str | None, settings: Settings) -> tuple[str, str]:
    """A model's name in two: the provider entry, and the name that the host knows.

    `rehearsal` and None are the rehearsal; `ollama:llama3.2:3b` splits at the first colon; a name without a colon, or
    one that starts with `ft:`, is OpenAI's.

    Raises:
        RecipeError: what stands before the colon is no entry, or nothing stands after it.
    """
    if model_spec is None or model_spec == REHEARSAL:
        return REHEARSAL, REHEARSAL
    entry, colon, model = model_spec.partition(":")
    if not colon or entry == "ft":
        if model_spec in names(settings):
            raise RecipeError(f"model '{model_spec}' is a provider without a model", f"--model {model_spec}:MODEL")
        return "openai", model_spec
    if entry not in names(settings):
        raise RecipeError(
            f"model '{model_spec}': no provider entry is named '{entry}'",
            f"{did_you_mean(entry, names(settings))}\nor say where it is: [providers.{entry}] base_url in synth.toml",
        )
    if not model:
        raise RecipeError(f"model '{model_spec}': nothing after the colon", f"--model {entry}:MODEL")
    return entry, model


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
