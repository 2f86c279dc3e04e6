"""`synth inspect --mask`: a row token by token, what is trained of it and what is not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len

from pipeline import formats, masks
from pipeline.commands import _console as console
from pipeline.errors import RecipeError
from pipeline.render.mask import Mask, Token

if TYPE_CHECKING:
    from pipeline.commands._options import Target
    from pipeline.recipe import Recipe
    from pipeline.rows import Row
    from pipeline.store import Dataset

OPEN, CLOSE = "⟦", "⟧"
"""Around what is trained, where no colour says it."""
LINE = "⏎"
"""A line break of the text; a line of the screen that ends without one is only full."""
READ = ("openai-chat", "trl-prompt-completion")
"""Formats whose rows the trainer renders: their files are looked at as the recipe's tuning does."""


def show(target: Target, dataset: Dataset, row: Row, files: list[Path], wanted: str | None, as_json: bool) -> None:
    """Prints what of a row is trained.

    Args:
        target: whose recipe says who trains it.
        dataset: where the row is from.
        row: the row.
        files: the exported files that it was named by; none where it was named by its id.
        wanted: who reads it, as `check --for` has it; None for the file's format, else the recipe's tuning.
        as_json: a list of its tokens.

    Raises:
        DataError: who trains it refuses it, or a tokenizer cannot be read.
        RecipeError: nobody is called `wanted`.
    """
    view = _view(target, dataset, files, wanted)
    mask = view.mask(row.sample.example())
    if as_json:
        console.as_json([token._asdict() for token in mask.tokens])
        return
    coloured = console.colour()
    for line in _lines(mask.tokens, coloured):
        console.out(line)
    console.say()
    console.fact("row", f"{row.sample.id[:8]}, {row.state}")
    console.fact("for", view.by)
    _legend(mask, coloured)
    console.fact("mask", told(mask))
    if view.note:
        console.fact("note", view.note)
    console.next_command(f"synth inspect {target.name} {row.sample.id[:8]}", "all that is behind it")


def told(mask: Mask) -> str:
    """`trained 41 of 97 tokens; stop token <|end|> trained: yes`."""
    what = "token" if mask.exact else "word"
    said = f"trained {mask.trained:,} of {console.plural(mask.size, what)}"
    stop = mask.stop_trained
    if stop is None:
        return f"{said}; no stop token in it" if mask.rendered else said
    return f"{said}; stop token {' or '.join(sorted(mask.stops))} trained: {'yes' if stop else 'NO'}"


def _view(target: Target, dataset: Dataset, files: list[Path], wanted: str | None) -> masks.View:
    if wanted:
        from pipeline.export.check_target import target_of

        who = target_of(wanted, target.settings)
        return masks.of_format(who.format or formats.find(READ[0]), who.vocabulary, wanted)
    recipe = _recipe(target)
    if len(files) == 1 and files[0].resolve().parent.parent == dataset.exports.resolve():
        from pipeline.export.placing import manifest_in

        told = {"format": files[0].parent.name, **manifest_in(files[0].parent)}
        plugin = formats.written_as(told, recipe.export.formats if recipe else ())
        if plugin.name not in READ:
            return masks.of_format(plugin)
    return masks.of_recipe(recipe, target.settings, os.environ)


def _recipe(target: Target) -> Recipe | None:
    try:
        return target.recipe()
    except RecipeError:
        return None  # a dataset may stand without one


def _legend(mask: Mask, coloured: bool) -> None:
    what = "token" if mask.exact else "word"
    if not coloured:
        console.fact("key", f"{OPEN}trained{CLOSE}, all else is only read; {LINE} a line break; --json has each {what}")
        return
    control = [("trained stop token", "stop"), ("other control token", "control")]
    kinds = [("trained", "trained"), ("only read", "read"), *(control if mask.rendered else [("role", "control")])]
    console.fact("key", ", ".join(console.styled(words, style, error=True) for words, style in kinds)
                 + f"; {LINE} a line break")
    console.fact("", f"light and dark of a colour mean the same: they only show where the next {what} begins")


def _lines(tokens: list[Token], coloured: bool) -> Iterator[str]:
    """The rendering in lines, marked or coloured; on a terminal none is wider than it."""
    room, line, column, trained = (console.width() if console.screen() else 0), "", 0, False
    for number, token in enumerate(tokens):
        if token.heading:
            if number:
                yield line + (CLOSE if trained else "")
            yield console.styled(console.shown(token.text), "control")
            line, column, trained = "", 0, False
            continue
        if not coloured and token.trained != trained:
            line, column, trained = line + (OPEN if token.trained else CLOSE), column + 1, token.trained
        style = _style(token, number)
        for place, part in enumerate(token.text.split("\n")):
            if place:
                yield line + console.styled(LINE, style)
                line, column = "", 0
            said = console.shown(part)
            if room and column and said[:1] == " " and column + cell_len(said) + _rest(tokens, number) > room - 2:
                yield line + console.styled(" ", style)
                line, column, said = "", 0, said[1:]
            elif room and column and column + cell_len(said) > room - 2:
                yield line
                line, column = "", 0
            line, column = line + console.styled(said, style), column + cell_len(said)
    yield line + (CLOSE if trained else "")


def _rest(tokens: list[Token], number: int) -> int:
    """Columns of what follows a token up to the next space: the rest of its word."""
    width = 0
    for token in tokens[number + 1 : number + 21]:
        head = re.split(r"\s", token.text, maxsplit=1)[0]
        width += cell_len(console.shown(head))
        if head != token.text:
            break
    return width


def _style(token: Token, number: int) -> str:
    if token.special:
        return "stop" if token.trained else "control"
    shade = "" if number % 2 else "2"
    return f"{'trained' if token.trained else 'read'}{shade}"


