"""Answers beside what they answer, and rules that look at each answer that is trained on."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple

from ..types import SYSTEM_ROLES, Sample, text_of
from ..views import of_row
from ..words import shown
from . import Bounds, Measure, Measured, RowRule, kind_and_words

WORDS_SHOWN = 80
"""Characters of an answer that a value quotes."""
NONE = Measured("none")


class Exchange(NamedTuple):
    """An answer and what it answers.

    Attributes:
        prompt: the last text of the user before it; empty where there is none.
        answer: its text, which shows something.
        last: whether spans point into it: it is the sample's last answer.
        at: its place among the messages of `sample`.
    """

    prompt: str
    answer: str
    last: bool
    at: int
    sample: Sample

    @property
    def asked(self) -> str:
        """All that system and user said before it."""
        roles = ("user", *SYSTEM_ROLES)
        texts = (text_of(each.get("content")) for each in self.sample.messages[:self.at] if each.get("role") in roles)
        return "\n".join(texts)


@of_row
def exchanges(sample: Sample) -> list[Exchange]:
    """Every answer that is trained on and is not blank, in order."""
    found: list[Exchange] = []
    prompt, latest = "", -1
    for at, message in enumerate(sample.messages):
        role = message.get("role")
        if role == "user":
            prompt = text_of(message.get("content"))
        elif role == "assistant":
            latest = at
            text = text_of(message.get("content"))
            if message.get("weight") != 0 and text and not text.isspace():
                found.append(Exchange(prompt, text, False, at, sample))
    if found and found[-1].at == latest:
        found[-1] = found[-1]._replace(last=True)
    return found


class AnswerRule(RowRule[Measure, Bounds]):
    """A rule that looks at answers one by one; of a conversation the worst one speaks.

    A value is a number, of which more is worse, or `KIND: WORDS`.

    Attributes:
        kinds: the kinds of values, the worst first.
    """

    kinds: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def look(self, exchange: Exchange) -> Measured | None:
        """One answer's measurement; None where the rule has nothing to say about it."""

    def measure(self, sample: Sample) -> Measured | None:
        """See RowRule."""
        worst: Measured | None = None
        for exchange in exchanges(sample):
            found = self.look(exchange)
            if found is None:
                continue
            if not exchange.last and found.span is not None:
                found = found._replace(span=None)
            if worst is None or self._gravity(found) > self._gravity(worst):
                worst = found
        return worst

    def _gravity(self, measured: Measured) -> float:
        if not self.kinds:
            return float(measured.value or 0)
        kind = kind_and_words(measured)[0]
        return -self.kinds.index(kind) if kind in self.kinds else -len(self.kinds)


def quoting(kind: str, text: str, span: tuple[int, int]) -> Measured:
    """`KIND: WORDS`, with the words of a text that stand in a span."""
    start, end = span
    words = " ".join(shown(text[start:min(end, start + 4 * WORDS_SHOWN)]).split())
    return Measured(f"{kind}: {words[:WORDS_SHOWN]}", span)
