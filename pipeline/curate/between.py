"""The last curation beside the one before it: which rows changed their state, and the way back."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipeline.errors import DataError
from pipeline.rows import joined
from pipeline.store import Dataset
from pipeline.store.dataset import BEFORE

from .moves import differences
from .outcome import against
from .tally import Change, Changed


class Between(NamedTuple):
    """How one curation differs from another.

    Attributes:
        noted: what the later one decided, as the manifest has it.
        differences: of their rules, as `length.min 1,024 -> 800`.
        changed: rows that are back and gone.
        changes: these rows.
        unjudged: rows that it has no verdict on: newer, or changed since.
    """

    noted: dict[str, Any]
    differences: list[str]
    changed: Changed
    changes: list[Change]
    unjudged: int

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {**{key: self.noted[key] for key in ("kept", "dropped", "by_rule", "rows") if key in self.noted},
                "rules": self.differences, "changed": self.changed._asdict(), "unjudged": self.unjudged,
                "changes": [change._asdict() for change in self.changes]}


def between(dataset: Dataset, *, back: bool = False) -> Between | None:
    """What the last curation changed beside the one before it, row by row; None where none was kept.

    Args:
        dataset: curated twice.
        back: the other way: what `undo` would change.
    """
    if not (dataset.path / BEFORE).exists():
        return None
    other = {verdict.sample: (verdict.digest, verdict.state, against(verdict.findings))
             for verdict in dataset.verdicts(whole=False, before=True)}
    aside, changes, unjudged = dataset.aside(), list[Change](), 0
    for sample, verdict in joined(dataset, whole=False):
        if aside(sample) is not None:
            continue
        digest, state, why = other.get(sample.id, ("", "", ""))
        known = bool(state) and (digest == sample.digest or not back)
        unjudged += not (known if back else verdict is not None)
        if verdict is None or not known or state == verdict.state:
            continue
        new = state if back else verdict.state
        changes.append(Change(sample.id, new, against(verdict.findings) or why, sample.answer[:200]))
    gone = sum(change.state == "dropped" for change in changes)
    manifest = dataset.manifest()
    then, now = manifest.get("curation_before") or {}, manifest.get("curation") or {}
    then, now = (now, then) if back else (then, now)
    return Between(now, differences(then.get("rules"), now.get("rules")), Changed(len(changes) - gone, gone), changes,
                   unjudged)


def undo(dataset: Dataset) -> Between:
    """Brings back what was decided before the last curation; once more undoes that. Exports are not touched.

    Raises:
        DataError: no curation before the last one is kept, or another process is curating.
    """
    with dataset.lock("verdicts", "curate"):
        found = between(dataset, back=True)
        if found is None:
            raise DataError(f"{dataset.name}: no curation before the last one is kept",
                            f"synth curate {dataset.name} --diff   shows what other rules would change")
        dataset.swap_verdicts()
    return found
