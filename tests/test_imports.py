"""Nothing heavy is imported before it is used: neither by any module of ours, nor by `synth --help`."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED_IN_HELP = {"click", "pipeline"}

EVERY_MODULE = """
import importlib, json, pkgutil, sys
import pipeline, synth
names = [m.name for m in pkgutil.walk_packages(pipeline.__path__, "pipeline.") if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(json.dumps([names, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
ONE_COMMAND = """
import json, os, sys
before = {name.partition(".")[0] for name in sys.modules}
from pipeline.commands import main
out, sys.stdout = sys.stdout, open(os.devnull, "w")
main(sys.argv[1:])
after = {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted(after - before - set(sys.stdlib_module_names))), file=out)
"""


def python(code: str, *args: str) -> object:
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def heavy() -> set[str]:
    """The packages that ruff forbids at module level, and what they bring."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        lint = tomllib.load(file)["tool"]["ruff"]["lint"]
    return {*lint["flake8-tidy-imports"]["banned-module-level-imports"], "numpy"}


def test_no_module_brings_anything_heavy_along() -> None:
    names, loaded = python(EVERY_MODULE)
    assert len(names) > 30, "every module was imported"
    assert {"pipeline.commands.run", "pipeline.store.dataset", "pipeline.providers.openai"} <= set(names)
    assert not heavy() & set(loaded)


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_needs_click_and_nothing_else(word: str) -> None:
    assert set(python(ONE_COMMAND, word)) == ALLOWED_IN_HELP


def test_the_heavy_list_is_not_empty() -> None:
    """Guards the two tests above: a list that nobody reads would let everything pass."""
    assert {"openai", "pandas", "torch", "tiktoken", "faker", "pyarrow"} <= heavy()
