"""Share of outputs that end by themselves, before the limit of tokens cuts them."""

from __future__ import annotations

from . import Metric, Output


class StopRate(Metric):
    """A model that never learned its stop token writes to the limit every time."""

    better = "higher"
    share = True

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """1.0 where it ended by itself; None where the host does not say."""
        return None if written.stopped is None else float(written.stopped)


plugin: type[Metric] = StopRate
