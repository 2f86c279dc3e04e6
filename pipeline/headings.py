"""Sections of a text by their headings: which a prompt asks for, which an answer has, lacks, or leaves empty.

A heading begins a line: `3. Setup: ...`, `## Setup`, `**Setup**`, `Act 1 - Setup`. Letter case, accents and punctuation
do not count. A name between slashes is a regular expression, matched where the heading's text begins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from .views import has_words, words

OUT_OF_ORDER, EMPTY = " (out of order)", " (empty)"
"""What is said behind a section that is there, and not as it is to be."""
NOTHING = frozenset({"n a", "na", "none", "tba", "tbd", "todo"})
"""What stands under a heading in place of a text."""
LISTED = 4
"""Items from which on a numbered list in a prompt may be the sections of its answer. Chosen by us on 2026-11-28: lists
of two or three are mostly choices."""
FOLLOWED = 0.5
"""Share of a prompt's list that an answer has as headings where it follows it. Chosen by us on 2026-11-28: of the 252
outlines that we looked at 238 have 11 of 15 or more."""
ITEM = 60
"""Characters of such an item at most; chosen by us on 2026-11-28: a sentence has more."""
_LEAD = re.compile(
    r"[\s>#*_+•–-]*(?:\(?(?P<number>\d{1,3})[.):]\s*)?"
    r"(?:(?:act|beat|chapter|part|scene|section|step)\s+(?P<named>\d{1,3})\s*[:.)–—-]*\s*)?[\s*_\"“]*", re.IGNORECASE)
_LETTERED = re.compile(r"\s*[*_#-]*\s*\(?(?:[a-z]|[ivx]{1,5})[.)]\s+", re.IGNORECASE)
_TAIL = re.compile(r"[*_\"”]*[ \t]?[.)]?[ \t]?[:–—-]?[*_]*[ \t]*(?:[\r\n]\s*)?")
"""What stands between a section's name and what it says."""
_AFTER = r"(?:[\s*_\"”.)]*(?:$|[:\-–—(])|\s*\*\*)"
_NUMBERED = re.compile(r"^[ \t]*(\d{1,3})[.)][ \t]+(\S[^\n\r]*?)[ \t]*$", re.MULTILINE)


class _Line(NamedTuple):
    """A line that is not blank. `text` is what stands behind numbers and marks at its head, from character `at` on."""

    number: int | None
    text: str
    begin: int
    at: int


class Place(NamedTuple):
    """Where a section stands in a text, in characters.

    Attributes:
        begin: of the line of its heading.
        name: of the section's name in it; where sections are only numbered, `body`.
        name_end: behind the name.
        body: of what the section says.
    """

    begin: int
    name: int
    name_end: int
    body: int


def missing_sections(text: str, sections: Sequence[str], *, in_order: bool = False) -> list[str]:
    """The sections that a text lacks, in the order in which they are wanted.

    Args:
        text: the answer.
        sections: names, or regular expressions between slashes.
        in_order: whether one that stands before an earlier one counts, as `Setup (out of order)`.

    Returns:
        Their names as given; `Setup (empty)` where the heading has nothing under it.
    """
    lines = _lines(text)
    begun, places = _headed(lines, sections)
    taken = sorted(places.values())  # of a name that stands twice (a table of contents) the last place has the text
    found, latest = [], -1
    for number, name in enumerate(sections):
        at = places.get(number)
        if at is None:
            found.append(name)
            continue
        match = begun[at]
        below = next((place for place in taken if place > at), len(lines))
        under = [lines[at].text[match.end():] if match else "", *(line.text for line in lines[at + 1 : below])]
        if not _says_something(under):
            found.append(name + EMPTY)
        elif in_order and at < latest:
            found.append(name + OUT_OF_ORDER)
        latest = max(latest, at)
    return found


def section_places(text: str, sections: Sequence[str]) -> dict[int, Place]:
    """Where sections stand: number of the section, from 0 on -> place. Of a name that stands twice, the last one."""
    lines = _lines(text)
    begun, places = _headed(lines, sections)
    found = {}
    for number, at in places.items():
        match, line = begun[at], lines[at]
        if match is not None:
            name, end = (line.at + each for each in match.span(f"n{number}"))
            tail = _TAIL.match(text, end)
            found[number] = Place(line.begin, name, end, tail.end() if tail else end)
    return found


def number_places(text: str, count: int) -> dict[int, Place]:
    """The same of sections that are only numbered, 1 to `count`."""
    lines = [line for line in _lines(text) if line.number is not None and 1 <= line.number <= count]
    return {(line.number or 0) - 1: Place(line.begin, line.at, line.at, line.at) for line in lines}


def lacking(prompt: str, text: str, *, in_order: bool = False) -> tuple[tuple[str, ...], list[str]] | None:
    """The sections that a prompt lists, and those that an answer lacks; None where none is, or it has another form.

    An answer has the form that the prompt lists where it has half of the sections, or the first few and then no more.
    """
    listed = asked_sections(prompt) if "4." in prompt or "4)" in prompt else ()
    if not listed:
        return None
    missing = missing_sections(text, listed, in_order=in_order)
    there = len(listed) - len(missing)
    follows = there >= FOLLOWED * len(listed) or (there >= LISTED and missing == list(listed[there:]))
    return (listed, missing) if follows else None


def missing_numbers(text: str, count: int) -> list[str]:
    """Which of the sections 1 to `count` a text lacks, by the numbers at the heads of its lines: `3`, `4 (empty)`."""
    lines = _lines(text)
    places = {line.number: at for at, line in enumerate(lines) if line.number is not None}
    found = []
    for number in range(1, count + 1):
        at = places.get(number)
        if at is None:
            found.append(str(number))
        elif not has_words(lines[at].text, 1) or lines[at].text.rstrip(" \t*_").endswith(":"):  # a heading and no more
            after = lines[at + 1] if at + 1 < len(lines) else None
            if after is None or after.number is not None or not has_words(after.text, 1):
                found.append(f"{number}{EMPTY}")
    return found


@lru_cache(maxsize=8)
def asked_sections(prompt: str) -> tuple[str, ...]:
    """The names that a prompt lists, one a line and numbered from 1; none where it has no such list, or several."""
    runs: list[list[str]] = []
    for match in _NUMBERED.finditer(prompt):
        number, item = int(match[1]), match[2].strip("*_ ").rstrip(":")
        if number == 1:
            runs.append([])
        if runs and number == len(runs[-1]) + 1:
            runs[-1].append(item)
    runs = [run for run in runs if len(run) >= LISTED]
    if len(runs) != 1 or any(not words(item) or len(item) > ITEM or item[-1] in ".?!;" for item in runs[0]):
        return ()
    return tuple(runs[0]) if len({*map(str.casefold, runs[0])}) == len(runs[0]) else ()


def _headed(lines: list[_Line], sections: Sequence[str]) -> tuple[list[re.Match[str] | None], dict[int, int]]:
    """Which section each line begins, and section -> line."""
    says = _says(tuple(sections))
    begun = [says.match(line.text) for line in lines]
    return begun, {int(match.lastgroup[1:]): at for at, match in enumerate(begun) if match and match.lastgroup}


@lru_cache(maxsize=8)
def _says(sections: tuple[str, ...]) -> re.Pattern[str]:
    """What the text of a line is matched with: one group for each section, `s0`, `s1`, ..."""
    return re.compile("|".join(f"(?P<s{number}>{_spelled(number, name)})" for number, name in enumerate(sections)),
                      re.IGNORECASE)


def _spelled(number: int, name: str) -> str:
    if is_pattern(name):
        return f"(?P<n{number}>{re.compile(name[1:-1]).pattern})"
    spelled = r"[\W_]+".join(map(re.escape, words(name))) or re.escape(name)
    return rf"[\W_]*(?P<n{number}>{spelled}){_AFTER}"


def is_pattern(name: str) -> bool:
    """Whether a section is given as a regular expression, between slashes."""
    return len(name) > 2 and name.startswith("/") and name.endswith("/")


def _says_something(texts: Sequence[str]) -> bool:
    """Whether words stand there, and not only that there are none."""
    said = next((text for text in texts if has_words(text, 1)), "")
    return bool(said) and not (len(said) < 12 and " ".join(words(said)) in NOTHING)


def _lines(text: str) -> list[_Line]:
    found = []
    begin = end = 0
    for line in text.splitlines(keepends=True):
        begin, end = end, end + len(line)
        if line.isspace():
            continue
        line = line.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
        lettered = _LETTERED.match(line)
        lead = _LEAD.match(line)
        at = lettered.end() if lettered else lead.end() if lead else 0
        number = lead and (lead["number"] or lead["named"])
        found.append(_Line(int(number) if number else None, line[at:], begin, begin + at))
    return found
