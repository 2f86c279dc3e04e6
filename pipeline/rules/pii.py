"""Finds personal data: mail, phone, card, IBAN, SSN, IP, MAC, wallets, papers; not names or places.

Prompt and answer are looked at.
Each kind is held to its check digits, its ranges or a phone library's plans. A pattern cannot find names, addresses and
dates of birth, so a row that this rule keeps is not proven free of them. Values that are published as examples (RFC
2606's example.com, 555-0143, test cards, 192.0.2.7) and lines that nobody has in person (0800) belong to no one and do
not count: they are also what the rewrite `mask` puts in place of real ones. The reason shows an end of each value,
never the whole.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from pydantic import Field

from .. import pii
from ..options import listed
from ..types import Sample
from . import Decision, Measured, OptionFault, Options, RowRule, Rule
from ._spans import Bounds, Over, decided, spans_of


class Measure(Options):
    """What is looked for, and where."""

    kinds: list[pii.Kind] = Field(
        list(pii.KINDS), description="what is looked for; numbers must be valid: there is no phone (123) 456-7891")
    regions: list[str] = Field(list(pii.REGIONS), description="countries whose phones need no country code, as US")
    reserved: Literal["ignore", "count"] = Field(
        "ignore", description="what is published as an example and belongs to nobody, as 555-0143 or eva@example.com")
    over: Over = Field("both", description="prompt and answer, or one of them")


class Pii(RowRule[Measure, Bounds]):
    """Counts them, in every text of a row."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Takes `kinds: email` for a list of one."""
        return listed(options, "kinds", "regions")

    def check(self) -> None:
        """Countries that there are."""
        if (word := pii.unknown_region(self.how.regions)) is not None:
            raise OptionFault(f"regions: {word!r} is no country's code", "- pii: {regions: [US, GB]}")

    def measure(self, sample: Sample) -> Measured | None:
        """How many, which, and where the first one in the answer stands."""
        find = partial(pii.find, kinds=self.how.kinds, regions=self.how.regions, reserved=self.how.reserved == "count")
        return spans_of(sample, self.how.over, find, pii.excerpt)

    def decide(self, measured: Measured) -> Decision:
        """Flags or drops a row with more than are let through."""
        return decided(measured, self.bounds)


plugin: type[Rule[Measure, Bounds]] = Pii
