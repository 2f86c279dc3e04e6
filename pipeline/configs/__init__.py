"""Configs: the files by which another trainer, or a server, takes an export as it stands.

A config is one file here that ends in `plugin: type[Config] = ...`. It is asked for beside an export, `synth export
NAME --config axolotl`, and gets what was written. A format that it cannot describe is refused before any of it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

from pipeline.errors import RecipeError
from pipeline.formats import Format
from pipeline.options import Options, read_options
from pipeline.sections import Item

ROOM, STEP = 1.5, 256
"""A limit is this much above the longest row, counted by another tokenizer than the trainer's, up to a whole step."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was written in one format.

    Attributes:
        format: of the rows, with its options.
        train: the file's name; the config stands beside it.
        validation: the other file's name; None where there is none.
        longest: tokens of the longest row, by an estimate.
        weighted: rows with an answer that is not to be trained.
    """

    format: Format
    train: str
    validation: str | None
    longest: int
    weighted: int = 0

    @property
    def room(self) -> int:
        """Tokens that hold the longest row for certain, as far as is known: see ROOM."""
        return -(-int(self.longest * ROOM + 1) // STEP) * STEP


class Config(ABC):
    """The files of one trainer or server.

    Attributes:
        name: the plug-in's printed name.
        takes: names of the formats that it can describe, the usual ones first.
        example: it with all that has to be set.
        model: what may be set on it; `how` is what was set.
    """

    name: ClassVar[str]
    takes: ClassVar[tuple[str, ...]]
    model: ClassVar[type[Options]] = Options
    example: ClassVar[str] = ""

    def __init__(self, how: Options | None = None) -> None:
        self.how = how or self.model()

    def fits(self, format: Format) -> bool:  # noqa: A002 - what it is
        """Whether it can describe the rows of a format."""
        return format.name in self.takes

    @abstractmethod
    def files(self, made: Made) -> dict[str, str]:
        """Name -> text of the files that stand beside the rows.

        Raises:
            RecipeError: the trainer would read these rows otherwise than they are meant.
        """


def open_configs(items: Sequence[Item], plugins: Sequence[Format]) -> list[Config]:
    """The configs that were asked for, options read and checked.

    Raises:
        RecipeError: an unknown config or option, or none of the formats is one that it can describe.
    """
    from pipeline import registry

    found: list[Config] = []
    for item in items:
        kind: type[Config] = registry.load("configs", item.name)
        lacks = [key for key, field in kind.model.model_fields.items()
                 if field.is_required() and key not in item.options]
        if lacks and "value" not in item.options:
            are = "are" if len(lacks) > 1 else "is"
            raise RecipeError(f"--config: {kind.name}: {' and '.join(map(repr, lacks))} {are} missing",
                              f"--config '{kind.example}'")
        (how,) = read_options(kind.name, item.options, "--config", (kind.model,))
        one = kind(how)
        if not any(map(one.fits, plugins)):
            raise RecipeError(f"{one.name} has no way to read {' or '.join(each.name for each in plugins)}",
                              f"--format {one.takes[0]} --config {one.name}   # or {', '.join(one.takes[1:])}")
        found.append(one)
    return found


def yaml_of(value: dict[str, Any]) -> str:
    """A mapping as YAML in its own order, everything written out where it stands."""
    return yaml.safe_dump(json.loads(json.dumps(value)), sort_keys=False, allow_unicode=True)


def refuse_weights(made: Made, name: str) -> None:
    """Raises RecipeError where a trainer would train answers of weight 0."""
    if made.weighted:
        raise RecipeError(f"{name} trains every answer, and {made.weighted:,} rows of {made.format.name} have some of "
                          "weight 0", "--format trl-prompt-completion asks with them; or train every answer")
