"""Values that an axis lacks: proposed by a model that sees the grid, without those that are near one that is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline._yaml import flow
from pipeline.alike import distinct
from pipeline.errors import RecipeError, did_you_mean
from pipeline.grid.axes import load_axes
from pipeline.json_text import Unread, json_in
from pipeline.recipe import Recipe
from pipeline.sections import Axis
from pipeline.types import Scalar
from pipeline.words import printable

from ._insert import edit, in_lines, with_lines, with_values
from ._question import Question
from .idea import LONGEST

MOST = 200
"""Values that can be asked for at a time; from there on models repeat themselves."""
LISTED = 300
"""Values of an axis that the question lists; of longer ones it says how many there are."""
OTHERS = 12
"""Values of each other axis that it lists."""
TOKENS_EACH, TOKENS_MORE, TOKENS_LEAST = 8, 24, 2000
"""Output tokens of a value, likely and at most; and the least limit, for models that think first."""

ASKED = """\
Synthetic texts are asked of a writer, one for each combination of values of these axes:
{others}
What the writer is asked for a combination, between the lines:
---
{prompt}
---
The axis `{axis}` has {these}:
{values}
Propose {count} further values for `{axis}`: of the same kind, worded as these are and about as long, in the same \
language, fit for what the writer is asked. None is in the list or means nearly the same as one of it, and no two of \
yours mean nearly the same. Fewer than {count} will do where there are no more good ones.
Answer with a JSON array of texts and nothing else."""


@dataclass(frozen=True)
class More:
    """Values that were proposed for an axis.

    Attributes:
        axis: its name.
        values: those that it lacks, in the order of the answer.
        dropped: why others are left out, a sentence each.
    """

    axis: str
    values: list[str]
    dropped: list[str]


def wish(text: str) -> tuple[str, int]:
    """`place=20` as axis and number.

    Raises:
        RecipeError: it is written otherwise, or asks for too many.
    """
    axis, sign, number = text.partition("=")
    count = int(number) if number.strip().isdecimal() and len(number.strip()) < 10 else 0
    if not sign or not axis.strip() or not count:
        raise RecipeError(f"--more {text}: write it as AXIS=NUMBER", "--more place=20")
    if count > MOST:
        raise RecipeError(f"--more {text}: at most {MOST} at a time", f"--more {axis.strip()}={MOST}")
    return axis.strip(), count


def more_question(recipe: Recipe, axis: str, count: int, name: str) -> Question[More]:
    """What is asked for values that an axis lacks.

    Args:
        recipe: with the axis.
        axis: its name.
        count: how many values.
        name: of the recipe, as it was typed; for what an error proposes.

    Raises:
        RecipeError: no such axis, or one whose values nobody writes down.
    """
    _refuse_made(recipe, axis)
    axes = load_axes(recipe).values
    there = [str(value) for value in axes[axis]]
    others = "\n".join(f"- {each}: {_some(values, OTHERS)}" for each, values in axes.items() if each != axis)
    asked = recipe.asks[0]
    these = "these values" if len(there) <= LISTED else f"{len(there):,} values, of which these are {LISTED}"
    text = ASKED.format(
        others=others or f"- {axis}", prompt=recipe.template(asked.user, "prompt", "user"), axis=axis, these=these,
        values=", ".join(there[:LISTED]), count=count,
    )
    instead = (
        f"synth plan {name} --more {axis}={count} --model OTHER   asks another model\n"
        f"synth plan {name} --more {axis}={count + 1}   another question; the same one has this answer"
    )
    hints = {"axis": axis, "has": there, "more": count}
    return Question(text, lambda said: _read(said, axis, there, count), lambda said: _read(said, axis, there, count),
                    max(TOKENS_LEAST, 200 + count * TOKENS_MORE), 10 + count * TOKENS_EACH, hints, instead)


def with_more(recipe: Recipe, more: Sequence[More]) -> Recipe:
    """The recipe as it would be with these values; nothing is written."""
    axes = dict(recipe.axes)
    loaded = load_axes(recipe)
    for each in more:
        axis = axes[each.axis]
        values: list[Scalar] = [*(axis.values or loaded.values[each.axis]), *each.values]
        weights = None if axis.weights is None else [*axis.weights, *[weight_of(axis)] * len(each.values)]
        axes[each.axis] = Axis.model_validate({"values": values, "weights": weights})
    return recipe.model_copy(update={"axes": axes})


def weight_of(axis: Axis) -> float:
    """The weight of an added value: the mean of those that are there, as a whole number where it is one."""
    weights = axis.weights or [1.0]
    mean = sum(weights) / len(weights)
    return int(mean) if mean == int(mean) else float(f"{mean:.3g}")


def _refuse_made(recipe: Recipe, axis: str) -> None:
    if axis not in recipe.axes:
        where = recipe.at("axes") if recipe.axes else recipe.at()
        raise RecipeError(f"{where}: there is no axis '{axis}'", did_you_mean(axis, recipe.axes))
    found = recipe.axes[axis]
    where = f"{recipe.at('axes', axis)}: axis '{axis}'"
    if found.faker is not None:
        raise RecipeError(f"{where} is made by Faker, nobody writes its values down",
                          f"more of them: {axis}: {{faker: {found.faker}, n: {found.n * 2}}}")
    if found.numbers is not None:
        raise RecipeError(f"{where} is a range of numbers, nobody writes its values down",
                          "more of them: another min, max or step")
    below = next((name for name, other in recipe.axes.items() if other.by == axis), None)
    if below is not None:
        raise RecipeError(f"{where} decides the values of '{below}': each further value needs a list of its own there",
                          f"add both by hand to {recipe.path}")
    if found.values is not None and not isinstance(found.values, list):
        raise RecipeError(f"{where} has other values for each value of another axis: which to add to is not known",
                          f"add them by hand to {recipe.path}")


def _some(values: Sequence[Scalar], most: int) -> str:
    rest = f" and {len(values) - most:,} more" if len(values) > most else ""
    return ", ".join(map(str, values[:most])) + rest


def _read(text: str, axis: str, there: list[str], count: int) -> More:
    """The values of an answer that the axis lacks.

    Raises:
        Unread: it is no list of texts, or an empty one.
    """
    value = json_in(text)
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()  # some models cannot answer with a bare list
    if not isinstance(value, list) or not value:
        raise Unread("it is no JSON array of texts")
    if any(isinstance(each, bool) or not isinstance(each, str | int | float) for each in value):
        raise Unread("one of the values is no text")
    found = [clean for each in value if (clean := " ".join(printable(str(each)).split()))]
    short = [each for each in found if len(each) <= LONGEST]
    kept, dropped = distinct(short, there)
    told = [str(each) for each in dropped]
    if len(short) < len(found):
        told.append(f"{len(found) - len(short)} longer than {LONGEST} characters")
    if len(kept) > count:
        told.append(f"{len(kept) - count} more than were asked for")
    return More(axis, kept[:count], told)


def line_of(recipe: Recipe, more: More) -> str:
    """The values as they can be pasted: into a list between brackets, or a line each into a list of lines or a file."""
    axis = recipe.axes[more.axis]
    if axis.file is not None:
        return "\n".join(more.values)
    if in_lines(recipe.text, more.axis):
        return "\n".join(f"- {flow(value)}" for value in more.values)
    return ", ".join(map(flow, more.values))


def write_more(recipe: Recipe, more: Sequence[More]) -> list[Path]:
    """Adds values to the recipe's file, or to the file that an axis names.

    Returns:
        The files that were changed.

    Raises:
        DataError: a file cannot be changed in this way; the others of this call may be.
    """
    written = []
    inline = {each.axis: each.values for each in more if each.values and recipe.axes[each.axis].file is None}
    if inline and recipe.path is not None:
        path, weights = recipe.path, {name: weight_of(axis) for name, axis in recipe.axes.items() if axis.weights}
        edit(path, lambda text: with_values(text, inline, weights, str(path)))
        written.append(path)
    for each in more:
        file = recipe.axes[each.axis].file
        if file is not None and each.values:
            edit(recipe.folder / file, partial(with_lines, lines=each.values))
            written.append(recipe.folder / file)
    return written
