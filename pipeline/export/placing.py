"""Puts what was written in the place of the export before: all of it or nothing, and nothing of a hand is taken."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from pipeline.read import file_sha256
from pipeline.store.files import sync_folder, write_atomic

MANIFEST, REFUSED = "manifest.json", "refused.jsonl"
UNFINISHED = ".new-"
"""How the folder is called in which files are written before they are put in place."""


def measure(path: Path) -> tuple[int, str]:
    """Bytes and sha256 of a file; of a folder those of all its files, by their names."""
    if path.is_file():
        return path.stat().st_size, file_sha256(path)
    size, whole = 0, hashlib.sha256()
    for each in sorted((found for found in path.rglob("*") if found.is_file()), key=lambda p: p.as_posix().encode()):
        data = each.read_bytes()
        size += len(data)
        whole.update(f"{each.relative_to(path).as_posix()}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return size, whole.hexdigest()


def manifest_in(folder: Path) -> dict[str, Any]:
    """The manifest of the export before; empty where there is none."""
    try:
        value = orjson.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def manifest_bytes(manifest: dict[str, Any]) -> bytes:
    """A manifest as it stands in its file."""
    return orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n"


def side_of(name: str) -> str:
    """`train` of `train.jsonl`, `train.jsonl.gz` or a folder's `train`: the side of a file of an export."""
    return name.partition(".")[0]


def put_in_place(new: Path, folder: Path) -> tuple[str, ...]:
    """Moves files over those of the export before; files that only that one had are taken away.

    Returns:
        The config files of the export before: they are taken away or, where a hand changed them, they stay.
    """
    last = manifest_in(folder)
    stale = tuple(configs_in(folder, last))
    before = {*_names_in(last), *(name for name in stale if _is_ours(folder, last, name))}
    with suppress(FileNotFoundError):
        (folder / MANIFEST).unlink()
    made = sorted((path for path in new.iterdir() if path.name != MANIFEST), key=lambda path: path.name)
    for name in {*before, REFUSED} - {path.name for path in made}:
        remove(folder / name)
    for path in made:
        _sync(path)
        if (folder / path.name).is_dir():
            remove(folder / path.name)
        path.replace(folder / path.name)
    _sync(new / MANIFEST)
    (new / MANIFEST).replace(folder / MANIFEST)
    sync_folder(folder)
    return stale


def _names_in(manifest: dict[str, Any]) -> set[str]:
    """Names of the files that an export's manifest lists; only plain names, whatever stands there."""
    try:
        return {file["name"] for file in manifest["files"] if Path(file["name"]).name == file["name"]}
    except (KeyError, TypeError):
        return set()


def configs_in(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Names of the config files that a manifest lists and that are there; only plain names, whatever stands there."""
    listed = manifest.get("configs")
    names = [each.get("name") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [name for name in names if isinstance(name, str) and Path(name).name == name and (folder / name).is_file()]


def _is_ours(folder: Path, manifest: dict[str, Any], name: str) -> bool:
    """Whether a config file is as it was written, and no hand changed it since."""
    return {"name": name, "sha256": measure(folder / name)[1]} in manifest["configs"]


def list_configs(folder: Path, files: dict[str, str]) -> None:
    """Notes in the manifest which config files stand beside the rows, so that the next export takes them away."""
    manifest = manifest_in(folder)
    manifest["configs"] = [{"name": name, "sha256": hashlib.sha256(text.encode()).hexdigest()}
                           for name, text in files.items()]
    write_atomic(folder / MANIFEST, manifest_bytes(manifest))


def remove(path: Path) -> None:
    """A file or a folder, where there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())
