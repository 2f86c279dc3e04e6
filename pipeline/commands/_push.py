"""`synth export --push`: what goes where is said, a person agrees, and it is sent."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pipeline.commands import _console as console
from pipeline.errors import ProviderError, RecipeError

if TYPE_CHECKING:
    from pipeline.commands._options import Target
    from pipeline.export import Written
    from pipeline.export.push import Push, Pushed
    from pipeline.sections import Item

FILES_SHOWN = 8


class Wanted(NamedTuple):
    """What was typed: `repo` as OWNER/NAME, and `name` of what is exported."""

    name: str
    repo: str
    public: bool
    allow_rehearsal: bool
    yes: bool


def wanted_of(target: Target, given: dict[str, Any]) -> Wanted | None:
    """What was asked for; None where nothing is pushed.

    Raises:
        RecipeError: an option that means nothing without `--push`; nobody is here to be asked.
    """
    flags = {key: given.pop(key) for key in ("public", "allow_rehearsal", "yes")}
    repo = given.pop("repo")
    if repo is None:
        alone = next((key for key, on in flags.items() if on), None)
        if alone is not None:
            raise RecipeError(f"--{alone.replace('_', '-')} goes with --push", _command(target.name, "OWNER/NAME"))
        return None
    if not flags["yes"] and not console.terminal():
        raise RecipeError("--push publishes rows, and nobody is here to be asked",
                          "--yes   puts them there without a question")
    return Wanted(target.name, repo, **flags)


def refuse_several(wanted: Wanted | None, formats: Sequence[Item]) -> None:
    """Raises RecipeError where more than one format would be pushed to one place."""
    if wanted is None or len(formats) == 1:
        return
    names = [item.name for item in formats]
    raise RecipeError(f"--push puts one format there, and these are {len(names)}: {', '.join(names)}",
                      f"{_command(wanted.name, wanted.repo)} --format {names[0]}")


def refuse_early(wanted: Wanted | None) -> None:
    """Looks at what can be wrong with a push before any file is written.

    Args:
        wanted: see Wanted; None where nothing is pushed.

    Raises:
        RecipeError: no name for a repository.
        ProviderError: no token, or no address.
        MissingExtra: huggingface_hub is not installed.
    """
    if wanted is None:
        return
    from pipeline.export.push import ready, refuse_name

    refuse_name(wanted.repo, wanted.name)
    ready()


def refuse_rehearsed(wanted: Wanted | None) -> Callable[[int], None]:
    """What looks at the rows of an export before a file is written: it raises RowsRehearsed where rehearsed ones would
    go to a hub and nobody allowed that."""

    def look(rehearsed_rows: int) -> None:
        if wanted is not None and rehearsed_rows and not wanted.allow_rehearsal:
            from pipeline.export.push import rehearsed

            raise rehearsed(wanted.name, wanted.name)

    return look


def push(wanted: Wanted | None, require: Callable[[], None], written: Sequence[Written]) -> Pushed | None:
    """Says what goes where, asks, and sends; None where nothing is pushed.

    Args:
        wanted: see Wanted.
        require: raises where the export is no success; then nothing is sent.
        written: the one format.
    """
    if wanted is None:
        return None
    from pipeline.export.push import plan_push, send

    require()
    folder = written[0].folder
    with _kept(f"the files are in {console.near(folder)}; nothing was sent"):
        plan = plan_push(folder, wanted.repo, public=wanted.public, allow_rehearsal=wanted.allow_rehearsal,
                         name=wanted.name)
    _introduce(plan, wanted)
    if not wanted.yes and not console.confirmed("Put them there?"):
        console.say("nothing was sent")
        raise click.exceptions.Exit(1)
    with _kept(f"the files are in {console.near(folder)}; as far as is known here nothing of them stands there"):
        sent = send(plan)
    console.fact("sent", sent.url if sent.changed else f"nothing: {sent.url} has these very files already")
    return sent


@contextmanager
def _kept(told: str) -> Iterator[None]:
    """Says with an error of the hub what became of the files."""
    try:
        yield
    except ProviderError as error:
        raise ProviderError(f"{error.message}; {told}", error.hint) from None


def as_dict(sent: Pushed | None) -> dict[str, Any]:
    """What `--json` says of it; nothing where nothing was pushed."""
    return {} if sent is None else {"push": sent._asdict()}


def _introduce(plan: Push, wanted: Wanted) -> None:
    what = "a new dataset" if plan.remote.state == "new" else "a dataset that is there"
    console.fact("push", f"to {plan.url}, {what}, {'private' if plan.private else 'public: everybody sees it'}")
    names = list(plan.files)
    more = f" and {len(names) - FILES_SHOWN:,} more" if len(names) > FILES_SHOWN else ""
    console.fact("files", f"{', '.join(names[:FILES_SHOWN])}{more}: {console.size(plan.bytes)}")
    if plan.gone:
        console.fact("gone", f"{', '.join(plan.gone)} of an earlier push: taken away there")
    if wanted.public and plan.private:
        console.warn(f"it is private and stays so; the page of the dataset opens it to all: {plan.url}/settings")
    if not plan.private:
        console.warn("README.md shows the prompts, the recipe with its comments, and one row")
    for note in plan.notes:
        console.warn(note)


def _command(name: str, repo: str) -> str:
    return shlex.join(["synth", "export", name, "--push", repo])
