"""Every default has its reason, and only what nobody set is listed."""

from __future__ import annotations

from pathlib import Path

from pipeline.explain import SECTIONS, defaults, reasons
from pipeline.recipe import Recipe, parse_recipe
from pipeline.settings import Settings

SMALL = """\
synth: 1
name: tales
axes: {genre: [horror, romance]}
prompt: "A {{genre}} tale"
train: {user: "{{genre}}"}
"""


def test_every_key_of_the_recipe_that_has_a_default_has_a_reason() -> None:
    known = reasons()["recipe"]
    named = {"source.file", "source.prompts", "source.completions", "train.user"}
    for name in SECTIONS:
        kind = Recipe.model_fields[name].annotation
        model = next(part for part in (*getattr(kind, "__args__", ()), kind) if hasattr(part, "model_fields"))
        wanted = {f"{name}.{key}" for key, field in model.model_fields.items() if not field.is_required()}
        assert wanted - named == {key for key in known if key.startswith(f"{name}.")}, name
    whole = {key for key in known if "." not in key}
    assert whole == {"seed", "where", "curate", "augment"}
    assert set(reasons()["machine"]) < set(Settings.model_fields)


def test_a_small_recipe_leaves_nearly_all_standing() -> None:
    found = {default.key: default for default in defaults(parse_recipe(SMALL), Settings())}
    assert found["sample.how"].value == "random"
    assert found["generate.max_tokens"].value is None
    assert found["prompt.salt"].value is False
    assert found["concurrency"].kind == "machine"
    assert "prompt.user" not in found
    assert "train.user" not in found
    assert "source.rows" not in found
    assert all(default.why for default in found.values())


def test_what_is_set_is_not_listed() -> None:
    text = SMALL + "seed: 3\nsample: {rows: 1}\ngenerate: {max_tokens: 10, temperature: 1.0}\ncurate: [refusal]\n"
    found = {default.key for default in defaults(parse_recipe(text), Settings(concurrency=4))}
    assert not found & {
        "seed", "sample.rows", "generate.max_tokens", "generate.max_completion_tokens", "generate.temperature",
        "curate", "concurrency",
    }
    assert "sample.repeats" in found


def test_rows_that_exist_draw_nothing_and_ask_nobody() -> None:
    text = "synth: 1\nname: t\nsource: {file: t.csv}\ntrain: {user: '{{subject}}', assistant: '{{label}}'}\n"
    found = {default.key for default in defaults(parse_recipe(text, Path("t.yaml")), Settings())}
    assert not any(key.startswith(("sample.", "generate.", "prompt.")) for key in found)
    assert "source.encoding" in found
