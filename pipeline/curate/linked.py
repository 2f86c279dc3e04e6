"""Pairs of rows for the rules that decide by them: stored ones where they are of just these rows, else measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import RecipeError, did_you_mean
from pipeline.read import rows as read_rows
from pipeline.registry import presets
from pipeline.rules import AnyRule, LinkedRule, Place, RowRule, expand, resolved
from pipeline.sections import Item
from pipeline.shapes import example_of, shape_of_file
from pipeline.store import Dataset
from pipeline.store.pairs import Measured
from pipeline.types import Pairs, Problem, Sample

AGAINST = "near-duplicate"
"""The rule that `--against` is an option of."""
NEEDED = ('rows are compared by their answers: name its columns so that a line is {"prompt": "Who?", '
          '"completion": "I."}; prompts alone cannot be compared')
"""What cures a file that `--against` cannot read."""


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
    """Whether rules that decide by pairs have what they need, before anything is measured.

    Raises:
        RecipeError: no rule measures what a rule goes by; a file's rows are of no known shape.
        DataError: a file that cannot be read.
    """
    rows = [rule.name for rule in rules if isinstance(rule, RowRule)]
    for rule in rules:
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


def with_against(items: Sequence[Item], files: Sequence[str]) -> list[Item]:
    """Rules with files of which no row may have a copy: an option of every near-duplicate rule, a preset's too; one
    rule more where there is none."""
    found = [_with(item, files) for item in items]
    if any(resolved(each.item.name) == AGAINST for each in expand(found, str)):
        return found
    return [*found, Item(name=AGAINST, options={"against": list(files)})]


def _with(item: Item, files: Sequence[str]) -> Item:
    if resolved(item.name) == AGAINST:
        return Item(name=item.name, options=_more(item.options, files))
    if item.name not in presets("rules"):
        return item
    if not any(resolved(each.item.name) == AGAINST for each in expand([item], str)):
        return item
    key = next((key for key in item.options if resolved(key) == AGAINST), AGAINST)
    said = item.options.get(key)
    return Item(name=item.name, options={**item.options, key: _more(said if isinstance(said, dict) else {}, files)})


def _more(options: dict[str, Any], files: Sequence[str]) -> dict[str, Any]:
    before = options.get("against") or []
    before = [before] if isinstance(before, str) else before
    return {**options, "against": list(dict.fromkeys([*before, *files]))}
