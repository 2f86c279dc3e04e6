"""Asks the writer to go on where an answer was cut off, and joins the two. What was there stays.

Cut is what the host says was (`finish_reason: length`), or an answer that begins something it does not end, as the rule
`cut_ending` tells. The writer begins with the last words, so that the joint is found; what it repeats is left out. One
that is cut again, says the text over, or says nothing new is refused."""

# ruff: noqa: N999 (a plug-in is called as its file is, and this one is loaded by name)

from __future__ import annotations

import re

from ..endings import ending_of, was_cut
from ..openers import opener_of
from ..shingles import Shingler
from ..types import Call, Message, Sample
from ..views import answer, words
from . import Options, Refused, Rewrite
from ._answers import conversation

TAIL_WORDS, TAIL_CHARS = 8, 120
"""Of the text that the writer is shown as its last words. Chosen by us: enough to be there only once."""
ANCHOR = 12
"""Characters of the last words that show where a writer took the text up, within its answer. Chosen by us."""
REPEATS = 0.5
"""A continuation that has so many of its runs of words from the text before it says it over. Chosen by us."""
ASK = (
    "Your answer was cut off. Its last words are:\n\n{tail}\n\nBegin with exactly these words, complete the last one "
    "where it was broken off, and go on from there to the end of the answer, in the same form and tone. Do not write "
    "again what stands before them, and do not comment."
)
HEAD = 300
"""Characters at the head of a continuation that are looked at by themselves: there the text would be begun again."""
_ITEM = re.compile(r"(?:\d{1,3}[.)]|[-*•#]+|\*\*)\s?\w")
_ITEMS = re.compile(r"(\s*\n\s*)(?:\d{1,3}[.)]|[-*•#]+|\*\*)\s?\w")
_MARK = re.compile(r"['’](?:s|t|re|ve|ll|d|m)\b|[.,;:!?…)\]}”’。，、！？]")


class How(Options):
    """Nothing to set."""


class Continue(Rewrite[How]):
    """Continues once: a continued row is not continued again."""

    cures = frozenset({"finish-reason", "cut-ending", "sections", "json-schema"})

    def applies(self, sample: Sample) -> bool:
        """Answers that were cut."""
        said = answer(sample)
        if not said or not said.strip() or sample.provenance.get("augmentation") == self.name:
            return False
        return was_cut(said, sample.provenance.get("finish_reason"))

    def messages(self, sample: Sample) -> list[Message]:
        """The conversation with the cut answer, and the wish."""
        return conversation(sample, ASK.format(tail=_tail(answer(sample) or "")))

    def output_bytes(self, sample: Sample) -> int:
        """A guess: half of what is there."""
        return len(sample.answer.encode("utf-8", "surrogatepass")) // 2

    def text(self, sample: Sample, call: Call) -> str | Refused:
        """The text whole."""
        old, new = answer(sample) or "", call.text
        if call.finish_reason == "length":
            return Refused("cut-again", "the continuation was cut off, too: a higher max_tokens helps")
        new = new[opener_of(new, ""):]
        found = _joined(old, new)
        if isinstance(found, Refused):
            return found
        rest = found[len(old.rstrip()):]
        if not words(rest) and not rest.strip():
            return Refused("nothing-added", "the writer added nothing")
        alike = max(_repeated(old, rest), _repeated(old, rest[:HEAD]))
        if alike >= REPEATS:
            return Refused("repeats", f"{alike:.0%} of its runs of words stand in the text already")
        ending = ending_of(found)
        if ending.grade == "cut":
            return Refused("cut-again", f"still cut: {ending.why}")
        return found


def _tail(old: str) -> str:
    """The last words of a text, as they stand."""
    body = old.rstrip()
    starts = [found.start() for found in re.finditer(r"\S+", body[-TAIL_CHARS:])]
    at = starts[-TAIL_WORDS] if len(starts) >= TAIL_WORDS else starts[1] if len(starts) > 1 else 0
    return body[-TAIL_CHARS:][at:]


def _joined(old: str, new: str) -> str | Refused:
    """A text and its continuation: what both have at the joint stands once."""
    body, more = old.rstrip(), new.strip()
    if not more:
        return Refused("nothing-added", "the writer added nothing")
    shared = _overlap(body, more)
    if shared:
        return body + more[shared:]
    if more[:ANCHOR].casefold() == body[:ANCHOR].casefold() and len(body) > 2 * ANCHOR:
        tail = _tail(body)
        at = more.find(tail, len(body) // 2) if len(tail) >= ANCHOR else -1
        if at < 0:
            return Refused("begins-again", "the writer wrote another text instead of going on")
        return body + more[at + len(tail):]
    if old != body or new[:1].isspace():
        return (old if old != body else body + new[: len(new) - len(new.lstrip())]) + more
    between = _between(body, more)
    if between is None:
        return Refused("no-joint", "the writer did not begin with the last words: whether one was broken is not known")
    return body + between + more


def _overlap(old: str, new: str) -> int:
    """Length of the longest end of a text that another one begins with, from the beginning of a word on."""
    pattern = new[: len(old)]
    text = old[-len(pattern):]
    # Knuth, Morris, Pratt: the longest prefix of `pattern` that ends at each character
    table, size = [0] * len(pattern), 0
    for index in range(1, len(pattern)):
        while size and pattern[index] != pattern[size]:
            size = table[size - 1]
        size += pattern[index] == pattern[size]
        table[index] = size
    size = 0
    for character in text:
        while size and (size == len(pattern) or character != pattern[size]):
            size = table[size - 1]
        size += character == pattern[size]
    while size:
        if _is_joint(old, new, size):
            return size
        size = table[size - 1]
    return 0


def _is_joint(old: str, new: str, size: int) -> bool:
    """Whether an overlap is one: it begins where a word does. The writer was asked to begin with it."""
    before = old[len(old) - size - 1: len(old) - size]
    return not (before.isalnum() and new[0].isalnum())


def _between(old: str, new: str) -> str | None:
    """What stands between a text and a continuation that repeats none of it; None where that cannot be told.

    White space at the joint is lost. A word of the text that was broken off is told by the words beside it.
    """
    item = _ITEM.match(new)
    if item and not old[-1].isalnum() and (gaps := [found[1] for found in _ITEMS.finditer(old)]):
        return max(gaps, key=gaps.count)
    if _MARK.match(new):
        return ""
    if not new[0].isalnum() or not old[-1].isalnum():
        return "" if old[-1] in "([{“-/" else " "
    last, first = words(old)[-1], words(new)[0]
    known = {*words(old)[:-1], *words(new)[1:]}
    if last in known and first in known:
        return " "
    return "" if last + first in known else None


def _repeated(old: str, new: str) -> float:
    """Share of the runs of words of a text that another one has."""
    shingler = Shingler()
    mine = set(shingler.grams(new).tolist())
    return len(mine & set(shingler.grams(old).tolist())) / len(mine) if mine else 0.0


plugin: type[Rewrite[How]] = Continue
