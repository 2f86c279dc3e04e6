"""`synth curate`: measure every row and decide which ones are kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pipeline.commands import _console as console
from pipeline.commands._options import Target, json_option, target
from pipeline.errors import RecipeError

if TYPE_CHECKING:
    from pipeline.curate import Curation
    from pipeline.recipe import Item

UNEVEN_SHOWN = 5
_GLUED = re.compile(r"\s*([\w./-]+)\s*(?::(?=\{)|(?=\{))\s*(\{.*\})\s*", re.DOTALL)
"""`length {min: 5}` and `length:{min: 5}`: YAML takes the first for a text, and the second for another key."""
REASON, TEXT = 60, 70
"""Columns that a reason and the beginning of a text may take."""


@click.command("curate")
@target(sets=True)
@click.option("--rule", "rules", multiple=True, metavar="RULE",
              help="This rule instead of the recipe's, as 'length: {min: 100, unit: chars}'. Repeatable.")
@json_option
def command(target: Target, rules: tuple[str, ...], json_: bool) -> None:
    """Measures every row by every rule and decides which ones are kept. Nothing is deleted.

    \b
    synth curate plots                                       by the recipe's rules
    synth curate plots --rule refusal --rule 'length: {min: 2048, max: 6144, unit: bytes}'
    synth curate plots --set 'curate=[refusal]'
    """
    from pipeline.curate import curate

    recipe = target.recipe()
    given = rules_of(rules)
    if not given and not recipe.curate:
        raise RecipeError(f"{recipe.at()}: `curate` names no rule", _first_rules(target.name))
    with target.dataset() as dataset:
        done = curate(dataset, given or recipe.curate, recipe, (lambda index: f"--rule {index + 1}") if given else None)
    if json_:
        console.as_json({**done.as_json(), "verdicts": done.verdicts})
    else:
        show(done)
    for problem in done.problems[:5]:
        console.warn(f"{problem.where}: {problem.message}; {problem.fix}")
    console.wrote(done.verdicts)
    done.require_rows(target.name)
    console.next_command(f"synth export {target.name}")


def rules_of(texts: Sequence[str]) -> list[Item]:
    """The rules that `--rule` names: what a recipe's list takes, one or several.

    Raises:
        RecipeError: not YAML, or no rule.
    """
    from pydantic import ValidationError

    from pipeline import _yaml
    from pipeline.recipe import Item

    found: list[Item] = []
    for text in texts:
        value, _ = _yaml.parse(_spaced(text), "--rule")
        for each in value if isinstance(value, list) else [value]:
            try:
                found.append(Item.model_validate(each))
            except ValidationError:
                raise RecipeError(f"--rule {text}: no rule; write one as a recipe does",
                                  "--rule 'length: {min: 100, unit: chars}'") from None
    return found


def _spaced(text: str) -> str:
    """The text, where YAML reads it as a rule with options.

    Raises:
        RecipeError: options stand behind a name without the colon and the space that YAML wants.
    """
    glued = _GLUED.fullmatch(text)
    if glued is None:
        return text
    name, options = glued[1], glued[2]
    options = re.sub(r":(?=[^\s/])", ": ", options)
    raise RecipeError(f"--rule {text}: between a rule and its options stand a colon and a space",
                      f"--rule '{name}: {options}'")


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
    for example in tally.examples:
        console.say()
        console.say(f"{example.sample[:8]}  {console.one_line(example.reason, REASON)}", "bold")
        console.say(f"          {console.one_line(example.text, TEXT)}", "dim")
    console.say()


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


def _first_rules(name: str) -> str:
    return f"synth curate {name} --rule refusal --rule exact_duplicate --rule 'length: {{min: 1, unit: chars}}'"
