"""Names of models and hosts: how they are split, whose settings win, what a typo gets."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from pipeline import registry
from pipeline.errors import RecipeError
from pipeline.hosts import entry_of, host, is_loopback, presets
from pipeline.providers import build, hosts, provider_for, split
from pipeline.settings import ProviderEntry, Settings

OWN = Settings(providers={
    "mine": ProviderEntry(base_url="http://localhost:9/v1"), "mock": ProviderEntry(type="rehearsal")})


@pytest.mark.parametrize(
    ("spec", "entry", "model"),
    [
        (None, "rehearsal", "rehearsal"), ("rehearsal", "rehearsal", "rehearsal"),
        ("rehearsal:anything", "rehearsal", "anything"),
        ("openai:gpt-4.1-mini", "openai", "gpt-4.1-mini"), ("gpt-4.1-mini", "openai", "gpt-4.1-mini"),
        ("ollama:llama3.2:3b", "ollama", "llama3.2:3b"), ("mine:a/b:c", "mine", "a/b:c"),
        ("ft:gpt-4o-mini-2024-07-18:org::id", "openai", "ft:gpt-4o-mini-2024-07-18:org::id"),
        ("openai:ft:gpt-4o-mini:org::id", "openai", "ft:gpt-4o-mini:org::id"),
    ],
)
def test_split(spec, entry, model):
    assert split(spec, OWN) == (entry, model)
    provider, name = provider_for(spec, OWN, {})
    assert (provider.namespace, name, provider.rehearsal) == (entry, model, entry == "rehearsal")


@pytest.mark.parametrize(
    ("spec", "words"),
    [("opanai:gpt-4.1", "did you mean 'openai'?"), ("mien:x", "did you mean 'mine'?"), ("llama3.2:3b", "synth.toml"),
     ("openai:", "--model openai:MODEL"), ("ollama", "--model ollama:MODEL"), ("mock", "--model mock:MODEL")],
)
def test_a_wrong_name_gets_the_cure(spec, words):
    with pytest.raises(RecipeError) as caught:
        split(spec, OWN)
    assert spec in caught.value.message
    assert words in caught.value.hint


def test_a_base_url_makes_any_name_an_entry():
    here = Settings(base_url="http://localhost:8411/v1")
    assert split("local:my-model", here) == ("local", "my-model")
    provider, name = provider_for("local:a/b:c", here, {})
    assert (provider.namespace, name, provider.base_url) == ("local", "a/b:c", "http://localhost:8411/v1")
    assert host("local", here, {}).needs_key is False
    with pytest.raises(RecipeError):
        split("local:my-model", Settings())
    with pytest.raises(RecipeError, match="no provider entry"):
        split("http://localhost:8411/v1", here)


def test_a_key_is_needed_where_a_person_named_it():
    here = "http://127.0.0.1:9/v1"
    assert not host("vllm", Settings(), {}).needs_key, "the preset's variable is an offer"
    assert host("vllm", Settings(key_env="MINE"), {}).needs_key
    named, bare = ProviderEntry(base_url=here, key_env="MINE"), ProviderEntry(base_url=here)
    own = Settings(providers={"mine": named, "bare": bare})
    assert host("mine", own, {}).needs_key
    assert not host("bare", own, {}).needs_key
    assert host("openai", Settings(), {}).needs_key
    assert not host("openai", Settings(base_url=here), {}).needs_key


def test_flags_win_over_the_file_over_the_environment_over_the_preset():
    env = {"OPENAI_BASE_URL": "http://env/v1"}
    own = ProviderEntry(base_url="http://file/v1", key_env="FILE_KEY")
    assert entry_of("openai", Settings(), {}).base_url == "https://api.openai.com/v1"
    assert entry_of("openai", Settings(), env).base_url == "http://env/v1"
    assert entry_of("openai", Settings(providers={"openai": own}), env).base_url == "http://file/v1"
    flags = Settings(providers={"openai": own}, base_url="http://flag/v1", key_env="FLAG_KEY")
    assert entry_of("openai", flags, env).base_url == "http://flag/v1"
    assert entry_of("openai", flags, env).key_env == "FLAG_KEY"
    assert entry_of("openai", Settings(providers={"openai": own}), env).key_env == "FILE_KEY"
    assert entry_of("openai", Settings(), env).key_env == "OPENAI_API_KEY"


def test_a_preset_without_an_address_says_how_to_give_one():
    with pytest.raises(RecipeError) as caught:
        build("azure", Settings(), {})
    assert "[providers.azure]" in caught.value.hint
    env = {"AZURE_OPENAI_BASE_URL": "https://plots.openai.azure.com/openai/v1"}
    assert build("azure", Settings(), env).namespace == "azure"


def test_every_preset_is_whole_and_says_whether_it_was_tried():
    table = presets()
    assert {"openai", "azure", "openrouter", "together", "fireworks", "groq", "mistral", "deepseek", "gemini", "ollama",
            "vllm", "lmstudio", "llamacpp", "transformers"} == set(table)
    for name, preset in table.items():
        assert set(preset) <= {"type", "base_url", "key_env", "base_url_env", "local", "tried", "note"}, name
        assert isinstance(preset["tried"], bool)
        assert preset.get("type", "openai") in registry.plugins("providers")
        if name == "transformers":
            continue  # no host: it is asked in this process
        address = urlsplit(preset["base_url"] or "https://x/v1")
        assert address.scheme == ("http" if preset.get("local") else "https")
        assert bool(preset.get("local")) == is_loopback(preset["base_url"])
        assert preset.get("local") or preset["key_env"]


def test_hosts_for_the_doctor():
    listed = {host.name: host for host in hosts(OWN, {"GROQ_API_KEY": "k" * 20, "OPENAI_API_KEY": "  "})}
    assert list(listed)[:3] == ["rehearsal", "mine", "mock"]
    assert listed["groq"].has_key
    assert not listed["openai"].has_key
    assert listed["mine"].local
    assert listed["mine"].tried
    assert not listed["together"].tried
    assert listed["transformers"].local
    assert not listed["azure"].local


def test_transformers_is_this_process_or_a_server_where_an_address_is_given():
    assert entry_of("transformers", Settings(), {}).type == "transformers"
    assert entry_of("transformers", Settings(base_url="http://localhost:8000/v1"), {}).type == "openai"
    own = Settings(providers={"transformers": ProviderEntry(base_url="http://localhost:8000/v1")})
    assert entry_of("transformers", own, {}).type == "openai"
    assert entry_of("mine", Settings(providers={"mine": ProviderEntry(type="transformers")}), {}).type == "transformers"


def test_the_family_lists_its_plugins():
    assert {"openai", "rehearsal"} <= set(registry.plugins("providers"))


def test_loopback():
    here = ["http://localhost:1/v1", "https://127.0.0.1", "http://[::1]:8000/v1", "http://127.9.9.9/"]
    away = ["http://localhost.example.com", "https://api.openai.com/v1", "http://10.0.0.1", None]
    assert all(map(is_loopback, here))
    assert not any(map(is_loopback, away))
