"""What this dataset's own rows of the same writer tell about those to come: tokens, seconds, and how many are kept."""

from __future__ import annotations

import heapq
import json
from collections.abc import Collection
from functools import lru_cache
from statistics import NormalDist, fmean, stdev
from typing import NamedTuple

from pipeline import tokens
from pipeline.metrics import wilson
from pipeline.options import own_folder
from pipeline.recipe import Recipe
from pipeline.rows import joined
from pipeline.rules import AnyRule, AskRule, RowRule, as_before, open_rules
from pipeline.store import Dataset
from pipeline.store.foreseen import Range
from pipeline.types import CallRef, Sample, Verdict

from .transcript import roles_of

LOOKED_AT = 400
"""Rows that are looked at, by chance, where there are more: their mean is within 5% where lengths vary by half."""
FEWEST = 3
"""Answers from which a spread can be told at all."""
LEVEL = 0.95
"""How often what comes is to lie within a range."""
SPREAD = 0.1
"""The least spread, as a share of the mean: a few answers of equal length do not show that all are."""
VERDICTS, RULES, NO_RULES = "verdicts", "rules", "no rules"
"""What tells whether a row is kept: today's verdicts, the recipe's row rules on rows as they stand, or none drops."""

PAIR = {"chosen", "rejected"}
"""Roles of the two answers of a pair, once they are judged."""


class Answers(NamedTuple):
    """What hosts said of the answers to one step, an entry for each.

    Attributes:
        counted: tokens of the prompts by our own count, as the host counted them in `input`.
        seconds: from sending to the answer.
    """

    input: list[int]
    counted: list[int]
    output: list[int]
    cached: list[int]
    seconds: list[float]


class History(NamedTuple):
    """Rows of one writer, or LOOKED_AT of them by chance.

    Attributes:
        steps: by step of the recipe, in order; those of a pair behind them, as second answer and judge.
        kept: of `judged` rows, those that curation keeps, or of which it keeps a rewrite.
        by: VERDICTS, RULES or NO_RULES; empty where nothing tells.
        compares: whether rules that compare rows have no part in `kept`.
    """

    steps: list[Answers]
    judged: int
    kept: int
    by: str
    compares: bool


def history(recipe: Recipe, dataset: Dataset, writers: Collection[str], model: str) -> History:
    """Reads all rows once, holds LOOKED_AT of them, and looks their calls up.

    Args:
        writers: the digest of prompt, parameters and model, which rows carry; several where they ask the same.
        model: whose tokens are counted.
    """
    looked = _looked(dataset, writers)
    calls = [row.calls for row, _ in looked]
    roles = [{f"step:{step.name}"} for step in recipe.asks] if recipe.dialogue is None else roles_of(recipe)
    if recipe.pairs is not None:
        roles = [*roles[:-1], PAIR, PAIR, {"judge"}]
    steps = [_answers(dataset, calls, each, model) for each in roles]
    if not recipe.curate:
        return History(steps, 0, 0, NO_RULES, False)
    rules = _rules(recipe, dataset)
    current = _noted(dataset) == _named(rules)
    if looked and current and all(verdict is not None for _, verdict in looked):
        kept = kept_of(dataset, [row.id for row, _ in looked])
        return History(steps, len(looked), sum(map(bool, kept.values())), VERDICTS, False)
    checked = [rule for rule in rules if isinstance(rule, RowRule) and not isinstance(rule, AskRule)]
    passed = sum(all(rule.finding(row).outcome != "drop" for rule in checked) for row, _ in looked)
    return History(steps, len(looked), passed, RULES if looked else "", len(checked) < len(rules))


def of_mean(values: list[float], future: int, least: float, most: float) -> Range | None:
    """The mean of `future` numbers to come, from some that came: Student's prediction interval (Hahn 1970).

    Returns:
        None where there are fewer than FEWEST.
    """
    if len(values) < FEWEST or not future:
        return None
    mean = fmean(values)
    spread = max(stdev(values), SPREAD * mean)
    half = _student(len(values) - 1) * spread * (1 / len(values) + 1 / future) ** 0.5
    low = max(mean - half, min(values) / 2, least)
    return Range(min(low, mean), mean, max(mean, min(mean + half, most)))


def of_share(part: int, whole: int, future: int) -> Range | None:
    """The share among `future` rows to come: Wilson's interval, as if of so few rows that both errors are in it."""
    if not whole or not future:
        return None
    share = part / whole
    low, high = wilson(share, 1 / (1 / whole + 1 / future))
    return Range(low, share, high)


def _student(free: int) -> float:
    """The quantile of Student's distribution for LEVEL on both sides (Abramowitz and Stegun 26.7.5; 1% off at most)."""
    if free <= 2:
        return 4.303
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / free + second / free**2 + third / free**3


def _looked(dataset: Dataset, writers: Collection[str]) -> list[tuple[Sample, Verdict | None]]:
    """The rows with the smallest ids, which are digests: a choice by chance, and the same one each time."""
    held: list[tuple[int, str, Sample, Verdict | None]] = []
    for sample, verdict in joined(dataset):
        if sample.parent is not None or sample.provenance.get("writer") not in writers:
            continue
        entry = (-int.from_bytes(sample.id.encode(), "big"), sample.id, sample, verdict)
        if len(held) < LOOKED_AT:
            heapq.heappush(held, entry)
        elif entry[0] > held[0][0]:
            heapq.heapreplace(held, entry)
    return [(sample, verdict) for _, _, sample, verdict in held]


def _answers(dataset: Dataset, rows: list[tuple[CallRef, ...]], roles: Collection[str], model: str) -> Answers:
    """Each call counts once, however many rows share it."""
    ids = dict.fromkeys(ref.id for refs in rows for ref in refs if ref.role in roles)
    found = Answers([], [], [], [], [])
    for call_id in ids:
        call = dataset.calls.peek(call_id)
        if call is None or call.usage is None or call.failure is not None:
            continue
        found.input.append(call.usage.input_tokens)
        found.counted.append(tokens.count_messages(call.body.get("messages", []), model).tokens)
        found.output.append(call.usage.output_tokens)
        found.cached.append(min(call.usage.cached_tokens, call.usage.input_tokens))
        found.seconds.append(call.latency_s)
    return found


def _rules(recipe: Recipe, dataset: Dataset) -> list[AnyRule]:
    folder = own_folder(recipe.path, dataset.path)
    named = [item for item in recipe.curate if folder is not None or not item.name.endswith(".py")]
    rules = open_rules(named, lambda index: recipe.at("curate", recipe.curate.index(named[index])), folder)
    as_before(rules, dataset.manifest())
    return rules


def _noted(dataset: Dataset) -> list[tuple[object, object, object]]:
    """The rules of the last curation: name, options, key."""
    found = dataset.manifest().get("curation")
    rules = found.get("rules") if isinstance(found, dict) else None
    listed = [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    return [(rule.get("rule"), rule.get("options"), rule.get("key")) for rule in listed]


def _named(rules: list[AnyRule]) -> list[tuple[object, object, object]]:
    """The same of rules as they are, written as a note has them."""
    return [(rule.name, json.loads(json.dumps(rule.options, default=str)), rule.key) for rule in rules]


def judged_by(recipe: Recipe, dataset: Dataset) -> bool:
    """Whether the last curation was by the recipe's rules of today: else its verdicts say nothing of what is kept."""
    return _noted(dataset) == _named(_rules(recipe, dataset))


def kept_of(dataset: Dataset, rows: Collection[str]) -> dict[str, int]:
    """Row -> how many of it and of its rewrites are kept; rows that were judged, or of which a rewrite was."""
    family, kept = {row: row for row in rows}, dict[str, int]()
    for sample, verdict in joined(dataset):
        row = family.get(sample.id) or family.get(sample.parent or "")
        if row is not None:
            family[sample.id] = row
            if verdict is not None:
                kept[row] = kept.get(row, 0) + (verdict.state == "kept")
    return kept


def asked_instead(dataset: Dataset) -> tuple[str, ...]:
    """Models that were asked instead of the recipe's, by `generate --retry --model`, as PROVIDER:MODEL."""
    try:
        stat = (dataset.path / "manifest.json").stat()
    except OSError:
        return ()
    return _instead(dataset, (stat.st_mtime_ns, stat.st_size, stat.st_ino))


@lru_cache(maxsize=8)
def _instead(dataset: Dataset, changed: tuple[int, ...]) -> tuple[str, ...]:
    noted = dataset.manifest().get("generate")
    return tuple(noted.get("instead", ())) if isinstance(noted, dict) else ()
