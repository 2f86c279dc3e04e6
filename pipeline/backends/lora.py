"""Tunes on this machine: a LoRA adapter on a model in 4 bits, with transformers, peft, trl and bitsandbytes."""

from __future__ import annotations

import math
import shutil
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from pipeline.digest import digest_bytes
from pipeline.errors import DataError
from pipeline.local import _stack
from pipeline.local.bases import BaseRefused, base_digest, base_problems, context_of, folder_of, open_tokenizer
from pipeline.local.load import Loaded, load
from pipeline.local.rows import Proof
from pipeline.local.tiny import NAME as TINY
from pipeline.types import Problem

from . import SUCCEEDED, Backend, Job, Options, Parameters, Report, Tuned, TuneProgress
from ._lora_disk import ADAPTER, CHECKPOINTS, finished, note, save_adapter
from ._lora_merge import merge
from ._lora_rows import Checked, check, compare, rows
from ._lora_train import Plan, Run, adapted, looks_at, parameters

LARGE = 13_000_000_000
"""Parameters from which QLoRA's authors halve the learning rate (artidoro/qlora, README)."""
ROW = 2048
"""Tokens that a row may have where nothing is said: what fits beside a 7B model in 4 bits on a 16 GB GPU."""


class LoraOptions(Options):
    """What may be set; nf4 and all-linear as in QLoRA (arXiv 2305.14314) and TRL's "LoRA
    Without Regret"; rank and rate as Unsloth's guide and QLoRA's README have them."""

    rank: int = Field(16, ge=1, le=1024, description="of the adapter; over 64 it is scaled by its root (rsLoRA)")
    alpha: int | None = Field(None, ge=1, description="scale of the adapter; twice the rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="of the adapter's input")
    learning_rate: float | None = Field(None, gt=0, description="2e-4; 1e-4 from 13B; 2e-2 for tiny")
    epochs: float | None = Field(None, gt=0, le=1000, description="times that every row is seen; 3, and 2 for tiny")
    max_steps: int | None = Field(None, ge=1, description="in place of epochs")
    batch: int | None = Field(None, ge=1, description="rows of one forward pass; 4, and 2 for tiny")
    accumulation: int | None = Field(None, ge=1, description="forward passes of one step; 4, and 1 for tiny")
    max_tokens: int | None = Field(None, ge=8, description="a longer row is refused, never cut; 2,048 or the context")
    four_bit: bool = Field(True, description="nf4 with double quantisation")
    seed: int | None = Field(None, ge=0, description="of adapter and order; the recipe's")
    device: str | None = Field(None, description="cpu, cuda or mps; SYNTH_DEVICE, else the GPU where there is one")
    warmup: float = Field(0.03, ge=0, description="share of the steps, or a number of steps from 1 on")
    full_loss: bool = Field(False, description="loss over prompts too, not over answers alone")
    chat_template: str | None = Field(None, description="plain, roles, or a .jinja file; the base's own")
    merge: bool = Field(False, description="write the tuned model whole too, adapter and base in one")
    report_to: Literal["none", "tensorboard"] = Field("none", description="TensorBoard's files beside metrics.jsonl")


class _Read(NamedTuple):
    """What is known of a job before a weight is loaded."""

    problems: list[Problem]
    folder: Path | None
    train: Checked
    validation: Checked | None


class Lora(Backend[LoraOptions]):
    """Adapters of this machine. Nothing leaves it."""

    _known: tuple[Job[LoraOptions], _Read] | None = None
    """What was read of a job before: a file that changes in between is noticed by the digests of its rows."""

    def problems(self, job: Job[LoraOptions]) -> list[Problem]:
        """See Backend. Reads every row; builds the tiny base where it is the base and is not there yet."""
        return self._read(job).problems

    def run(self, job: Job[LoraOptions], report: Report) -> Tuned:
        """See Backend. A job whose adapter is there already is not trained again."""
        began = time.monotonic()
        record = finished(job.folder)
        if record is not None:
            shutil.rmtree(job.folder / CHECKPOINTS, ignore_errors=True)
            return _tuned(record)
        report(TuneProgress("reading", "every row is read as the model will see it"))
        read = self._read(job)
        for problem in read.problems:
            if problem.severity == "error":
                raise DataError(f"{problem.where}: {problem.message}", problem.fix)
            report(TuneProgress("reading", warning=problem))
        assert read.folder is not None
        how = job.options
        report(TuneProgress("loading", f"{how.base}{' in 4 bits' if how.four_bit else ''}"))
        loaded = load(how.base, four_bit=how.four_bit, device=self._device(job), chat_template=how.chat_template)
        with _stack.quiet():
            return self._tune(job, read, loaded, report, began)

    def _tune(self, job: Job[LoraOptions], read: _Read, loaded: Loaded, report: Report, began: float) -> Tuned:
        how = job.options
        plan = plan_of(job, read.train, read.validation, int(loaded.model.num_parameters()))
        model = adapted(loaded, plan)
        tuning = loaded.with_model(model)
        size = parameters(model)
        said = f"{size.trainable:,} of {size.total:,} parameters are trained"
        report(TuneProgress("running", said, steps=plan.steps, parameters=size))
        held_out = list(rows(job.validation, loaded.tokenizer, how.full_loss)) if job.validation else []
        run = Run(tuning, plan, held_out, report)
        steps = run.go()
        report(TuneProgress("saving", "the adapter", step=steps, steps=plan.steps))
        if how.base != TINY and not Path(how.base).expanduser().is_dir():
            model.peft_config["default"].base_model_name_or_path = how.base  # the hub's name, not a cache's folder
        record = self._record(job, read, plan, loaded, size, steps)
        record["seconds"] = round(time.monotonic() - began, 1)
        save_adapter(model, loaded.tokenizer, job.folder, record)
        shutil.rmtree(job.folder / CHECKPOINTS, ignore_errors=True)
        if how.merge:
            report(TuneProgress("merging", "adapter and base in one"))
            record["metrics"]["merge_difference"] = merge(
                job.folder, how.base, how.four_bit, self._device(job), held_out)
            note(job.folder, record)
        return _tuned(record)

    def _record(
        self, job: Job[LoraOptions], read: _Read, plan: Plan, loaded: Loaded, size: Parameters, steps: int
    ) -> dict[str, Any]:
        """What stands beside the adapter: all that is needed to load it, and to do it again."""
        how = job.options
        assert read.folder is not None
        return {
            "base": how.base, "base_digest": base_digest(read.folder), "four_bit": how.four_bit,
            "compute": loaded.compute, "device": loaded.device, "notes": list(loaded.notes),
            "template_digest": digest_bytes(str(loaded.tokenizer.chat_template).encode()),
            "settings": {
                "rank": plan.rank, "alpha": plan.alpha, "dropout": plan.dropout, "learning_rate": plan.rate,
                "steps": plan.steps, "batch": plan.batch, "accumulation": plan.accumulation, "warmup": plan.warmup,
                "max_grad_norm": plan.clip, "seed": plan.seed, "full_loss": plan.full},
            "rows": {"train": read.train.rows, "validation": read.validation.rows if read.validation else 0,
                     "tokens": read.train.tokens, "trained_tokens": read.train.trained, "longest": read.train.longest},
            "parameters": {"total": size.total, "trainable": size.trainable},
            "metrics": {"steps": steps},
            "versions": {name: metadata.version(name) for name in _stack.PACKAGES},
        }

    def _read(self, job: Job[LoraOptions]) -> _Read:
        """Base, template and every row of both files."""
        if self._known is not None and self._known[0] == job:
            return self._known[1]
        read = self._look(job)
        self._known = (job, read)
        return read

    def _look(self, job: Job[LoraOptions]) -> _Read:
        how = job.options
        _stack.require("tuning on this machine")
        found = base_problems(how.base, how.chat_template)
        if any(problem.severity == "error" for problem in found):
            return _Read(found, None, Checked(), None)
        try:
            folder = folder_of(how.base)
        except BaseRefused as refused:
            return _Read([refused.problem], None, Checked(), None)
        context = context_of(folder)
        limit = how.max_tokens or min(ROW, context)
        if limit > context:
            found.append(Problem("error", "limit-over-context", how.base,
                                 f"max_tokens is {limit:,}, and the model knows {context:,} positions",
                                 f"--set finetune.max_tokens={context}"))
        tokenizer = open_tokenizer(folder, how.chat_template)
        found += [problem for problem in (Proof(tokenizer).added(how.base),) if problem is not None]
        train, problems = check(job.train, tokenizer, limit, context, how.full_loss)
        found += problems
        validation: Checked | None = None
        if job.validation is not None:
            validation, problems = check(job.validation, tokenizer, limit, context, how.full_loss)
            found += problems
        found += compare(job.train, job.validation, train, validation)
        return _Read(found, folder, train, validation)

    def _device(self, job: Job[LoraOptions]) -> str | None:
        return job.options.device or self.env.get("SYNTH_DEVICE") or None


def plan_of(job: Job[LoraOptions], train: Checked, validation: Checked | None, size: int) -> Plan:
    """Every number of a run: what is set, and else the preset for a base of so many parameters."""
    how, tiny = job.options, job.options.base == TINY
    batch, accumulation = how.batch or (2 if tiny else 4), how.accumulation or (1 if tiny else 4)
    epochs = how.epochs or (2 if tiny else 3)
    steps = how.max_steps or max(1, math.ceil(train.rows * epochs / (batch * accumulation)))
    seen = train.tokens / max(1, train.rows) * steps * batch * accumulation
    return Plan(
        rank=how.rank, alpha=how.alpha or 2 * how.rank, dropout=how.dropout,
        rate=how.learning_rate or (2e-2 if tiny else 1e-4 if size >= LARGE else 2e-4), steps=steps, batch=batch,
        accumulation=accumulation, warmup=int(how.warmup) if how.warmup >= 1 else math.ceil(steps * how.warmup),
        clip=1.0, seed=job.seed if how.seed is None else how.seed, full=how.full_loss, folder=job.folder,
        train=job.train, marks=train.marks, report_to=how.report_to,
        looks=looks_at(steps, int(seen), validation.tokens if validation else 0),
        tools=train.tools)


def _tuned(record: dict[str, Any]) -> Tuned:
    size = record["parameters"]
    return Tuned(
        SUCCEEDED, ADAPTER, Parameters(size["total"], size["trainable"]), record["metrics"], record["base_digest"],
        tuple(Problem("note", "base", record["base"], note) for note in record["notes"]))


plugin: type[Backend[LoraOptions]] = Lora
