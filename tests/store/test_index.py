"""The index is disposable: deleted, damaged, locked, out of date or read-only, it never costs an answer."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.store.calls import CallStore
from pipeline.store.index import HELD_EVENTS, VERSION
from tests.store.calls import call, filled

IDS = [f"call-{n:04d}" for n in range(5)]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Five answered calls, and an index on disk."""
    path = tmp_path / "set"
    filled(path, *(call(n) for n in range(5)))
    assert found(path) == IDS
    assert (path / "calls" / "index.sqlite").exists()
    return path


def found(dataset: Path) -> list[str]:
    """Ids that a new reader finds answered, each with its own text."""
    store = CallStore(dataset)
    try:
        answers = [store.get(call_id) for call_id in IDS]
        assert all(answer is None or answer.text == f"answer {int(answer.id[-4:])}" for answer in answers)
        assert store.spent().answered == sum(answer is not None for answer in answers)
        return [answer.id for answer in answers if answer is not None]
    finally:
        store.close()


def test_deleted(dataset: Path) -> None:
    (dataset / "calls" / "index.sqlite").unlink()
    assert found(dataset) == IDS


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_damaged(dataset: Path, damage: bytes) -> None:
    index = dataset / "calls" / "index.sqlite"
    index.write_bytes(damage)
    assert found(dataset) == IDS
    assert found(dataset) == IDS
    sqlite3.connect(index).close()


def test_damaged_within(dataset: Path) -> None:
    """Its head is whole, so that it opens; its pages are not."""
    index = dataset / "calls" / "index.sqlite"
    data = bytearray(index.read_bytes())
    for place in range(4096, len(data), 7):
        data[place] ^= 0xFF
    index.write_bytes(bytes(data))
    assert found(dataset) == IDS
    assert found(dataset) == IDS


def test_of_another_version(dataset: Path) -> None:
    db = sqlite3.connect(dataset / "calls" / "index.sqlite")
    db.executescript(f"drop table calls; pragma user_version = {VERSION + 1};")
    db.close()
    assert found(dataset) == IDS


def test_locked_by_another_connection(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **more: real(path, **{**more, "timeout": 0.05}))
    filled(dataset, call(7))
    db = real(dataset / "calls" / "index.sqlite", isolation_level=None)
    db.execute("begin exclusive")
    try:
        assert found_all(dataset) == [*IDS, "call-0007"]
    finally:
        db.execute("rollback")
        db.close()
    assert found_all(dataset) == [*IDS, "call-0007"]


def test_locked_in_the_middle_of_a_run(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **more: real(path, **{**more, "timeout": 0.05}))
    store = CallStore(dataset)
    assert store.get(IDS[0]) is not None
    db = real(dataset / "calls" / "index.sqlite", isolation_level=None)
    db.execute("begin exclusive")
    store.record(call(8))
    assert store.spent().answered == 6
    assert store.get(IDS[1]) is not None
    assert store.state("call-0008") == "answered"
    db.execute("rollback")
    db.close()
    store.close()


def test_deleted_in_the_middle_of_a_run(dataset: Path) -> None:
    store = CallStore(dataset)
    assert store.get(IDS[0]) is not None
    shutil.copy(dataset / "calls" / "index.sqlite", dataset / "copy")
    (dataset / "calls" / "index.sqlite").unlink()
    store.record(call(8))
    assert store.spent().answered == 6
    assert store.get("call-0008") is not None
    store.close()
    assert found_all(dataset) == [*IDS, "call-0008"]


def found_all(dataset: Path) -> list[str]:
    store = CallStore(dataset)
    try:
        return [one.id for one in store.outcomes("answered")]
    finally:
        store.close()


READER = """
import json, os, sys
from pathlib import Path
from pipeline.store.calls import CallStore
if os.geteuid() == 0:
    os.setgid(65534); os.setuid(65534)
store = CallStore(Path(sys.argv[1]))
print([store.state(f"call-{n:04d}") for n in range(6)], store.spent().answered)
store.close()
"""


def test_in_a_folder_that_cannot_be_written(dataset: Path) -> None:
    for parent in (dataset, *dataset.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(0o755)
    filled(dataset, call(5))
    (dataset / "calls").chmod(0o555)
    before = (dataset / "calls" / "index.sqlite").read_bytes()
    try:
        done = subprocess.run([sys.executable, "-c", READER, str(dataset)], capture_output=True, text=True, check=False)
    finally:
        (dataset / "calls").chmod(0o755)
    assert done.stdout.strip() == f"{['answered'] * 6} 6", done.stderr
    assert (dataset / "calls" / "index.sqlite").read_bytes() == before


def test_a_line_damaged_under_the_index_is_named_and_asked_again(dataset: Path) -> None:
    (path,) = (dataset / "calls").glob("*.jsonl")
    before = path.stat()
    store = CallStore(dataset)
    assert store.get(IDS[4]) is not None  # the index is read, and then the file changes
    path.write_bytes(path.read_bytes().replace(b"answer 2", b"answer 3"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.get(IDS[2]) is None
    assert store.state(IDS[2]) is None
    assert [problem.where for problem in store.problems()] == [f"{path}:3"]
    assert [one.id for one in store.outcomes("answered")] == [IDS[n] for n in (0, 1, 3, 4)]
    assert store.spent().answered == 4
    store.close()
    assert found(dataset) == [IDS[n] for n in (0, 1, 3, 4)]


def test_a_file_changed_by_hand_is_read_anew(dataset: Path) -> None:
    (path,) = (dataset / "calls").glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line[:-1] + b"\r\n" for line in lines))  # as git on Windows would leave it
    assert found(dataset) == IDS
    path.write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))
    assert found(dataset) == IDS
    path.write_bytes(b"".join(lines[1:]))
    assert found(dataset) == IDS[1:]


def test_files_come_and_go(dataset: Path, tmp_path: Path) -> None:
    other = filled(tmp_path / "elsewhere" / "set", call(10, usd=0.5), call(11, usd=0.25))
    other = other.rename(other.with_name("other.jsonl"))
    shutil.copy(other, dataset / "calls")
    store = CallStore(dataset)
    assert store.get("call-0010") is not None
    assert store.spent().usd == pytest.approx(0.80)
    store.close()
    (dataset / "calls" / other.name).unlink()
    store = CallStore(dataset)
    assert store.get("call-0010") is None
    assert store.spent().usd == pytest.approx(0.05)
    store.close()


def test_own_events_are_found_before_and_after_they_leave_memory(tmp_path: Path) -> None:
    store = CallStore(tmp_path / "set")
    for number in range(HELD_EVENTS + 50):
        store.record(call(number))
        if number % 700 == 0:
            for known in (0, number // 2, number):
                one = store.get(f"call-{known:04d}")
                assert one is not None
                assert one.text == f"answer {known}"
    assert len(store.index._calls) < HELD_EVENTS
    assert store.spent().answered == HELD_EVENTS + 50
    store.close()


def test_long_answers_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    store = CallStore(tmp_path / "set")
    for number in range(100):
        store.record(call(number, text="w" * (1 << 20)))
        held = sum(len(event["message"]["content"]) for event in store.index._calls.values())
        assert held <= 33 << 20
    assert store.spent().answered == 100
    store.close()


def test_two_readers_while_one_writes(tmp_path: Path) -> None:
    writer, reader = CallStore(tmp_path / "set"), CallStore(tmp_path / "set")
    for number in range(30):
        writer.record(call(number))
        writer.journal.sync()
        if number % 3 == 0:
            reader.index.refresh()
            assert reader.get(f"call-{number:04d}") is not None
        if number % 5 == 0:
            assert writer.spent().answered == number + 1
    writer.close()
    reader.index.refresh()
    assert reader.spent().answered == 30
    reader.close()
