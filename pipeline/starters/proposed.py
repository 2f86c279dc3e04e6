"""The recipe of a grid that was proposed: commented, ready to run, to be edited and versioned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from pipeline import _yaml
from pipeline.errors import RecipeError
from pipeline.grid.axes import load_axes
from pipeline.grid.check import check_templates
from pipeline.json_text import Unread
from pipeline.recipe import parse_recipe
from pipeline.types import Scalar

from ._new import free_name, quoted, write_new
from .idea import Proposal

ROWS = 200
"""Rows that are asked for at first, where the grid has so many cells."""
WIDTH = 110
TOKENS_PER_WORD = 2
"""For the output limit: English has 1.3, other languages more."""
_IDEA_SHOWN = 200


def recipe_text(name: str, idea: str, writer: str, proposal: Proposal) -> str:
    """NAME.yaml for a proposal.

    Args:
        name: of the recipe.
        idea: as it was typed; said in a comment.
        writer: who proposed it, as `openai:gpt-4.1-mini`.
        proposal: the grid.
    """
    cells, (least, most) = proposal.cells, proposal.words
    told = " ".join(idea.split())
    told = told if len(told) <= _IDEA_SHOWN else f"{told[:_IDEA_SHOWN]}..."
    axis = next(iter(proposal.axes))
    rows = min(cells, ROWS)
    plan = f"synth plan {name}"
    more = f"{plan} --more {axis}=10"
    lines = [
        f"# From an idea: {''.join(letter for letter in told if letter.isprintable())}",
        f"# Proposed by {writer}. Change anything: only what is new is asked for.",
        f"#   {plan:<{len(more)}}   what a run asks for and costs; --explain for every default",
        f"#   {more}   further values for an axis; --write adds them",
        "synth: 1",
        f"name: {_yaml.flow(name)}",
        "",
        "axes:",
        *(line for key, values in proposal.axes.items() for line in _axis(key, values)),
        "",
        f"sample: {{rows: {rows}}}".ljust(29) + f"# of the {cells:,} combinations; pairwise: {{how: pairwise}}",
        "",
        "prompt:                      # what the writer is asked",
        *_text("user", proposal.prompt),
        "",
        "train:                       # what the tuned model will see",
        *_text("user", proposal.train),
        '  assistant: "{{answer}}"',
        "",
        f"generate: {{max_tokens: {limit(most)}}}".ljust(29) + "# no model named: a rehearsal, offline",
        "",
        "curate:",
        "  - finish_reason            # answers that were cut",
        "  - refusal",
        "  - exact_duplicate",
        "  - near_duplicate: {threshold: 0.8}",
        f"  - length: {{min: {max(5, least // 2)}, unit: words}}",
        "",
        "export: {formats: [openai-chat], validation: 0.1}",
    ]
    return "\n".join(lines) + "\n"


def limit(words: int) -> int:
    """Output tokens for so many words, in whole hundreds."""
    return max(200, -(-words * TOKENS_PER_WORD // 100) * 100)


def check(text: str) -> None:
    """Whether a recipe says what it should: its axes load, its templates name them.

    Raises:
        Unread: it does not, so that the model is told why.
    """
    try:
        recipe = parse_recipe(text)
        check_templates(recipe, load_axes(recipe), [])
    except RecipeError as error:
        raise Unread(error.message) from None


def write_proposed(name: str, cwd: Path, text: str) -> Path:
    """Writes NAME.yaml.

    Raises:
        RecipeError: not a name.
        DataError: a recipe of this name is there; nothing was written.
    """
    return write_new(cwd / f"{free_name(name, cwd)}.yaml", text)


def flow(values: Iterable[Scalar], column: int, room: int = WIDTH) -> list[str]:
    """Values of a list between brackets, `one, two`, in lines that begin in a column and end before `room`."""
    lines: list[str] = []
    for value in values:
        text = _yaml.flow(value)
        if lines and column + len(lines[-1]) + len(text) + 3 <= room:
            lines[-1] += f", {text}"
        else:
            lines.append(text)
    return lines


def _axis(name: str, values: Iterable[Scalar]) -> Iterator[str]:
    column = len(name) + 5
    lines = flow(values, column)
    for number, line in enumerate(lines):
        head = f"  {name}: [" if number == 0 else " " * column
        yield head + line + ("]" if number == len(lines) - 1 else ",")


def _text(key: str, text: str) -> Iterator[str]:
    """A text as a block where it is long or has lines; in quotes where a block would not read back the same."""
    block = ["    " + line if line else "" for line in (text.split("\n") if "\n" in text else _wrapped(text))]
    found = [f"  {key}: {'|-' if chr(10) in text else '>-'}", *block]
    if len(block) > 1 and _reads(found, key, text):
        yield from found
    else:
        yield f"  {key}: {quoted(text)}"


def _reads(lines: list[str], key: str, text: str) -> bool:
    try:
        return bool(yaml.safe_load("\n".join(lines)) == {key: text})
    except yaml.YAMLError:
        return False


def _wrapped(text: str) -> Iterator[str]:
    """A text cut at single spaces, so that a folded block of YAML reads back the same."""
    line = ""
    for word in text.split(" "):
        if line and len(line) + len(word) > WIDTH - 5:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line
