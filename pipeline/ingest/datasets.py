"""Brings the rows of another dataset in, with their lineage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.errors import DataError
from pipeline.store import Dataset

from .rows import Imported


def import_dataset(path: Path, other: Path) -> Imported:
    """Copies the rows of another dataset that stand there today; ids, calls and cells stay as they are.

    Answers stay in the dataset that paid for them, which must remain beside this one for their lineage to be
    read. What was decided about rows there (verdicts, reviews) does not travel.

    Args:
        path: the dataset's folder; made where there is none.
        other: the folder of the dataset to copy from.

    Raises:
        DataError: there is no such dataset, it has no rows, it is this one, or one of both is in use.
    """
    if path.resolve() == other.resolve():
        raise DataError(f"{path}: cannot be imported into itself", "name another dataset")
    with Dataset.open(other) as origin:
        aside = origin.aside()
        samples = (sample for sample in origin.samples() if aside(sample) is None)
        first = next(samples, None)
        if first is None:
            raise DataError(f"{other}: has no rows", f"synth status {origin.name}")
        rows = added = 0
        with Dataset.create(path) as dataset, dataset.lock("samples", "import"):
            if found := dataset.hand_edits():
                raise DataError(f"{dataset.path / 'samples.jsonl'}: {found}", f"synth generate {dataset.name} --adopt")
            with dataset.sample_writer() as writer:
                for sample in (row for part in ([first], samples) for row in part):
                    rows += 1
                    marked = {**sample.provenance, "copied_from": sample.provenance.get("copied_from", origin.name)}
                    added += writer.add(replace(sample, provenance=marked))
            recipe = origin.recipe()
            copied = recipe is not None and dataset.recipe() is None
            if recipe is not None and copied:
                dataset.save_recipe(recipe)
    written = path / "recipe.yaml" if copied else None
    return Imported(rows, added, 0, rows - added, f"rows of {origin.name}", first.messages, recipe=written)
