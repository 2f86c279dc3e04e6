"""What a curation decided: its counts, what changed by it, and whether it is a success."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import YieldError
from pipeline.rows import REVIEW
from pipeline.types import Cluster, Finding, Problem, Sample
from pipeline.words import plural, ranked, shown

from .asking import Told
from .contaminated import Contaminated
from .starved import KeptDraws, Starved
from .tally import Change, Changed, Tally

RECIPE, GIVEN = "recipe", "--rule"
"""Who names rules; `--set`, `--against` and several of them likewise."""
LARGEST = 8
"""Clusters of rows that the manifest keeps; all are in `curate --json`."""


@dataclass(frozen=True, slots=True)
class Curation:
    """What a curation decided.

    Attributes:
        rules: the rules in order, with their options.
        tally: the counts.
        aside: rows that are no part of the set today, by reason; judged, and not counted.
        reused: measurements taken from the last curation.
        problems: lines of samples.jsonl that are no rows.
        verdicts: the file that was written, or would be.
        changed: how many rows changed their state since the last curation.
        changes: these rows, where they were asked for.
        before: the counts of the last curation, where changes were asked for.
        draws: what kept rows were made for.
        clusters: rule -> rows that it found alike, the largest first.
        stored: rules whose pairs were taken from the last curation.
        edited: of the rows that changed their state, those whose text a hand changed since.
        asked: what became of the questions of rules that ask; None where no rule does.
        reviewed: how many of them changed it by reviews that were made or taken back since.
        foreign: file that no row may be like -> rows that are like one of its rows.
        contaminated: evaluation files of which no row may hold a text, and how many rows do.
        by: who named the rules: `recipe`, or the options that did, as `--rule and --against`.
        by_before: who named those of the last curation; empty where there was none.
    """

    rules: list[dict[str, Any]]
    tally: Tally
    aside: dict[str, int]
    reused: int
    problems: list[Problem]
    verdicts: Path
    changed: Changed = field(default_factory=Changed)
    changes: list[Change] = field(default_factory=list)
    by: str = RECIPE
    by_before: str = ""
    before: Tally | None = None
    draws: KeptDraws = field(default_factory=KeptDraws)
    edited: int = 0
    clusters: dict[str, list[Cluster]] = field(default_factory=dict)
    stored: list[str] = field(default_factory=list)
    asked: Told | None = None
    reviewed: Changed = field(default_factory=Changed)
    foreign: dict[str, int] = field(default_factory=dict)
    contaminated: list[Contaminated] = field(default_factory=list)

    @property
    def interrupted(self) -> bool:
        """Whether a person stopped it while a rule asked."""
        return self.asked is not None and self.asked.interrupted

    @property
    def is_no_news(self) -> bool:
        """Whether these rules would only repeat the last curation, or undo what its options decided."""
        return not any(self.changed) or self._overrules

    @property
    def _overrules(self) -> bool:
        return self.by == RECIPE and self.by_before not in ("", RECIPE)

    def overruled(self) -> str:
        """What a person wants to know whose `--rule` the recipe's rules have just undone; empty where nothing was."""
        if not self._overrules or not any(self.changed):
            return ""
        back, gone = self.changed
        who = self.by_before
        told = [f"{plural(back, 'row')} that {who} dropped {'is' if back == 1 else 'are'} back"] if back else []
        told += [f"{plural(gone, 'row')} that it kept {'is' if gone == 1 else 'are'} dropped"] if gone else []
        return f"{', '.join(told)}: the recipe's rules were used"

    def require_rows(self, name: str) -> None:
        """A set without a row is no success.

        Raises:
            YieldError: nothing is kept.
        """
        if self.tally.kept:
            return
        if not self.tally.rows:
            raise YieldError(f"{name}: there is no row to curate", f"synth generate {name}")
        worst = max(self.tally.by_rule, key=lambda rule: self.tally.by_rule[rule])
        first = next(iter(self.tally.examples), None)
        told = f"; one trained answer: '{_begins(first.text)}' ({first.rule}: {first.reason})" if first else ""
        raise YieldError(
            f"{name}: all {self.tally.rows:,} rows are dropped, {self.tally.by_rule[worst]:,} of them by {worst}{told}",
            f"synth inspect {name} --rule {worst}",
        )

    def told(self, starved: Starved | None) -> dict[str, Any]:
        """Beside `as_json`: which rules drop the same rows, what is dropped of each value of an axis or a column, the
        clusters of rows that are alike, how many are like a row of another file, and what is starved."""
        tally = self.tally
        axes: dict[str, dict[str, Any]] = {}
        for share in tally.axes:
            axes.setdefault(share.axis, {})[share.value] = {
                "rows": share.rows, "dropped": share.dropped, "by_rule": share.by_rule}
        uneven = [{**one._asdict(), "test": one.test._asdict()} for one in tally.uneven]
        together = [{"rules": list(pair), "rows": count} for pair, count in tally.overlap]
        clusters = {rule: _plain(found) for rule, found in self.clusters.items()}
        return {"together": together, "axes": axes, "uneven": uneven, "clusters": clusters,
                "against": dict(self.foreign),
                "contaminated": [each._asdict() for each in self.contaminated],
                "starved": starved.as_json() if starved else None}

    def as_json(self) -> dict[str, Any]:
        """Counts and options, as `--json` prints them and manifest.json keeps them."""
        tally = self.tally
        return {
            "kept": tally.kept, "dropped": tally.dropped, "by_rule": ranked(tally.by_rule),
            "only_by_rule": ranked(tally.only_by_rule), "flagged": tally.flagged,
            "flagged_by_rule": ranked(tally.flagged_by_rule), "errors_by_rule": ranked(tally.errors_by_rule),
            "aside": dict(self.aside), "rows": tally.rows, "rules": self.rules, "by": self.by,
            "clusters": {rule: {"clusters": len(found), "rows": sum(one.rows for one in found),
                                "largest": _plain(found[:LARGEST])} for rule, found in self.clusters.items() if found},
            **({"asked": self.asked.as_json()} if self.asked else {}),
        }


def _plain(clusters: Sequence[Cluster]) -> list[dict[str, Any]]:
    return [{**one._asdict(), "weakest": one.weakest._asdict()} for one in clusters]


def _begins(text: str, room: int = 60) -> str:
    """The beginning of a text on one line."""
    flat = shown(" ".join(text.split()))
    return flat if len(flat) <= room else f"{flat[: room - 1].rstrip()}…"


def against(findings: Sequence[Finding]) -> str:
    """What dropped a row: `length: 453 bytes < 1,024; refusal: ...`."""
    return "; ".join(f"{found.rule}: {found.reason}" for found in findings if found.outcome == "drop")


def reviewed(review: dict[str, Any], sample: Sample) -> Finding:
    """A person's decision as a finding."""
    action = str(review["action"])
    stale = ", on an earlier text of this row" if review.get("digest") not in ("", None, sample.digest) else ""
    by = f" by {review['by']}" if review.get("by") else ""
    note = f" ({review['note']})" if review.get("note") else ""
    return Finding(REVIEW, action, "keep" if action == "keep" else "drop", f"decided{by}: {action}{note}{stale}")


def settings(rules: Any) -> list[tuple[Any, Any]]:
    """Names and options of rules as the manifest has them."""
    listed = rules if isinstance(rules, list) else []
    return [(rule.get("rule"), rule.get("options")) for rule in listed if isinstance(rule, dict)]
