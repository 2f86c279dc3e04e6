"""The training stack, or a visible skip; random models that tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.local import _stack
from tests.local.models import build


@pytest.fixture(scope="session", autouse=True)
def _stack_is_there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    absent = _stack.missing()
    if absent:
        pytest.skip(f"needs the extra `local`; missing: {', '.join(absent)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("SYNTH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with ChatML."""
    return build(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random GPT-2, whose layers are Conv1D, without template and without a padding token."""
    return build(tmp_path_factory.mktemp("gpt2"), "gpt2", template=None, pad=False)


@pytest.fixture(scope="session")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Gemma with ChatML."""
    return build(tmp_path_factory.mktemp("gemma"), "gemma")
