"""What a run was thought to cost before it began, beside what it did cost: one section of manifest.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..words import about

if TYPE_CHECKING:
    from .calls import Spent
    from .dataset import Dataset

SECTION = "bill"


class Range(NamedTuple):
    """A number that is not known yet: what it will hardly be under, about what it will be, what it will hardly pass."""

    low: float
    middle: float
    high: float

    def plus(self, other: Range) -> Range:
        """The sum, as if both erred in the same direction."""
        return Range(self.low + other.low, self.middle + other.middle, self.high + other.high)

    def times(self, factor: float) -> Range:
        """All three, multiplied by what is known."""
        return Range(self.low * factor, self.middle * factor, self.high * factor)

    def by(self, other: Range) -> Range:
        """End by end multiplied, as if both erred in the same direction."""
        return Range(self.low * other.low, self.middle * other.middle, self.high * other.high)

    def told(self, show: Callable[[float], str] = about, to: str = " to ") -> str:
        """`79,200 to 396,000`; one number where both ends read the same."""
        low, high = show(self.low), show(self.high)
        return low if low == high else f"{low}{to}{high}"


def sure(value: float) -> Range:
    """A number that is known."""
    return Range(value, value, value)


class Foreseen(NamedTuple):
    """A bill before the run.

    Attributes:
        model: PROVIDER:MODEL that would write.
        writer: names prompt, parameters and model; see `generate.writer_digest`.
        at: UTC, ISO 8601.
        wanted: rows that the recipe asked for.
        answers: how many answers of this writer it rested on; 0 for a guess.
        calls: calls that were to be sent.
        usd: US dollars; None where no price was known.
        kept: of the rows wanted, those that curation was thought to keep; None where nothing told.
    """

    model: str
    writer: str
    at: str
    wanted: int
    answers: int
    calls: int
    input_tokens: Range
    output_tokens: Range
    usd: Range | None
    kept: Range | None


class Came(NamedTuple):
    """What came of it, with all that runs spent since the bill was made.

    Attributes:
        usd: US dollars of answers; what requests without an answer may cost is not in it.
        kept: rows that curation keeps; None where nobody counted.
        done: whether the run came to its end. Until then it is what was spent so far.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    usd: float
    kept: int | None
    done: bool


class Reckoning(NamedTuple):
    """A bill, and what came of it."""

    foreseen: Foreseen
    came: Came

    def as_json(self) -> dict[str, Any]:
        """Both, as `--json` prints them."""
        return {"foreseen": _as_json(self.foreseen), "came": self.came._asdict()}


def foresee(dataset: Dataset, foreseen: Foreseen) -> None:
    """Writes a bill down before its run. One that is still open for the same rows and writer stands: it was resumed."""
    noted = _section(dataset)
    open_ = _foreseen(noted)
    if open_ is not None and noted.get("came") is None and _same(open_, foreseen):
        return
    dataset.note(SECTION, {"foreseen": _as_json(foreseen), "before": _counts(dataset.calls.spent())})


def reckon(dataset: Dataset) -> Reckoning | None:
    """The last bill and what came of it, or came so far; None where there is none that can be read."""
    noted = _section(dataset)
    foreseen = _foreseen(noted)
    if foreseen is None:
        return None
    try:
        if noted.get("came") is not None:
            return Reckoning(foreseen, Came(**noted["came"]))
        before, spent = noted["before"], dataset.calls.spent()
        came = Came(
            spent.answered - int(before["calls"]), spent.input_tokens - int(before["input_tokens"]),
            spent.output_tokens - int(before["output_tokens"]), max(0.0, spent.usd - float(before["usd"])), None, False,
        )
        return Reckoning(foreseen, came)
    except (KeyError, TypeError):
        return None


def close(dataset: Dataset, model: str) -> Reckoning | None:
    """Notes what came of an open bill, at the end of its run; None where none is open.

    The bill of another model than PROVIDER:MODEL that wrote now is withdrawn: what was spent since is not its own.
    """
    found = reckon(dataset)
    if found is None or found.came.done:
        return None
    if found.foreseen.model != model:
        dataset.note(SECTION, {})
        return None
    found = found._replace(came=found.came._replace(done=True))
    dataset.note(SECTION, {**_section(dataset), "came": found.came._asdict()})
    return found


def leave_out(dataset: Dataset, calls: int, input_tokens: int, output_tokens: int, usd: float) -> None:
    """Takes what rules that ask have spent out of the open bill, where there is one: it is no part of it."""
    noted = _section(dataset)
    if calls and noted.get("before") and noted.get("came") is None:
        more = {"calls": calls, "input_tokens": input_tokens, "output_tokens": output_tokens, "usd": usd}
        before = {key: noted["before"].get(key, 0) + more[key] for key in more}
        dataset.note(SECTION, {**noted, "before": before})


def count_kept(dataset: Dataset, kept: int) -> Reckoning | None:
    """Notes how many rows curation keeps beside the last bill that was closed, and returns both."""
    found = reckon(dataset)
    if found is None or not found.came.done:
        return None
    found = found._replace(came=found.came._replace(kept=kept))
    dataset.note(SECTION, {**_section(dataset), "came": found.came._asdict()})
    return found


def _same(one: Foreseen, other: Foreseen) -> bool:
    return (one.writer, one.wanted) == (other.writer, other.wanted)


def _section(dataset: Dataset) -> dict[str, Any]:
    found = dataset.manifest().get(SECTION)
    return found if isinstance(found, dict) else {}


def _foreseen(noted: dict[str, Any]) -> Foreseen | None:
    """A bill as it was noted; None where a later version, or a hand, wrote something else."""
    try:
        values = dict(noted["foreseen"])
        for key in ("input_tokens", "output_tokens", "usd", "kept"):
            values[key] = None if values[key] is None else Range(**values[key])
        return Foreseen(**values)
    except (KeyError, TypeError, ValueError):
        return None


def _as_json(foreseen: Foreseen) -> dict[str, Any]:
    return {key: value._asdict() if isinstance(value, Range) else value for key, value in foreseen._asdict().items()}


def _counts(spent: Spent) -> dict[str, float]:
    return {"calls": spent.answered, "input_tokens": spent.input_tokens, "output_tokens": spent.output_tokens,
            "usd": spent.usd}
