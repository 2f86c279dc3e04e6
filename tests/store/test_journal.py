"""The journal: torn tails, damaged lines, shared syncs, kills, a full disk. No event that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.store.files import sealed
from pipeline.store.journal import Damaged, Entry, Journal, mend, read_events


def events(path: Path, start: int = 0) -> list[dict]:
    return [found.event for found in read_events(path, start) if isinstance(found, Entry)]


def written(folder: Path) -> list[dict]:
    return [event for path in sorted(folder.glob("*.jsonl")) for event in events(path)]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4))
@settings(max_examples=8)
def test_a_tail_torn_at_any_byte_costs_the_last_event_alone(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    lines = [sealed({"event": "answered", "id": str(n), "text": text}) for n, text in enumerate(texts)]
    whole, last = b"".join(lines[:-1]), lines[-1]
    path = tmp_path_factory.mktemp("torn") / "j.jsonl"
    for cut in range(len(last)):
        path.write_bytes(whole + last[:cut])
        found = list(read_events(path))
        kept = [entry.event["id"] for entry in found if isinstance(entry, Entry)]
        assert kept == [str(n) for n in range(len(lines) - 1)]
        assert not any(isinstance(entry, Damaged) for entry in found), "a torn tail is no damage"
        assert mend(path.parent) == cut
        assert path.read_bytes() == whole
    path.write_bytes(whole + last)
    assert len(events(path)) == len(lines)


def test_damaged_lines_are_named_and_the_others_kept(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    lines = [sealed({"event": "answered", "id": str(n)}) for n in range(6)]
    lines[2] = lines[2].replace(b"answered", b"answezed")
    lines[4] = b"\x00" * 20 + b"\n"
    path.write_bytes(b"".join(lines))
    found = list(read_events(path))
    assert [entry.event["id"] for entry in found if isinstance(entry, Entry)] == ["0", "1", "3", "5"]
    assert [entry.line for entry in found if isinstance(entry, Damaged)] == [3, 5]
    start = len(b"".join(lines[:3]))
    later = list(read_events(path, start))
    assert [entry.line for entry in later if isinstance(entry, Damaged)] == [5], "numbers count from the file's head"
    assert [path.read_bytes()[e.start : e.end] for e in later] == lines[3:], "places are bytes of the file"


async def test_callers_share_syncs_and_none_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = 0
    real = os.fdatasync

    def slow(handle: int) -> None:
        nonlocal syncs
        syncs += 1
        time.sleep(0.005)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", slow)
    journal = Journal(tmp_path)

    async def caller(number: int) -> None:
        for turn in range(5):
            await journal.durable({"event": "x", "n": number, "turn": turn})
            assert any(e["n"] == number and e["turn"] == turn for e in written(tmp_path)), "acknowledged, so readable"

    await asyncio.gather(*(caller(number) for number in range(40)))
    found = written(tmp_path)
    assert sorted((e["n"], e["turn"]) for e in found) == [(n, t) for n in range(40) for t in range(5)]
    assert syncs <= 40, f"{syncs} syncs for 200 events"
    journal.close()


async def test_a_caller_that_is_cancelled_leaves_its_event_and_the_others_theirs(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    tasks = [asyncio.create_task(journal.durable({"event": "x", "n": n})) for n in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in done[::2])
    assert all(result is None for result in done[1::2])
    journal.close()
    assert sorted(e["n"] for e in written(tmp_path)) == list(range(20))


def test_one_journal_serves_several_loops(tmp_path: Path) -> None:
    """`generate` and then `augment`, in one process: each runs a loop of its own."""
    journal = Journal(tmp_path)

    async def many() -> None:
        await asyncio.gather(*(journal.durable({"event": "x", "n": n}) for n in range(10)))

    for _ in range(3):
        asyncio.run(many())
    journal.close()
    assert len(written(tmp_path)) == 30


def test_threads_may_append_while_another_syncs(tmp_path: Path) -> None:
    journal = Journal(tmp_path)

    def work(name: int) -> None:
        for n in range(200):
            journal.append({"event": "x", "n": (name, n)})
            if n % 20 == name:
                journal.sync()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    found = [tuple(e["n"]) for e in written(tmp_path)]
    assert sorted(found) == [(name, n) for name in range(4) for n in range(200)]
    for name in range(4):
        assert [n for who, n in found if who == name] == list(range(200)), "each in its own order"


def test_an_empty_journal_makes_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "calls")
    journal.sync()
    journal.close()
    assert not (tmp_path / "calls").exists()


def test_the_ballast_goes_with_its_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append({"event": "x"})
    journal.sync()
    assert len(list(tmp_path.glob(".ballast-*"))) == 1
    assert mend(tmp_path) == 0
    assert len(list(tmp_path.glob(".ballast-*"))) == 1, "a live journal keeps it"
    journal.close()
    assert [p.suffix for p in tmp_path.iterdir()] == [".jsonl"]


def test_holds_are_unique_over_journals(tmp_path: Path) -> None:
    names = [journal.next_hold() for journal in (Journal(tmp_path), Journal(tmp_path)) for _ in range(50)]
    assert len(set(names)) == 100


class Disk:
    """A disk that has room for so many bytes; `os.write` and `os.ftruncate` of the journal go through it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, handle: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = self._write(handle, bytes(data)[: self.room])
        self.room -= count
        return count


def test_half_a_batch_on_a_full_disk_leaves_whole_lines_and_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    journal.append({"event": "x", "n": 0})
    journal.sync()
    disk = Disk(monkeypatch, room=150)
    for n in range(1, 8):
        journal.append({"event": "x", "n": n})
    with pytest.raises(DataError) as caught:
        journal.sync()
    assert "No space left" in caught.value.message
    assert "df -h" in caught.value.hint
    assert [e["n"] for e in written(tmp_path)] == [0]
    assert all(path.read_bytes().endswith(b"\n") for path in tmp_path.glob("*.jsonl"))
    disk.room = 1 << 20
    journal.append({"event": "x", "n": 8})
    journal.close()
    assert [e["n"] for e in written(tmp_path)] == list(range(9)), "what was refused is written once there is room"


def test_the_ballast_makes_room_for_what_was_paid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append({"event": "x", "n": 0})
    journal.sync()
    disk = Disk(monkeypatch, room=0)
    unlink = Path.unlink

    def freed(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith(".ballast"):
            disk.room = 1 << 20
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", freed)
    journal.append({"event": "x", "n": 1})
    with pytest.raises(DataError, match="every answer that came is kept"):
        journal.sync()
    assert [e["n"] for e in written(tmp_path)] == [0, 1], "written, and said all the same that the disk is full"
    journal.append({"event": "x", "n": 2})
    journal.sync()  # there is room again, and the ballast is back: nothing to complain of
    journal.close()
    assert [e["n"] for e in written(tmp_path)] == [0, 1, 2]


def test_a_file_that_cannot_be_cut_back_is_left_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append({"event": "x", "n": 0})
    journal.sync()
    disk = Disk(monkeypatch, room=20)

    def refuse(handle: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "ftruncate", refuse)
    journal.append({"event": "x", "n": 1})
    with pytest.raises(DataError):
        journal.sync()
    disk.room = 1 << 20
    journal.append({"event": "x", "n": 2})
    journal.close()
    assert [e["n"] for e in written(tmp_path)] == [0, 1, 2]
    assert len(list(tmp_path.glob("*.jsonl"))) > 1


CHILD = """
import asyncio, sys
from pathlib import Path
from pipeline.store.journal import Journal

async def caller(journal, name):
    n = 0
    while True:
        await journal.durable({"event": "x", "id": f"{name}-{n}", "text": "word " * (n % 400)})
        print(f"{name}-{n}", flush=True)
        n += 1

async def main():
    journal = Journal(Path(sys.argv[1]))
    await asyncio.gather(*(caller(journal, name) for name in range(16)))

asyncio.run(main())
"""


def test_every_acknowledged_event_outlives_a_kill(tmp_path: Path) -> None:
    moments = random.Random(11)
    for turn in range(6):
        folder = tmp_path / str(turn)
        process = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        out = first + process.stdout.read()
        process.stdout.close()
        process.wait()
        acknowledged = {line.decode() for line in out.splitlines(keepends=True) if line.endswith(b"\n")}
        kept = [event["id"] for event in written(folder)]
        assert {line.strip() for line in acknowledged} <= set(kept)
        assert len(kept) == len(set(kept))
        assert not any(isinstance(found, Damaged) for path in folder.glob("*.jsonl") for found in read_events(path))
        mend(folder)
        assert not list(folder.glob(".ballast-*")), "the ballast of the dead is removed"
        assert all(path.read_bytes().endswith(b"\n") for path in folder.glob("*.jsonl"))


def test_the_file_of_a_live_writer_is_not_cut(tmp_path: Path) -> None:
    """Another verb of the same dataset starts while this one is in the middle of a line."""
    journal = Journal(tmp_path)
    journal.append({"event": "x"})
    journal.sync()
    assert journal.path is not None
    with journal.path.open("ab") as file:
        file.write(b'{"event":"half')
    code = f"from pathlib import Path; from pipeline.store.journal import mend; print(mend(Path({str(tmp_path)!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
    journal.close()
    assert mend(tmp_path) == len(b'{"event":"half')
