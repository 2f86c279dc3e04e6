"""What shows only when rows are held against each other: twins, leaks, contradictions, drift, loops and odd lengths.

Of a row nothing is kept but hashes and sizes, some 50 bytes whatever its length. Texts that are nearly the same are
looked for in files up to NEAR_BYTES, by the exact join of `similar`; its sets lie on disk.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.digest import canonical, normal_text
from pipeline.endings import is_open
from pipeline.formats import plain
from pipeline.rules import kind_and_words
from pipeline.rules.refusal import refusal_in
from pipeline.types import Example, Message, Problem, text_of
from pipeline.words import plural

if TYPE_CHECKING:
    import numpy as np

    Hashes = np.ndarray[tuple[int], np.dtype[np.int64]]

NEAR_BYTES = 16 << 20
"""A file over this is not searched for rows that are nearly the same: that would take longer than all the rest."""
NEAR, NEAR_WORDS = 0.85, 30
"""Shared runs of five words, of all; and the fewest words of an answer that can be nearly another."""
TAIL, ROUNDS, WITHIN = 32, 8, 2_048
"""An answer goes round when it ends in 8 times the same, which holds a letter and has at most 2,048 characters."""
LONG, LONG_CHARS, LONG_SHARE = 20, 4_000, 0.02
"""An answer is far from the others at 20 times their median and 4,000 characters, unless over 2% are."""
WHOLE, RARE, ROWS = 200, 0.05, 20
"""An answer of 200 characters seems cut when it ends in a letter or a comma and under 5% of such answers do, of 20."""
SHORT = 40
"""Characters of an answer that is a label, of which a prompt has one."""
MAIN, SYSTEMS = 0.9, 1_000
"""A system text is the file's when 90% of the rows have it; so many different ones are counted at most."""
BIAS, PAIRS = 0.8, 20
"""Pairs teach length when so many of them prefer the longer answer, or the shorter one, in a file of 20 or more."""
_HIDDEN, SHOWN = 3, 80
"""Lines that are named of a thing that many rows have; characters of a text that are shown."""
_LINE = re.compile(r"\bline (\d+)\b(?! of)")


class Across:
    """The rows of one file.

    Args:
        path: the file, as problems name it.
        near: whether rows that are nearly the same are looked for.
    """

    def __init__(self, path: str, near: bool) -> None:
        self.path = path
        self.rows, self.asked, self.contexts = array("q"), array("q"), array("q")
        self.numbers, self.lengths, self.turns = array("I"), array("I"), array("I")
        self.no_system = self.no_user = 0
        self._long, self._open, self._alone = 0, array("I"), array("I")
        self._systems: dict[str, list[int]] = {}
        self._first_without = 0
        self._longer = self._shorter = self._pairs = 0
        self._near = _Near() if near else None

    def close(self) -> None:
        """Forgets what lies on disk."""
        if self._near is not None:
            self._near.close()

    def add(self, example: Example, number: int) -> Sequence[Problem]:
        """Takes a row, and says what is wrong with its answer by itself."""
        told, asked, said = [], [], ""
        for message in example.messages:
            role, content = message.get("role"), message.get("content")
            text = content if isinstance(content, str) else text_of(content)
            told.append((role, text) if text is content and len(message) == 2 else _told(message))
            if role == "user":
                asked.append(text)
            elif role == "assistant":
                said = text
        beside = canonical([example.tools, example.rejected]) if example.tools or example.rejected else b""
        self.rows.append(hash((*told, beside)))
        self.contexts.append(hash(tuple(told[:-1])) if len(told) > 1 else 0)
        self.asked.append(hash(normal_text(" ".join(asked))) if any(asked) else 0)
        self.numbers.append(number)
        self.turns.append(len(told))
        self.lengths.append(len(said))
        self.no_user += not asked
        if said and not asked:
            self._alone.append(number)
        self._system(example.messages, number)
        if example.rejected:
            self._pair(len(said), len(text_of(example.rejected[-1].get("content"))))
        if len(said) >= WHOLE:
            self._long += 1
            if is_open(said):
                self._open.append(number)
        if self._near is not None:
            self._near.add(said)
        return self._answer(said, number) if said and not said.isspace() else ()

    def whole(self, against: Across | None) -> Iterator[Problem]:
        """What shows over all rows, in their order; and over those of the file that is trained on."""
        if not self.rows:
            return
        yield from self._twins()
        if against is not None and against.rows:
            yield from self._leaks(against)
        yield from self._others()
        yield from self._unasked()
        yield from self._drift()
        yield from self._cut()
        yield from self._bias()
        yield from self._far()

    # -- one row -------------------------------------------------------------------------------------

    def _answer(self, said: str, number: int) -> Sequence[Problem]:
        found = []
        if len(said) >= TAIL * ROUNDS and (unit := _round(said)):
            what = f"the answer ends in “{' '.join(unit.split())[:SHOWN]}”, over and over"
            found.append(self._warn("goes-round", number, what, "drop the row: a model would learn to repeat itself"))
        kind, words = kind_and_words(refusal_in(said))
        if kind == "full":
            what = f"the answer refuses: “{words}”"
            found.append(self._warn("refusal", number, what, "drop it, or keep it on purpose"))
        return found

    def _system(self, messages: list[Message], number: int) -> None:
        first = messages[0] if messages else {}
        if first.get("role") not in ("system", "developer"):
            self.no_system += 1
            self._first_without = self._first_without or number
            return
        text = text_of(first.get("content"))
        if text in self._systems:
            self._systems[text][0] += 1
        elif len(self._systems) < SYSTEMS:
            self._systems[text] = [1, number]

    def _pair(self, better: int, worse: int) -> None:
        self._pairs += 1
        self._longer += better > worse
        self._shorter += better < worse

    # -- all rows ------------------------------------------------------------------------------------

    def _twins(self) -> Iterator[Problem]:
        import numpy as np

        numbers, rows = np.frombuffer(self.numbers, np.uint32), np.frombuffer(self.rows, np.int64)
        first = _first_of(rows)
        again = np.flatnonzero(first != np.arange(len(rows)))
        for at in again.tolist():
            yield self._warn("duplicate-row", numbers[at], f"the same as line {numbers[first[at]]}",
                             "keep one of them: synth curate with the rule exact_duplicate")
        if self._near is not None:
            for left, right, share in self._near.pairs(set(again.tolist())):
                yield self._warn("near-duplicate", numbers[right],
                                 f"nearly the answer of line {numbers[left]}: shares {share:.2f} of its runs of words",
                                 "keep one of them: synth curate with the rule near_duplicate")

    def _leaks(self, against: Across) -> Iterator[Problem]:
        import numpy as np

        theirs = np.frombuffer(against.numbers, np.uint32)
        rows = _lines_in(self.rows, against.rows)
        prompts = _lines_in(self.asked, against.asked)
        for at, number in enumerate(self.numbers):
            if rows[at] >= 0:
                yield Problem("error", "in-both-files", f"{self.path}:{number}",
                              f"the same row is line {theirs[rows[at]]} of {against.path}",
                              "take it out of one: what was trained on proves nothing")
            elif self.asked[at] and prompts[at] >= 0:
                yield self._warn("prompt-in-both-files", number,
                                 f"the same prompt is in line {theirs[prompts[at]]} of {against.path}",
                                 "split by prompt: synth import, then synth export --split 0.1")

    def _others(self) -> Iterator[Problem]:
        """Prompts that are answered in more than one way: a fault where answers are labels, else worth knowing."""
        import numpy as np

        contexts, rows = np.frombuffer(self.contexts, np.int64), np.frombuffer(self.rows, np.int64)
        lengths = np.frombuffer(self.lengths, np.uint32)
        first = _first_of(contexts)
        other = (contexts != 0) & (rows[first] != rows) & (_first_of(rows) == np.arange(len(rows)))
        labels = other & (lengths <= SHORT) & (lengths[first] <= SHORT)
        for at in np.flatnonzero(labels).tolist():
            yield self._warn("conflicting-answers", self.numbers[at],
                             f"the prompt of line {self.numbers[first[at]]}, and another short answer",
                             "keep the right one")
        texts = np.flatnonzero(other & ~labels).tolist()
        if texts:
            yield Problem("note", "several-answers", f"{self.path}:{self.numbers[texts[0]]}",
                          f"{plural(len(texts), 'row')} with the prompt of an earlier row and another answer; the "
                          f"first with that of line {self.numbers[first[texts[0]]]}",
                          "well, where a prompt may have many answers")

    def _unasked(self) -> Iterator[Problem]:
        """Answers to nothing among answers to something; where no row has a prompt, that is how it was meant."""
        if 0 < len(self._alone) < len(self.rows):
            named = ", ".join(map(str, self._alone[:_HIDDEN])) + (", ..." if len(self._alone) > _HIDDEN else "")
            yield self._warn("empty-prompt", self._alone[0],
                             f"{plural(len(self._alone), 'row')} without a prompt, where others have one: line "
                             f"{named}", "fill it, or leave the row out")

    def _drift(self) -> Iterator[Problem]:
        count = len(self.rows)
        if not self._systems:
            return
        text, (most, line) = max(self._systems.items(), key=lambda each: each[1][0])
        if self.no_system:
            yield Problem("note", "no-system", f"{self.path}:{self._first_without}",
                          f"{plural(self.no_system, 'row')} of {count:,} without a system message; others have one",
                          "give all rows one, or none: the model is asked in one way")
        if len(self._systems) < 2 or most < MAIN * count or len(self._systems) >= SYSTEMS:
            return
        others = sorted(where for found, (_, where) in self._systems.items() if found != text)
        rows = sum(times for found, (times, _) in self._systems.items() if found != text)
        named = ", ".join(f"{where}" for where in others[:_HIDDEN])
        yield self._warn("system-drift", others[0],
                         f"{plural(rows, 'row')} with another system text than the {most:,} like line {line}: lines "
                         f"{named}{', ...' if len(others) > _HIDDEN else ''}", "mend it, if it was not meant")

    def _cut(self) -> Iterator[Problem]:
        if self._long >= ROWS and len(self._open) <= RARE * self._long:
            for number in self._open:
                yield self._warn("seems-cut", number, "the answer ends in the middle of a sentence, as few others do",
                                 "drop it, or write its end: a model would learn to stop anywhere")

    def _bias(self) -> Iterator[Problem]:
        for word, found in (("longer", self._longer), ("shorter", self._shorter)):
            if self._pairs >= PAIRS and found >= BIAS * self._pairs:
                yield Problem("warning", "length-bias", self.path,
                              f"the preferred answer is the {word} one in {found:,} of {self._pairs:,} pairs: that is "
                              "what is learnt first", "balance the pairs by length")

    def _far(self) -> Iterator[Problem]:
        import numpy as np

        lengths = np.frombuffer(self.lengths, np.uint32)
        said = lengths[lengths > 0]
        median = float(np.median(said)) if len(said) else 0.0
        far = np.flatnonzero((lengths > LONG * median) & (lengths >= LONG_CHARS)).tolist()
        if not median or len(far) > max(1, LONG_SHARE * len(lengths)):
            return
        for at in far:
            yield Problem("note", "far-longer", f"{self.path}:{self.numbers[at]}",
                          f"an answer of {lengths[at]:,} characters, and half of the others have at most {median:,.0f}",
                          "look at it")

    def _warn(self, code: str, number: int, message: str, fix: str) -> Problem:
        return Problem("warning", code, f"{self.path}:{number}", message, fix)


class _Near:
    """Answers whose runs of words are nearly the same, those to different prompts too: they are what is learnt."""

    def __init__(self) -> None:
        from pipeline.shingles import Shingler
        from pipeline.similar import Sets

        self._shingler, self._sets = Shingler(), Sets()
        self._none = self._shingler.grams("")

    def add(self, answer: str) -> None:
        """Takes a row; short answers are like nothing."""
        long = answer.count(" ") >= NEAR_WORDS
        self._sets.add(self._shingler.grams(answer) if long else self._none)

    def pairs(self, but: set[int]) -> Iterator[tuple[int, int, float]]:
        """Rows, by their place, that are nearly an earlier one, and how much they share; `but` are left out."""
        links = self._sets.links(NEAR, [each for each in range(len(self._sets)) if each not in but])
        found = ((min(link[:2]), max(link[:2]), link.jaccard) for link in links)
        yield from sorted(found, key=lambda each: each[1])

    def close(self) -> None:
        """Forgets the sets."""
        self._sets.__exit__()


def _round(text: str) -> str:
    """What a text of at least TAIL characters ends in over and over; empty where it does not."""
    end = text[-WITHIN - TAIL:]
    period = len(end) - TAIL - end.rfind(end[-TAIL:], 0, len(end) - 1)
    unit = end[len(end) - period:]
    if period > len(end) - TAIL or not text.endswith(unit * ROUNDS) or not any(map(str.isalnum, unit)):
        return ""
    return unit


def _told(message: Message) -> Any:
    """What a message of more than a role and a text says, to be hashed."""
    left = plain(message)
    if len(left) == 2 and type(said := left.get("content")) is str:
        return left.get("role"), said
    return canonical(left)


def _first_of(hashes: Sequence[int] | Hashes) -> Hashes:
    """For each place the first one that has the same hash."""
    import numpy as np

    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    return first[which]


def _lines_in(hashes: array[int], others: array[int]) -> Hashes:
    """For each hash its first place among others; -1 where it is not among them."""
    import numpy as np

    own, theirs = np.frombuffer(hashes, np.int64), np.frombuffer(others, np.int64)
    known, first = np.unique(theirs, return_index=True)
    at = np.searchsorted(known, own).clip(max=len(known) - 1)
    return np.where(known[at] == own, first[at], -1)


def provenance(values: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """What a row says of how its answer was written: cut at a limit, stopped by a filter."""
    for part in (values, values.get("provenance"), values.get("metadata")):
        reason = part.get("finish_reason") if isinstance(part, Mapping) else None
        if reason in ("length", "max_tokens", "content_filter"):
            yield Problem("error", "cut-answer", where, f"finish_reason is {reason}: the answer has no end",
                          "drop the row, or ask again with more tokens")


def by_name(problem: Problem, folder: Path, names: Sequence[str]) -> Problem:
    """A problem of a folder of texts: rows by the names of their files, where a file has lines."""
    number = problem.where.removeprefix(f"{folder}:")
    where = f"{folder}/completions/{names[int(number) - 1]}" if number.isdigit() else problem.where
    message = _LINE.sub(lambda match: names[int(match[1]) - 1], problem.message)
    return replace(problem, where=where, message=message)
