"""reviews.jsonl: what people decided about rows, a line a decision, appended and never edited.

    {"sample": ID, "action": "drop", "digest": "", "by": "hand", "at": ...}
    {"sample": ID, "action": "edit", "digest": D, "by": "hand", "at": ..., "row": {...}}    the row as the hand left it
    {"sample": ID, "action": "keep", "digest": D, "by": "eva", "at": ..., "note": "funny", "drawn": {...}}
    {"sample": ID, "action": "undo", ...}    what the same person decided on it before counts no longer

`digest` is that of the text that was looked at. `drawn` says how chance brought a row before a person: `by`, the rule
over whose values rows were spread, `blind`, whether what rules said was hidden, `filter`, what rows had to be like.
`note` and `drawn` may be missing. The last line of each person on each row counts; of several people, the last one's.

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
        return {sample: next(reversed(people.values())) for sample, people in self.labels().items()}

    def labels(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Row -> person -> their last keep or drop of it, the last person last; what was taken back is left out."""
        return self.of(self._lines())

    @staticmethod
    def of(lines: Iterable[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
        """As `labels`, of lines in the file's order."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for line in lines:
            sample, by, action = str(line.get("sample")), str(line.get("by")), line.get("action")
            if action in ("keep", "drop", "edit", "undo"):
                people = found.setdefault(sample, {})
                people.pop(by, None)
                if action in ("keep", "drop"):
                    people[by] = line
                elif not people:
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


def decision(sample: str, action: str, digest: str, by: str, **more: Any) -> dict[str, Any]:
    """One line: what was decided about a row of that content, and by whom.

    Args:
        more: `row`, as a hand left it; `note` and `drawn`, see above. What is None or empty is left out.
    """
    line: dict[str, Any] = {"sample": sample, "action": action, "digest": digest, "by": by, "at": now()}
    return line | {key: value for key, value in more.items() if value not in (None, "", {})}
