"""What rewrites made of rows so far: each child beside its parent, with what is other in it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from pipeline.rewrites import made_by
from pipeline.rows import Row, read
from pipeline.store import Dataset
from pipeline.types import Sample
from pipeline.views import shown
from pipeline.word_diff import Span, word_diff


class Made(NamedTuple):
    """A row and what a rewrite made of it."""

    parent: Sample
    child: Sample

    @property
    def changes(self) -> list[tuple[str, list[Span]]]:
        """Who says it, and the stretches of what is said, of each message that is another one."""
        found = []
        for number in range(max(len(self.parent.messages), len(self.child.messages))):
            old, new = (sample.messages[number] if number < len(sample.messages) else {}
                        for sample in (self.parent, self.child))
            if shown(old) != shown(new):
                found.append((str((new or old).get("role")), word_diff(shown(old), shown(new))))
        return found

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        changes = [{"role": role, "spans": [list(span) for span in spans]} for role, spans in self.changes]
        return {"parent": self.parent.id, "child": self.child.id, "rewrite": made_by(self.child)[0],
                "cost_usd": self.child.provenance.get("cost_usd"), "changes": changes}


def made(
    dataset: Dataset, names: Collection[str] | None = None, only: Callable[[Row], bool] | None = None,
    but: Collection[str] = (),
) -> list[Made]:
    """The children that are there. Memory: themselves and their parents.

    Args:
        dataset: whose rows.
        names: of rewrites; None for any.
        only: which rows are meant, parents or children; None for all.
        but: ids of children that are left out.
    """
    wanted: dict[str, str] = {}
    for sample in dataset.samples():
        if sample.parent and sample.id not in but and (names is None or made_by(sample)[0] in names):
            wanted[sample.id] = sample.parent
    parents, rows = set(wanted.values()), dict[str, Row]()
    for row in read(dataset):
        if row.sample.id in wanted or row.sample.id in parents:
            rows[row.sample.id] = row
    pairs = [(rows[parent], rows[child]) for child, parent in wanted.items() if parent in rows]
    return [Made(old.sample, new.sample) for old, new in pairs if only is None or only(old) or only(new)]
