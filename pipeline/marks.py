"""What was seen before, in a few bytes for each: a table by hash, for what would not fit into memory by name."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable


class Marks:
    """A set, or with `put` a table of small numbers, of which nothing is kept but 64-bit hashes.

    14 to 27 bytes an entry, whatever its key (a set of ids takes 140), in one process: text hashes in another way in
    the next. Numbers are from 0 to 2^61 - 2. Of a million keys, one run in 30 million takes two for one. Open
    addressing, at most two thirds full.
    """

    def __init__(self, keys: Iterable[Hashable] = ()) -> None:
        self._marks, self._values, self._count = array("q", bytes(8 << 10)), bytearray(1 << 10), 0
        for key in keys:
            self.put(key)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Hashable) -> bool:
        return self.get(key) > 0

    def get(self, key: Hashable) -> int:
        """The number of a key; 0 where it was not put."""
        return self._values[self._place(hash((key,)) or 1)]

    def add(self, key: Hashable) -> bool:
        """Puts a key, and says whether it is new."""
        return not self.put(key)

    def put(self, key: Hashable, value: int = 1) -> int:
        """Gives a key a number from 1 to 255, and returns the one before; 0 where it is new."""
        mark = hash((key,)) or 1  # a tuple's hash is mixed well, a number's is the number
        place = self._place(mark)
        before = self._values[place]
        self._marks[place], self._values[place] = mark, value
        if not before:
            self._count += 1
            if 3 * self._count > 2 * len(self._marks):
                self._grow()
        return before

    def _place(self, mark: int) -> int:
        """Where a mark is, or where it would be put."""
        marks, last = self._marks, len(self._marks) - 1
        place = mark & last
        while (there := marks[place]) and there != mark:
            place = place + 1 & last
        return place

    def _grow(self) -> None:
        marks, values = self._marks, self._values
        self._marks, self._values = array("q", bytes(16 * len(marks))), bytearray(2 * len(marks))
        for mark, value in zip(marks, values, strict=True):
            if mark:
                place = self._place(mark)
                self._marks[place], self._values[place] = mark, value
