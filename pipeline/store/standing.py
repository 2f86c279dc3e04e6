"""Which rows are part of the set today, and why the others stand aside. Nothing is deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from pipeline.types import Sample

from .plan import ILLEGAL, States

Aside = Literal["earlier", "illegal", "rehearsed", "skipped"]

WHY: dict[Aside, str] = {
    "earlier": "made by an earlier prompt or model",
    "illegal": "cell is no longer in the recipe",
    "rehearsed": "rehearsed, and real rows exist",
    "skipped": "skipped by today's `skip_when`",
}


def standing(manifest: dict[str, Any], states: States, real: bool) -> Callable[[Sample], Aside | None]:
    """A function that says why a row stands aside, or None where it is part of the set.

    Args:
        manifest: the dataset's; `generate.writer` names the prompt and model in use, `generate.same` those that differ
            from it in what is skipped, and `generate.through` says that a run has looked at all of their rows.
        states: of the plan, by draw key.
        real: whether the set holds rows that no rehearsal made.
    """
    noted = manifest.get("generate")
    writer = noted.get("writer") if isinstance(noted, dict) else None
    same = set(noted.get("same", ())) if isinstance(noted, dict) and noted.get("through") else set[str]()

    def of(sample: Sample) -> Aside | None:
        made = sample.provenance.get("writer")
        if sample.rehearsal and real:
            return "rehearsed"
        other = writer is not None and made is not None and made != writer
        if other and made not in same:
            return "earlier"
        if states.get(str(sample.provenance.get("draw"))) == ILLEGAL:
            return "illegal"
        return "skipped" if other else None

    return of


def any_real(samples: Iterable[Sample]) -> bool:
    """Whether a row is there that no rehearsal made."""
    return any(not sample.rehearsal for sample in samples)
