"""What a host's refusal means: one typed failure for every status, code and header that is known."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any, NamedTuple

import orjson

from pipeline.types import Failure, FailureClass

RAW_LIMIT = 64 * 1024
"""Bytes of an answer that a failure keeps."""
QUOTA_CODES = frozenset(
    {"insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
     "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached",
     "billing_not_active"}
)
"""`error.code` of exhausted credit (Microsoft's dev-proxy pages, reports of 2026; the last two are older names)."""
CONTEXT = re.compile(r"context_length_exceeded|maximum context length|context window|prompt is too long", re.I)
FILTERED = re.compile(
    r"content_filter|content_policy|content management policy|moderation|responsibleaipolicy|flagged", re.I)
BAD_KEY = re.compile(
    r"invalid_api_key|api[ _]key (?:is )?(?:not valid|invalid|incorrect|expired)|invalid api[ _]key", re.I)
"""Gemini and some gateways answer a wrong key with 400."""
NO_MODEL = re.compile(
    r"model_not_found|\bmodel\b.{0,120}?(?:not found|not exist|does not exist|unknown|is not a valid)|"
    r"(?:unknown|invalid|no such) model", re.I | re.S)
NO_KEY = "no_key:"
"""Before the name of the variable that holds none, as a code that we give."""
WRONG_ADDRESS, NO_SUCH_MODEL = "wrong_address", "model_not_found"
"""Codes that we give: nothing at that address speaks the API; the host does not have the model."""
UNSUPPORTED = "unsupported_parameter"
"""OpenAI's code for a key that a model does not take, and ours wherever a host's words say so."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Said(NamedTuple):
    """What an error body says: message, type and code; empty where it does not."""

    message: str
    type: str
    code: str


def said(body: bytes) -> Said:
    """Reads an error body of any known shape: OpenAI's, a bare `message` or `detail`, or no JSON at all."""
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace").strip()
        return Said("an HTML page" if text.startswith("<") else " ".join(text.split())[:300], "", "")
    if isinstance(value, list) and value:
        value = value[0]  # Gemini wraps its errors in a list
    if not isinstance(value, dict):
        return Said(str(value)[:300], "", "")
    error = value.get("error", value)
    if isinstance(error, str):
        return Said(error[:1000], "", "")
    if not isinstance(error, dict):
        return Said("", "", "")
    message = error.get("message") or error.get("detail") or value.get("message") or ""
    code = error.get("code") if error.get("code") is not None else error.get("status")
    inner = error.get("innererror")
    if isinstance(inner, dict) and inner.get("code"):
        code = inner["code"]  # Azure names its content filter there
    return Said(message if isinstance(message, str) else orjson.dumps(message).decode()[:1000],
                str(error.get("type") or ""), "" if code is None else str(code))


def go_duration(text: str) -> float | None:
    """Seconds of a duration as Go prints it: `6m0s`, `1.5s`, `120ms`; None where it is none."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a host asks to wait: `retry-after-ms`, then `retry-after` (seconds or an HTTP date), then the reset
    of an exhausted bucket; None where it asks nothing.

    Args:
        headers: by lower-case name.
        now: seconds since the epoch, for dates of a host that does not say its own time; clocks differ, ours may jump.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,12}(\.\d*)?", value):
            return float(value) * unit
        if value and name == "retry-after":
            when, said_at = _seconds(value), _seconds(headers.get("date", ""))
            if when is not None:
                return max(0.0, when - (now if said_at is None else said_at))
    waits = [
        go_duration(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens") if headers.get(f"x-ratelimit-remaining-{what}", "").strip() == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _seconds(date: str) -> float | None:
    """An HTTP date as seconds since the epoch; None where it is none."""
    try:
        when = email.utils.parsedate_to_datetime(date)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def kind_of(status: int, told: Said) -> FailureClass:
    """The class of a refusal: type insufficient_quota first, then the code, then the status."""
    text = f"{told.code} {told.type} {told.message}"
    if told.type == "insufficient_quota" or told.code in QUOTA_CODES or status == 402:
        return "quota"
    if status == 429 or told.code in ("rate_limit_exceeded", "slow_down"):
        return "server" if status == 503 else "rate_limit"
    if status == 401:
        return "auth"
    if status in (400, 403, 413, 422):
        if BAD_KEY.search(text):
            return "auth"
        if CONTEXT.search(text):
            return "length"
        if FILTERED.search(text):
            return "content_filter"
        return "auth" if status == 403 else "bad_request"
    if status in (408, 504, 524):
        return "timeout"
    return "server" if status >= 500 or status in (409, 425) else "bad_request"


def failure(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Failure:
    """The failure that an error response means.

    `x-should-retry: false` makes a failure that would be tried again a bad_request; `true` makes a bad_request a server
    fault. Exhausted credit and a wrong key stay what they are. A gateway that gave up waiting (504, 524) may have cost
    money, other errors do not.
    """
    told = said(body)
    kind = kind_of(status, told)
    wish = headers.get("x-should-retry", "").strip().lower()
    message = told.message or f"HTTP {status} without a reason"
    if wish == "false" and kind in ("server", "rate_limit", "timeout"):
        kind, message = "bad_request", f"{message} (the host asks not to retry)"
    elif wish == "true" and kind == "bad_request":
        kind = "server"
    code = told.code or told.type or None
    if status in (301, 302, 303, 307, 308):
        message = f"moved to {headers.get('location', 'nowhere')}: set that as the base URL"
        code = WRONG_ADDRESS
    waits = kind in ("rate_limit", "server", "timeout")
    return Failure(
        kind, message, status=status, code=code, raw=cut(body),
        retry_after=retry_after(headers, now) if waits else None, billed=status in (504, 524),
    )


def cut(body: bytes) -> str:
    """A raw answer as text, its first 64 KiB."""
    return body[:RAW_LIMIT].decode("utf-8", "replace")
