"""Finds rows that answer the same prompt with different labels: one teaches the opposite of the other.

A label is a short answer by its form (`kinds.py`); case, white space and a full stop do not make another one. Which one
is right is not guessed: all rows of such a prompt are named, those with a clear majority's label left out where
`majority` says so. Prompts that nearly every row answers in its own words, as names for a cat, are questions without
one answer, and are left alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator
from typing import Literal, NamedTuple

from pydantic import Field

from ..digest import normal_text, text_key
from ..kinds import kind_of
from ..types import SYSTEM_ROLES, Sample, text_of
from ..views import answer, asked, same_text
from ..words import shown
from . import Match, NotedRule, Options, Rule

SHORT = 12
"""Words of a short answer at most. Chosen by us on 2026-11-28: facts and choices in data/seed-tasks have up to 10."""
OPEN = 4
"""Rows of a prompt from which on many different answers mean a question without one answer. Chosen by us."""
SHOWN = 40
_AROUND = " \t\r\n\"'`“”‘’«».!"


class Measure(Options):
    """Which answers are compared."""

    of: Literal["label", "short", "any"] = Field("label", description="label: by form; short: 12 words; or any answer")


class Bounds(Options):
    """What becomes of rows that contradict each other."""

    majority: float | None = Field(
        None, gt=0.5, le=1, description="share of a prompt's rows whose common answer is left alone; none: no row is")
    act: Literal["flag", "drop"] = Field("flag", description="what becomes of these rows: all of a prompt alike")


class _Row(NamedTuple):
    """What is remembered of a row."""

    name: str
    prompt: bytes
    answer: bytes
    text: str


class LabelConflict(NotedRule[Measure, Bounds]):
    """Groups rows by their prompt. Memory: two digests, an id and the beginning of the answer for each row."""

    def among(self, notes: Iterable[tuple[str, tuple[bytes, bytes, str]]], held: Container[str]) -> Iterator[Match]:
        """Every row of a prompt with several labels; the value is how many there are."""
        rows = [_Row(name, *note) for name, note in notes]
        prompts: defaultdict[bytes, Counter[bytes]] = defaultdict(Counter)
        for row in rows:
            prompts[row.prompt][row.answer] += 1
        seen = Counter(label for labels in prompts.values() for label in labels)
        conflicts = {prompt: labels for prompt, labels in prompts.items()
                     if len(labels) > 1 and not _open(labels, seen)}
        spelled: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
        for row in rows:
            if row.prompt in conflicts:
                spelled[row.answer][row.text] += 1
        usual = {label: min(texts, key=lambda text: (-texts[text], text)) for label, texts in spelled.items()}
        for row in rows:
            labels = conflicts.get(row.prompt)
            if labels is None or row.name in held or self._agrees(row, labels):
                continue
            told = ", ".join(f"'{row.text if label == row.answer else usual[label]}' {count:,}x" for label, count in
                             sorted(labels.items(), key=lambda each: (-each[1], usual[each[0]]))[:4])
            more = f" and {len(labels) - 4} more" if len(labels) > 4 else ""
            yield Match(row.name, len(labels), self.bounds.act, f"one prompt, {len(labels)} answers: {told}{more}")

    def _agrees(self, row: _Row, labels: Counter[bytes]) -> bool:
        return self.bounds.majority is not None and labels[row.answer] >= self.bounds.majority * labels.total()

    def note(self, sample: Sample) -> tuple[bytes, bytes, str] | None:
        """Digests of prompt and answer, and how the answer begins; None where it is none to compare."""
        text = answer(sample)
        if text is None or not text.strip() or not self._fits(text):
            return None
        said = " ".join(text.split()).strip(_AROUND) or text.strip()
        system = "\x1f".join(text_of(message.get("content")) for message in sample.messages
                             if message.get("role") in SYSTEM_ROLES)
        prompt = f"{normal_text(system)}\x1e{same_text(asked(sample))}"
        if len(prompt) == 1:  # rows that are texts and no answers
            return None
        short = shown(said if len(said) <= SHOWN else f"{said[: SHOWN - 1]}…")
        return (text_key(prompt), text_key(normal_text(said)), short)

    def _fits(self, text: str) -> bool:
        if self.how.of == "any":
            return True
        if len(text) > 400:
            return False
        bare = text.strip(_AROUND)
        return kind_of(bare) == "label" or (self.how.of == "short" and len(bare.split()) <= SHORT)


def _open(labels: Counter[bytes], seen: Counter[bytes]) -> bool:
    """Whether a prompt asks for something that every row may answer in its own words."""
    most = labels.total() >= OPEN and 2 * len(labels) > labels.total()
    return most and all(seen[label] == 1 for label in labels)


plugin: type[Rule[Measure, Bounds]] = LabelConflict
