"""New files of the user's: named well, and never over one that is there."""

from __future__ import annotations

from pathlib import Path

import yaml

from pipeline.errors import DataError, RecipeError
from pipeline.locate import find_recipe
from pipeline.recipe import NAME


def free_name(name: str, cwd: Path) -> str:
    """The name, where a recipe can be called so and none is yet.

    Raises:
        RecipeError: not a name.
        DataError: a recipe of this name is there; nothing was written.
    """
    if not NAME.fullmatch(name):
        raise RecipeError(f"'{name}' cannot be a recipe's name", "letters, digits, '.', '_' and '-', as my-tales")
    there = find_recipe(name, cwd)
    if there is not None:
        raise DataError(f"{there.relative_to(cwd)}: is there already; nothing was written", f"synth run {name}")
    return name


def write_new(path: Path, text: str) -> Path:
    """Writes a file that was not there.

    Raises:
        DataError: it is; it stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise DataError(f"{path}: is there already; nothing was written", "rename it, or choose another NAME") from None
    return path


def quoted(text: str) -> str:
    """A text in double quotes, as templates with line breaks are read best."""
    dumped: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=1_000_000)
    return dumped.strip()
