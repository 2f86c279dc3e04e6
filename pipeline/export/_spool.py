"""Rows on disk between reading and writing: sorted, divided and looked up without being held in memory."""

from __future__ import annotations

import pickle
import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.digest import digest
from pipeline.types import Example, Message, Sample, Verdict, text_of
from pipeline.words import ranked

TRAIN, VALIDATION = 0, 1
LONGEST_LABEL, MOST_LABELS = 60, 100
"""Characters of an answer that may be a label, and how many labels there may be."""

_TABLES = """
create table verdicts (id blob primary key, digest text, state text, flags text) without rowid;
create table rows (
    ordinal integer primary key, id blob unique, root integer, depth integer, family blob, first blob, second blob,
    aside text, rehearsal integer, side integer default 0, label text, payload blob);
create table sides (number integer primary key, family blob unique, unit real);
create table held (number integer primary key);
create table refused (ordinal integer primary key);
"""

_LEFT = "and ordinal not in (select ordinal from refused)"


class Place(NamedTuple):
    """Where a row stands among the others.

    Attributes:
        root: ordinal of the row that it was rewritten from, at the far end; its own where it is none.
        depth: rewrites between the two.
        family: rows of one family are on one side of the split.
        first: what rows are sorted by.
        second: what decides among equal ones, before depth and id.
    """

    root: int
    depth: int
    family: bytes
    first: bytes
    second: bytes


class Spooled(NamedTuple):
    """A row as it is written: `source` as samples carry it, and `origin`, a sample without its conversation."""

    ordinal: int
    example: Example
    source: dict[str, Any] | None
    origin: Sample


class Spool:
    """A private database beside the files that are being made. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=off", "synchronous=off", "locking_mode=exclusive", "cache_size=-32768"):
            self._db.execute(f"pragma {pragma}")
        self._db.executescript(_TABLES)
        self._db.execute("begin")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def take_verdicts(self, verdicts: Iterable[Verdict]) -> int:
        """Keeps the verdicts; returns how many there are."""
        rows = ((key(verdict.sample), verdict.digest, verdict.state, " ".join(verdict.flags)) for verdict in verdicts)
        self._db.executemany("insert or replace into verdicts values (?, ?, ?, ?)", rows)
        return int(self._one("select count(*) from verdicts")[0])

    def verdict(self, sample_id: str) -> tuple[str, str] | None:
        """(digest, state) of a row's verdict."""
        found = self._one("select digest, state from verdicts where id = ?", key(sample_id))
        return (found[0], found[1]) if found else None

    def place(self, sample_id: str) -> Place | None:
        """Where a row stands; None where it is not here."""
        found = self._one("select root, depth, family, first, second from rows where id = ?", key(sample_id))
        return Place(*found) if found else None

    def aside(self, sample_id: str) -> str | None:
        """Why a row stands aside; None where it does not, or is not here."""
        found = self._one("select aside from rows where id = ?", key(sample_id))
        return found[0] if found else None

    def add(self, ordinal: int, sample: Sample, place: Place, aside: str | None) -> None:
        """Keeps a row; of one that stands aside only its place."""
        payload, label = None, None
        if aside is None:
            row = sample.example()
            label = sample.answer if len(sample.answer) <= LONGEST_LABEL and sample.answer.isprintable() else None
            made = {name: sample.provenance.get(name) for name in ("model", "namespace", "augmentation")}
            parts = (row.messages, row.rejected, row.label, row.tools, row.fields, row.sample,
                     Sample(row.sample, [], sample.cell, source=sample.source, provenance=made))
            payload = pickle.dumps(parts, protocol=5)
        self._db.execute(
            "insert into rows values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
            (ordinal, key(sample.id), place.root, place.depth, place.family, place.first, place.second,
             aside, sample.rehearsal, label, payload),
        )

    def reasons(self) -> dict[str, int]:
        """Why rows stand aside, and how many."""
        query = "select aside, count(*) from rows where aside is not null group by aside order by 1"
        return dict(self._db.execute(query))

    def chosen(self) -> tuple[int, int]:
        """How many rows were chosen, and how many of them are rehearsed."""
        count, rehearsed = self._one("select count(*), total(rehearsal) from rows where aside is null")
        return int(count), int(rehearsed)

    def flagged(self) -> tuple[int, dict[str, int]]:
        """How many chosen rows a rule flagged, and rule -> of these, the most first."""
        query = """select flags, count(*) from rows join verdicts using (id) where aside is null and flags != ''
            group by flags"""
        rows, by_rule = 0, Counter[str]()
        for flags, count in self._db.execute(query):
            rows += count
            by_rule.update(dict.fromkeys(flags.split(), count))
        return rows, ranked(by_rule)

    def families(self) -> Iterator[bytes]:
        """The families of the chosen rows, each once."""
        for (family,) in self._db.execute("select distinct family from rows where aside is null order by family"):
            yield family

    def part(self) -> int:
        """Makes a family of the rows of one answer, each with its rewrites; returns how many there are."""
        answers = "select ordinal, payload from rows where aside is null and ordinal = root"
        self._db.execute("create table answers (root integer primary key, family blob)")
        self._db.executemany("insert into answers values (?, ?)",
                             ((root, key(digest("answer", said(pickle.loads(payload)[0]))))
                              for root, payload in self._db.execute(answers)))
        first = "select first.id from rows as first where first.ordinal = rows.root"
        self._db.execute(f"""update rows set family = coalesce(
            (select family from answers where answers.root = rows.root), ({first}), id) where aside is null""")
        return sum(1 for _ in self.families())

    def rank(self, units: Iterable[tuple[bytes, float]]) -> Sequence[float]:
        """Numbers the families from 0 as they come, each with what they are ranked by; returns that."""
        self._db.executemany("insert into sides values (?, ?, ?)", ((at, *each) for at, each in enumerate(units)))
        return array("d", (unit for (unit,) in self._db.execute("select unit from sides order by number")))

    def divide(self, held: Iterable[int]) -> None:
        """Puts families in validation, and prepares the order in which rows are read."""
        self._db.executemany("insert into held values (?)", ((number,) for number in held))
        first = "select family from sides join held using (number)"
        self._db.execute(f"update rows set side = {VALIDATION} where family in ({first})")
        self._db.execute("create index written on rows (side, first, second, depth, id) where aside is null")

    def conversations(self) -> Iterator[tuple[int, Sample]]:
        """The number of each chosen row's family and what was said in it, in order of ids."""
        query = """select number, id, payload from rows join sides using (family) where aside is null order by id"""
        for number, name, payload in self._db.execute(query):
            yield number, Sample(name.decode("utf-8", "surrogatepass"), pickle.loads(payload)[0])

    def conversation(self, sample_id: str) -> Sample:
        """What was said in a chosen row."""
        (payload,) = self._one("select payload from rows where id = ?", key(sample_id))
        return Sample(sample_id, pickle.loads(payload)[0])

    def labelled(self) -> Iterator[tuple[int, str, int]]:
        """Family, label and how many of its rows have it."""
        return self._db.execute("""select number, label, count(*) from rows join sides using (family)
            where aside is null group by number, label order by number, count(*) desc, label""")

    def labels(self, *, without_refused: bool = False) -> dict[str, tuple[int, int]]:
        """Label -> rows in train and in validation, the most frequent first; empty where answers are no labels.

        They are labels where each is short and, on average, stands for two rows or more.
        """
        if self._one("select exists (select 1 from rows where aside is null and label is null)")[0]:
            return {}
        left = _LEFT if without_refused else ""
        query = f"""select label, sum(side = {TRAIN}), sum(side = {VALIDATION}) from rows where aside is null {left}
            group by label order by count(*) desc, label limit {MOST_LABELS + 1}"""
        found = {label: (train, held) for label, train, held in self._db.execute(query)}
        labelled = 1 < len(found) <= MOST_LABELS and sum(map(sum, found.values())) >= 2 * len(found)
        return found if labelled else {}

    def rows(self, side: int, *, without_refused: bool = False) -> Iterator[Spooled]:
        """The chosen rows of a side, in order."""
        left = _LEFT if without_refused else ""
        query = f"""select ordinal, payload from rows indexed by written where side = ? and aside is null {left}
            order by first, second, depth, id"""
        for ordinal, payload in self._db.execute(query, (side,)):
            *parts, origin = pickle.loads(payload)
            yield Spooled(ordinal, Example(*parts), origin.source, origin)

    def refuse(self, ordinal: int) -> None:
        """Marks a row as refused by the format that is being written."""
        self._db.execute("insert into refused values (?)", (ordinal,))

    def forget_refused(self) -> None:
        """Starts anew, for the next format."""
        self._db.execute("delete from refused")

    def _one(self, query: str, *values: Any) -> Any:
        return self._db.execute(query, values).fetchone()


def said(messages: list[Message]) -> list[str]:
    """The texts of a conversation's answers."""
    return [text_of(message.get("content")) for message in messages if message.get("role") == "assistant"]


def key(text: str) -> bytes:
    """Any Python text as bytes that sort by code point."""
    return text.encode("utf-8", "surrogatepass")
