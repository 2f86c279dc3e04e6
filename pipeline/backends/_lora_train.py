"""One run of TRL's SFTTrainer: what it is given, what it says while it works, and where it goes on after a kill."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, MissingExtra
from pipeline.local import _stack
from pipeline.local.load import Loaded, packed
from pipeline.local.loss import Measured, measure_rows, together
from pipeline.local.rows import Row, row_of

from . import Parameters, Report, TuneProgress
from ._lora_disk import CHECKPOINTS, PREFIX, full_disk, last_whole, seal, step_of
from ._lora_rows import conversations, in_tokens, lines, mark

FIRST_ROWS = 16
"""Training rows whose loss is measured before the first step."""
LOOKS = 4
"""Times that the validation file is measured between the first step and the last, at most."""
LOGGED = 400
"""Lines of metrics.jsonl, about, at most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Every number of a run, nothing left to a library's default that matters.

    Attributes:
        steps: of the optimizer.
        batch: rows of one forward pass.
        accumulation: forward passes of one step.
        rate: peak learning rate; it falls to 0 in a straight line.
        warmup: steps over which it rises.
        clip: largest norm of a step's gradient.
        full: loss over prompts too.
        folder: of the fine-tune.
        marks: of the training rows, as they were checked.
        looks: steps after which the validation file is measured.
        tools: whether a row calls tools.
    """

    rank: int
    alpha: int
    dropout: float
    rate: float
    steps: int
    batch: int
    accumulation: int
    warmup: int
    clip: float
    seed: int
    full: bool
    folder: Path
    train: Path
    marks: Sequence[int]
    report_to: str
    looks: frozenset[int] = frozenset()
    tools: bool = False

    @property
    def every(self) -> int:
        """Steps from one logged line to the next."""
        return max(1, math.ceil(self.steps / LOGGED))

    @property
    def save(self) -> int:
        """Steps from one checkpoint to the next."""
        return max(1, math.ceil(self.steps / 10))


def looks_at(steps: int, train_tokens: int, validation_tokens: int) -> frozenset[int]:
    """Steps after which the validation file is measured, so that it takes about a tenth of the time at most.

    A measurement costs a third of training on as many tokens (a forward pass, without the two of the way back).
    """
    if not validation_tokens:
        return frozenset()
    between = min(LOOKS, int(0.3 * train_tokens / validation_tokens))
    return frozenset({steps, *(round(steps * i / (between + 1)) for i in range(1, between + 1))}) - {0}


def adapted(loaded: Loaded, plan: Plan) -> Any:
    """The model with a fresh adapter on every linear layer but the output head."""
    peft, torch = _stack.module("peft"), _stack.module("torch")
    how = peft.LoraConfig(
        r=plan.rank, lora_alpha=plan.alpha, lora_dropout=plan.dropout, target_modules="all-linear", bias="none",
        task_type="CAUSAL_LM", use_rslora=plan.rank > 64)
    torch.manual_seed(plan.seed % 2**63)
    return peft.get_peft_model(loaded.model, how)


def parameters(model: Any) -> Parameters:
    """Of the whole model, four-bit ones counted as what they stand for, and of the adapter."""
    trainable, total = model.get_nb_trainable_parameters()
    return Parameters(int(total), int(trainable))


class Run:
    """One run. `go` trains from wherever an earlier one was stopped, and returns the last numbers.

    Args:
        loaded: the model with its adapter.
        plan: every number.
        validation: the held-out rows; empty where there are none.
        report: hears of every logged step.
        clock: seconds, for the time that is left.
    """

    def __init__(
        self, loaded: Loaded, plan: Plan, validation: list[Row], report: Report,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.loaded, self.plan, self.validation = loaded, plan, validation
        self.report, self.clock = report, clock
        self.checkpoints = plan.folder / CHECKPOINTS
        self.started = 0.0
        self.first_step = 0
        self.train_loss: float | None = None
        self.held_out: Measured | None = None

    def go(self) -> int:
        """Trains to the end; returns the steps done.

        Raises:
            DataError: the disk is full, the memory is too small, or the loss is no number.
        """
        start = last_whole(self.checkpoints)
        if start is not None and step_of(start) >= self.plan.steps:
            return self._take(start)  # the trainer would make one step more
        kept = f"{start.name} stands" if start else "nothing was trained yet"
        with (self._rows() as dataset, _tensorboard(self.plan), full_disk(self.plan.folder, kept),
              _stack.fitting_threads(self.loaded.model)):
            trainer = self._trainer(dataset)
            self._same(trainer.train_dataset)
            for weight in trainer.model.parameters():
                if weight.requires_grad:  # TRL makes them bfloat16, which float16 training and CPUs do badly with
                    weight.data = weight.data.float()
            bad = packed(trainer.model)
            if bad:
                raise RuntimeError(f"{len(bad)} layers were repacked for inference, {bad[0]} first: wrong gradients")
            if start is None:
                self._before()
            try:
                trainer.train(resume_from_checkpoint=str(start) if start else None)
            except _stack.module("torch").OutOfMemoryError:
                raise DataError(
                    f"{self.loaded.device}: out of memory with batch {self.plan.batch}",
                    f"--set finetune.batch={max(1, self.plan.batch // 2)} "
                    f"--set finetune.accumulation={self.plan.accumulation * 2}   trains the same in less") from None
            return int(trainer.state.global_step)

    def _take(self, checkpoint: Path) -> int:
        """Puts a checkpoint's weights into the adapter; returns its step."""
        peft = _stack.module("peft")
        weights = peft.load_peft_weights(str(checkpoint), device=self.loaded.device)
        peft.set_peft_model_state_dict(self.loaded.model, weights)
        return step_of(checkpoint)

    def _before(self) -> None:
        """Loss and accuracy before the first step, so that the fall is seen."""
        chosen = list(_spread(self.plan, self.loaded.tokenizer))
        train = together(measure_rows(self.loaded, chosen, tuned=True))
        self.train_loss = train.loss
        self._log(0, 0.0, {"train_loss": train.loss, "train_token_accuracy": train.accuracy}, self._look())

    def _look(self) -> dict[str, float]:
        """The validation file's loss and accuracy as of now."""
        if not self.validation:
            return {}
        self.held_out = together(measure_rows(self.loaded, self.validation, tuned=True))
        return {"validation_loss": self.held_out.loss, "validation_token_accuracy": self.held_out.accuracy}

    def _log(self, step: int, epoch: float, *numbers: dict[str, float]) -> None:
        line: dict[str, Any] = {"step": step, "epoch": round(epoch, 4)}
        for part in numbers:
            line |= {key: float(f"{value:.6g}") for key, value in part.items()}
        line["at"] = datetime.now(UTC).isoformat(timespec="seconds")
        done, left = step - self.first_step, self.plan.steps - step
        seconds = (self.clock() - self.started) / done * left if done > 0 and self.started else None
        self.report(TuneProgress(
            "running", step=step, steps=self.plan.steps, train_loss=self.train_loss, seconds_left=seconds, logged=line,
            validation_loss=self.held_out.loss if self.held_out else None))

    def began(self, step: int) -> None:
        """The first step is about to be taken."""
        self.started, self.first_step = self.clock(), step

    def logged(self, step: int, epoch: float, logs: dict[str, float]) -> None:
        """The trainer has something to say about the steps since it last had.

        Raises:
            DataError: the loss is no number any more.
        """
        loss = logs.get("loss")
        if loss is None:
            return
        if not math.isfinite(loss) or loss == 0.0:
            raise DataError(f"step {step}: the loss is {loss}, so nothing more can be learned",
                            f"--set finetune.learning_rate={self.plan.rate / 4:g}   a smaller rate; "
                            f"the model calculates in {self.loaded.compute}")
        self.train_loss = float(loss)
        line = {"train_loss": float(loss), "learning_rate": float(logs.get("learning_rate", 0.0))}
        if "mean_token_accuracy" in logs:
            line["train_token_accuracy"] = float(logs["mean_token_accuracy"])
        self._log(step, epoch, line, self._look() if self._is_look(step) else {})

    def _is_look(self, step: int) -> bool:
        """Whether a look falls into the steps since the last line."""
        return any(step - self.plan.every < look <= step for look in self.plan.looks)

    @contextmanager
    def _rows(self) -> Iterator[Any]:
        """The training file as a dataset on the disk, gone afterwards."""
        datasets = _stack.module("datasets")
        self.plan.folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".rows-", dir=self.plan.folder))
        try:
            made = (in_tokens, {"tokenizer": self.loaded.tokenizer}) if self.plan.tools else (conversations, {})
            yield datasets.Dataset.from_generator(
                made[0], gen_kwargs={"path": str(self.plan.train), **made[1]}, cache_dir=str(place))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _same(self, dataset: Any) -> None:
        """Compares what the trainer made of each row with what was checked: what is trained is what was read.

        Raises:
            DataError: a row differs, or one is missing.
        """
        count = len(self.plan.marks)
        if len(dataset) != count:
            raise DataError(f"{self.plan.train}: {count:,} rows were checked, and the trainer has {len(dataset):,}")
        for number, (row, wanted) in enumerate(zip(dataset, self.plan.marks), 1):
            if mark(row["input_ids"], row["labels"]) != wanted:
                raise DataError(f"{self.plan.train}:{number}: the trainer would train other tokens than were checked",
                                "please report this row: the libraries and synth disagree about it")

    def _trainer(self, dataset: Any) -> Any:
        trl, callbacks = _stack.module("trl"), _stack.module("transformers.trainer_callback")
        plan, cpu = self.plan, self.loaded.device == "cpu"
        how = trl.SFTConfig(
            output_dir=str(self.checkpoints), max_steps=plan.steps, per_device_train_batch_size=plan.batch,
            gradient_accumulation_steps=plan.accumulation, learning_rate=plan.rate, lr_scheduler_type="linear",
            warmup_steps=plan.warmup, max_grad_norm=plan.clip, seed=plan.seed % 2**32, data_seed=plan.seed % 2**32,
            max_length=None, packing=False, completion_only_loss=not plan.full, use_cpu=cpu,
            bf16=self.loaded.compute == "bfloat16", fp16=self.loaded.compute == "float16",
            gradient_checkpointing=not cpu, logging_steps=plan.every, logging_first_step=True,
            logging_nan_inf_filter=False, save_strategy="steps", save_steps=plan.save, save_total_limit=2,
            eval_strategy="no", report_to=[] if plan.report_to == "none" else [plan.report_to], disable_tqdm=True,
            dataloader_pin_memory=not cpu, push_to_hub=False)
        if not cpu:
            how.device  # noqa: B018 - reading it counts the GPUs; one model on one of them is trained here
            how._n_gpu = min(1, how._n_gpu)
        trainer = trl.SFTTrainer(
            model=self.loaded.model, args=how, train_dataset=dataset, processing_class=self.loaded.tokenizer,
            callbacks=[_listener(self, callbacks.TrainerCallback)])
        for kind in (callbacks.PrinterCallback, callbacks.ProgressCallback):
            trainer.remove_callback(kind)
        return trainer


def _spread(plan: Plan, tokenizer: Any) -> Iterator[Row]:
    """Some rows of the training file, evenly spread over it."""
    every = max(1, len(plan.marks) // FIRST_ROWS)
    for line in lines(plan.train):
        if (line.number - 1) % every == 0:
            yield row_of(tokenizer, line.messages, line.tools, full=plan.full)


def _listener(run: Run, base: type[Any]) -> Any:
    """The trainer's callbacks, passed on to the run."""

    class Listener(base):  # type: ignore[misc]  # a class of an untyped library
        """Passes on what the trainer says."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Before the first step of this process."""
            run.began(int(state.global_step))

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            """After `logging_steps` steps."""
            run.logged(int(state.global_step), float(state.epoch or 0.0), dict(logs or {}))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """After a checkpoint was written."""
            seal(run.checkpoints / f"{PREFIX}{state.global_step}")

    return Listener()


@contextmanager
def _tensorboard(plan: Plan) -> Iterator[None]:
    """Where TensorBoard's files go, which transformers 5 reads from the environment alone.

    Raises:
        MissingExtra: `report_to: tensorboard` without one of the two packages that transformers writes with.
    """
    if plan.report_to == "none":
        yield
        return
    if not any(map(find_spec, ("tensorboard", "tensorboardX"))):
        raise MissingExtra("report_to: tensorboard needs a package that writes its files", "pip install tensorboardX")
    name = "TENSORBOARD_LOGGING_DIR"
    before = os.environ.get(name)
    os.environ[name] = str(plan.folder / "tensorboard")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
