"""Share of outputs that are the right label; what is no label is wrong."""

from __future__ import annotations

from . import Metric, Output
from ._labels import OfLabels, label_of


class Accuracy(OfLabels):
    """For answers that are one of a few labels."""

    better = "higher"
    share = True

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """1.0 where the label is right; None on data that has no labels."""
        return float(self.said(text) == label_of(reference)) if self.labels else None


plugin: type[Metric] = Accuracy
