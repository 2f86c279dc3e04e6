"""`synth plugins`: what can be named in a recipe, by family, and what each takes."""

from __future__ import annotations

from typing import Any

import click
from pydantic import BaseModel

from pipeline.commands import _console as console
from pipeline.commands._options import json_option
from pipeline.errors import RecipeError, did_you_mean
from pipeline.options import Described, described
from pipeline.registry import FAMILIES, Plugin, about, called, load, plugins, presets

PRESETS = "presets"
IN_A_RECIPE = {
    "providers": "generate: {model: openai:gpt-4.1-mini}",
    "rules": "curate: [{length: {min: 1024, unit: bytes}}, refusal]",
    "rewrites": "augment: [{expand: {below: 1024}}]",
    "formats": "export: {formats: [openai-chat]}",
    "backends": "finetune: {backend: lora, base: tiny}",
    "metrics": "evaluate: {prompts: 5}",
    "configs": "synth export NAME --config 'axolotl: {base: MODEL}'",
    PRESETS: "curate: [sft: {length: {min: 20, unit: words}, refusal: off}]",
}
"""Family -> how a recipe, or a command, names one of it."""


@click.command("plugins")
@click.argument("family", required=False, metavar="[FAMILY|NAME]")
@json_option
def command(family: str | None, json_: bool) -> None:
    """Lists the providers, rules, rewrites and formats that a recipe can name, or shows one with its options.

    \b
    synth plugins              all of them
    synth plugins rules        those of a family
    synth plugins length       one: what it does, and its options
    synth plugins sft          a preset: the rules that it stands for

    A file of your own works too: `rule: ./my_rule.py` beside the recipe.
    """
    if family is not None and family not in FAMILIES:
        _one(family, json_)
        return
    found = {name: list(plugins(name).values()) for name in FAMILIES if name == (family or name)}
    if "rules" in found:
        found = {name: each for one in found for name, each in ((one, found[one]), *_presets(one))}
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


def _one(name: str, json_: bool) -> None:
    """The plug-ins of a name in full, with their options."""
    found = called(name)
    if not found and name in presets("rules"):
        _preset(presets("rules")[name], json_)
        return
    if not found:
        names = [name for family in FAMILIES for name in (*plugins(family), *presets(family))]
        raise RecipeError(f"there is no plug-in and no family '{name}'", did_you_mean(name, [*FAMILIES, *names]))
    if json_:
        console.as_json([{**_described(plugin), "family": plugin.family, "about": about(plugin),
                          "options": [option._asdict() for option in _options(plugin)]} for plugin in found])
        return
    for plugin in found:
        also = f", also {', '.join(plugin.aliases)}" if plugin.aliases else ""
        console.out(f"{console.styled(plugin.name, 'bold')}   "
                    f"{console.styled(f'one of the {plugin.family}{also}', 'dim')}")
        text = plugin.summary if plugin.family == "providers" else about(plugin)  # the rest is for who changes them
        for paragraph in text.split("\n\n"):
            for line in console.wrapped(" ".join(paragraph.split()), console.width() - 2 if console.screen() else 100):
                console.out(f"  {line}")
            console.out()
        options = [(option.name, _option(option)) for option in _options(plugin)]
        if options:
            console.out("options", "bold")
            console.block(options)
        else:
            console.out("takes no options", "dim")
        console.out()
    console.next_command(f"synth plugins {found[0].family}", "the others")


def _presets(family: str) -> list[tuple[str, list[Plugin]]]:
    """The presets of a family as a group of their own behind it."""
    found = list(presets(family).values())
    return [(PRESETS, found)] if found else []


def _preset(preset: Plugin, json_: bool) -> None:
    """A preset: what it is for, and its rules with the options that it sets."""
    from pipeline.rules import DEFAULT, held

    rules = held(preset.name)
    if json_:
        console.as_json([{**_described(preset), "family": PRESETS, "rules": rules}])
        return
    told = "a preset of rules" + (", and what `synth curate` goes by where no rule is named" * (preset.name == DEFAULT))
    console.out(f"{console.styled(preset.name, 'bold')}   {console.styled(told, 'dim')}")
    for line in console.wrapped(preset.summary, console.width() - 2 if console.screen() else 100):
        console.out(f"  {line}")
    console.out()
    known = plugins(preset.family)
    console.block((name, _set(options) + known[name].summary) for name, options in rules.items())
    console.out()
    first = next(iter(rules))
    console.next_command(f"synth plugins {first}", f"its options; in a recipe: {preset.name}: {{{first}: off}}")


def _set(options: dict[str, Any]) -> str:
    """`{min: 1, unit: chars} `, as a recipe writes it; empty where nothing is set."""
    told = ", ".join(f"{key}: {value}" for key, value in options.items())
    return f"{{{told}}} " if told else ""


def _option(option: Described) -> str:
    """`whole number [none]: the least that is kept`."""
    return f"{option.takes} [{option.default}]" + (f": {option.description}" if option.description else "")


def _options(plugin: Plugin) -> list[Described]:
    """What a recipe can set on a plug-in; nothing where its family takes no options."""
    kind = load(plugin.family, plugin.name)
    models = kind.models if isinstance(getattr(kind, "models", None), tuple) else (getattr(kind, "model", None),)
    return described(*(model for model in models if isinstance(model, type) and issubclass(model, BaseModel)))


def _said(plugin: Plugin) -> str:
    """The summary, and the names it had before."""
    return f"{plugin.summary} (also: {', '.join(plugin.aliases)})" if plugin.aliases else plugin.summary


def _described(plugin: Plugin) -> dict[str, object]:
    return {"name": plugin.name, "summary": plugin.summary, "aliases": list(plugin.aliases), "origin": plugin.origin}
