"""How numbers, sums, times and other people's texts are put before a reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

Name = TypeVar("Name", str, tuple[str, str])

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Control characters, overrides of direction, and what UTF-8 cannot hold. Line breaks and tabs may stand."""

_BREAKS = {0x2028: "\n", 0x2029: "\n", 0xFEFF: ""}
"""What YAML takes for a line break as well, and the mark of byte order."""


def shown(text: str) -> str:
    """A text that steers neither a terminal nor a page: control characters and direction marks are escaped."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text.replace("\r\n", "\n"))


def printable(text: str) -> str:
    """A text without what `shown` escapes, as YAML can hold it; line breaks are `\\n`."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).translate(_BREAKS)


def number(value: Any) -> str:
    """1944 -> 1,944; 0.25 -> 0.25; others as they are."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def kind_of(value: Any) -> str:
    """What a value of JSON is: `a text`, `a number`, `an array`."""
    return {dict: "an object", list: "an array", str: "a text", bool: "true or false",
            type(None): "null"}.get(type(value), "a number")


def about(value: float) -> str:
    """A number that is not known well, in three digits: 53476.2 -> 53,500."""
    whole = round(value)
    return f"{round(whole, 3 - len(str(abs(whole)))) if abs(whole) > 999 else whole:,}"


def money(usd: float | None) -> str:
    """US dollars with as many digits as tell something: $0, $0.0004, $0.02, $12.40, unknown."""
    if usd is None:
        return "unknown"
    if usd == 0:
        return "$0"
    if usd < 0.01:
        return f"${usd:.1g}" if usd >= 0.0001 else "under $0.0001"
    return f"${usd:,.2f}"


def price(usd: float) -> str:
    """US dollars for a million tokens, whole: $2.00, $0.40, $0.075."""
    return f"${usd:,.2f}" if round(usd, 2) == usd else f"${usd:,g}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 row`, `1,944 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def ranked(counts: Mapping[Name, int]) -> dict[Name, int]:
    """Counts with the largest first, equal ones by name: the same in whatever order rows arrived."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def causes(counts: Mapping[str, int]) -> str:
    """`7: 5 by premise|length < 80, 2 by refusal`, the most frequent first; `5 by refusal` where there is one cause."""
    told = ", ".join(f"{count:,} by {why}" for why, count in ranked(counts).items())
    return f"{sum(counts.values()):,}: {told}" if len(counts) > 1 else told


def duration(seconds: float) -> str:
    """0.4 s, 12 s, 2 min 5 s, 3 h 20 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: int) -> str:
    """Bytes in decimal units: 812 B, 1.4 kB, 3.2 GB."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def percent(part: int, whole: int) -> str:
    """A share in whole per cent, never rounded to 0 or 100 unless it is."""
    if not whole:
        return "-"
    share = round(100 * part / whole)
    return f"{min(99, share) if part < whole else share}%" if part == 0 or share else "1%"
