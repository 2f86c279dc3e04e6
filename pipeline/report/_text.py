"""Texts that others wrote, cut to what a page has room for, and harmless in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipeline.words import number, shown

NAME = 48
"""Characters of a value, a rule or a file that stand in a table."""


class Cut(NamedTuple):
    """The beginning of a text, and how many characters follow; 0 for a text that is whole."""

    text: str
    more: int

    @property
    def rest(self) -> str:
        """`12,345 more characters`, or nothing."""
        return f"{number(self.more)} more characters" if self.more else ""


def cut(text: Any, limit: int) -> Cut:
    """The beginning of a text, up to a space near `limit` characters."""
    whole = text if isinstance(text, str) else "" if text is None else str(text)
    if len(whole) <= limit + limit // 4:  # nobody wants to be told that four characters follow
        return Cut(shown(whole), 0)
    space = whole.rfind(" ", limit * 3 // 4, limit)
    end = space if space > 0 else limit
    return Cut(shown(whole[:end]), len(whole) - end)


def brief(value: Any, limit: int = NAME) -> str:
    """A value on one line of a table."""
    flat = " ".join(str(value)[: 4 * limit].split())
    return shown(flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…")


def moment(stamp: Any) -> str:
    """`2026-11-21 08:47 UTC` of an ISO 8601 stamp; its beginning where it is none."""
    if not isinstance(stamp, str):
        return ""
    return brief(stamp)[:16].replace("T", " ") + (" UTC" if stamp.endswith("Z") else "")
