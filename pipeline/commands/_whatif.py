"""`synth curate --what-if`: what other bounds would decide, for one value, for several, or the rows kept at each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.commands import _console as console
from pipeline.commands import _curated, _judged
from pipeline.commands._options import Target
from pipeline.errors import RecipeError

if TYPE_CHECKING:
    from pipeline.curate import Curve, Starved, WhatIf
    from pipeline.store import Dataset

EACH_WAY, BAR = 3, 20
REHEARSED = "rehearsed scores only flag real rows"


def ask(dataset: Dataset, target: Target, texts: Sequence[str], json_: bool) -> None:
    """What other bounds would decide, or the rows kept at each value.

    Raises:
        RecipeError: some have a value and others have none.
    """
    from pipeline.curate import is_curve, ways

    asked = [text for text in texts if is_curve(text)]
    if asked and len(asked) < len(texts):
        given = " ".join(f"--what-if {shlex.quote(text)}" for text in texts if text not in asked)
        none = " ".join(f"--what-if {shlex.quote(text)}" for text in asked)
        raise RecipeError(f"--what-if {asked[0]}: give it a value as the others, or ask for it alone",
                          f"synth curate {target.name} {none}\nsynth curate {target.name} {given}")
    if asked:
        _curves(dataset, target, texts, json_)
    elif len(each := ways(texts)) > 1:
        _several(dataset, target, each, json_)
    else:
        _one(dataset, target, texts, json_)


def _curves(dataset: Dataset, target: Target, texts: Sequence[str], json_: bool) -> None:
    from pipeline.curate import curve

    recipe = target.recipe()
    curves = [curve(dataset, text, recipe) for text in texts]
    if json_:
        console.as_json([found._asdict() | {"points": [point._asdict() for point in found.points]}
                         for found in curves])
    else:
        for found in curves:
            show_curve(found, target)
        _judged.tell_otherwise(dataset, target)
    moved = next((found.another for found in curves if found.another), "")
    if moved:
        console.next_command(f"synth curate {target.name} --what-if {shlex.quote(moved)}", "which rows that changes")
    else:
        console.next_command(f"synth inspect {target.name} --sample 5")


def _several(dataset: Dataset, target: Target, ways: Sequence[Sequence[str]], json_: bool) -> None:
    """A line for each value of a bound that has several."""
    from pipeline.curate import what_if

    recipe = target.recipe()
    with _judged.Judging(target, recipe, dataset, yes=False, as_before=True) as judges:
        found = [what_if(dataset, way, recipe, judges) for way in ways]
    if json_:
        console.as_json([what_if_json(each, each.curation.draws.starved(dataset)) for each in found])
    else:
        _show_several(found)
        _judged.tell_otherwise(dataset, target)
    best = next((way for way, each in zip(ways, found, strict=True) if each.changed != (0, 0)), ways[0])
    words = " ".join(f"--what-if {shlex.quote(text)}" for text in best)
    console.next_command(f"synth curate {target.name} {words}", "which rows that changes, and how it is decided")


def _show_several(found: Sequence[WhatIf]) -> None:
    first = found[0].curation
    many = [place for place, moved in enumerate(found[0].moved) if any(each.moved[place] != moved for each in found)]
    fixed = [str(moved) for place, moved in enumerate(found[0].moved) if place not in many]
    told = f", with {', '.join(fixed)}" if fixed else ""
    now = first.before.kept if first.before else 0
    console.out(f"{console.plural(now, 'row')} kept now, of {first.tally.rows:,}{told}")
    rows = [(*(_value(each.moved[place].then) for place in many), each.curation.tally.kept,
             console.percent(each.curation.tally.kept, each.curation.tally.rows), *each.changed,
             "now" if all(moved.now == moved.then for moved in each.moved) else "") for each in found]
    names = [f"{found[0].moved[place].rule}.{found[0].moved[place].bound}" for place in many]
    columns = (*names, "kept then", "of all", "back", "dropped", "")
    for line in console.table(rows, columns, right=columns[:-1]):
        console.out(line)
    _reviewed(found[0])
    compared = dict.fromkeys(rule for each in found for rule in each.compared)
    stored = dict.fromkeys(rule for each in found for rule in each.stored if rule not in compared)
    _unseen(found[0]._replace(compared=list(compared), stored=list(stored), rehearsed=[]))
    for rule in found[0].rehearsed:
        console.warn(f"{rule}: {REHEARSED}")


def _value(value: Any) -> str:
    from pipeline.curate import value_of

    return value_of(value)


def _one(dataset: Dataset, target: Target, texts: Sequence[str], json_: bool) -> None:
    from pipeline.curate import what_if

    recipe = target.recipe()
    with _judged.Judging(target, recipe, dataset, yes=False, as_before=True) as judges:
        found = what_if(dataset, texts, recipe, judges)
    if json_:
        console.as_json(what_if_json(found, found.curation.draws.starved(dataset)))
    else:
        show_what_if(found)
        _judged.tell_ahead(found.curation.asked)
        _judged.tell_otherwise(dataset, target)
    if found.changed == (0, 0):
        console.next_command(f"synth inspect {target.name} --sample 5")
        return
    for place, line in found.proposal.lines:
        console.fact("write", f"{place or 'the recipe'}: {line}")
    why = "decides so for once; the line, for good" if found.proposal.lines else "decides so"
    console.next_command(shlex.join(["synth", "curate", target.name, *found.proposal.words]), why)


def show_what_if(found: WhatIf) -> None:
    """Rows kept now and then, by rule, and some that change their state."""
    done = found.curation
    now = done.before.kept if done.before else 0
    told = ", ".join(map(str, found.moved))
    back, gone = found.changed
    if not back and not gone:
        console.out(f"{told}: no row would change its state by it, {done.tally.kept:,} kept of {done.tally.rows:,}")
    else:
        console.out(f"{told}: {console.plural(now, 'row')} kept now, {done.tally.kept:,} then, of {done.tally.rows:,} "
                    f"({back:,} back, {gone:,} dropped)")
        _curated.rules_then(done)
    _reviewed(found)
    changes = [change for change in done.changes if not change.by_review]
    some = [change for state in ("kept", "dropped")
            for change in [each for each in changes if each.state == state][:EACH_WAY]]
    if some:
        _curated.change_rows(some, len(some), "would be")
    if len(some) < len(changes):
        console.say(f"and {len(changes) - len(some):,} more; --json has them all", "dim")
    _unseen(found)


def _reviewed(found: WhatIf) -> None:
    """Rows that change whatever the bound."""
    back, gone = found.curation.reviewed
    if count := back + gone:
        more = f"{console.plural(count, 'row')} more {'changes' if count == 1 else 'change'}"
        console.fact("review", f"{more} by reviews made since the last curation ({back:,} back, {gone:,} dropped)",
                     "warn")


def _unseen(found: WhatIf) -> None:
    done = found.curation
    for rule in found.rehearsed:
        now, then = (done.before or done.tally).flagged_by_rule[rule], done.tally.flagged_by_rule[rule]
        console.warn(f"{rule}: {REHEARSED} ({now:,} now, {then:,} then)")
    if done.before is not None and (new := done.tally.rows - done.before.rows):
        console.warn(f"{console.plural(new, 'row')} without a verdict yet, measured for this look")
    if found.compared:
        console.fact("anew", f"{', '.join(found.compared)} compared the rows that would stand; all else was measured "
                             "before")
    if found.stored:
        console.fact("stored", f"{', '.join(found.stored)} decided by stored pairs: no row was compared anew")


def what_if_json(found: WhatIf, starved: Starved | None) -> dict[str, Any]:
    """As `--json` prints it."""
    done, now = found.curation, found.curation.before
    keys = ("kept", "dropped", "by_rule", "only_by_rule", "flagged")
    then = done.as_json()
    counts = {"kept": now.kept, "dropped": now.dropped, "by_rule": now.by_rule, "only_by_rule": now.only_by_rule,
              "flagged": now.flagged} if now else {}
    return {"moved": [each._asdict() for each in found.moved], "rows": done.tally.rows, "now": counts,
            "then": {key: then[key] for key in keys} | done.told(starved), "changed": found.changed._asdict(),
            "reviewed": done.reviewed._asdict(),
            "compared": found.compared, "stored": found.stored, "rehearsed": found.rehearsed,
            "changes": [change._asdict() for change in done.changes]}


def show_curve(found: Curve, target: Target) -> None:
    """A line for each value of a bound, a mark at today's."""
    console.out(f"{found.rule}.{found.bound}: rows kept of {found.rows:,}, by the value of the bound")
    rows = list[tuple[Any, ...]]()
    for point in found.points:
        below = "" if point.below is None else f"{point.below:.0%}"
        bar = "█" * round(BAR * point.kept / found.rows) if found.rows else ""
        at = point.at if isinstance(point.at, str) else console.number(point.at)
        rows.append((at, below, point.alone, point.kept,
                     console.percent(point.kept, found.rows), f"{bar} now" if point.now else bar))
    columns: tuple[str, ...] = (found.bound, "measured below", "this rule alone", "all rules", "of all", "")
    if all(point.below is None for point in found.points):
        columns, rows = (columns[0], *columns[2:]), [(row[0], *row[2:]) for row in rows]
    for line in console.table(rows, columns, right=columns[:-1], spare=columns[1:-4]):
        console.out(line)
    if found.held:
        are = "row is" if found.held == 1 else "rows are"
        console.say(f"{found.held:,} {are} kept by hand, whatever the bound", "dim")
    if found.spared:
        console.warn(f"{found.rule}: {REHEARSED}, {found.spared:,} of them here: nobody real judged")
    if found.uncompared:
        console.warn(f"{console.plural(found.uncompared, 'row')} that {found.rule} drops were never compared with the "
                     "others; asked with a value, they are")
    if found.floor is not None:
        lower = f"synth curate {target.name} --what-if {found.rule}.{found.bound}={found.floor - 0.1:.2g}"
        console.say(f"pairs are stored from {found.floor:g} on", "dim")
        console.say(f"{target.told(lower)}   measures lower ones", "dim")
