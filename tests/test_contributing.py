"""CONTRIBUTING.md's rule and format: written as files beside ours, tested, listed, and used by the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"`((?:pipeline|tests)/[\w/]+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code with the page's four files added; ours stays as it is."""
    folder = tmp_path_factory.mktemp("contributed")
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("pipeline", "templates", "tests/contracts"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=leave)
    for path in (ROOT / "pyproject.toml", ROOT / "synth.py", *ROOT.glob("tests/*.py")):
        shutil.copy(path, folder / path.relative_to(ROOT))
    blocks = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(blocks) == 4
    for name, code in blocks:
        path = folder / name
        assert not path.exists(), f"{name} exists: the example needs another name"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
    return folder


def run(folder: Path, *words: str) -> str:
    """A Python module in the copy, which wins over the installed one."""
    env = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_their_own_tests_pass_and_the_contracts_hold_for_them(copy: Path) -> None:
    said = run(copy, "-m", "pytest", "-v", "-n", "0", "-p", "no:cacheprovider", "tests/rules/test_exclamations.py",
               "tests/formats/test_flashcard.py", "tests/contracts", "-k", "exclamations or flashcard")
    passed = re.findall(r"^tests/(\w+)/\S+ PASSED", said, re.MULTILINE)
    assert passed.count("rules") == 3
    assert passed.count("formats") == 1
    assert passed.count("contracts") >= 10, said


def test_they_are_as_tidy_as_ours(copy: Path) -> None:
    files = ["pipeline/rules/exclamations.py", "pipeline/formats/flashcard.py", "tests/rules/test_exclamations.py",
             "tests/formats/test_flashcard.py"]
    run(copy, "-m", "ruff", "check", "--no-cache", *files)


def test_they_are_listed_and_work_from_the_command_line(copy: Path) -> None:
    listed = run(copy, "-m", "pipeline", "plugins")
    assert re.search(r"exclamations +.*Drops answers that shout", listed)
    assert re.search(r"flashcard +.*Flash cards", listed)
    rows = [{"prompt": "Hi", "completion": "Hello" + "!" * n} for n in range(3)]
    (copy / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(copy, "-m", "pipeline", "import", "mine", "rows.jsonl")
    counts = json.loads(run(copy, "-m", "pipeline", "curate", "mine", "--rule", "exclamations: {max: 1}", "--json"))
    assert (counts["kept"], counts["dropped"]) == (2, 1)
    run(copy, "-m", "pipeline", "export", "mine", "--format", "flashcard", "--split", "none")
    (path,) = [p for p in (copy / "datasets/mine/exports").rglob("*.jsonl") if "flashcard" in str(p)]
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"front": "Hi", "back": "Hello"}, {"front": "Hi", "back": "Hello!"}]
