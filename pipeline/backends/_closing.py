"""OpenAI ends fine-tuning: what to expect of a host and a base today, and the three ways on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from ..errors import ProviderError
from ..prices import base_model
from ..types import Problem

SOON_DAYS = 90
"""A shutdown so near is said beforehand."""
BARRED = "training_not_available"
"""`error.code` of the 403 that an organisation gets which may tune no more."""


@cache
def table() -> dict[str, Any]:
    """openai.json: dates, and the default base."""
    value: dict[str, Any] = orjson.loads(Path(__file__).with_name("openai.json").read_bytes())
    return value


def is_openai(base_url: str) -> bool:
    """Whether an address is OpenAI's own, in any region."""
    host = (urlsplit(base_url).hostname or "").lower()
    return host == table()["host"] or host.endswith(f".{table()['host']}")


def ways_on(name: str, train: str) -> str:
    """What still works with the same file, a line each.

    Args:
        name: the dataset's.
        train: path of the training file.
    """
    return (
        f"synth finetune {name} --backend openai --base HOST:MODEL   another host: [providers.HOST] in synth.toml\n"
        f"synth finetune {name} --backend lora --base MODEL          on this machine\n"
        f"in a notebook with a GPU: {train} is what TRL reads as `messages`"
    )


def ended(base_url: str, today: date, ways: str) -> Problem | None:
    """Why a host takes no job any more; None where it does, as far as is known."""
    end = date.fromisoformat(table()["jobs_end"])
    if not is_openai(base_url) or today < end:
        return None
    return Problem("error", "tuning-ended", base_url, f"OpenAI takes no fine-tuning jobs since {end}", ways)


def notice(base: str, base_url: str, today: date, ways: str) -> Problem | None:
    """What to expect of OpenAI before its end; None at another host."""
    if not is_openai(base_url):
        return None
    known = table()
    end, off = date.fromisoformat(known["jobs_end"]), known["off"].get(base_model(base))
    barred = " and ".join(who for since, who in known["barred"].items() if date.fromisoformat(since) <= today)
    stops = f"; what is tuned on {base} stops answering on {off}" if off else ""
    message = (
        f"OpenAI is closing fine-tuning: no new jobs from {end}, in {(end - today).days} days{stops}. "
        f"Already shut out: {barred} (as of {known['date']})"
    )
    return Problem("warning", "tuning-ends", base_url, message, ways)


def shutdown(base: str, base_url: str, model: Mapping[str, Any], today: date, ways: str) -> Problem | None:
    """Whether a base is switched off, or will be soon: by its host's own `shutdown_date`, else by the table.

    Args:
        base: the model's name.
        base_url: the host's address; the table is about OpenAI's own.
        model: what the host says of it.
        today: for the days that are left.
        ways: see `ways_on`.
    """
    said = model.get("shutdown_date") or (table()["off"].get(base_model(base)) if is_openai(base_url) else None)
    try:
        off = date.fromisoformat(str(said)[:10])
    except ValueError:
        return None
    if off <= today:
        return Problem("error", "base-gone", base, f"was switched off on {off}", ways)
    if (off - today).days > SOON_DAYS or (is_openai(base_url) and not model.get("shutdown_date")):
        return None  # the notice says it
    return Problem("warning", "base-ends", base, f"is switched off on {off}, and what is tuned on it with it", ways)


def barred(host: str, said: str, ways: str) -> ProviderError:
    """The 403 of an organisation that may tune no more, explained.

    Args:
        host: the provider entry's name.
        said: the host's own words.
        ways: see `ways_on`.
    """
    what = f"{host}: this organisation may start no fine-tuning job any more"
    return ProviderError(f"{what}\nthe host says: {said}", ways)
