"""`--set a.b=c`: a key of the recipe for one call; `curate.length.min=3`: one option of a plug-in by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from . import _yaml
from .errors import RecipeError, did_you_mean
from .options import BARE
from .registry import plugins, presets, printed, resolve
from .sections import Item

LISTS = {("curate",): "rules", ("augment",): "rewrites", ("export", "formats"): "formats"}
"""Lists of plug-ins in a recipe -> their family."""


@cache
def held(family: str, preset: str) -> dict[str, dict[str, Any]]:
    """The plug-ins of a preset by printed name, in order, with the options that it sets."""
    origin = presets(family)[preset].origin
    listed, _ = _yaml.parse(Path(origin).read_text(encoding="utf-8"), origin)
    items = [Item.model_validate(each) for each in listed]
    return {resolve(family, item.name): item.options for item in items}


def override(
    value: dict[str, Any], text: str, lines: _yaml.Lines, defaults: Mapping[tuple[str, ...], Sequence[Item]],
) -> None:
    """Applies one `a.b=c` in place; `c` is YAML. Where it stands is a `--set`, and no line of the file.

    Args:
        value: the recipe as YAML has it.
        text: the override.
        lines: of the parts of `value`.
        defaults: what a list of plug-ins holds where the recipe has none.

    Raises:
        RecipeError: no `=`, a path through something that is no mapping, or a plug-in that there is not.
    """
    path, sign, given = text.partition("=")
    keys = tuple(path.strip().split("."))
    if not sign or not all(keys):
        raise RecipeError(f"--set {text}: write it as a.b=value", "--set generate.max_tokens=200")
    try:
        then, _ = _yaml.parse(given, f"--set {text}")
    except RecipeError:
        raise RecipeError(f"--set {text}: the value is not YAML", "--set name='a text'") from None
    home = next((home for home in LISTS if keys[:len(home)] == home and len(keys) > len(home)), None)
    last = len(home) - 1 if home else len(keys) - 1
    target: Any = value
    for key in keys[:last]:
        target = target.setdefault(key, {}) if isinstance(target, dict) else None
        if not isinstance(target, dict):
            raise RecipeError(f"--set {text}: '{key}' is no section of the recipe")
    where: tuple[str | int, ...] = keys
    if home is None:
        target[keys[-1]] = then
    elif not isinstance(target.get(home[-1], []), list):
        return  # who reads the recipe names the fault, with its line
    else:
        try:
            at = _in_list(target, home, keys[len(home):], then, defaults)
        except ValidationError:
            return  # likewise
        except RecipeError as error:
            raise RecipeError(f"--set {text}: {error.message}", error.hint) from None
        where = home if at is None else (*home, at)
    for known in [each for each in lines if each[:len(where)] == where]:
        del lines[known]
    lines[where] = f"--set {'.'.join(keys)}"


def _in_list(
    section: dict[str, Any], home: tuple[str, ...], keys: tuple[str, ...], then: Any,
    defaults: Mapping[tuple[str, ...], Sequence[Item]],
) -> int | None:
    """Sets an option of an item of a list in place. Returns its place; None where no single item is another now."""
    there = section.get(home[-1])
    before = [Item.model_validate(each) for each in there] if there is not None else list(defaults[home])
    items, at = with_option(before, LISTS[home], keys, then)
    section[home[-1]] = [item.model_dump() for item in items]
    return at if there is not None and len(items) >= len(before) else None


def with_option(
    items: Sequence[Item], family: str, keys: Sequence[str], value: Any,
) -> tuple[list[Item], int]:
    """A list of plug-ins with one option of one of them set.

    It is set where the list names the plug-in (`length-2`: the second time), else in the options of the last preset
    that holds it, else on one more item.

    Args:
        items: as `recipe.curate`.
        family: of the plug-ins, as `rules`.
        keys: the plug-in's name, then the option's; the name alone for all of its options, `off` to leave it out.
        value: the option's.

    Returns:
        The list, and the place of the item that is another.

    Raises:
        RecipeError: nothing has that name.
    """
    found, (name, *path) = list(items), keys
    at, within = _place(items, family, name)
    if at is None:
        found.append(Item(name=name if name in presets(family) else resolve(family, name)))
        at = len(found) - 1
    if not within and path and name in presets(family):  # `curate.sft.length.min`
        within, path = _plain(family, path[0]), path[1:]
    if within:
        path = [next((key for key in found[at].options if _plain(family, key) == within), within), *path]
    if not path and value is False:
        return [*found[:at], *found[at + 1:]], at
    options = _put(found[at].options, path, value)
    found[at] = Item(name=found[at].name, options=_mapping(options))
    return found, at


def _place(items: Sequence[Item], family: str, name: str) -> tuple[int | None, str]:
    """The item that has a plug-in's options, and the plug-in's name where that is a preset; None where none has.

    Raises:
        RecipeError: nothing has that name.
    """
    plain, nth = _plain(family, name), 1
    named = [_plain(family, item.name) for item in items]
    counted = re.fullmatch(r"(.+)-([2-9]|[1-9]\d+)", plain)
    if counted and plain not in (*named, *plugins(family)):
        plain, nth = _plain(family, counted[1]), int(counted[2])
    places = [index for index, each in enumerate(named) if each == plain]
    if len(places) >= nth:
        return places[nth - 1], ""
    inside = [index for index, item in enumerate(items) if item.name in presets(family) and plain in held(
        family, item.name)]
    if inside and nth == 1:
        on = [index for index in inside if not any(
            _plain(family, key) == plain and said is False for key, said in items[index].options.items())]
        return (on or inside)[-1], plain
    known = [*named, *(rule for item in items if item.name in presets(family) for rule in held(family, item.name))]
    if nth > 1 or (plain not in plugins(family) and name not in presets(family)):
        raise RecipeError(f"unknown {family[:-1]} '{name}'",
                          did_you_mean(plain, dict.fromkeys([*known, *plugins(family), *presets(family)])))
    return None, ""


def _plain(family: str, name: str) -> str:
    """The printed name of a plug-in, also from an alias or the path of its file; as it is printed where there is none.
    """
    if name.endswith(".py"):
        return printed(Path(name).stem)
    try:
        return resolve(family, name)
    except RecipeError:
        return name if name in presets(family) else printed(name)


def _put(said: Any, path: Sequence[str], value: Any) -> Any:
    """Options with one of them set, at any depth."""
    if not path:
        return value
    options, key = _mapping(said), path[0]
    return {**options, key: _put(options.get(key), path[1:], value)}


def _mapping(said: Any) -> dict[str, Any]:
    """What a recipe says of a plug-in as options: none where it is only named, or switched off."""
    if isinstance(said, dict):
        return said
    return {} if said is None or isinstance(said, bool) else {BARE: said}


def meant(text: str) -> str:
    """The `--set` that was meant where a plug-in of a list stands without it: `curate.length.min=3` for
    `length.min=3`; empty where the first key is nothing of the kind."""
    name = text.partition("=")[0].strip().split(".")[0]
    for home, family in LISTS.items():
        if printed(name) in plugins(family) or name in presets(family):
            return f"{'.'.join(home)}.{text.strip()}"
    return ""
