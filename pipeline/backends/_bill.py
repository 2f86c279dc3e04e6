"""Tokens, epochs and dollars of a training file, before it is sent anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from ..prices import MILLION, TrainingPrice, epochs_of
from ..store.files import loads
from ..tokens import at_most_messages, count_messages
from ..types import Problem
from . import Bill

SHOWN = 5
"""Rows over the limit that are named one by one."""


@dataclass(slots=True)
class Measured:
    """A training file in tokens.

    Attributes:
        most: a hard upper bound of `tokens`; the same where that is exact.
        long: line and tokens of rows that are over the limit for certain.
        maybe: the same for rows that may be, where tokens are an estimate.
    """

    rows: int = 0
    tokens: int = 0
    most: int = 0
    exact: bool = True
    long: list[tuple[int, int]] = field(default_factory=list)
    maybe: list[tuple[int, int]] = field(default_factory=list)


def measured(path: Path, base: str, context: int | None) -> Measured:
    """Counts a file of the format openai-chat.

    Args:
        path: the file.
        base: the model whose tokens are counted.
        context: tokens that one example may have; None where there is no known limit.

    Raises:
        DataError: a line is no conversation.
    """
    found = Measured()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = loads(line)
                messages = row["messages"]
                counted = count_messages(messages, base)
                bound = at_most_messages([*messages, {"role": "tools", "content": row.get("tools")}])
            except (ValueError, KeyError, TypeError, AttributeError):
                what = f"{path}:{number}: not a line of the format openai-chat"
                raise DataError(what, f"synth check {path}") from None
            exact = counted.exact and not row.get("tools")
            most = counted.tokens if exact else max(bound, counted.tokens)
            if context is not None and most > context:
                (found.long if exact else found.maybe).append((number, counted.tokens))
            found.rows += 1
            found.exact = found.exact and exact
            found.tokens += min(counted.tokens, context or counted.tokens)
            found.most += min(most, context or most)
    return found


def too_long(path: Path, found: Measured, context: int) -> list[Problem]:
    """Rows over the limit: their end, which is the answer's, would be cut without a word."""
    fix = f"curate: [{{length: {{max: {context * 3}, unit: bytes}}}}] leaves them out"
    problems = [
        Problem("error", "too-long", f"{path}:{line}",
                f"{tokens:,} tokens, and {context:,} fit: its answer would be cut", fix)
        for line, tokens in found.long[:SHOWN]
    ]
    if len(found.long) > SHOWN:
        more = len(found.long) - SHOWN
        problems.append(Problem("error", "too-long", str(path), f"{more:,} more rows are over {context:,} tokens", fix))
    if found.maybe:
        line, tokens = max(found.maybe, key=lambda each: each[1])
        what = f"about {tokens:,} tokens; more than {context:,} would be cut at the end. {len(found.maybe):,} such rows"
        severity = "error" if tokens > context else "warning"
        problems.append(Problem(severity, "maybe-too-long", f"{path}:{line}", what, fix))  # type: ignore[arg-type]
    return problems


def bill_of(found: Measured, epochs: int | None, price: TrainingPrice | None) -> Bill:
    """What training costs; validation is free.

    Args:
        found: the training file.
        epochs: None for `auto`.
        price: for a million tokens; None where it is not known.
    """
    times = epochs_of(found.rows) if epochs is None else epochs
    usd = None if price is None else found.tokens * times * price.usd / MILLION
    worst = None if price is None else found.most * times * price.usd / MILLION
    notes = []
    if price is not None:
        notes.append(f"${price.usd:g} for a million tokens, {f'as of {price.date}' if price.date else price.source}")
    if epochs is None:
        notes.append(f"epochs: auto, which is {times} by OpenAI's rule")
    unsure = f"--set finetune.n_epochs={times}   the host decides on `auto`, maybe otherwise" if epochs is None else ""
    return Bill(found.tokens * times, found.exact, times, usd, worst, "; ".join(notes), unsure)


def charged(trained_tokens: object, price: TrainingPrice | None, state: str) -> float | None:
    """What a host will charge for a job that has ended; None where nobody knows."""
    if isinstance(trained_tokens, int) and price is not None:
        return trained_tokens * price.usd / MILLION
    return 0.0 if state == "failed" and not trained_tokens else None
