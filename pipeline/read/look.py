"""A first look at a file's columns: which one is the answer, which ones are the question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LOOKED_AT = 2_000
"""Rows that a look takes in."""

_KINDS = 1_000
"""Distinct values that are counted; a column with more of them names no class."""

_LABELLED = 0.8
"""Share of rows that must have a class: real files hold rows that nobody labelled yet."""

_CLASSES, _SHARED = 100, 1.5
"""The most classes that a column may have, and rows for each of them on average where its name tells what it is."""

_FEW, _NAMED = 10, 5
"""A class is rare with fewer rows than this, where the largest has this many times as many; so many are named."""

LABELS = ("label", "class", "category", "sentiment", "intent", "topic", "stance", "emotion", "priority", "gold_label")
ANSWERS = ("completion", "answer", "output", "response", "reply", "target", "summary", "translation", "label_text",
           "solution", "assistant")
QUESTIONS = ("question", "prompt", "instruction", "query", "problem", "input", "request", "user", "human")
"""Names that columns of published data sets go by, the usual ones first."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"\s*[-+]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?\s*")


class Guess(NamedTuple):
    """What the columns of a file seem to be.

    Attributes:
        completion: the column to be answered with; None where there is no text that could be one.
        prompt: the columns that are asked about, in the file's order; empty where the answer stands alone.
        label: whether the completion is one of a few classes.
        classes: class -> rows, the most frequent first; empty without a label.
        others: columns that could as well be answered with, the likely ones first.
        without: rows that have no label; 0 without a label.
        sparse: columns of the prompt in which some rows have nothing.
    """

    completion: str | None
    prompt: tuple[str, ...]
    label: bool
    classes: dict[str, int]
    others: tuple[str, ...] = ()
    without: int = 0
    sparse: tuple[str, ...] = ()

    @property
    def by_names(self) -> bool:
        """Whether question and answer are one column each, by names that are usual, and no other is in question."""
        return (len(self.prompt) == 1 and self.completion is not None and not self.others
                and _folded(self.prompt[0]) in QUESTIONS and _folded(self.completion) in ANSWERS)


@dataclass(slots=True)
class Column:
    """What was seen of one column: rows that have it, characters, rows of several words, texts (numbers are none).

    A part of a column of objects is a column too: its name is then the template that takes it out.
    """

    name: str
    key: str = ""
    filled: int = 0
    characters: int = 0
    worded: int = 0
    texts: int = 0
    longest: int = 0
    values: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.key = _folded(self.key or self.name)

    def add(self, value: Any) -> None:
        """Takes in the value of one row."""
        if value is None or value == "":
            return
        self.filled += 1
        text = str(value)
        self.texts += isinstance(value, str) and not _NUMBER.fullmatch(text)
        self.characters += len(text)
        self.longest = max(self.longest, len(text))
        self.worded += any(mark.isspace() for mark in text.strip()) or not text.isascii()
        if len(self.values) <= _KINDS and not isinstance(value, list | dict):
            self.values[text] += 1

    @property
    def mean(self) -> float:
        """Characters of a filled row, on average."""
        return self.characters / self.filled if self.filled else 0.0

    def is_label(self, rows: int) -> bool:
        """Whether its values are a few short classes: most rows have one, and share it with another.

        Where its name says that it is one, some classes may have a single row.
        """
        kinds = len(self.values)
        named = self.key in LABELS and kinds * _SHARED <= self.filled
        few = 2 <= kinds <= max(2, min(_CLASSES, rows if named else rows // 2))
        labelled = self.filled >= _LABELLED * rows and sum(self.values.values()) == self.filled
        return few and self.longest <= 60 and labelled

    def is_text(self) -> bool:
        """Whether people wrote it: words, not numbers, ids or dates."""
        return self.texts > self.filled / 2 and self.worded > 0.3 * self.filled


def look(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Column], int]:
    """The columns of some rows, in order of appearance, and how many rows there were."""
    columns: dict[str, Column] = {}
    count = 0
    for values in rows:
        count += 1
        for name, value in values.items():
            columns.setdefault(name, Column(name)).add(value)
            for part, key in parts(name, value):
                columns.setdefault(part, Column(part, key)).add(_inner(value)[key])
    return list(columns.values()), count


def parts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The parts of an object, or of the first object of a list, that are called as answers and questions are.

    Returns:
        The template that takes one out, and its key; nothing for another value.
    """
    inner = _inner(value)
    if not inner or not _NAME.fullmatch(name):
        return
    first = "[0]" if isinstance(value, list) else ""
    for key in inner:
        if isinstance(key, str) and key.casefold() in (*ANSWERS, *QUESTIONS) and _NAME.fullmatch(key):
            yield "{{" + name + first + "." + key + "}}", key


def _folded(name: str) -> str:
    """A column's name as the tables of names have it."""
    return name.casefold().strip()


def _inner(value: Any) -> Mapping[str, Any]:
    """An object, or the first one of a list; nothing for another value."""
    found = value[0] if isinstance(value, list) and value else value
    return found if isinstance(found, Mapping) else {}


def guess(columns: Sequence[Column], rows: int) -> Guess:
    """What the columns seem to be. By names that are usual first, else by what is in them.

    A text under a name that answers go by is the answer. Else a label is: it is short and shared by rows. Else the
    last column of free text: files go from what is given to what is wanted, but never one whose name says that it is
    the question. The question is every column of free
    text beside the answer, or the one with the longest texts; a label is no question unless its name says so.
    """
    texts = [column for column in columns if column.is_text()]
    longest = max((column for column in columns if column.texts), key=lambda column: column.mean, default=None)
    labels = _labels(columns, rows, longest)
    plain = [column for column in texts if column not in labels or _named([column], QUESTIONS)]
    answer = _named([column for column in plain if not _named([column], QUESTIONS)], ANSWERS)
    free = [column for column in (*reversed(texts), longest) if column and not _named([column], QUESTIONS)]
    found = answer or next(iter(labels), None) or next(iter(free), None)
    if found is None:
        return Guess(None, (), False, {})
    asked = [column.name for column in plain if column is not found]
    if not asked and found in labels and longest is not None and longest is not found:
        asked = [longest.name]
    others = tuple(column.name for column in (*labels, *([answer] if answer else [])) if column is not found)
    sparse = tuple(column.name for column in columns if column.name in asked and column.filled < rows)
    if found not in labels:
        return Guess(found.name, tuple(asked), False, {}, others, sparse=sparse)
    classes = dict(found.values.most_common())
    return Guess(found.name, tuple(asked), True, classes, others, rows - found.filled, sparse)


def doubts(classes: Mapping[str, int]) -> list[str]:
    """What a person may want to mend about classes before they are trained: twins but for case, and rare ones.

    Args:
        classes: class -> rows.
    """
    by_case: dict[str, list[str]] = {}
    for name in classes:
        by_case.setdefault(" ".join(name.split()).casefold(), []).append(name)
    told = [f"{' and '.join(repr(name) for name in twins)} are two classes: they differ in case or spaces only"
            for twins in by_case.values() if len(twins) > 1]
    most = max(classes.values(), default=0)
    rare = [f"{name} {count:,}" for name, count in classes.items() if count < _FEW and count * _FEW <= most]
    shown = ", ".join(rare[:_NAMED]) + (f" and {len(rare) - _NAMED:,} more" if len(rare) > _NAMED else "")
    return [*told, f"few rows of {shown}, where another class has {most:,}"] if rare else told


def _labels(columns: Sequence[Column], rows: int, longest: Column | None) -> list[Column]:
    """The columns of classes, the likeliest first: by the usual names, then texts with few classes."""
    found = [column for column in columns if column.is_label(rows) and column is not longest]
    named = [column for column in (_named(found, LABELS), _named(found, ANSWERS)) if column is not None]
    unnamed = [column for column in found if column.texts and not _named([column], QUESTIONS)]
    unnamed.sort(key=lambda column: (len(column.values), -columns.index(column)))
    return list({column.name: column for column in (*named, *unnamed)}.values())


def _named(columns: Sequence[Column], names: Sequence[str]) -> Column | None:
    folded = {column.key: column for column in reversed(columns)}
    return next((folded[name] for name in names if name in folded), None)
