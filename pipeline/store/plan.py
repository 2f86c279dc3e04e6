"""plan.jsonl: every draw that was ever wanted, append-only; its last line says where it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..marks import Marks
from ..types import Draw
from .files import append_lines, jsonl_bytes, jsonl_reader

WANTED = "wanted"
SURPLUS = "surplus"  # paid and legal, no longer asked for: its rows are exported like the rest
WITHDRAWN = "withdrawn"  # no longer asked for, and nothing was paid
ILLEGAL = "illegal"  # its cell cannot be drawn today: its rows stand aside


class States:
    """Key of a draw -> its state, in some 20 bytes each; see `Marks`."""

    def __init__(self) -> None:
        self._names = [""]
        self._marks = Marks()
        self._counts = Counter[str]()

    def __len__(self) -> int:
        return len(self._marks)

    def __contains__(self, key: str) -> bool:
        return key in self._marks

    def get(self, key: str) -> str | None:
        """WANTED, SURPLUS, WITHDRAWN or ILLEGAL; None where the plan has no such draw."""
        return self._names[self._marks.get(key)] or None

    def put(self, key: str, state: str) -> bool:
        """Gives a draw a state, and says whether it is new."""
        if state not in self._names:
            self._names.append(state)
        before = self._marks.put(key, self._names.index(state))
        if before:
            self._counts[self._names[before]] -= 1
        self._counts[state] += 1
        return not before

    def counts(self) -> Counter[str]:
        """How many draws each state has; none of zero."""
        return +self._counts


class PlanLog:
    """The draws of one dataset: key -> state, and the draws themselves from the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def states(self) -> States:
        """Key -> WANTED, SURPLUS, WITHDRAWN or ILLEGAL, as of now."""
        states = States()
        for line in self._lines():
            states.put(line["key"], line["state"])
        return states

    def written(self) -> Iterator[str]:
        """The key of every line: those whose state changed more than once."""
        return (line["key"] for line in self._lines())

    def draws(self) -> Iterator[tuple[Draw, str]]:
        """Every draw once, in order of its first line, with its present state."""
        states, seen = self.states(), Marks()
        for line in self._lines():
            state = states.get(line["key"])
            if state is not None and seen.add(line["key"]):
                yield draw_of(line), state

    def append(self, changes: Iterable[tuple[Draw, str]]) -> int:
        """Appends draws with their new state; returns how many. One process at a time (`lock("samples")`)."""
        return append_lines(self.path, (jsonl_bytes(line_of(draw, state)) for draw, state in changes))

    def _lines(self) -> Iterator[dict[str, Any]]:
        fix = "sed -i {line}d {path}   the draws wanted today are planned again; answers are kept"
        for number, line in enumerate(jsonl_reader(self.path, fix), 1):
            if not (isinstance(line.get("key"), str) and isinstance(line.get("cell"), dict) and "state" in line):
                hint = fix.format(line=number, path=self.path)
                raise DataError(f"{self.path}:{number}: a draw has a key, a cell and a state", hint)
            yield line


def line_of(draw: Draw, state: str) -> dict[str, Any]:
    """The JSON object of a draw. A source row is named by place and digest, its columns are not copied."""
    line: dict[str, Any] = {"key": draw.key, "state": state, "cell": draw.cell, "repeat": draw.repeat}
    if draw.source is not None:
        line["source"] = draw.source
    return line


def draw_of(line: dict[str, Any]) -> Draw:
    """The draw of a line; the columns of its source row are empty."""
    return Draw(cell=line["cell"], repeat=int(line.get("repeat", 0)), source=line.get("source"))
