"""The one error tree: what went wrong, where, and the next command to type.

    SynthError            1   our caller can mend it; `main()` prints it without a traceback
    ├── RecipeError       2   a recipe, an option or synth.toml is wrong
    │   └── RowsRehearsed 2   rehearsed rows would go to a host
    ├── YieldError        3   too few rows came through
    ├── DataError         4   a file or a dataset is not what it should be
    ├── ProviderError     5   the model's host refuses, is away, or would cost too much
    │   └── CapReached    5   the next call could pass `--max-usd`
    └── MissingExtra      6   an optional package is not installed

The number is the exit code. Only our own bugs show a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SynthError(Exception):
    """A fault that the person at the keyboard can mend.

    Args:
        message: where and what, as `plots.yaml:12: unknown key 'axis'`.
        hint: the next command to type, or the line to write; may span lines.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class RecipeError(SynthError):
    """A recipe, a command-line option or synth.toml cannot mean anything."""

    exit_code = 2


class RowsRehearsed(RecipeError):
    """Rows that nobody wrote would go to a host; `synth run` ends with the files instead."""


class YieldError(SynthError):
    """The run ended, and fewer rows came through than the floor asks for."""

    exit_code = 3


class DataError(SynthError):
    """A file or a dataset cannot be read, is damaged, or is in use."""

    exit_code = 4


class ProviderError(SynthError):
    """The model's host refused, does not answer, or has no credit left."""

    exit_code = 5


class CapReached(ProviderError):
    """The next call could cost more than what is left of the cap.

    Args:
        enough: a cap that would do, in dollars.
    """

    def __init__(self, message: str, enough: float) -> None:
        super().__init__(message, f"everything is kept; to go on: --max-usd {enough:g}")
        self.enough = enough


class MissingExtra(SynthError):
    """An optional package is needed and not installed."""

    exit_code = 6

    @classmethod
    def of(cls, package: str, extra: str, why: str) -> MissingExtra:
        """The error that names the pip line which cures it."""
        return cls(f"{why} needs the package {package}", f"pip install 'synth-pipeline[{extra}]'")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'genre'?`, or the known names when nothing is close.

    Args:
        word: what was typed.
        known: what would have been understood.

    Returns:
        A clause without a final full stop; empty where nothing is known.
    """
    names = [str(name) for name in known]
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if not near:
        folded = {name.casefold(): name for name in names}
        near = [folded[word.casefold()]] if word.casefold() in folded else []
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(names)}" if names else ""
