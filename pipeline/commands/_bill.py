"""The bill before a run as a table, and the bill beside what it came to as a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.commands import _console as console
from pipeline.words import about

if TYPE_CHECKING:
    from pipeline.generate import RunPlan
    from pipeline.generate.bill import Forecast
    from pipeline.store.foreseen import Range, Reckoning

TELLING = 20
"""Preview rows that make a bill worth something: their mean is within a quarter where lengths vary by half."""
Line = tuple[str, str, str, str, str]


def table(plan: RunPlan, tells: str) -> list[str]:
    """Tokens, dollars and kept rows of the calls that are missing: low, middle, high, and what they rest on.

    Args:
        plan: with calls that are missing.
        tells: the command that tells more where nothing is known of what is kept.
    """
    ahead = plan.forecast
    rows = [*_tokens(ahead), *_money(ahead), *_skipped(ahead, tells), *_kept(plan, tells)]
    titles = ("", "low", "middle", "high", " ")
    return console.table(rows, titles, right=titles[1:4], wide=" ", indent=2)


def came(found: Reckoning) -> str:
    """What a run came to beside its bill, on one line."""
    foreseen, came = found
    parts = []
    if came.calls != foreseen.calls:
        parts.append(f"{console.plural(came.calls, 'call')} ({foreseen.calls:,} foreseen)")
    if foreseen.usd is not None:
        parts.append(f"{console.money(came.usd)} (foreseen {foreseen.usd.told(console.money)})")
    parts.append(f"{came.input_tokens:,} tokens in ({foreseen.input_tokens.told()})")
    parts.append(f"{came.output_tokens:,} out ({foreseen.output_tokens.told()})")
    if came.kept is not None and foreseen.kept is not None:
        parts.append(f"{came.kept:,} rows kept ({foreseen.kept.told()})")
    return ", ".join(parts)


def reckoned(found: list[tuple[str, Reckoning]]) -> list[str]:
    """A table of datasets: what was foreseen, and what it came to."""
    rows: list[tuple[str, ...]] = []
    for name, (foreseen, came) in found:
        usd, kept = foreseen.usd, foreseen.kept
        rows.append((name, "foreseen", f"{foreseen.calls:,}", foreseen.input_tokens.told(to="-"),
                     foreseen.output_tokens.told(to="-"), usd.told(console.money, "-") if usd else "unknown",
                     kept.told(to="-") if kept else ""))
        rows.append(("", "came" if came.done else "so far", f"{came.calls:,}", f"{came.input_tokens:,}",
                     f"{came.output_tokens:,}", console.money(came.usd), "" if came.kept is None else f"{came.kept:,}"))
    titles = ("last run", "", "calls", "tokens in", "tokens out", "cost", "rows kept")
    return console.table(rows, titles, right=titles[2:])


def _line(title: str, found: Range, note: str, show: Callable[[float], str] = about) -> Line:
    """A range as cells; the middle alone, with all its digits, where it is known."""
    if found.low == found.high:
        return (title, "", show(found.middle) if show is not about else f"{round(found.middle):,}", "", note)
    low, middle, high = map(show, found)
    return (title, low, middle, high, note)


def _fine(usd: float) -> str:
    """US dollars with two digits that tell something: $0.00053."""
    return f"${usd:.2g}" if 0.0001 <= usd < 0.01 else console.money(usd)


def _tokens(ahead: Forecast) -> list[Line]:
    counted = "exact" if ahead.exact else "as this host counted before" if ahead.calibrated else "an estimate"
    rows = [_line("tokens in", ahead.input_tokens, counted)]
    if len(ahead.steps) == 1:
        return [*rows, _line("tokens out", ahead.output_tokens, _rests(ahead.answers))]
    rows += [_line(f"out, {step.name}", step.output_tokens, _rests(step.answers)) for step in ahead.steps]
    return rows


def _rests(answers: int) -> str:
    return f"as {answers:,} answers were" if answers else "a guess by the output limit"


def _money(ahead: Forecast) -> list[Line]:
    if not ahead.usd or not ahead.usd.high:
        return []
    guess = "" if ahead.timed else ", a guess"
    seconds = f"about {console.duration(ahead.seconds.middle)}{guess}" if ahead.seconds else ""
    rows = [_line("cost, live", ahead.usd, seconds, console.money)]
    if ahead.batch_usd is not None:
        rows.append(_line("cost, batch", ahead.batch_usd, "within 24 h", console.money))
    return rows


def _skipped(ahead: Forecast, tells: str) -> list[Line]:
    if ahead.skipped is None:
        return []
    rests = f"as of {console.plural(ahead.decided, 'draw')} so far" if ahead.decided else f"a guess; {tells} tells"
    return [_line("rows skipped", ahead.skipped, rests)]


def _kept(plan: RunPlan, tells: str) -> list[Line]:
    ahead = plan.forecast
    if ahead.kept is None:
        return [("rows kept", "", "?", "", f"{tells} tells")]
    if not ahead.judged:
        return [_line("rows kept", ahead.kept, "all: no rule drops any")]
    by = "by verdicts on" if ahead.by == "verdicts" else "by row rules on" if ahead.compares else "by rules on"
    rows = [_line("rows kept", ahead.kept, f"of {plan.wanted:,}, {by} {console.plural(ahead.judged, 'row')}")]
    if ahead.usd_per_kept is not None:
        rows.append(_line("per kept row", ahead.usd_per_kept, "live", _fine))
    return rows
