"""How well a local model knows given answers: mean loss and accuracy over the tokens that count, and no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pipeline.types import Example

from . import _stack
from .load import Loaded
from .rows import Row, row_of

LOGITS = 1 << 25
"""Numbers of a batch's logits at most: 128 MiB in float32."""


class Measured(NamedTuple):
    """What a model thinks of a row's answer, or of many.

    Attributes:
        loss: mean over trained tokens, in nats.
        accuracy: share of trained tokens that the model would have put first.
        tokens: that are trained; the stop token is one.
    """

    loss: float
    accuracy: float
    tokens: int


def mean_loss(loaded: Loaded, examples: Sequence[Example], *, tuned: bool) -> float:
    """Mean loss per trained token over all examples, in nats.

    Raises:
        DataError: `tuned` without an adapter.
        ValueError: no example.
    """
    return together(measure(loaded, examples, tuned=tuned)).loss


def measure(loaded: Loaded, examples: Sequence[Example], *, tuned: bool) -> list[Measured]:
    """The same for each example, in order: its last answer, stop token included, is what counts.

    Raises:
        DataError: `tuned` without an adapter.
    """
    rows = [row_of(loaded.tokenizer, example.messages, example.tools) for example in examples]
    return measure_rows(loaded, rows, tuned=tuned)


def measure_rows(loaded: Loaded, rows: Sequence[Row], *, tuned: bool) -> list[Measured]:
    """As `measure`, of rows that are tokens already; what lies beyond the model's context is left out."""
    found: list[Measured] = [Measured(0.0, 0.0, 0)] * len(rows)
    with loaded.asked(tuned) as model, _stack.quiet():
        for batch in _batches(rows, loaded.context, model):
            for index, measured in zip(batch, _batch(loaded, model, [rows[i] for i in batch])):
                found[index] = measured
    return found


def together(found: Sequence[Measured]) -> Measured:
    """The mean over tokens of many rows.

    Raises:
        ValueError: no token is trained in any of them.
    """
    tokens = sum(each.tokens for each in found)
    if not tokens:
        raise ValueError("no row with a trained token")
    return Measured(sum(each.loss * each.tokens for each in found) / tokens,
                    sum(each.accuracy * each.tokens for each in found) / tokens, tokens)


def _batches(rows: Sequence[Row], context: int, model: Any) -> Iterator[list[int]]:
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    most = max(1, LOGITS // vocabulary)
    batch: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: (len(rows[i].ids), i)):
        width = min(len(rows[index].ids), context)  # the longest so far
        if batch and width * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _batch(loaded: Loaded, model: Any, rows: Sequence[Row]) -> list[Measured]:
    torch = _stack.module("torch")
    width = min(max(len(row.ids) for row in rows), loaded.context)
    cut = [(row.ids[:width], row.labels[:width]) for row in rows]
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in cut], device=loaded.device)
    seen = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in cut], device=loaded.device)
    labels = torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in cut], device=loaded.device)[:, 1:]
    logits = model(input_ids=ids, attention_mask=seen, use_cache=False).logits[:, :-1]
    counts = labels.ne(-100)
    losses = torch.nn.functional.cross_entropy(
        logits.float().transpose(1, 2), labels, ignore_index=-100, reduction="none").sum(dim=1)
    right = (logits.argmax(dim=-1).eq(labels) & counts).sum(dim=1)
    tokens = counts.sum(dim=1)
    return [Measured(float(loss) / max(1, int(count)), int(good) / max(1, int(count)), int(count))
            for loss, good, count in zip(losses, right, tokens)]
