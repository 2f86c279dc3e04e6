"""A dataset with training files and the record of a tuned model, as `finetune` leaves them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.store import Dataset
from pipeline.types import Sample

GENRES = ("crime", "horror", "high fantasy", "romance")


def row(number: int, answer: str = "") -> dict[str, Any]:
    """Row `number` of a training file."""
    asked = f"Genre: {GENRES[number % 4]}\nYear: {1900 + number}\n\nPLOT OUTLINE:"
    said = answer or f"In {1900 + number} a clerk of {GENRES[number % 4]} finds a key that fits no door in the town."
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def sample(number: int, answer: str = "") -> Sample:
    """The dataset's row that line `number` was written from."""
    return Sample(f"row{number:023d}", row(number, answer)["messages"],
                  cell={"genre": GENRES[number % 4], "year": 1900 + number})


def write(path: Path, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A training file, and how finetune.json names it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"path": f"exports/openai-chat/{path.name}", "sha256": sha256, "rows": len(rows)}


def dataset(
    path: Path, train: Sequence[dict[str, Any]], validation: Sequence[dict[str, Any]], samples: Sequence[Sample] = (),
    **record: Any,
) -> Path:
    """A dataset whose model `t1` was tuned on these rows."""
    with Dataset.create(path) as made, made.lock("samples"), made.sample_writer() as writer:
        for each in samples:
            writer.add(each)
    folder = path / "exports" / "openai-chat"
    data = {"train": write(folder / "train.jsonl", train),
            "validation": write(folder / "validation.jsonl", validation) if validation else None, "rehearsal": False}
    finetune(path, "t1tuned0aa", data, **record)
    return path


def finetune(path: Path, name: str, data: dict[str, Any], **record: Any) -> None:
    """The record of a tuned model."""
    folder = path / "finetunes" / name
    folder.mkdir(parents=True, exist_ok=True)
    value = {"id": name, "backend": "lora", "base": "tiny", "state": "succeeded", "created": "2026-11-21T08:00:00Z",
             "finished": "2026-11-21T08:01:00Z", "settings": {}, "data": data, "model": "adapter", **record}
    (folder / "finetune.json").write_text(json.dumps(value))
