"""The stage that ships: kept rows into training files, proven, divided, with a manifest beside them.

    exports/openai-chat/train.jsonl        rows to train on: all of them with `--split none`
    exports/openai-chat/validation.jsonl   families of rows that train does not know, where a share is asked for
    exports/openai-chat/refused.jsonl      rows that the format cannot hold, each with its reason
    exports/openai-chat/README.md          the dataset card
    exports/openai-chat/manifest.json      digests, counts, tokens, options, recipe, licence, sources; written last

The same rows and options give the same bytes. Rows are streamed: memory does not grow with them.
"""

from __future__ import annotations

import shlex
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__, formats, hosts
from pipeline.configs import open_configs
from pipeline.digest import digest
from pipeline.errors import DataError, RecipeError, YieldError
from pipeline.recipe import Recipe
from pipeline.store.standing import WHY, any_real, standing
from pipeline.types import Problem, Sample

from ._originals import Originals
from ._spool import Spool
from .card import Story
from .configure import configure
from .options import Options, share
from .order import place_of
from .origins import Files, Origins, sources
from .placing import UNFINISHED
from .split import Divided, divide, doubts_about
from .write import File, Job, Written, refuse_empty, require_most, write_format

if TYPE_CHECKING:
    from pipeline.store.dataset import Dataset

__all__ = ["ASIDE", "Exported", "File", "Options", "Written", "export", "require_most", "share"]

ASIDE: dict[str, str] = {
    **{str(why): text for why, text in WHY.items()},
    "dropped": "dropped by curation",
    "unmeasured": "new, or changed since they were dropped: not curated yet",
    "surplus": "paid, and no longer asked for (--exact)",
}
"""Why a row is left out -> in words."""

_INHERITED = ("earlier", "illegal", "skipped", "surplus")
"""What holds for a row holds for its rewrites."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did.

    Attributes:
        rehearsal: True where rehearsed rows were exported.
        rows: rows of the dataset that were chosen, before any format refused some.
        aside: why other rows were left out -> how many.
        flagged: chosen rows that a rule flagged, or raised on.
        flagged_by_rule: rule -> of these, how many, the most first.
        written: one per format.
        notes: what a person should know, as sentences.
        configs: files for trainers and servers.
        divided: how rows were divided, and what train and validation share.
    """

    dataset: str
    rehearsal: bool
    rows: int
    aside: dict[str, int]
    flagged: int
    flagged_by_rule: dict[str, int]
    written: list[Written]
    notes: list[str] = field(default_factory=list)
    configs: list[Path] = field(default_factory=list)
    divided: Divided = field(default_factory=lambda: Divided(0, 0))

    def require_most(self) -> None:
        """See the function of this name."""
        require_most(self.dataset, self.written)


def export(
    dataset: Dataset, options: Options, problem: Callable[[Problem], None] | None = None,
    chosen: Callable[[int], None] = lambda rehearsed: None,
) -> Exported:
    """Writes the kept rows of a dataset in one or more formats.

    Args:
        dataset: where the rows are.
        options: see Options.
        problem: receives rows that cannot be read.
        chosen: told how many of the rows are rehearsed before a file is written; it may raise.

    Returns:
        What was written where.

    Raises:
        RecipeError: an unknown format, or `ascii` for one that has no escapes.
        YieldError: no row is kept.
        DataError: a format can hold none of the rows (others are written before), or another process
            is exporting.
    """
    plugins = _plugins(options)
    configs = open_configs(options.configs, plugins)
    target = options.out or dataset.exports
    target.mkdir(parents=True, exist_ok=True)
    with dataset.lock("exports", "export"):
        if options.out is None:
            _sweep(target)
        try:
            with tempfile.TemporaryDirectory(prefix=".export-", dir=target) as temporary, \
                    Spool(Path(temporary) / "rows.sqlite") as spool:
                done = _export(dataset, options, plugins, spool, (problem, chosen))
            done.configs.extend(configure(configs, plugins, done.written))
        except sqlite3.Error as error:  # rows are spooled beside the files that are made of them
            raise DataError(f"{target}: {error}", f"the files before stand; free some space: df -h {target}") from error
    if not any(one.files for one in done.written):
        refuse_empty(done.dataset, done.written)
    return done


def _export(
    dataset: Dataset, options: Options, plugins: list[formats.Format], spool: Spool,
    told_of_rows: tuple[Callable[[Problem], None] | None, Callable[[int], None]],
) -> Exported:
    origins, (problem, tell_chosen) = Origins(), told_of_rows
    recipe, manifest = dataset.recipe(), dataset.manifest()
    told = _gather(dataset, options, manifest, (spool, origins), problem)
    rows, rehearsed = spool.chosen()
    aside, flagged = spool.reasons(), spool.flagged()
    if not rows:
        why = _listed(aside) or "it has no rows"
        raise YieldError(f"{dataset.name}: no row to export: {why}", _way_on(aside, dataset.name))
    tell_chosen(rehearsed)
    divided = divide(spool, options.validation, options.seed, options.near_duplicate)
    told += divided.notes
    told += doubts_about(labels := spool.labels(), divided.validation)
    options = options.model_copy(update={"about": options.about or (recipe.about if recipe else None)})
    files = Files(_folders(dataset, recipe))
    told_of = partial(sources, options.about, recipe=recipe, files=files)
    about = {**_about(dataset, recipe, options, divided, aside, (rows, rehearsed, *flagged)), **told_of(origins)}
    story = Story(dataset.name, _command(dataset.name, recipe, manifest), recipe, options.about, origins,
                  manifest.get("curation") or {}, labels)
    target = options.out or dataset.exports
    with Originals(files) as originals:
        job = Job(spool, originals, options.ascii, about, story, sources=told_of)
        written = [write_format(plugin, target / plugin.name, job) for plugin in plugins]
    return Exported(dataset.name, rehearsed > 0, rows, aside, *flagged, written, told, divided=divided)


def _command(name: str, recipe: Recipe | None, manifest: dict[str, Any]) -> str:
    """What makes the rows again: with the model that wrote them where the recipe names none."""
    model = str((manifest.get("generate") or {}).get("model") or "")
    named = recipe is not None and recipe.generate.model is not None
    words = [] if named or model.partition(":")[0] in ("", hosts.REHEARSAL) else ["--model", model]
    return shlex.join(["synth", "run", name, *words])


def _sweep(target: Path) -> None:
    """Takes away what an export left that was killed; nobody else writes here while the lock is held."""
    for left in (*target.glob(".export-*"), *target.glob(f"*/{UNFINISHED}*")):
        shutil.rmtree(left, ignore_errors=True)


def _plugins(options: Options) -> list[formats.Format]:
    plugins = {plugin.name: plugin for plugin in formats.open_formats(options.formats)}
    without = [name for name, plugin in plugins.items() if options.ascii and not plugin.lines]
    if without:
        raise RecipeError(f"--ascii escapes JSON, and {' and '.join(without)} has no escapes",
                          "leave --ascii out, or export the formats one by one")
    return list(plugins.values())


def _gather(
    dataset: Dataset, options: Options, manifest: dict[str, Any], into: tuple[Spool, Origins],
    problem: Callable[[Problem], None] | None,
) -> list[str]:
    """Reads all rows into the spool, each with the reason why it stands aside, if it does."""
    spool, origins = into
    judged = spool.take_verdicts(dataset.verdicts())
    real = not options.allow_mixed and any_real(dataset.samples())
    noted = {**manifest, "generate": {}} if options.include_earlier else manifest
    stands_aside = standing(noted, dataset.plan.states(), real)
    surplus = dataset.surplus_ids() if options.exact else set()
    stale = 0
    for ordinal, sample in enumerate(dataset.samples(problem)):
        parent = spool.place(sample.parent) if sample.parent else None
        why: str | None = stands_aside(sample) or ("surplus" if sample.id in surplus else None)
        if why is None and sample.parent:
            inherited = spool.aside(sample.parent)
            why = inherited if inherited in _INHERITED else None
        if why is None and judged:
            why, changed = _judged(spool.verdict(sample.id), sample)
            stale += changed
        spool.add(ordinal, sample, place_of(sample, ordinal, parent, options.order, options.seed), why)
        if why is None:
            origins.add(sample)
    told = [] if judged else [f"not curated yet, so no row was dropped: synth curate {dataset.name}"]
    if stale:
        told.append(f"changed since they were curated, and exported as they stand: {stale} rows")
    return told


def _judged(verdict: tuple[str, str] | None, sample: Sample) -> tuple[str | None, bool]:
    """Why a row stands aside by its verdict, and whether it was changed after it was kept.

    A kept row that a hand edited since stays in: the user's hand wins. A dropped one that was edited
    waits until it is measured again.
    """
    if verdict is None:
        return "unmeasured", False
    measured, state = verdict
    current = measured == sample.digest
    if state == "dropped":
        return ("dropped" if current else "unmeasured"), False
    return None, not current


def _about(
    dataset: Dataset, recipe: Recipe | None, options: Options, divided: Divided, aside: dict[str, int],
    rows: tuple[int, int, int, dict[str, int]],
) -> dict[str, Any]:
    """What a manifest says of the export as a whole. No clock, no absolute path: the same rows, the same bytes."""
    chosen, rehearsed, flagged, by_rule = rows
    made = digest("recipe", recipe.model_dump(mode="json", exclude={"about"})) if recipe else ""
    return {
        "dataset": dataset.name,
        "recipe": {"name": recipe.name, "digest": made} if recipe else None,
        "rehearsal": rehearsed > 0,
        "options": {"order": options.order, "ascii": options.ascii, "seed": options.seed,
                    "validation": options.validation, "near_duplicate": options.near_duplicate, "exact": options.exact,
                    "include_earlier": options.include_earlier, "allow_mixed": options.allow_mixed},
        **divided.as_json(),
        "counts": {"rows": chosen + sum(aside.values()), "chosen": chosen, "rehearsed": rehearsed, "left_out": aside,
                   "flagged": flagged, "flagged_by_rule": by_rule},
        "synth": __version__,
    }


def _folders(dataset: Dataset, recipe: Recipe | None) -> list[Path]:
    """Where the paths of imported files may begin: the recipe's folder, the dataset, and what is around it."""
    return [*([recipe.folder] if recipe else []), dataset.path, *dataset.path.resolve().parents[:2]]


def _listed(aside: dict[str, int]) -> str:
    return "; ".join(f"{count} {ASIDE[why]}" for why, count in aside.items())


def _way_on(aside: dict[str, int], name: str) -> str:
    """The command that helps most where nothing is left to export."""
    ways = {
        "unmeasured": f"synth curate {name}", "dropped": f"synth inspect {name} --state dropped",
        "earlier": f"synth export {name} --include-earlier", "skipped": f"synth plan {name}",
        "surplus": f"synth export {name}",
    }
    most = max(aside, key=lambda why: aside[why], default="")
    return ways.get(most, f"synth generate {name}")
