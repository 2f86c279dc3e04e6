"""Fixtures shared by all tests: real inputs where they are present, and no socket beyond loopback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real inputs; the test is skipped, visibly, where it is absent."""
    folder = Path(os.environ.get("SYNTH_SHARED") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real inputs are not at {folder} (set SYNTH_SHARED)")
    return folder


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
