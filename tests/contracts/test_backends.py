"""What every backend promises: options with defaults and lines, and settings that JSON holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline import registry
from pipeline.backends import AnyBackend, Backend, Options, RemoteBackend, open_backend
from pipeline.errors import RecipeError
from pipeline.options import Options as AnyOptions
from pipeline.sections import Finetune
from pipeline.settings import Settings

NAMES = sorted(registry.plugins("backends"))


def opened(name: str, **given: Any) -> tuple[AnyBackend, Options]:
    return open_backend(Finetune(backend=name, **given), Settings(), {}, lambda key: f"plots.yaml:{key}")


def test_both_are_there() -> None:
    assert {"lora", "openai"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_needs_to_say_nothing(name: str) -> None:
    backend, options = opened(name)
    assert isinstance(backend, Backend)
    assert backend.name == name
    assert backend.remote == isinstance(backend, RemoteBackend)
    assert backend.fewest >= 1
    assert isinstance(options, AnyOptions)
    assert options.base
    with pytest.raises(ValueError, match="frozen"):
        options.base = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_json_and_open_the_same_options(name: str) -> None:
    """A record's settings are enough to go on with it; what belongs to the machine is not among them."""
    backend, options = opened(name)
    dumped = options.model_dump(mode="json")
    assert json.loads(json.dumps(dumped)) == dumped
    assert opened(name, **dumped)[1] == options
    assert not [key for key in dumped if "key" in key or "url" in key or key == "token"]
    assert "device" not in set(dumped) - backend.here


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_gets_its_line_and_the_nearest_name(name: str) -> None:
    known = sorted(type(opened(name)[1]).model_fields)
    for key in known:
        with pytest.raises(RecipeError) as caught:
            opened(name, **{f"{key}x": 1})
        assert caught.value.message == f"plots.yaml:{key}x: {name}: unknown option '{key}x'"
        assert caught.value.hint == f"did you mean '{key}'?"


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_is(name: str) -> None:
    assert all(field.description for field in type(opened(name)[1]).model_fields.values())
