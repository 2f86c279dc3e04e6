"""Mends a training file where the cure is certain: what readers choke on, and what a row's format can mend.

Never in place: the file is written anew beside itself, the original is kept as FILE.orig (FILE.orig.2, ...), and only
then does the new one take its name. Lines that need nothing keep their bytes. No text that is trained on is touched, no
row is dropped, and where two readings are possible nothing is done.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from pipeline import formats
from pipeline.errors import DataError
from pipeline.formats import Format
from pipeline.read import encoding_of, kind, rows
from pipeline.types import Problem
from pipeline.words import plural

BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb'("(?:[^"\\]|\\.)*")|\s+')
"""A string, or white space outside of strings."""
_AROUND, _LONGEST = 24, 160
"""Characters that are shown before and behind what changes in a line; and of a line in all."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line that is mended.

    Attributes:
        line: in the file as it was; 0 for what is done to the file as a whole.
        done: what, a few words each.
        before: the line as it was; None for the file as a whole.
        after: as it is now; None where it is gone.
    """

    line: int
    done: tuple[str, ...]
    before: bytes | None = None
    after: bytes | None = None


@dataclass(slots=True)
class Fixed:
    """What was done to a file.

    Attributes:
        kept: where the original is; None where nothing had to be done.
    """

    path: Path
    kept: Path | None = None
    changes: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def fix_file(path: Path, report: Callable[[Change], None]) -> Fixed:
    """Mends a file of JSON lines.

    Args:
        path: .jsonl or .ndjson, not packed.
        report: receives every change, in the order of lines.

    Raises:
        DataError: a file of another kind, packed, or in an encoding that nobody can be sure of.
    """
    if path.is_dir() or kind(path) != "jsonl" or path.name.lower().endswith(".gz"):
        raise DataError(f"{path}: only JSON lines are mended, and not in a packed file", f"synth check {path}")
    fixed = Fixed(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            for change in _mended(path, out):
                fixed.changes += 1
                for word in change.done:
                    fixed.counts[word] = fixed.counts.get(word, 0) + 1
                report(change)
            out.flush()
            os.fsync(out.fileno())
        if fixed.changes:
            fixed.kept = _aside(path)
            try:
                os.link(path, fixed.kept)
            except OSError:  # a file system without hard links
                shutil.copy2(path, fixed.kept)
            made.chmod(path.stat().st_mode & 0o777)
            made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    return fixed


def _aside(path: Path) -> Path:
    """A name for the original that nothing has."""
    found, number = path.with_name(f"{path.name}.orig"), 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}.orig.{number}")
    return found


def _mended(path: Path, out: IO[bytes]) -> Iterator[Change]:
    noted: list[Problem] = []
    next(rows(path, noted.append), None)
    if any(problem.code == "not-lines" for problem in noted):
        yield from _document(path, out)
        return
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(0)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            try:
                text = path.read_text(encoding="utf-32" if head == b"\xff\xfe\0\0" else "utf-16")
            except UnicodeDecodeError:
                raise DataError(f"{path}: it begins as UTF-16 does and cannot be read as that: it may be cut off",
                                f"synth check {path}") from None
            yield Change(0, (f"{encoding_of(path) or 'UTF-16'} is now UTF-8",))
            yield from _lines(BytesIO(text.encode("utf-8")), out)
        else:
            yield from _lines(file, out)


def _document(path: Path, out: IO[bytes]) -> Iterator[Change]:
    """A document of objects as a line each; one that cannot be read whole is left alone."""
    found: list[Problem] = []
    for _ in rows(path, found.append):
        pass
    if any(problem.severity == "error" or problem.code == "json" for problem in found):
        raise DataError(f"{path}: a JSON document that cannot be read whole", f"synth check {path}")
    yield Change(0, ("a JSON document is now a row per line",))
    for row in rows(path, found.append):
        yield from _row(_SPACE.sub(lambda part: part[1] or b"", row.data) if b"\n" in row.data else row.data,
                        row.number, out)


def _lines(lines: Iterable[bytes], out: IO[bytes]) -> Iterator[Change]:
    crlf, first = 0, True
    for number, raw in enumerate(lines, 1):
        line = raw
        while first and line.startswith(BOM):
            line = line.removeprefix(BOM)
            yield Change(0, ("the byte order mark is gone",))
        if not line.strip():
            yield Change(number, ("a blank line is gone",), raw)
            continue
        if not line.endswith(b"\n"):
            yield Change(0, ("the last line has a line break",))
        elif line.endswith(b"\r\n"):
            crlf += 1
        first = False
        yield from _row(line.rstrip(b"\r\n"), number, out)
    if crlf:
        yield Change(0, (f"CR LF is LF at the end of {plural(crlf, 'line')}",))


def _row(line: bytes, number: int, out: IO[bytes]) -> Iterator[Change]:
    mended, done = _mend(line)
    out.write(mended + b"\n")
    if done:
        yield Change(number, tuple(done), line, mended)


def _mend(line: bytes) -> tuple[bytes, list[str]]:
    """A line as it should be, and what was done to it; itself where nothing is certain."""
    twice: list[str] = []
    unlike: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in items:
            if key in found:
                (twice if _same(found[key], value) else unlike).append(key)
            found[key] = value
        return found

    try:
        values = json.loads(line.decode("utf-8"), object_pairs_hook=pairs, parse_constant=_no)
    except (ValueError, RecursionError):
        return line, []
    if not isinstance(values, dict) or unlike:
        return line, []
    done = [f"the key {key!r} stood twice with the same value" for key in dict.fromkeys(twice)]
    shape = next((each for each in _shapes() if each.recognises(values)), None)
    done += shape.mended(values) if shape else []
    if not done:
        return line, []
    tight = b'": ' not in line
    text = json.dumps(values, ensure_ascii=line.isascii() and b"\\u" in line, separators=(",", ":") if tight else None)
    try:
        return text.encode("utf-8"), done
    except UnicodeEncodeError:  # half of a surrogate pair, which is no text
        return line, []


@cache
def _shapes() -> list[Format]:
    return [each() for each in formats.formats()]


def _same(left: Any, right: Any) -> bool:
    return json.dumps(left) == json.dumps(right)


def _no(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def shown_change(before: bytes, after: bytes | None) -> tuple[str, str]:
    """What a line was and is, cut to what changes and what is around it; the second is empty where it is gone."""
    old, new = before.decode("utf-8", "replace").rstrip("\r\n"), (after or b"").decode("utf-8", "replace")
    if after is None:
        return _cut(old, 0, _LONGEST), ""
    same = _shared(old, new)
    behind = _shared(old[same:][::-1], new[same:][::-1])
    return _cut(old, same, len(old) - behind), _cut(new, same, len(new) - behind)


def _shared(left: str, right: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(left), len(right)))


def _cut(text: str, begin: int, end: int) -> str:
    begin, end = max(0, begin - _AROUND), min(len(text), end + _AROUND, begin + _LONGEST)
    return f"{'…' if begin else ''}{text[begin:end]}{'…' if end < len(text) else ''}"
