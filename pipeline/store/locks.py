"""Exclusive use of one output of a dataset, with host, pid and a heartbeat. Readers never wait."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from .files import refusal

BEAT_S = 5.0
STALE_S = 60.0
"""A lock of another machine that has not beaten for so long is taken over."""


@contextmanager
def lock(folder: Path, output: str, doing: str) -> Iterator[None]:
    """Holds `folder/.locks/OUTPUT.lock` while the block runs.

    Args:
        folder: the dataset.
        output: what is written, as `samples`, `verdicts`, `exports`.
        doing: the verb, for the one who waits.

    Raises:
        DataError: another process holds it, with host and pid; or the folder cannot be written.
    """
    path = folder / ".locks" / f"{output}.lock"
    mine = json.dumps(
        {"host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid()), "doing": doing,
         "since": time.time(), "by": os.urandom(6).hex()}
    ).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _created(path, mine):
            with mutex(folder):  # what is removed here is what was looked at: nobody else removes meanwhile
                _remove_or_raise(path, folder, output)
                if not _created(path, mine):
                    _remove_or_raise(path, folder, output)
                    raise DataError(f"{folder}: {output} is in use", "run the same command again")
    except OSError as error:
        raise refusal(path, error) from error
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, mine, done), daemon=True, name=f"lock-{output}")
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        _release(path, mine)


@contextmanager
def mutex(folder: Path) -> Iterator[None]:
    """Keeps other processes of this machine out for a moment: a read, a decision, a write.

    Where the system has no `flock`, or the folder cannot be written, nobody is kept out.
    """
    handle: int | None = None
    with suppress(OSError):
        (folder / ".locks").mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".locks" / "mutex", os.O_CREAT | os.O_RDWR, 0o644)
        flocked(handle, wait=True)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def flocked(handle: int, *, wait: bool = False) -> bool:
    """Takes an exclusive `flock` on an open file; it ends with the file's closing, or with the process.

    Returns:
        False where another has it, or where the system has none.
    """
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (ImportError, OSError):
        return False
    return True


def _created(path: Path, mine: bytes) -> bool:
    """Makes the lock's file; False where there is one already."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    try:
        os.write(handle, mine)
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(handle)
    return True


def _release(path: Path, mine: bytes) -> None:
    """Removes our lock, and not one that another took while this process slept."""
    with suppress(OSError):
        if path.read_bytes() == mine:
            path.unlink()


def _beat(path: Path, mine: bytes, done: threading.Event) -> None:
    while not done.wait(BEAT_S):
        with suppress(OSError):
            if path.read_bytes() == mine:
                os.utime(path)


def holder(folder: Path, output: str) -> str | None:
    """Who is at work on an output, as `pid 12 on host`; None where nobody is. Changes nothing."""
    try:
        owner, gone = _owner(folder / ".locks" / f"{output}.lock")
    except OSError:
        return None
    return None if gone else f"pid {owner.get('pid', '?')} on {owner.get('host', '?')}"


class Holder(NamedTuple):
    """Who is at work on an output: the verb that was typed, and where it runs."""

    output: str
    doing: str
    pid: str
    host: str

    def __str__(self) -> str:
        """`run (pid 12 on host)`."""
        return f"{self.doing} (pid {self.pid} on {self.host})"


def holders(folder: Path) -> Iterator[Holder]:
    """Everyone at work on a dataset who is still alive; a lock that a dead process left says nothing. Changes nothing.

    Args:
        folder: the dataset.
    """
    for path in sorted((folder / ".locks").glob("*.lock")):
        with suppress(OSError):
            owner, gone = _owner(path)
            if not gone:
                told = (str(owner.get(key, "?")) for key in ("pid", "host"))
                yield Holder(path.stem, str(owner.get("doing", path.stem)), *told)


def _owner(path: Path) -> tuple[dict[str, Any], bool]:
    """What a lock says of its owner, and whether that is gone. Raises FileNotFoundError where there is no lock."""
    owner: dict[str, Any] = {}
    age = time.time() - path.stat().st_mtime
    text = path.read_text(encoding="utf-8")
    with suppress(ValueError):
        found = json.loads(text)
        owner = found if isinstance(found, dict) else {}
    pid = owner.get("pid")
    if not owner:  # its owner died, or is, between making the file and writing into it
        return owner, age > BEAT_S
    if owner.get("host") == socket.gethostname() and isinstance(pid, int):
        return owner, not _alive(pid, owner.get("born"))
    return owner, age > STALE_S


def _remove_or_raise(path: Path, folder: Path, output: str) -> None:
    """Removes a lock whose owner is gone; raises where the owner lives."""
    try:
        owner, gone = _owner(path)
    except FileNotFoundError:
        return
    if gone:
        path.unlink(missing_ok=True)
        return
    pid, host = owner.get("pid"), owner.get("host")
    here = host == socket.gethostname() and isinstance(pid, int)
    hint = f"wait for it, or stop it: kill {pid}" if here else f"if that machine is gone: rm {path}"
    doing = f"`synth {owner['doing']}`" if owner.get("doing") else "another process"
    raise DataError(f"{folder}: {output} is in use by {doing} (pid {pid or '?'} on {host or '?'})", hint)


def _alive(pid: int, born: str | None) -> bool:
    """Whether the process that had this number is still there; another of the same number is not it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    now = _born(pid)
    return now != "" and (now is None or born is None or now == born)


def _born(pid: int) -> str | None:
    """When a process began, in ticks since this boot; empty for one that has ended; None where nobody says."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return "" if state[0] == "Z" else f"{boot}-{state[19]}"
