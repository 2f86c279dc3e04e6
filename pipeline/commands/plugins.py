"""`synth plugins`: what can be named in a recipe, by family."""

from __future__ import annotations

import click

from pipeline.commands import _console as console
from pipeline.commands._options import json_option
from pipeline.errors import RecipeError, did_you_mean
from pipeline.registry import FAMILIES, Plugin, plugins

IN_A_RECIPE = {
    "providers": "generate: {model: openai:gpt-4.1-mini}",
    "rules": "curate: [{length: {min: 1024, unit: bytes}}, refusal]",
    "rewrites": "augment: [{expand: {below: 1024}}]",
    "formats": "export: {formats: [openai-chat]}",
    "backends": "finetune: {backend: lora, base: tiny}",
    "metrics": "evaluate: {prompts: 5}",
}
"""Family -> how a recipe names one of it."""


@click.command("plugins")
@click.argument("family", required=False, metavar="[FAMILY]")
@json_option
def command(family: str | None, json_: bool) -> None:
    """Lists the providers, rules, rewrites and formats that a recipe can name.

    A file of your own works too: `rule: ./my_rule.py` beside the recipe.
    """
    if family is not None and family not in FAMILIES:
        raise RecipeError(f"there is no family '{family}'", did_you_mean(family, FAMILIES))
    found = {name: list(plugins(name).values()) for name in FAMILIES if name == (family or name)}
    if json_:
        console.as_json({name: [_described(plugin) for plugin in members] for name, members in found.items()})
        return
    width = max((len(plugin.name) for members in found.values() for plugin in members), default=0)
    for name, members in found.items():
        if members or family:
            console.out(f"{console.styled(name, 'bold')}   {console.styled(IN_A_RECIPE[name], 'dim')}")
            for plugin in members:
                console.listed(f"  {plugin.name}", _said(plugin), width + 4)
            console.out()
    console.next_command("synth init NAME --blank", "a recipe of your own")


def _said(plugin: Plugin) -> str:
    """The summary, and the names it had before."""
    return f"{plugin.summary} (also: {', '.join(plugin.aliases)})" if plugin.aliases else plugin.summary


def _described(plugin: Plugin) -> dict[str, object]:
    return {"name": plugin.name, "summary": plugin.summary, "aliases": list(plugin.aliases), "origin": plugin.origin}
