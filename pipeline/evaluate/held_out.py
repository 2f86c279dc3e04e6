"""Rows that the model was not trained on: which are asked, and how that is made sure of.

They come from the validation file of the fine-tune and from nowhere else. Its bytes, and those of the training file,
must be what they were when the model was tuned; a row whose conversation stands in the training file is left out,
and so is a prompt that stands there with another answer, though the loss of its own answer still says something.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import formats
from pipeline.digest import digest, hash_unit
from pipeline.errors import DataError
from pipeline.read import file_sha256
from pipeline.store import Dataset
from pipeline.types import Example, Message, text_of

from .finetunes import File, TunedModel

FORMAT = "openai-chat"
"""What backends train on."""
SPARE = 4
"""So many times as many rows as are wanted are looked at, to make up for those that turn out to be trained on."""


@dataclass(frozen=True, slots=True)
class Row:
    """A held-out row.

    Attributes:
        prompt: the messages before the last answer; empty where a row is an answer alone.
        reference: the text of the last answer.
        messages: the whole conversation, up to that answer.
        tools: what the conversation may call.
        line: 1-based, in the validation file.
        sample: id of the dataset's row; None where it is no longer there as it was.
    """

    prompt: list[Message]
    reference: str
    messages: list[Message]
    tools: list[dict[str, Any]] | None = None
    line: int = 0
    sample: str | None = None

    @property
    def key(self) -> str:
        """Digest of the whole conversation."""
        return digest("row", self.messages, self.tools)

    @property
    def asked(self) -> str:
        """Digest of the prompt."""
        return digest("prompt", self.prompt, self.tools)

    @property
    def shown(self) -> str:
        """The prompt as a person reads it: the text of its last message."""
        return text_of(self.prompt[-1].get("content")) if self.prompt else ""


class HeldOut(NamedTuple):
    """What a model is judged by.

    Attributes:
        prompts: rows whose prompt is asked, each prompt once, in an order that the seed decides.
        answers: rows whose answer's loss is computed.
        rows: how many the validation file has.
        notes: what a person should know, as sentences.
    """

    prompts: list[Row]
    answers: list[Row]
    rows: int
    notes: list[str]


def held_out(dataset: Dataset, tuned: TunedModel, prompts: int, answers: int, seed: int) -> HeldOut:
    """Chooses held-out rows: the same for a seed whatever the order of the file.

    Args:
        dataset: where ids of rows are looked up.
        tuned: names the files.
        prompts: how many prompts at most.
        answers: how many rows at most for the loss.
        seed: of the choice.

    Raises:
        DataError: nothing was held out, the files are not what they were, or every row was trained on.
    """
    again = f"synth run {dataset.name} --set export.validation=0.1"
    if tuned.validation is None:
        raise DataError(f"{dataset.name}: nothing was held out when {tuned.id} was tuned, so nothing can be judged",
                        f"{again}   holds a tenth of the cells back, and tunes anew")
    for file in (tuned.train, tuned.validation):
        _same_bytes(file, tuned, dataset.name)
    pick = _Pick(tuned.validation.path, seed)
    pick.choose(SPARE * prompts, SPARE * answers)
    pick.leave_out(tuned.train.path)
    if not pick.answers:
        raise DataError(f"{tuned.validation.path}: every row of it stands in {tuned.train.path} too", again)
    found = HeldOut(pick.prompts[:prompts], pick.answers[:answers], pick.rows, pick.notes)
    if 0 < len(found.prompts) < prompts:
        pick.notes.append(f"{len(found.prompts)} prompts are held out, {prompts} were asked for")
    names = _samples(dataset, [*found.prompts, *found.answers])
    return found._replace(prompts=[_named(row, names) for row in found.prompts],
                          answers=[_named(row, names) for row in found.answers])


def training_answers(path: Path) -> Iterator[str]:
    """The texts of all answers of a training file, streamed."""
    for row in rows_of(path):
        yield row.reference


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a file of the format that is trained on, streamed; those without a text to learn are passed over.

    Raises:
        DataError: a line is damaged.
    """
    for number, example in enumerate(formats.find(FORMAT).read_back(path), 1):
        row = _row(example, number)
        if row is not None:
            yield row


def _row(example: Example, line: int) -> Row | None:
    """A row up to its last answer that is trained on; None where that is no text."""
    turns = [index for index, message in enumerate(example.messages)
             if message.get("role") == "assistant" and message.get("weight") != 0]
    if not turns:
        return None
    messages = [{key: value for key, value in message.items() if key != "weight"}
                for message in example.messages[: turns[-1] + 1]]
    reference = text_of(messages[-1].get("content"))
    return Row(messages[:-1], reference, messages, example.tools or None, line) if reference else None


@dataclass
class _Pick:
    """Rows of a validation file that a seed puts first, without those that were trained on."""

    path: Path
    seed: int
    rows: int = 0
    prompts: list[Row] = field(default_factory=list)
    answers: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def choose(self, prompts: int, answers: int) -> None:
        """Reads the file once for each choice; memory holds no more rows than are chosen."""
        self.answers = _first(self._counted(), answers, lambda row: hash_unit("held out", self.seed, row.key))
        asked = (row for row in rows_of(self.path) if row.prompt)
        self.prompts = _first(asked, prompts, lambda row: hash_unit("asked", self.seed, row.asked))

    def _counted(self) -> Iterator[Row]:
        for row in rows_of(self.path):
            self.rows += 1
            yield row

    def leave_out(self, train: Path) -> None:
        """Takes away what stands in the training file."""
        keys = {row.key for row in (*self.prompts, *self.answers)}
        asked = {row.asked for row in self.prompts}
        trained, known = set[str](), set[str]()
        for row in rows_of(train):
            if (key := row.key) in keys:
                trained.add(key)
            if (prompt := row.asked) in asked:
                known.add(prompt)
        whole = [row for row in self.answers if row.key not in trained]
        new = [row for row in self.prompts if row.asked not in known]
        if len(whole) < len(self.answers):
            self.notes.append(f"{len(self.answers) - len(whole)} of {len(self.answers)} held-out rows stand in the "
                              "training file too, and were left out")
        if len(new) < len(self.prompts):
            self.notes.append(f"{len(self.prompts) - len(new)} of {len(self.prompts)} held-out prompts stand in the "
                              "training file too, and were not asked")
        self.answers, self.prompts = whole, new
        if not new:
            self.notes.append("no held-out prompt is new to the model, so nothing was written; the loss is of answers")


def _first(rows: Iterable[Row], count: int, place: Callable[[Row], float]) -> list[Row]:
    """The rows of the smallest hashes, equal ones once."""
    heap: list[tuple[float, int, Row]] = []
    held: set[float] = set()
    for row in rows:
        at = -place(row)
        if at in held or (len(heap) == count and at < heap[0][0]):
            continue
        held.add(at)
        heapq.heappush(heap, (at, -row.line, row))
        if len(heap) > count:
            held.discard(heapq.heappop(heap)[0])
    return [row for _, _, row in sorted(heap, key=lambda entry: -entry[0])]


def _same_bytes(file: File, tuned: TunedModel, name: str) -> None:
    """Raises DataError where a file is not what the model was tuned on: then nothing is known to be held out."""
    try:
        found = file_sha256(file.path)
    except OSError as error:
        raise DataError(f"{file.path}: {error.strerror}: {tuned.id} was tuned on it",
                        f"synth export {name} && synth finetune {name}") from None
    if found != file.sha256:
        raise DataError(f"{file.path}: changed since {tuned.id} was tuned, so what is held out is not known any more",
                        f"synth finetune {name}   tunes on the files as they are now")


def _samples(dataset: Dataset, rows: list[Row]) -> dict[int, str]:
    """Line of the validation file -> id of the dataset's row with that conversation."""
    form = formats.find(FORMAT)
    wanted = {row.key: row.line for row in rows}
    found: dict[int, str] = {}
    for sample in dataset.samples():
        row = _row(form.normal(sample.example()), 0)
        if row is not None and row.key in wanted:
            found.setdefault(wanted[row.key], sample.id)
        if len(found) == len(wanted):
            break
    return found


def _named(row: Row, names: dict[int, str]) -> Row:
    return replace(row, sample=names.get(row.line))
