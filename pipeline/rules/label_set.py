"""Finds answers that are none of the labels: another spelling, a label that occurs once, words instead of a label.

The labels are those that `labels` lists, exactly as they are to be trained. Without it they are told from the rows:
where nearly all answers are short and there are five rows or more for each different one, those with several rows are
the labels. Where there are fewer rows, only an answer that differs from a more frequent one by case, punctuation or
spaces is found. Rows of any other set of answers are left alone. The nearest label is named, with what makes the
difference.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from ..alike import Alike
from ..kinds import kind_of
from ..types import Sample
from ..views import answer, words
from ..words import shown
from . import Match, NotedRule, OptionFault, Options, Rule

LABELLED = 0.9
"""Share of answers that are short where answers are labels: some rows of real sets hold a sentence. Chosen by us on
2026-11-28; of the answers in data/seed-tasks 0.2 are."""
MOST, EACH = 100, 5
"""Labels at most, and rows of each on average at least. Chosen by us on 2026-11-28: people number classes to 100, and
banking77, a set of many, has over 100 rows of each."""
TWIN = 5
"""A value is rare, and taken for a spelling of another one, where that has so many times its rows; by `alike.py`."""
LONGEST = 60
_AROUND = " \t\r\n\"'`“”‘’«».!,;:*_()[]"


class Measure(Options):
    """What the answers are compared with."""

    labels: Literal["auto"] | list[str] = Field("auto", description="the labels as they are trained; auto: by the rows")


class Bounds(Options):
    """What becomes of a row that has another answer."""

    act: Literal["auto", "drop", "flag"] = Field(
        "auto", description="auto: drop where labels are listed, flag where they are told from the rows")


class LabelSet(NotedRule[Measure, Bounds]):
    """Compares each answer with the labels. Memory: an id and the beginning of the answer for each row."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Reads `- label_set: [positive, negative]`."""
        if "value" in options:
            options["labels"] = options.pop("value")
        labels = options.get("labels")
        if isinstance(labels, list):
            odd = next((label for label in labels if isinstance(label, bool)), None)
            if odd is not None:
                raise OptionFault(f"labels: YAML reads yes, no and off as {str(odd).lower()}: put quotes around",
                                  "- label_set: {labels: ['yes', 'no']}")
            options["labels"] = [str(label) if isinstance(label, int | float) else label for label in labels]
        return options

    def check(self) -> None:
        """Labels that can be told apart."""
        labels = self.how.labels
        if isinstance(labels, list) and not (labels and len({*labels}) == len(labels) and all(map(str.strip, labels))):
            raise OptionFault("labels: each once, and none of them empty",
                              "- label_set: {labels: [positive, negative]}")

    def note(self, sample: Sample) -> str | None:
        """The answer, or the beginning of it."""
        text = answer(sample)
        return text if text is None or len(text) <= LONGEST else f"{text[:LONGEST]}…"

    def among(self, notes: Iterable[tuple[str, str]], held: Container[str]) -> Iterator[Match]:
        """Every row whose answer is no label; the value is its answer, or the beginning of it."""
        rows = list(notes)
        counts = Counter(text for _, text in rows)
        listed = self.how.labels if isinstance(self.how.labels, list) else _told(counts)
        guessed = self.how.labels == "auto"
        act = self.bounds.act if self.bounds.act != "auto" else "flag" if guessed else "drop"
        doubts = {text: why for text in counts if text not in listed
                  and (why := _why(text, listed, counts, guessed)) is not None} if listed else _twins(counts)
        for name, text in rows:
            if text in doubts and name not in held:
                yield Match(name, shown(text), act, doubts[text])


def _told(counts: Mapping[str, int]) -> list[str]:
    """The labels of a set of answers; none where they are no labels."""
    short: dict[str, int] = {text: count for text, count in counts.items() if _is_short(text)}
    forms: dict[str, dict[str, int]] = {}
    for text, count in short.items():
        forms.setdefault(_form(text), {})[text] = count
    labelled, rows = sum(short.values()), sum(counts.values())
    frequent = {form: texts for form, texts in forms.items() if sum(texts.values()) > 1}
    few = 2 <= len(frequent) <= MOST and sum(sum(texts.values()) for texts in frequent.values()) >= EACH * len(forms)
    if not few or labelled < LABELLED * rows:
        return []
    labels: dict[str, int] = {}
    for texts in sorted(frequent.values(), key=lambda texts: (-sum(texts.values()), min(texts))):
        label, count = min(texts, key=lambda text: (-texts[text], text)), sum(texts.values())
        known = [other for other, rows in labels.items() if rows >= TWIN * count]
        if not known or Alike(known, list(labels)).near(label) is None:  # else a spelling that several rows have
            labels[label] = count
    return list(labels)


def _twins(counts: Mapping[str, int]) -> dict[str, str]:
    """Of too few rows to know labels by: what differs from a more frequent answer by case and punctuation alone."""
    forms: dict[str, list[str]] = {}
    for text in filter(_is_short, counts):
        forms.setdefault(_form(text), []).append(text)
    if sum(counts[text] for texts in forms.values() for text in texts) < LABELLED * sum(counts.values()):
        return {}
    found = {}
    for texts in forms.values():
        label = min(texts, key=lambda text: (-counts[text], text))
        for text in texts:
            if counts[text] < counts[label] and (how := _difference(text, label)) != "accents":
                found[text] = f"{_quoted(text)} is '{shown(label)}' but for {how}{_rows(label, counts)}"
    return found


def _why(text: str, labels: list[str], counts: Mapping[str, int], guessed: bool) -> str | None:
    """What is wrong with an answer that is none of the labels; None for a label that is merely rare."""
    form = _form(text)
    for label in labels:
        if form == _form(label):
            return f"{_quoted(text)} is '{shown(label)}' but for {_difference(text, label)}{_rows(label, counts)}"
    if not text.strip():
        return f"empty, where the labels are {_listed(labels)}"
    known = [label for label in labels if not guessed or counts[label] >= TWIN * counts[text]]
    near = Alike(known, labels).near(text) if known and _is_short(text) else None
    if near is not None:
        return f"{_quoted(text)} is near '{shown(near.near)}' ({near.why}){_rows(near.near, counts)}"
    spoken = f" {' '.join(words(text))} "
    within = [label for label in labels if f" {' '.join(words(label)) or label} " in spoken]
    if not _is_short(text):
        told = f", it says '{shown(within[0])}'" if len(within) == 1 else ""
        return f"{_quoted(text)} is more than a label{told}: the labels are {_listed(labels)}"
    rare = guessed and counts[text] == 1
    return f"{_quoted(text)} {'occurs once' if rare else 'is none of the labels'}: the labels are {_listed(labels)}"


def _is_short(text: str) -> bool:
    bare = text.strip(_AROUND)
    return 0 < len(text) <= LONGEST and bool(bare) and kind_of(bare) == "label"


def _form(text: str) -> str:
    """Without case, accents, and punctuation around it; spaces and hyphens in it do not count where no digit does."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(letter for letter in folded if not unicodedata.combining(letter)).strip(_AROUND)
    inner = bare.split() if any(map(str.isdigit, bare)) else bare.replace("-", " ").replace("_", " ").split()
    return "".join(inner) or " ".join(text.split())


def _difference(text: str, label: str) -> str:
    """In what two spellings differ, the least first."""
    if text.strip() == label.strip():
        return "spaces around it"
    if text.split() == label.split() or "".join(text.split()) == "".join(label.split()):
        return "spaces"
    if text.casefold() == label.casefold():
        return "case"
    bare, other = ("".join(letter for letter in each if letter.isalnum()) for each in (text, label))
    if bare == other:
        return "punctuation"
    return "case and punctuation" if bare.casefold() == other.casefold() else "accents"


def _rows(label: str, counts: Mapping[str, int]) -> str:
    count = counts.get(label, 0)
    return f", as {count:,} {'row' if count == 1 else 'rows'} have it" if count else ""


def _quoted(text: str) -> str:
    return f"'{shown(' '.join(text.split()) if text.strip() == text else text)}'"


def _listed(labels: list[str]) -> str:
    return ", ".join(map(shown, labels[:5])) + (f" and {len(labels) - 5:,} more" if len(labels) > 5 else "")


plugin: type[Rule[Measure, Bounds]] = LabelSet
