"""Share of outputs that repeat thirteen words in a row of an answer that was trained on: learned by heart.

Runs of 13 words are those by which Brown et al., Language Models are Few-Shot Learners (2020, appendix C), find
text that test and training data share. Case and punctuation do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..digest import digest_bytes
from ..views import words
from . import Metric, Output, Training

RUN = 13
"""Words in a run. A shorter output has none, and is not measured."""


class Copied(Metric):
    """Looks for the outputs' runs in the training answers, which are streamed once."""

    better = "lower"
    share = True

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._found: set[str] = set()

    def prepare(self, outputs: Sequence[Output], training: Training) -> None:
        """Notes which runs of the outputs stand in a training answer. Memory grows with the outputs alone."""
        wanted = {run for output in outputs for run in _runs(output.text)}
        self._found = set()
        for answer in training() if wanted else ():
            self._found.update(run for run in _runs(answer) if run in wanted)

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """1.0 where it holds such a run; None for an output of fewer words."""
        if len(words(text)) < RUN:
            return None
        return float(any(run in self._found for run in _runs(text)))


def _runs(text: str) -> Iterator[str]:
    """A digest of every run of words."""
    found = words(text)
    for start in range(len(found) - RUN + 1):
        yield digest_bytes(" ".join(found[start : start + RUN]).encode("utf-8", "surrogatepass"))


plugin: type[Metric] = Copied
