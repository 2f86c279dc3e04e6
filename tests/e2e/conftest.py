"""The installed command as a child process that cannot leave this machine, and what it leaves on disk."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import pytest

from tests.nursery import Nursery

GUARD = '''
import os, socket
_connect = socket.socket.connect
def connect(self, address):
    host = address[0] if isinstance(address, tuple) else "unix"
    if host not in ("127.0.0.1", "::1", "localhost", "unix"):
        with open(os.environ["E2E_LEFT_THE_MACHINE"], "a") as file:
            file.write(f"{address}\\n")
        raise OSError(101, "this test has no network")
    return _connect(self, address)
socket.socket.connect = connect
'''
"""A sitecustomize for the children: what connects to another machine is refused and written down."""


class Ran(NamedTuple):
    """A finished command."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        """Both streams, white space collapsed: rich wraps sentences at the width of the terminal."""
        return " ".join((self.out + " " + self.err).split())

    @property
    def json(self) -> Any:
        """Standard output as JSON: `--json` promises nothing else there."""
        return json.loads(self.out)


def command() -> list[str]:
    """The console script beside this Python; the module where the project is not installed as a command."""
    script = Path(sys.executable).parent / "synth"
    return [str(script)] if script.exists() else [sys.executable, "-m", "pipeline"]


def sealed_env(home: Path) -> dict[str, str]:
    """An environment without settings, keys or a network."""
    (home / "guard").mkdir(parents=True)
    (home / "guard" / "sitecustomize.py").write_text(GUARD)
    drop = ("SYNTH_", "OPENAI_", "HTTP_PROXY", "HTTPS_PROXY", "PYTEST", "COLUMNS", "FORCE_COLOR")
    env = {key: value for key, value in os.environ.items() if not key.upper().startswith(drop)}
    return env | {"HOME": str(home), "PYTHONPATH": str(home / "guard"), "E2E_LEFT_THE_MACHINE": str(home / "left"),
                  "NO_COLOR": "1"}


class Synth:
    """`synth("run", "plots")` in the test's folder, and readers of what it leaves there."""

    def __init__(self, folder: Path, env: dict[str, str], forked: bool) -> None:
        self.folder, self.env, self.command, self.forked = folder, env, command(), forked

    def __call__(self, *args: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None,
                 code: int | None = 0, timeout: float = 120) -> Ran:
        """Runs to the end; fails the test unless the exit code is `code` (None: any)."""
        started = time.monotonic()
        run = self._fork if self.forked else self._start
        status, out, err = run([*map(str, args)], cwd or self.folder, self.env | (env or {}), timeout)
        ran = Ran(status, out.decode(), err.decode(), time.monotonic() - started)
        assert "Traceback" not in ran.err, ran.err
        line = f"synth {' '.join(map(str, args))}"
        assert code is None or ran.code == code, f"{line}: exit code {ran.code}\n{ran.out}\n{ran.err}"
        return ran

    def _start(self, args: list[str], cwd: Path, env: dict[str, str], timeout: float) -> tuple[int, bytes, bytes]:
        done = subprocess.run([*self.command, *args], cwd=cwd, env=env, capture_output=True, stdin=subprocess.DEVNULL,
                              timeout=timeout, check=False)
        return done.returncode, done.stdout, done.stderr

    def _fork(self, args: list[str], cwd: Path, env: dict[str, str], timeout: float) -> tuple[int, bytes, bytes]:
        ours, theirs = os.pipe()
        with open(os.devnull, "rb") as null, TemporaryFile() as out, TemporaryFile() as err, open(ours, "rb") as code:
            request = {"args": args, "cwd": str(cwd), "env": env}
            pid = _nursery().fork(request, [null.fileno(), out.fileno(), err.fileno(), theirs])
            os.close(theirs)
            if not select.select([code], [], [], timeout)[0]:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(args, timeout)
            status = code.read()  # to its end: the process is gone
            out.seek(0)
            err.seek(0)
            return int(status or -signal.SIGKILL), out.read(), err.read()

    def start(self, *args: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Starts it in a process group of its own, output into a file of the folder's parent."""
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            return subprocess.Popen([*self.command, *args], cwd=self.folder, env=self.env | (env or {}), stdout=log,
                                    stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def write(self, name: str, text: str | bytes) -> Path:
        """A file of the test's folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def dataset(self, name: str) -> Path:
        """The folder of a dataset."""
        return self.folder / "datasets" / name

    @staticmethod
    def rows(path: Path) -> list[Any]:
        """The rows of a JSONL file; every line must be whole."""
        data = path.read_bytes()
        assert data == b"" or data.endswith(b"\n"), f"{path} ends in half a line"
        return [json.loads(line) for line in data.splitlines()]

    def exported(self, name: str, *words: str) -> list[Path]:
        """The data files of a dataset's exports whose path holds all of the words."""
        home = self.dataset(name) / "exports"
        return [p for p in sorted(home.rglob("*.jsonl")) if all(word in str(p.relative_to(home)) for word in words)]

    @staticmethod
    def tree(folder: Path) -> dict[str, bytes]:
        """Every file under a folder, as bytes."""
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@cache
def _nursery() -> Nursery:
    return Nursery("tests.e2e.commands", {**os.environ, "PYTHONPATH": "", "NO_COLOR": "1"})


def _standing(base: Path, forked: bool = False) -> Iterator[Synth]:
    (base / "here").mkdir()
    yield Synth(base / "here", sealed_env(base / "home"), forked)
    left = base / "home" / "left"
    assert not left.exists(), f"a command tried to reach {left.read_text()}"


@pytest.fixture
def synth(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Synth]:
    """The installed command, standing in an empty folder.

    With the mark `forked`, what is run to its end is the same command, forked from a process that has its modules
    loaded: a second less each. What is started to be killed is always the installed one.
    """
    yield from _standing(tmp_path, request.node.get_closest_marker("forked") is not None)


@pytest.fixture(scope="module")
def shared_synth(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Synth]:
    """As `synth`, for the tests of a file that only read what one run left."""
    yield from _standing(tmp_path_factory.mktemp("shared"), request.node.get_closest_marker("forked") is not None)
