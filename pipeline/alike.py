"""Short values that say the same thing in another form: spelling, ending, order, a word that carries nothing.

For values of an axis, which have one to six words; `similar.py` is for texts: below some 49 letters it finds only what
is equal. What is found here is found by the letters. That `joyful` is near `happy` no rule on letters can see: it takes
a model, or an embedding, and neither is asked here. Endings are English ones; other languages get the other tests.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from .views import words

EMPTY = frozenset({"a", "an", "the", "of", "in", "on", "at", "and", "is", "are", "be", "while", "who", "that", "which"})
"""Words that carry nothing beside others; `not` and `no` are none of them."""
DIRECTED = frozenset({"from", "to", "by", "for", "than", "before", "after", "without", "over", "under"})
"""Words beside which the order counts: a letter from a child to a parent is not one from a parent to a child."""
SPELLED = 6
"""Letters from which on one other letter is taken for a spelling: `color` and `colour`, not `Iran` and `Iraq`."""
SHARED = 0.75
"""Share of words, ending aside, from which on two values are near: three of four."""
ENDS, ENDS_OF = 5, 50
"""A word that ends so many values of an axis, and one of so many, says little in any of them: Films, Literature. Not
beside numbers, where `1st century` and `1st century BCE` are two things."""
_ENDINGS = (
    ("iness", "y"), ("ness", ""), ("ously", ""), ("ily", "y"), ("ly", ""), ("ful", ""), ("ous", ""), ("ied", "y"),
    ("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("ing", ""), ("ed", ""), ("s", ""),
)
_KEPT = re.compile(r"(?:ss|us|is|ous|news)$")
_DOUBLED = re.compile(r"([bdfgmnprtl])\1$")


class Dropped(NamedTuple):
    """A value that is left out, the one that stays for it, and why, as `other endings`."""

    value: str
    near: str
    why: str

    def __str__(self) -> str:
        return f"'{self.value}' (near '{self.near}': {self.why})"


class Alike:
    """Values to which others are compared, in constant time for each but for spellings.

    Args:
        values: those that are there, which are not compared with each other.
        more: values that will be compared; they count for the words that end many (`ENDS`).
    """

    def __init__(self, values: Sequence[str] = (), more: Sequence[str] = ()) -> None:
        every = dict.fromkeys([*values, *more])
        last = Counter(stem(plain[-1]) for plain in map(_plain, every) if len(plain) > 1)
        self._ends = {word: count for word, count in last.items() if count >= max(ENDS, len(every) // ENDS_OF)}
        self._forms: dict[str, str] = {}
        self._stems: dict[frozenset[str], str] = {}
        self._shortened: dict[frozenset[str], str] = {}
        self._by_start: defaultdict[tuple[str, int], list[tuple[str, str]]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[tuple[frozenset[str], str]]] = defaultdict(list)
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Makes it one of those that are there."""
        plain = _plain(value)
        stems = _stemmed(plain)
        joined = "".join(plain)
        self._forms.setdefault(joined, value)
        self._stems.setdefault(stems, value)
        if shorter := self._shorter(plain):
            self._shortened.setdefault(_stemmed(shorter), value)
        self._by_start[joined[:1], len(joined)].append((joined, value))
        if len(stems) > 2:
            for word in stems:
                self._by_stem[word].append((stems, value))

    def near(self, value: str) -> Dropped | None:
        """The value that is there and says the same, with the reason; None where there is none."""
        plain = _plain(value)
        stems = _stemmed(plain)
        joined = "".join(plain)
        if joined in self._forms:
            there = self._forms[joined]
            return Dropped(value, there, "the same" if there == value else "case, accents or punctuation")
        if stems in self._stems:
            return Dropped(value, self._stems[stems], "the same words in another form")
        if found := self._longer(value, plain, stems):
            return found
        for length in (len(joined), len(joined) - 1, len(joined) + 1):
            if max(length, len(joined)) < SPELLED:
                continue
            for other, there in self._by_start.get((joined[:1], length), ()):
                if _digits(joined) == _digits(other) and one_apart(joined, other):
                    return Dropped(value, there, "one letter")
        for word in sorted(stems) if len(stems) > 2 else ():
            for others, there in self._by_stem.get(word, ()):
                if _digits("".join(stems ^ others)) or {"not", "no"} & (stems ^ others):
                    continue
                if len(stems & others) >= SHARED * len(stems | others):
                    return Dropped(value, there, f"{len(stems & others)} of {len(stems | others)} words")
        return None

    def _shorter(self, plain: list[str]) -> list[str]:
        """A value without a last word that ends many; empty where it has none."""
        apart = len(plain) < 2 or stem(plain[-1]) not in self._ends or _digits("".join(plain))
        return [] if apart else plain[:-1]

    def _longer(self, value: str, plain: list[str], stems: frozenset[str]) -> Dropped | None:
        """The value that is this one with a word that ends many, or without it."""
        shorter = _stemmed(self._shorter(plain))
        there = (self._stems.get(shorter) if shorter else None) or self._shortened.get(stems)
        if there is None:
            return None
        word = (plain if shorter in self._stems else _plain(there))[-1]
        return Dropped(value, there, f"but for '{word}', which ends {self._ends[stem(word)]} values")


def distinct(values: Sequence[str], there: Sequence[str] = ()) -> tuple[list[str], list[Dropped]]:
    """Values without those that are near one before them.

    Args:
        values: in order; the first of several that are alike stays.
        there: values that none of them may be near; they are not returned.

    Returns:
        The values that stay, in order, and those that do not, each with its reason.
    """
    known = Alike(there, values)
    kept: list[str] = []
    dropped: list[Dropped] = []
    for value in values:
        found = known.near(value)
        if found is None:
            known.add(value)
            kept.append(value)
        else:
            dropped.append(found)
    return kept, dropped


def one_apart(left: str, right: str) -> bool:
    """Whether one letter put in, left out, changed, or two neighbours exchanged, make one text of the other."""
    if abs(len(left) - len(right)) > 1 or left == right:
        return False
    start = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))
    a, b = left[start:], right[start:]
    if len(a) == len(b):
        return a[1:] == b[1:] or (len(a) > 1 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:])
    return a[1:] == b if len(a) > len(b) else a == b[1:]


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """An English word without its ending, for comparison alone: happily, happiness, happy -> happi.

    Shorter than Porter's (1980): two endings at most, then a doubled consonant, a last `e`, and `y` as `i`.
    """
    if not word.isascii() or not word.isalpha():
        return word
    word = _without_ending(_without_ending("new" if word == "news" else word))
    word = word.removesuffix("e") if len(word) > 3 else word
    return f"{word[:-1]}i" if len(word) > 2 and word.endswith("y") and word[-2] not in "aeiou" else word


def _without_ending(word: str) -> str:
    for ending, put in _ENDINGS:
        rest = word[: -len(ending)] + put
        if word.endswith(ending) and len(rest) >= 3 and re.search("[aeiouy]", rest):
            if ending == "s" and _KEPT.search(word):
                return word
            return _DOUBLED.sub(r"\1", rest) if ending in ("ing", "ed") else rest
    return word


def _plain(value: str) -> list[str]:
    """Words without case, accents and punctuation; `&` is `and`, an article or `to` at its head is left out."""
    text = value.replace("&", " and ").replace("'", "").replace("\u2019", "")
    if not text.isascii():
        text = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    found = words(text)
    while len(found) > 1 and found[0] in ("a", "an", "the", "to"):
        found = found[1:]
    return found or [value.casefold()]


def _stemmed(plain: list[str]) -> frozenset[str]:
    stems = [stem(word) for word in plain if word not in EMPTY] or plain
    return frozenset(f"{place} {word}" for place, word in enumerate(stems)) if DIRECTED & {*plain} else frozenset(stems)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)
