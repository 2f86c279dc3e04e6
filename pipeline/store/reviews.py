"""reviews.jsonl: what people decided about rows, a line a decision, appended and never edited.

    {"sample": ID, "action": "drop", "digest": "", "by": "hand", "at": ...}
    {"sample": ID, "action": "edit", "digest": D, "by": "hand", "at": ..., "row": {...}}    the row as the hand left it
    {"sample": ID, "action": "undo", ...}    what was decided by hand before counts no longer

A row that a hand edited or added stands nowhere else: samples.jsonl can be made anew from answers and from this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from .files import append_lines, jsonl_bytes, jsonl_reader
from .journal import now
from .locks import mutex

HAND = "hand"
"""Who decided, where samples.jsonl was edited and that was adopted."""
_CURE = "sed -i {line}d {path}   forgets that one decision"


class Reviews:
    """The decisions of one dataset."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, decisions: Iterable[dict[str, Any]]) -> None:
        """Writes decisions down, in order. No file is made where there are none."""
        lines = map(jsonl_bytes, decisions)
        first = next(lines, None)
        if first is not None:
            with mutex(self.path.parent):
                append_lines(self.path, chain([first], lines))

    def standing(self) -> dict[str, dict[str, Any]]:
        """The last keep or drop of each row, unless it was taken back or the row was put back by hand."""
        found: dict[str, dict[str, Any]] = {}
        for line in self._lines():
            sample, action = str(line.get("sample")), line.get("action")
            if action in ("keep", "drop"):
                found[sample] = line
            elif action in ("edit", "undo") and found.get(sample, {}).get("by") == HAND:
                del found[sample]
        return found

    def adopted(self) -> dict[str, int]:
        """Ids of rows that stand as a hand left them -> number of the line that holds the row."""
        found: dict[str, int] = {}
        for number, line in enumerate(self._lines()):
            if line.get("by") == HAND:
                if line.get("action") == "edit" and isinstance(line.get("row"), dict):
                    found[str(line.get("sample"))] = number
                else:
                    found.pop(str(line.get("sample")), None)
        return found

    def rows(self, numbers: Collection[int]) -> Iterator[dict[str, Any]]:
        """The rows of the lines of these numbers, in order of the file."""
        wanted = frozenset(numbers)
        return (line["row"] for number, line in enumerate(self._lines()) if number in wanted)

    def _lines(self) -> Iterator[dict[str, Any]]:
        return jsonl_reader(self.path, _CURE)


def decision(sample: str, action: str, digest: str, by: str, row: dict[str, Any] | None = None) -> dict[str, Any]:
    """One line: what was decided about a row of that content, by whom, and the row itself where a hand made it."""
    line: dict[str, Any] = {"sample": sample, "action": action, "digest": digest, "by": by, "at": now()}
    return line if row is None else {**line, "row": row}
