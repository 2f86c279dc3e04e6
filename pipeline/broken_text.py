"""Places in a text that were broken by a wrong encoding: `Ã©` for `é`, lost characters, halves of surrogate pairs.

Cheap tests first: most texts have none of the characters that could mean it, and import nothing. What could be
mojibake is judged by ftfy: a sequence that is improbable in any language, and that becomes another text when the
wrong encoding is undone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .views import THAI, TIBETAN

Span = tuple[int, int]

_LOST = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd\ud800-\udfff\ufffe\uffff]+")
"""Control characters, what replaces a lost character, halves of pairs, and what is no character."""
_DOUBTFUL = re.compile(
    "[\xc2-\xf4][\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
    "|[РС][ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—™љ›њќћџЎўЈ¤Ґ¦§©Є«¬®Ї°±Ііґµ¶·№є»јЅѕї]"
    "|[А-я][ЂЃ‚ѓ„†‡€‰Љ‹ЊЌЋЏђ‘•™љњќћџЎўЈ¤Ґ¦§©Є¬®Ї°±ґµ¶·јЅѕ\xad]|[–—][\xc0-\xff∞±≤≥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆]"
    "|[√¬‚][†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…Äâä]|[├┬Γ╧╤╪┘╫╨][^\\s\x00-\x7f]"
    "|\xc3(?![\xa0-\xffA-Za-z])|ï¿½|ï»¿"
)
"""Two characters of Windows-1252, Windows-1251, Mac Roman or code page 437 that may be the bytes of one in UTF-8."""
_PAIR = re.compile(
    "[\xc2-\xf4А-я–—√¬‚├┬Γ╧╤╪┘╫╨](?:[^\x00-\x7f\xc0-\xffА-яЁёІіЇЄє’]|(?<=[–—√¬‚├┬Γ╧╤╪┘╫╨])[\x80-\uffff]|(?<=[РС])[Іі]"
    "|(?<=\xc3)[^A-Za-z\xa0-\xff]|(?<=ï))")
"""The same, roughly and fast: for what it may begin with is one class."""
_PLAIN = bytes((*b"\t\n\r", *range(0x20, 0x7f)))
"""What no broken place holds, unless it begins with another character."""
_HIDDEN = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u202a-\u202e]")
_FLOOD = re.compile(f"{_HIDDEN.pattern}{{4,}}")
_SPACED = re.compile(f"[{THAI}{TIBETAN}]")
"""Scripts that mark words by spaces of no width."""
HIDDEN_SHARE, HIDDEN_MOST = 0.05, 10
"""Characters of no width are a flood at over 5% of a text and over 10, or 4 in a row. Chosen by us."""
_TOPIC = re.compile(
    r"\b(?:mojibake|encod\w*|utf-?8|unicode|latin-?1|windows-125\d|charsets?|character sets?|code ?points?|zalgo"
    r"|zero[- ]width)\b", re.IGNORECASE)
_AROUND = 12
"""Characters beside a broken place that are shown with it."""


def broken_places(text: str) -> list[Span]:
    """Every broken place of a text, in order; places that touch are one."""
    odd = text.encode("utf-8", "surrogatepass").translate(None, _PLAIN).decode("utf-8", "surrogatepass")
    if not odd:
        return []
    printable = odd.isprintable()
    found = [] if printable and "\ufffd" not in odd else [each.span() for each in _LOST.finditer(text)]
    if _PAIR.search(text) and _DOUBTFUL.search(text):
        found += _mojibake(text)
    if not printable and _HIDDEN.search(odd):
        found += _hidden(text)
    return list(_joined(sorted(found)))


def mended(text: str) -> str:
    """A text with its encoding put right, as far as that can be told, and nothing else changed."""
    from ftfy import TextFixerConfig, fix_text

    how = TextFixerConfig(unescape_html=False, fix_latin_ligatures=False, fix_character_width=False,
                          uncurl_quotes=False, fix_line_breaks=False, normalization=None, remove_terminal_escapes=False)
    return fix_text(text, how)


def about_encodings(prompt: str) -> bool:
    """Whether a prompt is about encodings, so that broken text may be what it asked for."""
    return _TOPIC.search(prompt) is not None


def around(text: str, span: Span) -> str:
    """A broken place with the words that it stands in."""
    start, end = max(0, span[0] - _AROUND), min(len(text), span[1] + _AROUND)
    left = text.rfind(" ", start, span[0]) + 1 or start
    right = text.find(" ", span[1], end)
    return text[left:right if right >= 0 else end]


def _mojibake(text: str) -> Iterator[Span]:
    """Sequences that are improbable, of lines that become another text."""
    from ftfy.badness import BADNESS_RE

    changed: dict[str, bool] = {}
    for found in BADNESS_RE.finditer(text):
        begin = text.rfind("\n", 0, found.start()) + 1
        end = text.find("\n", found.end())
        line = text[begin:end if end >= 0 else len(text)]
        if line not in changed:
            changed[line] = mended(line) != line
        if changed[line]:
            yield found.span()


def _hidden(text: str) -> list[Span]:
    """Floods of characters that have no width."""
    floods = [each.span() for each in _FLOOD.finditer(text)]
    if floods or _SPACED.search(text):
        return floods
    places = [each.span() for each in _HIDDEN.finditer(text)]
    return [(places[0][0], places[-1][1])] if len(places) > max(HIDDEN_MOST, HIDDEN_SHARE * len(text)) else []


def _joined(spans: list[Span]) -> Iterator[Span]:
    last: Span | None = None
    for span in spans:
        if last is not None and span[0] <= last[1]:
            last = last[0], max(last[1], span[1])
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last
