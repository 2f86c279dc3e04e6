"""Where every dataset stands, what it cost, what is next: read from the files, nothing is asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .engine import settled
from .errors import SynthError
from .hosts import options_of
from .recipe import Recipe
from .rows import REVIEW
from .settings import Settings
from .store import Dataset
from .store.batches import Batches
from .store.calls import Spent
from .store.finetunes import finetunes, tuned_usd
from .store.foreseen import Reckoning, reckon
from .store.locks import holders
from .store.plan import WANTED
from .words import ranked

_REWRITE = re.compile(rb',"parent":"[a-z2-7]{26}"')
_WRITER = re.compile(rb'"writer":"([a-z2-7]{26})"')
STAMPS = {"curation": "verdicts.jsonl", "rows": "samples.jsonl"}
"""What an export may be older than -> the file that tells when that was."""
RECIPE_LOOKS_LIKE = "synth:"
"""A YAML file with a line that begins so is a recipe."""


class Export(NamedTuple):
    """Files of one format in exports/: their names, how many lines they hold together, and what is newer, if anything
    is: `curation`, `rows` or `reviews`."""

    format: str
    files: tuple[str, ...]
    rows: int
    older_than: str = ""


class Standing(NamedTuple):
    """Where one dataset stands.

    Attributes:
        rows: lines of samples.jsonl that today's prompt and model made, or nobody.
        rewrites: of these, rows that were rewritten from another.
        earlier: further lines, of an earlier prompt or model.
        wanted: draws that the plan asks for; None for imported rows.
        reviewed: decisions by hand that no curation has seen.
        kept: rows that the last curation kept.
        dropped: rows that it dropped.
        uncurated: rows without a verdict.
        by_rule: rule -> rows that it dropped.
        model: who writes, as `openai:gpt-4.1-mini`; None where nobody does.
        tuned: models that were tuned on it.
        judged: whether the last of them was evaluated.
        tuned_usd: what fine-tunes cost, or may cost where that is not known yet.
        edits: what a hand changed and nobody decided on, as `2 rows deleted by hand`.
        bill: the last run's bill, and what it came to; None where none was written down.
        gone: rows that samples.jsonl held before it was deleted as a whole: they are made again for nothing.
        skipped: why -> draws that the last run skipped: they have no row.
        batched: questions that are on their way in batches.
        busy: who is at work on it, as `generate (pid 12 on host)`.
        next: the command to type.
    """

    name: str
    path: Path
    rows: int
    rewrites: int
    earlier: int
    wanted: int | None
    reviewed: int
    kept: int
    dropped: int
    uncurated: int
    by_rule: dict[str, int]
    exports: tuple[Export, ...]
    spent: Spent
    model: str | None
    tuned: int
    judged: bool
    tuned_usd: float
    edits: str
    bill: Reckoning | None
    gone: int
    skipped: dict[str, int]
    batched: int
    busy: str
    next: str

    @property
    def rehearsal(self) -> bool:
        """Whether nobody real writes it."""
        return (self.model or "").split(":")[0] == "rehearsal"


def standing(path: Path, settings: Settings) -> Standing:
    """Where the dataset at `path` stands.

    Args:
        path: its folder.
        settings: of this machine; where they name no model, the next command names the one that wrote the rows.

    Raises:
        DataError: there is none, or it is damaged.
    """
    with Dataset.open(path) as dataset:
        manifest = dataset.manifest()
        generate = manifest.get("generate") or {}
        rows, rewrites, earlier = _rows(dataset.path / "samples.jsonl", str(generate.get("writer", "")))
        states = dataset.plan.states().counts()
        curated = _curated(manifest.get("curation") or {}, dataset)
        busy = next(map(str, holders(path)), "")
        # comparing with the journal belongs to whoever writes, so not while somebody does
        edits = dataset.hand_edits() if not busy else None
        counts = dataset.decisions() if not (path / "samples.jsonl").exists() else {}
        tuned, judged = _tuned(path)
        reviewed = _reviewed(dataset)
        found = Standing(
            name=dataset.name, path=path, rows=rows - earlier, rewrites=rewrites, earlier=earlier,
            wanted=states[WANTED] if states else None, reviewed=reviewed, kept=curated.kept, dropped=curated.dropped,
            uncurated=max(0, rows - curated.judged), by_rule=curated.by_rule,
            exports=tuple(_exports(dataset, reviewed > 0)), spent=dataset.calls.spent(),
            model=generate.get("model"), tuned=tuned, judged=judged,
            tuned_usd=tuned_usd(path), edits=str(edits) if edits else "", bill=reckon(dataset),
            gone=counts.get("written", 0) + counts.get("edited", 0), busy=busy, next="",
            skipped=dict(generate.get("skipped") or {}),
            batched=sum(batch.lines for batch in Batches(dataset.calls.folder).open()),
        )
        return found._replace(next=_next(found, dataset, settings))


def datasets(settings: Settings) -> Iterator[Path]:
    """The folders of all datasets, in order of name."""
    return iter(sorted(path.parent for path in settings.datasets.glob("*/manifest.json")))


def recipes(cwd: Path) -> list[str]:
    """Names of the recipes in a folder: NAME.yaml and NAME/recipe.yaml that say `synth: 1`."""
    found = []
    for path in sorted([*cwd.glob("*.yaml"), *cwd.glob("*.yml"), *cwd.glob("*/recipe.yaml")]):
        with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8-sig") as file:
            if any(line.startswith(RECIPE_LOOKS_LIKE) for line in file):
                found.append(path.parent.name if path.name == "recipe.yaml" and path.parent != cwd else path.stem)
    return found


def _rows(path: Path, writer: str) -> tuple[int, int, int]:
    """Lines of samples.jsonl; how many are rewrites, and how many another writer made; by a glance at their bytes."""
    count = rewrites = earlier = 0
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            count += 1
            made = _WRITER.search(line)
            if writer and made and made[1].decode() != writer:
                earlier += 1
            elif _REWRITE.search(line):
                rewrites += 1
    return count, rewrites, earlier


class _Curated(NamedTuple):
    """The last curation: rows of the set that it kept and dropped, and all that it judged."""

    kept: int
    dropped: int
    judged: int
    by_rule: dict[str, int]


def _curated(noted: dict[str, Any], dataset: Dataset) -> _Curated:
    """What curating noted; counted from the verdicts where the note is gone."""
    if "kept" in noted:
        judged = noted["kept"] + noted["dropped"] + sum(noted.get("aside", {}).values())
        return _Curated(noted["kept"], noted["dropped"], judged, noted.get("by_rule", {}))
    states: Counter[str] = Counter()
    by_rule: Counter[str] = Counter()
    for verdict in dataset.verdicts():
        states[verdict.state] += 1
        if verdict.state == "dropped":
            by_rule.update({finding.rule for finding in verdict.findings if finding.outcome == "drop"})
    return _Curated(states["kept"], states["dropped"], states.total(), ranked(by_rule))


def _exports(dataset: Dataset, reviewed: bool) -> Iterator[Export]:
    """What the manifests beside the exported files say, and what is newer than they are."""
    newer = {what: _stamp(dataset, name) for what, name in STAMPS.items()}
    for manifest in sorted(dataset.exports.glob("*/manifest.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            told, stamp = json.loads(manifest.read_bytes()), manifest.stat().st_mtime_ns
            files = tuple(f"{manifest.parent.name}/{file['name']}" for file in told["files"])
            yield Export(told["format"], files, sum(file["rows"] for file in told["files"]),
                         "reviews" if reviewed else next((what for what, at in newer.items() if at > stamp), ""))


def _reviewed(dataset: Dataset) -> int:
    """How many rows a person decided on since their verdict; only looked for where the decisions are the newer file."""
    if _stamp(dataset, "reviews.jsonl") <= _stamp(dataset, STAMPS["curation"]):
        return 0
    decided = dataset.reviews()
    return sum(decided[verdict.sample]["action"] not in
               [found.value for found in verdict.findings if found.rule == REVIEW]
               for verdict in dataset.verdicts(whole=False) if verdict.sample in decided)


def _stamp(dataset: Dataset, name: str) -> int:
    """When a file of a dataset was written; 0 where it is not there."""
    path = dataset.path / name
    return path.stat().st_mtime_ns if path.exists() else 0


def _tuned(path: Path) -> tuple[int, bool]:
    """How many models were tuned, and whether the one that was made last was judged."""
    models = [each for each in finetunes(path) if each.state == "succeeded" and each.model]
    last, judged = (models[-1].id if models else None), set()
    for evaluation in path.glob("evaluations/*/evaluation.json"):
        with suppress(OSError, ValueError, AttributeError):
            judged.add(json.loads(evaluation.read_bytes()).get("finetune"))
    return len(models), last in judged


def _next(found: Standing, dataset: Dataset, settings: Settings) -> str:
    """The command that moves a dataset on."""
    name = found.name
    recipe = _recipe(dataset)
    if found.busy:
        return f"synth inspect {name} --follow"
    named = settings.model or (recipe is not None and recipe.generate.model) or found.model is None or found.rehearsal
    model = "" if named else f" {options_of(str(found.model), settings)}"
    if found.edits:
        return f"synth generate {name} --adopt{model}"
    if found.batched:
        return f"synth generate {name} --batch{model}"
    failed = sum(settled(call) for call in dataset.calls.outcomes("failed")) if found.spent.failed else 0
    states = dataset.plan.states()
    failed += sum(states.get(str(line["draw"])) == WANTED for line in dataset.unusable())
    rowless = (dataset.manifest().get("generate") or {}).get("unpaired", 0) + sum(found.skipped.values())
    left = failed + rowless + dataset.decisions().get("deleted", 0)  # none is asked for again
    if found.gone or (found.wanted is not None and found.rows - found.rewrites < found.wanted - left):
        return f"synth generate {name}{model}"
    if failed and not found.rows:
        return f"synth generate {name} --retry{model}"
    if not found.rows and (found.wanted is None or found.skipped):
        return f"synth plan {name}"  # axes were asked for, and nothing else; or all is skipped
    if found.reviewed:
        return f"synth curate {name}"
    if found.uncurated and (recipe is None or recipe.curate or found.kept):
        return f"synth curate {name}" + ("" if recipe is not None and recipe.curate else " --rule refusal")
    if found.dropped and not found.kept:
        return f"synth inspect {name} --state dropped"
    if not shipped(dataset):
        return f"synth export {name}"
    if found.tuned:
        return f"synth report {name} --open" if found.judged else f"synth evaluate {name}"
    return f"synth inspect {name} --sample 5"


def _recipe(dataset: Dataset) -> Recipe | None:
    try:
        return dataset.recipe()
    except SynthError:
        return None


def shipped(dataset: Dataset) -> bool:
    """Whether something is exported, and neither rows nor verdicts are newer."""
    stamps = [path.stat().st_mtime_ns for path in dataset.exports.glob("*/manifest.json")]
    return max(_stamp(dataset, STAMPS[what]) for what in ("rows", "curation")) <= max(stamps, default=-1)


def as_dict(found: Standing) -> dict[str, Any]:
    """A standing as JSON has it."""
    exports = [export._asdict() for export in found.exports]
    return {**found._asdict(), "path": str(found.path), "exports": exports, "spent": found.spent._asdict(),
            "bill": found.bill.as_json() if found.bill else None,
            "rehearsal": found.rehearsal}
