"""Rows at a terminal, one at a time: a key decides, and each decision is on the disk before the next row is shown."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.rows import Row
from pipeline.views import shown as says

if TYPE_CHECKING:
    from pipeline.store import Dataset

KEYS = {"k": "keep", "d": "drop", "s": "skip", "u": "undo", "m": "more", "?": "help", "q": "quit"}
ENDS = ("\x03", "\x04", "\x1b")
"""Ctrl-C, Ctrl-D and Escape: as `q`."""
HELP = """\
k  keep it: it stays in the set, whatever rules say
d  drop it
s  skip it: nothing is decided
u  undo: back to the row before, its label taken back
m  more: the whole prompt and answer
q  quit: what was decided is kept"""
PROMPT_LINES, ROOM, LEAST = 3, 13, 6
"""Lines of a prompt; lines of a terminal that are not the answer's; lines of an answer that are shown at least."""


class Session:
    """Labels rows one at a time.

    Args:
        dataset: where decisions are written.
        rows: in the order in which they are shown.
        who: the person.
        drawn: how the rows came, see store/reviews.py; None where the person named the row.
        blind: whether what rules found is hidden, and what they may have measured.
        key: waits for a key, as `click.getchar` does.
    """

    def __init__(
        self, dataset: Dataset, rows: Sequence[Row], who: str, drawn: dict[str, Any] | None, blind: bool,
        key: Callable[[], str],
    ) -> None:
        self.dataset, self.rows, self.who, self.drawn, self.blind, self.key = dataset, rows, who, drawn, blind, key
        self.decided: list[str | None] = []

    def run(self) -> Counter[str]:
        """Until the last row or a wish to stop; how many were `keep`, `drop` and `skip`."""
        while len(self.decided) < len(self.rows):
            row = self.rows[len(self.decided)]
            self._show(row)
            if not self._decide(row):
                break
        return Counter(action or "skip" for action in self.decided)

    def _decide(self, row: Row) -> bool:
        """Asks until a key decides on the row; False to stop."""
        while True:
            word = self._asked()
            if word == "quit":
                return False
            if word in ("keep", "drop"):
                self.dataset.review(row.sample.id, word, row.sample.digest, by=self.who, drawn=self.drawn)
                self.decided.append(word)
                return True
            if word == "skip":
                self.decided.append(None)
                return True
            if word == "undo":
                if self._undone():
                    return True
                console.say("there is nothing to undo: this is the first row", "dim")
            elif word == "more":
                self._show(row, whole=True)
            else:
                console.say(HELP, "dim")

    def _undone(self) -> bool:
        """Takes back what was decided on the row before; False where this is the first."""
        if not self.decided:
            return False
        if self.decided.pop() is not None:
            before = self.rows[len(self.decided)].sample
            self.dataset.review(before.id, "undo", before.digest, by=self.who)
        return True

    def _asked(self) -> str:
        """The word of a key; `help` for one that means nothing."""
        told = "  ".join(f"{key} {word}" for key, word in KEYS.items())
        click.echo(f"{console.styled(told, 'dim', error=True)}  ", nl=False, err=True)
        try:
            key = self.key()
        except (EOFError, KeyboardInterrupt):
            key = "q"
        word = "quit" if key in ENDS else KEYS.get(key.lower(), "help")
        known = key.lower() in KEYS or word == "quit"
        console.say(word if known else "that key means nothing here", {"keep": "good", "drop": "bad"}.get(word, ""))
        return word

    # -- a row -----------------------------------------------------------------------------------

    def _show(self, row: Row, whole: bool = False) -> None:
        sample, wide = row.sample, console.width()
        head = f"{len(self.decided) + 1} of {len(self.rows)}"
        console.say()
        console.say(f"{head}  {sample.id[:8]}  " + "─" * max(3, wide - len(head) - 12), "bold")
        if sample.cell:
            self._text(console.pairs(sample.cell), None, "dim")
        system = (sample.last("system") or {}).get("content")
        for title, text in (("system", system if isinstance(system, str) else ""), ("prompt", sample.prompt)):
            if text:
                console.say()
                console.say(title, "dim")
                self._text(text, None if whole else PROMPT_LINES)
        answer = says(sample.last("assistant") or {})
        size = len(answer.encode("utf-8", "surrogatepass"))
        beside = f"   {console.plural(size, 'byte')}, {console.plural(len(answer.split()), 'word')}"
        console.say()
        console.say(f"answer{'' if self.blind else beside}", "dim")  # what a rule may have measured
        room = max(LEAST, shutil.get_terminal_size((100, 24)).lines - ROOM)
        self._text(answer or "(empty)", None if whole else room, "bold" if not console.colour(error=True) else "")
        console.say()
        if not self.blind:
            _findings(row)

    @staticmethod
    def _text(text: str, lines: int | None, style: str = "") -> None:
        """A text in the width of the terminal, `lines` lines at most."""
        wide = console.width()
        parts = [part for line in console.shown(text).split("\n") for part in console.wrapped(line, wide)]
        shown = parts if lines is None or len(parts) <= lines + 1 else parts[:lines]
        for line in shown:
            console.say(line, style)
        if len(shown) < len(parts):
            console.say(f"… {len(parts) - len(shown):,} more lines: m shows them", "dim")


def _findings(row: Row) -> None:
    """What speaks against a row."""
    for found in row.against:
        why = found.reason or found.outcome
        style = "bad" if found.outcome == "drop" else "warn"
        console.say(f"{found.rule}: {console.short_ids(why)}", style)
    if row.verdict is None:
        console.say("no rule has looked at it yet", "dim")
    elif not row.against:
        console.say("no rule has anything against it", "dim")
    console.say()
