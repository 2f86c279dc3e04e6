"""A prompt of one's own: the training prompt filled from axis values, those that are not given drawn by a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from pipeline.digest import digest, hash_unit
from pipeline.errors import DataError, RecipeError, did_you_mean
from pipeline.grid.axes import Axes, load_axes
from pipeline.grid.draws import is_legal
from pipeline.grid.prompts import prompts_of
from pipeline.metrics import Output
from pipeline.recipe import Recipe, load_recipe
from pipeline.store import Dataset
from pipeline.store.finetunes import RECIPE
from pipeline.types import Cell, Message, Sample, Scalar

from .finetunes import TunedModel
from .held_out import rows_of
from .hosted import Bill, Hosted
from .options import How
from .pair import Ask, Decoding, Interrupted, Tell
from .run import Options, decoding_of, open_pair

LOOK = 50
"""Training answers that are looked at for their length."""
TRIES = 1000
"""Cells that are drawn in search of a legal one."""
WHOLE = ("cell", "fields")
"""Names by which a template can use all axes, or all columns."""


class Blank(NamedTuple):
    """A name that the training prompt uses.

    Attributes:
        values: the axis' values; empty for a column or an earlier answer, which can be any text.
    """

    name: str
    values: tuple[Scalar, ...]


class Trial(NamedTuple):
    """One prompt and what both models made of it. None where a model gave no usable answer."""

    filled: Filled
    decoding: Decoding
    trained: bool
    base: Output | None
    tuned: Output | None


class Filled(NamedTuple):
    """A prompt, ready to be asked.

    Attributes:
        messages: system and user, as in training.
        given: names that the caller filled -> values.
        drawn: names that the seed filled -> values.
        notes: what a person should know, as sentences.
    """

    messages: list[Message]
    given: dict[str, Any]
    drawn: dict[str, Any]
    notes: list[str]


def blanks(recipe: Recipe, text: str | None = None) -> list[Blank]:
    """The names that a prompt is filled from, axes first.

    Args:
        recipe: the recipe.
        text: a user message that stands in place of the recipe's.

    Raises:
        RecipeError: an axis or a template with a fault.
    """
    axes = _axes(recipe)
    prompts = prompts_of(recipe)
    templates = [prompts.system] if text is not None else [prompts.system, prompts.user]
    used = frozenset[str]().union(*(template.needed for template in templates if template))
    named = [Blank(name, axes.values[name]) for name in axes.names if name in used or "cell" in used]
    return [*named, *(Blank(name, ()) for name in sorted(used - set(axes.names) - set(WHOLE)))]


def as_tuned(recipe: Recipe, tuned: TunedModel) -> tuple[Recipe, list[str]]:
    """The recipe with the training prompt that the model knows, and a note where today's is another."""
    try:
        then = load_recipe(tuned.folder / RECIPE)
    except RecipeError:  # not kept, or of another version: today's is the best guess
        return recipe, []
    if then.train == recipe.train:
        return recipe, []
    return (recipe.model_copy(update={"train": then.train}),
            [f"the training prompt changed since {tuned.id} was tuned: it is asked with the one of then"])


def fill(recipe: Recipe, dataset: Dataset, given: Mapping[str, str], seed: int, text: str | None = None) -> Filled:
    """The training prompt for some values.

    Values that are not given are drawn by the seed: from the axes with their weights, so that the conditions hold;
    or, where the prompt uses columns or earlier answers, from one row of the dataset.

    Args:
        recipe: the recipe.
        dataset: where rows are drawn from.
        given: name -> value, as typed.
        seed: of what is drawn.
        text: a user message that stands in place of the recipe's.

    Raises:
        RecipeError: an unknown name, or a prompt that is no template.
        DataError: a row has to be drawn, and there is none.
    """
    axes, wanted = _axes(recipe), blanks(recipe, text)
    prompts, notes = prompts_of(recipe), list[str]()
    _known(recipe, given, [*axes.names, *(blank.name for blank in wanted)])
    values = {name: _meant(name, value, axes, notes) for name, value in given.items()}
    missing = [blank for blank in wanted if blank.name not in values]
    if prompts.user is None and text is None:  # whole conversations: one of them is asked up to its last answer
        whole = _row(dataset, seed)
        return Filled(_asked(whole), values, {"row": whole.id[:8]}, notes)
    row = _row(dataset, seed) if any(not blank.values for blank in missing) or _uses_fields(recipe) else None
    cell = _cell(recipe, axes, {**(row.cell if row else {}), **values}, seed)
    fields = row.fields if row else {}
    context = {**cell, **fields, **values, "cell": cell, "fields": fields}
    head = [{"role": "system", "content": prompts.system.render(context)}] if prompts.system else []
    user = text if text is not None else prompts.user.render(context) if prompts.user else ""
    drawn = {blank.name: context[blank.name] for blank in missing if blank.name in context}
    return Filled([*head, {"role": "user", "content": user}], values, drawn, notes)


class Attempts:
    """Base and tuned model, loaded once, for any number of prompts. Use as a context manager.

    Args:
        dataset: whose tuned model it is.
        tuned: the model.
        how: how answers are decoded; the seed counts up from its own, prompt by prompt.
        options: see Options.
        tell: receives what is being done.
    """

    def __init__(self, dataset: Dataset, tuned: TunedModel, how: How, options: Options, tell: Tell) -> None:
        self.tuned, self.tell = tuned, tell
        self.pair = open_pair(dataset, tuned, options, tell)
        self.decoding = decoding_of(how, self.pair, _answers(tuned))

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, *_: object) -> None:
        self.pair.close()

    def bill(self, prompts: Sequence[Filled]) -> Bill | None:
        """What these prompts would cost; None on this machine."""
        if not isinstance(self.pair, Hosted):
            return None
        bills = [self.pair.bill([Ask(filled.messages)], self._turn(turn)) for turn, filled in enumerate(prompts)]
        expected, worst = [bill.usd_expected for bill in bills], [bill.usd_worst for bill in bills]
        return Bill(sum(bill.new_calls for bill in bills),
                    None if None in expected else sum(usd or 0.0 for usd in expected),
                    None if None in worst else sum(usd or 0.0 for usd in worst))

    def ask(self, prompts: Sequence[Filled]) -> Iterator[Trial]:
        """Asks both models, prompt by prompt.

        Raises:
            KeyboardInterrupt: a person stopped it.
        """
        for turn, filled in enumerate(prompts):
            decoding = self._turn(turn)
            try:
                both = self.pair.write([Ask(filled.messages)], decoding, self.tell)
            except Interrupted:
                raise KeyboardInterrupt from None
            yield Trial(filled, decoding, trained_on(self.tuned, filled.messages), both.base[0], both.tuned[0])

    def _turn(self, turn: int) -> Decoding:
        return self.decoding._replace(seed=self.decoding.seed + turn)


def _answers(tuned: TunedModel) -> list[str]:
    """Some answers that it was trained on; none where the file is gone."""
    try:
        return [row.reference for row in islice(rows_of(tuned.train.path), LOOK)]
    except (OSError, DataError):
        return []


def trained_on(tuned: TunedModel, messages: list[Message]) -> bool:
    """Whether a prompt stands in the training file word for word, so that its answer may be learned by heart."""
    asked = digest("prompt", messages, None)
    try:
        return any(row.asked == asked for row in rows_of(tuned.train.path))
    except (OSError, DataError):  # the file is gone or was changed: nobody knows
        return False


def _uses_fields(recipe: Recipe) -> bool:
    """Whether the prompt takes columns by `fields.NAME`."""
    prompts = prompts_of(recipe)
    return any("fields" in template.needed for template in (prompts.system, prompts.user) if template)


def _axes(recipe: Recipe) -> Axes:
    return load_axes(recipe) if recipe.axes else Axes((), {}, {})


def _known(recipe: Recipe, given: Mapping[str, str], names: list[str]) -> None:
    for name in given:
        if name not in names:
            known = did_you_mean(name, names) or "this prompt takes none"
            raise RecipeError(f"{recipe.name}: no axis or column '{name}' in the training prompt", known)


def _meant(name: str, value: str, axes: Axes, notes: list[str]) -> Scalar:
    """The axis' own value that a text is, or begins alone, whatever its case; other texts as they stand, noted."""
    values = axes.values.get(name)
    if values is None:
        return value
    folded = {str(each).casefold(): each for each in values}
    begun = [each for text, each in folded.items() if text.startswith(value.casefold())]
    if value.casefold() in folded or len(begun) == 1:
        return folded.get(value.casefold(), begun[0])
    near = did_you_mean(value, map(str, values)).removeprefix("known: ")
    notes.append(f"'{value}' is none of the {len(values)} values of {name}: {near}")
    return value


def _cell(recipe: Recipe, axes: Axes, fixed: Mapping[str, Any], seed: int) -> Cell:
    """A cell with some values fixed and the others drawn; legal where one is found in TRIES draws."""
    legal = is_legal(recipe, axes)
    first: Cell = {}
    for turn in range(TRIES):
        chosen: Cell = {}
        for name in (axes.names[place] for place in axes.order):
            chosen[name] = fixed[name] if name in fixed else _draw(axes, name, seed, turn, chosen)
        cell = {name: chosen[name] for name in axes.names}
        if legal(cell):
            return cell
        first = first or cell
        if not set(axes.names) - set(fixed):
            break
    return first


def _draw(axes: Axes, name: str, seed: int, turn: int, cell: Cell) -> Scalar:
    """The value whose weighted hash is largest, as the grid draws; of those that go with the cell so far."""
    pairs = list(zip(axes.values[name], axes.weights[name], strict=True))
    if name in axes.depends and (parent := axes.depends[name].parent) and cell[parent] in axes.values[parent]:
        allowed = axes.depends[name].allowed[axes.values[parent].index(cell[parent])]
        pairs = [pairs[position] for position in allowed]
    return max(pairs, key=lambda pair: hash_unit("try", seed, turn, name, pair[0]) ** (1 / pair[1]))[0]


def _row(dataset: Dataset, seed: int) -> Sample:
    """One row of the dataset that is part of the set today."""
    aside = dataset.aside()
    rows: Iterator[Sample] = (sample for sample in dataset.samples() if aside(sample) is None)
    found = min(rows, key=lambda sample: hash_unit("try", seed, sample.id), default=None)
    if found is None:
        raise DataError(f"{dataset.name}: no row to draw a prompt from", f"synth try {dataset.name} --prompt TEXT")
    return found


def _asked(sample: Sample) -> list[Message]:
    """A row's messages before its last answer."""
    last = max((i for i, message in enumerate(sample.messages) if message.get("role") == "assistant"), default=None)
    return sample.messages[:last] if last else sample.messages
