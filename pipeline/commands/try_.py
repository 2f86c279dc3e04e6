"""`synth try`: a prompt of one's own to base and tuned model, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.commands import evaluate as _evaluate
from pipeline.commands._doing import Doing
from pipeline.commands._options import Target, json_option, target, yes_option
from pipeline.errors import RecipeError

if TYPE_CHECKING:
    from pipeline.evaluate.trial import Blank, Filled, Trial
    from pipeline.recipe import Recipe
    from pipeline.store import Dataset

OFFERED = 24
"""Values of an axis that are listed; of longer lists the first so many."""


@click.command("try")
@target(sets=True, hosts=True)
@click.option("--axis", "axes", multiple=True, metavar="NAME=VALUE", help="A value of the prompt. Repeatable.")
@click.option("--prompt", metavar="TEXT", help="A user message in place of the recipe's.")
@click.option("-n", "--count", type=click.IntRange(1), metavar="N", default=1, show_default=True,
              help="How many prompts.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Draws what is not given, and the answers. [0]")
@click.option("--temperature", type=click.FloatRange(0, 2), metavar="T",
              help="0: the likeliest token. [0.7; 0 for labels]")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Of an answer.")
@click.option("--finetune", metavar="ID", help="Which tuned model, by the beginning of its id. [the last one]")
@click.option("--device", metavar="DEVICE", help="cpu, cuda, mps. [the best there is]")
@yes_option
@json_option
@click.pass_context
def command(
    context: click.Context, /, target: Target, axes: tuple[str, ...], prompt: str | None, count: int,
    finetune: str | None, device: str | None, yes: bool, json_: bool, **how: Any,
) -> None:
    """Fills the training prompt and shows what base and tuned model make of it, side by side.

    Values that are not given are asked for on a terminal; elsewhere, or with --seed, they are drawn.

    \b
    synth try plots
    synth try plots --axis genre=horror --axis place=Egypt
    synth try plots -n 3 --seed 7
    synth try plots --prompt "Once upon a time"
    """
    from pipeline.evaluate import tuned_model
    from pipeline.evaluate.trial import Attempts, as_tuned

    recipe = target.recipe()
    options = _evaluate.options_of(target, recipe, device, how)
    assert options.how is not None
    with target.dataset() as dataset:
        tuned = tuned_model(dataset, finetune)
        recipe, notes = (recipe, []) if target.sets else as_tuned(recipe, tuned)
        given = _given(axes)
        if console.terminal() and how["seed"] is None and not json_:
            given |= _asked(recipe, given, prompt)
        prompts = _prompts(recipe, dataset, given, prompt, (options.how.seed, count))
        with Doing() as doing:
            attempts = Attempts(dataset, tuned, options.how, options, doing.tell)
        with attempts:
            if not _evaluate.agreed(attempts.bill(prompts), tuned, target, recipe, yes):
                context.exit(1)
            with Doing() as doing:
                attempts.tell = doing.tell
                found = list(attempts.ask(prompts))
    names = {"base": attempts.pair.base, "tuned": attempts.pair.tuned}
    if json_:
        console.as_json([_as_json(trial, names) for trial in found])
    else:
        for note in notes:
            console.warn(note)
        for trial in found:
            _show(trial, names)
        if tuned.rehearsal:
            console.warn("tuned on rehearsed rows: this shows that the road works, not that the model is good")
    console.next_command(f"synth evaluate {target.name}", "the same for held-out prompts, with numbers")


def _given(texts: Sequence[str]) -> dict[str, str]:
    """`--axis` words as name -> value. Raises RecipeError for one without `=`."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--axis {text}: no value", f"--axis {name}=VALUE")
        found[name.strip()] = value.strip()
    return found


def _asked(recipe: Recipe, given: dict[str, str], prompt: str | None) -> dict[str, str]:
    """What a person says to each blank that is not given; Enter leaves it to the seed."""
    from pipeline.evaluate.trial import blanks

    said = {}
    for blank in blanks(recipe, prompt):
        if blank.name not in given and (answer := _ask(blank)):
            said[blank.name] = answer
    return said


def _ask(blank: Blank) -> str:
    values = [str(value) for value in blank.values]
    if not values:
        return str(click.prompt(f"{blank.name} (any text; Enter: one of the dataset's)", default="",
                                show_default=False, err=True)).strip()
    console.say(blank.name, "bold")
    for line in offered(values, console.width()):
        console.say(line)
    answer = str(click.prompt(f"{blank.name} (number or text; Enter: any)", default="", show_default=False,
                              err=True)).strip()
    if answer in values or not answer.isdecimal() or not 1 <= int(answer) <= len(values):
        return answer
    return values[int(answer) - 1]


def offered(values: Sequence[str], room: int) -> list[str]:
    """Numbered values in as many columns as fit, read from top to bottom."""
    from rich.cells import cell_len, set_cell_size

    found = [f"{number:>4}  {console.one_line(value, 40)}" for number, value in enumerate(values[:OFFERED], 1)]
    wide = max(map(cell_len, found)) + 2
    height = -(-len(found) // max(1, room // wide))
    lines = ["".join(set_cell_size(text, wide) for text in found[row::height]).rstrip() for row in range(height)]
    return [*lines, f"      and {len(values) - OFFERED:,} more"] if len(values) > OFFERED else lines


def _prompts(
    recipe: Recipe, dataset: Dataset, given: dict[str, str], prompt: str | None, turns: tuple[int, int]
) -> list[Filled]:
    from pipeline.evaluate.trial import fill

    first, count = turns
    return [fill(recipe, dataset, given, seed, prompt) for seed in range(first, first + count)]


def _show(trial: Trial, names: dict[str, str]) -> None:
    """A prompt, what was drawn for it, and both answers."""
    filled = trial.filled
    if filled.drawn:
        console.fact("drawn", f"{console.pairs(filled.drawn)} (seed {trial.decoding.seed})")
    for note in filled.notes:
        console.warn(note)
    if trial.trained:
        console.warn("this very prompt was trained on: the tuned model may know its answer by heart")
    system = "".join(f"[{message['content']}]\n" for message in filled.messages if message["role"] == "system")
    sides = [_side(output) for output in (trial.base, trial.tuned)]
    _evaluate.both(f"{system}{filled.messages[-1]['content']}", sides[0], sides[1], names)
    console.fact("how", str(trial.decoding))


def _side(output: Any) -> dict[str, Any]:
    if output is None:
        return {"text": "(no usable answer)", "tokens": None, "stopped": None}
    return {"text": output.text, "tokens": output.tokens, "stopped": output.stopped}


def _as_json(trial: Trial, names: dict[str, str]) -> dict[str, Any]:
    sides = {name: None if output is None else _side(output)
             for name, output in (("base", trial.base), ("tuned", trial.tuned))}
    return {"messages": trial.filled.messages, "given": trial.filled.given, "drawn": trial.filled.drawn,
            "trained_on": trial.trained, "decoding": trial.decoding._asdict(), "models": names, **sides,
            "notes": trial.filled.notes}
