"""`synth models`: what was tuned, on which data, how, and how well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.commands._options import Target, json_option, target

if TYPE_CHECKING:
    from pipeline.store.finetunes import Finetune
    from pipeline.types import Problem

DIGEST = 8
"""Characters of a file's sha256 that are shown."""


@click.command("models")
@target(optional=True)
@json_option
def command(target: Target, json_: bool) -> None:
    """Lists tuned models: of one dataset with their settings, or of all.

    \b
    synth models
    synth models plots
    """
    from pipeline import status
    from pipeline.store.finetunes import finetunes

    paths = [target.dataset().path] if target.name else list(status.datasets(target.settings))
    problems: list[Problem] = []
    found = [(path, record) for path in paths for record in finetunes(path, problems.append)]
    for problem in problems:
        console.warn(f"{problem.message}\n{problem.fix}")
    if json_:
        console.as_json([as_dict(path, record) for path, record in found])
    elif found:
        _show(found, details=bool(target.name))
    else:
        console.say("no model was tuned yet")
    _next(found, target)


def _show(found: list[tuple[Path, Finetune]], *, details: bool) -> None:
    rows = [
        (path.name, record.id, record.backend, record.base, state_of(path, record), record.data["train"]["rows"],
         record.data["train"]["sha256"][:DIGEST], _moved(record, "train_loss"), _moved(record, "validation_loss"),
         record.created[:10])
        for path, record in found
    ]
    columns = ("dataset", "id", "by", "base", "state", "rows", "data", "train loss", "validation loss", "made")
    for line in console.table(rows, columns, right=("rows",), wide="base",
                              spare=("made", "data", "by", "train loss")):
        console.out(line)
    for _, record in found if details else ():
        console.out()
        console.out(record.id, "bold")
        console.block(_details(record))


def _details(record: Finetune) -> Iterator[tuple[str, Any]]:
    if record.model:
        yield "model", record.model
    chosen = {key: value for key, value in record.settings.items() if value not in (None, False, "", [], {})}
    yield "settings", console.pairs(chosen)
    if record.parameters:
        yield "parameters", f"{record.parameters['trainable']:,} of {record.parameters['total']:,} trained"
    known = {key: f"{value:.3f}" if isinstance(value, float) else value for key, value in record.metrics.items()
             if value is not None}
    if known:
        yield "metrics", console.pairs(known)
    yield "took", console.duration(record.seconds)
    if record.spent_usd or record.cost_usd is None:
        yield "cost", console.money(record.spent_usd) + (" at most" if record.cost_usd is None else "")
    for problem in record.problems:
        yield str(problem.get("severity")), f"{problem.get('where')}: {problem.get('message')}"


def _moved(record: Finetune, key: str) -> str:
    """`2.325 -> 0.283`: first and last."""
    first, last = record.metrics.get(f"first_{key}"), record.metrics.get(key)
    return f"{first:.3f} -> {last:.3f}" if first is not None and last is not None else ""


def state_of(path: Path, record: Finetune) -> str:
    """The state as it is now: one that nobody works on is stopped."""
    from pipeline.store.locks import holder

    if record.state != "running":
        return record.state
    if holder(path, f"finetune-{record.id}"):
        return "running"
    remote = record.remote or {}
    return f"{remote.get('status', 'running')} at {remote['host']}" if remote.get("job") else "stopped"


def as_dict(path: Path, record: Finetune) -> dict[str, Any]:
    """A model as `--json` prints it."""
    from pipeline.store.finetunes import folder_of

    return {"dataset": path.name, "folder": folder_of(path, record.id), **record.as_json(),
            "state": record.state, "now": state_of(path, record), "spent_usd": record.spent_usd}


def _next(found: list[tuple[Path, Finetune]], target: Target) -> None:
    done = [path.name for path, record in found if record.state == "succeeded"]
    if done:
        console.next_command(f"synth evaluate {done[-1]}", "the same prompts before and after")
    elif found:
        console.next_command(f"synth finetune {found[-1][0].name}", "goes on where it stopped")
    else:
        console.next_command(f"synth finetune {target.name or 'NAME'}")
