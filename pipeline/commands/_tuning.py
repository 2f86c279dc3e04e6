"""What tuning says of itself: a panel on a terminal, lines elsewhere, and a few lines once it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pipeline.commands import _console as console
from pipeline.commands._live import PLAIN_S, Region

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.backends import TuneProgress
    from pipeline.store.finetunes import Finetune
    from pipeline.types import Problem

BAR = 32


class TuningPanel(Region):
    """Use as a context manager; give `update` to the stage as its report.

    Args:
        name: the dataset.
        said: warnings that a person has read already.
        live: whether to draw a panel; decided by the terminal where it is not given.
        clock: monotonic seconds.
    """

    def __init__(
        self, name: str, said: Iterable[Problem] = (), live: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(live, clock)
        self.name = name
        self._known = {(problem.code, problem.where) for problem in said}
        self._said = float("-inf")
        self._state = ""

    def update(self, progress: TuneProgress) -> None:
        """One report of a backend."""
        if progress.parameters is not None:
            total, trained = progress.parameters
            with self.paused():
                share = console.percent(trained, total)
                console.fact("tunes", f"{trained:,} of {total:,} parameters ({share})")
        warning = progress.warning
        if warning is not None and (warning.code, warning.where) not in self._known:
            self._known.add((warning.code, warning.where))
            with self.paused():
                console.warn(f"{console.near(warning.where)}: {warning.message}")
        if self._draw(lambda: _drawn(self.name, progress)):
            return
        message = "" if progress.parameters is not None else progress.message  # said above
        if message or progress.state != self._state:
            console.say(console.shown(": ".join(part for part in (progress.state, message) if part)))
            self._state = progress.state
        elif progress.step and self._clock() - self._said >= PLAIN_S:
            self._said = self._clock()
            console.say(", ".join(parts(progress)))


def parts(progress: TuneProgress) -> list[str]:
    """`step 12 of 30`, the losses, the time left."""
    return [part for part in (steps(progress), *losses(progress), left(progress)) if part]


def steps(progress: TuneProgress) -> str:
    """`step 12 of 30`."""
    of = f" of {progress.steps:,}" if progress.steps else ""
    return f"step {progress.step:,}{of}"


def left(progress: TuneProgress) -> str:
    """`1 min 5 s left`; empty where nobody knows."""
    return "" if progress.seconds_left is None else f"{console.duration(progress.seconds_left)} left"


def losses(progress: TuneProgress) -> list[str]:
    """The last train and validation loss."""
    known = (("train loss", progress.train_loss), ("validation loss", progress.validation_loss))
    return [f"{name} {value:.3f}" for name, value in known if value is not None]


def _drawn(name: str, progress: TuneProgress) -> RenderableType:
    from rich.console import Group
    from rich.constrain import Constrain
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 2))
    for _ in range(4):
        head.add_column(no_wrap=True)
    bar = ProgressBar(total=progress.steps or 1, completed=progress.step, width=BAR, complete_style="cyan")
    head.add_row(Text(name, "bold"), bar, steps(progress) if progress.step else progress.state,
                 Text(left(progress), "dim"))
    lines = [Text("   ".join(losses(progress)))] if losses(progress) else []
    if progress.message:
        lines.append(Text(console.one_line(progress.message, console.WIDE), "dim"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Constrain(Group(head, *lines), console.width() - 4)


def tell(record: Finetune) -> None:
    """What came of it: losses at the beginning and at the end, the model, the cost."""
    found = record.metrics
    rows = [
        (what, _shown(found.get(f"first_{key}")), _shown(found.get(key)))
        for what, key in (("train loss", "train_loss"), ("validation loss", "validation_loss"))
        if found.get(key) is not None
    ]
    rows += [
        (what, "", _shown(found.get(key)))
        for what, key in (("train token accuracy", "train_token_accuracy"),
                          ("validation token accuracy", "validation_token_accuracy"))
        if found.get(key) is not None
    ]
    for line in console.table(rows, ("", "first", "last"), right=("first", "last")) if rows else ():
        console.out(line)
    if record.model is not None:
        console.fact("model", f"{record.model} (tuned from {record.base})")
    steps = f"{console.plural(found['steps'], 'step')} in " if found.get("steps") else ""
    console.fact("took", f"{steps}{console.duration(record.seconds)}{_cost(record)}")


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _cost(record: Finetune) -> str:
    if record.cost_usd is None:
        return ", cost not known yet"
    return f", {console.money(record.spent_usd)}" if record.spent_usd else ""
