"""What a new wording of a text has to hold, and what gives one away: its facts, its likeness, its language.

Told by form alone, and therefore blind to meaning: that `not` was lost, or that another word stands for a thing, is
not seen. Names are words in capitals within a sentence, so those that begin one are not seen either, and in languages
that write nouns so only words like `NASA` and `YouTube` count.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..digest import normal_text
from ..languages import language_of, same
from ..openers import offer_of, opener_of
from ..shingles import Shingler, jaccard
from ..views import words
from ..words import shown
from . import Refused

COPY, COPY_CHARS, SHORT = 0.6, 0.7, 40
"""A wording that shares so much of its runs of five words with the old one is a copy of it; of texts of fewer words so
much of their runs of five characters. Chosen by us on the labelled pairs in tests/rewrites/wordings.tsv."""
LONGER, SHORTER, ROOM = 2.5, 0.35, 80
"""A wording of more or less than so many times the old one's characters is none, with room for so many more."""
SAME, LETTERS, TOLD_BY = 0.2, 5, 10
"""A text that holds a smaller share of another's words of so many letters tells something else; one with fewer such
words tells nothing of that. Of 252 outlines one holds less of its own synopsis, 480 of 504 of another."""
LEAKS, LEAKED = 3, 0.5
"""So many new words, one of a question that became none, and such a share of all new words that stand in the answer: it
is given away. Chosen by us on the same pairs."""
COVERED = 0.34
"""A paragraph behind the first of a prompt is lost where a wording holds a smaller share of its words. Chosen by us."""
NOUNS = frozenset({"de", "lb", "nds", "als", "bar"})
"""Languages that begin every noun with a capital."""
_TASK = re.compile(
    r"\b(?:given|rewritten|re-written|original|new|evolved|reworded|rephrased|created)[ _]prompt\b|#[\w ]*prompt#?"
    r"|\b(?:rewritten|reworded|rephrased|original|paraphrased) (?:request|instruction|version|text|answer)\b"
    r"|\bparaphras(?:e|ed|ing) (?:of )?(?:the|this|your)\b|</?(?:request|prompt)>", re.IGNORECASE)
"""What a writer says who speaks of its task; the first ones as in Xu et al. 2023 (arXiv 2304.12244), section 3.3."""
_FENCED = re.compile(r"```[^\n]*\n(.*?)```", re.DOTALL)
_HELD = re.compile(
    r"`[^`\n]+`|\{\{[^{}]*\}\}|\{\w+\}|\$\{?[A-Za-z_]\w*\}?|%(?:\(\w+\))?[sdf]\b|</?[A-Za-z][\w:-]*/?>"
    r"|\[[A-Za-z][\w -]{0,30}\]|\bhttps?://[^\s<>\"')\]]+|\b[\w.+-]+@[\w-]+\.[\w.]+\w|_{3,}")
"""Code, placeholders, tags, addresses: what stands to the letter or not at all."""
_QUOTED = re.compile(r"[“\"«„]([^“”\"«»„\n]{1,300})[”\"»“]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_MARKER = re.compile(r"^\s*\(?\d{1,3}[.)](?=\s)", re.MULTILINE)
_COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
           "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty")
_COUNTED = {**{word: str(number) for number, word in enumerate(_COUNTS, 2)}, "thirty": "30", "forty": "40",
            "fifty": "50", "sixty": "60", "hundred": "100", "thousand": "1000", "dozen": "12", "pair": "2",
            "couple": "2", "both": "2", "twice": "2", "double": "2", "week": "7", "weekly": "7"}
"""Numbers as words, and words that may stand for one."""
_WORDS = frozenset(_COUNTS)
_CAPITAL = re.compile(r"(?<![\w@#/.])[^\W\d_][\w&-]*(?:['’]\w+)?")
_BEGINS = re.compile(r"(?:^|[.!?:;…\n\t\"“«„‘'(\[{|•·▪◦–—*#>=/-])\s*$")
_WRAPPED = re.compile(r"<(request|prompt)>\s*(.*?)\s*</\1>", re.DOTALL)
_HEADED = re.compile(
    r"\A\s*[*#_]*(?:the )?(?:rewritten|reworded|rephrased|paraphrased|new|evolved|created)? ?#?"
    r"(?:request|prompt|instruction|question)#?[*_]*\s*:\s*", re.IGNORECASE)


def bare(text: str, old: str) -> str:
    """A wording without what a writer says around it: an opener, a heading, tags, quotes that the old one lacks."""
    text = text[opener_of(text, ""):]
    text = text[: offer_of(text, "")].strip()
    if found := _WRAPPED.fullmatch(text):
        text = found[2]
    if (head := _HEADED.match(text)) and not _HEADED.match(old):
        text = text[head.end():]
    inner = text[1:-1]
    if len(text) > 1 and text[0] + text[-1] in ('""', "“”", "''") and not set('"“”').intersection(inner + old[:1]):
        text = inner
    return text.strip()


def near_copy(old: str, new: str) -> Refused | None:
    """A wording that is the old one with a few words changed, or with its words in another order."""
    if normal_text(old) == normal_text(new) or words(old) == words(new):
        return Refused("near-copy", "it is the same text")
    if sorted(words(old)) == sorted(words(new)):
        return Refused("near-copy", "it has the same words in another order")
    few = min(len(words(old)), len(words(new))) < SHORT
    shingler = Shingler(2 * SHORT) if few else Shingler()  # a text of fewer words is taken by its characters
    alike, most = jaccard(shingler.grams(old), shingler.grams(new)), COPY_CHARS if few else COPY
    if alike >= most:
        runs = "characters" if few else "words"
        return Refused("near-copy", f"shares {alike:.2f} of its runs of {runs} with the text that it is made from")
    return None


def off_task(old: str, new: str) -> Refused | None:
    """No text, one that speaks of the task, or one in another language."""
    if not words(new):
        return Refused("nothing-said", "the writer said nothing")
    found = _TASK.search(new)
    if found and found[0].casefold() not in old.casefold():
        return Refused("speaks-of-task", f"the writer speaks of its task: “{found[0]}”")
    was, now = language_of(old), language_of(new)
    if was and now and not same(was, now):
        return Refused("other-language", f"{now}, where the text is in {was}")
    return None


def other_length(old: str, new: str, room: int = ROOM) -> Refused | None:
    """A wording that is so much longer or shorter that it says more or less."""
    was, now = len(old), len(new)
    if now > LONGER * was + room:
        return Refused("much-longer", f"{now:,} characters after, {was:,} before")
    if now < SHORTER * was - ROOM / 4:
        return Refused("much-shorter", f"{now:,} characters after, {was:,} before")
    return None


def lost(old: str, new: str) -> Refused | None:
    """The first fact of a text that another one lacks: code and placeholders, quotations, numbers, names."""
    spoken = f" {' '.join(words(new))} "
    for code in codes(old):
        if _flat(code) not in _flat(new):
            return Refused("drops-code", f"lacks “{shown(code)[:80]}”")
    for quoted in _QUOTED.findall(old):
        if words(quoted) and f" {' '.join(words(quoted))} " not in spoken:
            return Refused("drops-quote", f"lacks “{shown(quoted)[:80]}”")
    held = set(words(new))
    for part in [part for part in re.split(r"\n\s*\n", old.strip())[1:] if words(part)]:
        if sum(word in held for word in words(part)) < COVERED * len(words(part)):
            return Refused("drops-part", f"lacks “{shown(part)[:80]}”")
    if gone := sorted(_numbers(old, _WORDS) - _numbers(new, _COUNTED)):
        return Refused("drops-number", f"lacks {', '.join(gone[:5])}")
    if gone := [name for name in names(old) if not held.issuperset(words(name))]:
        return Refused("drops-name", f"lacks {', '.join(gone[:5])}")
    return None


def added(old: str, new: str) -> Refused | None:
    """The first fact of a new wording that the text does not hold: a number, a name."""
    if more := sorted(_numbers(new, _WORDS - {"two"}) - _numbers(old, _COUNTED)):
        return Refused("adds-number", f"has {', '.join(more[:5])}")
    held = set(words(old))
    if more := [name for name in names(new) if not held.issuperset(words(name))]:
        return Refused("adds-name", f"has {', '.join(more[:5])}")
    return None


def given_away(old: str, new: str, answer: str) -> Refused | None:
    """A prompt that has become its answer, or holds it."""
    known, said = set(words(old)), set(words(answer))
    fresh = {word for word in words(new) if len(word) >= LETTERS and word not in known}
    leaked = sorted(fresh & said)
    asks = "?" in new or "?" not in old
    if len(leaked) >= (LEAKS if asks else 1) and len(leaked) >= LEAKED * len(fresh):
        return Refused("answers-it", f"{len(leaked)} of its {len(fresh)} new words are of the answer: "
                                     f"{', '.join(leaked[:5])}")
    return None


def another_text(old: str, new: str) -> Refused | None:
    """A text that holds hardly any of another one's longer words."""
    told = {word for word in words(old) if len(word) >= LETTERS}
    held = len(told.intersection(words(new))) / len(told) if len(told) >= TOLD_BY else 1.0
    if held < SAME:
        return Refused("another-text", f"holds {held:.0%} of its parent's longer words: it tells something else")
    return None


def codes(text: str) -> list[str]:
    """Code, placeholders, tags and addresses of a text."""
    blocks = _FENCED.findall(text)
    return [*blocks, *_HELD.findall(_FENCED.sub("\n", text))]


def names(text: str) -> list[str]:
    """Words in capitals that do not begin a sentence, and words like `NASA`; none of a text that is all in capitals."""
    found = [(match[0], match.start()) for match in _CAPITAL.finditer(text)]
    big = [(word, at) for word, at in found if word[0].isupper()]
    if len(big) > max(3, 0.6 * len(found)):
        return []
    nouns = language_of(text) in NOUNS
    told = []
    for word, at in big:
        word = re.sub(r"['’](?:s|m|d|ll|ve|re)?$", "", word)
        odd = sum(map(str.isupper, word)) > 1
        if word == "I" or (not odd and (nouns or _BEGINS.search(text[max(0, at - 12):at]))):
            continue
        told.append(word)
    return list(dict.fromkeys(told))


def _numbers(text: str, spelled: frozenset[str] | dict[str, str]) -> set[str]:
    """Numbers of a text, those in words among them as far as they are told; the numbers of a list are none."""
    plain = _MARKER.sub(" ", text)
    written = (found.replace(",", "") for found in _NUMBER.findall(plain))
    return {*written, *(_COUNTED[word] for word in words(plain) if word in spelled)}


def _flat(text: str) -> str:
    return " ".join(text.split())


def without_shared(old: str, new: str) -> tuple[str, str]:
    """Two texts without the lines that both have: the material that a request is about stays as it is."""
    mine, theirs = ([line.strip() for line in text.splitlines() if line.strip()] for text in (old, new))
    both = set(mine) & set(theirs)
    return tuple("\n".join(line for line in lines if line not in both) for lines in (mine, theirs))  # type: ignore[return-value]


def first(*checks: Callable[[], Refused | None]) -> Refused | None:
    """What the first check says that has something to say."""
    return next((found for check in checks if (found := check()) is not None), None)
