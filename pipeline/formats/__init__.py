"""Formats: how an Example becomes a line of a training file, and how a line is read back.

A format is one file here that ends in `plugin: type[Format] = ...`. It fills in `values` (Example to
the line's JSON object), `read` (the way back), `recognises` and `problems`; the base does the rest.
What a format cannot hold it refuses, row by row, with a FormatRefusal: nothing is lost in silence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, ClassVar, Protocol

from pipeline.errors import DataError
from pipeline.options import Options, read_options
from pipeline.render import Family
from pipeline.render.mask import Cut, Mask, of_messages
from pipeline.sections import Item
from pipeline.types import Example, Message, Problem
from pipeline.words import kind_of


class FormatRefusal(Exception):
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

    @classmethod
    def of(cls, problems: list[Problem]) -> FormatRefusal:
        """The refusal that says all of `problems`, of which there is at least one."""
        first = problems[0]
        return cls(first.code, first.message, first.fix, problems[1:])

    def problems(self, where: str) -> list[Problem]:
        """The refusal as records, the first one first."""
        return [error(self.code, where, self.message, self.fix), *self.others]


class Sink(Protocol):
    """Takes rows one by one into an open file."""

    def add(self, example: Example, line: bytes | None = None) -> None:
        """Writes a row.

        Args:
            example: the row.
            line: its bytes as a user wrote them, to be passed through; None to write it anew.

        Raises:
            FormatRefusal: the row cannot be held; the file is as it was before.
        """


class Format:
    """One way to write training rows.

    Attributes:
        name: the plug-in's printed name.
        suffix: of the files it writes; empty where it writes a folder.
        rank: `recognise` asks formats in this order, lowest first.
        lines: True where a file is JSON lines, False for other containers.
        has_turns: False where a row becomes one text, whose turns cannot be told apart any more.
        pairs: True where the rejected answer of a row is written beside the one that is trained on.
        holds: what of a row it can hold beside one exchange of texts: `system`, `turns`, `tools` (with calls), `parts`
            (images), `weight` of answers, `label` of the row.
        asks: True where a line is a question alone, and nothing is trained on it.
        column: of a line, where its conversation stands, or begins.
        model: what a recipe may set on it; `how` is what it did set.
    """

    name: ClassVar[str]
    suffix: ClassVar[str] = ".jsonl"
    rank: ClassVar[int] = 50
    lines: ClassVar[bool] = True
    has_turns: ClassVar[bool] = True
    pairs: ClassVar[bool] = False
    holds: ClassVar[frozenset[str]] = frozenset()
    asks: ClassVar[bool] = False
    column: ClassVar[str] = "messages"
    model: ClassVar[type[Options]] = Options

    def __init__(self, how: Options | None = None) -> None:
        self.how = how or self.model()

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

    def takes(self, values: Mapping[str, Any]) -> bool:
        """Whether an object is a row of this very format, with the options that it has; `recognises` knows none."""
        return self.recognises(values)

    def problems(self, values: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """Everything that is wrong with a line's object; `error` means that `write` refuses it."""
        raise NotImplementedError

    def sound(self, rows: Sequence[Mapping[str, Any]], text: bytes) -> int:
        """Whether it is certain that `problems` has nothing to say of many lines' objects: see read.Sound."""
        return 0

    def mended(self, values: dict[str, Any]) -> list[str]:
        """Mends in a line's object what can be mended without a doubt, in place.

        Returns:
            What was done, a few words each.
        """
        return []

    def unproven(self, values: Mapping[str, Any], example: Example) -> Iterator[Problem]:
        """What of a row is not in its line as it should be, where a format renders text for a model; see render.

        Args:
            values: the line's object, as it stands in the file.
            example: the row.
        """
        return iter(())

    def mask(self, example: Example, cut: Cut | None) -> Mask:
        """What of a row is trained, by who reads this format; here messages, whose rendering is the reader's own.

        Args:
            example: the row.
            cut: who makes tokens of texts; None for words.

        Raises:
            FormatRefusal: see `write`.
        """
        self.write(example)
        return of_messages(self.normal(example).messages, cut)

    @property
    def kind(self) -> Family | None:
        """The model family whose text is rendered: its control tokens, begin and stop; None where none is."""
        return None

    def rendering(self) -> dict[str, Any] | None:
        """What a trainer has to know of rendered text, for the manifest; None where nothing is rendered."""
        return None

    def normal(self, example: Example) -> Example:
        """What this format leaves of a row's conversation: `read` of what `write` wrote has the same.

        The base drops `weight: 1` (the default) and None values of optional keys, which say nothing.
        A format whose template strips or folds text overrides it and says so in its docstring.
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
        found = [*self.problems(values, example.sample), *self.unproven(values, example)]
        errors = [problem for problem in found if problem.severity == "error"]
        if errors:
            raise FormatRefusal.of(errors)
        return line_of(values, ascii)

    def check(self, line: bytes, where: str) -> list[Problem]:
        """Everything that is wrong with one line of a file, none hiding another."""
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as fault:
            return [error("not-json", where, f"not JSON: {fault}", "one JSON object per line")]
        if not isinstance(values, dict):
            return [error("not-an-object", where, f"{kind_of(values)}, not an object",
                          'one JSON object per line, as {"messages": [...]}')]
        return list(self.problems(values, where))

    @contextmanager
    def open(self, target: Path, *, ascii: bool = False) -> Iterator[Sink]:  # noqa: A002 - as `write`
        """A new file that rows are added to; it is whole when the context ends."""
        with target.open("wb", buffering=1 << 20) as file:
            yield _Lines(self, file, ascii)

    def read_back(self, target: Path) -> Iterator[Example]:
        """The rows of a file that `open` wrote, in order.

        Raises:
            DataError: a line is damaged.
        """
        with target.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield self.read(json.loads(line))
                except (ValueError, FormatRefusal) as fault:
                    raise DataError(f"{target}:{number}: cannot be read back: {fault}") from None

    def prove(self, target: Path, wanted: Iterable[Example]) -> int:
        """Compares what a file holds with what was to be written, row by row.

        Args:
            target: what `open` wrote.
            wanted: the rows that were added, in order.

        Returns:
            How many rows there are.

        Raises:
            DataError: at the first row that differs, is missing or is one too many.
        """
        rows = 0
        for found, want in zip_longest(self.read_back(target), wanted):
            rows += 1
            if found is None or want is None or not self.same(found, want):
                what = "is missing" if found is None else "nobody wrote" if want is None else f"is not {want.sample}"
                raise DataError(f"{target}:{rows}: this row {what}: the file was not written as it was meant",
                                "this is a fault of synth: please report it with the row")
        return rows

    def same(self, found: Example, wanted: Example) -> bool:
        """Whether a row that was read back holds the conversation of the row that was written."""
        normal = self.normal(wanted)
        return self.normal(found).messages == normal.messages and (found.tools or None) == (normal.tools or None)


class _Lines:
    """The sink of JSON lines."""

    def __init__(self, format: Format, file: IO[bytes], ascii: bool) -> None:  # noqa: A002 - as `write`
        self._format, self._file, self._ascii = format, file, ascii

    def add(self, example: Example, line: bytes | None = None) -> None:
        """See Sink. A line that is passed through is refused for the same reasons as one of ours."""
        written = self._format.write(example, ascii=self._ascii)
        self._file.write((line or written) + b"\n")


def error(code: str, where: str, message: str, fix: str = "") -> Problem:
    """A Problem for which a row is refused."""
    return Problem("error", code, where, message, fix)


def warning(code: str, where: str, message: str, fix: str = "") -> Problem:
    """A Problem that a row may live with."""
    return Problem("warning", code, where, message, fix)


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
    except UnicodeEncodeError as fault:
        raise FormatRefusal(
            "lone-surrogate", f"half of a surrogate pair (U+{ord(fault.object[fault.start]):04X}), which is no text",
            "repair the text: no tokenizer can encode it",
        ) from None
    except (ValueError, TypeError) as fault:
        raise FormatRefusal("not-json", f"not JSON: {fault}", "use null, or a number") from None
    return json.dumps(values).encode("ascii") if ascii else line


def formats() -> list[type[Format]]:
    """All formats in the order in which `recognise` asks them."""
    from pipeline import registry

    found: list[type[Format]] = [registry.load("formats", name) for name in registry.plugins("formats")]
    return sorted(found, key=lambda each: (each.rank, each.name))


def recognise(values: Mapping[str, Any]) -> Format | None:
    """The format whose shape an object has, or None."""
    return next((each() for each in formats() if each.recognises(values)), None)


def find(name: str) -> Format:
    """A format by any spelling of its name, with its options as they are by default.

    Raises:
        RecipeError: nothing has that name.
    """
    from pipeline import registry

    found: type[Format] = registry.load("formats", name)
    return found()


def open_formats(items: Sequence[Item], where: Callable[[int], str] = "format {}".format) -> list[Format]:
    """The formats of a recipe's list, options read and checked.

    Args:
        items: as `recipe.export.formats`.
        where: the place of the i-th item, for errors.

    Raises:
        RecipeError: an unknown format or option, with what to write instead.
    """
    from pipeline import registry

    found: list[Format] = []
    for index, item in enumerate(items):
        kind: type[Format] = registry.load("formats", item.name)
        (how,) = read_options(kind.name, item.options, where(index), (kind.model,))
        found.append(kind(how))
    return found


def written_as(manifest: Mapping[str, Any], items: Sequence[Item] = ()) -> Format:
    """The format that an export's manifest names, with the options that its rows were written with.

    Args:
        manifest: of the export.
        items: of the recipe: where the tokenizer of a format lies on this machine, which no manifest says.

    Raises:
        RecipeError: the manifest names no format that is here.
    """
    from pipeline import registry

    options = manifest.get("format_options")
    name = registry.resolve("formats", str(manifest.get("format")))
    own = next((item.options for item in items if registry.resolve("formats", item.name) == name), {})
    folder = {"tokenizer": own["tokenizer"]} if own.get("tokenizer") else {}
    item = Item(name=name, options={**(options if isinstance(options, dict) else {}), **folder})
    return open_formats([item], lambda _: name)[0]
