"""Bounds beside labels: what each would keep, which one is suggested, and how far that flatters itself.

A bound that is chosen on the rows on which it is then measured looks better than it is. By how much is estimated by
choosing it again on rows drawn with replacement, and measuring it there and on all (the optimism bootstrap: Efron, JASA
1983).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pipeline.rows import is_number

from .agreement import Estimate, share
from .labelled import Label

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

RESAMPLES, SEED = 500, 7
"""Bootstrap samples; the same labels give the same numbers."""


class At(NamedTuple):
    """A bound that was tried.

    Attributes:
        at: its value.
        kept: rows that pass it, of all that were measured.
        precision: of the rows that pass, the share that people would keep.
        recall: of the rows that people would keep, the share that passes.
        now: whether that is where it stands.
    """

    at: float
    kept: int
    precision: Estimate
    recall: Estimate
    now: bool


class Chosen(NamedTuple):
    """The bound that is suggested.

    Attributes:
        at: the bound.
        why: `precision`: the largest recall with the precision that was asked for; `f1`: no bound reaches that, and
            this is the best of both.
        precision: without what choosing it on these rows flatters it by.
        recall: likewise.
        low: 5 % of the bounds that were chosen on rows drawn again lie below.
        high: 5 % lie above.
        all: whether every labelled row passes it, so that no bound is needed.
    """

    at: At
    why: Literal["precision", "f1"]
    precision: float
    recall: float
    low: float
    high: float
    all: bool


def stands(value: float, at: float, higher: bool) -> bool:
    """Whether a value passes a bound, itself included."""
    return value >= at if higher else value <= at


def points_of(
    values: Mapping[float, int], labels: Sequence[Label], weights: Sequence[float], higher: bool, now: Any,
) -> list[At]:
    """Precision and recall at the value of each labelled row, and where the bound stands; the loosest first.

    Args:
        values: value -> rows, of all that were measured.
        labels: the labelled rows.
        weights: how many rows each speaks for.
        higher: whether larger values pass.
        now: where the bound stands; None where it does not.
    """
    tried = {each.value for each in labels} | ({float(now)} if is_number(now) else set())
    points = [_point(values, labels, weights, higher, at) for at in sorted(tried, reverse=not higher)]
    return [point._replace(now=point.at == now) for point in points if point is not None]


def _point(
    values: Mapping[float, int], labels: Sequence[Label], weights: Sequence[float], higher: bool, at: float,
) -> At | None:
    """None where no labelled row passes."""
    rows = [(each.good, stands(each.value, at, higher), weight) for each, weight in zip(labels, weights, strict=True)]
    right = share([good for good, passes, _ in rows if passes], [weight for _, passes, weight in rows if passes])
    there = share([passes for good, passes, _ in rows if good], [weight for good, _, weight in rows if good])
    if right is None or there is None:
        return None
    return At(at, sum(count for value, count in values.items() if stands(value, at, higher)), right, there, False)


def chosen_of(
    points: Sequence[At], labels: Sequence[Label], weights: Sequence[float], higher: bool, want: float,
) -> Chosen:
    """The bound that is suggested, with what choosing it on these rows flatters it by taken off."""
    import numpy as np

    order = sorted(range(len(labels)), key=lambda index: labels[index].value, reverse=not higher)
    values = np.array([labels[index].value for index in order])
    good = np.array([labels[index].good for index in order], dtype=np.float64)
    heavy = np.array([weights[index] for index in order])
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))

    def rates(times: Numbers) -> tuple[Numbers, Numbers]:
        """Precision and recall at each value, where each row counts so many times."""
        kept, fine = (np.cumsum(each[..., ::-1], axis=-1)[..., ::-1][..., starts]
                      for each in (heavy * times, heavy * times * good))
        return fine / np.maximum(kept, 1e-12), fine / np.maximum(fine[..., :1], 1e-12)

    whole = rates(np.ones(len(values)))
    place, reached = _pick(*whole, want)
    again = np.random.RandomState(SEED).multinomial(len(values), [1 / len(values)] * len(values), size=RESAMPLES)
    times = again[(again @ good > 0) & (again @ (1 - good) > 0)].astype(np.float64)
    drawn, rows = rates(times), np.arange(len(times))
    places = np.array([_pick(drawn[0][row], drawn[1][row], want)[0] for row in rows])
    honest = [min(1.0, max(0.0, float(here[place]) - float((there[rows, places] - here[places]).mean())))
              for there, here in zip(drawn, whole, strict=True)]
    low, high = np.percentile(values[starts][places], [5, 95])
    at = next(point for point in points if point.at == values[starts][place])
    return Chosen(at, "precision" if reached else "f1", honest[0], honest[1], float(low), float(high), place == 0)


def _pick(precision: Numbers, recall: Numbers, want: float) -> tuple[int, bool]:
    """The place of the largest recall at the precision that is wanted, of equals the most precise; else of F1."""
    import numpy as np

    enough = np.flatnonzero((precision >= want - 1e-9) & (recall > 0))
    if enough.size:
        best = enough[recall[enough] >= recall[enough].max() - 1e-12]
        return int(best[np.argmax(precision[best])]), True
    return int(np.argmax(2 * precision * recall / np.maximum(precision + recall, 1e-12))), False


def wrong_at(labels: Sequence[Label], at: float, higher: bool) -> list[Label]:
    """Rows on which a bound and the person differ: bad ones that pass, then good ones that do not; clearest first."""
    far = 1 if higher else -1
    passed = [each for each in labels if stands(each.value, at, higher) and not each.good]
    lost = [each for each in labels if not stands(each.value, at, higher) and each.good]
    return [*sorted(passed, key=lambda each: -far * each.value), *sorted(lost, key=lambda each: far * each.value)]
