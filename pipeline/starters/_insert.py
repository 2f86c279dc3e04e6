"""Values put into a recipe's text: what stands there stays, to the byte, comments and layout too."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from pipeline._yaml import flow
from pipeline.errors import DataError
from pipeline.store.files import refusal, write_atomic
from pipeline.types import Scalar

ROOM = 118
"""Columns of a line within a list between brackets."""


class Put(NamedTuple):
    """A text that is put in at an index."""

    at: int
    text: str


class NotHere(Exception):
    """The list cannot be found in the text, or stands there for something else as well."""


def with_values(text: str, added: Mapping[str, Sequence[Scalar]], weights: Mapping[str, float], where: str) -> str:
    """A recipe's text with further values in its axes.

    Args:
        text: the YAML.
        added: axis -> values.
        weights: axis -> weight of each of them, for axes that have weights.
        where: the file, for errors.

    Raises:
        DataError: it cannot be done without changing something else.
    """
    puts: list[Put] = []
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        for axis, values in added.items():
            puts += _puts(text, root, axis, [flow(value) for value in values], weights.get(axis))
        after = text
        for put in sorted(puts, reverse=True):
            after = after[: put.at] + put.text + after[put.at :]
        sound = yaml.safe_load(after) == _wanted(yaml.safe_load(text), added, weights)
    except (NotHere, yaml.YAMLError):
        sound = False
    if not sound:
        raise DataError(f"{where}: its axes are written in a way that is not edited here; nothing was written",
                        "put the values above in by hand")
    return after


def in_lines(text: str, axis: str) -> bool:
    """Whether the values of an axis stand on lines of their own, `- one`."""
    try:
        node = _child(_child(yaml.compose(text, yaml.SafeLoader), "axes"), axis)
        node = _child(node, "values") if isinstance(node, yaml.MappingNode) else node
    except (NotHere, yaml.YAMLError):
        return False
    return isinstance(node, yaml.SequenceNode) and not node.flow_style


def _wanted(value: dict[str, object], added: Mapping[str, Sequence[Scalar]], weights: Mapping[str, float]) -> object:
    """What the text must say afterwards, and nothing else."""
    axes = dict(value["axes"])  # type: ignore[call-overload]
    for axis, values in added.items():
        if isinstance(axes[axis], list):
            axes[axis] = [*axes[axis], *values]
        else:
            axes[axis] = {**axes[axis], "values": [*axes[axis]["values"], *values]}
            if axis in weights:
                axes[axis]["weights"] = [*axes[axis]["weights"], *[weights[axis]] * len(values)]
    return {**value, "axes": axes}


def _puts(text: str, root: yaml.Node | None, axis: str, values: list[str], weight: float | None) -> list[Put]:
    node = _child(_child(root, "axes"), axis)
    if isinstance(node, yaml.SequenceNode):
        return [_put(text, node, values)]
    puts = [_put(text, _child(node, "values"), values)]
    if weight is not None:
        puts.append(_put(text, _child(node, "weights"), [str(weight)] * len(values)))
    return puts


def _child(node: yaml.Node | None, key: str) -> yaml.Node:
    """What stands under a key, where it stands there itself: an alias would change what it is an alias of."""
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if name.value == key:
            if value.start_mark.index < name.end_mark.index:
                raise NotHere
            return value  # type: ignore[no-any-return]
    raise NotHere


def _put(text: str, node: yaml.Node, values: list[str]) -> Put:
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise NotHere
    return _in_brackets(text, node, values) if node.flow_style else _in_lines(text, node, values)


def _in_brackets(text: str, node: yaml.SequenceNode, values: list[str]) -> Put:
    """Behind the last value; lines that grow too long go on below the first value."""
    last, first = node.value[-1], node.value[0]
    line_break = "\r\n" if "\r\n" in text else "\n"
    column, put = last.end_mark.column, ""
    for value in values:
        if column + len(value) + 3 > ROOM:
            put += f",{line_break}{' ' * first.start_mark.column}{value}"
            column = first.start_mark.column + len(value)
        else:
            put += f", {value}"
            column += len(value) + 2
    return Put(last.end_mark.index, put)


def _in_lines(text: str, node: yaml.SequenceNode, values: list[str]) -> Put:
    """Lines below that of the last value, behind the comment that it may have."""
    line_break = "\r\n" if "\r\n" in text else "\n"
    last = node.value[-1]
    head = " " * node.start_mark.column + "- "
    at = last.end_mark.index
    if last.end_mark.column == 0 and at > 0:  # a block of text ends where the next line begins
        return Put(at, "".join(f"{head}{value}{line_break}" for value in values))
    end = text.find("\n", at)
    if end < 0:
        return Put(len(text), "".join(f"{line_break}{head}{value}" for value in values))
    return Put(end + 1, "".join(f"{head}{value}{line_break}" for value in values))


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Replaces a person's text file by what `change` makes of it as it is now; its mode and its byte order mark stay.

    Raises:
        DataError: it cannot be read or written, or `change` says so; it stays as it was.
    """
    target = path.resolve()  # a link stays one
    try:
        data, mode = target.read_bytes(), target.stat().st_mode
        text = data.decode("utf-8")
    except OSError as error:
        raise refusal(path, error) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}; nothing was written") from None
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    write_atomic(target, (mark + change(text.removeprefix(mark))).encode("utf-8"))
    target.chmod(stat.S_IMODE(mode))


def with_lines(text: str, lines: Sequence[str]) -> str:
    """A list in a file, a value per line, with further ones."""
    line_break = "\r\n" if "\r\n" in text else "\n"
    head = text if text.endswith("\n") or not text else text + line_break
    return head + "".join(f"{line}{line_break}" for line in lines)
