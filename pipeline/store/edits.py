"""What a hand did to samples.jsonl, what was made of that, and the sentences that say so."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..types import Problem


class HandEdits(NamedTuple):
    """What someone else's hand did to samples.jsonl: ids of rows, and lines that are no rows."""

    deleted: list[str]
    edited: list[str]
    added: list[str]
    broken: list[Problem]

    def __bool__(self) -> bool:
        return bool(self.deleted or self.edited or self.added or self.broken)

    def __str__(self) -> str:
        """`3 rows deleted, 2 edited by hand`."""
        names = ("deleted", "edited", "added", "unreadable")
        counts = (len(self.deleted), len(self.edited), len(self.added), len(self.broken))
        parts = [f"{count} {name}" for count, name in zip(counts, names) if count]
        if not parts:
            return "no rows changed by hand"
        count, rest = parts[0].split(" ", 1)
        return ", ".join([f"{count} row{'s' if count != '1' else ''} {rest}", *parts[1:]]) + " by hand"

    def adopted(self) -> str:
        """What adopting them meant, in a sentence."""
        if not self:
            return "nothing was changed by hand: there is nothing to adopt"
        unreadable = "; what stood on a line that cannot be read is dropped" if self.broken else ""
        return f"{self}: kept as your decisions{unreadable}"


class Restored(NamedTuple):
    """What `restore` did.

    Attributes:
        copy: the file as it was.
        rows: how many rows come back; of adopted decisions, how many were undone.
        adopted: whether these were decisions that had been adopted, since nothing else was changed.
        standing: adopted decisions that stand.
    """

    copy: Path
    rows: int
    adopted: bool
    standing: int

    def __str__(self) -> str:
        """`3 rows brought back; your version is PATH`."""
        what = "adopted decision" if self.adopted else "row"
        said = f"{self.rows:,} {what}{'s' * (self.rows != 1)} {'undone' if self.adopted else 'brought back'}"
        rest = f"; {self.standing:,} adopted before stand: --restore once more undoes them" if self.standing else ""
        return f"{said}; your version is {self.copy}{rest}"


class Rebuilt(NamedTuple):
    """What becomes of rows whose file is gone.

    Attributes:
        again: rows that will be made again, for nothing.
        adopted: rows that a hand made, and that were written again from reviews.jsonl.
        deleted: rows that stay deleted.
        lost: rows that a hand made, of which nothing is left: they were adopted by an earlier version.
    """

    again: int = 0
    adopted: int = 0
    deleted: int = 0
    lost: int = 0

    def __bool__(self) -> bool:
        return bool(self.again or self.adopted or self.lost)

    def __str__(self) -> str:
        """`samples.jsonl was gone: 390 rows are made again, 2 edited by hand are back, 2 stay deleted`."""
        parts = {"made again for nothing": self.again, "edited by hand are back": self.adopted,
                 "stay deleted": self.deleted, "edited by hand are lost": self.lost}
        return "samples.jsonl was gone; rows: " + ", ".join(f"{n:,} {what}" for what, n in parts.items() if n)
