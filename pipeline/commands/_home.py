"""`synth` alone: three ways to begin, or where everything stands."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline import status
from pipeline.commands import _console as console
from pipeline.commands.status import known, overview, tell_broken
from pipeline.locate import shipped
from pipeline.settings import load_settings

BEGIN = (
    ("a demo in a minute, offline", "synth run plots"),
    ("from an idea", 'synth init NAME --idea "support tickets of a bank app"'),
    ("from a file of rows", "synth init NAME --from rows.csv"),
)


def names() -> list[str]:
    """What a NAME could be in the folder we stand in: recipes, datasets, else what is shipped."""
    settings = load_settings(Path.cwd(), os.environ)
    here = [*status.recipes(Path.cwd()), *(path.name for path in status.datasets(settings))]
    return list(dict.fromkeys(here)) or list(shipped())


def show() -> None:
    """Prints it for the folder we stand in."""
    cwd = Path.cwd()
    settings = load_settings(cwd, os.environ)
    found, broken = known(settings)
    there = {one.name for one in found} | {one.name for one in broken}
    waiting = [name for name in status.recipes(cwd) if name not in there]
    if not found and not broken and not waiting:
        console.out("From a grid of ideas to proven training files. Three ways to begin:")
        console.out()
        console.block(BEGIN)
        console.out()
        console.out("synth --help lists the verbs, synth doctor says what works on this machine.", "dim")
        return
    if found:
        overview(found)
    if waiting:
        console.out(f"recipes that were not run yet: {', '.join(waiting)}")
    console.say()
    tell_broken(broken)
    if found or waiting:
        console.next_command(found[0].next if found else f"synth plan {waiting[0]}")
