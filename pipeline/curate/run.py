"""Two passes over the rows: row rules and reviews decide, then comparing rules among what still stands.

Memory holds ids: those that stand, and those that a comparison named. Findings of the first pass wait
in a temporary file, as they will stand in verdicts.jsonl.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.errors import DataError
from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.rows import REWRITTEN, is_number, joined
from pipeline.rules import AnyRule, AskRule, CompareRule, LinkedRule, Match, NotedRule, open_rules
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.store.pairs import Measured
from pipeline.store.verdicts import findings_bytes, verdict_line
from pipeline.types import Cluster, Finding, Problem, Sample, State, Verdict

from .anew import follow, note_anew
from .asking import Ask, Asking, asks
from .columns import columns_of, texts_of
from .contaminated import Contaminated, Contaminations
from .linked import linked, ready
from .measure import Measuring, noting
from .outcome import GIVEN, RECIPE, Curation, against, settings
from .passed import Passed, Row, Unnoted, judged_row
from .starved import KeptDraws
from .tally import Change, Changed, Tally

NOT_COMPARED = "not compared: dropped before"


def curate(
    dataset: Dataset, items: Sequence[Item], recipe: Recipe | None = None, where: Callable[[int], str] | None = None,
    *, by: str = "", diff: bool = False, processes: int | None = None, ask: Ask | None = None,
) -> Curation:
    """Measures every row by every rule, decides, and writes verdicts.jsonl.

    Args:
        dataset: its rows, reviews and last verdicts are read.
        items: the rules, as `recipe.curate`.
        recipe: says where an item stands, and where rules of its own lie.
        where: the place of the i-th item, where that is not the recipe.
        by: who names the rules, as a person reads it: the recipe, or `--rule` where `where` is given, if empty.
        diff: only say what would change, row by row: nothing is written.
        processes: that measure, at most; one for each core where None.
        ask: how rules that ask may do so; where None, they know what they knew.

    Raises:
        RecipeError: an unknown rule or option, before anything is measured; a cap that cannot be kept.
        DataError: another process is curating, or a file that rules compare with cannot be read.
        ProviderError: a host stopped, or the cap is reached; the verdicts are written, with what came until then.
    """
    places = where or ((lambda index: recipe.at("curate", index)) if recipe else "rule {}".format)
    folder = own_folder(recipe.path, dataset.path) if recipe else None
    rules = open_rules(items, places, folder)
    ready(rules, places)
    measuring = Measuring(rules, items, folder, processes)
    with dataset.lock("verdicts", "curate"), Passed([rule.name for rule in noting(rules)]) as passed:
        by = by or (GIVEN if where else RECIPE)
        asking = Asking(dataset, asks(rules), ask, diff)
        done = _Run(dataset, rules, items, recipe, measuring, asking, passed, by, diff).go()
    if asking.fault is not None:
        raise asking.fault
    return done


@dataclass
class _Run:
    """One curation."""

    dataset: Dataset
    rules: list[AnyRule]
    items: Sequence[Item]
    recipe: Recipe | None
    measuring: Measuring
    asking: Asking
    passed: Passed
    by: str = RECIPE
    diff: bool = False
    standing: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    replaced: dict[str, str] = field(default_factory=dict)
    anew: dict[str, str] = field(default_factory=dict)  # rows that give their parent's answer to another prompt
    matches: dict[str, dict[str, Match]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    pairs: list[Measured] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    clusters: dict[str, list[Cluster]] = field(default_factory=dict)
    aside: dict[str, int] = field(default_factory=dict)
    reused: int = 0
    problems: list[Problem] = field(default_factory=list)
    contaminated: list[Contaminated] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    before: Tally = field(default_factory=Tally)
    draws: KeptDraws = field(default_factory=KeptDraws)
    changed: Changed = field(default_factory=Changed)
    edited: int = 0
    reviewed: Changed = field(default_factory=Changed)
    foreign: Counter[str] = field(default_factory=Counter)
    changes: list[Change] = field(default_factory=list)

    def go(self) -> Curation:
        """Both passes; the verdicts are written at the end, as a whole."""
        noted, there = self.dataset.manifest().get("curation") or {}, self.dataset.judged()
        self._judge_rows(all(there.values()) and noted.get("judged") == there)
        self._decide_among()
        rules = [self._note(rule) for rule in self.rules]
        kept = False
        if self.diff:
            for _ in self._lines():
                pass
        else:
            self.dataset.put_pairs(self.pairs)
            kept = self.dataset.put_verdicts(
                self._lines(), lambda: any(self.changed) or settings(noted.get("rules")) != settings(rules))
        done = Curation(
            rules, self.tally, self.aside, self.reused, self.problems, self.dataset.path / "verdicts.jsonl",
            self.changed, self.changes, self.by, str(noted.get("by", "")), self.before if self.diff else None,
            self.draws, self.edited, self.clusters, self.stored, self.asking.told if self.asking.rules else None,
            self.reviewed, self.foreign, self.contaminated,
        )
        if not self.diff:
            judged = {**there, "verdicts": self.dataset.judged()["verdicts"]}
            before = {"curation_before": noted} if kept else {}
            named = [_plain(item.model_dump()) for item in self.items]
            self.dataset.notes({"curation": {**done.as_json(), "named": named, "judged": judged}, **before})
        return done

    @staticmethod
    def _note(rule: AnyRule) -> dict[str, Any]:
        """A rule as the manifest has it; which of its options are bounds, so that a finding's threshold is found."""
        told = {"rule": rule.name, "options": rule.options, "bounds": rule.bounds.model_dump(mode="json"),
                "key": rule.key}
        told |= {"asked": rule.who._asdict()} if isinstance(rule, AskRule) else {}
        told |= {"remarks": list(rule.remarks)} if isinstance(rule, CompareRule) and rule.remarks else {}
        return {**told, "file": rule.plugin} if rule.plugin.endswith(".py") else told

    # -- first pass ------------------------------------------------------------------------------

    def _judge_rows(self, as_it_was: bool) -> None:
        reviews, aside, contaminations = self.dataset.reviews(), self.dataset.aside(), Contaminations(self.rules)
        parents, texts = dict[str, str](), texts_of(self.dataset, self.recipe)
        earlier: dict[str, tuple[str, str]] = {}  # of rows that were edited since

        def note(verdict: Verdict) -> None:
            earlier[verdict.sample] = verdict.state, against(verdict.findings)

        rows = joined(self.dataset, self.problems.append, whole=False, as_it_was=as_it_was, earlier=note)
        for asked, judged in self.measuring.run(rows):
            sample = asked.sample
            row = judged_row(asked, judged, reviews.get(sample.id), aside(sample), earlier.pop(sample.id, None),
                             columns_of(sample, texts))
            self.passed.add(row, judged.notes)
            self.reused += judged.reused + self.asking.note(sample, asked.verdict)
            if row.aside is not None:
                self.aside[row.aside] = self.aside.get(row.aside, 0) + 1
                continue
            self.tally.rewritten += sample.parent is not None
            contaminations.add(judged.spoke)
            if self.diff and asked.verdict is not None:
                self.before.add(asked.verdict, row.cell, row.text, row.columns)
            if row.decided == "keep":
                self.held.add(sample.id)
            if row.stands:
                self.standing.add(sample.id)
            elif row.refused:
                self.refused.add(sample.id)
            if sample.parent is not None and sample.provenance.get("replaces") == sample.parent:
                parents[sample.id] = sample.parent
            note_anew(sample, self.anew)
        self._replace(parents)
        self.contaminated = contaminations.found()

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

    def _decide_among(self) -> None:
        """Rules that compare rows decide among those that stand, then rules that ask; a person's labels are scored too,
        to be compared with. Where the best of some rows is to stay, those rows are asked about before.
        """
        compares = [rule for rule in self.rules if isinstance(rule, CompareRule)]
        early = {rule.by for rule in compares if isinstance(rule, LinkedRule)} & self.asking.found.keys()
        if early:
            self.asking.agree(self.standing | self.refused)
        for rule in compares:
            self._compare(rule)
        if not early:
            self.asking.agree(self.standing | self.refused)
        for judge in self.asking.rules:
            self.standing -= self.asking.ask(judge, self.standing | self.refused) - self.held
        if self.asking.fault is not None and not self.asking.told.progress.answered:
            raise self.asking.fault  # nothing came: all stays as it was

    def _compare(self, rule: CompareRule[Any, Any]) -> None:
        """What a comparing rule says of the rows that stand. The ones it drops are gone for the next rule."""
        found: dict[str, Match] = {}
        try:
            found = {match.sample: match for match in self._matches(rule)}
        except Exception as error:  # a rule may be anyone's: its fault is a record on the rows it was to compare
            self.broken[rule.name] = f"{type(error).__name__}: {error}"[:300]
        self.matches[rule.name] = found = found | follow(found, self.anew, self.standing - self.held)
        self.standing -= {name for name, match in found.items() if match.outcome == "drop"} - self.held

    def _matches(self, rule: CompareRule[Any, Any]) -> list[Match]:
        if isinstance(rule, LinkedRule):
            return self._linked(rule)
        if isinstance(rule, NotedRule):
            with suppress(Unnoted):
                return list(rule.among(self.passed.notes(rule.name, self.standing), self.held))
        return list(rule.compare(self._still(), self.held))

    def _still(self) -> Iterator[Sample]:
        return (sample for sample in self.dataset.samples() if sample.id in self.standing)

    def _linked(self, rule: LinkedRule[Any, Any]) -> list[Match]:
        """What follows from pairs, which are stored ones where they are of just these rows."""
        rows = str(self.passed.digest(self.standing))
        measured, places, stored = linked(self.dataset, rule, rows, self._still, self.problems.append)
        alike = {row for pair in measured.pairs.links for row in pair[:2]}
        scores = self._scores(rule, alike) if rule.by is not None else {}
        found = rule.settle(measured.pairs, places, self.held, scores)
        self.pairs.append(measured)
        self.stored += [rule.name] if stored else []
        self.clusters[rule.name] = found.clusters
        at = getattr(rule.bounds, rule.threshold)
        self.foreign.update(pair.right.rpartition(":")[0] for pair in measured.pairs.foreign
                            if pair.jaccard >= at and pair.left not in self.held)
        return found.matches

    def _scores(self, rule: LinkedRule[Any, Any], rows: set[str]) -> dict[str, float]:
        """The numbers by which one of some rows stands for the others; a rule that asks is asked about them first."""
        found: dict[str, float] = {}
        judge = next((each for each in self.asking.rules if each.name == rule.by), None)
        if judge is not None:
            self.asking.ask(judge, rows)
            known = self.asking.found[judge.name]
            found = {row: known[row].value for row in rows if row in known and is_number(known[row].value)}
        else:
            for row in self.passed.rows():
                if row.sample in rows:
                    for each in json.loads(b"[%b]" % row.findings):
                        if each["rule"] == rule.by and is_number(each["value"]):
                            found[row.sample] = each["value"]
        if rows and not found:
            raise DataError(f"keep: best: {rule.by} measured no number on any of these rows", "keep: longest")
        return found

    def _lines(self) -> Iterator[bytes]:
        """The line of every row, in order of arrival; counted on the way."""
        every: list[Collection[str]] = [self.replaced, *self.matches.values()]
        named = [each for each in every if each]
        usual = {stands: self._among(stands) for stands in (True, False)}
        for row in self.passed.rows():
            stands, child = row.stands, self.replaced.get(row.sample)
            if row.aside is not None or self.asking.rules or any(row.sample in each for each in named):
                more, stands = self._told(row, stands, child)
                parts = b",".join(map(self._written, more))
            else:
                more, parts = usual[stands]
            state: State = "kept" if stands else "dropped"
            if row.aside is None:
                spoke = tuple(Finding(rule, None, outcome, reason) for rule, outcome, reason in row.spoke)
                verdict = Verdict(row.sample, row.digest, state, (*spoke, *more))
                self.tally.add(verdict, row.cell, row.text, row.columns)
                if row.draw is not None and (stands or child in self.standing):
                    self.draws.add(row.draw)
                self._compare_with(row, verdict)
            yield verdict_line(row.sample, row.digest, state, () if self.diff else (row.findings, parts))

    def _told(self, row: Row, stands: bool, child: str | None) -> tuple[list[Finding], bool]:
        """What a rewrite and the rules that see several rows say of one, in their order, and whether it stands then."""
        more = list[Finding]()
        if child is not None:
            more.append(Finding(REWRITTEN, child, "drop", f"replaced by {child}, which was rewritten from it"))
            stands = False
        for rule in self.rules:
            if isinstance(rule, CompareRule):
                more.append(self._compared(rule, row, stands))
                stands = stands and (more[-1].outcome != "drop" or row.sample in self.held)
        for judge in self.asking.rules:
            more.append(self.asking.finding(judge, row.sample, stands))
            if row.aside is None:
                self.asking.told.count(more[-1], stands)
            stands = stands and (more[-1].outcome != "drop" or row.sample in self.held)
        return more, stands

    def _among(self, stands: bool) -> tuple[list[Finding], bytes]:
        """What comparing rules say of most rows, which none of them names; and as it is written."""
        found = [self._unmatched[rule.name, stands, False] for rule in self.rules if isinstance(rule, CompareRule)]
        return found, findings_bytes(found)

    def _compare_with(self, row: Row, verdict: Verdict) -> None:
        """Counts a row whose state is another than before; keeps it where changes were asked for."""
        if row.before is None or row.before[0] == verdict.state:
            return
        gone = verdict.state == "dropped"
        self.changed = Changed(self.changed.back + (not gone), self.changed.gone + gone)
        self.edited += row.edited
        if row.reviewed:
            self.reviewed = Changed(self.reviewed.back + (not gone), self.reviewed.gone + gone)
        if self.diff:
            why = against(verdict.findings) if gone else row.before[1]
            self.changes.append(Change(row.sample, verdict.state, why, row.text, row.reviewed))

    def _compared(self, rule: CompareRule[Any, Any], row: Row, stands: bool) -> Finding:
        match = self.matches[rule.name].get(row.sample)
        if match is None or not stands or row.aside is not None or rule.name in self.broken:
            return self._unmatched[rule.name, stands, row.aside is not None]
        return Finding(rule.name, match.value, match.outcome, match.reason, key=rule.key, cluster=match.cluster)

    @cached_property
    def _unmatched(self) -> dict[tuple[str, bool, bool], Finding]:
        """Rule, whether a row stood before it, whether it is aside -> what is said of a row without a match."""
        found = {}
        for rule in self.rules:
            broken = self.broken.get(rule.name)
            keep = Finding(rule.name, None, "error" if broken else "keep", broken or "", key=rule.key)
            for stands in (True, False):
                found[rule.name, stands, True] = Finding(rule.name, None, "unmeasured", key=rule.key)
            found[rule.name, True, False] = keep
            found[rule.name, False, False] = Finding(rule.name, None, "unmeasured", NOT_COMPARED, key=rule.key)
        return found

    @cached_property
    def _usual(self) -> dict[int, bytes]:
        """What is said of rows without a match, by its id, as it is written."""
        return {id(found): findings_bytes([found]) for found in self._unmatched.values()}

    def _written(self, found: Finding) -> bytes:
        return self._usual.get(id(found)) or findings_bytes([found])


def _plain(value: Any) -> Any:
    """What JSON has no word for, as a date, as a text."""
    return json.loads(json.dumps(value, default=str))
