"""Asks base and tuned model, measures, compares, and writes down what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from pipeline import registry
from pipeline.digest import digest
from pipeline.engine import Bill
from pipeline.errors import YieldError
from pipeline.metrics import Output
from pipeline.recipe import Recipe
from pipeline.settings import Settings
from pipeline.store import Dataset
from pipeline.store.files import jsonl_bytes, jsonl_reader, write_atomic
from pipeline.store.journal import now

from .compare import BASE, TUNED, Judged, as_json, compare, verdict
from .finetunes import TunedModel, tuned_model
from .held_out import HeldOut, Row, held_out, training_answers
from .hosted import Hosted, WriterOf
from .options import How, how_of
from .pair import Ask, Both, Decoding, Interrupted, Pair, Tell

SCHEME = 1
"""Version of how an evaluation is made; it enters the id."""
EVALUATION, SIDES = "evaluation.json", "sides.jsonl"
ROOM, MARGIN, MOST = 1.25, 16, 1024
"""Tokens of an answer at most, where nobody says: the longest held-out one, a quarter and sixteen more, up to 1,024."""
WARM, SHORT = 0.7, 60
"""The temperature where nobody says, and the characters of answers that are written without any: labels."""
SHORT_ID = 10


@dataclass(frozen=True, slots=True)
class Options:
    """What one evaluation is told beside the recipe.

    Attributes:
        how: in place of the recipe's `evaluate`.
        settings: how this machine asks hosts.
        writer_of: PROVIDER:MODEL -> who that is, for models at a host.
        device: cpu or cuda, for models on this machine; the best there is where it is not given.
    """

    how: How | None = None
    settings: Settings = field(default_factory=Settings)
    writer_of: WriterOf | None = None
    device: str | None = None


class Evaluated(NamedTuple):
    """What an evaluation found.

    Attributes:
        folder: where it is written.
        value: evaluation.json.
        sides: the lines of sides.jsonl.
        found: True where it was made before.
        interrupted: a person stopped it; nothing was written.
    """

    folder: Path
    value: dict[str, Any]
    sides: list[dict[str, Any]]
    found: bool = False
    interrupted: bool = False

    @property
    def verdict(self) -> str:
        """What the numbers show, in sentences."""
        return str(self.value.get("verdict", ""))

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {**self.value, "folder": str(self.folder), "found": self.found, "sides": self.sides}


class Plan(NamedTuple):
    """What an evaluation would do now.

    Attributes:
        tuned: the model that is judged.
        rows: held-out rows.
        folder: where it would be written, or is.
        made: whether it was made before.
        bill: of models at a host; None for models on this machine.
    """

    tuned: TunedModel
    how: How
    rows: HeldOut
    folder: Path
    made: bool
    bill: Bill | None


def plan_evaluation(dataset: Dataset, recipe: Recipe, finetune_id: str | None, options: Options) -> Plan:
    """Chooses what is asked, and says what that costs; asks nothing, loads no model, writes nothing.

    Raises:
        RecipeError: an unknown key of `evaluate`.
        DataError: no tuned model, or nothing that was held out.
    """
    tuned = tuned_model(dataset, finetune_id)
    how = options.how or how_of(recipe)
    rows = held_out(dataset, tuned, how.prompts, how.loss_rows, how.seed)
    keys = [[row.key for row in side] for side in (rows.prompts, rows.answers)]
    name = digest("evaluation", SCHEME, tuned.id, how.model_dump(mode="json"), keys, list(registry.plugins("metrics")))
    folder = dataset.path / "evaluations" / name[:SHORT_ID]
    made = _whole(folder)
    bill = None
    if not tuned.local and not made:
        host = _hosted(dataset, tuned, options)
        bill = host.bill(_asks(rows.prompts), decoding_of(how, host, [row.reference for row in rows.prompts]))
    return Plan(tuned, how, rows, folder, made, bill)


def evaluate(
    dataset: Dataset, recipe: Recipe, finetune_id: str | None, options: Options, report: Tell = lambda *_: None
) -> Evaluated:
    """Asks base and tuned model the same held-out prompts and compares them.

    Args:
        dataset: whose tuned model it is.
        recipe: its `evaluate` says how.
        finetune_id: the beginning of the tuned model's id; the one that was finished last where it is not given.
        options: see Options.
        report: receives what is being done, how much of it is done, and how much there is.

    Raises:
        RecipeError: an unknown key of `evaluate`, or a cap that cannot be kept.
        DataError: no tuned model, nothing that was held out, or a model that cannot be loaded.
        ProviderError: the host stopped the run; what was answered is kept.
        YieldError: no prompt was answered by both, and no loss is known.
    """
    plan = plan_evaluation(dataset, recipe, finetune_id, options)
    if plan.made:
        return Evaluated(plan.folder, _read(plan.folder), list(jsonl_reader(plan.folder / SIDES)), found=True)
    with dataset.lock("evaluations", "evaluate"):
        try:
            return _evaluate(dataset, plan, options, report)
        except Interrupted:
            return Evaluated(plan.folder, {}, [], interrupted=True)


def _read(folder: Path) -> dict[str, Any]:
    """evaluation.json of a folder; empty where there is none that can be read."""
    try:
        value = orjson.loads((folder / EVALUATION).read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _whole(folder: Path) -> bool:
    """Whether an evaluation was made there before, with an answer to every prompt.

    Where a host did not answer some, it is made again: only those are asked.
    """
    value = _read(folder)
    return bool(value) and value.get("prompts") == (value.get("held_out") or {}).get("asked")


def open_pair(dataset: Dataset, tuned: TunedModel, options: Options, tell: Tell) -> Pair:
    """Base and tuned model, ready to be asked; on this machine in one load.

    Raises:
        MissingExtra: the `local` extra is not installed.
        DataError: base or adapter cannot be loaded.
    """
    if not tuned.local:
        return _hosted(dataset, tuned, options)
    from .here import Here

    tell("loading", 0, 1)
    return Here.load(tuned, options.device)


def decoding_of(how: How, pair: Pair | Hosted, references: Sequence[str]) -> Decoding:
    """How answers are decoded, with what nobody said taken from answers that are as they should be.

    Args:
        how: what was said.
        pair: counts tokens.
        references: such answers.
    """
    limit, heat = how.max_tokens, how.temperature
    if limit is None:
        longest = max((pair.count(text) for text in references), default=MOST)
        limit = min(MOST, math.ceil(longest * ROOM) + MARGIN)
    if heat is None:
        heat = 0.0 if references and all(len(reference) <= SHORT for reference in references) else WARM
    return Decoding(heat, how.top_p if heat else 1.0, limit, how.seed)


def _hosted(dataset: Dataset, tuned: TunedModel, options: Options) -> Hosted:
    assert options.writer_of is not None, "a model at a host needs somebody to ask"
    writers = tuple(options.writer_of(f"{tuned.host}:{model}") for model in (tuned.base, tuned.model))
    return Hosted((writers[0], writers[1]), dataset, options.settings)


class _Asked(NamedTuple):
    """What both models made of the held-out rows."""

    decoding: Decoding
    prompts: list[Row]
    written: Judged
    answers: list[Row]
    scored: Judged
    models: dict[str, Any]


def _ask(pair: Pair, plan: Plan, notes: list[str], tell: Tell) -> _Asked:
    prompts, answers = plan.rows.prompts, plan.rows.answers
    decoding = decoding_of(plan.how, pair, [row.reference for row in prompts])
    scored = pair.score([Ask(row.messages, row.tools) for row in answers], tell)
    written = pair.write(_asks(prompts), decoding, tell)
    return _Asked(
        decoding, *_judged(pair, prompts, written, notes),
        *(_judged(pair, answers, scored, notes) if scored else ([], Judged())),
        models={BASE: pair.base, TUNED: pair.tuned, **pair.facts},
    )


def _evaluate(dataset: Dataset, plan: Plan, options: Options, tell: Tell) -> Evaluated:
    started, notes = time.monotonic(), list(plan.rows.notes)
    pair = open_pair(dataset, plan.tuned, options, tell)
    try:
        asked = _ask(pair, plan, notes, tell)
    finally:
        pair.close()
    if not asked.prompts and not asked.answers:
        raise YieldError(f"{dataset.name}: no prompt was answered by both models", f"synth status {dataset.name}")
    compared = compare(asked.written, asked.scored, _Training(plan.tuned), plan.how.seed, notes.append)
    value = {
        "id": plan.folder.name, "finetune": plan.tuned.id, "created": now(), "decoding": asked.decoding._asdict(),
        "prompts": len(asked.prompts), **as_json(compared),
        "verdict": verdict(compared, len(asked.prompts), plan.tuned.rehearsal), "notes": notes,
        "rehearsal": plan.tuned.rehearsal, "models": asked.models,
        "held_out": {"rows": plan.rows.rows, "asked": len(plan.rows.prompts), "scored": len(asked.answers)},
        "options": plan.how.model_dump(mode="json"), "seconds": round(time.monotonic() - started, 2),
    }
    sides = [_side(*row) for row in zip(asked.prompts, asked.written.base, asked.written.tuned, strict=True)]
    write_atomic(plan.folder / SIDES, map(jsonl_bytes, sides))
    write_atomic(plan.folder / EVALUATION, orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
    return Evaluated(plan.folder, value, sides)


def _asks(rows: Sequence[Row]) -> list[Ask]:
    return [Ask(row.prompt, row.tools) for row in rows]


class _Training:
    """The training answers, read from the file each time they are asked for."""

    def __init__(self, tuned: TunedModel) -> None:
        self._path = tuned.train.path

    def __call__(self) -> Iterable[str]:
        return training_answers(self._path)


def _judged(pair: Pair, rows: Sequence[Row], both: Both, notes: list[str]) -> tuple[list[Row], Judged]:
    """Rows that both models have something for; how many others there are is noted."""
    judged, kept = Judged(), []
    for row, base, tuned in zip(rows, both.base, both.tuned, strict=True):
        if base is not None and tuned is not None:
            judged.references.append(Output(row.reference, pair.count(row.reference)))
            judged.base.append(base)
            judged.tuned.append(tuned)
            kept.append(row)
    for name, side in ((BASE, judged.base), (TUNED, judged.tuned)):
        broken = sum(output.loss is not None and not math.isfinite(output.loss) for output in side)
        if broken:
            notes.append(f"the {name} model's loss is no number on {broken} of {len(side)} rows: its weights, or the "
                         "type that they are calculated in, are not right")
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} of {len(rows)} held-out rows have no usable answer, or are longer than "
                     "the model's context, and are left out")
    return kept, judged


def _side(row: Row, base: Output, tuned: Output) -> dict[str, Any]:
    return {"sample": row.sample, "prompt": row.shown, "messages": row.prompt, "reference": row.reference,
            BASE: _said(base), TUNED: _said(tuned)}


def _said(output: Output) -> dict[str, Any]:
    return {"text": output.text, "tokens": output.tokens, "stopped": output.stopped}
