"""Puts made-up values in place of mail addresses, phones, cards, accounts and other personal data. Asks nobody.

The same value becomes the same stand-in throughout the dataset, in prompt, answer, system text, tool calls and fields;
another `seed` of the recipe, other stand-ins. Stand-ins are of ranges set aside for examples (555-0143, test cards,
example.com). What the rule `pii` cannot find, this cannot mask: names, addresses and places stay. """

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from pydantic import Field

from .. import pii
from ..fakes import Fakes
from ..options import listed
from ..types import Sample
from . import Changed, LocalRewrite, OptionFault, Options, Refused, Rewrite

STEADY = frozenset({"role", "id", "type", "tool_call_id", "name", "weight", "url"})
"""Keys of messages whose texts hold them together, or lead somewhere."""
ROUNDS = 3
"""A stand-in beside other digits may look like a number of its own: masked again, so often. Chosen by us."""
Value = TypeVar("Value")


class How(Options):
    """What is replaced."""

    kinds: list[pii.Kind] = Field(list(pii.KINDS), description="what is replaced")
    regions: list[str] = Field(list(pii.REGIONS), description="countries whose phones need no country code, as US")


class Mask(LocalRewrite[How]):
    """Changes what `pii` finds, and no other character."""

    cures = frozenset({"pii"})

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Takes `kinds: email` for a list of one.

        Raises:
            OptionFault: a region that is no country.
        """
        options = listed(options, "kinds", "regions")
        regions = options.get("regions")
        if isinstance(regions, list) and (word := pii.unknown_region(regions)) is not None:
            raise OptionFault(f"regions: {word!r} is no country's code", "- mask: {regions: [US, GB]}")
        return options

    def made_with(self) -> list[Any]:
        """Options and seed."""
        return [*super().made_with(), self.seed]

    def applies(self, sample: Sample) -> bool:
        """Rows in which something personal is found."""
        hit: list[str] = []

        def look(text: str) -> str:
            if not hit and self._find(text):
                hit.append("found")
            return text

        _texts(sample, look)
        return bool(hit)

    def change(self, sample: Sample) -> Changed | Refused:
        """The row with stand-ins, and how many values of each kind had to go."""
        seen: set[tuple[str, str]] = set()
        left: list[str] = []
        fakes = Fakes(self.seed, self.how.regions)

        def mask(text: str) -> str:
            for again in range(ROUNDS):
                spans = self._find(text)
                if not spans:
                    return text
                if not again:
                    seen.update((span.kind, text[span.start:span.end]) for span in spans)
                text = fakes.masked(text, spans)
            left.extend(span.kind for span in self._find(text))
            return text

        found = _texts(sample, mask)
        if left:
            return Refused("not-clean", f"{left[0]} is still found after {ROUNDS} rounds")
        counts = sorted(Counter(kind for kind, _ in seen).items())
        return Changed(found, ", ".join(f"{count} {kind}" for kind, count in counts))

    def _find(self, text: str) -> list[pii.Span]:
        return pii.find(text, self.how.kinds, self.how.regions)


def _texts(sample: Sample, change: Callable[[str], str]) -> Sample:
    """The row with each of its texts changed: messages, the answer that lost, fields."""
    walk = partial(_walked, change=change)
    rejected = None if sample.rejected is None else walk(sample.rejected)
    return replace(sample, messages=walk(sample.messages), rejected=rejected, fields=walk(sample.fields))


def _walked(value: Value, change: Callable[[str], str]) -> Value:
    """A JSON value with its texts changed, keys and STEADY left as they are."""
    found: Any = value
    if isinstance(value, str):
        found = change(value)
    elif isinstance(value, list):
        found = [_walked(each, change) for each in value]
    elif isinstance(value, dict):
        found = {key: each if key in STEADY else _walked(each, change) for key, each in value.items()}
    return found  # type: ignore[no-any-return]


plugin: type[Rewrite[How]] = Mask
