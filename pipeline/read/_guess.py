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


def likely(sample: bytes) -> str | None:
    """The encoding that bytes which are not UTF-8 are probably in; None where nothing fits.

    A candidate must decode them all; the one wins whose characters beyond ASCII are most often letters and
    marks of its languages, and the more usual one where two are equal.
    """
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
