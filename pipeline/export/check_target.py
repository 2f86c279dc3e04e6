"""Who a training file is for: the format, tokenizer, limit and price that a name or a folder stands for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import orjson
from pydantic import ValidationError

from pipeline import _yaml, formats
from pipeline.errors import RecipeError, did_you_mean
from pipeline.formats import Format
from pipeline.hosts import presets
from pipeline.options import read_options
from pipeline.prices import TrainingPrice, base_model, training_price_of
from pipeline.registry import load, plugins, printed, resolve
from pipeline.sections import Item
from pipeline.settings import Settings
from pipeline.tokens import Vocabulary, encoding_name, example_limit, vocabulary_in, vocabulary_of
from pipeline.types import Problem

OPENAI = "openai-chat"
_COUNTED_AS = "gpt-4.1-mini"
"""Whose encoding and limit are those of OpenAI's formats where no model is named: all that can be tuned share them."""
_CONFIG = "tokenizer_config.json"
_FOLDERS = "tokenizer"
"""The option by which a format takes a tokenizer's folder, and the format for any folder's own template."""


@dataclass(frozen=True, slots=True)
class Target:
    """Who reads the file.

    Attributes:
        name: as it was typed.
        format: what the rows have to fit; None for any.
        takes: names of the formats whose rows it reads as they stand; of others it is asked whether it could hold them.
        vocabulary: who counts tokens.
        limit: tokens that a row may have; None where it is not known.
        model: of a host; empty for a model of one's own.
        price: of its training; None where it is not known.
    """

    name: str
    format: Format | None
    takes: frozenset[str]
    vocabulary: Vocabulary
    limit: int | None = None
    model: str = ""
    price: TrainingPrice | None = None

    @property
    def renders(self) -> bool:
        """Whether rows of another shape are set into its text before they are trained on."""
        return self.format is not None and self.format.rendering() is not None

    @property
    def by_openai(self) -> bool:
        """Whether OpenAI's rules for files hold: so many rows, so many bytes."""
        return not self.takes.isdisjoint(_hosted())


def target_of(text: str, settings: Settings | None = None, limit: int | None = None) -> Target:
    """Who is meant.

    Args:
        text: a format (`llama2`, `text: {eos: </s>}`), one with a tokenizer's folder (`gemma:PATH`), such a folder
            (`./my-model`), or a model of a host (`gpt-4.1-mini`, `openai:gpt-4o`, `ft:...`).
        settings: for prices of one's own.
        limit: tokens that a row may have, in place of what is known of the model.

    Raises:
        RecipeError: none of these.
        DataError: a folder without a tokenizer.
    """
    found = _with_options(text) or _format(text, settings) or _folder(text) or _model(text, settings)
    if found is None:
        known = [*plugins("formats"), *_models()]
        what = f"unknown format '{text}', and no model or tokenizer's folder either"
        raise RecipeError(what, did_you_mean(text, known))
    return found if limit is None else replace(found, limit=limit)


def as_written(goal: Target | None, own: Format | None) -> Target | None:
    """Who reads an export, with the options that it was written with."""
    if goal is None or goal.format is None or own is None or goal.format.name != own.name:
        return goal
    folder = getattr(goal.format.how, "tokenizer", None)
    how = own.how.model_copy(update={"tokenizer": folder}) if folder else own.how
    return replace(goal, format=type(own)(how))


def named(format: Format) -> str:  # noqa: A002 - what it is
    """A format as `--to` takes it, with the options that it has: `gemma: {tokenizer: ./gemma-2b}`."""
    told = format.how.model_dump(mode="json", exclude_defaults=True)
    return f"{format.name}: {{{', '.join(f'{key}: {orjson.dumps(value).decode()}' for key, value in told.items())}}}" \
        if told else format.name


def for_target(problem: Problem, target: Target | None) -> Problem | None:
    """A problem of a row's own shape, as heavy as it is for who reads it; None where its format says it by itself.

    OpenAI's jobs refuse special tokens of several families; who trains on rendered text has only its own.
    """
    if problem.code != "special-token" or target is None or target.format is None or target.by_openai:
        return problem
    if target.format.kind is not None and target.format.kind.held(problem.message):
        return None
    return replace(problem, severity="warning", fix=f"another family's token: plain text for {target.format.name}; "
                                                    "OpenAI's jobs would refuse it")


def _with_options(text: str) -> Target | None:
    """A format with options, as a recipe has it: `qwen: {version: 3}`."""
    if not text.rstrip().endswith("}"):
        return None
    value, _ = _yaml.parse(text, "--for")
    try:
        item = Item.model_validate(value)
    except ValidationError:
        raise RecipeError(f"--for {text}: no format", "--for 'text: {eos: </s>}'") from None
    (found,) = formats.open_formats([item], lambda _: "--for")
    folder = item.options.get(_FOLDERS)
    counts = vocabulary_in(Path(str(folder)).expanduser()) if folder else Vocabulary("", None)
    return Target(text, found, frozenset((found.name,)), counts)


def _is_host(name: str, settings: Settings | None) -> bool:
    return name in presets() or name in (settings.providers if settings else {})


def _format(text: str, settings: Settings | None) -> Target | None:
    name, colon, folder = text.partition(":")
    if colon and _is_host(name, settings) and not Path(folder).expanduser().is_dir():
        return None  # `openai:gpt-4o`: the name of a host and of a format
    try:
        plain = resolve("formats", name)
    except RecipeError:
        return None
    if not colon:
        hosted = plain in _hosted()
        takes = _hosted() if hosted and printed(name) != plain else frozenset((plain,))  # `openai` is all of its jobs
        return Target(text, formats.find(plain), takes, vocabulary_of(_COUNTED_AS if hosted else ""),
                      example_limit(_COUNTED_AS) if hosted else None)
    return _with_folder(text, plain, Path(folder).expanduser())


def _folder(text: str) -> Target | None:
    folder = Path(text).expanduser()
    if not folder.is_dir():
        return None
    try:
        name = resolve("formats", _FOLDERS)
    except RecipeError:
        return Target(text, None, frozenset(), vocabulary_in(folder))
    return _with_folder(text, name, folder, own=True)


def _with_folder(text: str, name: str, folder: Path, own: bool = False) -> Target:
    kind: type[Format] = load("formats", name)
    takes = _FOLDERS in kind.model.model_fields and (own or (folder / _CONFIG).is_file())
    told = {_FOLDERS: str(folder)} if takes else {}  # without a template to compare with, the folder counts
    (how,) = read_options(kind.name, told, "--for", (kind.model,))
    return Target(text, kind(how), frozenset((kind.name,)), vocabulary_in(folder))


def _model(text: str, settings: Settings | None) -> Target | None:
    host, colon, model = text.partition(":")
    if not colon or host == "ft":
        host, model = "openai", text
    if encoding_name(model) is None and (host == "openai" or not _is_host(host, settings)):
        return None
    price = training_price_of(model, host, settings)
    return Target(text, formats.find(OPENAI), _hosted(), vocabulary_of(model), example_limit(model), base_model(model),
                  price)


def _hosted() -> frozenset[str]:
    """The formats of OpenAI's jobs, by their names."""
    return frozenset(name for name in plugins("formats") if name.startswith("openai-")
                     and not load("formats", name).asks)


def _models() -> tuple[str, ...]:
    return ("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini")
