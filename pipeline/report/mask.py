"""A row or two as they are trained on: every token, and whether the loss is over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import formats, masks
from pipeline.errors import SynthError
from pipeline.recipe import Recipe
from pipeline.render.mask import Mask, Token
from pipeline.tokens import vocabulary_of
from pipeline.words import number, plural, shown

from ._text import brief
from .gather import chosen

if TYPE_CHECKING:
    from pipeline.store import Dataset

    from .material import Finetune, Material

ROWS = 2
HEAD, TAIL = 150, 45
"""Tokens of a row that are shown: its beginning, and its end, where the stop token stands."""
LONGEST = 120
"""Characters of a token that are shown: a word may be a book."""
ADAPTER = "adapter"
HOSTED = "openai-chat"


class Piece(NamedTuple):
    """A token on the page: its text, and how it looks (see page.css)."""

    text: str
    kind: str


class Run(NamedTuple):
    """Tokens that are all trained, or all only read; or none, where `left` says what is left out."""

    trained: bool
    pieces: list[Piece]
    left: str = ""


class Masked(NamedTuple):
    """A row: its runs, and what is counted of them."""

    runs: list[Run]
    said: str
    command: str


class Masks(NamedTuple):
    """The part of the section."""

    lead: str
    rows: list[Masked]


def view_of(
    dataset: Dataset, recipe: Recipe | None, exports: Sequence[dict[str, Any]], finetunes: Sequence[Finetune]
) -> masks.View | None:
    """Who trains the rows: the last model that was tuned, else who reads what was exported; None where none was.

    A page is written whatever is installed: where a tokenizer cannot be opened, words stand for tokens.
    """
    if not exports:
        return None
    tuned = next((one.told for one in reversed(finetunes) if one.state == "succeeded"), None)
    if tuned is not None and tuned.get("backend") != "lora":
        base = str(tuned.get("base"))
        return masks.of_format(formats.find(HOSTED), vocabulary_of(base), brief(base))
    if tuned is not None:
        folder = dataset.path / "finetunes" / str(tuned.get("id")) / ADAPTER
        settings = tuned.get("settings")
        full = isinstance(settings, dict) and bool(settings.get("full_loss"))
        try:
            if folder.is_dir():
                return masks.of_adapter(folder, brief(tuned.get("base")), full)
        except Exception:  # of the tokenizer's library, or that it is not installed: words do
            pass
    return _exported(recipe, exports)


def _exported(recipe: Recipe | None, exports: Sequence[dict[str, Any]]) -> masks.View | None:
    """Who reads the files: a format that renders text, where there is one."""
    found = []
    for told in exports:
        try:
            found.append(formats.written_as(told, recipe.export.formats if recipe else ()))
        except SynthError:  # a format of somebody's own, or a folder that is gone
            continue
    found.sort(key=lambda each: each.rendering() is None)
    return masks.of_format(found[0]) if found else None


def masked(material: Material) -> Masks | None:
    """The part; None where nothing was exported, or no row can be shown."""
    if material.view is None:
        return None
    rows = list(_rows(material, material.view))
    if not rows:
        return None
    note = material.view.note.split("\n")[0]
    return Masks(f"As seen by {material.view.by}.{f' {note[:1].upper()}{note[1:]}.' if note else ''}", rows)


def _rows(material: Material, view: masks.View) -> Iterator[Masked]:
    """The first rows of those that are shown as kept."""
    for row in list(chosen(material.rows, "kept", 2 * ROWS))[:ROWS]:
        try:
            mask = view.mask(row.sample.example())
        except SynthError:  # who trains it would refuse it, and `export` said so
            continue
        yield Masked(list(_runs(mask)), _said(mask), f"synth inspect {material.typed} --mask {row.sample.id[:8]}")


def _said(mask: Mask) -> str:
    what = "token" if mask.exact else "word"
    said = f"{number(mask.trained)} of {plural(mask.size, what)} trained"
    stop = mask.stop_trained
    return said if stop is None else f"{said}, the stop token {'with them' if stop else 'not'}"


def _runs(mask: Mask) -> Iterator[Run]:
    """A row's beginning and end, in runs."""
    tokens, left = mask.tokens, len(mask.tokens) - HEAD - TAIL
    if left <= HEAD // 4:
        yield from _grouped(tokens)
        return
    yield from _grouped(tokens[:HEAD])
    yield Run(False, [], f"{number(left)} more")
    yield from _grouped(tokens[-TAIL:])


def _grouped(tokens: list[Token]) -> Iterator[Run]:
    for trained, run in groupby(tokens, key=lambda token: token.trained):
        pieces = [token for token in run if token.text]
        yield Run(trained, [
            Piece(_short(shown(token.text)), _kind(token, place))
            for place, token in enumerate(pieces)])


def _kind(token: Token, place: int) -> str:
    return "control" if token.special or token.heading else "odd" if place % 2 else "even"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
