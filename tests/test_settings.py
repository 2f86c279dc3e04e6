"""How a machine runs a recipe: synth.toml, then the environment, then flags; faults name where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import RecipeError
from pipeline.settings import FILE, VARIABLES, Settings, load_settings

TOML = """\
model = "openai:from-file"
datasets = "sets"
max_usd = 3
concurrency = 8

[providers.mine]
base_url = "http://localhost:8000/v1"
key_env = "MY_KEY"
headers = {X-Team = "a"}

[prices."mine:m"]
input = 0.1
output = 0.2
"""


def test_without_anything_the_defaults_stand(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {}) == Settings()


def test_file_then_environment_then_flags(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(TOML)
    settings = load_settings(tmp_path, {})
    assert (settings.model, settings.max_usd, settings.concurrency) == ("openai:from-file", 3, 8)
    assert settings.datasets == tmp_path / "sets", "beside the file, wherever one stands"
    assert settings.providers["mine"].headers == {"X-Team": "a"}
    assert settings.prices["mine:m"].output == 0.2
    env = {"SYNTH_MODEL": "openai:from-env", "SYNTH_MAX_USD": "2.5", "SYNTH_CONCURRENCY": "", "SYNTH_DATASETS": "here"}
    settings = load_settings(tmp_path, env)
    assert (settings.model, settings.max_usd, settings.concurrency) == ("openai:from-env", 2.5, 8)
    assert settings.datasets == Path("here")
    settings = load_settings(tmp_path, env, {"model": "openai:from-flag", "max_usd": None, "timeout_s": 5})
    assert (settings.model, settings.max_usd, settings.timeout_s) == ("openai:from-flag", 2.5, 5)


def test_a_file_of_a_folder_above_counts_and_the_nearest_wins(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / FILE).write_text("concurrency = 3\n")
    assert load_settings(deep, {}).concurrency == 3
    (tmp_path / "a" / FILE).write_text("retries = 1\n")
    assert (load_settings(deep, {}).concurrency, load_settings(deep, {}).retries) == (32, 1)


def test_every_variable_is_a_setting_and_is_read(tmp_path: Path) -> None:
    values = {"SYNTH_MODEL": "a:b", "SYNTH_DATASETS": "d", "SYNTH_BASE_URL": "http://x", "SYNTH_KEY_ENV": "K",
              "SYNTH_MAX_USD": "1", "SYNTH_CONCURRENCY": "2", "SYNTH_TIMEOUT": "3", "SYNTH_RETRIES": "4",
              "SYNTH_RPM": "5", "SYNTH_TPM": "6", "SYNTH_BATCH": "true"}
    assert values.keys() == VARIABLES.keys()
    settings = load_settings(tmp_path, values)
    assert all(getattr(settings, key) != Settings.model_fields[key].default for key in VARIABLES.values())


@pytest.mark.parametrize(("text", "words"), [
    ("concurrency = 0\n", ["synth.toml", "concurrency", "1"]),
    ("concurency = 3\n", ["synth.toml", "'concurency'", "did you mean 'concurrency'?"]),
    ("max_usd = -1\n", ["synth.toml", "max_usd"]),
    ("max_usd = nan\n", ["synth.toml", "max_usd"]),
    ("model = \n", ["synth.toml", "line 1"]),
    ("[providers.mine]\nurl = 'x'\n", ["synth.toml", "providers.mine.url", "base_url"]),
    ("[prices.m]\nin = 1\noutput = 2\n", ["synth.toml", "prices.m", "input"]),
    ("[prices.m]\ninput = 1\n", ["synth.toml", "prices.m.output"]),
    ("[prices.m]\ninput = 1\noutput = 2\ncache = 1\n", ["synth.toml", "'prices.m.cache'", "did you mean 'cached'?"]),
    ("[providers]\nmine = 'http://x'\n", ["synth.toml", "providers.mine"]),
    ("datasets = 3\nmodel = 7\n", ["synth.toml", "model"]),
])
def test_a_fault_of_the_file(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_settings(tmp_path, {})
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize(("env", "flags", "words"), [
    ({"SYNTH_CONCURRENCY": "many"}, {}, ["SYNTH_CONCURRENCY", "concurrency"]),
    ({"SYNTH_MAX_USD": "-3"}, {}, ["SYNTH_MAX_USD"]),
    ({}, {"timeout_s": 0}, ["--timeout"]),
    ({"SYNTH_MAX_USD": "1"}, {"max_usd": "a lot"}, ["--max-usd"]),
    ({}, {"retries": 1000}, ["--retries"]),
])
def test_a_fault_names_the_variable_or_the_flag(tmp_path: Path, env: dict, flags: dict, words: list[str]) -> None:
    (tmp_path / FILE).write_text(TOML)
    with pytest.raises(RecipeError) as caught:
        load_settings(tmp_path, env, flags)
    for word in words:
        assert word in str(caught.value)
    assert FILE not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match=FILE):
        load_settings(tmp_path, {})
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbfretries = 2\r\n")
    assert load_settings(tmp_path, {}).retries == 2
