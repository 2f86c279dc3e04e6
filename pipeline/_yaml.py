"""YAML with line numbers, duplicate keys refused."""

from __future__ import annotations

import re
from typing import Any

import yaml

from .errors import RecipeError

Lines = dict[tuple[str | int, ...], int | str]
"""Part of a recipe -> its line, 1-based; `--set a.b` of what that sets."""
MOST_PARTS = 200_000
"""Parts of a recipe: aliases of aliases could stand for billions."""
BRACES = 'put quotes around a text with braces: user: "A tale of a {{hero}}."'


class _Loader(yaml.SafeLoader):
    """YAML's own, but that a time of day stays a text: YAML 1.1 reads 14:00 as 840, by sixties."""


class _Dumper(yaml.SafeDumper):
    """YAML's own, without aliases, and with escapes where a text has several lines."""

    def ignore_aliases(self, data: Any) -> bool:
        """What stands twice is written twice."""
        return True

    def text(self, data: str) -> yaml.ScalarNode:
        """A text, on one line."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, '"' if "\n" in data else None)


_Dumper.add_representer(str, _Dumper.text)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, re.compile(f"(?![^:]*:){pattern.pattern}", pattern.flags) if tag.endswith((":int", ":float"))
             else pattern) for tag, pattern in found]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str, name: str) -> tuple[Any, Lines]:
    """A YAML document, and the line of every part of it (1-based).

    Raises:
        RecipeError: not YAML, a duplicate key, a key that is no text, or a tag other than YAML's own.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: Lines = {(): 1}
        if node is not None:
            _walk(node, (), lines, name)
        value = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RecipeError(f"{name}:{line}: not YAML: {error.problem}", _hint(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = error.character if isinstance(error.character, int) else ord(error.character)
        raise RecipeError(f"{name}:{line}: a character that YAML does not take: U+{character:04X}") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{name}: not YAML: {error}") from None
    except RecursionError:
        raise RecipeError(f"{name}: nested too deeply") from None
    finally:
        if loader is not None:
            loader.dispose()
    return value, lines


def _hint(error: yaml.MarkedYAMLError) -> str:
    if "mapping values" in str(error.problem):
        return "put quotes around a value that holds a colon"
    if "\\t" in str(error.problem) or "tab" in str(error.problem):
        return "indent with spaces, not tabs"
    if "got '?'" in str(error.problem):
        return "put quotes around a text with a question mark"
    if "or ']'" in str(error.problem):
        return "close the list with ], here or on a line above"
    if "'}'" in str(error.problem):
        return BRACES
    return ""


def _walk(node: yaml.Node, where: tuple[str | int, ...], lines: Lines, name: str) -> None:
    lines.setdefault(where, node.start_mark.line + 1)
    if len(lines) > MOST_PARTS:
        raise RecipeError(f"{name}: more than {MOST_PARTS:,} parts, aliases counted each time")
    if isinstance(node, yaml.MappingNode):
        seen: dict[Any, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise RecipeError(f"{name}:{line}: a key is a text, not a list or a mapping", BRACES)
            if key.value in seen:
                raise RecipeError(f"{name}:{line}: '{key.value}' stands twice", f"first on line {seen[key.value]}")
            seen[key.value] = line
            lines[(*where, key.value)] = line
            _walk(value, (*where, key.value), lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*where, index), lines, name)


def flow(value: Any) -> str:
    """A value on one line, in flow style: as it is read back within a list or a mapping."""
    text: str = yaml.dump([value], Dumper=_Dumper, default_flow_style=True, allow_unicode=True, sort_keys=False,
                          width=1_000_000)
    return text.strip()[1:-1]
