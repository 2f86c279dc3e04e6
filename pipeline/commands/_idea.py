"""`synth init NAME --idea TEXT`: the grid that a model proposes, shown and edited before anything else is paid."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.commands import _console as console
from pipeline.commands import _questions
from pipeline.commands._options import Target
from pipeline.errors import RecipeError, did_you_mean
from pipeline.hosts import REHEARSAL

if TYPE_CHECKING:
    from pipeline.starters import Proposal

_EDIT = re.compile(r"\s*([A-Za-z_]\w*)\s*:\s*(.*)")
_SIGNED = re.compile(r"(?:^|[,;])\s*(?=[+-])")
"""Where a part begins that has a sign of its own: a `-` within a word, as in e-mail, is none."""
WORD_LISTS = "the values come from word lists that synth ships: no model has thought about your idea"


def begin(target: Target, cwd: Path, idea: str, *, edit: bool, yes: bool) -> None:
    """Asks for a grid, shows it, lets a person change it, and writes NAME.yaml."""
    from pipeline.starters import free_name, idea_question, recipe_text, write_proposed
    from pipeline.writers import writer_named

    name = free_name(target.name, cwd)  # nothing is paid for what could not be written
    if edit and not console.terminal():
        raise RecipeError("--edit opens an editor, and there is no terminal", f"leave it out, and edit {name}.yaml")
    asked = idea_question(idea, name)
    writer = writer_named(target.settings.model or REHEARSAL, target.settings, os.environ)
    again = f"synth init {name} --idea {shlex.quote(idea)}"
    (proposal,) = _questions.answers(target, writer, [asked], yes, again)
    if writer.provider.rehearsal:
        console.warn(WORD_LISTS)
    for note in proposal.notes:
        console.fact("", console.shown(note.replace("NAME", name)), "dim")
    _show(proposal)
    if console.terminal() and not edit:
        proposal = _edited(proposal)
    text = recipe_text(name, idea, f"{writer.provider.namespace}:{writer.model}".removesuffix(":rehearsal"), proposal)
    path = write_proposed(name, cwd, text)
    if edit:
        click.edit(filename=str(path))
        _again(path)
    console.say()
    console.wrote(path)
    console.say(f"       nothing else was asked for: edit {console.near(path)}, then plan", "dim")
    console.next_command(f"synth plan {name}")


def _show(proposal: Proposal) -> None:
    """The axes with their values, and the prompts."""
    console.out()
    before = 2 + max(map(len, (*proposal.axes, "prompt"))) + 2
    for axis, values in proposal.axes.items():
        _line(axis, values, before)
    console.out()
    for key, text in (("prompt", proposal.prompt), ("train", proposal.train)):
        console.listed(f"  {key}", " ".join(text.split()), before, "dim")
    sizes = " x ".join(str(len(values)) for values in proposal.axes.values())
    console.out()
    console.listed("  grid", f"{sizes} = {proposal.cells:,} combinations", before, "dim")


def _line(axis: str, values: Sequence[object], before: int) -> None:
    console.listed(f"  {axis}", ", ".join(map(str, values)), before)


def _edited(proposal: Proposal) -> Proposal:
    """The proposal as a person leaves it."""
    from pipeline.starters import changed

    axis = next(iter(proposal.axes))
    console.say()
    console.say(f"take values out and add others, as  {axis}: -{proposal.axes[axis][0]}, +another", "dim")
    while line := _typed():
        try:
            axis, added, removed = edits_of(line, proposal)
            proposal = changed(proposal, axis, added, removed)
        except RecipeError as error:
            console.fact("error", "\n".join(filter(None, (error.message, error.hint))), "bad")
            continue
        _line(axis, list(proposal.axes[axis]), 2 + len(axis) + 2)
    return proposal


def _typed() -> str:
    """A line; empty where Enter keeps the grid."""
    try:
        return str(click.prompt("Enter keeps it", default="", show_default=False, err=True)).strip()
    except click.Abort:
        console.say()
        console.warn("nothing was written; the answer is kept, and the same command shows it again for nothing")
        raise


def edits_of(line: str, proposal: Proposal) -> tuple[str, list[str], list[str]]:
    """`place: -Egypt, +Peru, Chile` as an axis, values to add, values to take out; a sign holds until the next one.

    Raises:
        RecipeError: another form, an axis or a value that is not there.
    """
    form = f"as  {next(iter(proposal.axes))}: -a value, +another"
    found = _EDIT.fullmatch(line)
    if found is None:
        raise RecipeError("not understood", form)
    axis, rest = found.groups()
    if axis not in proposal.axes:
        raise RecipeError(f"there is no axis '{axis}'", did_you_mean(axis, proposal.axes))
    there = {str(value).casefold(): str(value) for value in proposal.axes[axis]}
    added: list[str] = []
    removed: list[str] = []
    for part in filter(None, (part.strip() for part in _SIGNED.split(rest))):
        sign, text = part[0], part[1:].strip()
        if sign not in "+-":
            raise RecipeError(f"'{part}' begins with neither + nor -", form)
        values = [text] if text.casefold() in there else [value for each in text.split(",") if (value := each.strip())]
        for value in values:
            if sign == "-" and value.casefold() not in there:
                raise RecipeError(f"{axis} has no '{value}'", did_you_mean(value, there.values()))
            (removed if sign == "-" else added).append(there.get(value.casefold(), value) if sign == "-" else value)
    return axis, added, removed


def _again(path: Path) -> None:
    """Reads what a person left in the file, so that a slip shows now and not at the next command."""
    from pipeline.grid.axes import load_axes
    from pipeline.grid.check import check_templates
    from pipeline.recipe import load_recipe

    recipe = load_recipe(path)
    check_templates(recipe, load_axes(recipe), [])
