"""Checkpoints and adapters on the disk: whole or not there, so that a killed or full disk loses little."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from pipeline.errors import DataError
from pipeline.local.bases import RECORD
from pipeline.store.files import FULL, sync_folder, write_atomic

PREFIX = "checkpoint-"
WHOLE = "whole"
"""A file that is put into a checkpoint when everything else of it is on the disk."""
ADAPTER = "adapter"
CHECKPOINTS = "checkpoints"
FULL_WORDS = ("no space left", "os error 28", "disk quota", "pytorchstreamwriter failed", "file write failed",
              "unexpected pos", "iostream error")
"""How torch and safetensors say that the disk is full; they keep no error number (torch 2.13, safetensors 0.8)."""


def step_of(folder: Path) -> int:
    """The step of a checkpoint; -1 where the folder is none."""
    number = folder.name.removeprefix(PREFIX)
    return int(number) if folder.name.startswith(PREFIX) and number.isdigit() else -1


def seal(folder: Path) -> None:
    """Makes a checkpoint durable, and marks it as whole."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    write_atomic(folder / WHOLE, b"")
    sync_folder(folder.parent)


def last_whole(folder: Path) -> Path | None:
    """The checkpoint to go on from. What a kill left half-written is removed."""
    best: Path | None = None
    for path in sorted(folder.glob(f"{PREFIX}*"), key=step_of):
        if (path / WHOLE).is_file():
            best = path
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
    return best


@contextmanager
def full_disk(place: Path, kept: str) -> Iterator[None]:
    """Turns the libraries' words for a full disk into a sentence.

    Args:
        place: where was to be written.
        kept: what stands all the same.

    Raises:
        DataError: the disk is full.
    """
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        raise DataError(f"{place}: the disk is full; {kept}",
                        f"free some space (df -h {place}), then run the same command again: it goes on from there"
                        ) from error


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is about a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if not isinstance(error, DataError) and any(word in str(error).lower() for word in FULL_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def save_adapter(model: Any, tokenizer: Any, folder: Path, record: dict[str, Any]) -> Path:
    """Writes adapter, tokenizer, chat template and record; the folder appears when all of it is there.

    Raises:
        DataError: the disk is full; the checkpoints stand.
    """
    part, target = folder / f".{ADAPTER}.part", folder / ADAPTER
    with full_disk(folder, "the last checkpoint stands"):
        shutil.rmtree(part, ignore_errors=True)
        model.save_pretrained(str(part), save_embedding_layers=False)
        tokenizer.save_pretrained(str(part))
        (part / "README.md").unlink(missing_ok=True)  # peft's form of a model card, with nothing filled in
        write_atomic(part / RECORD, _json(record))
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
        sync_folder(folder)
    return target


def note(folder: Path, record: dict[str, Any]) -> None:
    """Writes the record of an adapter anew."""
    write_atomic(folder / ADAPTER / RECORD, _json(record))


def _json(record: dict[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def finished(folder: Path) -> dict[str, Any] | None:
    """The record of an adapter that is there already; None where it is not."""
    try:
        value = orjson.loads((folder / ADAPTER / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
