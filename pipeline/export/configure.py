"""Writes what trainers and servers need to know of an export, beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.configs import Config, Made
from pipeline.formats import Format
from pipeline.store.files import write_atomic

from .placing import list_configs, side_of
from .write import NAMES, Written


def configure(configs: Sequence[Config], plugins: Sequence[Format], written: Sequence[Written]) -> list[Path]:
    """Writes the files of each config beside each format that it can describe; earlier ones are replaced.

    Args:
        configs: what was asked for.
        plugins: the formats, with their options.
        written: what came of each.

    Raises:
        RecipeError: the trainer would read the rows otherwise than they are meant.
    """
    made: list[Path] = []
    for one, plugin in zip(written, plugins, strict=True):
        sides = {side_of(file.path.name): file.path.name for file in one.files}
        files: dict[str, str] = {}
        for config in configs if sides else ():
            if not config.fits(plugin):
                continue
            train, validation = (sides.get(name) for name in NAMES.values())
            files |= config.files(Made(plugin, str(train), validation, one.longest, one.weighted))
        if files:
            list_configs(one.folder, files)
        one.stale = tuple(name for name in one.stale if name not in files)
        for name, text in files.items():
            write_atomic(one.folder / name, text.encode())
            made.append(one.folder / name)
    return made
