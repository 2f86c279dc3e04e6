"""docs/ and README.md say what the code does today: schema, transcripts, the notebook, links."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("templates/*/README.md")])


@pytest.fixture(scope="module")
def regenerate() -> ModuleType:
    """docs/regenerate.py."""
    spec = importlib.util.spec_from_file_location("regenerate", ROOT / "docs" / "regenerate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schema_is_current(regenerate: ModuleType) -> None:
    assert (ROOT / "docs" / "recipe.schema.json").read_text(encoding="utf-8") == regenerate.schema(), (
        "run: python docs/regenerate.py")


@pytest.mark.parametrize("path", [*sorted(ROOT.glob("templates/*/recipe.yaml")), ROOT / "tests/golden/specimen.yaml"],
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_the_schema_accepts_what_we_ship_and_refuses_a_typo(path: Path) -> None:
    schema = json.loads((ROOT / "docs" / "recipe.schema.json").read_text(encoding="utf-8"))
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    jsonschema.validate(recipe, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**recipe, "genrate": {}}, schema)


@pytest.mark.slow
def test_every_transcript_and_the_picture_are_what_the_commands_print(regenerate: ModuleType, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = regenerate.BLOCK.findall(text)
    assert len([command for block in blocks for command in regenerate.commands(block)]) >= 5
    again = regenerate.readme(text, tmp_path)
    assert regenerate.steady(again) == regenerate.steady(text), "run: python docs/regenerate.py"
    assert regenerate.picture(tmp_path) == (ROOT / "docs" / "run.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name}: {link}"


EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(book, timeout=120, kernel_name="python3").execute(cwd=sys.argv[2])
nbformat.write(book, sys.argv[3])
"""


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    synth = Path(sys.executable).parent / "synth"
    env = {key: value for key, value in os.environ.items() if not key.startswith(("SYNTH_", "OPENAI_", "PYTEST"))}
    run = [synth, "run", "plots", "--no-tune", "--set", "sample.rows=60"]
    subprocess.run(run, cwd=tmp_path, env=env, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, ROOT / "docs" / "inspect.ipynb", tmp_path, tmp_path / "done.ipynb"],
        cwd=tmp_path, env={**env, "JUPYTER_PLATFORM_DIRS": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    book = json.loads((tmp_path / "done.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in cells[1:]), "every cell shows something"
    assert not [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]
