"""Says that a file is not in the encoding it is read in, where, and which one it likely is."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

from pipeline.types import Problem

from ._guess import likely, wide
from ._lines import breaks
from ._open import codec, kind, opened

_BLOCK = 1 << 20
TOLERATED = 0.01
"""Share of lines that may be in another encoding before the file as a whole is taken to be."""


class EncodingFault(NamedTuple):
    """The first line that is not in the encoding, how many are not, and of how many.

    Attributes:
        guess: the encoding that the lines are probably in; None where nothing fits.
        line: the bytes of the first one.
        well: stretches beyond ASCII that are in the encoding: of UTF-8, text in another one hardly ever is.
    """

    problem: Problem
    bad: int
    lines: int
    guess: str | None
    line: bytes
    well: int = 0

    @property
    def stray(self) -> bool:
        """Whether some lines are damaged, and not the file as a whole in another encoding."""
        return self.bad <= max(TOLERATED * self.lines, self.well)


def encoding_fault(path: Path, encoding: str | None = None) -> EncodingFault | None:
    """Whether every byte of a text file is in its encoding: one quick pass over it.

    Args:
        path: a file that `rows` reads.
        encoding: what it will be read in; None for UTF-8.

    Returns:
        None where all is well, and for Parquet and wide encodings, which `rows` checks as it goes.

    Raises:
        DataError: the file cannot be opened.
    """
    if kind(path) == "parquet":
        return None
    with opened(path) as stream:
        try:
            head = stream.read(4096)
            how, name = breaks(head, codec(encoding))
            if len(how.lf) > 1:
                return None
            bad, lines, well, first, sample = 0, 0, 0, None, b""
            block = head + stream.readline()
            while block:
                faults, fine = _faults(block, name or "utf-8")
                well += fine
                for number, line, error in faults:
                    bad += 1
                    first = first or (lines + number, line, error)
                    sample += line[:4096] + b"\n" if len(sample) < 1 << 16 else b""
                lines += block.count(b"\n") + (not block.endswith(b"\n"))
                block = stream.read(_BLOCK)
                block += stream.readline() if block else b""
        except (EOFError, gzip.BadGzipFile, zlib.error):
            pass  # `rows` reports it when it comes to the place
    if first is None:
        return None
    guess = wide(head) or likely(sample)
    return EncodingFault(_said(path, name or "utf-8", first, guess), bad, lines, guess, first[1],
                         well if name is None else 0)


def encoding_of(path: Path) -> str | None:
    """`utf-8`, or what a text file seems to be in by its beginning and its faults; None where nothing fits.

    Raises:
        DataError: the file cannot be opened.
    """
    with opened(path) as stream:
        found = wide(stream.read(4096))
    if found is not None:
        return found
    fault = encoding_fault(path)
    return "utf-8" if fault is None or fault.stray else fault.guess


def _faults(block: bytes, name: str) -> tuple[list[tuple[int, bytes, UnicodeError]], int]:
    """Lines that are not in the encoding, and how many beyond ASCII are; a block without faults counts once."""
    found, well = [], 0
    try:
        block.decode(name)
    except UnicodeError:
        for number, line in enumerate(block.split(b"\n"), 1):
            try:
                line.decode(name)
                well += not line.isascii()
            except UnicodeError as error:
                found.append((number, line, error))
        return found, well
    return found, int(not block.isascii())


def _said(path: Path, name: str, first: tuple[int, bytes, UnicodeError], guess: str | None) -> Problem:
    number, line, error = first
    column = error.start if isinstance(error, UnicodeDecodeError) else 0
    text = f"byte 0x{line[column]:02X} at column {column + 1} is not {name}"
    if guess and not guess.startswith("utf"):  # two bytes a character: a cut anywhere would be read askew
        shown = line[max(0, column - 24) : column + 24].decode(guess, "ignore").strip()
        text += f"; in {guess} it reads “{shown}”"
    return Problem("error", "encoding", f"{path}:{number}", text, f"--encoding {guess or 'NAME'}")
