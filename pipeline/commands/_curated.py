"""What a curation did, would do or undid, on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.commands import _console as console
from pipeline.commands import _outcome

if TYPE_CHECKING:
    from pipeline.commands._options import Target
    from pipeline.curate import Between, Change, Curation, Curve, Dropped, Starved, Tally, WhatIf
    from pipeline.recipe import Recipe
    from pipeline.store import Dataset

UNEVEN_SHOWN, PAIRS_SHOWN, CELLS_SHOWN, CHANGES_SHOWN, EACH_WAY = 5, 3, 3, 20, 3
BEFORE_A_TEXT = 10
"""Columns of a dropped row's id, below which its text begins."""
BAR = 20


def show(done: Curation, name: str) -> None:
    """Counts by rule, what the rules do to the mix, and three dropped rows."""
    tally = done.tally
    console.out(f"{tally.kept:,} kept, {tally.dropped:,} dropped, {tally.flagged:,} flagged, of {tally.rows:,} rows")
    for why, count in done.aside.items():
        console.fact("aside", f"{console.plural(count, 'row')}: {_why(why)}")
    _rules(done)
    if pairs := tally.overlap[:PAIRS_SHOWN]:
        both = (f"{one} and {other} {count:,}" for (one, other), count in pairs)
        console.fact("both", f"dropped by {', '.join(both)}")
    _which(tally, name)
    _alike(done, name)
    for rule, count in tally.errors_by_rule.items():
        console.warn(f"{rule} raised on {console.plural(count, 'row')}, kept and flagged")
    _uneven(tally)
    if done.changed.back or done.changed.gone:
        back, gone = done.changed
        told = done.overruled() or f"{console.plural(back, 'row')} back, {gone:,} newly dropped{_edited(done)}"
        (console.warn if done.overruled() else _since)(told)
    _examples(tally.examples)
    console.say()


def _rules(done: Curation) -> None:
    """A line for each rule that dropped or flagged rows; the others in one."""
    tally = done.tally
    rules = dict.fromkeys([*(rule["rule"] for rule in done.rules), *tally.by_rule])
    spoke = [rule for rule in rules if tally.by_rule[rule] or tally.flagged_by_rule[rule]]
    rows = [(rule, tally.by_rule[rule], console.percent(tally.by_rule[rule], tally.rows), tally.only_by_rule[rule],
             tally.flagged_by_rule[rule]) for rule in spoke]
    columns = ("rule", "dropped", "of all", "only this", "flagged")
    for line in console.table(rows, columns, right=columns[1:]) if rows else ():
        console.out(line)
    if quiet := [rule for rule in rules if rule not in spoke and not tally.errors_by_rule[rule]]:
        console.fact("quiet", f"{console.plural(len(quiet), 'rule')} found nothing to drop or flag: {', '.join(quiet)}",
                     "dim")


def _which(tally: Tally, name: str) -> None:
    """How the rows of the table's last columns are listed."""
    lines, inspect = list[str](), f"synth inspect {name}"
    (first, second), _ = tally.overlap[0] if tally.overlap else (("", ""), 0)
    if rule := first or max(tally.only_by_rule, key=lambda each: tally.only_by_rule[each], default=""):
        lines.append(f"{inspect} --where \"dropped_by == ['{rule}']\"   those that only {rule} drops")
    if second:
        lines.append(f"{inspect} --where \"'{first}' in dropped_by and '{second}' in dropped_by\"   that both drop")
    if tally.flagged:
        lines.append(f"{inspect} --state flagged   kept, with a finding against them")
    if lines:
        console.fact("list", "\n".join(lines), "dim")


def _alike(done: Curation, name: str) -> None:
    """Rows that are alike, in a line for each rule that found some, and how the largest cluster is read."""
    for rule, clusters in done.clusters.items():
        if not clusters:
            continue
        first, rows = clusters[0], sum(cluster.rows for cluster in clusters)
        largest = f"; the largest {first.rows:,} rows" if len(clusters) > 1 else ""
        told = f"{console.plural(len(clusters), 'cluster')} of {console.plural(rows, 'row')}{largest}, weakest link "
        console.fact("alike", f"{rule}: {told}{first.weakest.jaccard:.2f}\n"
                              f"synth inspect {name} --cluster {first.id}   its rows", "dim")


def _edited(done: Curation) -> str:
    return f" ({done.edited:,} of them edited by hand)" if done.edited else ""


def _since(told: str) -> None:
    console.fact("change", f"since the last curation: {told}")


def _examples(found: Sequence[Dropped]) -> None:
    """Some dropped rows: why, and how the answer begins that was measured, which is the one that would be trained."""
    if not found:
        return
    console.say()
    count = "one of the dropped rows" if len(found) == 1 else f"{len(found)} of the dropped rows"
    console.say(f"{count}: why, and how the trained answer begins")
    room = console.width() - BEFORE_A_TEXT
    for example in found:
        why = console.one_line(f"{example.rule}: {console.short_ids(example.reason)}", room)
        console.say(f"{example.sample[:8]}  {why}", "bold")
        console.say(f"{'':{BEFORE_A_TEXT}}{console.one_line(example.text, room) or '(empty)'}", "dim")


def _uneven(tally: Tally) -> None:
    """Rules that take one value of an axis more than the others: they change the mix."""
    from pipeline.independence import chance

    found = tally.uneven
    for one in found[:UNEVEN_SHOWN]:
        drop, value = "drop" if " " in one.rule else "drops", console.one_line(one.value)
        console.warn(f"{one.rule} {drop} {console.percent(one.taken, one.rows)} of {one.axis}={value}, "
                     f"{console.percent(one.of_others, one.others)} of the others ({chance(one.p)})")
    if len(found) > UNEVEN_SHOWN:
        console.warn(f"{len(found) - UNEVEN_SHOWN:,} more such; --json has them all")


def tell_replaced(recipe: Recipe, name: str) -> None:
    """Says that rules of the command line stand in place of all that the recipe names."""
    from pipeline.rules import expand

    if count := len(expand(recipe.curate, str)):
        console.say(f"--rule replaces {console.plural(count, 'rule')} of the recipe, which "
                    f"`synth curate {name}` goes by", "dim")


def tell_starved(found: Starved | None, dataset: Dataset, target: Target, goal: int | None) -> None:
    """Values and cells of which far too few rows are kept, and what fills them."""
    if found is None:
        return
    told = [f"{each.axis}={console.one_line(each.value)} has {console.plural(each.kept, 'kept row')} of the "
            f"{each.share:,} that its share of the grid would be" for each in found.values[:CELLS_SHOWN]]
    if found.cells:
        some = "; ".join(console.one_line(console.pairs(cell)) for cell in found.cells[:CELLS_SHOWN])
        more = "; ..." if len(found.cells) > CELLS_SHOWN else ""
        told.append(f"{console.plural(len(found.cells), 'cell')} without a kept row: {some}{more}")
    command = f"synth generate {target.name} --keep {max(goal or 0, found.keep)}{_outcome.named(dataset, target)}"
    console.fact("lacks", "\n".join([*told, f"{target.told(command)}   fills them"]), "warn")


def show_changes(done: Curation) -> None:
    """The rows that would change their state, and why."""
    back, gone = done.changed
    if not done.changes:
        console.out("no row would change its state")
        return
    console.out(f"{console.plural(back, 'row')} would be back, {console.plural(gone, 'row')} dropped"
                f"{_edited(done)}: {done.tally.kept:,} kept of {done.tally.rows:,}")
    _rules_then(done)
    _changes(done.changes, CHANGES_SHOWN, "would be")


def _rules_then(done: Curation) -> None:
    """Rules that would drop another number of rows than they did."""
    if done.before is None:
        return
    now, then = done.before, done.tally
    rules = [rule for rule in dict.fromkeys([*now.by_rule, *then.by_rule]) if now.by_rule[rule] != then.by_rule[rule]]
    rows = [(rule, now.by_rule[rule], then.by_rule[rule], now.only_by_rule[rule], then.only_by_rule[rule])
            for rule in rules]
    columns = ("rule", "dropped", "then", "only this", "then ")
    for line in console.table(rows, columns, right=columns[1:]) if rows else ():
        console.out(line)


def _changes(changes: Sequence[Change], most: int, states: str) -> None:
    screen = console.screen()
    shown = changes[:most] if screen else changes
    rows = []
    for change in shown:
        why = ("" if change.state == "dropped" else "no longer ") + console.short_ids(change.why)
        why = console.one_line(why, console.width() * 2 // 5) if screen else why
        rows.append((change.sample[:8], change.state, why, console.one_line(change.text, console.WIDE)))
    for line in console.table(rows, ("row", states, "why", "trained answer"), wide="trained answer"):
        console.out(line)
    if len(shown) < len(changes):
        console.say(f"and {len(changes) - len(shown):,} more; --json has them all", "dim")


def show_what_if(found: WhatIf) -> None:
    """Rows kept now and then, by rule, and some that change their state."""
    done = found.curation
    now = done.before.kept if done.before else 0
    told = ", ".join(map(str, found.moved))
    if not any(done.changed):
        console.out(f"{told}: no row would change its state, {done.tally.kept:,} kept of {done.tally.rows:,}")
        return
    back, gone = done.changed
    console.out(f"{told}: {console.plural(now, 'row')} kept now, {done.tally.kept:,} then, of {done.tally.rows:,} "
                f"({back:,} back, {gone:,} dropped)")
    _rules_then(done)
    some = [change for state in ("kept", "dropped")
            for change in [each for each in done.changes if each.state == state][:EACH_WAY]]
    _changes(some, len(some), "would be")
    if len(some) < len(done.changes):
        console.say(f"and {len(done.changes) - len(some):,} more; --json has them all", "dim")
    _unseen(found)


def _unseen(found: WhatIf) -> None:
    done = found.curation
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
            "then": {key: then[key] for key in keys} | done.told(starved), "changed": done.changed._asdict(),
            "compared": found.compared, "stored": found.stored,
            "changes": [change._asdict() for change in done.changes]}


def show_curve(found: Curve) -> None:
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
    if found.uncompared:
        console.warn(f"{console.plural(found.uncompared, 'row')} that {found.rule} drops were never compared with the "
                     f"others: give a value, as --what-if {found.rule}.{found.bound}=VALUE, and they are")


def show_between(found: Between, what: str) -> None:
    """What one curation changed beside another."""
    back, gone = found.changed
    rules = f" ({', '.join(found.differences)})" if found.differences else ""
    noted = found.noted
    console.out(f"{noted.get('kept', 0):,} kept, {noted.get('dropped', 0):,} dropped{what}: "
                f"{console.plural(back, 'row')} back, {gone:,} dropped{rules}")
    if found.changes:
        _changes(found.changes, CHANGES_SHOWN, "is")
    if found.unjudged:
        console.warn(f"{console.plural(found.unjudged, 'row')} without a verdict in it: newer, or changed since")


def _why(why: str) -> str:
    from pipeline.store.standing import WHY

    return {str(each): words for each, words in WHY.items()}.get(why, why)
