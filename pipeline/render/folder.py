"""A tokenizer folder's own chat template, run as transformers runs it: in a sandbox, offline, with a clock that stands.

Only Jinja is needed for the text. Where transformers is installed, the folder's tokenizer also says which ids it makes
of the text, and they are those of its own `apply_chat_template`: see `ChatTemplate.other_ids` for what proves it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cache, cached_property
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context

from pipeline.errors import DataError
from pipeline.grid.sandbox import BUDGET, Budget, Sandbox, budget_of, metered, size_of
from pipeline.types import Problem

from .proof import Said, TemplateRefusal

ROWS = 100
"""Of the first so many rows ids are compared one by one, also where equal texts prove them equal."""
DAYS = (date(2001, 2, 3), date(2024, 7, 26))
"""Two days that no template's author had in mind: what differs between them is the date."""
SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "tekken.json")
_CONFIG, _TEMPLATE, _TOKENIZER = "tokenizer_config.json", "chat_template.jinja", "tokenizer.json"
_OTHERWISE = "name a family in its place, as llama3 or chatml; or put its chat_template.jinja into the folder"
EXTRA = "pip install 'synth-pipeline[local]'"


@dataclass(frozen=True)
class ChatTemplate:
    """A template and the tokenizer it belongs to.

    Attributes:
        folder: where they lie.
        source: the template's text.
        tokens: bos_token, eos_token and their like, as the template knows them.
        control: all that the tokenizer takes for no text.
        begins: whether the tokenizer puts its begin token before a text by itself.
    """

    folder: Path
    source: str
    tokens: Mapping[str, str] = field(repr=False)
    control: tuple[str, ...] = field(repr=False)
    begins: bool

    @classmethod
    def of(cls, folder: str | Path) -> ChatTemplate:
        """The template of a tokenizer's folder.

        Raises:
            DataError: no such folder, no template in it, or one that cannot be read, with what to do.
        """
        return _open(Path(folder).expanduser())

    def render(
        self, said: Said, *, prompt: bool = False, arguments: Mapping[str, Any] | None = None, day: date = DAYS[1]
    ) -> str:
        """A conversation's text.

        Args:
            said: the conversation.
            prompt: end in what makes the model answer.
            arguments: of the template, as `date_string`.
            day: what the template takes for today.

        Raises:
            TemplateRefusal: the template raises, or takes more than the sandbox allows.
        """
        messages = [{"role": role, "content": text} for role, text in said]
        clock = datetime.combine(day, time(12))
        given = {**self.tokens, **(arguments or {}), "messages": messages, "tools": None, "documents": None,
                 "add_generation_prompt": prompt, "strftime_now": clock.strftime, BUDGET: Budget()}
        try:
            return str(self._compiled.render(given))
        except TemplateRefusal:
            raise
        except Exception as error:  # whatever a template can do: one sentence
            raise TemplateRefusal(str(error).split("\n")[0][:200] or type(error).__name__) from None

    @cached_property
    def _compiled(self) -> Any:
        environment = _environment()
        return environment.from_string(metered(environment, environment.parse(self.source)))

    @property
    def digest(self) -> str:
        """The sha256 of the template's text."""
        return hashlib.sha256(self.source.encode("utf-8")).hexdigest()

    def told(self) -> dict[str, Any]:
        """What a manifest says of it: no path, since folders differ from machine to machine."""
        if not self._has_vocabulary:
            compared = "text alone: the folder holds no vocabulary"
        elif find_spec("transformers") is None:
            compared = f"text alone: {EXTRA}"
        else:
            compared = "text and ids of every row"
        return {"folder": self.folder.name, "template_sha256": self.digest, "compared": compared}

    @property
    def _has_vocabulary(self) -> bool:
        return any((self.folder / name).is_file() for name in VOCABULARIES)

    def unlike(
        self, text: str, said: Said, where: str, *, arguments: Mapping[str, Any] | None = None
    ) -> Iterator[Problem]:
        """What differs between a text and its row by this template, and between the ids of both.

        Args:
            text: the rendering.
            said: the conversation as the template is to be given it.
            where: the row.
            arguments: of the template.
        """
        try:
            theirs = self.render(said, arguments=arguments)
        except TemplateRefusal as refusal:
            yield _error("template-refuses", where, f"the template in {self.folder.name} refuses the row: {refusal}",
                         "name the family of this tokenizer, or another folder")
            return
        if theirs != text:
            at = next((at for at, (one, other) in enumerate(zip(theirs, text)) if one != other),
                      min(len(theirs), len(text)))
            yield _error("not-as-the-tokenizer", where, f"the template in {self.folder.name} writes "
                         f"{theirs[at:at + 30]!r} where the text has {text[at:at + 30]!r}, after {at:,} characters",
                         f"name the family of this tokenizer, or 'chat-template: {{tokenizer: {self.folder}}}'")
        else:
            yield from self.other_ids(text, said, where, arguments=arguments)

    def other_ids(
        self, text: str, said: Said, where: str, *, arguments: Mapping[str, Any] | None = None
    ) -> Iterator[Problem]:
        """Where transformers renders or tokenises a row otherwise than a text of ours by this template.

        Every row is rendered by transformers too, and the texts are compared. Its `apply_chat_template` makes ids by
        calling the tokenizer on that text with add_special_tokens=False, as we would: one function, and where the
        texts are equal one argument, so equal texts prove equal ids and nothing is encoded. Ids are compared one by one
        where that is not known: by tokenizers with an `apply_chat_template` of their own, on every row; by any, on
        the first ROWS. A row whose characters may be unknown to the vocabulary is encoded, once.
        A template that reads the clock is not compared: transformers has no other than today's.
        """
        if self._tokenizer is None:
            return
        arguments = dict(arguments or {})
        messages = [{"role": role, "content": content} for role, content in said]
        dated = "strftime_now" in self.source and not self.steady(said, arguments)
        if not dated and self._tokenizer.apply_chat_template(messages, tokenize=False, **arguments) != text:
            yield _error("not-as-the-tokenizer", where, "transformers renders the row otherwise",
                         "please report it with the row and the template")
        compared = not dated and (self._encodes_otherwise or next(self._compared) < ROWS)
        if not compared and self._knows_all:
            return
        ours = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if compared:
            theirs = self._tokenizer.apply_chat_template(
                messages, tokenize=True, return_dict=True, tokenizer_kwargs={"verbose": False}, **arguments)
            if list(theirs["input_ids"]) != list(ours):
                yield _error("other-ids", where, "the tokenizer makes other ids of the text than of the row itself",
                             "tokenise with add_special_tokens=False; else please report it with the row")
        if not self._knows_all and self._tokenizer.unk_token_id in ours:
            yield Problem("warning", "unknown-token", where, "some of its characters are unknown to this tokenizer")

    def steady(self, said: Said, arguments: Mapping[str, Any] | None = None) -> bool:
        """Whether a conversation's text is the same on two days."""
        return len({self.render(said, arguments=arguments, day=day) for day in DAYS}) == 1

    @cached_property
    def _compared(self) -> Iterator[int]:
        """How many rows' ids were compared before."""
        return count()

    @cached_property
    def _encodes_otherwise(self) -> bool:
        """Whether the tokenizer's class has a way from rows to ids of its own, not transformers' one for all."""
        from transformers import PreTrainedTokenizerBase

        own = getattr(type(self._tokenizer), "apply_chat_template", None)
        return own is not PreTrainedTokenizerBase.apply_chat_template

    @cached_property
    def _knows_all(self) -> bool:
        """Whether no character can be unknown: there is no such token, or a token for each byte."""
        tokenizer = self._tokenizer
        if tokenizer is None or tokenizer.unk_token_id is None:
            return True
        if not tokenizer.is_fast:
            return False
        told = json.loads(tokenizer.backend_tokenizer.to_str())
        vocabulary, model = tokenizer.get_vocab(), told["model"]
        if model.get("byte_fallback") and all(f"<0x{byte:02X}>" in vocabulary for byte in range(256)):
            return True
        from tokenizers.pre_tokenizers import ByteLevel

        bytewise = any(step.get("type") == "ByteLevel" for name in ("pre_tokenizer", "normalizer")
                       for step in _steps(told.get(name)))
        return bytewise and model.get("type") == "BPE" and all(byte in vocabulary for byte in ByteLevel.alphabet())

    @cached_property
    def _tokenizer(self) -> Any | None:
        """The tokenizer itself; None where transformers is not installed, or the folder holds no vocabulary."""
        if not self._has_vocabulary or find_spec("transformers") is None:
            return None
        from pipeline.local.bases import open_tokenizer

        try:
            return open_tokenizer(self.folder)
        except Exception as error:  # of the tokenizer's library
            said = (str(error).splitlines() or [""])[0][:200]
            raise DataError(f"{self.folder}: its tokenizer cannot be opened: {said}",
                            "take the whole folder: tokenizer.json, tokenizer_config.json and what they name") from None


@cache
def _open(folder: Path) -> ChatTemplate:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", "name the folder that holds tokenizer_config.json: hf download "
                        "MODEL --include 'tokenizer*' 'chat_template*' --local-dir FOLDER")
    if not (folder / _CONFIG).is_file():
        raise DataError(f"{folder}: holds no {_CONFIG}, so it is no tokenizer's folder", f"ls {folder}")
    config = _json(folder / _CONFIG)
    source = _source(folder, config)
    known = ChatTemplate(folder, source, _special(config), _control(folder, config), _begins(folder, config))
    try:
        known._compiled  # noqa: B018 - what cannot be compiled is said now
    except TemplateSyntaxError as error:
        raise DataError(f"{folder}: its chat template is broken, line {error.lineno}: {error.message}",
                        _OTHERWISE) from None
    except (TemplateError, ValueError, RecursionError) as error:
        raise DataError(f"{folder}: its chat template cannot be read: {error}", _OTHERWISE) from None
    return known


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {str(error)[:200]}", "download the folder again") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: holds no JSON object", "download the folder again")
    return value


def _source(folder: Path, config: Mapping[str, Any]) -> str:
    """The template: a file of its own goes before the config's, and of several the one called default."""
    file = folder / _TEMPLATE
    if file.is_file():
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise DataError(f"{file}: cannot be read as UTF-8", "download the folder again") from None
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
        found = named.get("default")
    if not isinstance(found, str) or not found.strip():
        raise DataError(f"{folder}: it has no chat template, so nobody knows how a conversation is written for it",
                        _OTHERWISE)
    return found


def _text(token: Any) -> str | None:
    """A token of a config: its text, or an object that holds it."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) and found.strip() else None


def _special(config: Mapping[str, Any]) -> dict[str, str]:
    return {name: text for name in SPECIAL if (text := _text(config.get(name))) is not None}


def _control(folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    added = _each(config.get("added_tokens_decoder"))
    if (folder / _TOKENIZER).is_file():
        added += _each(_json(folder / _TOKENIZER).get("added_tokens"))
    found = [_text(token) for token in added if isinstance(token, dict) and token.get("special")]
    found += [_text(token) for name in ("extra_special_tokens", "additional_special_tokens")
              for token in _each(config.get(name))]
    return tuple(sorted({text for text in (*found, *_special(config).values()) if text}))


def _each(value: Any) -> list[Any]:
    """What a list or an object of a config holds; nothing of anything else."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _begins(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether the tokenizer puts its begin token before a text: told by its config, or by how it post-processes."""
    if isinstance(config.get("add_bos_token"), bool):
        return bool(config["add_bos_token"])
    if not (folder / _TOKENIZER).is_file():
        return False
    begin = _special(config).get("bos_token", "")
    for step in _steps(_json(folder / _TOKENIZER).get("post_processor")):
        single = [piece for piece in _each(step.get("single")) if isinstance(piece, dict)]
        if begin and any(begin in _each(piece.get("SpecialToken")) for piece in single):
            return True
    return False


def _steps(told: Any) -> Iterator[dict[str, Any]]:
    """What tokenizer.json does in a place: one step, or those of a sequence."""
    if isinstance(told, dict):
        yield told
        for key in ("processors", "pretokenizers", "normalizers"):
            for step in _each(told.get(key)):
                yield from _steps(step)


class _Generation(Extension):
    """`{% generation %}`, with which templates mark what is trained: its body is written like any other."""

    tags = {"generation"}  # noqa: RUF012 - Jinja declares it so

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _ChatSandbox(Sandbox):
    """The sandbox of recipes with the manners of transformers' (utils/chat_template_utils.py, 5.23)."""

    def __init__(self) -> None:
        super().__init__()
        self.undefined = Undefined
        self.trim_blocks = self.lstrip_blocks = True
        self.keep_trailing_newline = False
        self.finalize = _written
        self.add_extension(_Generation)
        self.add_extension("jinja2.ext.loopcontrols")
        self.globals["raise_exception"] = _raise
        self.filters["tojson"] = _tojson

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As Jinja has it: methods go before what a mapping holds."""
        return ImmutableSandboxedEnvironment.getattr(self, obj, attribute)


def _raise(message: str) -> None:
    raise TemplateRefusal(str(message).split("\n")[0][:200])


@pass_context
def _written(context: Context, value: Any) -> Any:
    budget_of(context).write(len(value) if isinstance(value, str) else size_of(value))
    return value


@pass_context
def _tojson(
    context: Context, value: Any, ensure_ascii: bool = False, indent: int | None = None,
    separators: Sequence[str] | None = None, sort_keys: bool = False,
) -> str:
    budget_of(context).make(size_of(value) * (1 + (indent if isinstance(indent, int) else 0)))
    divides = tuple(separators) if separators else None
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, sort_keys=sort_keys,
                      separators=divides)  # type: ignore[arg-type]


_environment: Callable[[], _ChatSandbox] = cache(_ChatSandbox)


def _error(code: str, where: str, message: str, fix: str) -> Problem:
    return Problem("error", code, where, message, fix)
