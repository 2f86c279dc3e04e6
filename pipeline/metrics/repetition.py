"""Share of an output's runs of four words that stood in it before: how far it goes round in circles.

1 - distinct / all, as seq-rep-4 of Welleck et al., Neural Text Generation with Unlikelihood Training (2020).
"""

from __future__ import annotations

from ..views import words
from . import Metric, Output

RUN = 4
"""Words in a run."""


class Repetition(Metric):
    """0.0 for prose of people, near 1.0 for a model that is stuck."""

    better = "lower"

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """From 0.0 to below 1.0; None for a text of fewer words than one run."""
        found = words(text)
        count = len(found) - RUN + 1
        if count < 1:
            return None
        return 1 - len({tuple(found[i : i + RUN]) for i in range(count)}) / count


plugin: type[Metric] = Repetition
