"""Guesses which encoding bytes are in that are not UTF-8."""

from __future__ import annotations

import re

_WESTERN = re.compile("[éèêëàâäáãåçñíìîïóòôöõøúùûüýÿœæßÉÈÊÀÁÂÄÃÅÇÑÍÎÓÔÖÕØÚÜŒÆ’‘“”–—…•€£§©®°«»¿¡ºª·\xa0]")
_CENTRAL = re.compile("[ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňřšťúůýžČŠŽŘĚäöüßőűŐŰÁÉÍÖÜăâîșţĂÂÎ„”’–—…\xa0]")
_CYRILLIC = re.compile(r"[а-яё]|(?<!\w)[А-ЯЁ]|[«»–—…№“”\xa0]")
_KANA = re.compile("[\u3000-\u30ff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_HAN = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uff5e]")
_CANDIDATES: tuple[tuple[str, str, re.Pattern[str], float], ...] = (
    ("cp1252", "cp1252", _WESTERN, 1.0), ("mac-roman", "mac-roman", _WESTERN, 1.0), ("cp850", "cp850", _WESTERN, 1.0),
    ("cp1250", "cp1250", _CENTRAL, 1.0), ("cp1251", "cp1251", _CYRILLIC, 1.0), ("koi8-r", "koi8-r", _CYRILLIC, 1.0),
    # Kana make up about half of a Japanese text, so a share of them counts for more.
    ("shift_jis", "cp932", _KANA, 2.5), ("euc_jp", "euc_jp", _KANA, 2.5), ("cp949", "cp949", _HANGUL, 1.0),
    # gb2312 is the strict part of gb18030: both bytes high, so that no accented Latin letter passes for it.
    ("gb18030", "gb2312", _HAN, 1.0), ("big5", "big5", _HAN, 0.99),
)
"""What is typed, what it is tried with, the characters its languages use, and how much they count."""

_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_ZEROS = 0.2
"""Share of zero bytes that no text in a one-byte encoding has; in UTF-16 every second byte of ASCII is one."""


def wide(head: bytes) -> str | None:
    """The encoding of more than one byte a character that the beginning of a file is in; None for any other.

    A byte order mark says it, and so do many zeros.
    """
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if marked or head.count(0) <= _ZEROS * len(head):
        return marked
    return "utf-16-be" if head.startswith(b"\0") else "utf-16-le"


def likely(sample: bytes) -> str | None:
    """The encoding that bytes which are not UTF-8 are probably in; None where nothing fits.

    A candidate must decode them all; the one wins whose characters beyond ASCII are most often letters and
    marks of its languages, and the more usual one where two are equal.
    """
    if found := wide(sample):
        return found
    best, name = 0.5, None
    for shown, tried, letters, counts in _CANDIDATES:
        try:
            text = sample.decode(tried)
        except UnicodeError:
            continue
        beyond = sum(char > "\x7f" for char in text)
        used = sum(found.group() > "\x7f" for found in letters.finditer(text))
        share = min(1.0, counts * used / beyond) if beyond else 0.0
        if share > best:
            best, name = share, shown
    return name
