"""How a text ends: as a whole one, or where it was cut.

Told by the last characters first, so that a text with an end mark costs next to nothing. What has endings of its own
(labels, lists, tables, verse, code) is held to less.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from .kinds import VERSE_LINE, kind_of
from .views import THAI, TIBETAN

Grade = Literal["whole", "maybe", "cut"]

STOPPED = frozenset(("stop", "end_turn", "stop_sequence", "eos", "eos_token", "tool_calls"))
"""Finish reasons of hosts that mean an end."""
LONG = 200
"""Characters from which on prose whose other sentences have end marks has one at its end. Chosen by us."""
SENTENCES = 2
"""Sentences with an end mark that make it a habit of the text."""
FEW = 3
"""So few words behind the last end mark are a name, a place or a source as often as a sentence."""
ITEMS = 3
"""Numbers that follow each other in one line, from 1 on, from which on it is a list."""
HABIT = 0.9
"""Share of a list's other lines with an end mark that makes the last one lack it. Chosen by us."""
BRIEF = 5
"""A line of so many words may be a title or a saying, whatever its last word is."""
_GOES_ON, _QUOTES, _BRIEF_LINE = frozenset(",;-–—("), frozenset("\"'”’»"), 40
_MARKS = frozenset(".!?…。！？｡．؟۔।॥።᙮։⁇‼⁉‽~;")
"""End marks of many scripts; the Greek question mark is a semicolon, which is looked at apart."""
_WRAPS = "\"'”’»›」』）)]}*_`> \t\u200b\ufe0f"
"""What may stand behind an end mark."""
_NO_MARKS = re.compile(f"[{THAI}{TIBETAN}]")
"""Scripts whose texts have no end marks."""
_ONE, _NUMBER = re.compile(r"\(?1[.)] ?\S"), re.compile(r"(?:^|(?<=\s))\(?(\d{1,3})[.)](?=\s+\S)")
_BARE_ITEM = re.compile(r"\n[ \t]*(?:\d{1,3}[.)]|[-*•–])[ \t]*(?:\*\*)?$")
_ITEM = re.compile(r"^[ \t]*(?:\d{1,3}[.)]|[-*•–])[ \t]+\S", re.MULTILINE)
_ENDED = re.compile(r"[.!?…。！？؟।](?:[\"'”’»)\]*_]*(?:\s|$)|(?<=[。！？]))")
_SIGNED = re.compile(
    r"(?:regards|sincerely|love|best|yours|cheers|thanks|thank you|respectfully|warmly|cordially|faithfully|truly"
    r"|wishes|hugs|xoxo|grüße|grüßen|cordialement|saludos|saluti)(?: \w+)?\W*$", re.IGNORECASE)
_AUTHOR = re.compile(r"(?:[-–—~]|by)\s?[A-Z][\w.’' ]{1,40}$")
_ADDRESS = re.compile(r"(?:https?://|www\.|@|#)\S*$|\.(?:com|org|net|edu|gov|io)(?:/\S*)?$|\\\S*$")
_JSON_HEAD = re.compile(r"(?:```(?:json)?\s*)?(?:\{\s*\"|\[\s*[\"{\[\d])")
_AUTHOR_CHARS = 46
"""More than `_AUTHOR` finds."""
_LAST_WORD = re.compile(r"(?:(?<=[\s(“\"*_—–])|^)[^\W\d_]+(?:['’][^\W\d_]+)?$")
_CHOICE = re.compile(r"\([A-Ea-e1-5]\)\s?[^()]{1,80}$")


class Ending(NamedTuple):
    """What an ending says.

    Attributes:
        grade: `cut` where something was begun and not ended; `maybe` where an end mark alone is missing.
        why: a few words; empty of a whole text.
        at: where the piece that has no end begins.
    """

    grade: Grade
    why: str = ""
    at: int = 0


WHOLE = Ending("whole")


def ending_of(text: str) -> Ending:
    """How a text ends."""
    body = text.rstrip()
    if "```" in body and body.count("```") % 2:
        return Ending("cut", "a block of code is not closed", body.rfind("```"))
    if body[:1] in ("{", "[") and body[-1:] not in ("}", "]") and _open_json(body):
        return Ending("cut", "its JSON is not closed", _last_line(body))
    last = body[-1:]
    if last in _MARKS:
        bare = _BARE_ITEM.search(body, max(0, len(body) - 12)) if last == "." else None
        if bare and _ITEM.search(body):
            return Ending("cut", "an item without a text", bare.start() + 1)
        return WHOLE
    if not body or _NO_MARKS.match(last) or (last in _WRAPS and last != "*"):
        return WHOLE
    return _without_mark(body, last)


def was_cut(text: str, reason: Any) -> bool:
    """Whether a text was cut, by its host's finish reason; where that says neither, by its ending."""
    return reason == "length" or (reason not in (*STOPPED, "content_filter") and ending_of(text).grade == "cut")


def _without_mark(body: str, last: str) -> Ending:
    """How a text ends that has no end mark."""
    kind = kind_of(body)
    if kind in ("label", "json", "code", "table"):
        return WHOLE
    at = _last_line(body)
    line = body[at:]
    if _BARE_ITEM.search("\n" + line) and _ITEM.search(body[:at]):
        return Ending("cut", "an item without a text", at)
    if last in ",，、":
        if _SIGNED.search(line) or body[-2:-1] in _QUOTES or _is_couplet(body):
            return WHOLE
        return Ending("cut" if kind != "verse" and _ENDED.search(body) else "maybe", "ends in a comma", at)
    if last in ":：" and len(body) > len(line):
        return Ending("cut", "ends in a colon", at)
    if last in ":：" and _ENDED.search(body):  # so do articles whose picture or quotation is not here
        return Ending("maybe", "ends in a colon", at)
    if last in "([{“„«（「":
        return Ending("cut", "ends in an opening bracket or quotation mark", len(body) - 1)
    pieces = line.split()
    word, count = _LAST_WORD.search(pieces[-1]) if pieces else None, len(pieces)
    if kind == "list" and count <= BRIEF and (found := _of_list(body, at)).grade == "cut":
        return found
    if word and word[0] in _joining() and count > 2 and _of_its_language(word[0], line):
        return Ending("cut" if kind != "verse" and count > BRIEF else "maybe", f"ends in “{word[0]}”", at)
    return _plain(body, line, at, kind)


def _plain(body: str, line: str, at: int, kind: str) -> Ending:
    """How a text ends whose last word could be the last one of a sentence."""
    piece = len(line) - len(line.rsplit(None, 1)[-1])  # an address has no space
    brief = (_AUTHOR.search(line, max(0, len(line) - _AUTHOR_CHARS)) or _ADDRESS.search(line, piece)
             or _CHOICE.search(line))
    if kind == "list" and not brief:
        return _of_list(body, at)
    if kind in ("list", "verse") or not is_open(body) or brief or _is_numbered(body):
        return WHOLE
    ended = [found.end() for found in _ENDED.finditer(body, max(_begin(body), len(body) - 5 * LONG))]
    where = max([at, *ended[-1:]])
    if line.count("(") > line.count(")") or line.count("“") > line.count("”"):
        return Ending("cut", "a bracket or quotation mark is not closed", where)
    if not ended or (len(body) < LONG and len(body[where:].split()) <= BRIEF):
        return WHOLE
    habit = len(body) >= LONG and len(ended) >= SENTENCES and len(body[where:].split()) > FEW
    if habit and not body[-1].isdigit():
        return Ending("cut", "no end mark, and its other sentences have one", where)
    return Ending("maybe", "no end mark", where)


def _of_list(body: str, at: int) -> Ending:
    """How a list ends whose last line has no end mark: as the others do, or not."""
    lines = [line for line in body[:at].splitlines() if line.strip()]
    ended = sum(line.rstrip(_WRAPS)[-1:] in _MARKS for line in lines)
    if len(lines) < ITEMS or ended < HABIT * len(lines) or not (body[-1].isalpha() or body[at:].strip().isdigit()):
        return WHOLE
    if ended < len(lines):
        return Ending("maybe", "no end mark, and most of its other lines have one", at)
    return Ending("cut", "no end mark, and its other lines have one", at)


def _begin(body: str) -> int:
    """Where a text begins behind dots that it goes on from."""
    return len(body) - len(body.lstrip(" .…"))


def _is_couplet(body: str) -> bool:
    """Whether a text is two short lines without an end mark: verse, whose next lines are another's."""
    lines = body.split("\n")
    return len(lines) == 2 and all(0 < len(line) <= VERSE_LINE for line in lines) and not _ENDED.search(body)


def _is_numbered(body: str) -> bool:
    """Whether a text is one line of numbered items, `1. Chess 2. Uno 3. Go`, the last of them as brief as items are."""
    if not _ONE.match(body):
        return False
    found = list(_NUMBER.finditer(body))
    numbers = [int(each[1]) for each in found]
    in_order = numbers == list(range(1, len(numbers) + 1))
    return len(numbers) >= ITEMS and in_order and len(body[found[-1].end():].split()) <= BRIEF


def is_open(text: str) -> bool:
    """Whether a text ends within a sentence, in a letter, comma or dash. A brief last line is an item, or a name."""
    left = text.rstrip()
    last = left[-1:]
    return (last.isalnum() or (last in _GOES_ON and left[-2:-1] not in _QUOTES)) and "\n" not in left[-_BRIEF_LINE:]


def _last_line(body: str) -> int:
    return body.rfind("\n") + 1


def _open_json(body: str) -> bool:
    """Whether a text is JSON that ends too early."""
    if not _JSON_HEAD.match(body):
        return False
    try:
        json.JSONDecoder().raw_decode(body)
    except json.JSONDecodeError as error:
        return error.pos >= len(body) - 1 or error.msg.startswith("Unterminated")
    except RecursionError:
        return False
    return False


@cache
def _languages() -> dict[str, frozenset[str]]:
    """Words after which a sentence goes on, by language."""
    lines = Path(__file__).with_name("endings.words").read_text(encoding="utf-8").splitlines()
    told = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {name: frozenset(words.split()) for name, _, words in told}


@cache
def _joining() -> frozenset[str]:
    return frozenset().union(*_languages().values())


def _of_its_language(word: str, line: str) -> bool:
    """Whether a word joins in the language that most joining words of a line belong to."""
    seen = {each.lower() for each in line[-10 * LONG:].split()} | {word}
    counts = {name: len(words & seen) for name, words in _languages().items()}
    return any(word in words and counts[name] == max(counts.values()) for name, words in _languages().items())
