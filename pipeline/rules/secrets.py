"""Finds credentials: keys of known hosts, signed tokens, private keys, passwords in addresses.

A random value that is called a key is one as well.
Placeholders are none: `sk-...`, `YOUR_API_KEY`, and the keys that hosts print in their own pages. The reason shows the
form alone. """

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import Field

from .. import secrets
from ..options import listed
from ..types import Sample
from . import Decision, Measured, Options, RowRule, Rule
from ._spans import Bounds, Over, decided, spans_of


class Measure(Options):
    """What is looked for, and where."""

    kinds: list[secrets.Kind] = Field(list(secrets.KINDS), description="what is looked for")
    over: Over = Field("both", description="prompt and answer, or one of them")


class Secrets(RowRule[Measure, Bounds]):
    """Counts them, in every text of a row."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Takes `kinds: aws` for a list of one."""
        return listed(options, "kinds")

    def measure(self, sample: Sample) -> Measured | None:
        """How many, which, and where the first one in the answer stands."""
        return spans_of(sample, self.how.over, partial(secrets.find, kinds=self.how.kinds), secrets.excerpt)

    def decide(self, measured: Measured) -> Decision:
        """Flags or drops a row with more than are let through."""
        return decided(measured, self.bounds)


plugin: type[Rule[Measure, Bounds]] = Secrets
