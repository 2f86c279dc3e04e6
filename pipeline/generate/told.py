"""What a run of `generate` is told, and what it tells of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.engine import BatchHost, Progress
from pipeline.types import Problem, Sample
from pipeline.words import plural

from .pairs import TIE, TURNED
from .questions import Writer
from .skip import note as skip_note

MANY = {TIE: "ties", TURNED: "verdicts that turned with the order"}
"""Why there was no pair, of several."""


@dataclass(frozen=True, slots=True)
class Options:
    """What one run of `generate` is told beside the recipe.

    Attributes:
        rows: only the first so many draws (preview).
        retry: ask failed calls of these classes again; None leaves final failures alone, () means all.
        by: who is asked instead, where failed rows are asked again; None for the one who failed.
        adopt: keep what a hand changed in samples.jsonl as decisions.
        restore: bring ours back, after a copy.
        keeps: whether the row rules keep a row; for the panel.
        batch: who takes batches, where questions go in files; None to ask live.
        settled: with `sample.keep`, only rows whose answers are all there: nothing is asked.
    """

    rows: int | None = None
    retry: tuple[str, ...] | None = None
    by: Writer | None = None
    adopt: bool = False
    restore: bool = False
    keeps: Callable[[Sample], bool] | None = None
    batch: BatchHost | None = None
    settled: bool = False


class Generated(NamedTuple):
    """What a run did.

    Attributes:
        wanted: rows that the plan asks for.
        standing: of these, rows that are there now.
        added: rows that this run wrote.
        rendered: rows that were rendered anew, for nothing.
        interrupted: a person stopped it.
        notes: what happened, a sentence each.
        again: of `added`, rows that were there before and were made again for nothing.
        gaps: those of the notes that say why some of all that is wanted is no row and no failure, as of now.
    """

    wanted: int
    standing: int
    added: int
    rendered: int
    interrupted: bool
    progress: Progress
    notes: tuple[str, ...]
    again: int = 0
    gaps: tuple[str, ...] = ()


def gaps(unpaired: Counter[str], skipped: Counter[str], wanted: int) -> tuple[str, ...]:
    """Sentences on draws that are no row and no failure.

    Args:
        unpaired: why two answers were no pair -> draws.
        skipped: by what -> draws.
        wanted: draws in all.
    """
    found = []
    if unpaired:
        why = ", ".join(plural(count, reason, MANY.get(reason, reason))
                        for reason, count in sorted(unpaired.items()))
        found.append(f"{unpaired.total():,} of {wanted:,} draws gave no pair: {why}")
    return (*found, skip_note(skipped, wanted)) if skipped else tuple(found)


class LeftOut:
    """Rows that cannot be made, whatever the model says: how many, and the first one."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Problem | None = None

    def __call__(self, problem: Problem) -> None:
        """Takes in one problem; only errors leave a row out."""
        if problem.severity == "error":
            self.count += 1
            self.first = self.first or problem

    def __str__(self) -> str:
        if self.first is None:
            return "no row was left out"
        which = "1 row is" if self.count == 1 else f"{self.count:,} rows are"
        fix = f" ({self.first.fix})" if self.first.fix else ""
        return f"{which} left out; the first: {self.first.where}: {self.first.message}{fix}"
