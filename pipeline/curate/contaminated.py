"""How many rows hold texts of evaluation files, and how much there was to compare with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipeline.rules import AnyRule
from pipeline.rules.contamination import Contamination, told_in
from pipeline.types import Finding


class Contaminated(NamedTuple):
    """An evaluation file beside the rows.

    Attributes:
        rule: what compares.
        file: its name.
        prompts: texts of it that rows were compared with, by what they are: prompts, answers, and others.
        short: answers that are too short to be compared.
        by_prompt: rows that hold one of its prompts, and so on; a row may count in each.
    """

    rule: str
    file: str
    prompts: int
    answers: int
    texts: int
    short: int
    by_prompt: int = 0
    by_answer: int = 0
    by_text: int = 0


class Contaminations:
    """Counts rows by what their findings say.

    Args:
        rules: all rules of a curation.
    """

    def __init__(self, rules: Sequence[AnyRule]) -> None:
        self._rules = {rule.name: rule for rule in rules if isinstance(rule, Contamination) and rule.how.against}
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, findings: Iterable[Finding]) -> None:
        """Takes in what the rules say of a row."""
        for finding in findings:
            if finding.rule in self._rules and finding.outcome in ("drop", "flag"):
                self._counts.update({(finding.rule, *told) for told in told_in(finding.reason)})

    def found(self) -> list[Contaminated]:
        """Each file of each rule."""
        parts = ("prompt", "answer", "text")
        return [Contaminated(name, *each, *(self._counts[name, part, each.file] for part in parts))
                for name, rule in self._rules.items() for each in rule.compared]
