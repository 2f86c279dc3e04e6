"""`synth doctor`: what works on this machine, in one screen."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from pipeline.commands import _console as console
from pipeline.commands._options import json_option
from pipeline.doctor import Check, checks

STYLES = {"ok": "good", "gap": "warn", "fail": "bad"}
BROKEN = 1


@click.command("doctor")
@click.option("--model", metavar="PROVIDER:MODEL", help="Look at what this model would need.")
@click.option("--base-url", metavar="URL", help="Where an OpenAI-compatible server answers.")
@click.option("--key-env", metavar="VARIABLE", help="Environment variable that holds the key.")
@click.option("--datasets", type=click.Path(path_type=Path), metavar="DIR", help="Folder that holds the datasets.")
@click.option("--online", is_flag=True, help="Ask the hosts for their models; nobody is contacted without it.")
@json_option
@click.pass_context
def command(context: click.Context, /, online: bool, json_: bool, **flags: str | Path | None) -> None:
    """Says what works on this machine, and the line that cures each gap.

    Exits with 1 where something is broken; a gap is only something that is not there.
    """
    found = checks(Path.cwd(), os.environ, flags, online=online, screen=sys.stdout)
    if json_:
        console.as_json([check._asdict() for check in found])
    else:
        _show(found)
    if any(check.state == "fail" for check in found):
        context.exit(BROKEN)


def _show(found: list[Check]) -> None:
    width = max(len(check.name) for check in found)
    for check in found:
        console.listed(f"{check.state:<4}  {check.name}", check.what, width + 8, STYLES[check.state])
        for line in check.cure.splitlines() if check.state != "ok" else []:
            console.out(f"{'':{width + 8}}{console.styled(line, 'bold')}")
    console.say()
    broken = [check for check in found if check.state == "fail"]
    if broken:
        console.fact("fault", ", ".join(check.name for check in broken))
    else:
        gaps = sum(check.state == "gap" for check in found)
        told = f"; {console.plural(gaps, 'gap')}, each with its cure, none in the way of a rehearsal" if gaps else ""
        console.fact("works", f"everything that synth needs{told}")
    console.next_command("synth run plots", "a demo in a minute, offline")
