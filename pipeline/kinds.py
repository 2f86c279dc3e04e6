"""What kind of text an answer is: rules made for prose are wrong on labels, JSON, code, lists, tables and verse.

Told by form alone, in one pass over the lines, in any language. Where a text could be two kinds, the one that fewer
rules for prose apply to is taken: a verdict that is wrong on a good row costs more than one that is missing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from .views import HAN, THAI

Kind = Literal["label", "json", "code", "list", "table", "verse", "dialogue", "prose"]

LABEL_WORDS, LABEL_CHARS = 3, 60
"""A line of so many words and characters at most, without an end mark, is a label. Chosen by us: `very positive`."""
LABEL_HAN, LABEL_THAI = 8, 16
"""... and in scripts without spaces, of so many characters: Han and kana; Thai, Lao, Burmese and Khmer. Chosen by us on
the declaration of human rights, whose shortest clause without an end mark has 40 characters in Chinese."""
MOST = 0.6
"""Share of lines that make a text a list, a table, a dialogue, code. Chosen by us on seed-tasks and the cases in
tests/test_kinds.py."""
OPENED = 0.25
"""... and of a text whose first line opens code: the rest may be a comment."""
KEYED = 160
"""Characters of the mean line of keys and values, above which they are paragraphs with a lead. Chosen by us."""
VERSE_LINE, VERSE_HAN = 60, 24
"""Characters under which most lines of verse stay. Chosen by us: a pentameter has about 45, a Chinese couplet 14."""
ITEMS, ITEM_WORDS, ITEM_HAN, ITEMS_CHARS = 3, 3, 6, 400
"""`China, the United States, and Brazil`: one line, so many items at least (one more with a full stop), of so many
words or Han characters at most. Chosen by us on 5,000 sentences of curation/base.jsonl.gz: 4 are taken for lists, 2
of them wrongly."""
_HAN, _THAI = re.compile(f"[{HAN}]"), re.compile(f"[{THAI}]")
_ITEM = re.compile(
    r"\s*(?:(?:[-*+•–·]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S|[-–•·][^\W\d_]|・|[①-⑳]|\(?\d{1,3}[.)．、][^\x00-\x7f]"
    r"|[一二三四五六七八九十]{1,3}[、．])")
_ROW = re.compile(r"\s*\|.*\|\s*$|[^\t]+(?:\t[^\t]+)+$|[^|]+\|[^|].*$|\S.{0,80}?\s(?:->|→|=>)\s\S")
_SPEAKER = re.compile(r"\s*(?:\*\*)?([^\W_][\w .'’-]{0,30}?)(?:\*\*)?\s?[:：](?:\*\*)?\s?\S")
_ROLES = frozenset((
    "user", "assistant", "bot", "human", "ai", "system", "q", "a", "question", "answer", "interviewer", "customer",
    "agent", "student", "teacher", "patient", "doctor", "host", "guest"))
_CODE = re.compile(
    r"\s*(?:(?:async\s+)?(?:def|class|function|fn|func)\s+\w+\s*[(:{<]|(?:from\s+[\w.]+\s+)?import\s+[\w.*{]"
    r"|(?:const|let|var)\s+[\w{\[]|(?:public|private|protected|static)\s+\w+|#include|using\s+[\w.]+;|package\s+[\w.]+"
    r"|(?:if|for|while|elif|else|try|except|with|switch|catch|finally)\b[^.!?]*[:{]\s*$|(?:return|raise|assert|throw|yield)\b"
    r"|(?:pass|break|continue);?\s*$|(?:SELECT|INSERT|UPDATE|CREATE|DELETE|ALTER|DROP|WITH)\s+[^:]*"
    r"\b(?:FROM|INTO|SET|TABLE|AS|VIEW)\b|(?:FROM|WHERE|JOIN|GROUP BY|ORDER BY|VALUES|LIMIT)\b"
    r"|[\w.\[\]\"']+(?:,\s*\w+)*\s*[-+*/|&:]?=\s?\S|[})\]]+[;,)]*\s*$|</?[A-Za-z!?][^>]*>|[\w.]+\(.*\)\s*[;,:]?\s*$|//|/\*|\*/"
    r"|\"\"\"|'''|@\w+|\$\s|\{%)"
)
_OPENER = re.compile(
    r"(?:(?:async\s+)?def\s+\w+\s*\(|class\s+\w+\s*(?:\([\w., ]*\))?:|(?:from\s+[\w.]+\s+)?import\s+[\w.]+"
    r"|#include\s*[<\"]|#!/|<!DOCTYPE|<html\b|<\?(?:php|xml)|package\s+[\w.]+;|using\s+[\w.]+;|\"\"\")", re.IGNORECASE)
_SEMICOLON = re.compile(r"[=(){}\[\]]|^\s*\w+;")
_MARKS = re.compile(r"[{};]\s*$|[=(]\s*\S|^\s*(?:def|class|import|#include|SELECT)\b|^\s*</?\w", re.MULTILINE)
_JSON = re.compile(r"[{\[]\s*(?:[\"{\[\]}\d-]|true\b|false\b|null\b)")
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_END = ".!?…。！？।؟։።။។۔"
_CLOSERS = "\"'”’»)]* \t"
_BETWEEN = re.compile(r"[,;、，；]\s*")
_LINK = re.compile(r"(?:and|or|the|&)\s+", re.IGNORECASE)
_STOPS = re.compile(r"[.!?。！？…:](?:\s|$)")


@lru_cache(maxsize=16)
def kind_of(text: str) -> Kind:
    """The kind of a text; `label` of an empty one.

    The last few texts are remembered, so that all rules on a row share one look.
    """
    body = text.strip()
    if body[-1:] in ("}", "]", "`") and _json(body):
        return "json"
    if "```" in body:
        return "code"
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) < 2:
        return _of_line(body)
    if _code(body, lines):
        return "code"
    if ("|" in body or "\t" in body or ">" in body or "→" in body) and _share(_ROW, lines) >= MOST:
        return "table"
    if _share(_ITEM, lines) >= MOST:
        return "list"
    if (":" in body or "：" in body) and (kind := _spoken(lines)):
        return kind
    most = VERSE_LINE if body.isascii() or not _HAN.search(body) else VERSE_HAN
    short = sum(len(line) <= most or len(line.strip()) <= most for line in lines)
    if short >= 0.9 * len(lines) and (len(lines) > 3 or (len(lines) == 3 and sum(map(_ended, lines)) < 2)):
        return "verse"
    return "prose"


def _of_line(body: str) -> Kind:
    """The kind of a text of one line."""
    if len(body) <= LABEL_CHARS and not _ended(body) and _few_words(body):
        return "label"
    if _code(body, [body]):
        return "code"
    if len(body) <= ITEMS_CHARS:
        inner = body.rstrip(".。")
        items = _BETWEEN.split(inner)
        if len(items) >= ITEMS + (inner != body) and not _STOPS.search(inner) and all(map(_short, items)):
            return "list"
    return "prose"


def _short(item: str) -> bool:
    """Whether an item of a list in one line is as short as one."""
    if not item.isascii() and _HAN.search(item):
        return len(item) <= ITEM_HAN
    return len(_LINK.sub("", item).split()) <= ITEM_WORDS and len(item) <= 40


def _few_words(body: str) -> bool:
    """Whether a line is as short as a label."""
    if not body.isascii():
        if _HAN.search(body):
            return len(body) <= LABEL_HAN
        if _THAI.search(body):
            return len(body) <= LABEL_THAI
    return len(body.split()) <= LABEL_WORDS


def _ended(line: str) -> bool:
    """Whether a line ends as a sentence does, closing quotes and brackets aside."""
    return line.rstrip(_CLOSERS)[-1:] in _END if line else False


def _code(body: str, lines: list[str]) -> bool:
    if not any(mark in body for mark in "(=;{<"):
        return False
    least = OPENED if _OPENER.match(body) else MOST
    found = 0
    for line in lines:
        end = line.rstrip()[-1:]
        if end in ("{", "}") or (end == ";" and _SEMICOLON.search(line)) or _CODE.match(line):
            found += 1
    return found >= least * len(lines) and _MARKS.search(body) is not None


def _spoken(lines: list[str]) -> Kind | None:
    """`dialogue` where names come again or are those of a talk; `list` of other keys and values; None for neither."""
    names = [found[1].casefold() for line in lines if (found := _SPEAKER.match(line))]
    if len(names) < MOST * len(lines) or len(names) < 2:
        return None
    roles = sum(name in _ROLES for name in names)
    if roles >= MOST * len(names) or (len(set(names)) < len(names) and len(set(names)) <= len(names) // 2 + 1):
        return "dialogue"
    return "list" if len(names) > 2 and sum(map(len, lines)) <= KEYED * len(lines) else None


def _share(pattern: re.Pattern[str], lines: list[str]) -> float:
    return sum(pattern.match(line) is not None for line in lines) / len(lines)


def _json(body: str) -> bool:
    """Whether a text is a JSON object or array, by itself or in a fence; broken JSON that begins so counts."""
    fenced = _FENCED.fullmatch(body) if body.startswith("```") else None
    inner = fenced[1] if fenced else body
    return inner[-1:] in ("}", "]") and _JSON.match(inner) is not None
