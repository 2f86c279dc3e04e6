"""What a curation did, would do or undid, on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.commands import _console as console
from pipeline.commands import _outcome
from pipeline.errors import did_you_mean

if TYPE_CHECKING:
    from pipeline.commands._options import Target
    from pipeline.curate import Between, Change, Curation, Shown, Starved, Tally
    from pipeline.recipe import Recipe
    from pipeline.store import Dataset

UNEVEN_SHOWN, PAIRS_SHOWN, CELLS_SHOWN, CHANGES_SHOWN, DIFFERENCES_SHOWN = 5, 3, 3, 20, 3
FLAGGED_SHOWN = 2
"""Flagged rows that are shown below dropped ones."""
BEFORE_A_TEXT = 10
"""Columns of a dropped row's id, below which its text begins."""


def show(done: Curation, target: Target) -> None:
    """Counts by rule, what the rules do to the mix, and a few dropped and flagged rows."""
    tally = done.tally
    console.out(f"{tally.kept:,} kept, {tally.dropped:,} dropped, {tally.flagged:,} flagged, of {tally.rows:,} rows")
    for why, count in done.aside.items():
        console.fact("aside", f"{console.plural(count, 'row')}: {_why(why)}")
    _rules(done)
    if pairs := tally.overlap[:PAIRS_SHOWN]:
        both = (f"{one} and {other} {count:,}" for (one, other), count in pairs)
        console.fact("both", f"dropped by {', '.join(both)}")
    _which(tally, target)
    _alike(done, target)
    for rule, count in tally.errors_by_rule.items():
        console.warn(f"{rule} raised on {console.plural(count, 'row')}, kept and flagged")
    _uneven(tally)
    if done.changed.back or done.changed.gone:
        back, gone = done.changed
        told = done.overruled() or f"{console.plural(back, 'row')} back, {gone:,} newly dropped{_edited(done)}"
        (console.warn if done.overruled() else _since)(told)
    _examples(tally.examples, "dropped")
    _examples(tally.flagged_examples[:FLAGGED_SHOWN if tally.examples else None], "flagged")
    console.say()


def _rules(done: Curation) -> None:
    """A line for each rule that dropped or flagged rows; the others in two, and what rules remark."""
    from pipeline.store.verdicts import silent

    tally = done.tally
    rules = dict.fromkeys([*(rule["rule"] for rule in done.rules), *tally.by_rule])
    spoke = [rule for rule in rules if tally.by_rule[rule] or tally.flagged_by_rule[rule]]
    rows = [(rule, tally.by_rule[rule], console.percent(tally.by_rule[rule], tally.rows), tally.only_by_rule[rule],
             tally.flagged_by_rule[rule]) for rule in spoke]
    columns = ("rule", "dropped", "of all", "only this", "flagged")
    for line in console.table(rows, columns, right=columns[1:]) if rows else ():
        console.out(line)
    remarked = {rule["rule"] for rule in done.rules if rule.get("remarks")}
    quiet = [rule for rule in rules if rule not in {*spoke, *remarked} and not tally.errors_by_rule[rule]]
    idle = silent(done.verdicts, quiet) if quiet else set()
    found = {"found nothing to drop or flag": [rule for rule in quiet if rule not in idle],
             "looked at no row, as none is of their kind": [rule for rule in quiet if rule in idle]}
    told = [f"{console.plural(len(names), 'rule')} {what}: {', '.join(names)}"
            for what, names in found.items() if names]
    if told:
        console.fact("quiet", "\n".join(told), "dim")
    for rule in done.rules:
        _remarks(rule, tally.axis_names)


def _remarks(rule: dict[str, Any], axes: list[str]) -> None:
    """What a rule says of rows that it left alone, and axes that it was to look at and no row has."""
    for remark in rule.get("remarks", ()):
        console.warn(f"{rule['rule']} {remark}")
    for axis in rule["options"].get("axes") or ():
        if axis not in axes:
            hint = did_you_mean(axis, axes)
            console.warn(f"{rule['rule']}: no row has the axis '{console.one_line(axis)}'{'; ' if hint else ''}{hint}")


def _which(tally: Tally, target: Target) -> None:
    """How the rows of the table's last columns are listed."""
    lines, inspect = list[str](), f"synth inspect {target.name}"
    (first, second), _ = tally.overlap[0] if tally.overlap else (("", ""), 0)
    if rule := first or max(tally.only_by_rule, key=lambda each: tally.only_by_rule[each], default=""):
        lines.append(f"{inspect} --where \"dropped_by == ['{rule}']\"   those that only {rule} drops")
    if second:
        lines.append(f"{inspect} --where \"'{first}' in dropped_by and '{second}' in dropped_by\"   that both drop")
    if tally.flagged:
        lines.append(f"{inspect} --state flagged   kept, with a finding against them")
    if lines:
        console.fact("list", target.told("\n".join(lines)), "dim")


def _alike(done: Curation, target: Target) -> None:
    """Rows that are alike, in a line for each rule that found some, and how the largest cluster is read."""
    for rule, clusters in done.clusters.items():
        if not clusters:
            continue
        first, rows = clusters[0], sum(cluster.rows for cluster in clusters)
        told = f"{console.plural(len(clusters), 'cluster')} of {console.plural(rows, 'row')}"
        if len(clusters) == 1:
            told += f", weakest link {first.weakest.jaccard:.2f}"
        else:
            links = [cluster.weakest.jaccard for cluster in clusters]
            told += (f", weakest links from {min(links):.2f} to {max(links):.2f}; the largest has {first.rows:,} rows, "
                     f"weakest link {first.weakest.jaccard:.2f}")
        read = target.told(f"synth inspect {target.name} --cluster {first.id}   its rows")
        console.fact("alike", f"{rule}: {told}\n{read}", "dim")


def _edited(done: Curation) -> str:
    """Of the rows that changed, those that no rule changed."""
    reviewed = sum(done.reviewed)
    told = [f"{done.edited:,} of them edited by hand"] if done.edited else []
    told += [f"{reviewed:,} by reviews made since" if told else f"{reviewed:,} of them by reviews made since"
             ] if reviewed else []
    return f" ({', '.join(told)})" if told else ""


def _since(told: str) -> None:
    console.fact("change", f"since the last curation: {told}")


def _examples(found: Sequence[Shown], state: str) -> None:
    """Some such rows: why, and how the answer begins that was measured, which is the one that would be trained."""
    if not found:
        return
    console.say()
    count = f"one of the {state} rows" if len(found) == 1 else f"{len(found)} of the {state} rows"
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


def tell_replaced(recipe: Recipe, target: Target) -> None:
    """Says that rules of the command line stand in place of all that the recipe names."""
    from pipeline.rules import expand

    if count := len(expand(recipe.curate, str)):
        console.say(f"--rule replaces {console.plural(count, 'rule')} of the recipe, which "
                    f"`{target.told(f'synth curate {target.name}')}` goes by", "dim")


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


def show_changes(done: Curation, name: str) -> None:
    """The rows that would change their state, and why."""
    back, gone = done.changed
    if done.before is not None and not done.before.rows and not done.by_before:
        rows = console.plural(done.tally.rows, "row")
        console.out(f"{name} was never curated: {done.tally.kept:,} of {rows} would be kept, "
                    f"{done.tally.dropped:,} dropped")
        rules_then(done)
        return
    if done.before is not None and (new := done.tally.rows - done.before.rows):
        console.warn(f"{console.plural(new, 'row')} without a verdict yet, measured for this look")
    if not done.changes:
        console.out("no row would change its state")
        return
    console.out(f"{console.plural(back, 'row')} would be back, {console.plural(gone, 'row')} dropped"
                f"{_edited(done)}: {done.tally.kept:,} kept of {done.tally.rows:,}")
    rules_then(done)
    change_rows(done.changes, CHANGES_SHOWN, "would be")


def rules_then(done: Curation) -> None:
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


def change_rows(changes: Sequence[Change], most: int, states: str) -> None:
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


def show_between(found: Between, what: str) -> None:
    """What one curation changed beside another."""
    back, gone = found.changed
    first, more = found.differences[:DIFFERENCES_SHOWN], len(found.differences) - DIFFERENCES_SHOWN
    rules = f" ({', '.join(first)}{f' and {more:,} more' if more > 0 else ''})" if first else ""
    noted = found.noted
    console.out(f"{noted.get('kept', 0):,} kept, {noted.get('dropped', 0):,} dropped{what}: "
                f"{console.plural(back, 'row')} back, {gone:,} dropped{rules}")
    if found.changes:
        change_rows(found.changes, CHANGES_SHOWN, "is")
    if found.unjudged:
        console.warn(f"{console.plural(found.unjudged, 'row')} without a verdict in it: newer, or changed since")


def _why(why: str) -> str:
    from pipeline.store.standing import WHY

    return {str(each): words for each, words in WHY.items()}.get(why, why)
