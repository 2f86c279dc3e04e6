"""Tokens of an output, as its model counts them."""

from __future__ import annotations

from . import Metric, Output


class MeanTokens(Metric):
    """How long the answers are; which length is right, only the reader can say."""

    digits = 0

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """Tokens; None where the host does not say."""
        return None if written.tokens is None else float(written.tokens)


plugin: type[Metric] = MeanTokens
