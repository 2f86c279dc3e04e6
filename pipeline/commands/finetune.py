"""`synth finetune`: tune a model on the exported rows, here or at a host."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.commands import _outcome, _tuning
from pipeline.commands._options import LITTLE_USD, Target, json_option, target, yes_option
from pipeline.errors import RecipeError

if TYPE_CHECKING:
    from pipeline.backends import Bill, RemoteJob
    from pipeline.finetune import Plan, Run
    from pipeline.recipe import Recipe
    from pipeline.sections import Finetune as Section


@click.command("finetune")
@target(sets=True, hosts=True)
@click.option("--backend", metavar="BACKEND", help="Who tunes: lora on this machine, or openai. [recipe; lora]")
@click.option("--base", metavar="MODEL", help="The model that is tuned: a folder, a name, tiny; HOST:MODEL. [recipe]")
@click.option("--again", is_flag=True, help="Repeat a run that was done before, beside it.")
@click.option("--allow-rehearsal", is_flag=True, help="Let rehearsed rows go to a host.")
@click.option("--detach", is_flag=True, help="Leave the job to its host, and come back with --follow.")
@click.option("--follow", metavar="ID", help="Follow a job of ours to its end.")
@click.option("--cancel", metavar="ID", help="Ask the host to end a job.")
@click.option("--list", "list_", is_flag=True, help="The jobs that the host knows.")
@click.option("--device", metavar="DEVICE", help="cpu, cuda, mps. [the best there is]")
@yes_option
@json_option
@click.pass_context
def command(
    context: click.Context, /, target: Target, backend: str | None, base: str | None, yes: bool, json_: bool,
    **given: Any,
) -> None:
    """Tunes a model on the exported rows, and shows the losses while it does.

    Run it again after a crash or Ctrl-C: it goes on where it stopped. The same rows, base and settings are found, not
    tuned again.

    \b
    synth finetune plots                                      as the recipe says
    synth finetune plots --base ./my-model --set finetune.rank=8
    synth finetune plots --backend openai --base gpt-4.1-mini-2025-04-14
    """
    one = [name for name in ("follow", "cancel", "list_") if given[name]]
    if len(one) > 1 or (one and (given["again"] or given["detach"])):
        raise RecipeError("--list, --follow and --cancel are each for themselves",
                          f"synth finetune {target.name} --list")
    if given["list_"]:
        _list(target, backend, base, json_)
    elif given["cancel"]:
        _cancel(target, given["cancel"])
    elif given["follow"]:
        _follow(context, target, given["follow"], json_)
    else:
        _tune(context, target, (backend, base), given, (yes, json_))


def _tune(
    context: click.Context, target: Target, who: tuple[str | None, str | None], given: dict[str, Any],
    flags: tuple[bool, bool],
) -> None:
    """Plans, asks, tunes."""
    from pipeline.finetune import How
    from pipeline.run import plan_tuning

    recipe = target.recipe()
    how = How(again=given["again"], allow_rehearsal=given["allow_rehearsal"])
    env = {**os.environ, **({"SYNTH_DEVICE": given["device"]} if given["device"] else {})}
    with target.dataset() as dataset:
        plan = plan_tuning(recipe, dataset, target.settings, env, how, section_of(target, recipe, *who))
        introduce(plan)
        if not agreed(plan, target, flags[0]):
            console.say("nothing was sent, nothing was spent")
            context.exit(1)
        _end(context, target, tuned(plan, target.name, detach=given["detach"]), flags[1])


def section_of(target: Target, recipe: Recipe, backend: str | None, base: str | None) -> Section:
    """The recipe's `finetune` with what flags say over it.

    Options of one backend mean nothing to another: where `--backend` names another than the recipe, only what `--set`
    adds is kept of them.
    """
    from pipeline.registry import printed
    from pipeline.sections import Finetune

    section = recipe.finetune or Finetune()
    values = section.model_dump(exclude_unset=True)
    if backend is not None and printed(backend) != printed(section.backend):
        written = replace(target, sets=()).recipe().finetune if target.sets else section
        before = written.model_dump(exclude_unset=True) if written else {}
        values = {key: value for key, value in values.items() if key not in before or before[key] != value}
    values |= {key: value for key, value in (("backend", backend), ("base", base)) if value is not None}
    return Finetune(**values)


def introduce(plan: Plan) -> None:
    """Who tunes what on which rows, and what a person should know before."""
    data, base = plan.record.data, plan.job.options.base
    held = data.get("validation")
    rows = f"{data['train']['rows']:,} rows" + (f", {held['rows']:,} held out" if held else ", none held out")
    console.fact("tune", f"{base} by {plan.backend.name} on {rows}")
    if plan.state == "found":
        when = (plan.record.finished or plan.record.created)[:10]
        console.fact("found", f"fine-tune {plan.record.id}, done on {when}; --again repeats it")
    elif plan.state == "resumed":
        console.fact("resume", f"fine-tune {plan.record.id}, begun {plan.record.created}")
    elif plan.state == "retried":
        console.fact("again", f"fine-tune {plan.record.id}, attempt {plan.record.attempt}")
    if data.get("rehearsal"):
        console.warn("these rows are a rehearsal: the model will learn what no model wrote")
    for problem in plan.warnings:
        console.warn(f"{console.near(problem.where)}: {problem.message}" + (f"\n{problem.fix}" if problem.fix else ""))


def agreed(plan: Plan, target: Target, yes: bool) -> bool:
    """Says the bill, and asks where the worst case is over a dollar, or not known, and no cap is set.

    Raises:
        RecipeError: it has to be asked, and there is no terminal to ask on.
    """
    bill = plan.bill
    if bill is None:
        return True
    console.fact("bill", bill_line(bill, target.settings.max_usd))
    little = bill.usd_worst is not None and bill.usd_worst <= LITTLE_USD
    if yes or little or target.settings.max_usd is not None:
        return True
    if not console.terminal():
        worst = "an unknown amount" if bill.usd_worst is None else f"up to {console.money(bill.usd_worst)}"
        cap = 0 if bill.usd_worst is None else max(1, round(bill.usd_worst + 0.5))
        capped = f"--max-usd {cap:g}   never spends more than that\n" if cap else ""
        raise RecipeError(f"this could cost {worst}, there is no cap, and nobody is here to be asked",
                          f"{capped}--yes          spends what it takes")
    return console.confirmed("Go on?")


def bill_line(bill: Bill, cap: float | None) -> str:
    """`412,331 tokens in 3 epochs, about $2.06, at most $2.20, cap none ($5 for a million tokens, as of 2026-05)`."""
    epochs = f" in {console.plural(bill.epochs, 'epoch')}" if bill.epochs else ""
    tokens = f"{'' if bill.exact else 'about '}{console.plural(bill.tokens, 'token')}{epochs}"
    about = console.money(bill.usd_expected) if bill.usd_expected is not None else "unknown (no price is known)"
    worst = "unknown" if bill.usd_worst is None else console.money(bill.usd_worst)
    limit = "none" if cap is None else console.money(cap)
    return f"{tokens}, about {about}, at most {worst}, cap {limit}" + (f" ({bill.note})" if bill.note else "")


def tuned(plan: Plan, name: str, *, detach: bool = False) -> Run:
    """Tunes with a panel; a run that Ctrl-C ends says how to go on, and ends the command."""
    from pipeline.run import tune

    try:
        with _tuning.TuningPanel(name, plan.warnings) as panel:
            return tune(plan, panel.update, detach=detach)
    except KeyboardInterrupt:
        at = "its host goes on with it" if plan.backend.remote else "everything that was done is kept"
        console.warn(f"stopped; {at}")
        console.next_command(f"synth finetune {name}", "goes on where it stopped")
        raise click.exceptions.Exit(_outcome.INTERRUPTED) from None


def _end(context: click.Context, target: Target, run: Run, json_: bool) -> None:
    run.require_model()
    if json_:
        console.as_json({**run.record.as_json(), "dataset": run.dataset, "folder": run.folder, "found": run.found})
    if run.interrupted:
        host = (run.record.remote or {}).get("host")
        console.fact("left", f"job {(run.record.remote or {}).get('job')} to {host}")
        console.wrote(run.folder / "finetune.json")
        console.next_command(f"synth finetune {target.name} --follow {run.record.id}")
        context.exit(0)
    if not json_:
        _tuning.tell(run.record)
    console.wrote(*(run.folder / name for name in ("finetune.json", "metrics.jsonl") if (run.folder / name).exists()))
    if run.record.model and (run.folder / run.record.model).is_dir():
        console.wrote(run.folder / run.record.model)
    console.next_command(f"synth evaluate {target.name}", "the same prompts before and after")


def _follow(context: click.Context, target: Target, name: str, json_: bool) -> None:
    from pipeline.finetune import find, plan_of

    with target.dataset() as dataset:
        record = find(dataset, name)
        if not (record.remote or {}).get("job"):
            what = f"{target.name}: fine-tune {record.id} has no job at a host"
            raise RecipeError(what, f"synth finetune {target.name}")
        plan = plan_of(dataset, record, target.settings, os.environ)
        _end(context, target, tuned(plan, target.name), json_)


def _cancel(target: Target, name: str) -> None:
    from pipeline.finetune import cancel

    with target.dataset() as dataset:
        state = cancel(dataset, name, target.settings, os.environ)
    console.fact("state", state)
    console.next_command(f"synth finetune {target.name} --follow {name}", "takes note of its end")


def _list(target: Target, backend: str | None, base: str | None, json_: bool) -> None:
    from pipeline.finetune import jobs

    recipe = target.recipe()
    found = jobs(section_of(target, recipe, backend, base), target.settings, os.environ,
                 lambda key: recipe.at("finetune", key))
    if json_:
        console.as_json([job._asdict() for job in found])
    else:
        for line in console.table(map(_row, found), ("job", "state", "base", "created", "model", "ours"), wide="model"):
            console.out(line)
    console.next_command(f"synth models {target.name}", "those that are ours, with their losses")


def _row(job: RemoteJob) -> tuple[str | None, ...]:
    ours = f"{job.dataset} {job.finetune}" if job.finetune else ""
    return job.id, job.state, job.base, job.created, job.tuned, ours
