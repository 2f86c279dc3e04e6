"""Through whose eyes a row is looked at before training: the recipe's own tuning, a format, or a host's model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import formats
from pipeline.backends import open_backend
from pipeline.errors import DataError, MissingExtra, SynthError
from pipeline.formats import Format, FormatRefusal
from pipeline.local.rows import shape_problems
from pipeline.recipe import Recipe
from pipeline.render.mask import Mask, of_messages, of_row
from pipeline.sections import Finetune
from pipeline.settings import Settings
from pipeline.tokens import Vocabulary, vocabulary_in, vocabulary_of
from pipeline.types import Example, Message

WORDS = "words, not tokens"
UNRENDERED = ("the trainer's own chat template sets roles and the end token; name a tokenizer to see them "
              "(--for gemma:./gemma-2b)")
HOSTED = ("the host sets roles and the end token, and does not publish how; for a model of your own, name its "
          "tokenizer (--for gemma:./gemma-2b)")
ANSWERS = ("shown is the mask that trains the answers alone; a trainer that reads the file's `text` column trains all "
           "of it unless it masks")
ASKED = "these are requests to be answered: nothing is trained on them"
TEMPLATE = "the chat template of the model that is tuned sets roles and the end token"
WHOLE = "a text without turns: a trainer that reads the file's `text` column trains all of it"


class View(NamedTuple):
    """Who looks.

    Attributes:
        by: who trains it and who cuts it, in a few words.
        mask: what of a row is trained; raises DataError where the row cannot be.
        note: what a person has to know of it; empty for nothing.
    """

    by: str
    mask: Callable[[Example], Mask]
    note: str = ""


def of_recipe(recipe: Recipe | None, settings: Settings, env: Mapping[str, str]) -> View:
    """Who trains the rows of a recipe: its `finetune`, else the first of its formats that renders text, else this
    machine.

    Raises:
        RecipeError: `finetune` has a fault.
        DataError: a tokenizer or template cannot be read.
    """
    if recipe is not None and recipe.finetune is None:
        written = [each for each in formats.open_formats(recipe.export.formats) if each.rendering() is not None]
        if written:
            return of_format(written[0])
    backend, options = open_backend((recipe and recipe.finetune) or Finetune(), settings, env)
    if backend.remote:
        return of_format(formats.find("openai-chat"), vocabulary_of(options.base), options.base)
    return _local(options.base, getattr(options, "chat_template", None), bool(getattr(options, "full_loss", False)))


def of_adapter(folder: Path, base: str, full: bool) -> View:
    """Who tuned a model on this machine: the tokenizer and chat template that were saved with its adapter.

    Raises:
        MissingExtra: transformers is not installed.
        Exception: of the tokenizer's library.
    """
    from pipeline.local import _stack
    from pipeline.local.bases import open_tokenizer

    _stack.require("a chat template")
    return View(f"the tuning of {base} on this machine", _rows(open_tokenizer(folder), full))


def of_format(plugin: Format, vocabulary: Vocabulary | None = None, name: str = "") -> View:
    """Who reads a format.

    Args:
        plugin: the format.
        vocabulary: who cuts; else the tokenizer's folder that the format names.
        name: of who reads it; the format's where it is empty.
    """
    name, missing = name or plugin.name, ""
    folder = getattr(plugin.how, "tokenizer", None)
    if vocabulary is None and folder:
        try:
            vocabulary = vocabulary_in(Path(folder).expanduser())
        except (DataError, MissingExtra) as error:
            missing = f"{error.message}; {error.hint}"
    vocabulary = vocabulary or Vocabulary("", None)
    if vocabulary.cut is None:
        once = f"; for tokens, once: {vocabulary.line}" if vocabulary.line else ""
        if vocabulary.name:
            missing = missing or f"its vocabulary ({vocabulary.name}) is not on this machine{once}"
        elif plugin.rendering() is not None:
            missing = missing or f"for tokens, name its tokenizer: --for {plugin.name}:FOLDER"
    cuts = f"tokens of {Path(vocabulary.name).name}" if vocabulary.cut else WORDS
    notes = [missing] if missing else []
    if plugin.asks:
        notes.append(ASKED)
    if plugin.rendering() is None:
        notes.append(HOSTED if plugin.name.startswith("openai") else UNRENDERED)
    else:
        notes.append(ANSWERS if plugin.kind else WHOLE)

    def mask(example: Example) -> Mask:
        try:
            return plugin.mask(example, vocabulary.cut)
        except FormatRefusal as refusal:
            raise DataError(f"{example.sample[:8]}: {plugin.name} refuses it: {refusal.message}", refusal.fix) from None

    return View(f"{name} ({cuts})", mask, "\n".join(notes))


def _local(base: str, chat_template: str | None, full: bool) -> View:
    """Tuning on this machine; in words where its base, or what it needs, is not here."""
    from pipeline.local.bases import BaseRefused, folder_of, open_tokenizer

    by = f"the tuning of {base} on this machine"
    try:
        tokenizer = open_tokenizer(folder_of(base), chat_template)
    except BaseRefused as refused:
        return _guessed(by, f"{base}: {refused.problem.message}; {refused.problem.fix}")
    except MissingExtra as error:
        return _guessed(by, f"{error.message}; {error.hint}")
    except SynthError:
        raise
    except Exception as error:  # whatever a tokenizer's files can hold: one sentence
        return _guessed(by, f"{base}: its tokenizer cannot be opened: {(str(error).splitlines() or [''])[0][:200]}")
    if not isinstance(tokenizer.chat_template, str):
        return _guessed(by, f"{base}: it has no chat template; set finetune.chat_template")
    return View(by, _rows(tokenizer, full))


def _rows(tokenizer: Any, full: bool) -> Callable[[Example], Mask]:
    def mask(example: Example) -> Mask:
        _refuse(example)
        try:
            return of_row(tokenizer, example.messages, example.tools, full=full)
        except Exception as error:  # a template may raise anything for roles that it does not know
            raise DataError(f"{example.sample[:8]}: the chat template refuses it: {error}",
                            "take a chat template that knows these roles") from None

    return mask


def _guessed(by: str, why: str) -> View:
    """What would be trained, by words: the last answer of each row."""
    def mask(example: Example) -> Mask:
        _refuse(example)
        return of_messages([*map(_read, example.messages[:-1]), *example.messages[-1:]], None)

    return View(f"{by} ({WORDS})", mask, f"{why}\n{TEMPLATE}")


def _read(message: Message) -> Message:
    return {**message, "weight": 0} if message.get("role") == "assistant" else message


def _refuse(example: Example) -> None:
    """Raises DataError where tuning on this machine would refuse a row."""
    for problem in shape_problems({"messages": example.messages}, example.sample[:8]):
        raise DataError(f"{problem.where}: {problem.message}", problem.fix)


__all__ = ["View", "of_adapter", "of_format", "of_recipe"]
