"""Base models: where one is on this machine, and what is wrong with it before its weights are touched."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from pipeline.digest import ID_LENGTH, digest
from pipeline.errors import DataError
from pipeline.types import Problem

from . import _stack
from .rows import end_ids
from .templates import BUILT_IN, template_of
from .tiny import NAME as TINY
from .tiny import tiny_base

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
WANTED = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt", "tokenizer*"]
"""What is taken from the hub: no pickle and no code."""
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
RECORD = "training.json"
"""What our adapters carry beside PEFT's own files: the base, and how it was loaded."""


class BaseRefused(Exception):
    """A base model cannot be used. `problem` says why, and what to do."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def cache_folder() -> Path:
    """Where the tiny base is kept: SYNTH_CACHE, else the user's cache."""
    own, shared = os.environ.get("SYNTH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(shared) if shared else Path.home() / ".cache") / "synth"


def folder_of(base: str | Path) -> Path:
    """The folder of a base model: `tiny` (built if needed), a folder, or a name on the hub that is in its cache.

    Raises:
        MissingExtra: the `local` extra is not installed.
        DataError: the tiny base cannot be written.
        BaseRefused: there is no such model here.
    """
    if base == TINY:
        return tiny_base(cache_folder())
    folder = Path(base).expanduser()
    if folder.is_dir():
        return folder
    if isinstance(base, Path) or not HUB_NAME.fullmatch(base):
        raise BaseRefused(_error("base-missing", str(base), "no such folder",
                                 "name a folder with config.json, a model of the Hugging Face hub, or "
                                 f"`{TINY}`, which is built on the spot"))
    return _from_hub(base)


def _from_hub(name: str) -> Path:
    """The snapshot of a hub model in the cache; fetched only where the environment allows it."""
    hub, faults = _stack.module("huggingface_hub"), _stack.module("huggingface_hub.errors")
    asked = _stack.online()
    try:
        with _stack.quiet():
            return Path(hub.snapshot_download(name, allow_patterns=WANTED, local_files_only=not asked))
    except faults.GatedRepoError:
        code, why = "base-gated", "its owner lets only people in who accepted a licence"
        fix = f"accept it at https://huggingface.co/{name}, then: hf auth login   and run the same command again"
    except faults.RepositoryNotFoundError:
        code, why = "base-missing", "the hub has no model of this name that it shows to you"
        fix = f"check the name at https://huggingface.co/{name}; a private one needs: hf auth login"
    except (faults.LocalEntryNotFoundError, faults.HFValidationError, faults.HfHubHTTPError, OSError) as error:
        status = _status(error)
        if status in (401, 403):
            code, why = "base-gated", f"the hub refuses with {status}"
            fix = "hf auth login   with a token that may read it"
        else:
            how = "the hub could not be reached" if asked else "nothing is fetched unless you say so"
            code, why = "base-missing", f"no folder of this name is here, nor such a model in the hub's cache ({how})"
            fix = f"base `{TINY}` needs no hub" if asked else (
                f"hf download {name}   or HF_HUB_OFFLINE=0 before the command; offline: base `{TINY}`")
    raise BaseRefused(_error(code, name, why, fix))


def _status(error: BaseException | None) -> int | None:
    """The HTTP status of an error, or of the one that led to it."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return int(status)
        error = error.__cause__ or error.__context__
    return None


def base_problems(base: str | Path, chat_template: str | None = None) -> list[Problem]:
    """What is wrong with a base model, from its small files alone.

    Args:
        base: `tiny`, a folder or a name on the hub.
        chat_template: a template to use in place of its own; see `templates.template_of`.

    Returns:
        Errors, for which it is not loaded, and notes.

    Raises:
        MissingExtra: the `local` extra is not installed.
        DataError: the tiny base cannot be written, or the chat template cannot be read.
    """
    _stack.require("a model on this machine")
    try:
        folder = folder_of(base)
    except BaseRefused as refused:
        return [refused.problem]
    found = [*_files(folder, str(base))]
    return found if any(problem.severity == "error" for problem in found) else [
        *found, *_tokenizer(folder, str(base), chat_template)]


def _files(folder: Path, base: str) -> Iterator[Problem]:
    """Config and weights."""
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        yield _error("base-is-adapter", base, "this is an adapter, not a whole model",
                     "name the model that it was tuned from, or merge the two")
        return
    config = _config(folder / "config.json")
    if config is None:
        yield _error("base-no-config", base, f"{folder / 'config.json'} is not there or not JSON",
                     "name a folder that transformers' save_pretrained wrote")
        return
    yield from _architecture(folder, base, config)
    if not list(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        if pickles:
            yield _error("base-pickle", base,
                         f"its weights are pickles ({pickles[0]}), which can run any code when opened",
                         "take a base that has safetensors; most owners offer them")
        else:
            yield _error("base-no-weights", base, f"{folder} holds no weights", f"hf download {base}")
    index = _config(folder / "model.safetensors.index.json") or {}
    absent = sorted({name for name in index.get("weight_map", {}).values() if not (folder / name).is_file()})
    if absent:
        yield _error("base-incomplete", base,
                     f"{len(absent)} of its weight files are missing, the first is {absent[0]}", f"hf download {base}")


def _architecture(folder: Path, base: str, config: dict[str, Any]) -> Iterator[Problem]:
    """Whether transformers itself can run it."""
    auto = "transformers.models.auto"
    kind = str(config.get("model_type", ""))
    known = kind in _stack.module(f"{auto}.modeling_auto").MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    own = [name for name in ("config.json", "tokenizer_config.json") if (_config(folder / name) or {}).get("auto_map")]
    if own:
        native = "transformers has this architecture itself: take `auto_map` out of a copy" if known else \
            "take a base whose architecture is part of transformers"
        yield _error("base-remote-code", base, f"{own[0]} has `auto_map`: it would run code of the model's owner",
                     native)
    elif kind not in _stack.module(f"{auto}.configuration_auto").CONFIG_MAPPING_NAMES:
        what = f"the architecture '{kind}' is unknown to transformers" if kind else "config.json names no model_type"
        yield _error("base-unknown", base, what, "pip install -U transformers   if it is a new one")
    elif not known:
        yield _error("base-not-causal", base, f"'{kind}' does not write text from left to right",
                     "take a causal language model")
    method = (config.get("quantization_config") or {}).get("quant_method")
    if method not in (None, "bitsandbytes"):
        yield _error("base-quantised", base, f"its weights are quantised already, by {method}",
                     "name the original model: it is loaded in 4 bits here")


def _tokenizer(folder: Path, base: str, chat_template: str | None) -> Iterator[Problem]:
    """Tokenizer and chat template."""
    try:
        tokenizer = open_tokenizer(folder, chat_template)
    except DataError:
        raise
    except Exception as error:  # whatever a tokenizer's files can hold: one sentence
        yield _error("base-tokenizer", base, f"its tokenizer cannot be opened: {str(error).splitlines()[0][:200]}",
                     f"hf download {base}   or name another base")
        return
    if not isinstance(tokenizer.chat_template, str):
        yield _error("base-no-template", base,
                     "it has no chat template, so nobody knows how a conversation is written for it",
                     f"chat_template: {' or '.join(BUILT_IN)}, or a file as my_template.jinja")
    elif tokenizer.eos_token_id is None:
        yield _error("base-no-end", base, "its tokenizer names no end-of-text token", "name another base")
    elif not end_ids(tokenizer):
        yield _error("base-no-end", base,
                     "its chat template ends no answer with a token, so it could not learn to stop",
                     f"chat_template: {' or '.join(BUILT_IN)}, or a file as my_template.jinja")
    elif tokenizer.pad_token_id == tokenizer.eos_token_id:
        yield Problem("note", "base-pad-is-end", base,
                      "padding and end are one token; the loss goes by position, so the end is trained all the same")


def open_tokenizer(folder: Path, chat_template: str | None = None) -> Any:
    """The tokenizer of a folder, ready for batches: a padding token, and the template that is wanted.

    Raises:
        DataError: the chat template cannot be read.
        Exception: of the tokenizer's library.
    """
    kind = _stack.module("transformers").AutoTokenizer
    with _stack.quiet():
        tokenizer = kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if chat_template is not None:
        tokenizer.chat_template = template_of(chat_template)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def context_of(folder: Path) -> int:
    """Positions that a model knows; 2,048 where its config does not say."""
    kind = _stack.module("transformers").AutoConfig
    with _stack.quiet():
        config = kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return int(getattr(config.get_text_config(), "max_position_embeddings", None) or 2048)


def base_digest(folder: Path) -> str:
    """Digest of a model's weights and config, 26 characters.

    Of files in the hub's cache the name of the blob is taken, which is the sha256 of its bytes.
    """
    parts = []
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json"]):
        blob = path.resolve().name if path.is_symlink() else ""
        parts.append([path.name, blob if re.fullmatch(r"[0-9a-f]{64}", blob) else _sha256(path)])
    return digest("base", parts)[:ID_LENGTH]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _config(path: Path) -> dict[str, Any] | None:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _error(code: str, where: str, message: str, fix: str) -> Problem:
    return Problem("error", code, where, message, fix)
