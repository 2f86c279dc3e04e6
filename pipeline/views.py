"""The texts of a sample as rules and rewrites look at them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, lru_cache, wraps
from itertools import islice
from typing import Literal, TypeVar

from .digest import normal_text
from .types import SYSTEM_ROLES, Message, Sample, text_of

THAI = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese and Khmer, as a class of a pattern has them."""
TIBETAN = "\u0f00-\u0fff"
HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Han and kana."""
NO_SPACES = THAI + HAN
"""Scripts that put no space between words."""
MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff"
"""Accents and vowel signs that stand within words; `\\w` holds none of them."""
_WORD = re.compile(rf"[{NO_SPACES}]|(?:[^\W{NO_SPACES}]|[{MARKS}])+")
_ALONE = re.compile(f"[{NO_SPACES}]")
_BETWEEN = "\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u2022\u00a0"
"""Quotes, dashes, ellipsis, bullet and the space that does not break: never within a word."""
TABLED = 0x2070
"""The characters below are ASCII, alphabets, Thai to Khmer, and the punctuation of books."""
_BEYOND = re.compile(f"[{chr(TABLED)}-\U0010ffff]")
Seen = TypeVar("Seen")


@cache
def _table() -> list[str]:
    """What stands for each character: itself within words, a space between them."""
    return [(" ", c, f" {c} ")[character_class(c)] for c in map(chr, range(TABLED))]


@cache
def _bytes() -> bytes:
    """The table's first 256, which are a byte each."""
    return "".join(_table()[:256]).encode("latin-1")


def character_class(character: str) -> Literal[0, 1, 2]:
    """0 between words, 1 within words, 2 a word by itself, as in scripts without spaces."""
    if _ALONE.match(character):
        return 2
    return 1 if _WORD.match(character) else 0


def of_row(look: Callable[[Sample], Seen]) -> Callable[[Sample], Seen]:
    """A function of a row that remembers what it saw in the last one, so that all rules on a row share one look.

    What it returns is everybody's: nobody changes it.
    """
    last: tuple[Sample, Seen] | None = None

    @wraps(look)
    def remembered(sample: Sample) -> Seen:
        nonlocal last
        known = last  # one name for both, whatever another thread does
        if known is None or known[0] is not sample:
            last = known = sample, look(sample)
        return known[1]

    return remembered


def answer(sample: Sample) -> str | None:
    """The text of the last assistant message.

    Returns:
        The text, empty where nothing was answered; None where the answer is a call of tools and
        no text, which a rule on texts has nothing to say about.
    """
    message = sample.last("assistant") or {}
    return None if message.get("tool_calls") and not sample.answer else sample.answer


def answers(sample: Sample) -> list[str]:
    """The texts of all answers that are trained on, calls of tools without a text left out.

    Of one exchange it is the answer alone; of a conversation each assistant turn whose weight is not 0.
    """
    found = []
    for message in sample.messages:
        if message.get("role") == "assistant" and message.get("weight") != 0:
            text = text_of(message.get("content"))
            if text or not message.get("tool_calls"):
                found.append(text)
    return found


@of_row
def answered(sample: Sample) -> list[str] | None:
    """The texts that `answers` has, else the last one; None where the answer is a call of tools, as `answer`."""
    last = answer(sample)
    return None if last is None else answers(sample) or [last]


def said(sample: Sample) -> str | None:
    """All that the assistant says in a conversation, as `answers`; None where it only calls tools."""
    found = answers(sample)
    return "\n\n".join(found) if found else answer(sample)


def shown(message: Message) -> str:
    """What a message says, and the tools that it calls: `look_up({"order": 7})`."""
    calls = message.get("tool_calls")
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    called = [f"{each.get('name')}({each.get('arguments')})" for each in functions if isinstance(each, dict)]
    return " ".join(part for part in (text_of(message.get("content")), *called) if part)


@of_row
def asked(sample: Sample) -> str:
    """The prompt of one exchange; of a conversation all that was said and called before its last answer."""
    spoken = [message for message in sample.messages if message.get("role") not in SYSTEM_ROLES]
    if sum(message.get("role") == "user" for message in spoken) < 2 and not any("tool_calls" in m for m in spoken):
        return sample.prompt
    return "\n".join(f"{message.get('role')}: {shown(message)}" for message in spoken[:-1])


same_text = lru_cache(maxsize=4)(normal_text)
"""`normal_text`, the last few remembered: what rules compare of a row they share."""


def asks_anew(sample: Sample) -> bool:
    """Whether a row was added to ask for its parent's answer in other words: that both answer alike is meant."""
    return sample.provenance.get("added") == "prompt"


def words(text: str) -> list[str]:
    """Words without case and punctuation; in scripts without spaces, each character is one.

    The last few texts are remembered, so that all rules on a row share one tokenisation; the list is the caller's own.
    """
    return list(words_of(text))


@lru_cache(maxsize=16)
def words_of(text: str) -> tuple[str, ...]:
    """As `words`, for who only reads them."""
    return tuple(piece_words(text))


@lru_cache(maxsize=8)
def vocabulary(text: str) -> frozenset[str]:
    """The different words of a text."""
    return frozenset(words_of(text))


def one_of(cues: Iterable[str], text: str) -> bool:
    """Whether one of some texts stands in another: a loop, which costs a third of `any`."""
    for cue in cues:  # noqa: SIM110
        if cue in text:
            return True
    return False


@lru_cache(maxsize=8)
def lowered(text: str) -> str:
    """A text in lower case, which some rules look for cues in."""
    return text.lower()


def piece_words(text: str) -> list[str]:
    """As `words`, and nothing is remembered: for the pieces of a text, which would drive the texts out."""
    flat = folded(text)
    if flat.isascii() or not _BEYOND.search(flat):  # by a table: the same words, several times as fast
        try:
            return flat.encode("latin-1").translate(_bytes()).decode("latin-1").split()
        except UnicodeEncodeError:
            return flat.translate(_table()).split()
    return _WORD.findall(flat)


def folded(text: str) -> str:
    """The text that holds the words: without case, composed, and without marks that are never in a word."""
    if not text.isascii():  # often for the quotes of books alone, and ASCII is several times as fast
        for mark in _BETWEEN:
            text = text.replace(mark, " ")
    return text.casefold() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def has_words(text: str, count: int) -> bool:
    """Whether a text has so many words, without looking at more of it than needed."""
    return sum(1 for _ in islice(_WORD.finditer(text), count)) == count


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where the words of a text stand in it: [start, end) of each.

    Returns:
        As many as `words` has; none where folding its case makes other words of it.
    """
    spans = [found.span() for found in _WORD.finditer(text)]
    return spans if len(spans) == len(words(text)) else []
