"""Share of outputs that are none of the labels; they are counted, and never taken for the nearest one."""

from __future__ import annotations

from . import Metric, Output
from ._labels import OfLabels


class Unparseable(OfLabels):
    """For answers that are one of a few labels."""

    better = "lower"
    share = True

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """1.0 where the output is no label; None on data that has no labels."""
        return float(self.said(text) is None) if self.labels else None


plugin: type[Metric] = Unparseable
