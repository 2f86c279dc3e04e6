"""`synth evaluate`: the same held-out prompts to base and tuned model, and what the numbers show."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.commands import _outcome, _sides, _spend
from pipeline.commands._doing import Doing
from pipeline.commands._options import Target, json_option, target, yes_option

if TYPE_CHECKING:
    from pipeline.evaluate import Bill, Evaluated, How, Options, TunedModel
    from pipeline.recipe import Recipe

SHOWN, LINES = 1, 16
"""Prompts that are shown side by side where nobody says how many, and lines of each answer."""


@click.command("evaluate")
@target(sets=True, hosts=True)
@click.option("--finetune", metavar="ID", help="Which tuned model, by the beginning of its id. [the last one]")
@click.option("--prompts", type=click.IntRange(1), metavar="N", help="Held-out prompts that both answer. [5]")
@click.option("--temperature", type=click.FloatRange(0, 2), metavar="T",
              help="0: the likeliest token. [0.7; 0 for labels]")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Of an answer. [room for the held-out ones]")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of prompts, sampling and intervals. [0]")
@click.option("--show", type=click.IntRange(0), metavar="N", default=SHOWN, show_default=True,
              help="Prompts shown side by side.")
@click.option("--device", metavar="DEVICE", help="cpu, cuda, mps. [the best there is]")
@yes_option
@json_option
@click.pass_context
def command(
    context: click.Context, /, target: Target, finetune: str | None, show: int, device: str | None, yes: bool,
    json_: bool, **how: Any,
) -> None:
    """Asks base and tuned model the same held-out prompts, and compares them.

    Prompts come from the validation file, never from rows that were trained on. The same evaluation is found again,
    not made again.

    \b
    synth evaluate plots
    synth evaluate plots --prompts 50 --show 3
    """
    from pipeline.evaluate import evaluate, plan_evaluation

    recipe = target.recipe()
    options = options_of(target, recipe, device, how)
    with target.dataset() as dataset:
        plan = plan_evaluation(dataset, recipe, finetune, options)
        if not agreed(plan.bill, plan.tuned, target, recipe, yes):
            context.exit(1)
        with Doing() as doing:
            done = evaluate(dataset, recipe, finetune, options, doing.tell)
    if done.interrupted:
        _outcome.stopped(f"synth evaluate {target.name}")
        context.exit(_outcome.INTERRUPTED)
    if json_:
        console.as_json(done.as_json())
    else:
        tell(done, show)
    console.wrote(done.folder / "evaluation.json", done.folder / "sides.jsonl")
    console.next_command(f"synth report {target.name}")


def options_of(target: Target, recipe: Recipe, device: str | None, given: dict[str, Any]) -> Options:
    """What the stage is told: the recipe's `evaluate`, with what flags say over it."""
    from pipeline.evaluate import Options
    from pipeline.writers import writer_for

    return Options(
        how=how_of(recipe, given), settings=target.settings, device=device or os.environ.get("SYNTH_DEVICE"),
        writer_of=lambda spec: writer_for(recipe, target.settings, os.environ, spec),
    )


def how_of(recipe: Recipe, given: dict[str, Any]) -> How:
    """The recipe's `evaluate`, with what flags say over it."""
    from pipeline.evaluate import how_of

    return how_of(recipe).model_copy(update={key: value for key, value in given.items() if value is not None})


def agreed(bill: Bill | None, tuned: TunedModel, target: Target, recipe: Recipe, yes: bool) -> bool:
    """Says what asking a host costs, and asks where it has to be asked; nothing where models are on this machine."""
    from pipeline.writers import writer_for

    if bill is None:
        return True
    writer = writer_for(recipe, target.settings, os.environ, f"{tuned.host}:{tuned.model}")
    if _spend.consent(bill, target, writer, yes, known=True):
        return True
    console.say("nothing was asked, nothing was spent")
    return False


def tell(done: Evaluated, show: int) -> None:
    """The table, some prompts side by side, and the verdict."""
    value = done.value
    if done.found:
        console.fact("found", f"made before, on {value['created'][:10]}")
    console.fact("models", f"{value['models']['base']} (base), {value['models']['tuned']} (tuned)")
    console.fact("asked", asked(value))
    for line in console.table(rows_of(value), ("", "held-out", "base", "tuned", "change", "95% interval", " "),
                              right=("held-out", "base", "tuned", "change")):
        console.out(line)
    console.out()
    for side in done.sides[:show]:
        both(side["prompt"], side["base"], side["tuned"], value["models"], LINES)
    for note in (*value["notes"], *(value["models"].get("notes") or ())):
        console.warn(note)
    console.fact("so", done.verdict, "bold")


def asked(value: dict[str, Any]) -> str:
    """`5 held-out prompts, temperature 0.7, seed 0, at most 700 tokens`."""
    from pipeline.evaluate import Decoding

    prompts = console.plural(value["prompts"], "held-out prompt")
    scored = value["held_out"]["scored"]
    loss = f"; loss of {console.plural(scored, 'held-out answer')}" if scored else ""
    return f"{prompts}, {Decoding(**value['decoding'])}{loss}"


def rows_of(value: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line per metric: the held-out answers' own number, both models', what changed, and what that shows."""
    from pipeline.evaluate import in_order, shown
    from pipeline.metrics import open_metrics

    lines: list[tuple[str, ...]] = []
    for metric in in_order(open_metrics()):
        change = value["changes"].get(metric.key)
        if change is None:
            continue
        low, high = (shown(metric, change[end]) for end in ("low", "high"))
        moved = shown(metric, change["mean"])
        visible = any(digit in moved for digit in "123456789")
        plus = "+" if visible and change["mean"] > 0 else ""
        lines.append((
            metric.name.replace("-", " "), shown(metric, value["reference"].get(metric.key)),
            shown(metric, value["base"].get(metric.key)), shown(metric, value["tuned"].get(metric.key)),
            f"{plus}{moved}", "" if change["low"] is None else f"{low} to {high}", _word(change) if visible else "",
        ))
    return lines


def _word(change: dict[str, Any]) -> str:
    """What a change shows; nothing where no side is the better one."""
    if change["better_is"] == "neither":
        return ""
    return {True: "better", False: "worse", None: "may be chance"}[change["better"]]


def both(
    prompt: str, base: dict[str, Any], tuned: dict[str, Any], models: dict[str, Any], most: int | None = None
) -> None:
    """One prompt and its two answers, on stdout; on a terminal at most so many lines of each."""
    for line in _sides.lines_of(prompt, console.width() if console.screen() else 0):
        console.out(line, "name")
    console.out()
    left, right = (
        _sides.Side(f"{name}: {models[name]}", _sides.note(side["tokens"], side["stopped"]), side["text"])
        for name, side in (("base", base), ("tuned", tuned))
    )
    _sides.show(left, right, most)
