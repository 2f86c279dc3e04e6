"""Plug-ins with options as a command line names them: `length`, `'length: {min: 5, unit: words}'`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import ValidationError

from pipeline import _yaml
from pipeline.errors import RecipeError
from pipeline.sections import Item

_GLUED = re.compile(r"\s*([\w./-]+)\s*(?::(?=\{)|(?=\{))\s*(\{.*\})\s*", re.DOTALL)
"""`length {min: 5}` and `length:{min: 5}`: YAML takes the first for a text, and the second for another key."""


def items_of(option: str, texts: Sequence[str], example: str) -> list[Item]:
    """The plug-ins that an option names: what a recipe's list takes, one or several each time.

    Args:
        option: as `--rule`, for the messages.
        texts: what was typed behind it.
        example: a value that it takes.

    Raises:
        RecipeError: not YAML, or no plug-in.
    """
    found: list[Item] = []
    for text in texts:
        value, _ = _yaml.parse(_spaced(option, text), option)
        for each in value if isinstance(value, list) else [value]:
            try:
                found.append(Item.model_validate(each))
            except ValidationError:
                raise RecipeError(f"{option} {text}: no {option[2:]}; write one as a recipe does",
                                  f"{option} '{example}'") from None
    return found


def _spaced(option: str, text: str) -> str:
    """The text, where YAML reads it as a name with options.

    Raises:
        RecipeError: options stand behind a name without the colon and the space that YAML wants.
    """
    glued = _GLUED.fullmatch(text)
    if glued is None:
        return text
    name, options = glued[1], re.sub(r":(?=[^\s/])", ": ", glued[2])
    raise RecipeError(f"{option} {text}: between a name and its options stand a colon and a space",
                      f"{option} '{name}: {options}'")
