"""Which texts are labels: where all answers that were trained on are a few short words, again and again."""

from __future__ import annotations

from collections.abc import Sequence

from . import Metric, Output, Training

MOST, LONGEST, EACH = 100, 60, 2
"""At most so many labels, of at most so many characters, standing for at least so many rows each on average."""
_AROUND = " \t\r\n.,;:!?\"'`*“”‘’«»()[]"
"""What may stand around a label and is no part of it."""


def label_of(text: str) -> str:
    """A text without case, and without white space and punctuation around it."""
    return text.strip(_AROUND).casefold()


class OfLabels(Metric):
    """A metric that is for labels alone; on any other data there is nothing to measure."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.labels: frozenset[str] = frozenset()

    def prepare(self, outputs: Sequence[Output], training: Training) -> None:
        """Learns the labels; stops reading as soon as it is clear that there are none."""
        found: set[str] = set()
        rows = 0
        self.labels = frozenset()
        for answer in training():
            rows += 1
            found.add(label_of(answer))
            if len(answer) > LONGEST or len(found) > MOST:
                return
        if len(found) > 1 and rows >= EACH * len(found) and "" not in found:
            self.labels = frozenset(found)

    def said(self, text: str) -> str | None:
        """The label that a whole output is; None where it is none of them. Never guessed from a part of it."""
        found = label_of(text)
        return found if found in self.labels else None
