"""A folder with the recipe of a test file, and a server to run it against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server, running

KEY = "sk-planted-51b2c8"
"""Made up, so that a test can look for it where it must not be."""


@pytest.fixture
def tales(workdir: Path, request: pytest.FixtureRequest) -> Path:
    """An empty folder but for `tales.yaml`, the RECIPE of the test's file."""
    (workdir / "tales.yaml").write_text(request.module.RECIPE)
    return workdir


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that keeps what it was asked (see `Server.received`), and a key in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with running(keep=True) as server:
        yield server
