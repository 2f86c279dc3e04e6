"""What to do next: one to three commands, from where the dataset stands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from pipeline.store.plan import WANTED
from pipeline.words import number, plural

from ._text import brief
from .coverage import Coverage
from .material import Material

MOST = 3


class Next(NamedTuple):
    """A command to type, and why."""

    command: str
    why: str


def following(material: Material, covered: Coverage | None) -> list[Next]:
    """The commands that help most, the nearest first."""
    return list(islice(_all(material, covered), MOST))


def _all(material: Material, covered: Coverage | None) -> Iterator[Next]:
    name, found, recipe = material.typed, material.rows, material.recipe
    missing = material.plan[WANTED] - found.firsthand - material.failures.total()
    if missing > 0 or not found.rows:
        why = f"asks for the {plural(missing, 'row')} still missing; nothing is paid twice"
        yield Next(f"synth generate {name}", why if missing > 0 else "makes the rows")
    if found.new and (found.curated or (recipe is not None and recipe.curate)):
        yield Next(f"synth curate {name}", f"{plural(found.new, 'row')} without a verdict")
    if found.rows and not material.exports:
        yield Next(f"synth export {name}", "writes the kept rows for trainers")
    elif material.exports:
        yield from _tuned(material, name)
    for flag in (covered.halved if covered else [])[:1]:
        axis = shlex.quote(f"{flag.axis}={flag.value}")
        if flag.rule and flag.axis in material.rows.fates and "\n" not in axis:
            yield Next(f"synth inspect {name} --rule {shlex.quote(flag.rule)} --axis {axis}",
                       f"reads the rows of “{brief(flag.value)}” that {flag.rule} took, before the mix is settled")
    if material.failures:
        failed = number(material.failures.total())
        yield Next(f"synth generate {name} --retry", f"asks again what failed for good: {failed}")
    if material.rehearsal and recipe is not None and recipe.asks:
        yield Next(f"synth plan {name} --model openai:gpt-4.1-mini", "what the same road costs with a real model")
    if found.rows:
        yield Next(f"synth inspect {name} --sample 5", "reads five rows in full")


def _tuned(material: Material, name: str) -> Iterator[Next]:
    tuned = material.tuned
    if tuned is None:
        yield Next(f"synth finetune {name}", "tunes a model on the export")
    elif tuned.state in ("failed", "cancelled"):
        yield Next(f"synth finetune {name}", "the last one did not end well; what it had done is not lost")
    elif tuned.state == "succeeded" and not any(one.told.get("finetune") == tuned.id for one in material.evaluations):
        yield Next(f"synth evaluate {name}", "base and tuned model on the same held-out prompts")
    elif tuned.state == "succeeded":
        yield Next(f"synth try {name}", "asks the tuned model, beside the base")
