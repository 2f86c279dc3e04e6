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

from ..errors import DataError

BEAT_S = 5.0
STALE_S = 60.0
"""A lock of another machine that has not beaten for so long is taken over."""


@contextmanager
def lock(folder: Path, output: str, doing: str) -> Iterator[None]:
    """Holds `folder/.locks/OUTPUT` while the block runs.

    Args:
        folder: the dataset.
        output: what is written, as `samples`, `verdicts`, `exports`.
        doing: the verb, for the one who waits.

    Raises:
        DataError: another process holds it, with host and pid.
    """
    path = folder / ".locks" / f"{output}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "doing": doing, "since": time.time()}).encode()
    for _ in range(3):
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            _take_over_or_raise(path, folder, output)
        else:
            os.write(handle, mine)
            os.close(handle)
            break
    else:
        raise DataError(f"{path}: cannot be taken", f"rm {path}")
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, done), daemon=True, name=f"lock-{output}")
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        with suppress(OSError):
            path.unlink()


def _beat(path: Path, done: threading.Event) -> None:
    while not done.wait(BEAT_S):
        with suppress(OSError):
            os.utime(path)


def _take_over_or_raise(path: Path, folder: Path, output: str) -> None:
    """Removes a lock whose owner is gone; raises where the owner lives."""
    try:
        age = time.time() - path.stat().st_mtime
        owner = json.loads(path.read_text() or "{}")
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        owner, age = {}, STALE_S * 2 if time.time() - path.stat().st_mtime > BEAT_S else 0.0
    here = owner.get("host") == socket.gethostname()
    gone = not _alive(int(owner["pid"])) if here and "pid" in owner else age > STALE_S
    if gone:
        # A rename is atomic: of two that find the lock stale, one wins and the other finds no file.
        aside = path.with_name(f"{path.name}.{os.getpid()}.stale")
        with suppress(OSError):
            path.rename(aside)
            aside.unlink()
        return
    who = f"pid {owner.get('pid', '?')} on {owner.get('host', '?')}"
    hint = f"wait for it, or stop it: kill {owner['pid']}" if here else f"if that machine is gone: rm {path}"
    raise DataError(f"{folder}: {output} is in use by `synth {owner.get('doing', '?')}` ({who})", hint)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:  # a zombie has ended
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, IndexError):
        return True
