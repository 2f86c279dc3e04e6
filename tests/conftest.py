"""Fixtures shared by all tests: real inputs where they are present, and no socket beyond loopback."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.servers import Server

ROOT = Path(__file__).parent.parent
os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes run tests: their threads would fight over the cores
os.environ.pop("COLUMNS", None)  # workers of xdist have a width; a test that wants one sets it
settings.register_profile("synth", deadline=None, max_examples=60)  # a busy machine is no fault of the code
settings.load_profile("synth")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real inputs; the test is skipped, visibly, where it is absent."""
    folder = Path(os.environ.get("SYNTH_SHARED") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real inputs are not at {folder} (set SYNTH_SHARED)")
    return folder


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for SYNTH_CACHE with the tiny base in it: 30 s of work, done once for all processes that run tests."""
    from pipeline.local.tiny import tiny_base

    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "tiny-cache"
    folder.mkdir(exist_ok=True)
    with (folder.parent / "tiny-cache.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tiny_base(folder)
    return folder


@pytest.fixture(scope="module")
def models_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Empty caches for models, so that none of this machine's is met."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("SYNTH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with no setting of the machine leaking in."""
    for name in list(os.environ):
        if name.startswith("SYNTH_") and name != "SYNTH_SHARED":
            monkeypatch.delenv(name)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def openai_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts loopback servers that speak OpenAI's API (see tests/servers): `server = openai_server(latency_s=0.1)`."""
    from tests.servers import start

    running: list[Server] = []

    def begin(**options: Any) -> Server:
        options.setdefault("ledger", tmp_path / f"ledger-{len(running)}.jsonl")
        running.append(start(**options))
        return running[-1]

    yield begin
    for server in running:
        server.stop()
