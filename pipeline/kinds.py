"""What kind of text an answer is: rules made for prose are wrong on labels, JSON, code, lists, tables and verse.

Told by form alone, in one pass over the lines, in any language. Where a text could be two kinds, the one that fewer
rules for prose apply to is taken: a verdict that is wrong on a good row costs more than one that is missing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

Kind = Literal["label", "json", "code", "list", "table", "verse", "dialogue", "prose"]

LABEL_WORDS = 3
"""A text of so many words at most, without an end mark, is a label. Chosen by us: `very positive`, `New York City`."""
MOST = 0.6
"""Share of lines that make a text a list, a table, a dialogue. Chosen by us on the cases in tests/test_kinds.py."""
VERSE_LINE = 60
"""Characters under which most lines of verse stay. Chosen by us: a pentameter has about 45."""
_ITEM = re.compile(r"\s*(?:[-*+•–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
_ROW = re.compile(r"\s*\|.*\|\s*$|[^\t]+(?:\t[^\t]+)+$")
_SPEECH = re.compile(r"\s*(?:\*\*)?[^\W\d_][\w .'’-]{0,30}(?:\*\*)?\s?[:：]\s?\S")
_CODE = re.compile(
    r"\s*(?:(?:def|class|import|from|return|function|const|let|var|public|private|static|#include|using|package|func|fn"
    r"|if|for|while|else|elif|try|except|catch|SELECT|INSERT|UPDATE|CREATE|DELETE)\b.*[({:;,]?$|[\w.\[\]]+\s*[-+*/]?=\s"
    r"|[})\]];?$|.*[{;]$|</?\w+[^>]*>|\w[\w.]*\(.*\)$|//|/\*)"
)
_CODE_MARKS = re.compile(r"[{};]\s*$|[=(]\s*\S|^\s*(?:def|class|import|#include|SELECT)\b", re.MULTILINE)
_JSON = re.compile(r"[{\[]\s*(?:[\"{\[\]}\d-]|true|false|null)")
_ENDS = re.compile(r"[.!?…。！？।؟][\"'”’»)\]]*\s*$")


@lru_cache(maxsize=8)
def kind_of(text: str) -> Kind:
    """The kind of a text; `label` of an empty one.

    The last few texts are remembered, so that all rules on a row share one look.
    """
    body = text.strip()
    if _json(body):
        return "json"
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) < 2 and len(body.split()) <= LABEL_WORDS and not _ENDS.search(body) and len(body) <= 60:
        return "label"
    if "```" in body or (_share(_CODE, lines) >= MOST and _CODE_MARKS.search(body)):
        return "code"
    if len(lines) < 2:
        return "prose"
    if _share(_ROW, lines) >= MOST:
        return "table"
    if _share(_ITEM, lines) >= MOST:
        return "list"
    if len(lines) > 2 and _share(_SPEECH, lines) >= MOST:
        return "dialogue"
    short = sum(len(line.strip()) <= VERSE_LINE for line in lines)
    if len(lines) > 3 and short >= 0.9 * len(lines):
        return "verse"
    return "prose"


def _share(pattern: re.Pattern[str], lines: list[str]) -> float:
    return sum(pattern.match(line) is not None for line in lines) / len(lines) if lines else 0.0


def _json(body: str) -> bool:
    """Whether a text is a JSON object or array, by itself or in a fence; broken JSON that begins so counts."""
    fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", body, re.DOTALL)
    inner = fenced[1] if fenced else body
    return inner[-1:] in ("}", "]") and _JSON.match(inner) is not None
