"""`synth curate`: measure every row and decide which ones are kept."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.commands import _contaminated, _curated, _decided, _judged, _outcome, _whatif
from pipeline.commands._options import Target, json_option, target, yes_option
from pipeline.errors import RecipeError
from pipeline.registry import printed

if TYPE_CHECKING:
    from pipeline.curate import Curation, Starved
    from pipeline.recipe import Recipe
    from pipeline.sections import Item
    from pipeline.store import Dataset


@click.command("curate")
@target(sets=True, asks=True)
@click.option("--rule", "rules", multiple=True, metavar="RULE",
              help="This rule instead of the recipe's, as 'length: {min: 100, unit: chars}'. Repeatable.")
@click.option("--against", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
              help="Drop rows that hold a prompt or an answer of this file, as of an evaluation's, or are like one. "
                   "Repeatable.")
@click.option("--what-if", "what_ifs", multiple=True, metavar="BOUND[=VALUE]",
              help="What another bound would decide, as length.min=800; without a value, the rows kept at each. "
                   "From what was measured, writes nothing. Repeatable.")
@click.option("--diff", is_flag=True, help="Only show which rows would change their state, and why; where none would, "
                                           "or after --rule, --set or --against, which ones the last curation "
                                           "changed. Writes nothing.")
@click.option("--undo", is_flag=True, help="Bring back what was decided before the last curation; again: undo that.")
@click.option("--calibrate", metavar="RULE[.BOUND]",
              help="A rule's numbers beside the labels of `synth review`: agreement, and the bound with its expected "
                   "precision and recall. Writes nothing.")
@click.option("--precision", type=click.FloatRange(0, 1, min_open=True), metavar="P",
              help="Of --calibrate: the share of the kept rows that people are to keep too. [0.9]")
@click.option("--retry", is_flag=True, help="Ask again where the answer to a rule that asks could not be used.")
@yes_option
@json_option
@click.pass_context
def command(
    context: click.Context, /, target: Target, rules: tuple[str, ...], against: tuple[Path, ...],
    what_ifs: tuple[str, ...], diff: bool, undo: bool, json_: bool, **beside: Any,
) -> None:
    """Measures every row by every rule and decides which ones are kept. Nothing is deleted.

    \b
    synth curate plots                                       by the recipe's rules
    synth curate plots --rule refusal --rule 'length: {min: 2048, max: 6144, unit: bytes}'
    synth curate plots --set 'curate=[refusal]' --diff       what that would change
    synth curate plots --set curate.length.min=400           one option of one rule, all else as it is
    synth curate plots --what-if length.min=1500             what another bound would
    synth curate plots --what-if length.min                  rows kept at each
    synth curate plots --against eval.jsonl                  no row may be like one of these
    synth curate plots --calibrate length                    beside the labels of `synth review plots --by length`
    """
    from pipeline.curate import curate
    from pipeline.status import shipped

    yes, retry = beside.pop("yes"), beside.pop("retry")
    labels = bool(beside["calibrate"] or beside["precision"])
    named = {"--rule": rules, "--set": () if rules else target.sets, "--against": tuple(map(str, against))}
    _one_of(target, named, {
        "--what-if": [part for text in what_ifs for part in ("--what-if", text)], "--diff": ["--diff"] * diff,
        "--undo": ["--undo"] * undo, "--calibrate": _options(beside)})
    if undo or what_ifs or labels:
        with target.dataset() as dataset:
            if labels:
                _calibrate(dataset, target, json_, **beside)
            elif undo:
                _undo(dataset, target, json_)
            else:
                _whatif.ask(dataset, target, what_ifs, json_)
        return
    recipe = target.recipe()
    given = rules_of(rules)
    if given:
        _curated.tell_replaced(recipe, target)
    elif recipe.curate:
        _outcome.tell_default(recipe)
    else:
        console.say("no rule: `curate: []` of the recipe keeps every row", "dim")
    with target.dataset() as dataset:
        _outcome.tell_edits(dataset, target)
        items, where = given or recipe.curate, (lambda index: f"--rule {index + 1}") if given else None
        if against:
            items, where = _against(items, against, recipe, dataset), where or "--against (rule {})".format
        with _judged.Judging(target, recipe, dataset, yes, retry=retry) as ask:
            done = curate(dataset, items, recipe, where, by=" and ".join(filter(named.get, named)), diff=diff, ask=ask)
        exported = shipped(dataset)
        plain = not (given or against or target.sets)
        if diff and plain and done.is_no_news and _last(dataset, target, recipe, done, json_):
            return
        starved = done.draws.starved(dataset) if json_ or not diff else None
        if not json_ and not diff:
            _curated.show(done, target)
            _judged.tell(done.asked, target.name)
            _curated.tell_starved(starved, dataset, target, recipe.sample.keep)
            if not plain:
                _decided.tell_once(dataset, target)
    _tell(done, starved, dataset.name, diff, json_)
    if diff:
        console.next_command(_typed(target, named), "decides so")
        return
    console.wrote(done.verdicts)
    if done.interrupted:
        _outcome.stopped(f"synth curate {target.name}")
        context.exit(_outcome.INTERRUPTED)
    done.require_rows(target.name)
    if exported:
        console.next_command(f"synth inspect {target.name} --sample 5", "the exports are up to date")
    else:
        console.next_command(f"synth export {target.name}")


def _tell(done: Curation, starved: Starved | None, name: str, diff: bool, json_: bool) -> None:
    """The JSON document, or what is still to be said on the screen; and lines that are no rows."""
    if json_:
        changes = {"changes": [change._asdict() for change in done.changes]} if diff else {}
        written = {} if diff else {"verdicts": done.verdicts}
        told = {**done.told(starved), "changed": done.changed._asdict()}
        console.as_json({**done.as_json(), **told, **changes, **written})
    else:
        if diff:
            _curated.show_changes(done, name)
            _judged.tell_ahead(done.asked)
        _contaminated.show(done)
    for problem in done.problems[:5]:
        console.warn(f"{problem.where}: {problem.message}; {problem.fix}")


def _against(items: Sequence[Item], files: Sequence[Path], recipe: Recipe, dataset: Dataset) -> list[Item]:
    """Rules with files that no row may be like, named as the recipe would name them."""
    from pipeline.curate import has_answers, with_against
    from pipeline.options import own_folder

    folder = own_folder(recipe.path, dataset.path)
    whole = [path.resolve() for path in files]
    named = [str(path.relative_to(folder.resolve())) if folder and path.is_relative_to(folder.resolve()) else str(path)
             for path in whole]
    return with_against(items, named, [name for name, path in zip(named, whole, strict=True) if has_answers(path)])


def _typed(target: Target, named: Mapping[str, Sequence[str]]) -> str:
    """The command that names the same rules."""
    words = [part for option, texts in named.items() for text in texts for part in (option, text)]
    return shlex.join(["synth", "curate", target.name, *words])


def _options(beside: Mapping[str, Any]) -> list[str]:
    """What was typed of --calibrate."""
    return [part for key, value in beside.items() if value is not None for part in (f"--{key}", f"{value}")]


def _one_of(target: Target, named: Mapping[str, Sequence[str]], asked: Mapping[str, Sequence[str]]) -> None:
    """Options that mean different things are not given together.

    Args:
        target: what they are about.
        named: options that name rules, with their values.
        asked: options that ask for something else than a curation, each as it was typed.

    Raises:
        RecipeError: they are.
    """
    given = [option for option, words in asked.items() if words]
    others = [option for option, texts in named.items() if texts]
    if len(given) > 1:
        each = (shlex.join(["synth", "curate", target.name, *asked[option]]) for option in given)
        raise RecipeError(f"{' and '.join(given)}: one at a time", "" if others else "\n".join(each))
    if given and given != ["--diff"] and others:
        moved = _as_sets(target, asked["--what-if"][1::2]) if others == ["--set"] else ""
        raise RecipeError(f"{given[0]} is about the last curation, and {' and '.join(others)} about another one",
                          f"{_typed(target, named)}{moved} --diff   shows what that would change")


def _as_sets(target: Target, moves: Sequence[str]) -> str:
    """Bounds with a value as `--set` takes them, of rules that the recipe has."""
    from pipeline.rules import named

    rules = named(target.recipe().curate, str)
    sets = [f"curate.{text}" for text in moves if "=" in text and printed(text.partition(".")[0]) in rules]
    return "".join(f" --set {shlex.quote(each)}" for each in sets)


def _calibrate(
    dataset: Dataset, target: Target, json_: bool, calibrate: str | None, precision: float | None,
) -> None:
    """A rule's numbers beside the labels."""
    from pipeline.commands import _calibrated
    from pipeline.curate import PRECISION
    from pipeline.curate import calibrate as beside_labels
    from pipeline.rows import numbered

    if calibrate is None:
        rule = next(iter(numbered(dataset)), "length")
        raise RecipeError("--precision goes with --calibrate, which names a rule",
                          f"synth curate {target.name} --calibrate {rule} --precision {precision:g}")
    found = beside_labels(dataset, calibrate, target.recipe(), precision or PRECISION)
    if json_:
        console.as_json(_calibrated.as_json(found, dataset))
    else:
        _calibrated.show(found, target.name)


def _last(dataset: Dataset, target: Target, recipe: Recipe, then: Curation, json_: bool) -> bool:
    """What the last curation changed, and what the recipe's rules would: first, where those are others since; in a
    line, where the command line named the last ones. False where the curation before it is not kept."""
    from pipeline.curate import between

    found, since = between(dataset), _decided.since(dataset, recipe)
    if found is None:
        return False
    again = target.told(f"synth curate {target.name}")
    if json_:
        console.as_json({**found.as_json(), "recipe": then.changed._asdict(), "recipe_changed": since,
                         **({"asked": then.asked.as_json()} if then.asked else {})})
    elif since:
        console.out(f"by the recipe as it is now ({_decided.some(since)}):")
        _curated.show_changes(then, dataset.name)
        _judged.tell_ahead(then.asked)
        console.out()
        _curated.show_between(found, " by the last curation")
    else:
        _curated.show_between(found, " by the last curation")
        if any(then.changed):
            back, gone = then.changed
            console.fact("recipe", f"its rules would bring {console.plural(back, 'row')} back and drop {gone:,}: "
                                   f"{again}")
        if then.asked is not None and then.asked.bill is not None:
            _judged.tell_ahead(then.asked)
    if since:
        console.next_command(f"synth curate {target.name}", "decides by the recipe as it is now")
    else:
        console.next_command(f"synth curate {target.name} --undo", "brings back what was decided before")
    return True


def _undo(dataset: Dataset, target: Target, json_: bool) -> None:
    """Back to what was decided before the last curation."""
    from pipeline.curate import undo
    from pipeline.status import shipped

    found = undo(dataset)
    if json_:
        console.as_json(found.as_json())
    else:
        _curated.show_between(found, ", as before the last curation")
    console.wrote(dataset.path / "verdicts.jsonl")
    if any(dataset.exports.glob("*/manifest.json")) and not shipped(dataset):
        console.warn("the exports are of the other curation")
    again = target.told(f"synth curate {target.name} --undo")
    console.next_command(f"synth export {target.name}", f"{again} takes it back")


def rules_of(texts: Sequence[str]) -> list[Item]:
    """The rules that `--rule` names. Raises RecipeError: not YAML, or no rule."""
    from pipeline.commands._items import items_of

    return items_of("--rule", texts, "length: {min: 100, unit: chars}")
