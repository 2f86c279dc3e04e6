"""`synth plan NAME --more AXIS=N`: what an axis lacks, what adding it costs, and `--write`, which adds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.commands import _console as console
from pipeline.commands import _questions, _spend
from pipeline.commands._options import Target
from pipeline.errors import RecipeError

if TYPE_CHECKING:
    from pipeline.generate import RunPlan, Writer
    from pipeline.recipe import Recipe
    from pipeline.starters import More

WORD_LISTS = "these come from word lists that synth ships: no model has looked at your axes"


def propose(target: Target, wishes: Sequence[str], *, write: bool, yes: bool, json_: bool) -> None:
    """Asks for values, prints them as a line that can be pasted, and says what they cost."""
    from pipeline.starters import line_of, more_question, wish, with_more, write_more

    if not wishes:
        raise RecipeError("--write goes with --more", f"synth plan {target.name} --more place=20 --write")
    if target.only_shipped:
        raise RecipeError(f"{target.name}: no recipe of this name is here yet, to which values could be added",
                          f"synth init {target.name}")
    recipe = target.recipe()
    if write:
        _refuse_to_write(target, recipe)
    wanted = dict(map(wish, wishes))
    questions = [more_question(recipe, axis, count, target.name) for axis, count in wanted.items()]
    writer = _spend.writer_of(target, recipe)
    again = " ".join([f"synth plan {target.name}", *(f"--more {axis}={count}" for axis, count in wanted.items())])
    found = _questions.answers(target, writer, questions, yes, again)
    grown = with_more(recipe, found)
    before, after = _plan(target, recipe, writer), _plan(target, grown, writer)
    if json_:
        console.as_json({
            "more": [{"axis": each.axis, "values": each.values, "dropped": each.dropped} for each in found],
            "before": _counts(before), "after": _counts(after), "written": write,
        })
    else:
        if writer.provider.rehearsal:
            console.warn(WORD_LISTS)
        for each in found:
            _tell(recipe, each, wanted[each.axis], line_of(recipe, each))
    if not any(each.values for each in found):
        console.warn("nothing to add: ask for other axes, or name another model with --model")
        return
    _costs(before, after, target, writer)
    if write:
        console.wrote(*write_more(recipe, found))
        console.next_command(f"synth run {target.name}")
    else:
        console.next_command(f"{again} --write", "adds them; the answer is kept and costs nothing again")


def _refuse_to_write(target: Target, recipe: Recipe) -> None:
    """A recipe that is not a file of the user's, or not as it stands there, is not edited."""
    if recipe.path is None or target.path.resolve() in recipe.path.resolve().parents:
        where = f"{target.name} has no recipe here but the copy in {console.near(target.path)}"
        copy = f"cp {console.near(target.path)}/recipe.yaml {target.name}.yaml"
        raise RecipeError(f"{where}, which is not edited", copy)
    over = next((given for given in target.sets if given.split("=")[0].split(".")[0].strip() == "axes"), None)
    if over is not None:
        raise RecipeError(f"--write edits the file, and --set {over} is not in it", "leave one of the two out")


def _plan(target: Target, recipe: Recipe, writer: Writer) -> RunPlan:
    from pipeline.generate import plan_run
    from pipeline.store import Dataset

    with Dataset(target.path) as dataset:
        return plan_run(recipe, dataset, writer)


def _counts(plan: RunPlan) -> dict[str, int]:
    return {name: getattr(plan, name) for name in ("cells", "wanted", "reused", "surplus", "new_calls")}


def _tell(recipe: Recipe, more: More, count: int, line: str) -> None:
    """The values, on stdout; on stderr how many, and what is left out and why."""
    fewer = f", of {count} asked for" if len(more.values) < count else ""
    console.fact(more.axis, f"{console.plural(len(more.values), 'value')} that it lacks{fewer}")
    for each in more.dropped:
        console.fact("", console.shown(f"left out {each}"), "dim")
    console.out(console.shown(line))


def _costs(before: RunPlan, after: RunPlan, target: Target, writer: Writer) -> None:
    """What a run would ask for with the values in: paid rows that stay, new calls."""
    done = "answered" if writer.provider.rehearsal else "paid"
    kept = f", keeps {after.reused:,} of {before.reused:,} {done} rows" if before.reused else ""
    kept += f"; {after.surplus:,} more stay, no longer asked for" if after.surplus else ""
    console.fact("grid", f"{before.cells:,} cells, {after.cells:,} with them: {after.wanted:,} rows wanted{kept}")
    console.fact("run", _spend.bill(after, target, writer))
