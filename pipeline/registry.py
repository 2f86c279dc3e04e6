"""Finds plug-ins by file name: one file, one plug-in, nothing imported until it is used.

A plug-in file's name is the plug-in's name (hyphen and underscore are the same, the hyphen is
printed), its docstring's first line is its summary (read by `ast`, so listing imports nothing), a
module-level `aliases = (...)` holds earlier names, and it ends in `plugin: type[Rule] = Length`.
Outsiders add entry points in the group `synth.rules`, `synth.formats`, ...; a recipe may name a file
of its own (`rule: ./my_rule.py`). A preset is a list of plug-ins under one name: FAMILY/presets/NAME.yaml, whose first
line says what it is for.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from .errors import RecipeError, did_you_mean

FAMILIES = ("providers", "rules", "rewrites", "formats", "backends", "metrics", "configs")
_HOME = Path(__file__).parent


class Plugin(NamedTuple):
    """A plug-in as `synth plugins` lists it. `origin` is a path, or an entry point's value."""

    family: str
    name: str
    summary: str
    origin: str
    aliases: tuple[str, ...] = ()


def printed(name: str) -> str:
    """The printed form of a plug-in's name: `near_duplicate` -> `near-duplicate`."""
    return name.replace("_", "-")


@cache
def plugins(family: str) -> dict[str, Plugin]:
    """The plug-ins of a family by printed name, in order of name."""
    found: dict[str, Plugin] = {}
    folder = _HOME / family
    for path in sorted(folder.glob("*.py")):
        if not path.stem.startswith("_"):
            found[printed(path.stem)] = _read(family, path)
    for point in metadata.entry_points(group=f"synth.{family}"):
        name = printed(point.name)
        found.setdefault(name, Plugin(family, name, f"from {point.value}", point.value))
    return dict(sorted(found.items()))


@cache
def presets(family: str) -> dict[str, Plugin]:
    """The presets of a family by name, in order of name: each stands for several of its plug-ins."""
    found: dict[str, Plugin] = {}
    for path in sorted((_HOME / family / "presets").glob("*.yaml")):
        summary = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").rstrip(".")
        found[path.stem] = Plugin(family, path.stem, summary, str(path))
    return found


def called(name: str) -> list[Plugin]:
    """The plug-ins of all families that have a name, in any of its spellings."""
    wanted = printed(name)
    return [plugin for family in FAMILIES for plugin in plugins(family).values()
            if wanted == plugin.name or wanted in plugin.aliases]


def about(plugin: Plugin) -> str:
    """All that a plug-in's file says of it: its docstring; the summary where there is no file."""
    if not plugin.origin.endswith(".py"):
        return plugin.summary
    return ast.get_docstring(ast.parse(Path(plugin.origin).read_text(encoding="utf-8"))) or plugin.summary


def resolve(family: str, name: str) -> str:
    """The printed name of a plug-in, from any of its spellings.

    Raises:
        RecipeError: nothing has that name.
    """
    known = plugins(family)
    wanted = printed(name)
    if wanted in known:
        return wanted
    for plugin in known.values():
        if wanted in plugin.aliases:
            return plugin.name
    raise RecipeError(f"unknown {family[:-1]} '{name}'", did_you_mean(wanted, [*known, *presets(family)]))


def load(family: str, name: str, folder: Path | None = None) -> Any:
    """The class that a plug-in's file names `plugin`.

    Args:
        family: one of FAMILIES.
        name: any spelling of its name, or a path as `./my_rule.py`.
        folder: where such a path starts: the folder of the recipe that names it.

    Raises:
        RecipeError: unknown name, or a file without `plugin`.
    """
    if name.endswith(".py"):
        return _plugin_of(_load_file(name, folder), name)
    plugin = plugins(family)[resolve(family, name)]
    if not plugin.origin.endswith(".py"):
        point = next(p for p in metadata.entry_points(group=f"synth.{family}") if printed(p.name) == plugin.name)
        return point.load()
    return _plugin_of(importlib.import_module(f"pipeline.{family}.{Path(plugin.origin).stem}"), plugin.name)


def load_named(name: str, folder: Path | None) -> Any:
    """What a file beside a recipe calls by a name, as `types.py:Ticket`.

    Args:
        name: FILE.py:NAME.
        folder: that of the recipe; None where nobody vouches for its code, see `options.own_folder`.

    Raises:
        RecipeError: the file does not run, or has no such name.
    """
    file, _, word = name.partition(":")
    module = _load_file(file, folder)
    if not hasattr(module, word):
        named = [known for known in vars(module) if not known.startswith("_")]
        raise RecipeError(f"{file}: there is no {word} in it", did_you_mean(word, named))
    return getattr(module, word)


def _plugin_of(module: Any, name: str) -> Any:
    found = getattr(module, "plugin", None)
    if found is None:
        raise RecipeError(f"{name}: holds no plug-in", "end the file with a line such as: plugin: type[Rule] = MyRule")
    return found


def _load_file(name: str, folder: Path | None) -> Any:
    if folder is None:
        raise RecipeError(f"{name}: a plug-in file runs only for a recipe that you name", "synth curate ./my.yaml")
    path = (folder / name).resolve()
    if not path.is_file():
        raise RecipeError(f"{path}: no such plug-in file")
    label = f"synth_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(label, path)
    if spec is None or spec.loader is None:
        raise RecipeError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[label] = module  # a process pool pickles classes by module name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RecipeError(f"{path}: {type(error).__name__}: {error}") from error
    return module


def _read(family: str, path: Path) -> Plugin:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    summary = (ast.get_docstring(tree) or "").split("\n")[0].rstrip(".")
    aliases: tuple[str, ...] = ()
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "aliases" for t in node.targets):
            aliases = tuple(printed(alias) for alias in ast.literal_eval(node.value))
    return Plugin(family, printed(path.stem), summary, str(path), aliases)
