"""Finds rows that hold a prompt or an answer of evaluation files, word for word or most of it.

The value is the largest share of an evaluation text's runs of 13 words that the row holds anywhere, its system text
aside. A run that k texts of the files share counts as 1/k of one, so that a template around many prompts says little
(around two or three it says much: raise `max` there). A text of fewer words than a run must be all of the row's
prompt, or of an answer; answers of fewer than 8 words are not compared, since a label rightly goes with many prompts.
Files may be of any shape: what asks and what answers is told by the names of their columns, and a file of prompts
alone will do. Memory: hashes of the files' runs, nothing for rows.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from ..digest import digest
from ..options import listed
from ..types import Sample, Scalar
from . import Decision, Measured, Options, RowRule, Rule
from ._evaluation import Compared, EvaluationTexts, Hit, file_digest, texts_of

aliases = ("decontaminate",)

SHARE = 0.3
"""Chosen by us on 2026-11-29 on questions and sentences of data/curation, half of them held against the other half: 56
pairs read by hand, of which the texts say the same in 26 of 28 above 0.5, 12 of 14 from 0.3 to 0.5, 9 of 14 below."""


class Measure(Options):
    """What rows are compared with."""

    against: list[str] = Field([], description="evaluation files, of which no row may hold a text")
    n: int = Field(13, ge=3, le=50, description="words in a run")


class Bounds(Options):
    """How much is too much."""

    max: float = Field(SHARE, ge=0, le=1, description="the share of a text's runs that a row may hold")
    act: Literal["drop", "flag"] = Field("drop", description="what becomes of a row that holds more")


class Contamination(RowRule[Measure, Bounds]):
    """The largest share of an evaluation text that a row holds, from 0 to 1."""

    _latest: tuple[Sample, list[Hit]] | None = None
    """A row's texts are asked for twice: to be measured, and to say why."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Reads `- contamination: eval.jsonl` and `against: eval.jsonl`."""
        if "value" in options:
            options["against"] = options.pop("value")
        return listed(options, "against")

    @property
    def against(self) -> list[Path]:
        """The files."""
        return [(self.folder or Path()) / name for name in self.how.against]

    def context(self) -> Scalar:
        """What stands in the files."""
        digests = [file_digest(path, self.name) for path in self.against]
        return digest(*digests) if digests else None

    def ready(self) -> None:
        """See Rule."""
        self._texts  # noqa: B018 - reads the files

    @property
    def compared(self) -> list[Compared]:
        """What there is of each file to compare with."""
        return self._texts.compared

    @cached_property
    def _texts(self) -> EvaluationTexts:
        return EvaluationTexts(self.against, self.how.n, self.name)

    def measure(self, sample: Sample) -> Measured | None:
        """The largest share, with its place in the last answer; None without a file, and of a row without a text."""
        if not self.how.against or not texts_of(sample):
            return None
        hits = self._hits(sample)
        return Measured(round(hits[0].share, 4), hits[0].span) if hits else Measured(0.0)

    def decide(self, measured: Measured) -> Decision:
        """Drops or flags a row that holds more than it may."""
        share = float(measured.value or 0)
        if share <= self.bounds.max:
            return Decision("keep")
        return Decision(self.bounds.act, f"holds {share:.0%} of an evaluation's text")

    def explain(self, sample: Sample, decision: Decision, span: tuple[int, int] | None) -> str:
        """`holds all of the prompt at eval.jsonl:12 and 80% of the answer at eval.jsonl:12: 'Name three ...'`."""
        hits = [hit for hit in self._hits(sample) if hit.share > self.bounds.max] if decision.reason else []
        return f"holds {' and '.join(map(_told, hits))}: '{hits[0].words}'" if hits else decision.reason

    def _hits(self, sample: Sample) -> list[Hit]:
        if self._latest is None or self._latest[0] is not sample:
            self._latest = sample, self._texts.hits(sample)
        return self._latest[1]


class Told(NamedTuple):
    """What a reason says of one text: which part of which file."""

    part: str
    file: str


def told_in(reason: str) -> list[Told]:
    """The parts and files that a reason of this rule names."""
    return [Told(*found.groups()) for found in _TOLD.finditer(reason.partition(": '")[0])]


def _told(hit: Hit) -> str:
    much = "all" if hit.share >= 1 else f"{min(0.99, hit.share):.0%}"
    return f"{much} of the {hit.place.part} at {hit.place.file}:{hit.place.line}"


_TOLD = re.compile(r"of the (prompt|answer|text) at (.*?):\d+(?= and |$)")

plugin: type[Rule[Measure, Bounds]] = Contamination
