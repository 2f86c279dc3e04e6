"""Share of outputs that repeat thirteen words in a row of an answer that was trained on: learned by heart.

Runs of 13 words are those by which Brown et al., Language Models are Few-Shot Learners (2020, appendix C), find
text that test and training data share. Case and punctuation do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..views import words
from . import Metric, Output, Training

RUN = 13
"""Words in a run. A shorter output has none, and is not measured."""

Run = tuple[str, ...]


class Copied(Metric):
    """Looks for the outputs' runs in the training answers, which are streamed once."""

    better = "lower"
    share = True

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._found: set[Run] = set()

    def prepare(self, outputs: Sequence[Output], training: Training) -> None:
        """Notes which runs of the outputs stand in a training answer. Memory grows with the outputs alone."""
        wanted = {run for output in outputs for run in _runs(words(output.text))}
        ends = {(run[0], run[-1]) for run in wanted}
        self._found = set()
        for answer in training() if wanted else ():
            said = words(answer)
            places = (place for place, pair in enumerate(zip(said, said[RUN - 1 :])) if pair in ends)
            self._found.update(run for place in places if (run := tuple(said[place : place + RUN])) in wanted)

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """1.0 where it holds such a run; None for an output of fewer words."""
        said = words(text)
        return float(any(run in self._found for run in _runs(said))) if len(said) >= RUN else None


def _runs(said: list[str]) -> Iterator[Run]:
    return (tuple(said[start : start + RUN]) for start in range(len(said) - RUN + 1))


plugin: type[Metric] = Copied
