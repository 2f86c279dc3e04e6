"""Tokens and money of a training file: each row by the target's tokenizer, rows over the limit, and a job's bill."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from pipeline.prices import MILLION, epochs_of
from pipeline.tokens import Counted, at_most, at_most_messages, counted, estimate
from pipeline.types import Example, Message, Problem, text_of

from .check_target import Target


class Tokens:
    """The rows of one file, counted.

    Args:
        path: the file, as problems name it.
        target: who counts, and how much a row may have.
    """

    def __init__(self, path: str, target: Target) -> None:
        self.exact = target.vocabulary.length is not None
        self.rows, self.answers = array("Q"), array("Q")
        self.over = self.maybe_over = 0
        self._path, self._target = path, target
        self._length = target.vocabulary.length or estimate
        self._bounds = 0

    def add(self, example: Example, text: str | None, number: int) -> Iterator[Problem]:
        """Takes a row; says whether it is too long.

        Args:
            example: the row.
            text: what it becomes in the target's format, where that is a text; None where messages are sent.
            number: its line.
        """
        found, most = self._counted(example, text)
        self.rows.append(found.tokens)
        self.answers.append(found.answers)
        self.exact = self.exact and found.exact
        limit = self._target.limit
        self._bounds += min(most, limit or most)
        if limit is None or most <= limit:
            return
        where = f"{self._path}:{number}"
        cure = f"shorten it, or drop it: curate: [{{length: {{max: {limit * 3}, unit: bytes}}}}]"
        if found.exact:
            self.over += 1
            yield Problem("error", "too-long", where, f"{found.tokens:,} tokens, and {limit:,} fit: its end, which is "
                          "the answer's, would be cut", cure)
        else:
            self.maybe_over += 1
            yield Problem("error" if found.tokens > limit else "warning", "maybe-too-long", where,
                          f"about {found.tokens:,} tokens, at most {most:,}, and {limit:,} fit: its end, which is the "
                          "answer's, would be cut", cure)

    def _counted(self, example: Example, text: str | None) -> tuple[Counted, int]:
        """The tokens of a row, and a number that they are certainly not above."""
        if text is not None:
            tokens, said = self._length(text), [m for m in example.messages if m.get("role") == "assistant"]
            answers = sum(self._length(text_of(message.get("content"))) for message in said)
            exact = self._target.vocabulary.length is not None
            return Counted(tokens, exact, answers), tokens if exact else at_most(text)
        messages = _sent(example)
        found = counted(messages, self._target.vocabulary)
        return found, found.tokens if found.exact else max(found.tokens, at_most_messages(messages))

    def summary(self) -> dict[str, Any] | None:
        """All that is known, as `--json` prints it; None where there was no row."""
        if not self.rows:
            return None
        target, limit, count = self._target, self._target.limit, len(self.rows)
        billed = sum(min(each, limit or each) for each in self.rows)
        found: dict[str, Any] = {
            "for": target.name, "format": target.format.name if target.format else None,
            "counted_by": target.vocabulary.name or None, "exact": self.exact,
            "missing": target.vocabulary.line or None,
            "limit": limit, "over_limit": self.over, "maybe_over_limit": self.maybe_over,
            "total": sum(self.rows), "within_limit": billed,
            "row": spread(self.rows), "answers": {"total": sum(self.answers), **spread(self.answers)},
        }
        if target.by_openai:
            epochs = epochs_of(count)
            found["job"] = {
                "epochs": epochs, "tokens": billed * epochs, "steps_at_batch_1": count * epochs,
                "usd": None, "usd_at_most": None, "usd_per_million": None, "price_as_of": None,
            }
            if target.price is not None:
                found["job"] |= {
                    "usd": billed * epochs * target.price.usd / MILLION,
                    "usd_at_most": self._bounds * epochs * target.price.usd / MILLION,
                    "usd_per_million": target.price.usd, "price_as_of": target.price.date or target.price.source,
                }
        return found


def spread(values: array[int]) -> dict[str, float]:
    """min, max, mean and quantiles, by linear interpolation as numpy has them. There is a value."""
    import numpy as np

    found = np.asarray(values)
    low, middle, high = (float(each) for each in np.quantile(found, (0.1, 0.5, 0.9)))
    return {"min": int(found.min()), "p10": low, "median": middle, "mean": float(found.mean()), "p90": high,
            "max": int(found.max())}


def rendered(target: Target, values: dict[str, Any], written: dict[str, Any] | None) -> str | None:
    """What a row becomes as a text of the target's, if the target's rows are texts.

    Args:
        target: who reads.
        values: the row as it stands in the file.
        written: the row in the target's format, where it is of another.
    """
    if not target.renders:
        return None
    text = (written if written is not None else values).get("text")
    return text if isinstance(text, str) else None


def _sent(example: Example) -> list[Message]:
    """All that is read of a row: its conversation, what it may call, and the answer that lost."""
    tools = [{"role": "tools", "content": example.tools}] if example.tools else []
    return [*tools, *example.messages, *(example.rejected or [])]

