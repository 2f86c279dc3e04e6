"""What a recipe can mean and probably does not: said before anything is paid, and no reason to stop."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..errors import RecipeError
from ..recipe import Recipe
from .check import known_in
from .prompts import Prompts, prompts_of
from .shots import shots_of
from .template import Template

_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_BRACED = re.compile(r"\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}")


def doubts(recipe: Recipe, columns: Sequence[str] = ()) -> list[str]:
    """What is probably not meant, a sentence each with its place.

    A variable in single braces, which stays as it is written; an axis that no prompt names, so that the writer does
    not know its value; rows of an examples' file that cannot be shown.

    Args:
        recipe: the recipe. Where its templates have faults, nothing is said: whoever uses them names those.
        columns: of the source, where there is one.
    """
    try:
        prompts = prompts_of(recipe)
    except RecipeError:
        return []
    braced: set[str] = set()
    found = list(_braces(recipe, prompts, columns, braced))
    asking = [template for label, template in prompts.named.items() if not label.startswith("train.")]
    trained = [template for label, template in prompts.named.items() if label.startswith("train.")]
    for axis in recipe.axes if asking else ():
        if axis not in braced and not any(_names(template, axis) for template in asking):
            though = ", though the tuned model sees it" if any(_names(template, axis) for template in trained) else ""
            place = recipe.at("axes", axis)
            found.append(f"{place}: no prompt names the axis '{axis}': the writer does not know its value{though}")
    return found + [said for shots in shots_of(recipe) if shots and (said := shots.said())]


def _names(template: Template, axis: str) -> bool:
    """Whether a template takes the value of an axis, by its name or through `cell`."""
    if axis in template.variables or "cell" in template.whole:
        return True
    return any(part.variable == "cell" and part.key == axis for part in template.parts)


def _braces(recipe: Recipe, prompts: Prompts, columns: Sequence[str], braced: set[str]) -> Iterator[str]:
    """Known names in single braces; those of the writer's prompts go to `braced`."""
    for label, template in prompts.named.items():
        known = known_in(recipe, label, tuple(recipe.axes), columns)
        text = _JINJA.sub(lambda match: "\n" * match[0].count("\n") + " ", template.text)
        for match in _BRACED.finditer(text):
            if match[1] in known.names:
                if not known.train:
                    braced.add(match[1])
                place = template.place(text.count("\n", 0, match.start()) + 1)
                yield f"{place}: {match[0]} in {label} stays as it is written; its value is {{{{{match[1]}}}}}"
