"""The training stack (torch, transformers, peft, trl): found, set up before its first import, and kept quiet."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import DataError, MissingExtra

PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate")
"""What the `local` extra installs."""
BEFORE_IMPORT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "BITSANDBYTES_NOWELCOME": "1",
}
"""Read by the libraries when they are loaded, so set before that, and never over what the user's environment says.

PASSIVE: OpenMP's threads spin while they wait, and where another process has the cores, steps of tiny models take ten
times as long (measured on 2 shared cores). HF_HUB_OFFLINE: nothing is fetched unless the user says so."""
TALKERS = ("trl", "peft", "accelerate", "datasets", "bitsandbytes", "torch")
ONLINE_WORDS = ("0", "false", "no", "off")


def module(name: str) -> Any:
    """A library of the stack, as `import` gives it; untyped, since it need not be there when types are checked."""
    return importlib.import_module(name)


def missing() -> list[str]:
    """The packages of the `local` extra that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def require(why: str, env: MutableMapping[str, str] | None = None) -> None:
    """Makes the training stack ready to be imported.

    Args:
        why: what needs it, for the message.
        env: the environment that the libraries will read.

    Raises:
        MissingExtra: a package is not installed.
        DataError: a folder named `datasets` hides the library of that name.
    """
    absent = missing()
    if absent:
        raise MissingExtra.of(absent[0], "local", why)
    _not_shadowed()
    target = os.environ if env is None else env
    for name, value in BEFORE_IMPORT.items():
        target.setdefault(name, value)


def online(env: MutableMapping[str, str] | None = None) -> bool:
    """Whether the user's environment allows the hub to be asked: HF_HUB_OFFLINE is set, and says no."""
    return (os.environ if env is None else env).get("HF_HUB_OFFLINE", "").strip().lower() in ONLINE_WORDS


def _not_shadowed() -> None:
    """Where `datasets/` here is found in place of the library, training would die in an AttributeError."""
    found = importlib.util.find_spec("datasets")
    if found is None:
        return
    places = [Path(each) for each in found.submodule_search_locations or ()]
    if not any((each / "arrow_dataset.py").is_file() for each in places):
        place = places[0] if places else found.origin
        raise DataError(
            f"{place}: this folder hides the library `datasets`, which training needs",
            "pip install 'synth-pipeline[local]'   or start synth by its command, not as python -m from that folder",
        )


SMALL = 20_000_000
"""Parameters under which one thread is used."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many of torch's threads, and as many as before afterwards."""
    torch = module("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def fitting_threads(model: Any) -> Iterator[None]:
    """One thread for a small model, else as many as torch has.

    The steps of a small model are so short that its threads mostly wait for each other: where another process has one
    of two cores, a step of the tiny base took 1.9 s with two threads and 0.4 s with one (measured).
    """
    if model.num_parameters() < SMALL:
        with threads(1):
            yield
    else:
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the libraries' progress bars, logs and warnings off the terminal, and puts everything back after.

    What they would say is either checked by us beforehand, and then a Problem, or of no use to who is watching.
    """
    spoken = module("transformers.utils.logging")
    level, bars = spoken.get_verbosity(), spoken.is_progress_bar_enabled()
    others = {name: logging.getLogger(name) for name in TALKERS}
    levels = {name: logger.level for name, logger in others.items()}
    spoken.set_verbosity_error()
    spoken.disable_progress_bar()
    for logger in others.values():
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        spoken.set_verbosity(level)
        if bars:
            spoken.enable_progress_bar()
        for name, logger in others.items():
            logger.setLevel(levels[name])
