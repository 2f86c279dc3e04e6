"""Keeps answers whose length lies within bounds, in bytes, characters, words or tokens.

Both bounds are inclusive. The unit is always written, because bytes, characters and tokens keep
different rows. A size such as "1 KB" is refused with its possible meanings; "1 KiB" and "200 words"
have one meaning and are read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field

from ..types import Sample, Scalar
from ..views import answered
from ..words import plural
from . import Decision, Measured, OptionFault, Options, RowRule, Rule

if TYPE_CHECKING:
    from ..tokens import Count

UNITS = ("bytes", "chars", "words", "tokens")
_SIZE = re.compile(r"\s*((?:\d{1,3}(?:,\d{3})+|\d[\d_ ]*)(?:\.\d+)?)\s*([A-Za-z]*)\s*")  # 1,024 and 2 500; not 2,5,20
_BINARY = {"kib": 1024, "mib": 1024**2}
_VAGUE = {"k": 1, "kb": 1, "m": 2, "mb": 2}
"""Letters that mean a power of 1,000 to some and of 1,024 to others."""
_SPELLINGS = {"byte": "bytes", "b": "bytes", "char": "chars", "characters": "chars", "character": "chars",
              "word": "words", "token": "tokens"}


class Measure(Options):
    """What is counted."""

    unit: Literal["bytes", "chars", "words", "tokens"] = Field(
        description="bytes of UTF-8, Unicode characters, runs between white space, or tokens")
    newline: Literal["as-is", "lf", "crlf"] = Field("as-is", description="a line break counts as it is, as 1, as 2")
    of: Literal["last", "shortest", "longest", "all"] = Field(
        "last", description="of a conversation: which of the answers that are trained on; all: together")
    model: str | None = Field(None, description="whose tokens, as gpt-4.1-mini; goes with `unit: tokens`")


class Bounds(Options):
    """How much is enough, and how much too much. Both inclusive."""

    min: int | None = Field(None, ge=0, description="the least that is kept; also as 2 KiB or 200 words")
    max: int | None = Field(None, ge=0, description="the most that is kept")


class Length(RowRule[Measure, Bounds]):
    """Counts the answer as it is trained, before any template or stop token is added."""

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Reads texts such as `2 KiB` or `200 words`, and refuses what has several meanings."""
        if "unit" in options:
            options["unit"] = _SPELLINGS.get(str(options["unit"]).casefold(), options["unit"])
        sizes = {key: _size(options[key]) for key in ("min", "max", "value") if options.get(key) is not None}
        vague = next((key for key, size in sizes.items() if size and size.power), None)
        if vague is not None:
            raise OptionFault(*_choices(str(options[vague]), options, sizes))
        for key, size in sizes.items():
            if size is not None and size.unit and options.setdefault("unit", size.unit) != size.unit:
                raise OptionFault(f"{key}: {options[key]!r} is no number of {options['unit']}")
        units = [str(options["unit"])] if "unit" in options else list(UNITS)
        if "value" in options:
            raise OptionFault(f"is {options['value']} the least or the most?", _lines(options, sizes, units[:1]))
        if "unit" not in options:
            raise OptionFault("which unit? bytes, chars, words and tokens keep different rows",
                              _lines(options, sizes, units))
        return {**options, **{key: round(size.amount) for key, size in sizes.items() if size}}

    def check(self) -> None:
        """Bounds in order, and a model where tokens are counted."""
        low, high = self.bounds.min, self.bounds.max
        if low is not None and high is not None and low > high:
            raise OptionFault(f"min {low} is above max {high}: no row can pass")
        if self.how.unit == "tokens" and not self.how.model:
            raise OptionFault("whose tokens? name the model", _lines(
                self.bounds.model_dump(), dict.fromkeys(self.bounds.model_dump(exclude_none=True)), ["tokens"]))
        if self.how.unit != "tokens" and self.how.model:
            raise OptionFault(f"`model` goes with unit: tokens, not with {self.how.unit}")

    def context(self) -> Scalar:
        """Whether tokens are exact here, or estimated because the tokenizer's file is not."""
        return _count("", self.how.model).exact if self.how.model else None

    def measure(self, sample: Sample) -> Measured | None:
        """The count, a whole number; None where the answer is a call of tools."""
        texts = answered(sample)
        if texts is None:
            return None
        counts = [self._count(text) for text in ([sample.answer] if self.how.of == "last" else texts)]
        return Measured({"shortest": min, "longest": max}.get(self.how.of, sum)(counts))

    def _count(self, text: str) -> int:
        if self.how.newline != "as-is":
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            text = text.replace("\n", "\r\n") if self.how.newline == "crlf" else text
        if self.how.unit == "bytes":
            return len(text.encode("utf-8", "surrogatepass"))
        if self.how.unit == "tokens":
            return _count(text, self.how.model or "").tokens
        return len(text) if self.how.unit == "chars" else len(text.split())

    def decide(self, measured: Measured) -> Decision:
        """Drops what lies outside the bounds."""
        value, low, high = int(measured.value or 0), self.bounds.min, self.bounds.max
        if (low is None or value >= low) and (high is None or value <= high):
            return Decision("keep")
        about = "about " if self.context() is False else ""
        told = f"{about}{plural(value, self.how.unit.removesuffix('s'))}"
        if low is not None and value < low:
            return Decision("drop", f"{told} < {low:,}")
        return Decision("drop", f"{told} > {high:,}")


def _count(text: str, model: str) -> Count:
    """Tokens of a text. Imported here: most length rules count none."""
    from ..tokens import count

    return count(text, model)


class _Size(NamedTuple):
    """A size as a person writes it: 2 KiB is 2048 bytes; 1 KB is 1 of power 1, to a base not known."""

    amount: float
    unit: str
    power: int = 0


def _size(value: Any) -> _Size | None:
    """Reads a size; None for a plain number, and for what is no size at all."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    amount, letters = float(re.sub(r"[,_ ]", "", found[1])), found[2].casefold()
    if letters in _VAGUE:
        return _Size(amount, "", _VAGUE[letters])
    if letters in _BINARY:
        return _Size(amount * _BINARY[letters], "bytes")
    unit = _SPELLINGS.get(letters, letters)
    return _Size(amount, unit) if amount == int(amount) and unit in ("", *UNITS) else None


def _lines(
    options: dict[str, Any], sizes: dict[str, _Size | None], units: list[str], base: int = 1, newline: str = ""
) -> str:
    """The item as it could be written: a line per unit, and per bound where none is named."""
    numbers = {key: round(size.amount * base**size.power) if size else options[key] for key, size in sizes.items()}
    bounds = [{bound: numbers["value"]} for bound in ("min", "max")] if "value" in numbers else [numbers]
    items = [
        {**bound, "unit": unit, "newline": newline or options.get("newline"),
         "model": "gpt-4.1-mini" if unit == "tokens" else None}
        for unit in units for bound in bounds
    ]
    texts = [", ".join(f"{key}: {value}" for key, value in item.items() if value is not None) for item in items]
    return "\n".join(f"- length: {{{text}}}" for text in texts)


def _choices(vague: str, options: dict[str, Any], sizes: dict[str, _Size | None]) -> tuple[str, str]:
    """Message and hint for a size that has several meanings."""
    meanings = [
        ("1,000 each, in bytes, a line break counts as 1 (LF)", ["bytes"], 1000, "lf"),
        ("1,024 each, in bytes, a line break counts as 1 (LF)", ["bytes"], 1024, "lf"),
        ("1,024 each, in bytes, a line break counts as 2 (CRLF)", ["bytes"], 1024, "crlf"),
        ("1,000 each, in characters", ["chars"], 1000, ""),
    ]
    lines = [f"{line}    # {meaning}" for meaning, units, base, newline in meanings
             for line in _lines(options, sizes, units, base, newline).splitlines()]
    message = (f"'{vague}' has several meanings, and they keep different rows: is it 1,000 or 1,024? bytes or "
               "characters? do line breaks count as LF or as CRLF? is it the least (min) or the most (max)?")
    return message, "write the one that you mean:\n" + "\n".join(lines)


plugin: type[Rule[Measure, Bounds]] = Length
