"""Whose words a place in an answer holds: the assistant's own, or those of a character, a citation, a block of code."""

from __future__ import annotations

import re

_PAIRS = (("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"), ("『", "』"), ("‘", "’"))
_SINGLE_OPENS, _SINGLE_CLOSES = re.compile(r"(?:^|[\s(])'(?=\w)"), re.compile(r"(?<=[\w.,!?])'(?=[\s.,!?;)]|$)")
_SPEAKER = re.compile(r"\s*[-*_]*([^\W\d_][\w .'’-]{0,30}?)[*_]*\s?[:：][*_]*\s")
_OWN = frozenset((
    "assistant", "ai", "answer", "response", "note", "please note", "disclaimer", "important", "important note",
    "warning", "remark", "edit", "output", "explanation", "caveat", "reminder", "update", "reply", "a", "chatgpt",
    "bot", "gpt",
))
"""What stands before a colon and is no character. Chosen by us."""


def another_voice(text: str, at: int) -> bool:
    """Whether a place lies in quotation marks, in a cited line, in code, or in the line of a speaker."""
    line = text.rfind("\n", 0, at) + 1
    head = text[line:at]
    if head.lstrip().startswith(">") or head.count('"') % 2 or head.count("`") % 2 or text.count("```", 0, at) % 2:
        return True
    if any(head.rfind(opens) > head.rfind(closes) for opens, closes in _PAIRS):
        return True
    if len(_SINGLE_OPENS.findall(head)) > len(_SINGLE_CLOSES.findall(head)):
        return True
    speaker = _SPEAKER.match(head + " ")
    return speaker is not None and speaker[1].lower().strip() not in _OWN
