"""Writes what is generated: docs/recipe.schema.json, README.md's transcripts and the picture in docs/.

    python docs/regenerate.py

Tests compare the schema and the transcripts with what the code does today.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
SECONDS = re.compile(r"\b\d+(?:\.\d+)?( ?m?s\b| min\b)")


def schema() -> str:
    """The JSON schema of a recipe, as it stands in docs/."""
    from pipeline.recipe import recipe_schema

    return json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n"


def commands(block: str) -> list[str]:
    """The commands of a console block: what stands behind `$ `."""
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def said(command: str, folder: Path) -> str:
    """What a command prints, both streams as a terminal shows them."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("SYNTH_", "OPENAI_"))}
    env |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}", "NO_COLOR": "1", "COLUMNS": "100"}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return "\n".join(line.rstrip() for line in done.stdout.replace(str(folder), "~").splitlines())


def transcript(block: str, folder: Path) -> str:
    """A console block with every command run again, in order, in one folder."""
    return "".join(f"$ {command}\n{said(command, folder)}\n" for command in commands(block))


def steady(text: str) -> str:
    """A transcript without what differs from run to run: seconds."""
    return SECONDS.sub(r"N\1", text)


def readme(text: str, folder: Path) -> str:
    """README.md with all its console blocks run again; they share a folder, as a reader's do."""
    return BLOCK.sub(lambda found: f"```console\n{transcript(found[1], folder)}```", text)


def main() -> None:
    """Writes all of it."""
    (ROOT / "docs" / "recipe.schema.json").write_text(schema(), encoding="utf-8")
    page = ROOT / "README.md"
    with tempfile.TemporaryDirectory() as folder:
        page.write_text(readme(page.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
