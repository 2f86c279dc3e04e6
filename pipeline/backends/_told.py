"""What a host tells of a job, read into our words: metrics of events and result files, and the line at fault."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

NAMES = {
    "train_loss": "train_loss",
    "train_mean_token_accuracy": "train_token_accuracy",
    "train_accuracy": "train_token_accuracy",
    "valid_loss": "validation_batch_loss",
    "valid_mean_token_accuracy": "validation_batch_token_accuracy",
    "full_valid_loss": "validation_loss",
    "full_valid_mean_token_accuracy": "validation_token_accuracy",
}
"""A host's name -> ours. `valid_*` is one small batch of the validation file at that step, `full_valid_*` all of it."""

_SAID = re.compile(
    r"Step (\d+)(?:/(\d+))?: training loss=([\d.]+)(?:, validation loss=([\d.]+))?(?:, full validation loss=([\d.]+))?")
"""`Step 300/300: training loss=0.15, validation loss=0.27, full validation loss=0.40`: all that older jobs give."""
_LINE = re.compile(r"\b(?:example|line|row)\s+#?(\d+)", re.I)
_TOKEN = re.compile(r"<\|[^|\s]{1,40}\|>")
_HEAD = b"step,"


def line_of(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """The line of metrics.jsonl that an event holds; None for one without metrics.

    `data` counts, and the message where that has no step. `steps` is in it where the host says it.
    """
    data = event.get("data")
    values: dict[str, Any] = dict(data) if isinstance(data, dict) and "step" in data else {}
    if not values:
        said = _SAID.search(str(event.get("message") or ""))
        if said is None:
            return None
        keys = ("step", "total_steps", "train_loss", "valid_loss", "full_valid_loss")
        values = {key: value for key, value in zip(keys, said.groups(), strict=True) if value is not None}
    line = _line(values)
    if line is not None and isinstance(event.get("created_at"), int | float):
        line["at"] = moment(event["created_at"])
    return line


def rows_of(result: bytes) -> Iterator[dict[str, Any]]:
    """The lines that a result file adds: CSV, or base64 of it, as older versions of the API sent it."""
    if not result.lstrip().startswith(_HEAD):
        try:
            result = base64.b64decode(result, validate=True)
        except (binascii.Error, ValueError):
            return
    lines = result.decode("utf-8", "replace").strip().splitlines()
    names = lines[0].split(",") if lines else []
    for row in lines[1:]:  # numbers and commas, never quoted
        line = _line(dict(zip(names, row.split(","), strict=False)))
        if line is not None:
            yield line


def _line(values: Mapping[Any, Any]) -> dict[str, Any] | None:
    """Our names for what is a finite number; None without a step."""
    step = _number(values.get("step"))
    if step is None:
        return None
    line: dict[str, Any] = {"step": int(step)}
    total = _number(values.get("total_steps"))
    if total is not None:
        line["steps"] = int(total)
    for theirs, ours in NAMES.items():
        value = _number(values.get(theirs))
        if value is not None:
            line[ours] = value
    return line


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def moment(seconds: float) -> str:
    """Seconds since the epoch as UTC, ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def line_at_fault(message: str) -> int | None:
    """The number of the line that a host complains of, from 1: `Example 6174 message contains an invalid token`."""
    found = _LINE.search(message)
    return int(found[1]) if found and int(found[1]) > 0 else None


def tokens_at_fault(message: str) -> list[str]:
    """The special tokens that a message names, as `<|fim_suffix|>`."""
    return _TOKEN.findall(message)
