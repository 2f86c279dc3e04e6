"""Training files as local tuning sees them: every row in tokens, checked before the first step, and what is wrong."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.digest import hash_int
from pipeline.errors import DataError
from pipeline.local.rows import Proof, Row, clean, row_of, shape_problems
from pipeline.store.files import jsonl_reader
from pipeline.types import Message, Problem

FEW = 10
"""OpenAI refuses fewer; a local run only warns."""
CALLS = frozenset({"tool_calls", "tool_call_id", "name"})
NAMED = 8
"""Lines that a message names."""


class Line(NamedTuple):
    """A row of a file: its number, 1-based, and its JSON object."""

    number: int
    values: dict[str, Any]

    @property
    def messages(self) -> list[Message]:
        """The conversation."""
        return list(self.values["messages"])

    @property
    def tools(self) -> list[dict[str, Any]] | None:
        """What it may call."""
        return self.values.get("tools") or None


@dataclass(slots=True)
class Checked:
    """What is known of a file after every row was looked at.

    Attributes:
        rows: how many there are.
        tokens: of all rows.
        trained: tokens that the loss is over.
        longest: tokens of the longest row.
        marks: a 64-bit digest of each row's ids and labels, in order; what the trainer makes of a row must have it.
        said: a 64-bit digest of each conversation.
        tools: whether a row calls tools, or may.
    """

    rows: int = 0
    tokens: int = 0
    trained: int = 0
    longest: int = 0
    marks: array[int] = field(default_factory=lambda: array("Q"))
    said: set[int] = field(default_factory=set)
    tools: bool = False


class _Faults:
    """Problems by code: how many rows have each, and the first of them."""

    def __init__(self) -> None:
        self.first: dict[str, Problem] = {}
        self.lines: dict[str, list[int]] = {}

    def add(self, problem: Problem, number: int) -> None:
        self.first.setdefault(problem.code, problem)
        self.lines.setdefault(problem.code, []).append(number)

    def problems(self) -> Iterator[Problem]:
        for code, problem in self.first.items():
            others = self.lines[code][1:]
            more = f" (so have {len(others):,} more rows: {_lines(others)})" if others else ""
            yield Problem(problem.severity, code, problem.where, problem.message + more, problem.fix)


def lines(path: Path) -> Iterator[Line]:
    """The rows of a training file, one at a time.

    Raises:
        DataError: the file is not there, or a line is not a JSON object.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "synth export NAME --set 'export.formats=[openai-chat]'")
    for number, values in enumerate(jsonl_reader(path, "export it again: synth export NAME"), 1):
        yield Line(number, values)


def conversations(path: str) -> Iterator[dict[str, Any]]:
    """Rows as TRL has them: all turns but the last as the prompt, the last as the completion."""
    for line in lines(Path(path)):
        turns = clean(line.messages)
        yield {"prompt": turns[:-1], "completion": turns[-1:]}


def in_tokens(path: str, tokenizer: Any) -> Iterator[dict[str, Any]]:
    """Rows that call tools, in tokens: a table of messages would give every message the keys of all others."""
    for row in rows(Path(path), tokenizer, False):
        yield {"input_ids": row.ids, "completion_mask": [int(each) for each in row.trained]}


def rows(path: Path, tokenizer: Any, full: bool) -> Iterator[Row]:
    """The rows of a file in tokens."""
    for line in lines(path):
        yield row_of(tokenizer, line.messages, line.tools, full=full)


def mark(ids: list[int], labels: list[int]) -> int:
    """A 64-bit digest of a row as the trainer has it."""
    data = array("q", [*ids, -1, *labels]).tobytes()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def check(path: Path, tokenizer: Any, limit: int, context: int, full: bool) -> tuple[Checked, list[Problem]]:
    """Looks at every row of a file.

    Args:
        path: JSON lines of the format openai-chat.
        tokenizer: with the template that is trained with.
        limit: tokens that a row may have.
        context: positions that the model knows.
        full: whether the loss is over prompts too.

    Returns:
        What the file holds, and what is wrong with it: one Problem for each kind of fault.
    """
    found, faults, long, earlier = Checked(), _Faults(), [], 0
    proof = Proof(tokenizer)
    for line in lines(path):
        where = f"{path}:{line.number}"
        found.rows += 1
        shape = list(shape_problems(line.values, where))
        for problem in shape:
            faults.add(problem, line.number)
        if shape:
            continue
        try:
            row = row_of(tokenizer, line.messages, line.tools, full=full)
        except Exception as error:  # a template may raise anything for roles that it does not know
            faults.add(Problem("error", "not-rendered", where, f"the chat template refuses it: {error}",
                               "take a chat template that knows these roles"), line.number)
            continue
        for problem in proof.problems(row, line.messages, line.tools, where):
            faults.add(problem, line.number)
        if len(row.ids) > limit:
            long.append((len(row.ids), line.number))
        found.tokens += len(row.ids)
        found.trained += sum(row.trained)
        found.longest = max(found.longest, len(row.ids))
        found.marks.append(mark(row.ids, row.labels))
        found.tools |= bool(line.tools) or any(set(each) & CALLS for each in line.messages)
        found.said.add(hash_int("row", line.messages, line.tools))
        earlier += any(each.get("role") == "assistant" and each.get("weight") != 0 for each in line.messages[:-1])
    problems = [*faults.problems(), *_too_long(path, long, limit, context, found.rows)]
    if earlier:
        problems.append(Problem(
            "note", "last-turn-only", str(path),
            f"{earlier:,} rows have earlier answers: they are read, and only each row's last answer is trained"))
    return found, problems


def _too_long(path: Path, long: list[tuple[int, int]], limit: int, context: int, rows: int) -> Iterator[Problem]:
    """Rows over the limit: none is ever cut."""
    if not long:
        return
    most, where = max(long)
    numbers = [number for _, number in long]
    fix = f"--set finetune.max_tokens={most}" if most <= context else (
        f"the model knows {context:,} positions: drop or shorten these rows, or take a base with a longer context")
    yield Problem(
        "error", "row-too-long", f"{path}:{numbers[0]}",
        f"{len(long):,} of {rows:,} rows {'has' if len(long) == 1 else 'have'} more than {limit:,} tokens "
        f"(line{'s' * (len(long) > 1)} {_lines(numbers)}); the longest, line {where}, has {most:,}. None is cut: a cut "
        "answer would teach the model not to end", fix)


def compare(train: Path, validation: Path | None, one: Checked, other: Checked | None) -> Iterator[Problem]:
    """What is wrong with the two files together, and with how many rows there are."""
    if one.rows == 0:
        yield Problem("error", "no-rows", str(train), "there is no row to learn from",
                      "synth status   shows where the rows went")
    elif one.rows < FEW:
        yield Problem("warning", "few-rows", str(train),
                      f"{one.rows} rows: the model will learn them by heart and little else",
                      "some hundred are a beginning")
    if validation is None or other is None or not other.rows:
        return
    both = len(one.said & other.said)
    if other.said and both == len(other.said):
        yield Problem("error", "validation-is-train", str(validation),
                      "every row of it stands in the training file too: its loss would say nothing",
                      "synth export NAME --set export.validation=0.1")
    elif both:
        yield Problem("warning", "validation-leaks", str(validation),
                      f"{both:,} of {len(other.said):,} rows stand in the training file too",
                      "synth curate NAME --rule exact_duplicate")


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:NAMED])
    return shown + (f" and {len(numbers) - NAMED:,} more" if len(numbers) > NAMED else "")
