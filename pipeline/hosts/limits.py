"""What a host says of its limits in the headers of an answer: how many requests and tokens are left, until when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from .failures import go_duration

_NUMBER = re.compile(r"\d{1,15}(\.\d+)?")


class Allowance(NamedTuple):
    """One limit of a host.

    Attributes:
        limit: how many its bucket holds: mostly a minute's.
        remaining: how many are left in it, this request taken out.
        reset_s: seconds until it is full again; None where the host does not say.
    """

    limit: float
    remaining: float
    reset_s: float | None


class Told(NamedTuple):
    """The limits that one answer names; None for what it does not."""

    requests: Allowance | None
    tokens: Allowance | None


def told(headers: Mapping[str, str]) -> Told | None:
    """The limits in `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, as OpenAI, Azure, Groq and vLLM's gateways
    send them; None where there are none. What is not a number counts as not said.

    Args:
        headers: by lower-case name.
    """
    found = Told(_allowance(headers, "requests"), _allowance(headers, "tokens"))
    return found if found.requests or found.tokens else None


def _allowance(headers: Mapping[str, str], what: str) -> Allowance | None:
    remaining = headers.get(f"x-ratelimit-remaining-{what}")
    if remaining is None:
        return None
    left, limit = _number(remaining), _number(headers.get(f"x-ratelimit-limit-{what}", ""))
    if left is None or not limit:
        return None
    reset = headers.get(f"x-ratelimit-reset-{what}", "")
    seconds = go_duration(reset)
    return Allowance(limit, min(left, limit), seconds if seconds is not None else _number(reset))


def _number(text: str) -> float | None:
    """A number that is not negative; `-1`, which some gateways send for `no limit`, is none."""
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None
