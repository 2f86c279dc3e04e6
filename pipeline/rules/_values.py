"""Words by which a text shows a value of an axis: a place and its people, a period and its years, else its own words.

`sign_of` makes of a value what `shows` looks for in a text. Some values can be told either way, as France: a story set
there will name it or its people. Of others only that they are shown can be told, as of a genre or of the future: a text
need not call itself a romance. Tables: axis_shown.places, axis_shown.periods.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from ..views import piece_words

PLACES, PERIODS = (Path(__file__).with_name(f"axis_shown.{name}") for name in ("places", "periods"))
FUTURE_FROM = 2031
"""A year that shows the future whenever the row was written."""
TODAY_CENTURY = 20
"""From this century on a story need not say when it is set: readers take today for granted."""
_SPOKEN = r"(?<!speak )(?<!speaks )(?<!speaking )(?<!spoke )(?<!learn )(?<!learning )(?<!fluent )"
"""Before the name of a people: it is a language there."""
_OTHER = r"(?<!South )(?<!North )(?<!Latin )(?<!Central )(?<!New )"
"""Before a place it makes another of it, which the table has by itself."""
_STOPS = frozenset((
    "a", "an", "the", "in", "on", "at", "of", "and", "or", "to", "from", "with", "for", "by", "near", "another", "life",
    "era", "age", "period", "times", "time", "story", "stories", "fiction", "genre", "early", "late", "whole",
    "across"))
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty-first", "twenty-second", "twenty-third", "twenty-fourth", "twenty-fifth")
_DECADES = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
_PARTS = {"early": (0, 0.5), "middle": (0.25, 0.75), "late": (0.5, 1)}
"""Which of its years a part of a period has."""
_CENTURY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)[ -]cent\w*+(?:\s+(bce?|b\.c\.))?", re.IGNORECASE)
_DECADE, _YEAR = re.compile(r"\b(1[0-9]{2}0|20[0-9]0)s\b"), re.compile(r"\b(1[0-9]{3}|2[0-9]{3})\b")
_FUTURE = re.compile(r"\bfuture\b", re.IGNORECASE)
_TODAY = re.compile(r"\b(?:present|today|modern|contemporary|now)\b", re.IGNORECASE)
_DATED = re.compile(
    r"(?:\b(?:in|since|until|till|by|from|of|to|and|year|years|circa|around|early|late|mid|spring|summer|autumn|fall"
    r"|winter|is|was|january|february|march|april|may|june|july|august|september|october|november|december)|[(,–-]|^"
    r"|\d(?:st|nd|rd|th)?,)\s*(\d{4})\b(?!s|\s*(?:bce?|b\.c\.|%|[a-z]*\s?(?:men|people|miles|years|feet|dollars|times"
    r"|soldiers|pounds|km|meters|words)\b))|\b(?:year|ad|a\.d\.)\s*(\d{3})\b(?!\s*(?:bce?|b\.c\.))",
    re.IGNORECASE | re.MULTILINE)


class Sign(NamedTuple):
    """What shows a value.

    Attributes:
        words: a pattern of words that do; None where only years do.
        years: the first and the last year that do.
        known: whether a text without any of it can be said not to show the value.
        stems: of a value in no table, its own words: all must be there.
    """

    words: re.Pattern[str] | None = None
    years: tuple[int, int] | None = None
    known: bool = True
    stems: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def sign_of(value: str) -> Sign | None:
    """What shows a value; None where no word could."""
    bare = re.sub(r"^(?:(?:in|on|at|during|across)\s+)?(?:the\s+|an?\s+)?", "", value.strip(), flags=re.IGNORECASE)
    if not bare:
        return None
    return _place(bare) or _period(bare) or _own_words(bare)


def shows(text: str, sign: Sign) -> bool:
    """Whether a text shows what a sign is of."""
    if sign.words is not None and sign.words.search(text):
        return True
    if sign.years is not None:
        first, last = sign.years
        if any(first <= int(found[1] or found[2]) <= last for found in _DATED.finditer(text)):
            return True
    if sign.stems:
        found = set(piece_words(text))
        return all(any(_same(stem, word) for word in found) for stem in sign.stems)
    return False


def _same(stem: str, word: str) -> bool:
    """Whether two words differ in their ending alone: mystery and mysterious, Rome and Romans are not."""
    if word == stem:
        return True
    shared = max(4, len(stem) - 2)
    return len(stem) >= 4 and word[:shared] == stem[:shared] and len(stem) - 1 <= len(word) <= len(stem) + 5


def _own_words(value: str) -> Sign | None:
    stems = tuple(word for word in piece_words(value) if word not in _STOPS)
    return Sign(known=False, stems=stems) if stems else None


# -- places ---------------------------------------------------------------------------------------


def _place(value: str) -> Sign | None:
    """A place of the table, or the first of several with commas between that is one: `Lagos, Nigeria`."""
    found = [words for part in value.split(",") if (words := _words_of(part.strip()))]
    return Sign(_any(sorted(set().union(*found)))) if found else None


def _words_of(name: str) -> frozenset[str]:
    table, inner = _places()
    if name in table:
        return table[name]
    return frozenset((name,)) if name in inner else frozenset()


@cache
def _places() -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    """Name -> words that show it; and the names of what lies within one and has no line of its own."""
    lines = dict[str, tuple[list[str], list[str], list[str]]]()
    for line in PLACES.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            names, people, inner = ([each.strip() for each in part.split(",") if each.strip()]
                                    for part in line.split("|"))
            lines.update(dict.fromkeys(names, (names, people, inner)))

    def words(name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        if name in seen or name not in lines:
            return frozenset((name,))
        names, people, inner = lines[name]
        return frozenset((*names, *people)).union(*(words(each, seen | {*names}) for each in inner))

    return {name: words(name) for name in lines}, frozenset(each for *_, inner in lines.values() for each in inner)


def _any(words: list[str]) -> re.Pattern[str]:
    return re.compile(rf"{_SPOKEN}{_OTHER}(?<![\w-])(?:{'|'.join(map(re.escape, words))})(?:s|'s|’s)?(?!\w)")


# -- periods --------------------------------------------------------------------------------------


def _period(value: str) -> Sign | None:
    """A century, a decade, a year, the future, today, or a period of the table."""
    if found := _CENTURY.search(value):
        return _century(int(found[1]), bool(found[2]))
    if found := _DECADE.search(value):
        return _decade(int(found[1]))
    if found := _YEAR.fullmatch(value):
        year = int(found[1])
        return Sign(re.compile(rf"(?<!\w)(?:{year}|['’]{year % 100:02}|{year // 10}0s)(?!\w)"))
    if (named := _named(" ".join(value.casefold().split()).removesuffix(" period"))) is not None:
        return named
    if _FUTURE.search(value):
        century = "|".join([*map(re.escape, _ORDINALS[21:]), r"2[2-9](?:nd|rd|th)"])
        words = rf"\b(?:futuristic|(?:in the|in a|near|far|distant) future|21xx|(?:{century})[ -]century)\b"
        return Sign(re.compile(words, re.IGNORECASE), (FUTURE_FROM, 2999), known=False)
    if _TODAY.search(value):
        words = r"\b(?:present[ -]day|today|modern|contemporary|nowadays|21st[ -]century)\b"
        return Sign(re.compile(words, re.IGNORECASE), (2000, FUTURE_FROM - 1), known=False)
    return None


def _named(value: str) -> Sign | None:
    """A period of the table, or a part of one: what a text calls another part of it does not show it."""
    if value in _periods():
        return _periods()[value]
    part, _, name = value.partition(" ")
    sign = _periods().get(name)
    if part not in _PARTS or sign is None or sign.words is None:
        return None
    others = "".join(rf"(?<!\b{other}[ -])" for other in _PARTS if other != part)
    years = sign.years
    if years is not None:
        length = years[1] - years[0]
        low, high = _PARTS[part]
        years = years[0] + round(low * length), years[0] + round(high * length)
    return Sign(re.compile(f"{others}{sign.words.pattern}", re.IGNORECASE), years)


def _century(number: int, before: bool) -> Sign:
    spelled = f"|{_ORDINALS[number - 1]}" if 0 < number <= len(_ORDINALS) else ""
    era = r"(?=\s+(?:bce?|b\.c\.))" if before else r"(?!\s+(?:bce?|b\.c\.))"
    words = rf"\b(?:{number}(?:st|nd|rd|th){spelled})[ -]cent\w*+{era}"
    if before:
        years = "|".join(rf"{each}\d\d" for each in {number - 1 or ""}) or r"\d\d"
        return Sign(re.compile(rf"{words}|\b(?:{years})\s*(?:bce?|b\.c\.)", re.IGNORECASE))
    if number > 10:
        words += rf"|\b{number - 1}(?:\d0s|xx)\b"
    if number == 20:
        words += "|" + "|".join(rf"(?<!in (?:her|his) )(?<!in their )\bthe {name}\b" for name in _DECADES)
    return Sign(re.compile(words, re.IGNORECASE), ((number - 1) * 100, number * 100 - 1), known=number < TODAY_CENTURY)


def _decade(first: int) -> Sign:
    words = [rf"\b{first}s\b", rf"(?<!\w)['’]{first % 100:02}s\b"]
    if first // 100 == 19 and first % 100 >= 20:
        words.append(rf"(?:\bthe|\broaring|\bearly|\blate|\bmid|-)[ -]{_DECADES[first % 100 // 10 - 2]}\b")
    return Sign(re.compile("|".join(words), re.IGNORECASE), (first, first + 9))


@cache
def _periods() -> dict[str, Sign]:
    found = dict[str, Sign]()
    for line in PERIODS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            names, words, years = (part.strip() for part in line.split("|"))
            patterns = [re.escape(each.strip()).replace(r"\*", r"\w*") for each in words.split(",")]
            first, last = map(int, years.split())
            words_of = re.compile(rf"\b(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)
            sign = Sign(words_of, (max(0, first), last) if last > 0 else None)
            found.update(dict.fromkeys((name.strip() for name in names.split(",")), sign))
    return found
