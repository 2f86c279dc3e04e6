"""Writes what is generated: docs/recipe.schema.json, README.md's transcripts, the picture and the notebook in docs/.

    python docs/regenerate.py

Tests compare the schema and the transcripts with what the code does today.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
COLUMNS, PICTURE_COLUMNS = 100, 124
PICTURED = ("synth status plots", "synth inspect plots --where 'length > 1005' --sort length --limit 9")
"""What docs/run.svg shows, after the transcripts of README.md have run."""
PROGRESS = re.compile(r"[\d,]+ of [\d,]+ rows(, .*)? (left|kept so far|tokens/s)\b.*")
"""A line that only a machine which takes its time prints, every five seconds."""
SECONDS = re.compile(r"\b\d+(?:\.\d+)?( ?m?s\b| min\b)")


def schema() -> str:
    """The JSON schema of a recipe, as it stands in docs/."""
    from pipeline.recipe import recipe_schema

    return json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n"


def commands(block: str) -> list[str]:
    """The commands of a console block: what stands behind `$ `, with the lines behind `> ` that go on."""
    found: list[str] = []
    going_on = False
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
            going_on = True
        elif going_on and line.startswith("> "):
            found[-1] += f"\n{line[2:]}"
        else:
            going_on = False
    return found


def environment() -> dict[str, str]:
    """Ours, with `synth` on the path and without settings, keys or vocabularies: counts are the same everywhere."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("SYNTH_", "OPENAI_"))}
    return env | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}", "COLUMNS": str(COLUMNS),
                  "TIKTOKEN_CACHE_DIR": ""}


def said(command: str, folder: Path) -> str:
    """What a command prints, both streams as a terminal shows them."""
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment() | {"NO_COLOR": "1"}, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    lines = (line.rstrip() for line in done.stdout.replace(str(folder), "~").splitlines())
    return "\n".join(line for line in lines if not PROGRESS.fullmatch(line))


def transcript(block: str, folder: Path) -> str:
    """A console block with every command run again, in order, in one folder."""
    return "".join(_shown(command, said(command, folder)) for command in commands(block))


def _shown(command: str, output: str) -> str:
    typed = command.replace("\n", "\n> ")
    return f"$ {typed}\n{output}\n" if output else f"$ {typed}\n"


def steady(text: str) -> str:
    """A transcript without what differs from run to run: seconds."""
    return SECONDS.sub(r"N\1", text)


def readme(text: str, folder: Path) -> str:
    """README.md with all its console blocks run again; they share a folder, as a reader's do."""
    return BLOCK.sub(lambda found: f"```console\n{transcript(found[1], folder)}```", text)


def coloured(command: str, folder: Path) -> str:
    """What a command prints on a real terminal, with its escape sequences."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(["bash", "-c", command], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
                               env=environment() | {"TERM": "xterm-256color", "COLUMNS": str(PICTURE_COLUMNS)})
    os.close(theirs)
    data = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux ends a terminal whose last writer has left with EIO
            chunk = b""
        if not chunk:
            break
        data += chunk
    os.close(ours)
    process.wait()
    return data.decode("utf-8", "replace").replace("\r\n", "\n").replace(str(folder), "~")


def picture(folder: Path) -> str:
    """An SVG of PICTURED as a terminal shows it. Fonts are the reader's own: nothing is fetched."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True,
                      color_system="truecolor")
    for command in PICTURED:
        console.print(Text.assemble(("$ ", "green"), (command, "bold")))
        console.print(Text.from_ansi(coloured(command, folder)))
    svg = console.export_svg(title="synth", unique_id="synth")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def notebook(path: Path, folder: Path) -> str:
    """A notebook with its cells run again in a folder that holds the dataset `plots`."""
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(path, as_version=4)
    NotebookClient(book, timeout=120, kernel_name="python3", record_timing=False).execute(cwd=str(folder))
    book.metadata.language_info = {"name": "python"}
    return str(nbformat.writes(book)) + "\n"


def main() -> None:
    """Writes all of it."""
    (ROOT / "docs" / "recipe.schema.json").write_text(schema(), encoding="utf-8")
    page = ROOT / "README.md"
    with tempfile.TemporaryDirectory() as folder:
        page.write_text(readme(page.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
        book = ROOT / "docs" / "inspect.ipynb"
        book.write_text(notebook(book, Path(folder)), encoding="utf-8")
        (ROOT / "docs" / "run.svg").write_text(picture(Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
