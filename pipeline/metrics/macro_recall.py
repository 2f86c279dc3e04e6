"""Recall of each label, averaged over labels, so that a rare one counts as much as a common one.

The official metric of sentiment in SemEval 2017 task 4 (Rosenthal et al.) and TweetEval (Barbieri et al. 2020). What is
no label counts as missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from . import Metric, Output
from ._labels import OfLabels, label_of


class MacroRecall(OfLabels):
    """The mean of right answers with each label's rows weighing one together."""

    better = "higher"

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """1.0 where the label is right; None on data that has no labels."""
        return float(self.said(text) == label_of(reference)) if self.labels else None

    def weights(self, references: Sequence[str], outputs: Sequence[Output]) -> list[float]:
        """One over how many rows have the same held-out label."""
        each = Counter(map(label_of, references))
        return [1 / each[label_of(reference)] for reference in references]


plugin: type[Metric] = MacroRecall
