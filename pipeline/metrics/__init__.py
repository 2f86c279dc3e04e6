"""What is compared: one file per metric, each a number of one output, and what the numbers say together.

`measure` looks at one output; `summary` and `change` look at all of them. Where a number is missing (a host
that does not say whether it stopped) it is left out and counted, never guessed.

An interval is the percentile bootstrap over rows (Efron 1979), or for shares Wilson's score interval (1927) and, for
their change, that of Agresti and Min (2005), since resampling five equal answers would give an interval of no width.
Whether tuned differs from base is Fisher's randomisation test on the pairs: had the model made no difference, each
difference could as well have the other sign. It is exact for few rows, so that five prompts can never show more than
chance would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from .. import registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

__all__ = ["Change", "Metric", "Output", "Summary", "change", "open_metrics", "summary", "surely", "wilson"]

Better = Literal["higher", "lower", "neither"]
Kind = Literal["generation", "answer"]
Training = Callable[[], Iterable[str]]
"""Reads the answers that were trained on, from the first, each time it is called."""

LEVEL = 0.95
_Z = 1.959964
"""The 97.5th percentile of the normal distribution."""
RESAMPLES = 2000
FLIPS = 10_000
"""Random sign patterns where there are too many to try all."""
EXACT = 13
"""Pairs up to which all 2^n sign patterns are tried."""
_TOGETHER = 250_000
"""Numbers drawn at once: some megabytes."""


class Output(NamedTuple):
    """What one model made of one prompt.

    Attributes:
        tokens: how many it wrote; None where nobody says.
        stopped: True where it ended by itself, False where the limit cut it; None where nobody says.
        loss: mean loss per token of the held-out answer, in nats; None where it was not computed.
        trained: tokens of the held-out answer that the loss is over.
    """

    text: str
    tokens: int | None = None
    stopped: bool | None = None
    loss: float | None = None
    trained: int = 0


class Metric:
    """A number of one output.

    Attributes:
        name: the printed name, which is its file's.
        key: as evaluation.json writes it.
        better: which way is better; `neither` where only the reader can say.
        of: `generation`: what a model wrote; `answer`: what it thinks of the held-out answer.
        share: True where `measure` says yes (1.0) or no (0.0).
        digits: after the point, where people read it.
    """

    better: ClassVar[Better] = "neither"
    of: ClassVar[Kind] = "generation"
    share: ClassVar[bool] = False
    digits: ClassVar[int] = 2

    def __init__(self, name: str = "") -> None:
        self.name = name or registry.printed(type(self).__module__.rsplit(".", 1)[-1])

    @property
    def key(self) -> str:
        """The name with underscores."""
        return self.name.replace("-", "_")

    def prepare(self, outputs: Sequence[Output], training: Training) -> None:
        """Called once, before anything is measured.

        Args:
            outputs: all of them, base's and tuned's.
            training: the answers that were trained on, to be streamed.
        """

    def measure(self, text: str, reference: str, written: Output) -> float | None:
        """The number of one output.

        Args:
            text: what was written.
            reference: the held-out answer.
            written: what else is known of the output.

        Returns:
            A finite number; None where there is nothing to measure.
        """
        raise NotImplementedError

    def weights(self, references: Sequence[str], outputs: Sequence[Output]) -> list[float]:
        """How much each row counts in the mean; above 0."""
        return [1.0] * len(references)


class Summary(NamedTuple):
    """A metric over the outputs of one model.

    Attributes:
        mean: weighted; None where no row could be measured.
        low: of the 95% interval; None for one row, which has none.
        high: of the 95% interval.
        rows: that could be measured.
        missing: that could not.
    """

    mean: float | None
    low: float | None
    high: float | None
    rows: int
    missing: int


class Change(NamedTuple):
    """Tuned minus base, over the rows that both were measured on.

    Attributes:
        mean: of the differences, weighted; None where there is no such row.
        low: of the 95% interval.
        high: of the 95% interval.
        rows: that both were measured on.
        up: of these, rows on which tuned has the larger number.
        down: of these, rows on which tuned has the smaller number.
        p: chance of a difference at least as large if the tuning did nothing; 1.0 for no difference.
    """

    mean: float | None
    low: float | None
    high: float | None
    rows: int
    up: int
    down: int
    p: float


def open_metrics() -> list[Metric]:
    """One of every metric there is, in order of name."""
    return [registry.load("metrics", name)(name) for name in registry.plugins("metrics")]


def summary(metric: Metric, values: Sequence[float | None], weights: Sequence[float], seed: int) -> Summary:
    """The mean of a metric and its interval.

    Args:
        metric: decides which interval.
        values: one per row, None where there was nothing to measure.
        weights: one per row.
        seed: of the bootstrap.
    """
    import numpy as np

    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    missing = len(values) - len(known)
    if not known:
        return Summary(None, None, None, 0, missing)
    numbers, heavy = (np.array(column, dtype=np.float64) for column in zip(*known, strict=True))
    mean = float(np.average(numbers, weights=heavy))
    even = bool((heavy == heavy[0]).all())
    low, high = wilson(mean, len(known)) if metric.share and even else _bootstrap(numbers, heavy, seed)
    return Summary(_tidy(mean), _tidy(low), _tidy(high), len(known), missing)


def change(
    metric: Metric, base: Sequence[float | None], tuned: Sequence[float | None], weights: Sequence[float], seed: int
) -> Change:
    """What tuning changed, pair by pair: see Change."""
    import numpy as np

    pairs = [(after - before, weight) for before, after, weight in zip(base, tuned, weights, strict=True)
             if before is not None and after is not None]
    if not pairs:
        return Change(None, None, None, 0, 0, 0, 1.0)
    differences, heavy = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
    mean = float(np.average(differences, weights=heavy))
    up, down = int((differences > 0).sum()), int((differences < 0).sum())
    even = bool((heavy == heavy[0]).all())
    low, high = _agresti(up, down, len(pairs)) if metric.share and even else _bootstrap(differences, heavy, seed)
    p = float(f"{_by_chance(differences * heavy, seed):.6g}")
    return Change(_tidy(mean), _tidy(low), _tidy(high), len(pairs), up, down, p)


def surely(changes: Sequence[Change]) -> list[bool]:
    """Which changes are more than chance, all of them looked at together: Holm's procedure (1979) at 5%."""
    order = sorted(range(len(changes)), key=lambda index: changes[index].p)
    found = [False] * len(changes)
    for place, index in enumerate(order):
        if changes[index].p > (1 - LEVEL) / (len(changes) - place):
            break
        found[index] = True
    return found


def _bootstrap(numbers: Numbers, weights: Numbers, seed: int) -> tuple[float, float] | tuple[None, None]:
    """Percentiles of the mean over rows drawn again with replacement; rows keep their weights. One row has none."""
    import numpy as np

    if len(numbers) < 2:
        return None, None
    dice = np.random.RandomState(seed % 2**32)  # the one stream of numpy that no version changes
    count = len(numbers)
    chunk = max(1, _TOGETHER // count)
    means = []
    for start in range(0, RESAMPLES, chunk):
        rows = dice.randint(0, count, size=(min(chunk, RESAMPLES - start), count))
        means.append((numbers[rows] * weights[rows]).sum(axis=1) / weights[rows].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share of `count` rows: wide for few rows, even where all agree."""
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * (share * (1 - share) / count + _Z**2 / (4 * count**2)) ** 0.5
    return 0.0 if share == 0 else max(0.0, middle - half), 1.0 if share == 1 else min(1.0, middle + half)


def _agresti(up: int, down: int, count: int) -> tuple[float, float]:
    """The interval of a difference of paired shares: Agresti and Min (2005), half a pair added to each kind."""
    gained, lost, pairs = up + 0.5, down + 0.5, count + 2
    middle = (gained - lost) / pairs
    half = _Z * ((gained + lost) - (gained - lost) ** 2 / pairs) ** 0.5 / pairs
    return max(-1.0, middle - half), min(1.0, middle + half)


def _by_chance(differences: Numbers, seed: int) -> float:
    """The randomisation test: how often signs by chance give a sum at least as far from zero.

    Pairs without a difference say nothing and are left out. All patterns are tried where there are few, else
    FLIPS random ones, with the observed one counted among them (Phipson and Smyth 2010).
    """
    import numpy as np

    differences = differences[differences != 0]
    count = len(differences)
    if not count:
        return 1.0
    least = abs(float(differences.sum())) * (1 - 1e-12)
    if count <= EXACT:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float((np.abs((2 * bits - 1) @ differences) >= least).mean())
    dice, far = np.random.RandomState(seed % 2**32), 0
    chunk = max(1, _TOGETHER // count)
    for start in range(0, FLIPS, chunk):
        bits = dice.randint(0, 2, size=(min(chunk, FLIPS - start), count))
        far += int((np.abs((2 * bits - 1) @ differences) >= least).sum())
    return (far + 1) / (FLIPS + 1)


def _tidy(number: float | None) -> float | None:
    """Six significant digits: what is beyond differs between machines and says nothing."""
    return None if number is None else float(f"{number:.6g}")
