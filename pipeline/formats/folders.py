"""Two folders of texts, prompts/NAME.txt and completions/NAME.txt, a pair of files for each row.

NAME is the row's field `name`, where it has one (an imported folder's file name), else its id. The
files hold the texts and nothing else: UTF-8, no line break added. A row without a prompt has an
empty prompt file. It holds what prompt-completion holds, and refuses the rest: also names that cannot
be a file's name here, and a second row of the same name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import DataError
from pipeline.types import Example

from . import Format, FormatRefusal, Sink
from ._pair import PairFormat

PROMPTS, COMPLETIONS = "prompts", "completions"
_UNFIT = re.compile(r'[/\\:*?"<>|]' if os.name == "nt" else "/")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_LONGEST = 255
"""Bytes of a file name on the usual file systems (ext4, NTFS in characters, APFS)."""


class Folders(PairFormat):
    """A text file for each prompt and each completion."""

    name = "folders"
    suffix = ""
    rank = 92
    lines = False

    @contextmanager
    def open(self, target: Path, *, ascii: bool = False) -> Iterator[Sink]:  # noqa: A002 - as Format
        """See Format. `target` is a folder that is not there yet."""
        for folder in (PROMPTS, COMPLETIONS):
            (target / folder).mkdir(parents=True)
        yield _Files(self, target, ascii)

    def prove(self, target: Path, wanted: Iterable[Example]) -> int:
        """See Format. Files have no order: each row is looked up by its name."""
        rows = 0
        for want in wanted:
            rows += 1
            name = file_name(want)
            texts = [(target / folder / name).read_bytes().decode("utf-8") for folder in (PROMPTS, COMPLETIONS)]
            if not self.same(Example(self.messages(*texts)), want):
                raise DataError(f"{target / COMPLETIONS / name}: this row is not {want.sample}",
                                "this is a fault of synth: please report it with the row")
        for folder in (PROMPTS, COMPLETIONS):
            if sum(1 for _ in (target / folder).iterdir()) != rows:
                raise DataError(f"{target / folder}: does not hold {rows} files, as it should")
        return rows


def file_name(example: Example) -> str:
    """The name of a row's two files.

    Raises:
        FormatRefusal: it cannot be a file's name everywhere.
    """
    given = example.fields.get("name")
    name = given if isinstance(given, str) and given else example.sample.replace(":", "-")  # rows.jsonl:7
    name = name if name.endswith(".txt") else f"{name}.txt"
    sound = name.isprintable() and not name.startswith(".") and not _UNFIT.search(name)
    if not sound or _DEVICES.fullmatch(name) or len(name.encode("utf-8", "replace")) > _LONGEST:
        raise FormatRefusal("bad-file-name", f"{name!r} cannot be a file's name", "give the row another field `name`")
    return name


class _Files:
    """The sink that writes two files for each row."""

    def __init__(self, format: Folders, target: Path, ascii: bool) -> None:  # noqa: A002 - as Format
        self._format, self._target, self._ascii = format, target, ascii

    def add(self, example: Example, line: bytes | None = None) -> None:
        """See Sink."""
        texts, name = self._format.texts(example, self._ascii), file_name(example)
        for folder, text in zip((PROMPTS, COMPLETIONS), texts, strict=True):
            try:
                with (self._target / folder / name).open("xb") as file:
                    file.write(text.encode("utf-8"))
            except FileExistsError:
                raise FormatRefusal("same-file-name", f"another row has the name {name!r}",
                                    "give each row its own field `name`") from None


plugin: type[Format] = Folders
