"""One writer per output: held by the living, taken over from the dead, never by two at once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.store import Dataset
from pipeline.store.locks import STALE_S, holders, lock, mutex

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.store.locks import lock
with lock(Path(sys.argv[1]), "samples", "generate"):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def held_by_another(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    try:
        yield process
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def file(folder: Path) -> Path:
    return folder / ".locks" / "samples.lock"


def owned(folder: Path, age: float = 0.0, **owner: object) -> None:
    """A lock's file as another process left it."""
    path = file(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(owner) if owner else "")
    os.utime(path, (time.time() - age,) * 2)


def test_one_at_a_time_and_free_again(tmp_path: Path) -> None:
    with lock(tmp_path, "samples", "generate"):
        with pytest.raises(DataError), lock(tmp_path, "samples", "augment"):
            pass
        with lock(tmp_path, "verdicts", "curate"):
            pass
    with lock(tmp_path, "samples", "augment"):
        pass
    assert not file(tmp_path).exists()


def test_freed_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lock(tmp_path, "samples", "generate"):
        raise KeyboardInterrupt
    with lock(tmp_path, "samples", "generate"):
        pass


def test_another_process_is_named(tmp_path: Path) -> None:
    with held_by_another(tmp_path) as other:
        with pytest.raises(DataError) as caught, lock(tmp_path, "samples", "augment"):
            pass
        for word in (str(tmp_path), "samples is in use", "`synth generate`", f"pid {other.pid}", socket.gethostname()):
            assert word in caught.value.message
        assert f"kill {other.pid}" in caught.value.hint


def test_a_killed_owner_holds_nothing(tmp_path: Path) -> None:
    with held_by_another(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        time.sleep(0.05)  # not waited for: it is a zombie, and a zombie holds nothing
        with lock(tmp_path, "samples", "augment"):
            assert json.loads(file(tmp_path).read_text())["pid"] == os.getpid()


def test_who_is_at_work_is_told_of_the_living_alone(tmp_path: Path) -> None:
    assert list(holders(tmp_path)) == []
    with held_by_another(tmp_path) as other, lock(tmp_path, "exports", "export"):
        told = [str(each) for each in holders(tmp_path)]
        host = socket.gethostname()
        assert told == [f"export (pid {os.getpid()} on {host})", f"generate (pid {other.pid} on {host})"]
        other.send_signal(signal.SIGKILL)
        time.sleep(0.05)
        assert [each.output for each in holders(tmp_path)] == ["exports"]
    assert file(tmp_path).exists(), "looking takes nothing away"


def test_a_stage_of_another_verb_is_told_as_what_was_typed(tmp_path: Path) -> None:
    with Dataset.create(tmp_path / "set") as dataset:
        dataset.verb = "run"
        with dataset.lock("samples", "generate"):
            assert [each.doing for each in holders(dataset.path)] == ["run"]
            with pytest.raises(DataError, match="in use by `synth run`"), dataset.lock("samples", "augment"):
                pass


def test_the_number_of_a_dead_owner_may_belong_to_another_now(tmp_path: Path) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system does not say when a process began")
    owned(tmp_path, host=socket.gethostname(), pid=os.getppid(), born="12345678-1", doing="generate")
    with lock(tmp_path, "samples", "augment"):
        assert json.loads(file(tmp_path).read_bytes())["pid"] == os.getpid(), "it is ours now"


def test_an_owner_that_sleeps_is_not_robbed(tmp_path: Path) -> None:
    with held_by_another(tmp_path):
        os.utime(file(tmp_path), (1, 1))
        with pytest.raises(DataError), lock(tmp_path, "samples", "augment"):
            pass


def test_another_machine_counts_by_its_heartbeat(tmp_path: Path) -> None:
    owned(tmp_path, age=STALE_S / 2, host="elsewhere", pid=1, doing="generate")
    with pytest.raises(DataError) as caught, lock(tmp_path, "samples", "augment"):
        pass
    assert "pid 1 on elsewhere" in caught.value.message
    assert caught.value.hint == f"if that machine is gone: rm {file(tmp_path)}"
    owned(tmp_path, age=STALE_S * 2, host="elsewhere", pid=1, doing="generate")
    with lock(tmp_path, "samples", "augment"):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": "x"}'])
def test_a_file_that_says_nothing(tmp_path: Path, text: str) -> None:
    owned(tmp_path)
    file(tmp_path).write_text(text)
    with pytest.raises(DataError), lock(tmp_path, "samples", "augment"):
        pass
    os.utime(file(tmp_path), (1, 1))
    with lock(tmp_path, "samples", "augment"):
        pass


def test_what_another_took_over_is_not_removed(tmp_path: Path) -> None:
    """This process slept for long; on another machine the lock was taken for stale."""
    with lock(tmp_path, "samples", "generate"):
        owned(tmp_path, host="elsewhere", pid=1, doing="augment")
    assert json.loads(file(tmp_path).read_text())["host"] == "elsewhere"


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "set").write_bytes(b"a file, not a folder")
    with pytest.raises(DataError, match="set"), lock(tmp_path / "set", "samples", "generate"):
        pass


RACER = """
import sys, time
from pathlib import Path
from pipeline.errors import DataError
from pipeline.store.locks import lock
folder = Path(sys.argv[1])
sys.stdin.readline()
end = time.monotonic() + 1.0
won = 0
while time.monotonic() < end:
    try:
        with lock(folder, "samples", "race"):
            inside = folder / "inside"
            inside.open("x").close()  # fails where another is in here as well
            won += 1
            inside.unlink()
            if won % 3 == 0:
                import os
                path = folder / ".locks" / "samples.lock"
                text = path.read_text().replace(f'"pid": {os.getpid()}', '"pid": 4194303')
                path.write_text(text)  # leave it behind as one that died would
    except DataError:
        pass
print(won)
"""


def test_of_many_that_find_a_dead_owner_one_takes_over(tmp_path: Path) -> None:
    owned(tmp_path, host=socket.gethostname(), pid=4194303, doing="generate")
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    time.sleep(0.3)
    done = []
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"\n")
        racer.stdin.flush()
    for racer in racers:
        out, err = racer.communicate()
        assert err == b""
        done.append(int(out))
    assert sum(done) > 20
    assert not (tmp_path / "inside").exists()


def test_the_mutex_keeps_others_out_for_a_moment(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from pipeline.store.locks import mutex
path = Path(sys.argv[1]) / "count"
for _ in range(150):
    with mutex(path.parent):
        path.write_text(str(int(path.read_text()) + 1))
"""
    (tmp_path / "count").write_text("0")
    others = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [other.wait() for other in others] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "450"
    with mutex(tmp_path / "count"):
        pass  # no folder to lock in: nobody is kept out, and nothing fails
