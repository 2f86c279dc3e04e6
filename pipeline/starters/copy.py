"""A shipped starter, copied beside the user's own code."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline._yaml import flow
from pipeline.errors import DataError, RecipeError, did_you_mean
from pipeline.locate import shipped

from ._new import free_name, write_new

_NAME_KEY = re.compile(r"^name:[^\n]*$", re.MULTILINE)


def copy_starter(name: str, cwd: Path, template: str | None = None) -> list[Path]:
    """Copies a starter to `NAME/`: recipe.yaml, prompts/, README.md.

    Args:
        name: of the folder, and the recipe's name in it.
        cwd: where the folder is made.
        template: the starter; the one called `name` where it is None.

    Returns:
        The files, recipe.yaml first.

    Raises:
        RecipeError: no such starter, with those that there are.
        DataError: a recipe of this name or one of the files is there; nothing was written.
    """
    starters = shipped()
    wanted = template if template is not None else name
    if wanted not in starters:
        raise _no_starter(name, wanted, template is not None, sorted(starters))
    home, target = starters[wanted], cwd / free_name(name, cwd)
    files = sorted(path for path in home.rglob("*") if path.is_file() and not _ours(path.relative_to(home)))
    for path in files:
        there = target / path.relative_to(home)
        if there.exists():
            raise DataError(f"{there.relative_to(cwd)}: is there already; nothing was written",
                            f"rename it, or: synth init OTHER --template {wanted}")
    written = []
    for path in sorted(files, key=lambda path: path.name != "recipe.yaml"):
        text = path.read_text(encoding="utf-8")
        if path.name == "recipe.yaml" and wanted != name:
            text = _NAME_KEY.sub(f"name: {flow(name)}", text, count=1)
        written.append(write_new(target / path.relative_to(home), text))
    return written


def _ours(path: Path) -> bool:
    """Files that are no part of a starter."""
    return any(part.startswith((".", "__")) for part in path.parts) or path.suffix in (".py", ".pyc")


def _no_starter(name: str, wanted: str, named: bool, starters: list[str]) -> RecipeError:
    near = did_you_mean(wanted, starters)
    if named:
        return RecipeError(f"there is no starter '{wanted}'", near)
    there = f"starters: {', '.join(starters)}"
    first = f"{near}; {there}" if near.startswith("did you mean") else there
    return RecipeError(
        f"there is no starter '{name}'",
        f"{first}\n"
        f"synth init {name} --blank\n"
        f"synth init {name} --from rows.csv\n"
        f"synth init {name} --template {starters[0] if starters else 'STARTER'}",
    )
