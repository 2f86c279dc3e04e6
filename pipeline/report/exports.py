"""The files that were written for trainers, with the digests that prove which they are."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipeline.words import number, plural, size

from ._text import brief
from .material import Material, objects, whole, within

FORMATS = 12


class File(NamedTuple):
    """A file of one format."""

    format: str
    name: str
    rows: int
    size: str
    tokens: str
    sha256: str


class Exports(NamedTuple):
    """The section."""

    lead: str
    files: list[File]
    notes: list[str]


def exports(material: Material) -> Exports | None:
    """The section; None where nothing was exported."""
    files = [_file(told, file) for told in material.exports[:FORMATS] for file in files_of(told)]
    if not files:
        return None
    train, validation = sides(material)
    names = list(dict.fromkeys(file.format for file in files))
    said = f"{plural(train, 'row')} to train on" + (f" and {number(validation)} to validate with" if validation else "")
    said += f", in {plural(len(names), 'format')}: {', '.join(names)}."
    return Exports(f"{said} Each file was read back and compared, row by row.", files, _notes(material))


def files_of(told: dict[str, Any]) -> list[dict[str, Any]]:
    """What a manifest says of its files."""
    return objects(told.get("files"))


def sides(material: Material) -> tuple[int, int]:
    """Rows to train on and to validate with, of the format that holds most."""
    found = [(_rows(told, "train"), _rows(told, "validation")) for told in material.exports]
    return max(found, key=sum, default=(0, 0))


def digests(material: Material) -> set[str]:
    """Of all files that are there."""
    return {str(file.get("sha256")) for told in material.exports for file in files_of(told)}


def tokens(material: Material) -> str:
    """`about 85,705 tokens` of the format that holds most rows."""
    told = max(material.exports, key=lambda told: _rows(told, "train"), default={})
    counted = files_of(told)
    total = sum(whole(file.get("tokens")) for file in counted)
    about = "" if all(file.get("tokens_exact") for file in counted) else "about "
    return f"{about}{number(total)} tokens" if total else ""


def _rows(told: dict[str, Any], side: str) -> int:
    return sum(whole(file.get("rows")) for file in files_of(told) if str(file.get("name", "")).startswith(side))


def _file(told: dict[str, Any], file: dict[str, Any]) -> File:
    about = "" if file.get("tokens_exact") else "about "
    return File(
        brief(told["format"]), brief(file.get("name", "")), whole(file.get("rows")), size(whole(file.get("bytes"))),
        f"{about}{number(whole(file.get('tokens')))}", brief(file.get("sha256", ""), 64),
    )


def _notes(material: Material) -> list[str]:
    """What a format could not hold, or changes."""
    notes = []
    for told in material.exports[:FORMATS]:
        counts, name = within(told, "counts"), brief(told["format"])
        if refused := whole(counts.get("refused")):
            codes = [f"{code} {number(rows)}" for code, rows in within(counts, "refused_by_code").items()]
            notes.append(brief(f"{name} could not hold {plural(refused, 'row')}: {', '.join(codes)}", 200))
        if changed := whole(counts.get("text_changed_by_template")):
            notes.append(f"{name}: the official template strips or folds the text of {plural(changed, 'row')}")
    return notes
