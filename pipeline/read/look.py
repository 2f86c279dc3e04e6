"""A first look at a file's columns: which one is the answer, which ones are the question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LOOKED_AT = 2_000
"""Rows that a look takes in."""

_KINDS = 1_000
"""Distinct values that are counted; a column with more of them names no class."""

_LABELLED = 0.8
"""Share of rows that must have a class: real files hold rows that nobody labelled yet."""

LABELS = ("label", "class", "category", "sentiment", "intent", "topic", "stance", "emotion", "priority", "gold_label")
ANSWERS = ("completion", "answer", "output", "response", "reply", "target", "summary", "translation", "label_text")
"""Names that columns of published data sets go by, the usual ones first."""


_NUMBER = re.compile(r"\s*[-+]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?\s*")


class Guess(NamedTuple):
    """What the columns of a file seem to be.

    Attributes:
        completion: the column to be answered with; None where there is no text at all.
        prompt: the columns that are asked about, in the file's order; empty where the answer stands alone.
        label: whether the completion is one of a few classes.
        classes: class -> rows, the most frequent first; empty without a label.
    """

    completion: str | None
    prompt: tuple[str, ...]
    label: bool
    classes: dict[str, int]


@dataclass(slots=True)
class Column:
    """What was seen of one column: rows that have it, characters, rows of several words, texts (numbers are none)."""

    name: str
    filled: int = 0
    characters: int = 0
    worded: int = 0
    texts: int = 0
    longest: int = 0
    values: Counter[str] = field(default_factory=Counter)

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
        """Whether its values are a few short classes: most rows have one, and share it with another."""
        kinds = len(self.values)
        few = 2 <= kinds <= max(2, min(100, rows // 2))
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
    return list(columns.values()), count


def guess(columns: Sequence[Column], rows: int) -> Guess:
    """What the columns seem to be. By names that are usual first, else by what is in them.

    A label is short and shared by rows; the question is every column of free text beside it, or the one with
    the longest texts. Without a label the answer is the last column of free text: files go from what is given
    to what is wanted.
    """
    texts = [column for column in columns if column.is_text()]
    longest = max((column for column in columns if column.texts), key=lambda column: column.mean, default=None)
    label = _label(columns, rows, longest)
    if label is not None:
        asked = [column.name for column in texts if column is not label]
        if not asked and longest is not None and longest is not label:
            asked = [longest.name]
        return Guess(label.name, tuple(asked), True, dict(label.values.most_common()))
    if not texts:
        return Guess(longest.name if longest else None, (), False, {})
    answer = _named(texts, ANSWERS) or texts[-1]
    return Guess(answer.name, tuple(column.name for column in texts if column is not answer), False, {})


def _label(columns: Sequence[Column], rows: int, longest: Column | None) -> Column | None:
    found = [column for column in columns if column.is_label(rows) and column is not longest]
    named = _named(found, LABELS) or _named(found, ANSWERS)
    texts = [column for column in found if column.texts]
    unnamed = min(texts, key=lambda column: (len(column.values), -columns.index(column)), default=None)
    answered = _named([column for column in columns if column.is_text()], ANSWERS)
    return named or (unnamed if answered is None else None)


def _named(columns: Sequence[Column], names: Sequence[str]) -> Column | None:
    folded = {column.name.casefold().strip(): column for column in reversed(columns)}
    return next((folded[name] for name in names if name in folded), None)
