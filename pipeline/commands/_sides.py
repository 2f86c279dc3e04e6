"""Two answers to one prompt: in two columns where the terminal is wide enough, else one under the other."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.commands import _console as console

SIDE_BY_SIDE = 72
"""Columns of a terminal from which on two answers stand beside each other."""
GAP = "  │  "


class Side(NamedTuple):
    """An answer as it is shown.

    Attributes:
        title: who answered.
        note: how long it is and how it ended.
        text: the answer.
    """

    title: str
    note: str
    text: str


def note(tokens: int | None, stopped: bool | None) -> str:
    """`212 tokens, ended by itself`."""
    parts = [console.plural(tokens, "token")] if tokens is not None else []
    if stopped is not None:
        parts.append("ended by itself" if stopped else "cut at the limit")
    return ", ".join(parts)


def show(left: Side, right: Side, most: int | None = None) -> None:
    """Prints two answers on stdout; on a terminal at most so many lines of each."""
    if console.screen() and shutil.get_terminal_size().columns >= SIDE_BY_SIDE:
        _beside(left, right, most)
    else:
        for side in (left, right):
            _under(side, most)


def _cut(lines: list[str], most: int | None) -> list[str]:
    """The first lines, with a word on how many there are more."""
    if most is None or len(lines) <= most or not console.screen():
        return lines
    return [*lines[: most - 1], f"... {console.plural(len(lines) - most + 1, 'more line')}"]


def _under(side: Side, most: int | None) -> None:
    heading = f"{side.title}   {side.note}".rstrip()
    console.out(heading, "bold")
    room = min(console.width(), shutil.get_terminal_size().columns) - 2 if console.screen() else 0
    for line in _cut(lines_of(side.text, room and max(10, room)), most):
        console.out(f"  {line}".rstrip())
    console.out()


def _beside(left: Side, right: Side, most: int | None) -> None:
    room = (console.width() - len(GAP)) // 2
    bar = console.styled(GAP, "dim")
    for style, first, second in (("bold", left.title, right.title), ("dim", left.note, right.note)):
        console.out(f"{_padded(console.one_line(first, room), room, style)}{bar}"
                    f"{console.styled(console.one_line(second, room), style)}")
    rows = zip_lines(*(_cut(lines_of(side.text, room), most) for side in (left, right)))
    for one, other in rows:
        console.out(f"{_padded(one, room)}{bar}{other}".rstrip())
    console.out()


def _padded(text: str, room: int, style: str = "") -> str:
    from rich.cells import cell_len

    return console.styled(text, style) + " " * max(0, room - cell_len(text))


def zip_lines(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    """Lines in pairs, the shorter side filled up with empty ones."""
    count = max(len(left), len(right))
    return [(left[i] if i < len(left) else "", right[i] if i < len(right) else "") for i in range(count)]


def lines_of(text: str, room: int) -> list[str]:
    """A text in lines of at most `room` columns of a terminal; its own lines where `room` is 0.

    Words that are wider than that are cut; characters that take two columns count as two.
    """
    if not text.strip():
        return ["(nothing)"]
    own = console.shown(text).strip("\n").expandtabs(4).split("\n")
    return [part for line in own for part in (_wrapped(line, room) if room else [line])]


def _wrapped(line: str, room: int) -> list[str]:
    import io

    from rich.console import Console
    from rich.text import Text

    wrapped = Text(line).wrap(Console(file=io.StringIO(), width=room), room)
    return [part.plain.rstrip() for part in wrapped] or [""]
