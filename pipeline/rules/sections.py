"""Finds answers that lack sections that were asked for: named ones, numbered ones, or those that the prompt lists.

Without options the sections are those of a numbered list in the row's own prompt, where the answer has half of them
as headings or the first few; any other list is something that the answer speaks about. A heading begins a line.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field

from ..headings import is_pattern, lacking, missing_numbers, missing_sections
from ..types import Sample
from ..views import asked, said
from ..words import plural
from . import Decision, Measured, OptionFault, Options, RowRule, Rule

BETWEEN, NONE = "; ", "none"


class Measure(Options):
    """What is looked for."""

    sections: list[str] | None = Field(None, description="names of sections, or regular expressions as /^setup/")
    count: int | None = Field(None, ge=1, le=999, description="sections are numbered from 1 to this")
    in_order: bool = Field(False, description="whether a section before an earlier one counts as missing")


class Bounds(Options):
    """How many may be missing, and what becomes of a row that lacks more."""

    missing: int = Field(0, ge=0, description="so many may be missing")
    act: Literal["auto", "drop", "flag"] = Field(
        "auto", description="auto: drop where sections are named here, flag where the prompt's list is taken")


class Sections(RowRule[Measure, Bounds]):
    """Names the sections that are missing, `none` where none is."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Reads `- sections: 15` and `- sections: [Setup, Finale]`."""
        value = options.pop("value", None)
        if isinstance(value, int) and not isinstance(value, bool):
            options["count"] = value
        elif value is not None:
            options["sections"] = value
        return options

    def check(self) -> None:
        """One of the two, and patterns that are some."""
        names = self.how.sections
        if names is not None and self.how.count is not None:
            raise OptionFault("either names or a count", "- sections: {count: 15}")
        if names is not None and not (names and all(name.strip() for name in names)):
            raise OptionFault("sections: which ones?", "- sections: {sections: [Setup, Finale]}")
        for name in filter(is_pattern, names or ()):
            try:
                re.compile(name[1:-1])
            except re.error as error:
                raise OptionFault(f"{name} is no regular expression: {error}") from None

    def measure(self, sample: Sample) -> Measured | None:
        """Names of what is missing, joined by `; `; None for calls of tools, and where nothing was asked for."""
        text = said(sample)
        if text is None:
            return None
        if self.how.count is not None:
            return _measured(missing_numbers(text, self.how.count))
        if self.how.sections is not None:
            return _measured(missing_sections(text, self.how.sections, in_order=self.how.in_order))
        listed = lacking(asked(sample), text, in_order=self.how.in_order)
        return _measured(listed[1]) if listed else None

    def decide(self, measured: Measured) -> Decision:
        """Drops or flags a row that lacks more than may be missing."""
        names = [] if measured.value == NONE else str(measured.value).split(BETWEEN)
        if len(names) <= self.bounds.missing:
            return Decision("keep")
        guessed = self.how.sections is None and self.how.count is None
        act = self.bounds.act if self.bounds.act != "auto" else "flag" if guessed else "drop"
        kind = "numbered section" if self.how.count is not None else "section"
        return Decision(act, f"lacks {plural(len(names), kind)}: {_shown(names)}")


def _measured(missing: list[str]) -> Measured:
    return Measured(BETWEEN.join(name.replace(BETWEEN, " ") for name in missing) or NONE)


def _shown(names: list[str]) -> str:
    return ", ".join(names[:15]) + (f" and {len(names) - 15} more" if len(names) > 15 else "")


plugin: type[Rule[Measure, Bounds]] = Sections
