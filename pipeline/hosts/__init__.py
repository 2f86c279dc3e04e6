"""The hosts that are known by name: hosts.json, with what synth.toml, the environment and flags say over it.

What providers and backends share: names and addresses here, keys in `access.py`, refusals in `failures.py`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from pipeline.errors import RecipeError, did_you_mean
from pipeline.settings import ProviderEntry, Settings

REHEARSAL = "rehearsal"
ENTRY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
"""How the name of an entry looks that is made up for a base URL."""
LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


class Host(NamedTuple):
    """A provider entry as it would be used now.

    Attributes:
        name: the entry's name, as in `openai:gpt-4.1-mini`.
        type: the provider plug-in.
        base_url: None where nobody has said it yet.
        key_env: the variable that holds the key.
        has_key: whether it is set.
        needs_key: whether nothing can be asked without it, see `needs_key`.
        local: whether the address is this machine; then no proxy is used.
        tried: False for presets that are from documentation and were never tried.
        note: what a user of the preset should know.
    """

    name: str
    type: str
    base_url: str | None
    key_env: str | None
    has_key: bool
    needs_key: bool
    local: bool
    tried: bool
    note: str


@cache
def presets() -> dict[str, dict[str, Any]]:
    """hosts.json: name -> base_url, key_env, tried, and maybe type, base_url_env, local, note."""
    table: dict[str, dict[str, Any]] = orjson.loads(Path(__file__).with_name("hosts.json").read_bytes())
    return table


def names(settings: Settings) -> list[str]:
    """The names of all entries, the rehearsal first."""
    return [REHEARSAL, *dict.fromkeys([*settings.providers, *presets()])]


def is_loopback(base_url: str | None) -> bool:
    """True where an address is this machine."""
    host = urlsplit(base_url or "").hostname or ""
    return host in LOOPBACK or host.startswith("127.") or host.endswith(".localhost")


def split(model_spec: str | None, settings: Settings) -> tuple[str, str]:
    """A model's name in two: the provider entry, and the name that the host knows.

    `rehearsal` and None are the rehearsal; `ollama:llama3.2:3b` splits at the first colon; a name without a colon, or
    one that starts with `ft:`, is OpenAI's. With a base URL from a flag or the environment, what stands before the
    colon is the name of that host, whatever it is: it enters the ids of calls.

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
    made_up = settings.base_url and ENTRY.fullmatch(entry) and not model.startswith("//")  # an address is no model
    if entry not in names(settings) and not made_up:
        raise RecipeError(
            f"model '{model_spec}': no provider entry is named '{entry}'",
            f"{did_you_mean(entry, names(settings))}\n"
            f"or say where it is: --base-url URL, or [providers.{entry}] base_url in synth.toml",
        )
    if not model:
        raise RecipeError(f"model '{model_spec}': nothing after the colon", f"--model {entry}:MODEL")
    return entry, model


def options_of(model_spec: str, settings: Settings) -> str:
    """The options that name a model: `--model local:mine --base-url URL` where nobody has said where `local` is."""
    entry = model_spec.partition(":")[0]
    where = "" if settings.base_url or entry in names(settings) else " --base-url URL"
    return f"--model {shlex.quote(model_spec)}{where}"


def entry_of(name: str, settings: Settings, env: Mapping[str, str]) -> ProviderEntry:
    """An entry with all that is said of it: flags over synth.toml over the environment over the preset.

    Raises:
        RecipeError: no entry has that name.
    """
    if name == REHEARSAL:
        return ProviderEntry(type="rehearsal")
    own, preset = settings.providers.get(name), presets().get(name)
    if own is None and preset is None and not settings.base_url:
        raise RecipeError(f"no provider entry is named '{name}'", did_you_mean(name, names(settings)))
    preset = preset or {}
    # with an address, an entry is a server, and so is `transformers`, which has none of its own
    own = own or ProviderEntry(type="openai" if settings.base_url else preset.get("type", "openai"))
    said = env.get(preset.get("base_url_env") or "") or preset.get("base_url")
    return own.model_copy(update={
        "base_url": settings.base_url or own.base_url or said,
        "key_env": settings.key_env or own.key_env or preset.get("key_env"),
    })


def needs_key(name: str, entry: ProviderEntry) -> bool:
    """Whether an entry cannot do without its key: a server on this machine can, unless a person named the variable."""
    if entry.key_env is None:
        return False
    return not is_loopback(entry.base_url) or entry.key_env != presets().get(name, {}).get("key_env")


def host(name: str, settings: Settings, env: Mapping[str, str]) -> Host:
    """An entry as `synth doctor` shows it.

    Raises:
        RecipeError: no entry has that name.
    """
    entry = entry_of(name, settings, env)
    preset = {} if name in settings.providers else presets().get(name, {})
    has_key = bool(entry.key_env and env.get(entry.key_env, "").strip())
    local = is_loopback(entry.base_url) or (entry.base_url is None and bool(preset.get("local")))
    return Host(name, entry.type, entry.base_url, entry.key_env, has_key, needs_key(name, entry), local,
                bool(preset.get("tried", True)), str(preset.get("note", "")))
