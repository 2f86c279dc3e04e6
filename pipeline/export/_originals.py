"""A user's own lines, byte for byte: what was imported and not changed is written as it came."""

from __future__ import annotations

import json
from typing import IO, Any

from pipeline.formats import Format, FormatRefusal

from ._spool import Spooled
from .origins import Files


class Originals:
    """Finds the line that a row was imported from. Use as a context manager.

    Args:
        files: what rows were read from.
    """

    def __init__(self, files: Files) -> None:
        self._known = files
        self._files: dict[tuple[str, str], IO[bytes] | None] = {}

    def __enter__(self) -> Originals:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            if file is not None:
                file.close()

    def line(self, row: Spooled, format: Format) -> bytes | None:  # noqa: A002 - the subject of this package
        """The bytes of a row's line, where it is of this format and still says what the row says; else None.

        The file must be JSON lines, unpacked, and have the digest that it had when it was imported.
        """
        source = row.source
        if not source or not isinstance(source.get("start"), int) or not isinstance(source.get("end"), int):
            return None
        file = self._open(str(source.get("file")), str(source.get("digest")))
        if file is None:
            return None
        file.seek(source["start"])
        data = file.read(source["end"] - source["start"])
        if not data.startswith(b"{") or b"\n" in data or b"\r" in data:
            return None
        try:
            values = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
            sound = format.recognises(values) and format.same(format.read(values), row.example)
        except (ValueError, FormatRefusal, RecursionError):
            return None
        errors = sound and any(problem.severity == "error" for problem in format.problems(values, ""))
        return data if sound and not errors else None

    def _open(self, name: str, digest: str) -> IO[bytes] | None:
        if (name, digest) not in self._files:
            self._files[name, digest] = self._find(name, digest)
        return self._files[name, digest]

    def _find(self, name: str, digest: str) -> IO[bytes] | None:
        if not name.lower().endswith((".jsonl", ".ndjson")):
            return None
        path = self._known.find(name, digest)
        return path.open("rb") if path is not None else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which each key stands once; of others nobody can say what they mean."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands twice")
    return values
