"""`synth curate`: measure every row and decide which ones are kept."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pipeline.commands import _console as console
from pipeline.commands import _outcome
from pipeline.commands._options import Target, json_option, target

if TYPE_CHECKING:
    from pipeline.curate import Curation, Dropped
    from pipeline.recipe import Recipe
    from pipeline.sections import Item

UNEVEN_SHOWN, CHANGES_SHOWN = 5, 20
BEFORE_A_TEXT = 10
"""Columns of a dropped row's id, below which its text begins."""


@click.command("curate")
@target(sets=True)
@click.option("--rule", "rules", multiple=True, metavar="RULE",
              help="This rule instead of the recipe's, as 'length: {min: 100, unit: chars}'. Repeatable.")
@click.option("--diff", is_flag=True, help="Only show which rows would change their state, and why. Writes nothing.")
@json_option
def command(target: Target, rules: tuple[str, ...], diff: bool, json_: bool) -> None:
    """Measures every row by every rule and decides which ones are kept. Nothing is deleted.

    \b
    synth curate plots                                       by the recipe's rules
    synth curate plots --rule refusal --rule 'length: {min: 2048, max: 6144, unit: bytes}'
    synth curate plots --set 'curate=[refusal]' --diff       what that would change
    """
    from pipeline.curate import curate
    from pipeline.status import shipped

    recipe = target.recipe()
    given = rules_of(rules)
    if not given and not (recipe.curate and "curate" in recipe.model_fields_set):
        given = _default(recipe)
    with target.dataset() as dataset:
        _outcome.tell_edits(dataset, target)
        where = (lambda index: f"--rule {index + 1}") if given else None
        done = curate(dataset, given or recipe.curate, recipe, where, diff=diff)
        exported = shipped(dataset)
    if json_:
        changes = {"changes": [change._asdict() for change in done.changes]} if diff else {}
        written = {} if diff else {"verdicts": done.verdicts}
        console.as_json({**done.as_json(), "changed": done.changed._asdict(), **changes, **written})
    else:
        (show_changes if diff else show)(done)
    for problem in done.problems[:5]:
        console.warn(f"{problem.where}: {problem.message}; {problem.fix}")
    if diff:
        options = [part for rule in rules for part in ("--rule", rule)]
        options += [part for one in target.sets for part in ("--set", one)]
        console.next_command(shlex.join(["synth", "curate", target.name, *options]), "decides so")
        return
    console.wrote(done.verdicts)
    done.require_rows(target.name)
    if exported:
        console.next_command(f"synth inspect {target.name} --sample 5", "the exports are up to date")
    else:
        console.next_command(f"synth export {target.name}")


def show_changes(done: Curation) -> None:
    """The rows that would change their state, and why."""
    back, gone = done.changed
    if not done.changes:
        console.out("no row would change its state")
        return
    console.out(f"{console.plural(back, 'row')} would be back, {console.plural(gone, 'row')} dropped: "
                f"{done.tally.kept:,} kept of {done.tally.rows:,}")
    screen = console.screen()
    changes = done.changes[:CHANGES_SHOWN] if screen else done.changes
    rows = []
    for change in changes:
        why = ("" if change.state == "dropped" else "no longer ") + console.short_ids(change.why)
        why = console.one_line(why, console.width() * 2 // 5) if screen else why
        rows.append((change.sample[:8], change.state, why, console.one_line(change.text, console.WIDE)))
    for line in console.table(rows, ("row", "would be", "why", "trained answer"), wide="trained answer"):
        console.out(line)
    if len(changes) < len(done.changes):
        console.say(f"and {len(done.changes) - len(changes):,} more; --json has them all", "dim")


def rules_of(texts: Sequence[str]) -> list[Item]:
    """The rules that `--rule` names. Raises RecipeError: not YAML, or no rule."""
    from pipeline.commands._items import items_of

    return items_of("--rule", texts, "length: {min: 100, unit: chars}")


def show(done: Curation) -> None:
    """Counts by rule, what the rules do to the mix, and three dropped rows."""
    tally = done.tally
    console.out(f"{tally.kept:,} kept, {tally.dropped:,} dropped, {tally.flagged:,} flagged, of {tally.rows:,} rows")
    for why, count in done.aside.items():
        console.fact("aside", f"{console.plural(count, 'row')}: {_why(why)}")
    rules = list(dict.fromkeys([*(rule["rule"] for rule in done.rules), *tally.by_rule]))
    rows = [(rule, tally.by_rule[rule], console.percent(tally.by_rule[rule], tally.rows), tally.only_by_rule[rule],
             tally.flagged_by_rule[rule]) for rule in rules]
    columns = ("rule", "dropped", "of all", "only this", "flagged")
    for line in console.table(rows, columns, right=columns[1:]):
        console.out(line)
    for rule, count in tally.errors_by_rule.items():
        console.warn(f"{rule} raised on {console.plural(count, 'row')}, which are kept and flagged")
    _uneven(done)
    if done.changed.back or done.changed.gone:
        back, gone = done.changed
        told = done.overruled() or f"{console.plural(back, 'row')} back, {gone:,} newly dropped"
        (console.warn if done.overruled() else _since)(told)
    _examples(tally.examples)
    console.say()


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


def _uneven(done: Curation) -> None:
    """Axis values that are dropped far more or less often than the rest: a rule may bias the mix."""
    found = done.tally.uneven
    if not found:
        return
    overall = console.percent(done.tally.dropped, done.tally.rows)
    console.warn(f"the rules change the mix: {overall} are dropped overall, but of")
    rows = [(f"{share.axis} = {share.value}", console.percent(share.dropped, share.rows), f"of {share.rows:,}")
            for share in found[:UNEVEN_SHOWN]]
    for line in console.table(rows, ("", "", ""), right=("",), indent=7):
        console.say(line)


def _why(why: str) -> str:
    from pipeline.store.standing import WHY

    return {str(each): words for each, words in WHY.items()}.get(why, why)


def _default(recipe: Recipe) -> list[Item]:
    """The rules where nobody names one; said in one line. None for a recipe that leaves them open: they are its own."""
    from pipeline.rules import DEFAULT
    from pipeline.sections import Item

    console.say(f"no rule is named: by the preset {DEFAULT}, which `synth plugins {DEFAULT}` shows", "dim")
    return [] if recipe.curate else [Item(name=DEFAULT)]
