"""Where a row stands: what it is sorted by, and the family with which it stays on one side of the split."""

from __future__ import annotations

from pipeline.digest import canonical, hash_int, normal_text
from pipeline.types import Sample

from ._spool import Place, key
from .options import Order


def place_of(sample: Sample, ordinal: int, parent: Place | None, order: Order, seed: int) -> Place:
    """The place of a row.

    Args:
        sample: the row.
        ordinal: its number in order of arrival.
        parent: the place of the row that it was rewritten from, where that is here.
        order: see options.Options.
        seed: of `shuffled`.

    Returns:
        A place that depends on what the row is, and on arrival only where nothing else tells rows
        without a cell apart: two machines that made the same rows write the same file.
    """
    root = parent.root if parent else ordinal
    depth = parent.depth + 1 if parent else 0
    family = parent.family if parent else _family(sample)
    first, second = _keys(sample, ordinal, order, seed)
    if parent and order == "cell":
        first, second = parent.first, parent.second
    elif parent and order in ("name", "name-ignorecase") and not _name(sample):
        first = parent.first
    return Place(root, depth, family, first, second)


def _keys(sample: Sample, ordinal: int, order: Order, seed: int) -> tuple[bytes, bytes]:
    arrival = ordinal.to_bytes(8, "big")
    if order == "given":
        return b"", arrival
    if order == "shuffled":
        return hash_int("shuffled", seed, sample.id).to_bytes(8, "big"), b""
    if order == "cell":
        return (canonical(sample.cell), key(sample.id)) if sample.cell else (b"", arrival)
    name = _name(sample) or sample.id
    if order == "name-ignorecase":
        return key(name.casefold()) + b"\0" + key(name), arrival
    return key(name), arrival


def _name(sample: Sample) -> str | None:
    name = sample.fields.get("name")
    return name if isinstance(name, str) and name else None


def _family(sample: Sample) -> bytes:
    """The cell; of rows without one what is asked, or the answer where nothing is, layout and case apart."""
    if sample.cell:
        return b"cell " + canonical(sample.cell)
    contents = [message.get("content") for message in sample.messages if message.get("role") == "user"]
    said = "\x1f".join(normal_text(text) for content in contents for text in _texts(content))
    return key(f"prompt {said}") if said.strip("\x1f") else key(f"answer {normal_text(sample.answer)}")


def _texts(content: object) -> list[str]:
    if isinstance(content, list):
        return [canonical(part).decode("utf-8") for part in content]
    return [content] if isinstance(content, str) else []
