"""Two folders of texts, joined by file name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pipeline.errors import DataError, did_you_mean
from pipeline.types import Problem

from ._guess import likely
from ._lines import LONGEST
from ._open import Report, codec

Order = Literal["given", "name", "name-ignorecase"]
ORDERS: tuple[Order, ...] = ("given", "name", "name-ignorecase")


class Pair(NamedTuple):
    """Two texts under one file name, as they are: a final line break stays.

    `data` is the bytes of both, prompt first, each behind its length: equal where both texts are.
    """

    name: str
    prompt: str
    completion: str
    data: bytes


def pairs(prompts: Path, completions: Path, order: Order, problem: Report, *,
          encoding: str | None = None) -> Iterator[Pair]:
    """The texts that both folders hold, one pair per file name.

    A name on one side only, a text that is not in the encoding, and what is no file is reported and left
    out; hidden files are passed over with a note. A byte order mark is kept, and reported.

    Args:
        prompts: folder of what is asked.
        completions: folder of what is answered.
        order: `given`, as the operating system lists `completions`; `name`, by the bytes of the names;
            `name-ignorecase`, by the case-folded names, equal ones by their bytes.
        problem: receives what was wrong.
        encoding: of the texts; None for UTF-8.

    Raises:
        DataError: a folder is not there, or no name is on both sides.
        RecipeError: no such encoding.
    """
    name = codec(encoding) or "utf-8"
    asked, answered = _names(prompts, problem), _names(completions, problem)
    both = set(asked) & set(answered)
    if not both:
        shown = f"{prompts} holds {_some(asked)}; {completions} holds {_some(answered)}"
        raise DataError(f"{prompts}, {completions}: no file name is in both folders", shown)
    for folder, names, other in ((prompts, asked, completions), (completions, answered, prompts)):
        for lone in sorted(set(names) - both, key=os.fsencode):
            problem(Problem("error", "unpaired", f"{folder / lone}", f"no file of this name in {other}",
                            f"add {other / lone}"))
    chosen = [entry for entry in answered if entry in both]
    for entry in sorted(chosen, key=sort_key(order)) if order != "given" else chosen:
        texts = [_text(folder / entry, name, problem) for folder in (prompts, completions)]
        if texts[0] is not None and texts[1] is not None:
            (asked_text, asked_data), (answer_text, answer_data) = texts[0], texts[1]
            yield Pair(entry, asked_text, answer_text, b"%d:%s%d:%s" % (
                len(asked_data), asked_data, len(answer_data), answer_data))


def sort_key(order: Order) -> Callable[[str], tuple[str, bytes]]:
    """What file names are sorted by."""
    if order == "name-ignorecase":
        return lambda name: (name.casefold(), os.fsencode(name))
    return lambda name: ("", os.fsencode(name))


def _names(folder: Path, problem: Report) -> list[str]:
    """The names of a folder's files, as the operating system gives them."""
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                where = str(folder / entry.name)
                if entry.name.startswith("."):
                    problem(Problem("note", "hidden", where, "a hidden file, passed over"))
                elif not entry.is_file():
                    problem(Problem("warning", "not-a-file", where, "not a file; texts of folders below are not read"))
                elif any("\ud800" <= char <= "\udfff" for char in entry.name):
                    problem(Problem("error", "name", repr(where), "a name that no text can hold", "rename the file"))
                else:
                    found.append(entry.name)
    except FileNotFoundError:
        beside = [str(path) for path in folder.parent.glob("*") if path.is_dir()] if folder.parent.is_dir() else []
        raise DataError(f"{folder}: no such folder", did_you_mean(str(folder), beside)) from None
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from None
    return found


def _text(path: Path, encoding: str, problem: Report) -> tuple[str, bytes] | None:
    try:
        if path.stat().st_size > LONGEST:
            problem(Problem("error", "too-long", str(path), f"over {LONGEST // 2**20} MiB", "split it"))
            return None
        data = path.read_bytes()
        text = data.decode(encoding)
    except OSError as error:
        problem(Problem("error", "unreadable", str(path), error.strerror or str(error)))
        return None
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = data.count(b"\n", 0, start) + 1
        problem(Problem("error", "encoding", f"{path}:{line}", f"byte 0x{data[start]:02X} is not {encoding}",
                        f"--encoding {likely(data) or 'NAME'}"))
        return None
    if text.startswith("\ufeff"):
        problem(Problem("warning", "bom", f"{path}:1", "begins with a byte order mark, which stays in the text",
                        "save it as UTF-8 without one"))
    return text, data


def _some(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return f"{shown}, ..." if len(names) > 3 else shown or "no file"
