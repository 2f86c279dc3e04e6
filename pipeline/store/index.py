"""The disposable index of a dataset's logs: where each call stands, what it cost, which rows were written."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..types import Problem
from .files import refusal, unsealed
from .journal import Damaged, read_events

VERSION = 2
WRITTEN = "../written.jsonl"
"""The log of rows, beside the folder of calls; see written.py."""
HELD_EVENTS, HELD_BYTES = 2000, 32 << 20
"""How much of this process's own is held in memory before it is read back from the files."""

_TABLES = """
create table if not exists files (name text primary key, size integer, mtime integer, tail integer) without rowid;
create table if not exists calls (
    id text, event text, at text, file text, start integer, stop integer,
    usd real, copied integer, input integer, output integer, primary key (id, event, at)) without rowid;
create table if not exists held (hold text primary key, usd real) without rowid;
create table if not exists samples (id text primary key, digest text, state text) without rowid;
create table if not exists damage (file text, line integer, primary key (file, line)) without rowid;
"""
_CALL = """select file, start, stop from calls where id = ?
order by event, case event when 'answered' then at end, at desc limit 1"""
"""Of several outcomes of a call (two machines merged, or a failure asked again), the earliest answer stands;
without an answer, the latest failure."""


class Spent(NamedTuple):
    """What a dataset's calls cost. Dollars; copied answers were paid elsewhere and count nothing.

    Attributes:
        usd: what answered calls cost, by usage and price. An answer that two machines paid for costs twice.
        unconfirmed_usd: the most that requests without an answer may have cost.
        unpriced: answered calls for which no price was known.
    """

    usd: float
    unconfirmed_usd: float
    answered: int
    failed: int
    copied: int
    unpriced: int
    input_tokens: int
    output_tokens: int


class _Taken:
    """Events of one file on their way into the tables, some thousands at a time: a statement each costs more than all
    else. A reservation that was settled among them never gets there."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.samples: list[tuple[Any, ...]] = []
        self.held: dict[Any, Any] = {}
        self.freed: list[Any] = []

    @property
    def many(self) -> bool:
        """Whether it is time to put them there."""
        return len(self.calls) + len(self.samples) + len(self.held) >= HELD_EVENTS

    def call(self, file: str, event: dict[str, Any], start: int, stop: int) -> None:
        """Takes an event of the journal that stands in `[start, stop)` of a file."""
        kind, hold = event.get("event"), event.get("hold")
        if kind == "reserved":
            self.held[hold] = event.get("usd")
        elif kind == "attempt" and not event.get("billed"):
            self._free(hold)
        elif kind in ("answered", "failed"):
            failure = event.get("failure")
            unknown = event.get("cost_usd") is None and (failure is None or failure.get("billed"))
            if hold is not None and not unknown:  # otherwise the host may have charged: it stays counted in full
                self._free(hold)
            usage = event.get("usage") or {}
            self.calls.append((
                event["id"], kind, event.get("at") or "", file, start, stop, event.get("cost_usd"),
                int(bool(event.get("copied_from"))), usage.get("input_tokens", 0), usage.get("output_tokens", 0)))

    def _free(self, hold: Any) -> None:
        if hold not in self.held:
            self.freed.append(hold)
        self.held.pop(hold, None)


class Index:
    """SQLite over `calls/*.jsonl` and `written.jsonl`. Deleting the file costs seconds, never an answer.

    Rollback journal, no sync, short transactions: it is made anew when in doubt, and SQLite's WAL does
    not work on network folders. Where the file cannot be written, or is locked for long, it lives in memory.

    Args:
        folder: the dataset's `calls`.
        flush: makes this process's own events readable in their files.
        weight: bytes of own events so far, for the bound on what is held in memory.
    """

    def __init__(
        self, folder: Path, flush: Callable[[], None] = lambda: None, weight: Callable[[], int] = lambda: 0
    ) -> None:
        self.folder = folder
        self._flush, self._weight = flush, weight
        self._settled_at = 0
        self._calls: dict[str, dict[str, Any]] = {}  # outcomes of this process that were not read back yet
        self._samples: dict[str, tuple[str, str]] = {}
        self._db = _open(folder)

    def refresh(self) -> None:
        """Reads what has been added to the files since the last time.

        Raises:
            DataError: one of the files cannot be read.
        """
        try:
            self._read_all()
            self._db.commit()
        except sqlite3.Error as error:
            self._go_on_in_memory(error)

    def call(self, call_id: str) -> dict[str, Any] | None:
        """The `answered` or `failed` event of a call; None where there is none."""
        if call_id in self._calls:
            return self._calls[call_id]
        rows = self._query(_CALL, (call_id,))
        found = self._load(rows[0]) if rows else None
        if rows and (found is None or found.get("id") != call_id):
            self._anew()  # the file was changed under the index: read it all again, and name the line
            rows = self._query(_CALL, (call_id,))
            found = self._load(rows[0]) if rows else None
        return found

    def state(self, call_id: str) -> str | None:
        """`answered`, `failed` or None."""
        if call_id in self._calls:
            return str(self._calls[call_id]["event"])
        found = self._query("select min(event) from calls where id = ?", (call_id,))[0][0]
        return str(found) if found else None

    def held(self, hold: str) -> bool:
        """Whether a reservation stands: sent, and without an outcome."""
        return bool(self._query("select 1 from held where hold = ?", (hold,)))

    def remember(self, event: dict[str, Any]) -> None:
        """Takes in an outcome of this process before its file is read back."""
        self._calls[event["id"]] = event
        self._bound()

    def remember_sample(self, sample_id: str, digest: str, state: str) -> None:
        """As `remember`, for a row."""
        self._samples[sample_id] = (digest, state)
        self._bound()

    def settle(self) -> None:
        """Reads this process's own events back, so that nothing is held in memory for long."""
        if self._calls or self._samples:
            self._flush()
            self.refresh()
            self._calls.clear()
            self._samples.clear()
            self._settled_at = self._weight()

    def sample(self, sample_id: str) -> tuple[str, str] | None:
        """(digest, state) of a row that was written once; state: written, edited, deleted, forgotten."""
        if sample_id in self._samples:
            return self._samples[sample_id]
        rows = self._query("select digest, state from samples where id = ?", (sample_id,))
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    def samples(self) -> Iterator[tuple[str, str, str]]:
        """(id, digest, state) of all rows that were ever written, in order of id."""
        self.settle()
        last = ""
        while rows := self._query("select id, digest, state from samples where id > ? order by id limit 1000", (last,)):
            yield from rows
            last = rows[-1][0]

    def totals(self) -> Spent:
        """What all calls cost, with what this process has reserved."""
        self._flush()
        self.refresh()
        mine = "event = 'answered' and copied = 0"
        row = self._query(
            f"""select total(case when copied = 0 then usd end), 0.0, count(distinct case when {mine} then id end),
            count(distinct case when event = 'failed' then id end), count(distinct case when copied = 1 then id end),
            count(case when {mine} and usd is null then 1 end),
            cast(total(case when copied = 0 then input end) as integer),
            cast(total(case when copied = 0 then output end) as integer) from calls"""
        )[0]
        found = Spent(*row)
        cured = self._query(
            "select count(*) from (select id from calls group by id having count(distinct event) = 2)"
        )[0][0]
        held = self._query("select total(usd) from held")[0][0]
        return found._replace(unconfirmed_usd=held, failed=found.failed - cured)

    def all_of(self, event: str) -> Iterator[dict[str, Any]]:
        """Every call whose standing outcome is `event`, in order of id."""
        self.settle()
        last = ""
        page = "select id from calls where id > ? group by id having min(event) = ? order by id limit 1000"
        while rows := self._query(page, (last, event)):
            for (call_id,) in rows:
                found = self.call(call_id)
                if found is not None:
                    yield found
            last = rows[-1][0]

    def problems(self) -> list[Problem]:
        """Damaged lines."""
        found = []
        for name, line in self._query("select file, line from damage order by file, line"):
            place = f"{self.folder.parent / name[3:] if name == WRITTEN else self.folder / name}:{line}"
            if name == WRITTEN:
                what = "the line is not what was written; one row may pass for changed by hand"
                fix = "`synth generate` with --adopt or --restore, should it ask"
                found.append(Problem("warning", "damaged-line", place, what, fix))
            else:
                what = "the line is not what was written; the answer in it is lost, all others are kept"
                fix = "restore the file from a copy, or run the same command again: that call is asked again"
                found.append(Problem("error", "damaged-call", place, what, fix))
        return found

    def close(self) -> None:
        """Closes the file."""
        with suppress(sqlite3.Error):
            self._db.close()

    def _bound(self) -> None:
        if len(self._calls) + len(self._samples) > HELD_EVENTS or self._weight() - self._settled_at > HELD_BYTES:
            self.settle()

    def _query(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, arguments).fetchall()
        except sqlite3.Error as error:
            self._go_on_in_memory(error)
            return self._db.execute(sql, arguments).fetchall()

    def _go_on_in_memory(self, error: sqlite3.Error) -> None:
        """Locked by another process, the disk full, or the file damaged: it is disposable."""
        self.close()
        if not isinstance(error, sqlite3.OperationalError):
            with suppress(OSError):
                (self.folder / "index.sqlite").unlink()
        self._db = _in_memory()
        self._read_all()

    def _anew(self) -> None:
        try:
            self._forget()
            self._read_all()
            self._db.commit()
        except sqlite3.Error as error:
            self._go_on_in_memory(error)

    def _forget(self) -> None:
        for table in ("files", "calls", "held", "samples", "damage"):
            self._db.execute(f"delete from {table}")

    def _read_all(self) -> None:
        paths = {path.name: path for path in sorted(self.folder.glob("*.jsonl"))}
        if (self.folder.parent / WRITTEN[3:]).exists():
            paths[WRITTEN] = self.folder.parent / WRITTEN[3:]
        known = {row[0]: row[1:] for row in self._db.execute("select name, size, mtime, tail from files")}
        try:
            if any(name not in paths or _changed(paths[name], *known[name]) for name in known):
                self._forget()  # a file went, shrank or is another now: the index is made anew
                known = {}
            for name, path in paths.items():
                start = known[name][0] if name in known else 0
                if path.stat().st_size > start:
                    self._read(name, path, start)
        except OSError as error:
            raise refusal(Path(error.filename or self.folder), error) from error

    def _read(self, name: str, path: Path, start: int) -> None:
        end, taken = start, _Taken()
        for entry in read_events(path, start):
            end = entry.end
            if isinstance(entry, Damaged):
                self._db.execute("insert or ignore into damage values (?, ?)", (name, entry.line))
            elif name == WRITTEN:
                event = entry.event
                taken.samples.append((event.get("id"), event.get("digest"), event.get("state")))
            else:
                taken.call(name, entry.event, entry.start, entry.end)
            if taken.many:
                self._put(taken)
                taken = _Taken()
        self._put(taken)
        stat = path.stat()
        mtime = stat.st_mtime_ns if stat.st_size == end else None
        self._db.execute("insert or replace into files values (?, ?, ?, ?)", (name, end, mtime, _tail(path, end)))

    def _put(self, taken: _Taken) -> None:
        many = self._db.executemany
        many("insert or replace into samples values (?, ?, ?)", taken.samples)
        many("insert or replace into held values (?, ?)", taken.held.items())
        many("delete from held where hold = ?", ((hold,) for hold in taken.freed))
        many("""insert into calls values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id, event, at) do update set
             file = excluded.file, start = excluded.start, stop = excluded.stop,
             copied = min(copied, excluded.copied)""", taken.calls)

    def _load(self, row: tuple[str, int, int]) -> dict[str, Any] | None:
        file, start, stop = row
        try:
            with (self.folder / file).open("rb") as handle:
                handle.seek(start)
                return unsealed(handle.read(stop - start))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refusal(self.folder / file, error) from error


def _open(folder: Path) -> sqlite3.Connection:
    path = folder / "index.sqlite"
    if folder.is_dir():
        for _ in range(2):
            db = None
            try:
                db = sqlite3.connect(path, timeout=5, check_same_thread=False)
                version = db.execute("pragma user_version").fetchone()[0]
                if version not in (0, VERSION):
                    raise sqlite3.DatabaseError("another version")
                db.execute("pragma synchronous = off")
                if version == 0:
                    db.executescript(f"{_TABLES} pragma user_version = {VERSION};")
                return db
            except sqlite3.Error as error:
                if db is not None:
                    db.close()
                if isinstance(error, sqlite3.OperationalError):
                    break  # a folder that cannot be written, or locked by another: in memory
                with suppress(OSError):
                    path.unlink()
    return _in_memory()


def _in_memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.executescript(_TABLES)
    return db


def _tail(path: Path, end: int) -> int:
    """CRC-32 of the last bytes before `end`: a file that grew still holds them there."""
    with path.open("rb") as file:
        file.seek(max(0, end - 64))
        return zlib.crc32(file.read(min(64, end)))


def _changed(path: Path, size: int, mtime: int | None, tail: int) -> bool:
    """Whether a file that was read up to `size` is another one now."""
    stat = path.stat()
    if stat.st_size == size:
        return mtime is not None and stat.st_mtime_ns != mtime
    return stat.st_size < size or _tail(path, size) != tail
