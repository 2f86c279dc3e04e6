"""The road as numbers, from the cells of the grid to the rows that a model was tuned on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from markupsafe import Markup

from pipeline.rows import REWRITTEN
from pipeline.store.plan import SURPLUS, WANTED
from pipeline.store.standing import WHY
from pipeline.words import number, percent, plural

from ._svg import share_bar
from ._text import brief
from .exports import sides
from .material import Material, whole, within

HOW = {"random": "at random", "product": "the whole grid", "pairwise": "every pair of values at least once",
       "balanced": "values balanced", "first": "the first in order"}
"""How cells are drawn -> in words."""


class Step(NamedTuple):
    """A stage of the road: how many came so far, as a bar too, and what became of the others."""

    name: str
    rows: int
    bar: Markup
    note: str


class _Stage(NamedTuple):
    name: str
    rows: int
    note: str
    drawn: bool = True


def road(material: Material) -> list[Step]:
    """The steps that were taken."""
    stages = list(_stages(material))
    most = max((stage.rows for stage in stages if stage.drawn), default=0)
    return [Step(stage.name, stage.rows, share_bar(stage.rows, stage.rows, most) if stage.drawn else Markup(""),
                 stage.note) for stage in stages]


def _stages(material: Material) -> Iterator[_Stage]:
    found, recipe = material.rows, material.recipe
    wanted = material.plan[WANTED] + material.plan[SURPLUS]
    if material.axes is not None:
        shape = " × ".join(f"{number(len(material.axes.values[name]))} {name}" for name in material.axes.names)
        yield _Stage("Cells", material.axes.cells, brief(shape, 120), drawn=False)
    if wanted:
        yield _Stage("Drawn", wanted, _drawn(material, wanted))
    asked = bool(recipe and recipe.asks)
    if found.rows or wanted:
        yield _Stage("Answered" if asked else "Rows", found.firsthand, _answered(material, wanted))
    if found.rewrites:
        yield _Stage("Rewritten", found.rewrites, "from rows that could be saved")
    if found.curated:
        yield _Stage("Kept", found.kept, _dropped(material))
    train, validation = sides(material)
    if train:
        formats = plural(len(material.exports), "format")
        both = f"{number(train)} to train on, {number(validation)} to validate with, in {formats}"
        yield _Stage("Exported", train + validation, both if validation else f"to train on, in {formats}")
    if material.tuned is not None:
        rows = whole(within(material.tuned.told, "data", "train").get("rows"))
        base, state = brief(material.tuned.told.get("base", "")), material.tuned.state
        yield _Stage("Tuned", rows, f"base {base}" if state == "succeeded" else f"base {base}: {brief(state)}")


def _drawn(material: Material, wanted: int) -> str:
    recipe, parts = material.recipe, []
    if material.axes is not None and material.axes.cells >= wanted:
        parts.append(f"{percent(wanted, material.axes.cells)} of the cells")
    if recipe is not None:
        parts.append(f"{HOW[recipe.sample.how]}, seed {recipe.seed}")
    if material.plan[SURPLUS]:
        parts.append(f"{number(material.plan[SURPLUS])} of them no longer asked for")
    return ", ".join(parts)


def _answered(material: Material, wanted: int) -> str:
    """What failed, what stands aside, what is still missing."""
    found, parts = material.rows, []
    if material.failures:
        kinds = ", ".join(kind.replace("_", " ") for kind, _ in material.failures.most_common(3))
        parts.append(f"{number(material.failures.total())} failed: {kinds}")
    parts += [f"{number(rows)} stand aside: {_why(why)}" for why, rows in found.aside.most_common()]
    if found.broken:
        parts.append(f"{plural(found.broken, 'line')} cannot be read")
    missing = wanted - found.firsthand - material.failures.total()
    if missing > 0:
        parts.append(f"{number(missing)} still to ask")
    if not parts and wanted:
        parts.append("every draw has its answer")
    return "; ".join(parts)


def _dropped(material: Material) -> str:
    """`207 dropped: length 192, refusal 9`."""
    found = material.rows
    rules = [f"{brief(rule)} {number(rows)}" for rule, rows in found.by_rule.most_common(5) if rule != REWRITTEN]
    parts = [f"{number(found.dropped)} dropped" + (f": {', '.join(rules)}" if rules else "")]
    if not found.dropped:
        parts = ["nothing dropped"]
    if found.new:
        parts.append(f"{number(found.new)} not curated yet")
    return "; ".join(parts)


def _why(why: str) -> str:
    return {str(each): words for each, words in WHY.items()}.get(why, why)
