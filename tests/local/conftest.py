"""The training stack, or a visible skip; random models that tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.local import _stack
from tests.local.models import build


@pytest.fixture(scope="session", autouse=True)
def _stack_is_there() -> None:
    absent = _stack.missing()
    if absent:
        pytest.skip(f"needs the extra `local`; missing: {', '.join(absent)}")


@pytest.fixture(scope="module", autouse=True)
def _apart(models_apart: None) -> None:
    pass


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
