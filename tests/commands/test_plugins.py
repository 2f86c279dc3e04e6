"""`synth plugins` lists what is on disk, without importing it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pipeline.commands import main
from pipeline.commands.plugins import IN_A_RECIPE, PRESETS
from pipeline.registry import FAMILIES, Plugin, plugins, presets


def test_lists_every_plugin_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    shown = capsys.readouterr().out
    for family in FAMILIES:
        for plugin in plugins(family).values():
            assert plugin.summary, f"{plugin.origin}: opens without a docstring"
            assert any(line.split()[:1] == [plugin.name] and plugin.summary in line for line in shown.splitlines())
            assert all(alias in shown for alias in plugin.aliases)


def test_json_and_one_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "rules", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert list(value) == ["rules", "presets"]
    assert [entry["name"] for entry in value["presets"]] == list(presets("rules"))
    assert [entry["name"] for entry in value["rules"]] == list(plugins("rules"))


def test_every_family_says_how_a_recipe_names_it() -> None:
    assert tuple(IN_A_RECIPE) == (*FAMILIES, PRESETS)


def test_unknown_family_or_name(capsys: pytest.CaptureFixture[str]) -> None:
    for word, meant in (("rule", "rules"), ("lenght", "length"), ("openai-cht", "openai-chat")):
        assert main(["plugins", word]) == 2
        assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_presets_stand_behind_the_rules_and_one_shows_what_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "rules"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("near-duplicate") < shown.index("presets") < shown.index("  sft")
    assert main(["plugins", "sft"]) == 0
    told = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "{min: 1, unit: words}" in told["length"]
    assert plugins("rules")["refusal"].summary in told["refusal"]
    assert main(["plugins", "sft", "--json"]) == 0
    (value,) = json.loads(capsys.readouterr().out)
    assert (value["family"], value["rules"]["length"]) == ("presets", {"min": 1, "unit": "words"})


def test_one_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "length"]) == 0
    shown = capsys.readouterr().out
    assert "Both bounds are inclusive" in shown, "all that its file says"
    options = {line.split()[0]: line for line in shown.splitlines() if line.startswith("  ") and line.split()}
    assert "bytes, chars, words or tokens [must be given]: bytes of UTF-8" in options["unit"]
    assert "as-is" in options["newline"]
    assert "whole number" in options["min"]


@pytest.mark.parametrize("plugin", [plugin for family in FAMILIES for plugin in plugins(family).values()],
                         ids=lambda plugin: f"{plugin.family}-{plugin.name}")
def test_every_plugin_is_shown_by_each_of_its_names(plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (plugin.name, plugin.name.replace("-", "_"), *plugin.aliases):
        assert main(["plugins", name, "--json"]) == 0
        found = [one for one in json.loads(capsys.readouterr().out) if one["family"] == plugin.family]
        assert [one["name"] for one in found] == [plugin.name]
        assert all(option["takes"] != "value" for option in found[0]["options"])


def test_listing_imports_no_plugin() -> None:
    code = (
        "import sys\nfrom pipeline.commands import main\nmain(['plugins', '--json'])\n"
        "from pipeline.registry import FAMILIES\n"
        "assert not [m for m in sys.modules for f in FAMILIES if m.startswith(f'pipeline.{f}.')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
