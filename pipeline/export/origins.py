"""Where the rows of an export come from: files, models, rewrites; and what to look at before passing them on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from pipeline import hosts
from pipeline.read import file_sha256, shortened
from pipeline.recipe import Recipe
from pipeline.sections import About
from pipeline.types import Sample

MOST_VALUES = 1000
"""Values of an axis that are counted one by one; an axis with more (names, numbers) is only named. Chosen by us."""


class Writer(NamedTuple):
    """Who wrote the answer of a row: the host's name as recipes name it, and the model that it says answered."""

    host: str
    model: str


class Origins:
    """Counts, row by row, where rows come from. Memory grows with distinct values, not with rows.

    Attributes:
        axes: axis -> value -> rows; None for an axis of more than MOST_VALUES values.
        writers: who wrote the answers -> rows.
        files: (file, digest) of what rows were read from -> rows; without a digest where each row is a file.
        rewritten: name of the rewrite -> rows.
        imported: rows that came as they are.
    """

    def __init__(self) -> None:
        self.axes: dict[str, Counter[Any] | None] = {}
        self.writers: Counter[Writer] = Counter()
        self.files: Counter[tuple[str, str]] = Counter()
        self.rewritten: Counter[str] = Counter()
        self.imported = 0

    def add(self, sample: Sample) -> None:
        """Takes one row that is exported."""
        made = sample.provenance
        for axis, value in sample.cell.items():
            counts = self.axes.setdefault(axis, Counter())
            if counts is not None:
                counts[value if isinstance(value, str | int | float | bool) else str(value)] += 1
                if len(counts) > MOST_VALUES:
                    self.axes[axis] = None
        if made.get("model"):
            self.writers[Writer(str(made.get("namespace") or ""), str(made["model"]))] += 1
        elif not made.get("augmentation"):
            self.imported += 1
        if made.get("augmentation"):
            self.rewritten[str(made["augmentation"])] += 1
        if sample.source is not None:
            self.files[_file_of(sample.source)] += 1

    def without(self, others: Origins) -> Origins:
        """Of these rows all but some that are among them. An axis of too many values stays one."""
        rest = Origins()
        for axis, counts in self.axes.items():
            rest.axes[axis] = None if counts is None else counts - (others.axes.get(axis) or Counter())
        rest.writers, rest.files = self.writers - others.writers, self.files - others.files
        rest.rewritten, rest.imported = self.rewritten - others.rewritten, self.imported - others.imported
        return rest

    def as_dict(self, recipe: Recipe | None, known: Files) -> dict[str, Any]:
        """What a manifest says of it. Names of files without their folders: those are of one machine.

        Args:
            recipe: its prompts may show rows of files.
            known: the files; of one that is not there any more the sha256 is None.
        """
        files = [{"name": name if name.endswith("/") else PurePosixPath(name).name,
                  "sha256": known.sha256(known.find(name, digest)), "rows": rows, "used": "rows"}
                 for (name, digest), rows in sorted(self.files.items())]
        return {
            "files": [*files, *(known.shown(recipe) if recipe else [])],
            "writers": [{"host": who.host, "model": who.model, "rows": rows,
                         "rehearsal": who.host == hosts.REHEARSAL} for who, rows in ranked(self.writers)],
            "rewritten": dict(sorted(self.rewritten.items())), "imported": self.imported,
        }


def _file_of(source: dict[str, Any]) -> tuple[str, str]:
    """Name and digest of the file that a row was read from; of folders of texts, the folder's."""
    path = PurePosixPath(str(source.get("file") or ""))
    if source.get("prompt_file"):
        return f"{path.parent.name}/", ""
    return str(path), str(source.get("digest") or "")


class Files:
    """The files that rows come from, each of which is read once for all formats of an export.

    Args:
        folders: where the paths of files may begin.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._known: dict[Path, str | None] = {}

    def sha256(self, path: Path | None) -> str | None:
        """Of a file as it was when it was first asked for; None where it cannot be read."""
        if path is None:
            return None
        if path not in self._known:
            try:
                self._known[path] = file_sha256(path) if path.is_file() else None
            except OSError:
                self._known[path] = None
        return self._known[path]

    def find(self, name: str, digest: str) -> Path | None:
        """The very file that rows were read from, as its digest says."""
        paths = dict.fromkeys((folder / name).resolve() for folder in self._folders if digest)
        return next((path for path in paths if (found := self.sha256(path)) and shortened(found) == digest), None)

    def shown(self, recipe: Recipe) -> list[dict[str, Any]]:
        """Files whose rows the prompts show, with the sha256 of what is there now; None where it is not here."""
        named = dict.fromkeys(step.examples.file for step in recipe.asks if step.examples)
        return [{"name": Path(name).name, "sha256": self.sha256((recipe.folder / name).resolve()),
                 "used": "examples in prompts"} for name in named]


def ranked(counts: Counter[Any]) -> list[tuple[Any, int]]:
    """What was counted, the most frequent first, equal ones by name: the same whatever the order of arrival."""
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))


def notes(origins: dict[str, Any], about: About | None) -> list[str]:
    """What someone who publishes or trains should look at, as sentences. No statement of law.

    Args:
        origins: see Origins.as_dict.
        about: the recipe's.
    """
    told = []
    if about is None or about.license is None:
        told.append("No licence is stated for these rows: `about: {license: cc-by-4.0}` in the recipe states one.")
    real = [writer for writer in origins["writers"] if not writer["rehearsal"]]
    for host in dict.fromkeys(writer["host"] for writer in real):
        models = ", ".join(writer["model"] for writer in real if writer["host"] == host)
        local = hosts.presets().get(host, {}).get("local")
        told.append(f"Written by {models} on a machine of one's own ({host}): check what the model's licence says on "
                    "training on its output." if local else
                    f"Written by {models} at {host}: check the terms of {host} on training on its output.")
    names = ", ".join(dict.fromkeys(str(file["name"]) for file in origins["files"]))
    if names:
        told.append(f"Made from {names}: what holds for {'them' if ',' in names else 'it'} may hold for these rows.")
    return told


def sources(about: About | None, origins: Origins, recipe: Recipe | None, files: Files) -> dict[str, Any]:
    """What a manifest says of licence and sources; see Origins.as_dict."""
    known = origins.as_dict(recipe, files)
    return {"license": about.license if about else None,
            "about": about.model_dump(mode="json", exclude_defaults=True) if about else {},
            "provenance": known, "notes": notes(known, about)}
