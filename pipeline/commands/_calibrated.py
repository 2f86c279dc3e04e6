"""A rule beside people's labels, on the screen: how well they agree, what each bound would keep, which one to write."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.commands import _console as console
from pipeline.commands._spend import NAMES_A_REAL_ONE

if TYPE_CHECKING:
    from pipeline.curate import Calibration, Estimate
    from pipeline.store import Dataset

POINTS, WRONG = 12, 3
"""Lines of the table, and rows that are shown, at most."""
LENGTH = {
    "none": "no bias: its value hardly goes by the length of answers",
    "itself": "it measures length itself",
    "people": "no bias by itself: people prefer {kind} answers as well",
    "bias": "a length bias: it prefers {kind} answers, and people do not",
    "unclear": "it prefers {kind} answers; too few labels to say whether people do",
}


def show(found: Calibration, name: str) -> None:
    """Prints a calibration, and what to type next."""
    counts = found.labels
    made_up = ", REHEARSED: nobody real judged, and these numbers say nothing" if found.rehearsed else ""
    console.out(f"{found.rule} beside {counts.used} labels ({counts.keep} keep, {counts.used - counts.keep} drop), of "
                f"{console.plural(found.rows, 'row')} that it measured{made_up}")
    before = 2 + max(len(label) for label, _ in _lines(found)) + 2
    for label, text in _lines(found):
        console.listed(f"  {label}", text, before, "dim")
    console.out()
    _table(found)
    if found.rehearsed:
        _doubts(found)
        console.next_command(f"synth curate {name} {NAMES_A_REAL_ONE}", "a real model judges; then again")
        return
    console.out()
    for label, text in _suggested(found):
        console.listed(f"  {label}", text, before, "dim")
    _wrong(found)
    _doubts(found)
    if found.chosen.all:
        console.next_command(f"synth review {name} --by {found.rule}", "more labels say more")
        return
    for place, line in found.decides:
        console.fact("write", f"{place or 'the recipe'}: {line}")
    console.next_command(f"synth curate {name} --what-if {shlex.quote(found.move)}", "which rows that changes")


def told(estimate: Estimate) -> str:
    """`0.85 (0.64 to 0.95)`."""
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _lines(found: Calibration) -> list[tuple[str, str]]:
    """What holds whatever the bound."""
    agreed, apart = found.agreement, found.agreement.tells_apart()
    few = f": too few to tell {apart[0]:.1f} from {apart[1]:.1f}" if apart else ""
    lines = [("agreement", f"{told(agreed)}, {found.right} of {console.plural(agreed.rows, 'row')} as they are{few}")]
    lines += [("kappa", f"{told(found.kappa)}, beyond chance" if found.kappa else
               "none: it decides alike on all labelled rows, so nothing is beyond chance")]
    side = f"{'larger' if found.higher else 'smaller'} is better"
    why = f"as {found.rule}.{found.bound} has it" if found.by == "bounds" else "as the labels have it"
    lines += [("ROC AUC", f"{told(found.auc)}, {side}, {why}")]
    for pair in found.people:
        beyond = f", kappa {told(pair.kappa)}" if pair.kappa else ""
        lines.append(("people", f"{pair.one} and {pair.other} agree {told(pair.agreement)}{beyond}, on "
                                f"{console.plural(pair.agreement.rows, 'row')}: no rule can be held to more"))
    if found.length is not None:
        kind = "long" if found.length.rule.value > 0 else "short"
        people = f", labels {told(found.length.people)}" if found.length.people else ""
        lines.append(("length", f"{LENGTH[found.length.verdict].format(kind=kind)} (rank correlation with length: "
                                f"{found.rule} {found.length.rule.value:.2f}{people})"))
    return lines


def _table(found: Calibration) -> None:
    chosen, points = found.chosen.at, found.points
    marked = [place for place, point in enumerate(points) if point.now or point is chosen]
    step = max(1, -(-len(points) // (POINTS - len(marked))))
    shown = sorted({*marked, *range(0, len(points), step)})
    rows = []
    for point in (points[place] for place in shown):
        suggested = point is chosen and bool(found.move)
        marks = [word for word, there in (("now", point.now), ("suggested", suggested)) if there]
        rows.append((console.number(point.at), point.kept, console.percent(point.kept, found.rows),
                     told(point.precision), told(point.recall), ", ".join(marks)))
    columns = (found.bound, "kept", "of all", "precision", "recall", "")
    for line in console.table(rows, columns, right=columns[:3], indent=2):
        console.out(line)


def _suggested(found: Calibration) -> Iterator[tuple[str, str]]:
    chosen = found.chosen
    if chosen.all:
        much = ("which is enough" if chosen.why == "precision" else
                f"and no bound reaches {found.want:g} or is better in both (F1)")
        yield "suggested", (f"no bound of {found.rule}: where every row passes, precision is "
                            f"{chosen.at.precision.value:.2f}, {much}")
        return
    best = (f"of the bounds with precision {found.want:g} or more the one with the largest recall"
            if chosen.why == "precision" else
            f"no bound has precision {found.want:g}; this one has the best of both (F1)")
    yield "suggested", f"{found.move}: {best}"
    yield "expected", (f"precision {chosen.precision:.2f}, recall {chosen.recall:.2f}: what the table says, less what "
                       "it flatters itself by, being chosen on the same rows")
    if chosen.low != chosen.high:
        yield "", (f"labels drawn again choose {console.number(chosen.low)} to {console.number(chosen.high)} in nine "
                   "of ten cases")


def _wrong(found: Calibration) -> None:
    if not found.wrong:
        return
    console.out()
    shown = found.wrong[:WRONG]
    where = f"at {found.move}" if found.move else "where every row passes"
    console.out(f"{where} it differs from the labels on {console.plural(len(found.wrong), 'row')}"
                f"{':' if len(shown) == len(found.wrong) else f'; {len(shown)} of them:'}")
    rows = [(each.sample[:8], console.number(each.value), "people keep it" if each.good else "people drop it",
             console.one_line(each.text, console.WIDE)) for each in shown]
    for line in console.table(rows, ("", " ", "  ", "   "), right=(" ",), wide="   ", indent=2):
        console.out(line)


def _doubts(found: Calibration) -> None:
    """What of the labels makes the numbers less than they look."""
    counts = found.labels
    if counts.picked and counts.used < found.rows:
        console.warn(f"{console.plural(counts.picked, 'label')} on rows that a person picked or a file named: all this "
                     "holds as far as those are like the others")
    if counts.part:
        console.warn(f"{console.plural(counts.part, 'label')} on rows that a filter let through: likewise")
    if counts.seen:
        console.warn(f"{console.plural(counts.seen, 'label')} given in sight of what the rules had found")
    why = {"on an earlier text": counts.stale, f"on rows that {found.rule} did not measure": counts.unmeasured}
    lost = [f"{count} {words}" for words, count in why.items() if count]
    if lost:
        console.warn(f"labels that do not count: {', '.join(lost)}")
    empty = [part for part in found.strata if not part.labelled]
    if empty:
        places = ", ".join(f"{console.number(part.least)} to {console.number(part.most)} ({part.rows:,})"
                           for part in empty)
        console.warn(f"no label on rows with {found.rule} {places}: the nearest ones speak for them")


def as_json(found: Calibration, dataset: Dataset) -> dict[str, Any]:
    """As `--json` prints it."""
    plain = _plain(found)
    assert isinstance(plain, dict)
    return {"dataset": dataset.name, **plain}


def _plain(value: Any) -> Any:
    """Named tuples and dataclasses as JSON objects."""
    if hasattr(value, "_asdict"):
        return {key: _plain(each) for key, each in value._asdict().items()}
    if hasattr(value, "__dataclass_fields__"):
        return {key: _plain(getattr(value, key)) for key in value.__dataclass_fields__}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
