"""Two passes over the rows: row rules and reviews decide, then comparing rules among what still stands.

Memory holds ids: those that stand, and those that a comparison named. Findings of the first pass wait
in a temporary file.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from pipeline.errors import YieldError
from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.rows import joined
from pipeline.rules import AnyRule, CompareRule, Match, RowRule, open_rules
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.types import Finding, Outcome, Problem, Sample, Verdict
from pipeline.words import plural, shown

from .tally import Change, Changed, Tally, ranked

RECIPE, GIVEN = "recipe", "--rule"
"""Who names rules."""
REVIEW, REWRITTEN = "review", "rewritten"
"""What decides beside rules: a person, and a rewrite that stands in its parent's place."""


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
        by: who named the rules: `recipe` or `--rule`.
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

    def overruled(self) -> str:
        """What a person wants to know whose `--rule` the recipe's rules have just undone; empty where nothing was."""
        if (self.by, self.by_before) != (RECIPE, GIVEN) or not any(self.changed):
            return ""
        back, gone = self.changed
        told = [f"{plural(back, 'row')} that --rule dropped {'is' if back == 1 else 'are'} back"] if back else []
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

    def as_json(self) -> dict[str, Any]:
        """Counts and options, as `--json` prints them and manifest.json keeps them."""
        tally = self.tally
        return {
            "kept": tally.kept, "dropped": tally.dropped, "by_rule": ranked(tally.by_rule),
            "only_by_rule": ranked(tally.only_by_rule), "flagged": tally.flagged,
            "flagged_by_rule": ranked(tally.flagged_by_rule), "errors_by_rule": ranked(tally.errors_by_rule),
            "aside": dict(self.aside), "rows": tally.rows, "rules": self.rules, "by": self.by,
        }


def curate(
    dataset: Dataset, items: Sequence[Item], recipe: Recipe | None = None, where: Callable[[int], str] | None = None,
    *, diff: bool = False,
) -> Curation:
    """Measures every row by every rule, decides, and writes verdicts.jsonl.

    Args:
        dataset: its rows, reviews and last verdicts are read.
        items: the rules, as `recipe.curate`.
        recipe: says where an item stands, and where rules of its own lie.
        where: the place of the i-th item, where that is not the recipe.
        diff: only say what would change, row by row: nothing is written.

    Raises:
        RecipeError: an unknown rule or option, before anything is measured.
        DataError: another process is curating.
    """
    places = where or ((lambda index: recipe.at("curate", index)) if recipe else "rule {}".format)
    rules = open_rules(items, places, own_folder(recipe.path, dataset.path) if recipe else None)
    with dataset.lock("verdicts", "curate"), tempfile.TemporaryFile(prefix="synth-findings-") as spool:
        return _Run(dataset, rules, spool, GIVEN if where else RECIPE, diff).go()


class _Judged(NamedTuple):
    """A row after the first pass."""

    sample: str
    digest: str
    findings: list[Finding]
    decided: str | None
    """What a person decided: keep or drop."""
    aside: str | None
    cell: dict[str, Any]
    text: str
    before: tuple[str, str] | None
    """The state after the last curation, and what dropped it; None where its text was not judged."""

    @property
    def stands(self) -> bool:
        """Whether rules and the person let it stand."""
        if self.decided is not None:
            return self.decided == "keep"
        return all(found.outcome != "drop" for found in self.findings)


@dataclass
class _Run:
    """One curation."""

    dataset: Dataset
    rules: list[AnyRule]
    spool: IO[bytes]
    by: str = RECIPE
    diff: bool = False
    standing: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    replaced: dict[str, str] = field(default_factory=dict)
    matches: dict[str, dict[str, Match]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    aside: dict[str, int] = field(default_factory=dict)
    reused: int = 0
    problems: list[Problem] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    changed: Changed = field(default_factory=Changed)
    changes: list[Change] = field(default_factory=list)

    def go(self) -> Curation:
        """Both passes; the verdicts are written at the end, as a whole."""
        self._judge_rows()
        for rule in self.rules:
            if isinstance(rule, CompareRule):
                self._compare(rule)
        path = self.dataset.path / "verdicts.jsonl"
        if self.diff:
            for _ in self._verdicts():
                pass
        else:
            self.dataset.write_verdicts(self._verdicts())
        rules = [{"rule": rule.name, "options": rule.options, "key": rule.key} for rule in self.rules]
        before = self.dataset.manifest().get("curation") or {}
        done = Curation(rules, self.tally, self.aside, self.reused, self.problems, path, self.changed, self.changes,
                        self.by, str(before.get("by", "")))
        if not self.diff:
            self.dataset.note("curation", done.as_json())
        return done

    # -- first pass ------------------------------------------------------------------------------

    def _judge_rows(self) -> None:
        reviews, aside = self.dataset.reviews(), self.dataset.aside()
        parents: dict[str, str] = {}
        for sample, verdict in joined(self.dataset, self.problems.append, whole=False):
            earlier = {found.key: found for found in verdict.findings} if verdict else {}
            findings = [self._finding(rule, sample, earlier) for rule in self.rules if isinstance(rule, RowRule)]
            review = reviews.get(sample.id)
            if review is not None:
                findings.append(_reviewed(review, sample))
            decided = str(review["action"]) if review else None
            before = (verdict.state, _against(verdict.findings)) if verdict else None
            row = _Judged(sample.id, sample.digest, findings, decided, aside(sample), sample.cell, sample.answer[:200],
                          before)
            pickle.dump(tuple(row), self.spool, protocol=pickle.HIGHEST_PROTOCOL)
            if row.aside is not None:
                self.aside[row.aside] = self.aside.get(row.aside, 0) + 1
                continue
            self.tally.rewritten += sample.parent is not None
            if decided == "keep":
                self.held.add(sample.id)
            if row.stands:
                self.standing.add(sample.id)
            if sample.parent is not None and sample.provenance.get("replaces") == sample.parent:
                parents[sample.id] = sample.parent
        self._replace(parents)

    def _finding(self, rule: RowRule[Any, Any], sample: Sample, earlier: dict[str, Finding]) -> Finding:
        known = earlier.get(rule.key)
        self.reused += known is not None and known.outcome not in ("error", "unmeasured")
        return rule.finding(sample, known)

    def _replace(self, parents: dict[str, str]) -> None:
        """A row whose rewrite stands is represented by it, and so are the rows before it."""
        above: dict[str, str] = {}
        for child in sorted(self.standing & parents.keys()):
            line = [child]
            while (parent := parents.get(line[-1])) is not None and parent not in line and parent not in above:
                line.append(parent)
            above.update((each, child) for each in line[1:] if each not in self.held)
        for parent in above:
            line = [parent]
            while (nearer := above.get(line[-1])) is not None and nearer not in line:
                line.append(nearer)
            if nearer is None:  # else rows that a hand made each other's parent: neither replaces the other
                self.replaced[parent] = line[-1]
        self.standing -= self.replaced.keys()

    # -- second pass -----------------------------------------------------------------------------

    def _compare(self, rule: CompareRule[Any, Any]) -> None:
        """What a comparing rule says of the rows that stand. The ones it drops are gone for the next rule."""
        standing = (sample for sample in self.dataset.samples() if sample.id in self.standing)
        found: dict[str, Match] = {}
        try:
            found = {match.sample: match for match in rule.compare(standing, self.held)}
        except Exception as error:  # a rule may be anyone's: its fault is a record on the rows it was to compare
            self.broken[rule.name] = f"{type(error).__name__}: {error}"[:300]
        self.matches[rule.name] = found
        self.standing -= {name for name, match in found.items() if match.outcome == "drop"} - self.held

    def _verdicts(self) -> Iterator[Verdict]:
        """Every row's findings, in order of arrival; counted on the way."""
        self.spool.seek(0)
        while True:
            try:
                row = _Judged(*pickle.load(self.spool))
            except EOFError:
                return
            findings, stands = list(row.findings), row.stands
            child = self.replaced.get(row.sample)
            if child is not None:
                findings.append(Finding(REWRITTEN, child, "drop", f"replaced by {child}, which was rewritten from it"))
                stands = False
            for rule in self.rules:
                if isinstance(rule, CompareRule):
                    compared = self._compared(rule, row, stands)
                    stands = stands and (compared.outcome != "drop" or row.sample in self.held)
                    findings.append(compared)
            verdict = Verdict(row.sample, row.digest, "kept" if stands else "dropped", tuple(findings))
            if row.aside is None:
                self.tally.add(verdict, row.cell, row.text)
                self._compare_with(row, verdict)
            yield verdict

    def _compare_with(self, row: _Judged, verdict: Verdict) -> None:
        """Counts a row whose state is another than before; keeps it where changes were asked for."""
        if row.before is None or row.before[0] == verdict.state:
            return
        gone = verdict.state == "dropped"
        self.changed = Changed(self.changed.back + (not gone), self.changed.gone + gone)
        if self.diff:
            why = _against(verdict.findings) if gone else row.before[1]
            self.changes.append(Change(row.sample, verdict.state, why, row.text))

    def _compared(self, rule: CompareRule[Any, Any], row: _Judged, stands: bool) -> Finding:
        outcome: Outcome
        match = self.matches[rule.name].get(row.sample)
        if not stands or row.aside is not None:
            value, outcome, reason = None, "unmeasured", ""
        elif rule.name in self.broken:
            value, outcome, reason = None, "error", self.broken[rule.name]
        elif match is None:
            value, outcome, reason = None, "keep", ""
        else:
            value, outcome, reason = match.value, match.outcome, match.reason
        return Finding(rule.name, value, outcome, reason, key=rule.key)


def _begins(text: str, room: int = 60) -> str:
    """The beginning of a text on one line."""
    flat = shown(" ".join(text.split()))
    return flat if len(flat) <= room else f"{flat[: room - 1].rstrip()}…"


def _against(findings: Sequence[Finding]) -> str:
    """What dropped a row: `length: 453 bytes < 1,024; refusal: ...`."""
    return "; ".join(f"{found.rule}: {found.reason}" for found in findings if found.outcome == "drop")


def _reviewed(review: dict[str, Any], sample: Sample) -> Finding:
    """A person's decision as a finding."""
    action = str(review["action"])
    stale = ", on an earlier text of this row" if review.get("digest") not in ("", None, sample.digest) else ""
    by = f" by {review['by']}" if review.get("by") else ""
    return Finding(REVIEW, action, "keep" if action == "keep" else "drop", f"decided{by}: {action}{stale}")
