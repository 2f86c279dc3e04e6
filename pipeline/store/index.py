"""The disposable index of a journal: where each call stands, what it cost, which rows were written."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..types import Problem
from .files import unsealed
from .journal import Damaged, read_events

VERSION = 1
_TABLES = """
create table if not exists files (name text primary key, size integer not null);
create table if not exists calls (
    id text primary key, event text not null, file text, start integer, stop integer,
    usd real, copied integer, input integer, output integer);
create table if not exists held (file text, id text, attempt integer, usd real, primary key (file, id, attempt));
create table if not exists samples (id text primary key, digest text, state text) without rowid;
create table if not exists damage (file text, line integer, primary key (file, line));
"""


class Index:
    """SQLite over `calls/*.jsonl`. Deleting the file costs seconds, never an answer.

    Rollback journal, no sync, short transactions: it is made anew when in doubt, and SQLite's WAL does
    not work on network folders. Where the file cannot be written or is locked, it lives in memory.

    Args:
        folder: the dataset's `calls`.
        flush: makes this process's own events readable in its file.
    """

    def __init__(self, folder: Path, flush: Callable[[], None] = lambda: None) -> None:
        self.folder = folder
        self._flush = flush
        self._db = self._open()
        self._calls: dict[str, dict[str, Any]] = {}  # outcomes of this process that were not read back yet
        self._samples: dict[str, tuple[str, str]] = {}

    def refresh(self) -> None:
        """Reads what has been added to the journal's files since the last time."""
        try:
            self._read_all()
            self._db.commit()
        except sqlite3.OperationalError:  # locked by another process, or the disk is full
            self._db.close()
            self._db = self._in_memory()
            self._read_all()

    def call(self, call_id: str) -> dict[str, Any] | None:
        """The `answered` or `failed` event of a call; None where there is none."""
        if call_id in self._calls:
            return self._calls[call_id]
        row = self._db.execute("select file, start, stop from calls where id = ?", (call_id,)).fetchone()
        if row is None:
            return None
        found = self._load(*row)
        if found is None:  # the file was changed under the index: read it all again, and name the line
            self._forget()
            self.refresh()
            row = self._db.execute("select file, start, stop from calls where id = ?", (call_id,)).fetchone()
            found = self._load(*row) if row else None
        return found

    def state(self, call_id: str) -> str | None:
        """`answered`, `failed` or None."""
        if call_id in self._calls:
            return str(self._calls[call_id]["event"])
        row = self._db.execute("select event from calls where id = ?", (call_id,)).fetchone()
        return str(row[0]) if row else None

    def remember(self, event: dict[str, Any]) -> None:
        """Takes in an event of this process before its file is read back."""
        if event["event"] in ("answered", "failed"):
            self._calls[event["id"]] = event
        elif event["event"] == "sample":
            self._samples[event["id"]] = (event["digest"], event["state"])
        if len(self._calls) + len(self._samples) > 2000:
            self.settle()

    def settle(self) -> None:
        """Reads this process's own events back, so that nothing is held in memory for long."""
        if self._calls or self._samples:
            self._flush()
            self.refresh()
            self._calls.clear()
            self._samples.clear()

    def sample(self, sample_id: str) -> tuple[str, str] | None:
        """(digest, state) of a row that was written once; state: written, edited, deleted, forgotten."""
        if sample_id in self._samples:
            return self._samples[sample_id]
        row = self._db.execute("select digest, state from samples where id = ?", (sample_id,)).fetchone()
        return (str(row[0]), str(row[1])) if row else None

    def samples(self, state: str | None = None) -> Iterator[tuple[str, str, str]]:
        """(id, digest, state) of all rows that were ever written, or of those in one state."""
        self.settle()
        query = "select id, digest, state from samples" + (" where state = ?" if state else "") + " order by id"
        yield from self._db.execute(query, (state,) if state else ())

    def totals(self) -> tuple[float, float, int, int, int, int, int, int]:
        """See calls.Spent."""
        self.settle()
        own = "event = 'answered' and copied = 0"
        row = self._db.execute(
            f"""select total(case when copied = 0 then usd end), 0.0, count(case when {own} then 1 end),
            count(case when event = 'failed' then 1 end), count(case when copied = 1 then 1 end),
            count(case when {own} and usd is null then 1 end),
            cast(total(case when copied = 0 then input end) as integer),
            cast(total(case when copied = 0 then output end) as integer) from calls"""
        ).fetchone()
        held = self._db.execute("select total(usd) from held").fetchone()[0]
        return (row[0], held, *row[2:])

    def all_of(self, event: str) -> Iterator[dict[str, Any]]:
        """Every call whose last outcome is `event`, in order of id."""
        self.settle()
        ids = self._db.execute("select id from calls where event = ? order by id", (event,)).fetchall()
        for (call_id,) in ids:
            found = self.call(call_id)
            if found is not None:
                yield found

    def problems(self) -> list[Problem]:
        """Damaged lines of the journal."""
        return [
            Problem(
                "error", "damaged-call", f"{self.folder / name}:{line}",
                "the line is not what was written; the answer in it is lost, all others are kept",
                "restore the file from a copy, or run the same command again: that call is asked again",
            )
            for name, line in self._db.execute("select file, line from damage order by file, line")
        ]

    def close(self) -> None:
        """Closes the file."""
        with suppress(sqlite3.Error):
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        path = self.folder / "index.sqlite"
        if self.folder.is_dir():
            for _ in range(2):
                try:
                    db = sqlite3.connect(path, timeout=5, check_same_thread=False)
                    if db.execute("pragma user_version").fetchone()[0] not in (0, VERSION):
                        raise sqlite3.DatabaseError("another version")
                    db.execute("pragma synchronous = off")
                    db.executescript(_TABLES + f"pragma user_version = {VERSION};")
                    return db
                except sqlite3.OperationalError:
                    break  # a folder that cannot be written, or locked by another: in memory
                except sqlite3.DatabaseError:
                    with suppress(OSError):
                        path.unlink()
        return self._in_memory()

    def _in_memory(self) -> sqlite3.Connection:
        db = sqlite3.connect(":memory:", check_same_thread=False)
        db.executescript(_TABLES)
        return db

    def _read_all(self) -> None:
        names = {path.name: path for path in sorted(self.folder.glob("*.jsonl"))}
        sizes = dict(self._db.execute("select name, size from files"))
        if any(name not in names or names[name].stat().st_size < size for name, size in sizes.items()):
            self._forget()  # a file went or shrank: the index is made anew
            sizes = {}
        for name, path in names.items():
            if path.stat().st_size > sizes.get(name, 0):
                self._read(path, sizes.get(name, 0))

    def _forget(self) -> None:
        for table in ("files", "calls", "held", "samples", "damage"):
            self._db.execute(f"delete from {table}")

    def _read(self, path: Path, start: int) -> None:
        end = start
        for entry in read_events(path, start):
            end = entry.end
            if isinstance(entry, Damaged):
                self._db.execute("insert or ignore into damage values (?, ?)", (path.name, entry.line))
            else:
                self._take(path.name, entry.event, entry.start, entry.end)
        self._db.execute("insert or replace into files values (?, ?)", (path.name, end))

    def _take(self, file: str, event: dict[str, Any], start: int, stop: int) -> None:
        kind, run = event.get("event"), self._db.execute
        if kind == "reserved":
            run("insert or replace into held values (?, ?, ?, ?)", (file, event["id"], event["attempt"], event["usd"]))
        elif kind == "attempt" and not event["billed"]:
            run("delete from held where file = ? and id = ? and attempt = ?", (file, event["id"], event["attempt"]))
        elif kind in ("answered", "failed"):
            failure = event.get("failure")
            unknown = event.get("cost_usd") is None and (failure is None or failure.get("billed"))
            if not unknown:  # otherwise the host may have charged: it stays counted in full
                run("delete from held where file = ? and id = ? and attempt = ?", (file, event["id"], event["attempts"]))
            row = run("select event from calls where id = ?", (event["id"],)).fetchone()
            if kind == "failed" and row and row[0] == "answered":
                return
            usage = event.get("usage") or {}
            run(
                "insert or replace into calls values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (event["id"], kind, file, start, stop, event.get("cost_usd"), int(bool(event.get("copied_from"))),
                 usage.get("input_tokens", 0), usage.get("output_tokens", 0)),
            )
        elif kind == "sample":
            run("insert or replace into samples values (?, ?, ?)", (event["id"], event["digest"], event["state"]))

    def _load(self, file: str, start: int, stop: int) -> dict[str, Any] | None:
        try:
            with (self.folder / file).open("rb") as handle:
                handle.seek(start)
                return unsealed(handle.read(stop - start))
        except FileNotFoundError:
            return None
