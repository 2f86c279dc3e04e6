"""Texts of evaluation files as hashes of their runs of words, and which of them a row holds.

Memory: 24 bytes for each run of the files, and a line's number for each text; nothing for rows.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..digest import normal_text, text_key
from ..errors import DataError
from ..read import file_sha256, rows
from ..read.source import refuse_encoding
from ..read.texts import Part, Spoken, spoken
from ..shingles import Shingler
from ..types import SYSTEM_ROLES, Problem, Sample, text_of
from ..views import has_words, word_spans
from ..words import shown

if TYPE_CHECKING:

    from ..shingles import Grams

ANSWER_WORDS = 8
"""Words from which on an answer is compared. Chosen by us: of the 175 answers in data/seed-tasks no two of so many
words are equal, and six shorter ones are."""
QUOTED = 120
TEXTS = ".txt"
"""How the name of a file ends of which each line is a text, for there is nothing else to tell them by."""
_AROUND = " \t\r\n\"'`“”‘’«».!?:;,"


class Place(NamedTuple):
    """Where an evaluation text stands, and what it is there."""

    file: str
    line: int
    part: Part


class Compared(NamedTuple):
    """How many texts of a file there are to compare with, by what they are, and how many answers are too short."""

    file: str
    prompts: int
    answers: int
    texts: int
    short: int


class Hit(NamedTuple):
    """An evaluation text of which a row holds a share, the words of it, and where they stand in the last answer."""

    place: Place
    share: float
    words: str
    span: tuple[int, int] | None


class Said(NamedTuple):
    """A text of a row. Spans may point into the last answer alone."""

    text: str
    answers: bool
    last: bool = False


def texts_of(sample: Sample) -> list[Said]:
    """All that is said in a row but by the system."""
    last = sample.last("assistant")
    found = []
    for message in sample.messages:
        text = text_of(message.get("content"))
        if message.get("role") not in SYSTEM_ROLES and text.strip():
            found.append(Said(text, message.get("role") == "assistant", message is last))
    return found


class EvaluationTexts:
    """What no row may hold.

    Args:
        files: evaluation files.
        size: words in a run.
        rule: what names the files, for errors.

    Raises:
        DataError: a file that cannot be read, or holds nothing that can be compared.
    """

    def __init__(self, files: Sequence[Path], size: int, rule: str) -> None:
        import numpy as np

        self.compared: list[Compared] = []
        self._size, self._shingler, self._rule = size, Shingler(size), rule
        self._places: list[Place] = []
        self._whole: dict[tuple[bool, bytes], int] = {}  # whether it is an answer -> text
        self._known: dict[tuple[Part, bytes], int] = {}
        self._again: dict[int, list[Place]] = {}  # text -> where it stands in further files
        clash = Counter(path.name for path in files)
        grams, owners = [np.zeros(0, np.uint64)], array("q")
        for path in files:
            for number, found in self._read(path, path.name if clash[path.name] == 1 else str(path)):
                grams.append(found)
                owners.extend([number] * len(found))
        runs = np.concatenate(grams)
        order = np.argsort(runs, kind="stable")
        self._runs = runs[order]
        self._owners = np.array(owners, np.int64)[order]
        _, inverse, counts = np.unique(self._runs, return_inverse=True, return_counts=True)
        self._weights = 1.0 / counts[inverse]
        self._totals = np.bincount(self._owners, self._weights, len(self._places))

    def _read(self, path: Path, name: str) -> Iterator[tuple[int, Grams]]:
        """The texts of a file that are new and have runs, each by its number."""
        counts: Counter[str] = Counter()
        faults = list[Problem]()
        for line, texts in _texts_in(path, lambda each: faults.append(each) if each.severity == "error" else None):
            for each in texts:
                found = self._added(each, Place(name, line, each.part))
                counts["short" if found is None else each.part] += 1
                if found:
                    yield found
        self.compared.append(Compared(name, *(counts[part] for part in ("prompt", "answer", "text", "short"))))
        if not any(self.compared[-1][1:4]):
            why = faults[0].message if faults else f"{counts['short']:,} answers, each under {ANSWER_WORDS} words"
            raise DataError(f"{self._rule}: against: {path}: holds nothing that can be compared: "
                            f"{why if faults or counts['short'] else 'no text'}", f"synth check {path}")

    def _added(self, each: Spoken, place: Place) -> tuple[int, Grams] | tuple[()] | None:
        """A text's number and its runs; empty where it is known already or has none, None where it is too short."""
        import numpy as np

        (runs,) = self._shingler.runs([each.text])
        number = len(self._places)
        if len(runs):
            found = np.unique(runs)
            first = self._known.setdefault((place.part, blake2b(found.data, digest_size=12).digest()), number)
            if first < number:
                self._also(first, place)
                return ()
            self._places.append(place)
            return number, found
        long = has_words(each.text, ANSWER_WORDS)
        if place.part == "answer" and not long:
            return None
        key = _key(each.text)
        fits = {False: place.part != "answer", True: place.part != "prompt" and long}
        roles = [role for role in fits if fits[role]]
        there = {self._whole.setdefault((role, key), number) for role in roles}
        if number in there:
            self._places.append(place)
        for first in there - {number}:
            self._also(first, place)
        return ()

    def _also(self, number: int, place: Place) -> None:
        """Notes that a text that is known stands in a further file, which is told by itself."""
        if place.file not in [each.file for each in self._at(number)]:
            self._again.setdefault(number, []).append(place)

    def _at(self, number: int) -> list[Place]:
        """Where a text stands, once for each file."""
        return [self._places[number], *self._again.get(number, ())]

    def hits(self, sample: Sample) -> list[Hit]:
        """Of each part of each file the text that a row holds most of, the largest share first; of equal ones the first
        text."""
        said = texts_of(sample)
        runs = self._shingler.runs([each.text for each in said]) if said else []
        best = {(place.part, place.file): hit._replace(place=place)
                for number, hit in self._equal(said) for place in self._at(number)}
        told: dict[int, Hit] = {}
        for place, (share, number) in self._largest(runs).items():
            if (place.part, place.file) not in best:
                told[number] = hit = told.get(number) or self._hit(share, number, said, runs)
                best[place.part, place.file] = hit._replace(place=place)
        return sorted(best.values(), key=lambda hit: (-hit.share, hit.place.part != "prompt", hit.place))

    def _largest(self, runs: list[Grams]) -> dict[Place, tuple[float, int]]:
        """Of each part of each file the text of which the runs hold the largest share: where it stands, that share, and
        which one it is."""
        import numpy as np

        found = np.unique(np.concatenate([np.zeros(0, np.uint64), *runs]))
        left, right = (np.searchsorted(self._runs, found, side) for side in ("left", "right"))
        there = np.flatnonzero(right > left)
        best: dict[tuple[Part, str], tuple[float, int, Place]] = {}
        if len(there):
            at = np.concatenate([np.arange(left[each], right[each]) for each in there])
            held = np.bincount(self._owners[at], self._weights[at])
            for number in np.flatnonzero(held).tolist():
                share = min(1.0, round(float(held[number] / self._totals[number]), 6))
                for place in self._at(number):
                    key = place.part, place.file
                    if key not in best or share > best[key][0]:
                        best[key] = share, number, place
        return {place: (share, number) for share, number, place in best.values()}

    def _equal(self, said: list[Said]) -> Iterator[tuple[int, Hit]]:
        """Texts without runs that are all of the row's prompt, or an answer, with their numbers."""
        asked = "\n".join(each.text for each in said if not each.answers)
        for each in [*([Said(asked, False)] if asked else []), *(each for each in said if each.answers)]:
            number = self._whole.get((each.answers, _key(each.text))) if self._whole else None
            if number is not None:
                body = each.text.strip()
                start = each.text.index(body)
                span = (start, start + len(body)) if each.last else None
                yield number, Hit(self._places[number], 1.0, _quoted(body), span)

    def _hit(self, share: float, number: int, said: list[Said], runs: list[Grams]) -> Hit:
        """What is to be said of a text that the row holds a share of: the longest piece of it."""
        import numpy as np

        own = self._runs[self._owners == number]
        longest, length = (0, 0), 0
        for at, each in enumerate(runs):
            inside = np.concatenate(([0], np.isin(each, own), [0])).astype(np.int8)
            starts, ends = (np.flatnonzero(np.diff(inside) == step) for step in (1, -1))
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                if end - start > length:
                    longest, length = (at, start), end - start
        at, start = longest
        text = said[at].text
        spans = word_spans(text)[start : start + length + self._size - 1]
        span = (spans[0][0], spans[-1][1]) if spans else (0, len(text))
        return Hit(self._places[number], share, _quoted(text[slice(*span)]), span if said[at].last else None)


def _texts_in(path: Path, report: Callable[[Problem], None]) -> Iterator[tuple[int, list[Spoken]]]:
    """The texts of each row of a file, by its line; of a .txt file each line is a text.

    Raises:
        DataError: it cannot be read.
    """
    if path.suffix.casefold() != TEXTS:
        refuse_encoding(path, None)
        for row in rows(path, report):
            yield row.number, spoken(row.values)
        return
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                yield number, spoken({"line": line.strip()})
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}", f"file {path}   says what it is") from None


def _key(text: str) -> bytes:
    """What two short texts share when only layout, case and the marks around them differ."""
    normal = normal_text(text)
    return text_key(normal.strip(_AROUND) or normal)


def _quoted(text: str) -> str:
    flat = shown(" ".join(text.split()))
    return flat if len(flat) <= QUOTED else f"{flat[: QUOTED - 1].rstrip()}…"


def file_digest(path: Path, rule: str) -> str:
    """The digest of a file's bytes. Raises DataError where it cannot be read."""
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"{rule}: against: {path}: {error.strerror or error}",
                        f"ls -l {path.parent}   shows what is there") from None
