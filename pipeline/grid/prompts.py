"""The templates of a recipe: where each stands, read and compiled once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from ..dialogue import TOOL
from ..recipe import Recipe, Same
from ..sections import Step
from .template import Template

JUDGE = "pairs.judge"
SAYS = "dialogue.tool.says"


class StepTemplates(NamedTuple):
    """A question and its templates."""

    step: Step
    system: Template | None
    user: Template


class Prompts:
    """The templates of a recipe, read and compiled.

    Raises:
        RecipeError: a file is missing, or something is no template.
    """

    def __init__(self, recipe: Recipe) -> None:
        made = {name: make() for name, make in template_makers(recipe).items()}
        self.steps = [
            StepTemplates(step, made.get(f"{label}.system"), made[f"{label}.user"])
            for step, label in zip(recipe.asks, step_labels(recipe), strict=True)
        ]
        self.system, self.user = made.get("train.system"), made.get("train.user")
        self.assistant = made["train.assistant"]
        self.judge = made.get(f"{JUDGE}.system"), made.get(f"{JUDGE}.user")
        self.says = made.get(SAYS)
        self.named: Mapping[str, Template] = made


def step_labels(recipe: Recipe) -> list[str]:
    """How the steps are called in messages: `prompt`, `steps.NAME`, `dialogue.roles.NAME` or `dialogue.tool`."""
    return [".".join(str(recipe.steps[part].name if isinstance(part, int) else part) for part in place)
            for place in step_places(recipe)]


def step_places(recipe: Recipe) -> list[tuple[str | int, ...]]:
    """Where the steps stand in the recipe."""
    if recipe.dialogue is not None:
        return [("dialogue", TOOL) if step.name == TOOL else ("dialogue", "roles", step.name) for step in recipe.asks]
    return [("prompt",)] if recipe.prompt is not None else [("steps", index) for index in range(len(recipe.steps))]


def template_makers(recipe: Recipe) -> dict[str, Callable[[], Template]]:
    """For each template that is written, a function that reads and compiles it, under its name in the recipe."""
    makers: dict[str, Callable[[], Template]] = {}

    def note(label: str, text: str | None, *where: str | int) -> None:
        if text is not None:
            makers[label] = lambda: _read(recipe, text, *where)

    for step, label, place in zip(recipe.asks, step_labels(recipe), step_places(recipe), strict=True):
        note(f"{label}.system", step.system, *place, "system")
        note(f"{label}.user", step.user, *place, "user")
    if recipe.dialogue is not None and recipe.dialogue.tool is not None:
        note(SAYS, recipe.dialogue.tool.says, "dialogue", TOOL, "says")
    if recipe.pairs is not None:
        note(f"{JUDGE}.system", recipe.pairs.judge.system, "pairs", "judge", "system")
        note(f"{JUDGE}.user", recipe.pairs.judge.user, "pairs", "judge", "user")
    train = recipe.train
    for part in ("system", "user", "assistant"):
        note(f"train.{part}", getattr(train, part), "train", part)
    return makers


def _read(recipe: Recipe, text: str, *where: str | int) -> Template:
    content = recipe.template(text, *where)
    return Template(content, recipe.at(*where) if content is text else str(recipe.folder / text))


@lru_cache(maxsize=8)
def _compiled(key: Same) -> Prompts:
    return Prompts(key.recipe)


def prompts_of(recipe: Recipe) -> Prompts:
    """The templates of a recipe, read and compiled at the first call for this very object."""
    return _compiled(Same(recipe))
