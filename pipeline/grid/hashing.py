"""The hashes that draw cells: 64-bit integers mixed in bulk, equal on every machine.

A value of an axis has a key, a draw has a code; the draw takes the value whose mix of both is largest
(rendezvous hashing, Thaler and Ravishankar 1996), so that an added value takes its share from every
other and moves nothing else. The mixer is the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..digest import hash_int
from ..marks import Marks
from .axes import Axes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes = NDArray[np.uint64]
    Indices = NDArray[np.int64]

_GOLDEN = 0x9E3779B97F4A7C15
_BLOCK = 1 << 18
"""Hashes that are made at a time: 2 MB, which stays in a processor's cache."""
_LN2 = 0.6931471805599453


def mix(codes: Codes) -> Codes:
    """SplitMix64's finaliser, in place: every bit of the input moves half of the output's."""
    import numpy as np

    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        codes ^= codes >> np.uint64(shift)
        codes *= np.uint64(factor)
    codes ^= codes >> np.uint64(31)
    return codes


def codes(name: str, seed: int, start: int, count: int) -> Codes:
    """The codes of the draws start, start + 1, ...: SplitMix64 seeded by (name, seed)."""
    import numpy as np

    numbers = np.arange(start + 1, start + 1 + count, dtype=np.uint64)
    return mix(numbers * np.uint64(_GOLDEN) + np.uint64(hash_int(name, seed)))


def logarithm(hashes: Codes) -> NDArray[np.float64]:
    """ln((h + 0.5) / 2^64), by additions, products and quotients alone.

    Those are the same on every machine, which a library's own logarithm is not to the last bit.
    """
    import numpy as np

    fraction, exponent = np.frexp((hashes.astype(np.float64) + 0.5) / 2.0**64)
    ratio = (fraction - 1.0) / (fraction + 1.0)
    square = ratio * ratio
    total = np.full_like(square, 1.0 / 33.0)
    for odd in range(31, 0, -2):
        total = total * square + 1.0 / odd
    result: NDArray[np.float64] = exponent * _LN2 + 2.0 * ratio * total
    return result


class Grid:
    """The axes as arrays.

    Attributes:
        shape: how many values each axis has.
        names: a 64-bit key for each axis' name.
        keys: per axis, a 64-bit key for each value; made of the axis' name and the value alone.
        weights: per axis, None where all are equal.
        parents: axis -> the axis that its values depend on, and the positions that go with each value of that one.
    """

    def __init__(self, axes: Axes) -> None:
        import numpy as np

        self.axes, self.shape = axes, axes.shape
        self.names: Codes = np.array([hash_int("axis", name) for name in axes.names], dtype=np.uint64)
        self.keys: list[Codes] = []
        self.weights: list[NDArray[np.float64] | None] = []
        for name in axes.names:
            self.keys.append(np.array([hash_int("value", name, value) for value in axes.values[name]], dtype=np.uint64))
            weights = axes.weights[name]
            self.weights.append(None if len(set(weights)) == 1 else np.array(weights, dtype=np.float64))
        self.order = axes.order
        self.parents: dict[int, tuple[int, list[Indices]]] = {
            axes.names.index(name): (axes.names.index(parent), [np.array(each, dtype=np.int64) for each in allowed])
            for name, (parent, allowed, _) in axes.depends.items()}

    def shares(self, axis: int) -> NDArray[np.float64]:
        """How often each value of an axis is to come: its weight's share, that of its parent's value divided evenly."""
        import numpy as np

        if axis in self.parents:
            parent, lists = self.parents[axis]
            divided = np.zeros(self.shape[axis])
            for share, allowed in zip(self.shares(parent), lists, strict=True):
                divided[allowed] += share / len(allowed)
            return divided
        weights = self.weights[axis]
        even = np.ones(self.shape[axis]) if weights is None else weights
        return np.asarray(even / even.sum())

    def scores(self, axis: int, draws: Codes) -> Any:
        """What each value of an axis scores for each draw: shape (draws, values); the largest wins.

        With weights, ln(u) / w: value i wins with a chance of w_i / sum(w) (Efraimidis and Spirakis 2006).
        """
        hashes = mix(draws[:, None] ^ self.keys[axis][None, :])
        weights = self.weights[axis]
        return hashes if weights is None else logarithm(hashes) / weights

    def pick(self, draws: Codes) -> Indices:
        """The cell of each draw, as positions in the axes: shape (draws, axes)."""
        import numpy as np

        cells = np.empty((len(draws), len(self.shape)), dtype=np.int64)
        for axis in self.order:
            together = max(map(len, self.parents[axis][1])) if axis in self.parents else self.shape[axis]
            step = max(1, _BLOCK // together)
            for start in range(0, len(draws), step):
                part = slice(start, start + step)
                if axis in self.parents:
                    cells[part, axis] = self._dependent(axis, draws[part], cells[part])
                else:
                    cells[part, axis] = self.scores(axis, draws[part]).argmax(axis=1)
        return cells

    def _dependent(self, axis: int, draws: Codes, cells: Indices) -> Indices:
        """The positions of an axis, of those that go with the value of the axis that it depends on."""
        import numpy as np

        parent, lists = self.parents[axis]
        found = np.empty(len(draws), dtype=np.int64)
        for value in np.unique(cells[:, parent]):
            rows, allowed = np.flatnonzero(cells[:, parent] == value), lists[value]
            hashes = mix(draws[rows][:, None] ^ self.keys[axis][allowed][None, :])
            found[rows] = allowed[hashes.argmax(axis=1)]
        return found

    def numbers(self, cells: Indices) -> list[int]:
        """The number of each cell in the order of the grid, the last axis turning fastest."""
        import numpy as np

        if self.axes.size < 2**62:
            strides = np.cumprod([1, *self.shape[:0:-1]], dtype=np.int64)[::-1]
            numbers: list[int] = (cells @ strides).tolist()
            return numbers
        numbers = []
        for row in cells.tolist():
            number = 0
            for position, count in zip(row, self.shape, strict=True):
                number = number * count + position
            numbers.append(number)
        return numbers

    def draws(self, seed: int, tries: int | None, patience: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Draw after draw, each cell where it comes first.

        Args:
            seed: the recipe's.
            tries: how many draws are made; None for no end.
            patience: stop after so many draws in a row that showed no new cell.

        Yields:
            The draw's number from 0, and the cell as positions in the axes.
        """
        seen = Marks()
        start, count, latest = 0, 512, 0
        while (tries is None or start < tries) and start - latest <= patience:
            count = min(count, tries - start) if tries is not None else count
            cells = self.pick(codes("draw", seed, start, count))
            for row, number in enumerate(self.numbers(cells)):
                if seen.add(number):
                    latest = start + row
                    yield latest, tuple(cells[row].tolist())
            start += count
            count = min(2 * count, max(64, _BLOCK // max(self.shape)))

    def shuffled(self, seed: int, weighted: bool) -> Indices:
        """The numbers of all cells, by their hash; heavier cells sooner where `weighted`."""
        import numpy as np

        order = sorted(range(len(self.shape)), key=lambda axis: self.axes.names[axis])
        hashes = codes("cell", seed, 0, 1)
        for axis in order:  # by name, so that the order of the axes in the recipe is irrelevant
            hashes = mix(hashes[..., None] ^ self.keys[axis])
        hashes = np.transpose(hashes[0], np.argsort(order)).ravel()
        uneven = [axis for axis, weights in enumerate(self.weights) if weights is not None]
        if not weighted or not (uneven or self.parents):
            return np.argsort(~hashes, kind="stable").astype(np.int64)
        weight = np.ones(self.shape)
        for axis in uneven:
            weight = weight * np.expand_dims(np.asarray(self.weights[axis]), _others(axis, len(self.shape)))
        for parent, lists in self.parents.values():
            weight = weight / np.expand_dims(np.array([len(each) for each in lists]), _others(parent, len(self.shape)))
        return np.argsort(-logarithm(hashes) / weight.ravel(), kind="stable").astype(np.int64)

    def cell(self, number: int) -> tuple[int, ...]:
        """The cell of a number, as positions in the axes."""
        positions = []
        for count in reversed(self.shape):
            number, position = divmod(number, count)
            positions.append(position)
        return tuple(reversed(positions))


def _others(axis: int, count: int) -> tuple[int, ...]:
    return tuple(other for other in range(count) if other != axis)
