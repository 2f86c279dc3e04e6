"""Every unknown name of every template of a recipe, said at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..errors import RecipeError, did_you_mean
from ..recipe import Recipe
from .axes import Axes
from .prompts import JUDGE, SAYS, step_labels, template_makers
from .shots import NAME as EXAMPLES
from .shots import shots_of, shows, unmentioned
from .skipping import skip_faults
from .template import Template

ALWAYS = ("cell", "fields")
"""Names that every template may use beside axes and columns."""


class Known(NamedTuple):
    """What a template may name.

    Attributes:
        names: to propose: axes, columns, answers of earlier steps.
        later: steps that are answered only afterwards.
        train: whether the template is one of what the tuned model sees.
    """

    names: list[str]
    later: list[str]
    train: bool


def check_templates(recipe: Recipe, axes: Axes | None, columns: Sequence[str]) -> None:
    """Checks all templates of a recipe before anything is drawn, asked or paid.

    Args:
        recipe: the recipe.
        axes: its axes; None where it has none.
        columns: the source's columns; empty where there is no source. Since JSON rows need not have all columns,
            a name that a template gives a default may be missing among them.

    Raises:
        RecipeError: something is no template, an unknown name, or one name for two things; a line each.
    """
    names = axes.names if axes else ()
    faults = list(_two_things(recipe, names, columns))
    hint, variables = "", dict[str, frozenset[str]]()
    for label, make in template_makers(recipe).items():
        if label == "train.assistant" and (recipe.train.messages is not None or recipe.train.role is not None):
            continue
        try:
            template = make()
        except RecipeError as error:
            faults.append(error.message)
            hint = hint or error.hint
            continue
        variables[label] = template.variables
        known = known_in(recipe, label, names, columns)
        unknown = [text for _, text in sorted(_unknown(recipe, label, template, known, names, columns))]
        if unknown and not hint and known.names:
            hint = f"known here: {', '.join(known.names)}"
        faults += unknown
    column = recipe.train.messages
    if column is not None and column not in columns:
        near = _proposal(column, columns)
        faults.append(f"{recipe.at('train', 'messages')}: train.messages: there is no column '{column}'{near}")
    for fault, cure in (*unmentioned(recipe, variables), *skip_faults(recipe, names, columns)):
        faults.append(fault)
        hint = hint or cure
    if faults:
        raise RecipeError("\n".join(faults), hint)
    shots_of(recipe)  # the rows that prompts show, and what is wrong with them


def known_in(recipe: Recipe, label: str, axes: Sequence[str], columns: Sequence[str]) -> Known:
    """What the template of a label, as `steps.plot.user`, may name."""
    steps = [step.name for step in recipe.asks]
    usable = [column for column in columns if column.isidentifier()]
    if label.startswith("train."):
        answers = [*steps, *(["answer"] if steps else [])] if recipe.dialogue is None else []
        return Known(list(dict.fromkeys([*axes, *usable, *answers])), [], True)
    if recipe.pairs is not None and label.startswith(JUDGE):
        seen = ["answer"] if recipe.pairs.judge.margin is not None else ["answer_a", "answer_b"]
        return Known(list(dict.fromkeys([*axes, *usable, *steps[:-1], "prompt", *seen])), steps[-1:], False)
    if recipe.dialogue is not None:
        called = ["call"] if label.startswith(SAYS.rpartition(".")[0]) else []
        return Known(list(dict.fromkeys([*axes, *usable, *called])), [], False)
    index = step_labels(recipe).index(label.rpartition(".")[0])
    shown = [EXAMPLES] if shows(recipe, label) else []
    return Known(list(dict.fromkeys([*axes, *usable, *steps[:index], *shown])), steps[index:], False)


def _two_things(recipe: Recipe, axes: Sequence[str], columns: Sequence[str]) -> Iterator[str]:
    for name in axes:
        if name in columns:
            yield f"{recipe.at('axes', name)}: '{name}' is an axis, and a column of the source; rename the axis"
    for index, step in enumerate(recipe.steps):
        if step.name in columns and step.name != "answer":
            place = recipe.at("steps", index)
            yield f"{place}: '{step.name}' is a step, and a column of the source; rename the step"


def _unknown(
    recipe: Recipe, label: str, template: Template, known: Known, axes: Sequence[str], columns: Sequence[str]
) -> Iterator[tuple[int, str]]:
    """Line and sentence for each name that a template cannot have."""
    ours = "salt" if not known.train else "reasoning" if recipe.asks else "cell"
    free = {*known.names, *ALWAYS, ours}
    for name in (template.needed if columns else template.variables) - free:
        line = template.lines.get(name, 1)
        yield line, f"{template.place(line)}: '{name}' in {label} {_reason(recipe, name, known)}"
    for part in template.parts:
        parts = {"fields": columns, "cell": axes}.get(part.variable)
        if parts is not None and part.key not in parts and not part.optional and part.variable not in known.names:
            said = f"{part.variable} in {label} has no '{part.key}'{_proposal(part.key, parts)}"
            yield part.line, f"{template.place(part.line)}: {said}"


def _reason(recipe: Recipe, name: str, known: Known) -> str:
    if known.train and name == "salt":
        return "is not known: salt is for the writer's prompt alone"
    if known.train and name == "answer" and not recipe.asks:
        return "is not known: there is no prompt, so that nothing is answered; name a column"
    if name == EXAMPLES and not known.later:
        return "is not known: examples are for the writer's prompt alone"
    if name == EXAMPLES:
        return f"is not known: `{EXAMPLES}: {{file: seed.jsonl, n: 3}}` beside it draws rows to show"
    if name in known.later:
        return "is its own answer" if name == known.later[0] else "is the answer of a later step"
    return f"is not known{_proposal(name, known.names)}"


def _proposal(word: str, known: Sequence[str]) -> str:
    said = did_you_mean(word, known)
    return f"; {said}" if said else ""
