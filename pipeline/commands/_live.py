"""The part of a terminal that is drawn over while something goes on, and lines every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pipeline.commands import _console as console

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

PLAIN_S = 5.0
"""Seconds between two lines where there is no terminal."""


class Region:
    """Use as a context manager.

    Args:
        live: whether it is drawn; decided by the terminal where it is not given.
        clock: monotonic seconds.
    """

    def __init__(self, live: bool | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = console.talks_to_a_terminal() if live is None else live
        self._clock = clock
        self._live: Live | None = None

    def __enter__(self) -> Self:
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

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Takes it off the terminal while something is said there that stays."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        yield
        if live is not None:
            live.start()
            self._live = live

    def _draw(self, make: Callable[[], RenderableType]) -> bool:
        """Draws what `make` returns; False where there is nothing to draw on."""
        if self._live is None:
            return False
        self._live.update(make(), refresh=True)
        return True
