"""Formats: how an Example becomes a line of a training file, and how a line is read back.

A format is one file here that ends in `plugin: type[Format] = ...`. It fills in `values` (Example to
the line's JSON object), `read` (the way back), `recognises` and `problems`; the base does the rest.
What a format cannot hold it refuses, row by row, with a FormatRefusal: nothing is lost in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ..types import Example, Message, Problem


class FormatRefusal(Exception):  # noqa: N818 - a refusal of one row, which becomes a record, not an error of ours
    """A format cannot hold this row, or cannot read this object.

    Args:
        code: stable, kebab-case, as `holds-no-system`.
        message: what is wrong with the row.
        fix: what to do about it.
        others: further problems of the same row, so that none hides another.
    """

    def __init__(self, code: str, message: str, fix: str = "", others: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.others = tuple(others)

    def problems(self, where: str) -> list[Problem]:
        """The refusal as records, the first one first."""
        return [Problem("error", self.code, where, self.message, self.fix), *self.others]


class Format:
    """One way to write training rows.

    Attributes:
        name: the plug-in's printed name.
        suffix: of the files it writes.
        rank: `recognise` asks formats in this order, lowest first.
    """

    name: ClassVar[str]
    suffix: ClassVar[str] = ".jsonl"
    rank: ClassVar[int] = 50

    def values(self, example: Example) -> dict[str, Any]:
        """The JSON object of a line, keys in the order in which they are written.

        Raises:
            FormatRefusal: the format cannot hold something that the example has.
        """
        raise NotImplementedError

    def read(self, values: Mapping[str, Any]) -> Example:
        """A line's object as an Example; keys that are not the format's own become `fields`.

        Lenient about contents (an empty answer is read, and `problems` names it), strict about
        shape.

        Raises:
            FormatRefusal: the object is not of this shape, or holds what an Example cannot.
        """
        raise NotImplementedError

    @classmethod
    def recognises(cls, values: Mapping[str, Any]) -> bool:
        """Whether an object has this format's shape. Only keys and types are looked at."""
        raise NotImplementedError

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """Everything that is wrong with a line's object; `error` means that `write` refuses it."""
        raise NotImplementedError

    def normal(self, example: Example) -> Example:
        """What this format leaves of an example: what `read` gives back of what `write` wrote.

        The base drops `weight: 1` (the default) and None values of optional keys, which say nothing.
        Formats whose template strips or folds text override it and say so in their docstring.
        """
        return replace(example, messages=[plain(message) for message in example.messages])

    def write(self, example: Example, *, ascii: bool = False) -> bytes:  # noqa: A002 - named as json.dumps names it
        """One line, without its line break.

        Args:
            example: the row.
            ascii: escape as `json.dumps(..)` does; else UTF-8 as `json.dumps(.., ensure_ascii=False)`.

        Returns:
            Bytes equal to those of the standard library's `json.dumps`.

        Raises:
            FormatRefusal: the row cannot be held, or would be refused by whoever trains on it.
        """
        values = self.values(example)
        errors = [problem for problem in self.problems(values, example.sample) if problem.severity == "error"]
        if errors:
            raise FormatRefusal(errors[0].code, errors[0].message, errors[0].fix, errors[1:])
        return line_of(values, ascii)

    def check(self, line: bytes, where: str) -> list[Problem]:
        """Everything that is wrong with one line of a file, none hiding another."""
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            return [Problem("error", "not-json", where, f"not JSON: {error}", "one JSON object per line")]
        if not isinstance(values, dict):
            return [Problem("error", "not-an-object", where, f"a {type(values).__name__}, not an object",
                            'one JSON object per line, as {"messages": [...]}')]
        return list(self.problems(values, where))


def plain(message: Message) -> Message:
    """A message without what says nothing: `weight: 1`, and optional keys that are None."""
    return {
        key: value for key, value in message.items()
        if key in ("role", "content") or not (value is None or (key == "weight" and value == 1))
    }


def line_of(values: Mapping[str, Any], ascii: bool = False) -> bytes:  # noqa: A002 - named as json.dumps names it
    """A JSON object in one line, byte for byte as the standard library's `json.dumps` writes it.

    Raises:
        FormatRefusal: half of a surrogate pair, or a number that JSON does not have.
    """
    try:
        line = json.dumps(values, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise FormatRefusal(
            "lone-surrogate", f"half of a surrogate pair (U+{ord(error.object[error.start]):04X}), which is no text",
            "repair the text: no tokenizer can encode it",
        ) from None
    except (ValueError, TypeError) as error:
        raise FormatRefusal("not-json", f"not JSON: {error}", "use null, or a number") from None
    return json.dumps(values).encode("ascii") if ascii else line


def formats() -> list[type[Format]]:
    """All formats in the order in which `recognise` asks them."""
    from .. import registry

    found: list[type[Format]] = [registry.load("formats", name) for name in registry.plugins("formats")]
    return sorted(found, key=lambda each: (each.rank, each.name))


def recognise(values: Mapping[str, Any]) -> Format | None:
    """The format whose shape an object has, or None."""
    return next((each() for each in formats() if each.recognises(values)), None)


def find(name: str) -> Format:
    """A format by any spelling of its name.

    Raises:
        RecipeError: nothing has that name.
    """
    from .. import registry

    found: type[Format] = registry.load("formats", name)
    return found()
