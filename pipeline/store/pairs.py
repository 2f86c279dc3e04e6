"""pairs.jsonl: which rows are alike, as the rules of the last curation measured it; made again for nothing.

    {"rule": "near-duplicate", "key": K, "rows": D, "floor": 0.7, "links": 2, "foreign": 1}     then its pairs:
    {"left": ID, "right": ID, "jaccard": 0.93}
    {"left": ID, "right": "eval.jsonl:12", "jaccard": 0.81}

Of rows that are alike those pairs stand here that connect them most strongly, so that every threshold from the floor on
can be asked. `key` says what was compared and how, `rows` digests the rows: pairs of other rows answer nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from ..types import Pair, Pairs
from .files import jsonl_bytes, jsonl_reader


class Measured(NamedTuple):
    """Pairs, the rule and key they were measured by, and the digest of the rows."""

    rule: str
    key: str
    rows: str
    pairs: Pairs


class RowsDigest:
    """A digest of some rows that does not depend on their order, in constant memory."""

    def __init__(self) -> None:
        self._sum = self._count = 0

    def add(self, sample: str, digest: str) -> None:
        """Counts a row in, by its id and the digest of its text."""
        name = blake2b(f"{sample} {digest}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._sum = (self._sum + int.from_bytes(name, "big")) % (1 << 128)
        self._count += 1

    def __str__(self) -> str:
        return f"{self._count}-{self._sum:032x}"


def lines_of(measured: Iterable[Measured]) -> Iterator[bytes]:
    """The lines of the file."""
    for rule, key, rows, pairs in measured:
        yield jsonl_bytes({"rule": rule, "key": key, "rows": rows, "floor": pairs.floor, "links": len(pairs.links),
                           "foreign": len(pairs.foreign)})
        for pair in (*pairs.links, *pairs.foreign):
            yield jsonl_bytes(pair._asdict())


def read(path: Path, key: str, rows: str) -> Pairs | None:
    """The pairs that were measured by this key between these rows; None where there are none that can be read."""
    with suppress(DataError, KeyError, TypeError, ValueError):
        lines = jsonl_reader(path)
        for head in lines:
            found = islice(lines, head["links"] + head["foreign"])
            if (head["key"], head["rows"]) != (key, rows):
                for _ in found:
                    pass
                continue
            pairs = tuple(map(_pair, found))
            if len(pairs) == head["links"] + head["foreign"]:
                return Pairs(head["floor"], pairs[: head["links"]], pairs[head["links"] :])
    return None


def _pair(line: dict[str, Any]) -> Pair:
    return Pair(line["left"], line["right"], float(line["jaccard"]))
