"""What people see: data on stdout, talk on stderr, tables that fit, and the next command.

Nothing here reads markup, so a text with brackets in it prints as it is. Control characters of a
model's answer are made visible, since a terminal would obey them. Colours follow click: none where
the stream is no terminal or NO_COLOR is set.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import click

from pipeline.words import causes as causes
from pipeline.words import duration as duration
from pipeline.words import money as money
from pipeline.words import number as number
from pipeline.words import percent as percent
from pipeline.words import plural as plural
from pipeline.words import price as price
from pipeline.words import shown as shown
from pipeline.words import size as size

_STYLES: dict[str, dict[str, Any]] = {
    "": {}, "bold": {"bold": True}, "dim": {"dim": True}, "good": {"fg": "green"}, "bad": {"fg": "red"},
    "warn": {"fg": "yellow"}, "name": {"fg": "cyan"},
    "trained": {"fg": "green", "bold": True}, "trained2": {"fg": "green"}, "stop": {"fg": "green", "reverse": True},
    "read": {}, "read2": {"dim": True}, "control": {"fg": "cyan"},
}
COMMANDS = ("synth ", "pip ", "python ", "export ", "iconv ", "ulimit ", "rm ", "sed ", "ls ", "hf ", "file ")
"""How lines begin that are to be typed."""
_GAP = re.compile(r" {3,}(?=[^ #-])")
_ID = re.compile(r"\b[a-z2-7]{26}\b")
TOLD = "synth.told"
"""Where click's context holds the function that completes a command."""
NARROW, WIDE = 60, 160
"""A table is laid out in at least and at most so many columns of a terminal."""


def colour(error: bool = False) -> bool:
    """True where a stream shows colours: a terminal, and NO_COLOR is not set."""
    stream = sys.stderr if error else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def talks_to_a_terminal() -> bool:
    """True where stderr is a terminal that can redraw."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def terminal() -> bool:
    """True where a person can answer a question and watch a panel."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def screen() -> bool:
    """True where stdout is a terminal: lines are cut to its width. In a pipe nothing is."""
    return sys.stdout.isatty()


def width() -> int:
    """Columns of the terminal; 100 where there is none."""
    return min(WIDE, max(NARROW, shutil.get_terminal_size((100, 24)).columns))


def one_line(text: str, limit: int = 60) -> str:
    """The beginning of a text on one line, at most `limit` columns of a terminal wide."""
    from rich.cells import cell_len, set_cell_size

    flat = shown(" ".join(text.split()))
    return flat if cell_len(flat) <= limit else set_cell_size(flat, limit - 1).rstrip() + "…"


def plain(value: Any) -> str:
    """A value on one line: a text as it is, all else as JSON."""
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def short_ids(text: str) -> str:
    """A text with the ids in it cut to eight letters, by which `inspect` finds them."""
    return _ID.sub(lambda found: found[0][:8], text)


def styled(text: str, style: str = "", *, error: bool = False) -> str:
    """A text in one of our styles (bold dim good bad warn name), plain where colours are not shown."""
    return click.style(text, **_STYLES[style]) if style and text and colour(error) else text


def out(text: str = "", style: str = "") -> None:
    """A line of data, on stdout."""
    click.echo(styled(text, style), color=colour() or None)


def say(text: str = "", style: str = "") -> None:
    """A line of talk, on stderr."""
    click.echo(styled(commented(text), style, error=True), err=True)


def commented(line: str) -> str:
    """A line with a command and what it does, three spaces apart, as it can be pasted: `synth status   # its state`."""
    if not line.startswith(COMMANDS):
        return line
    for gap in _GAP.finditer(line):
        command = line[:gap.start()]
        if "   #" in command:
            break
        try:
            shlex.split(command)
        except ValueError:  # within quotes
            continue
        return f"{line[:gap.end()]}# {line[gap.end():]}"
    return line


def fact(label: str, text: str, style: str = "") -> None:
    """A line of talk with a label before it, in one column over all verbs: `wrote  datasets/plots`."""
    room = width() - 7 if sys.stderr.isatty() else 0
    first, *rest = [part for line in text.split("\n") for part in wrapped(commented(line), room)]
    say(f"{styled(f'{label:<6}', 'dim', error=True)} {styled(first, style, error=True)}")
    for line in rest:
        say(f"{'':<6} {line}", style)


def wrapped(text: str, room: int) -> list[str]:
    """A text in lines of at most `room` columns, cut at spaces; one line where `room` is 0."""
    if not room or len(text) <= room:
        return [text]
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [text]


def listed(name: str, text: str, before: int, style: str = "name") -> None:
    """A name and what it is, on stdout: `text` begins in column `before` on all its lines."""
    first, *rest = wrapped(shown(text), width() - before if screen() else 0)
    out(f"{styled(name, style)}{' ' * (before - len(name))}{first}")
    for line in rest:
        out(f"{'':{before}}{line}")


def block(rows: Iterable[tuple[str, Any]], indent: int = 2) -> None:
    """Names and what they are, on stdout, in two columns."""
    known = [(name, value if isinstance(value, str) else number(value)) for name, value in rows]
    before = indent + 2 + max((len(name) for name, _ in known), default=0)
    for name, text in known:
        listed(f"{'':{indent}}{name}", text, before, "dim")


def warn(text: str) -> None:
    """A line that wants attention, on stderr."""
    fact("note", text, "warn")


def wrote(*paths: Path | str) -> None:
    """Names what a command wrote, a line each, as seen from here."""
    for path in paths:
        fact("wrote", near(path))


def next_command(text: str, why: str = "") -> None:
    """The one command to type next, the last line of every verb, with the options that were typed (`Target.told`)."""
    context = click.get_current_context(silent=True)
    text = context.meta.get(TOLD, str)(text) if context else text
    comment = styled(f"   # {why}", "dim", error=True) if why else ""
    say(f"{styled('next  ', 'dim', error=True)} {styled(text, 'bold', error=True)}{comment}")


def near(path: Path | str) -> str:
    """A path as seen from here: relative where it is below, absolute elsewhere."""
    given = Path(path)
    try:
        return str(given.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(given)


def as_json(value: Any) -> None:
    """One JSON document on stdout: compact and on one line in a pipe, indented on a terminal."""
    import orjson

    layout = orjson.OPT_INDENT_2 if screen() else 0
    try:
        data = orjson.dumps(value, default=_plain, option=layout)
    except TypeError:  # a lone surrogate, which UTF-8 cannot hold
        import json

        data = json.dumps(value, default=_plain).encode("ascii")
    out(data.decode("utf-8"))


def _plain(value: Any) -> Any:
    """Paths, sets, NamedTuples and dataclasses as JSON has them."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    raise TypeError(f"{type(value).__name__} is no JSON")


def confirmed(question: str) -> bool:
    """A question on a terminal, answered with no by Enter. Ask only where `terminal()` is true."""
    return click.confirm(question, default=False, err=True)


def table(
    rows: Iterable[Sequence[Any]], columns: Sequence[str], *, right: Sequence[str] = (), wide: str = "",
    spare: Sequence[str] = (), indent: int = 0,
) -> list[str]:
    """A table as lines.

    On a terminal the lines fit its width: the column `wide` gives way first, down to 16; then those of `spare` are
    left out, one by one; then the widest ones give way.
    In a pipe nothing is cut. Cells are cut to one line; None is an empty cell.

    Args:
        rows: values by column.
        columns: headers; no header line where all are blank.
        right: headers of columns that are aligned to the right, as numbers are.
        wide: header of the column that gives way first.
        spare: headers of columns that can be done without.
        indent: columns left free at the left.
    """
    from rich.cells import cell_len

    cells = [[_cell(value) for value in row] for row in rows]
    lengths = [max([cell_len(header), *(cell_len(row[i]) for row in cells)]) for i, header in enumerate(columns)]
    if screen():
        for name in spare:
            index, shorter = list(columns).index(name), max(0, lengths[list(columns).index(wide)] - 16) if wide else 0
            if sum(lengths) + 2 * (len(columns) - 1) + indent - shorter > width():
                columns = [*columns[:index], *columns[index + 1:]]
                lengths, cells = _without(lengths, index), [_without(row, index) for row in cells]
        _fit(lengths, list(columns).index(wide) if wide else None, width() - indent - 2 * (len(columns) - 1))
    lines = [_line(row, lengths, columns, right, indent) for row in cells]
    if any(header.strip() for header in columns):
        lines.insert(0, styled(_line(list(columns), lengths, columns, right, indent), "dim"))
    return lines


def _without(row: list[Any], index: int) -> list[Any]:
    return [*row[:index], *row[index + 1:]]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return shown(" ".join(str(value).split())) if isinstance(value, str) else number(value)


def _fit(lengths: list[int], wide: int | None, room: int) -> None:
    """Shortens columns in place until they fit: the wide one down to 16, then the longest."""
    if wide is not None and sum(lengths) > room:
        lengths[wide] = max(16, lengths[wide] - (sum(lengths) - room))
    while sum(lengths) > room and max(lengths) > 8:
        lengths[lengths.index(max(lengths))] -= 1


def _line(row: Sequence[str], lengths: list[int], columns: Sequence[str], right: Sequence[str], indent: int) -> str:
    from rich.cells import cell_len

    parts = []
    for text, length, header in zip(row, lengths, columns, strict=True):
        fitting = text if cell_len(text) <= length else one_line(text, length)
        space = " " * (length - cell_len(fitting))
        parts.append(space + fitting if header in right else fitting + space)
    return (" " * indent + "  ".join(parts)).rstrip()


def pairs(values: Mapping[str, Any]) -> str:
    """A cell on one line: `genre=horror, place=Egypt`."""
    return ", ".join(f"{key}={shown(str(value))}" for key, value in values.items())
