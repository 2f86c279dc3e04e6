"""Finds rows whose text matches a regular expression of yours, or does not.

The pattern is Python's (`re`), searched for anywhere unless `full` says that the whole text must match; `(?i)` at its
beginning leaves case aside. The value is the number of matches. A search that takes over a second, as `(a+)+$` may, is
given up: the row is kept, with an error that says so; after ten of them no row is searched any more. (By a timer that
Linux and macOS have, and not in threads.) Of a text the first 200,000 characters are searched.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any, Literal

from pydantic import Field

from ..types import Sample
from ..views import answer, answers, asked
from ..words import plural, shown
from . import Decision, Measured, OptionFault, Options, RowRule, Rule

aliases = ("matches",)

LONGEST, COUNTED = 200_000, 1_000
"""Characters of a text that are searched, and matches that are counted."""
SECONDS, SLOW = 1.0, 10
"""What a search may take, and how many may take more before none is made any more."""
QUOTED = 60


class Measure(Options):
    """What is searched, and where."""

    pattern: str = Field(description="a regular expression, in single quotes: '\\d+ euros?'")
    of: Literal["answer", "answers", "prompt", "both"] = Field(
        "answer", description="the last answer; all of a conversation; the prompt; prompt and last answer")
    full: bool = Field(False, description="whether a text must match from its beginning to its end")


class Bounds(Options):
    """What a text must do, and what becomes of a row that does not."""

    must: Literal["match", "not_match"] = Field(description="whether a match keeps a row, or speaks against it")
    act: Literal["drop", "flag"] = Field("drop", description="what becomes of such a row")


class Regex(RowRule[Measure, Bounds]):
    """Counts matches."""

    _slow: int = 0

    @classmethod
    def prepare(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Patterns that YAML takes for a number, and no guess at what a match means."""
        if "value" in options:
            options["pattern"] = options.pop("value")
        if "must" not in options and "pattern" in options:
            written = str(options["pattern"]).replace("'", "''")
            raise OptionFault("must a text match, or not?", "\n".join(
                f"- regex: {{pattern: '{written}', must: {must}}}" for must in ("match", "not_match")))
        if isinstance(options.get("pattern"), int | float) and not isinstance(options["pattern"], bool):
            options["pattern"] = str(options["pattern"])
        return options

    def check(self) -> None:
        """A pattern that is one, and does not match nothing at all places."""
        try:
            empty = self._pattern.search("")
        except re.error as error:
            at = "" if error.pos is None else f" at character {error.pos + 1}, '{self.how.pattern[error.pos :][:10]}'"
            raise OptionFault(f"pattern: '{self.how.pattern}' is no regular expression: {error.msg}{at}",
                              f"pattern: '{re.escape(self.how.pattern)}'   finds just these characters") from None
        except (OverflowError, RecursionError):
            raise OptionFault("pattern: is too large for Python's regular expressions") from None
        if empty is not None and not self.how.full:
            raise OptionFault(f"pattern: '{self.how.pattern}' matches the empty text, so it matches any",
                              "pattern: 'a+' in place of 'a*', or full: true")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.how.pattern)

    def measure(self, sample: Sample) -> Measured | None:
        """How many matches, with the first one in the last answer; None where there is no text to search."""
        texts = self._texts(sample)
        if not texts:
            return None
        count, span = 0, None
        for text in texts:
            found = self._found(text)
            count += len(found)
            if found and span is None and text == sample.answer and self.how.of != "prompt":
                start, end = found[0].span()
                span = (start, end) if end > start else None
        return Measured(count, span)

    def decide(self, measured: Measured) -> Decision:
        """Compares with what a text must do."""
        count = int(measured.value or 0)
        if (count > 0) == (self.bounds.must == "match"):
            return Decision("keep")
        told = f"matches '{self._shown}' {plural(count, 'time')}" if count else f"does not match '{self._shown}'"
        return Decision(self.bounds.act, told)

    def explain(self, sample: Sample, decision: Decision, span: tuple[int, int] | None) -> str:
        """With the words that match first, where they stand in the last answer."""
        if not decision.reason or span is None:
            return decision.reason
        words = " ".join(shown(sample.answer[slice(*span)]).split())
        return f"{decision.reason}: '{words if len(words) <= QUOTED else words[:QUOTED] + '…'}'"

    @property
    def _shown(self) -> str:
        return shown(self.how.pattern if len(self.how.pattern) <= QUOTED else f"{self.how.pattern[:QUOTED]}…")

    def _texts(self, sample: Sample) -> list[str]:
        last = answer(sample)
        if self.how.of == "answers":
            return answers(sample)
        prompt = [asked(sample)] if self.how.of in ("prompt", "both") else []
        said = [last] if last is not None and self.how.of != "prompt" else []
        return [*filter(None, prompt), *said]

    def _found(self, text: str) -> list[re.Match[str]]:
        why = f"'{self._shown}' takes over {SECONDS:g} s: it repeats what repeats, as (a+)+ does"
        if self._slow >= SLOW:
            raise TimeoutError(f"{why}; it did so on {SLOW} rows, and this one was not searched")
        try:
            with _limited():
                if self.how.full:
                    return [found] if (found := self._pattern.fullmatch(text)) else []
                return list(islice(self._pattern.finditer(text, 0, LONGEST), COUNTED))
        except TimeoutError:
            self._slow += 1
            raise TimeoutError(why) from None


@contextmanager
def _limited() -> Iterator[None]:
    """Ends a search that takes too long, where the system has a timer for it. Raises TimeoutError."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


plugin: type[Rule[Measure, Bounds]] = Regex
