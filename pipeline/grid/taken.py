"""The columns that a template takes of each row of a list, found in its text: before a row lacks one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from jinja2 import nodes

from .sandbox import sandbox
from .template import printed

_ASKING = ("default", "d", "defined", "undefined")
_ONE = ("first", "last")
_NAMED_FIRST = ("selectattr", "rejectattr", "groupby")
_SAME_ROWS = ("list", "reverse", "sort", "selectattr", "rejectattr", "unique")
"""Filters whose result holds rows of what they are given."""


class Taken(NamedTuple):
    """A column that a template takes of a row.

    Attributes:
        name: of the column.
        line: 1-based line of the template.
        optional: whether it asks first (`default`, `is defined`).
        printed: whether it writes the value out as it is, so that null cannot stand for it.
    """

    name: str
    line: int
    optional: bool = False
    printed: bool = False


def taken(text: str, rows: str) -> list[Taken]:
    """What a template takes of each row of a list.

    Understood: loops over the list, over parts of it and over what filters as `reverse` leave; `rows[0]` and
    `rows|first`; names that are set to these; filters that name an attribute. What is taken by other ways shows when
    the template is filled.

    Args:
        text: a template without faults.
        rows: the name of the list.
    """
    tree = sandbox().parse(text)
    asking: Any = tree.find_all((nodes.Filter, nodes.Test))
    optional = {id(node.node) for node in asking if node.name in _ASKING}
    written = {id(node) for node in printed(tree)}
    found = [Taken(name, node.lineno, id(node) in optional, id(node) in written)
             for node, name in (*_of_one(tree, rows), *_by_filters(tree, rows))]
    return list(dict.fromkeys(found))


def _of_one(tree: nodes.Template, rows: str) -> Iterator[tuple[nodes.Node, str]]:
    """Parts of a row: `row.ask` in a loop or where `row` is set to one, `rows[0].ask`."""
    loops: Any = tree.find_all(nodes.For)
    for loop in loops:
        if isinstance(loop.target, nodes.Name) and _is_rows(loop.iter, rows):
            for inside in (*loop.body, *loop.else_, *([loop.test] if loop.test else [])):
                yield from _parts(inside, {loop.target.name}, rows)
    sets: Any = tree.find_all(nodes.Assign)
    held = {each.target.name for each in sets if isinstance(each.target, nodes.Name) and _is_row(each.node, rows)}
    yield from _parts(tree, held, rows)


def _parts(tree: nodes.Node, held: set[str], rows: str) -> Iterator[tuple[nodes.Node, str]]:
    """Constant parts of the names that hold a row, and of rows themselves."""
    parts: Any = [tree, *tree.find_all((nodes.Getattr, nodes.Getitem))]
    for node in parts:
        if not isinstance(node, nodes.Getattr | nodes.Getitem):
            continue
        name = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
        of_row = (isinstance(node.node, nodes.Name) and node.node.name in held) or _is_row(node.node, rows)
        if of_row and isinstance(name, str) and not (isinstance(node, nodes.Getattr) and hasattr(dict, name)):
            yield node, name


def _is_rows(node: Any, rows: str) -> bool:
    if isinstance(node, nodes.Name):
        return bool(node.name == rows)
    if isinstance(node, nodes.Filter):
        return node.name in _SAME_ROWS and _is_rows(node.node, rows)
    return isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice) and _is_rows(node.node, rows)


def _is_row(node: Any, rows: str) -> bool:
    if isinstance(node, nodes.Getitem):
        return isinstance(getattr(node.arg, "value", None), int) and _is_rows(node.node, rows)
    return isinstance(node, nodes.Filter) and node.name in _ONE and _is_rows(node.node, rows)


def _by_filters(tree: nodes.Template, rows: str) -> Iterator[tuple[nodes.Node, str]]:
    """`rows|map(attribute='ask')`, `rows|join(', ', attribute='ask')`, `rows|selectattr('ask')`."""
    filters: Any = tree.find_all(nodes.Filter)
    for node in filters:
        if node.node is None or not _is_rows(node.node, rows):
            continue
        given = [word.value for word in node.kwargs if word.key == "attribute"]
        given += node.args[:1] if node.name in _NAMED_FIRST else []
        for value in given:
            if isinstance(getattr(value, "value", None), str):
                yield node, value.value.split(".")[0]
