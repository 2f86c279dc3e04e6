"""What is going on, on one line that is gone when it is over; without a terminal a line per step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.commands import _console as console
from pipeline.commands._live import PLAIN_S, Region

if TYPE_CHECKING:
    from rich.console import RenderableType


class Doing(Region):
    """Use as a context manager, and give `tell` to the library.

    Args:
        live: whether the line is drawn over; decided by the terminal where it is not given.
        clock: monotonic seconds.
    """

    def __init__(self, live: bool | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(live, clock)
        self._said = ("", clock())

    def tell(self, what: str, done: int, total: int) -> None:
        """`base model writes, 2 of 5`."""
        line = what + (f", {done:,} of {total:,}" if total > 1 else "")
        now = self._clock()
        if not self._draw(lambda: _drawn(line)) and now - self._said[1] >= PLAIN_S and self._said[0] != line:
            self._said = (line, now)
            console.say(line)


def _drawn(line: str) -> RenderableType:
    from rich.text import Text

    return Text(console.one_line(line, console.width() - 4), "dim", no_wrap=True)
