"""Bytes of an output in UTF-8, which compares across models as tokens do not."""

from __future__ import annotations

from . import Metric, Output


class MeanBytes(Metric):
    """How long the answers are, beside the held-out ones."""

    digits = 0

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """UTF-8 bytes."""
        return float(len(text.encode("utf-8", "surrogatepass")))


plugin: type[Metric] = MeanBytes
