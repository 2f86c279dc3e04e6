"""What is going on, on one line that is gone when it is over; without a terminal a line per step."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from pipeline.commands import _console as console

if TYPE_CHECKING:
    from rich.live import Live

PLAIN_S = 5.0
"""Seconds between two lines where there is no terminal."""


class Doing:
    """Use as a context manager, and give `tell` to the library.

    Args:
        live: whether the line is drawn over; decided by the terminal where it is not given.
        clock: monotonic seconds.
    """

    def __init__(self, live: bool | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = console.talks_to_a_terminal() if live is None else live
        self._clock = clock
        self._live: Live | None = None
        self._said = ("", clock())

    def __enter__(self) -> Doing:
        if self._wanted:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def tell(self, what: str, done: int, total: int) -> None:
        """`base model writes, 2 of 5`."""
        count = f", {done:,} of {total:,}" if total > 1 else ""
        now = self._clock()
        if self._live is not None:
            from rich.text import Text

            line = console.one_line(f"{what}{count}", console.width() - 4)
            self._live.update(Text(line, "dim", no_wrap=True), refresh=True)
        elif now - self._said[1] >= PLAIN_S and self._said[0] != f"{what}{count}":
            self._said = (f"{what}{count}", now)
            console.say(f"{what}{count}")
