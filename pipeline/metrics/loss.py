"""Mean loss per token of the held-out answers, in nats: how much they surprise the model."""

from __future__ import annotations

from collections.abc import Sequence

from . import Metric, Output


class Loss(Metric):
    """Over trained tokens only: the answer and its stop token, never the prompt. e to its power is the perplexity."""

    better = "lower"
    of = "answer"
    digits = 3

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """The row's mean loss; None where it was not computed."""
        return written.loss

    def weights(self, references: Sequence[str], outputs: Sequence[Output]) -> list[float]:
        """Tokens: so that the mean is that of all held-out tokens, as training reports it."""
        return [float(max(1, output.trained)) for output in outputs]


plugin: type[Metric] = Loss
