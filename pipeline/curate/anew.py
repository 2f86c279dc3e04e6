"""Rows that give their parent's answer to another prompt: what is wrong with it is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Set

from pipeline.rules import Match
from pipeline.types import Sample
from pipeline.views import asks_anew


def note_anew(sample: Sample, anew: dict[str, str]) -> None:
    """Puts a row that is one of them beside its parent."""
    if sample.parent is not None and asks_anew(sample):
        anew[sample.id] = sample.parent


def follow(found: Mapping[str, Match], anew: Mapping[str, str], standing: Set[str]) -> dict[str, Match]:
    """What a comparing rule says of such rows for their parents' sake.

    They are compared by their prompts, so that the rule would keep an answer that it drops elsewhere.

    Args:
        found: what it says of rows.
        anew: such a row -> its parent, which may be one itself.
        standing: rows that it may drop.
    """
    more: dict[str, Match] = {}
    for child in sorted(standing & anew.keys() - found.keys()):
        line = [child]
        while (parent := anew.get(line[-1])) is not None and parent not in line:
            line.append(parent)
        match = found.get(line[-1])
        if match is not None and match.outcome == "drop":
            more[child] = match._replace(
                sample=child, cluster="", reason=f"asks {line[-1]} in other words: {match.reason}")
    return more
