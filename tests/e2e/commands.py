"""`synth` as a process forked from one that has its modules loaded: run as a module, it serves tests.nursery."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import Any

from tests.nursery import serve

LOADED = ("openai", "httpx2", "jinja2", "jsonlines", "numpy", "pydantic", "rich.console", "rich.table", "yaml")
"""What most commands import; whatever else one needs it imports itself, as ever."""
FAMILIES = ("commands", "providers", "rules", "formats", "backends", "engine", "store", "read", "hosts", "generate",
            "curate", "export", "ingest", "starters")


def load() -> None:
    """Imports what commands import; nothing is called, and no thread is started."""
    for name in LOADED:
        importlib.import_module(name)
    for family in FAMILIES:
        package = importlib.import_module(f"pipeline.{family}")
        for module in pkgutil.iter_modules(package.__path__, f"pipeline.{family}."):
            importlib.import_module(module.name)


def run(request: Any) -> None:
    """What the console script does, in a process of its own; the exit code goes to descriptor 3."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["synth", *request["args"]]
    from pipeline.commands import main

    code: Any = 1
    try:
        code = main()
    except SystemExit as stop:
        code = stop.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(3, b"%d" % (code or 0))


if __name__ == "__main__":
    from tests.e2e.conftest import GUARD

    exec(GUARD)
    load()
    serve(run)
