"""Comparing rules that need no more of a row than a note: it is made where the row is measured, not read once more."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Container, Iterable, Iterator
from typing import Any

from ..types import Sample
from . import Bounds, CompareRule, Match, Measure

Note = Any
"""What `marshal` writes, as a tuple of digests; None for a row that is left alone."""


class NotedRule(CompareRule[Measure, Bounds]):
    """A comparing rule whose look at a row does not depend on other rows."""

    @abstractmethod
    def note(self, sample: Sample) -> Note:
        """What is compared of a row."""

    @abstractmethod
    def among(self, notes: Iterable[tuple[str, Note]], held: Container[str]) -> Iterator[Match]:
        """See `compare`.

        Args:
            notes: rows that nothing has dropped, each by its id with its note; none without one. Read once.
            held: ids that a person decided to keep.
        """

    def compare(self, standing: Iterable[Sample], held: Container[str]) -> Iterator[Match]:
        """See CompareRule."""
        notes = ((sample.id, self.note(sample)) for sample in standing)
        return self.among(((name, note) for name, note in notes if note is not None), held)
