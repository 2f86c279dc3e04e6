"""Pairs of rows for the rules that decide by them: stored ones where they are of just these rows, else measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import RecipeError, SynthError, did_you_mean
from pipeline.options import BARE
from pipeline.read import rows as read_rows
from pipeline.registry import presets
from pipeline.rules import AnyRule, LinkedRule, Place, RowRule, expand, resolved
from pipeline.sections import Item
from pipeline.shapes import example_of, shape_of_file
from pipeline.store import Dataset
from pipeline.store.pairs import Measured
from pipeline.types import Pairs, Problem, Sample
from pipeline.views import answers

AGAINST, HELD = "near-duplicate", "contamination"
"""The rules that `--against` is an option of: one for rows that are like an answer, one for rows that hold a text."""
LOOKED_AT = 200
NEEDED = ('rows are compared by their answers: name its columns so that a line is {"prompt": "Who?", '
          '"completion": "I."}; `contamination` compares prompts too, whatever its columns are called')
"""What cures a file that near-duplicate cannot read."""


class Linked(NamedTuple):
    """Pairs of a rule, what decides which row stands for others, and whether they were stored."""

    measured: Measured
    places: dict[str, Place]
    stored: bool


def linked(
    dataset: Dataset, rule: LinkedRule[Any, Any], rows: str, standing: Callable[[], Iterator[Sample]],
    report: Callable[[Problem], None],
) -> Linked:
    """The pairs of a rule among some rows.

    Args:
        dataset: whose stored pairs are taken where they fit.
        rule: what measures.
        rows: digest of the rows.
        standing: reads the rows.
        report: receives lines of other files that cannot be read.
    """
    places: dict[str, Place] = {}
    pairs = stored_pairs(dataset, rule, rows)
    if pairs is None:
        foreign = (found for path in rule.against for found in foreign_rows(path, report))
        made = rule.pairs(rule.noted(standing(), places), foreign)
        return Linked(Measured(rule.name, rule.key, rows, made), places, False)
    wanted = {row for pair in pairs.links for row in pair[:2]} | {pair.left for pair in pairs.foreign}
    if wanted:
        for _ in rule.noted((sample for sample in standing() if sample.id in wanted), places):
            pass
    return Linked(Measured(rule.name, rule.key, rows, pairs), places, True)


def stored_pairs(dataset: Dataset, rule: LinkedRule[Any, Any], rows: str) -> Pairs | None:
    """Pairs that were stored of these rows, and answer the rule's threshold."""
    pairs = dataset.pairs(rule.key, rows)
    return pairs if pairs is not None and pairs.floor <= getattr(rule.bounds, rule.threshold) else None


def ready(rules: Sequence[AnyRule], place: Callable[[int], str]) -> None:
    """Whether rules have what they need, before anything is measured.

    Raises:
        RecipeError: no rule measures what a rule goes by; a file's rows are of no known shape.
        DataError: a file that cannot be read.
    """
    rows = [rule.name for rule in rules if isinstance(rule, RowRule)]
    for rule in rules:
        rule.ready()
        if not isinstance(rule, LinkedRule):
            continue
        if rule.by is not None and rule.by not in rows:
            near = did_you_mean(rule.by, rows) if rows else f"- {rule.by}"
            raise RecipeError(f"{place(rule.item)}: {rule.name}: by: no rule '{rule.by}' measures rows here", near)
        rule.key  # noqa: B018 - digests the files
        for path in rule.against:
            try:
                shape_of_file(path)
            except RecipeError as error:  # its cure is for who imports the file
                raise RecipeError(f"{place(rule.item)}: {error.message}", NEEDED) from None


def foreign_rows(path: Path, report: Callable[[Problem], None]) -> Iterator[tuple[str, Sample]]:
    """The rows of a file, each by its name and line, as `evaluation.jsonl:12`."""
    shape = shape_of_file(path)
    for row in read_rows(path, lambda problem: report(problem) if problem.severity == "error" else None):
        where = f"{path.name}:{row.number}"
        example = example_of(shape, row.values, f"{path}:{row.number}", report)
        if example is not None:
            yield where, Sample(where, example.messages, fields=example.fields)


def has_answers(path: Path) -> bool:
    """Whether a file's rows are of a known shape and one of the first has an answer that rows can be like."""
    try:
        shape = shape_of_file(path)
        for row in islice(read_rows(path, _ignored), LOOKED_AT):
            example = example_of(shape, row.values, str(path), _ignored)
            if example is not None and any(map(str.strip, answers(Sample("", example.messages)))):
                return True
    except SynthError:
        pass
    return False


def _ignored(problem: Problem) -> None:
    """For a look ahead: the reading itself reports."""


def with_against(items: Sequence[Item], files: Sequence[str], like: Sequence[str]) -> list[Item]:
    """Rules with files of which no row may have a copy: an option of every rule that takes some, a preset's too; one
    rule more where there is none.

    Args:
        items: the rules.
        files: of which no row may hold a text.
        like: those of which no row may be a near duplicate.
    """
    found = _with_rule(items, AGAINST, like) if like else list(items)
    return _with_rule(found, HELD, files)


def _with_rule(items: Sequence[Item], rule: str, files: Sequence[str]) -> list[Item]:
    found = [_with(item, rule, files) for item in items]
    if any(resolved(each.item.name) == rule for each in expand(found, str)):
        return found
    return [*found, Item(name=rule, options={"against": list(files)})]


def _with(item: Item, rule: str, files: Sequence[str]) -> Item:
    if resolved(item.name) == rule:
        return Item(name=item.name, options=_more(item.options, files))
    if item.name not in presets("rules"):
        return item
    if not any(resolved(each.item.name) == rule for each in expand([item], str)):
        return item
    key = next((key for key in item.options if resolved(key) == rule), rule)
    said = item.options.get(key)
    return Item(name=item.name, options={**item.options, key: _more(said if isinstance(said, dict) else {}, files)})


def _more(options: dict[str, Any], files: Sequence[str]) -> dict[str, Any]:
    before = options.get("against") or options.get(BARE) or []
    before = [before] if isinstance(before, str) else before
    rest = {key: value for key, value in options.items() if key != BARE}
    return {**rest, "against": list(dict.fromkeys([*before, *files]))}
