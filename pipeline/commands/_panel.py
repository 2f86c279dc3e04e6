"""A run while it goes on: a panel on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pipeline.commands import _console as console
from pipeline.commands._live import PLAIN_S, Region

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from pipeline.engine.progress import Progress

WINDOW_S = 20.0
"""Speeds are those of the last so many seconds."""
BAR = 32
MARGIN, GAP = 4, 3
"""Columns left free at the right of a panel, and between two of its parts."""


class Speed(NamedTuple):
    """Output tokens and rows in a second."""

    tokens: float
    rows: float


class Panel(Region):
    """What a run says of itself. Use as a context manager; give `update` to the engine as its report.

    Args:
        name: the dataset.
        live: whether to draw a panel; lines where not. Decided by the terminal where it is not given.
        clock: monotonic seconds.
    """

    def __init__(self, name: str, live: bool | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(live, clock)
        self.name = name
        self._past: deque[tuple[float, int, int]] = deque()
        self._said = clock()

    def update(self, progress: Progress) -> None:
        """Draws the counters; called several times a second."""
        now = self._clock()
        speed = self.speed(progress, now)
        if not self._draw(lambda: _drawn(self.name, progress, speed)) and now - self._said >= PLAIN_S:
            self._said = now
            console.say(", ".join(parts(progress, speed)))

    def speed(self, progress: Progress, now: float) -> Speed:
        """How fast answers came during the last seconds."""
        self._past.append((now, progress.output_tokens, progress.answered))
        while len(self._past) > 2 and now - self._past[0][0] > WINDOW_S:
            self._past.popleft()
        then, tokens, rows = self._past[0]
        seconds = now - then
        if seconds < 0.2:
            return Speed(0.0, 0.0)
        return Speed((progress.output_tokens - tokens) / seconds, (progress.answered - rows) / seconds)


def parts(progress: Progress, speed: Speed) -> list[str]:
    """The counters as phrases: rows, kept, failed, speed, cost, time left."""
    found = [rows(progress)]
    if progress.kept is not None:
        found.append(f"{progress.kept:,} kept so far")
    if progress.failed:
        found.append(failed(progress))
    if speed.tokens >= 1:
        found.append(f"{speed.tokens:,.0f} tokens/s")
    found.append(cost(progress))
    found.append(held_up(progress) or left(progress, speed))
    return [part for part in found if part]


def rows(progress: Progress) -> str:
    """`212 of 396 rows`."""
    return f"{progress.done:,} of {progress.total:,} rows" if progress.total else f"{progress.done:,} rows"


def failed(progress: Progress) -> str:
    """`3 failed (1 refused, 2 timeout)`."""
    return f"{progress.failed:,} failed ({kinds(progress)})"


def kinds(progress: Progress) -> str:
    """`1 refused, 2 timeout`."""
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(progress.failures.items()))


def cost(progress: Progress) -> str:
    """`$0.12 so far, about $0.22 in all`; empty for a run that costs nothing."""
    if progress.usd is None:
        return "cost unknown"
    projected = progress.usd_projected
    whole = f", about {console.money(projected)} in all" if projected and projected > progress.usd else ""
    return f"{console.money(progress.usd)} so far{whole}" if progress.usd or progress.usd_worst else ""


def in_flight_worst(progress: Progress) -> str:
    """What requests without an answer may still cost; empty under a cent."""
    return f", at most {console.money(progress.usd_worst)} more on the way" if progress.usd_worst >= 0.01 else ""


def held_up(progress: Progress) -> str:
    """Why nothing new is sent; empty while it is."""
    if progress.stopping is not None:
        out = console.plural(progress.in_flight, "answer")
        return f"stopping: {progress.stopping:.0f} s for {out} on the way; Ctrl-C again leaves at once"
    return f"waiting: {progress.waiting}" if progress.waiting else ""


def left(progress: Progress, speed: Speed) -> str:
    """`1 min 5 s left`, at the speed of the last seconds."""
    missing = (progress.total or 0) - progress.done - progress.failed
    return f"{console.duration(missing / speed.rows)} left" if missing > 0 and speed.rows > 0 else ""


def _drawn(name: str, progress: Progress, speed: Speed) -> RenderableType:
    """The panel: a bar, counters, money, and the row that came last."""
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2))
    for _ in range(4):
        head.add_column(no_wrap=True)
    bar = ProgressBar(total=progress.total or 1, completed=progress.done, width=BAR, complete_style="cyan")
    head.add_row(Text(name, "bold"), bar, rows(progress), Text(left(progress, speed), "dim"))
    counters = [
        Text(f"{progress.kept:,} kept so far", "green") if progress.kept is not None else Text(),
        Text(failed(progress), "red") if progress.failed else Text(),
        Text(f"{progress.in_flight:,} in flight", "dim"),
        Text(f"{progress.retried:,} tried again", "dim") if progress.retried else Text(),
    ]
    pace = [
        Text(cost(progress) + in_flight_worst(progress)),
        Text(f"{speed.tokens:,.0f} tokens/s", "dim") if speed.tokens >= 1 else Text(),
    ]
    room = console.width() - MARGIN
    lines = [line for row in (counters, pace) for line in _packed([part for part in row if part], room)]
    if progress.last is not None:
        failure = progress.last.failure
        text = failure.message if failure else progress.last.text
        lines.append(Text(console.one_line(text, console.WIDE), "red" if failure else "dim"))
    if held := held_up(progress):
        lines.append(Text(held, "yellow"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    # the terminal writes ^C behind the last line: it must not wrap there, or the panel would lose its place
    return Constrain(Group(head, *lines), room)


def _packed(parts: list[Text], room: int) -> list[Text]:
    """Parts one behind the other, on as many lines as they need: none of them is cut."""
    from rich.text import Text

    lines: list[list[Text]] = []
    for part in parts:
        if lines and sum(len(each) + GAP for each in lines[-1]) + len(part) <= room:
            lines[-1].append(part)
        else:
            lines.append([part])
    return [Text(" " * GAP).join(line) for line in lines]
