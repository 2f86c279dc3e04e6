"""What was made, what it cost, whether the model is better: the first thing that a reader sees."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple

from pipeline.words import money, number, percent, plural

from ._text import brief, moment
from .comparison import judgement
from .cost import per_kept, total
from .exports import sides, tokens
from .material import Material, finite, within

NOBODY = ("rehearsal", "")
TUNING = {"running": "A model is being tuned.", "failed": "Tuning failed.", "cancelled": "Tuning was cancelled."}


class Figure(NamedTuple):
    """A number that stands out: its name, itself, and what it is of."""

    name: str
    value: str
    note: str


class Headline(NamedTuple):
    """The head of the page.

    Attributes:
        said: what was made and what came of it.
        rehearsal: what a reader must know first, where nobody real wrote the rows; else empty.
        real: the command that asks a real model.
        dates: when the rows were made.
    """

    said: str
    rehearsal: str
    real: str
    figures: list[Figure]
    dates: str


def headline(material: Material) -> Headline:
    """The head of the page, of whatever has happened so far."""
    return Headline(
        f"{_made(material)} {_kept(material)} {_model(material)}".strip(), _rehearsal(material),
        f"synth run {material.typed} --model openai:MODEL", list(_figures(material)), _dates(material),
    )


def _made(material: Material) -> str:
    found = material.rows
    if not found.rows:
        return "No row was made yet."
    grid = f" for a grid of {plural(material.axes.cells, 'cell')}" if material.axes is not None else ""
    rows = plural(found.rows, "row")
    if material.recipe is not None and not material.recipe.asks and material.recipe.source is not None:
        return f"{rows} read from {brief(PurePath(material.recipe.source.file or 'a file').name)}."
    if found.rehearsed == found.rows:
        return f"{rows} rehearsed{grid}."
    models = [model for model, _ in found.models.most_common() if model not in NOBODY]
    writer = brief(models[0] if models else material.model)
    return f"{rows} written by {writer}{grid}." if writer else f"{rows} read in."


def _kept(material: Material) -> str:
    found = material.rows
    if not found.curated:
        return "None was curated yet." if found.rows else ""
    spent = material.spent
    cost = f" at {per_kept(material)} each" if found.kept and spent.usd else ""
    if not found.dropped:
        return f"All were kept{cost}."
    if not found.kept:
        return "None was kept."
    return f"{number(found.kept)} of them {'was' if found.kept == 1 else 'were'} kept{cost}."


def _model(material: Material) -> str:
    found, tuned = judgement(material), material.tuned
    if found is not None:
        return f"The tuned model is {found.word}: {found.because}."
    if tuned is None:
        return ""
    if tuned.state == "succeeded":
        return f"The base model {brief(tuned.told.get('base', ''))} was tuned."
    return TUNING.get(tuned.state, f"A model is being tuned: {brief(tuned.state)}.")


def _rehearsal(material: Material) -> str:
    found = material.rows
    if not material.rehearsal:
        return ""
    if not found.rehearsed:
        return "No model wrote the rows that the tuned model learned from. It shows that the road works, no more."
    if found.rehearsed == found.rows:
        who = "No model wrote these rows."
    else:
        who = f"No model wrote {number(found.rehearsed)} of these rows."
    who += " They are stand-ins with the faults that real answers have."
    if material.tuned is None:
        return who
    return f"{who} A model that is tuned on them shows that the road works, not that it writes well."


def _figures(material: Material) -> list[Figure]:
    found, spent = material.rows, material.spent
    figures = []
    if found.curated:
        judged = found.kept + found.dropped
        figures.append(Figure("Rows kept", number(found.kept), f"{percent(found.kept, judged)} of {number(judged)}"))
    elif found.rows:
        figures.append(Figure("Rows", number(found.rows), "not curated yet"))
    if spent.answered + spent.failed or material.tuning_usd:
        figures.append(_spent(material))
    train, validation = sides(material)
    if train:
        figures.append(Figure("Rows exported", number(train + validation), tokens(material)))
    figures += _tuned(material)
    return figures


def _spent(material: Material) -> Figure:
    found, spent = material.rows, material.spent
    if spent.unpriced and not total(material):
        return Figure("Spent", "unknown", "no price is known")
    if found.kept and spent.usd:
        return Figure("Spent", money(total(material)), f"{per_kept(material)} per kept row")
    return Figure("Spent", money(total(material)), "a rehearsal" if found.rehearsed else "")


def _tuned(material: Material) -> list[Figure]:
    """The loss that a reader looks for: held out, else of validation while tuning."""
    if material.compared is not None and judgement(material) is not None:
        before, after = (float(material.compared.told[side]["loss"]) for side in ("base", "tuned"))
        return [Figure("Held-out loss", f"{before:.2f} → {after:.2f}", "base → tuned")]
    metrics = within(material.tuned.told, "metrics") if material.tuned else {}
    for side, name in (("validation", "Validation loss"), ("train", "Training loss")):
        first, last = finite(metrics.get(f"first_{side}_loss")), finite(metrics.get(f"{side}_loss"))
        if first is not None and last is not None:
            return [Figure(name, f"{first:.2f} → {last:.2f}", "first → last step")]
    return []


def _dates(material: Material) -> str:
    """`2026-11-21 08:47`, or from the first to the last; never the time at which the page is written."""
    if material.rows.dates is None:
        return ""
    first, last = map(moment, material.rows.dates)
    if first[:10] == last[:10]:
        return first[:10]
    return f"{first[:10]} to {last[:10]}"
