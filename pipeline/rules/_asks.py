"""Rules that measure by asking a model: what is asked, and what an answer measures; no answer is no measurement."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..json_text import Unread
from ..readers import Reader, Said, heard, kind_of
from ..types import Call, Finding, Message, Sample, Scalar
from . import AnyRule, Bounds, Measure, Measured, RowRule

NOT_ASKED = "not asked"
LONGEST = 300
"""Characters of a fault that a finding carries."""


class Asked(NamedTuple):
    """Who answers a rule that asks: PROVIDER:MODEL, and whether that is a rehearsal."""

    name: str = ""
    rehearsal: bool = False


class AskRule(RowRule[Measure, Bounds]):
    """A rule that measures by asking a model about a row. Whoever curates asks, on rows that still stand, and pays.

    Attributes:
        who: who is asked: another one measures anew. Nobody, until whoever curates says so.
    """

    who: Asked = Asked()

    @property
    def model(self) -> str | None:
        """PROVIDER:MODEL that a person named for this rule."""
        return None

    @property
    @abstractmethod
    def reader(self) -> Reader:
        """What an answer is held to."""

    @abstractmethod
    def messages(self, sample: Sample) -> list[Message] | None:
        """What is asked about a row; None where there is nothing to ask."""

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What is sent beside model and messages."""

    @abstractmethod
    def score(self, said: Said) -> tuple[Measured, str]:
        """What an answer measures, and its words for a person."""

    def context(self) -> Scalar:
        """Who is asked."""
        return self.who.name

    def measure(self, sample: Sample) -> Measured | None:
        """Nothing by itself."""
        return None

    def finding(self, sample: Sample, earlier: Finding | None = None) -> Finding:
        """What was measured earlier, decided anew; `unmeasured` where nothing was."""
        if earlier is None or not self._holds(earlier):
            return self.unmeasured(NOT_ASKED)
        if earlier.outcome == "not_applicable":
            return earlier
        return self._found(sample, Measured(earlier.value), earlier.reason.partition(": ")[2], earlier.calls)

    def unmeasured(self, why: str, call: Call | None = None) -> Finding:
        """That there is no measurement; never a value in its place."""
        return Finding(self.name, None, "unmeasured", why, key=self.key, calls=(call.id,) if call else ())

    def read(self, sample: Sample, call: Call) -> Finding:
        """What a call says of a row. One that failed, was refused, was cut or cannot be read measures nothing."""
        if call.failure is not None:
            return self.unmeasured(f"{call.failure.kind}: {call.failure.message}"[:LONGEST], call)
        try:
            measured, words = self.score(heard(self.reader, call))
        except Unread as fault:
            return self.unmeasured(f"{kind_of(call)}: {fault}"[:LONGEST], call)
        return self._found(sample, measured, words, (call.id,))

    def _found(self, sample: Sample, measured: Measured, words: str, calls: tuple[str, ...]) -> Finding:
        """A decision. What a rehearsal made up drops no real row."""
        outcome, reason = self.decide(measured)
        made_up = "rehearsed " if self.who.rehearsal else ""
        if made_up and outcome == "drop" and not sample.rehearsal:
            outcome = "flag"
        told = f"{made_up}{reason or measured.value}: {words}"
        return Finding(self.name, measured.value, outcome, told, key=self.key, calls=calls)


def as_before(rules: Sequence[AnyRule], manifest: Mapping[str, Any]) -> None:
    """Has rules that ask be answered by who did so in the last curation, as the manifest notes it: its scores hold."""
    listed = (manifest.get("curation") or {}).get("rules") or []
    before = {rule.get("rule"): rule.get("asked") for rule in listed if isinstance(rule, dict)}
    for rule in rules:
        if isinstance(rule, AskRule):
            rule.who = Asked(**(before.get(rule.name) or {}))
