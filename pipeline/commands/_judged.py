"""Rules that ask, at the command line: the bill first, a panel while they ask, and a line on what they found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import _console as console
from pipeline.commands import _spend
from pipeline.commands._options import Target
from pipeline.commands._panel import Panel
from pipeline.errors import RecipeError
from pipeline.words import ranked

if TYPE_CHECKING:
    from pipeline.curate import Ask, AskBill, ToCome, Told
    from pipeline.engine import Progress
    from pipeline.generate import RunPlan, Writer
    from pipeline.recipe import Recipe
    from pipeline.store import Dataset

ASKS_AGAIN = "--retry"
GUESS, LIMIT = 0.6, 1000
"""Share of the output limit that an answer fills, and the limit where none is set, until answers tell."""


class Judging:
    """How rules may ask, for one command. Use as a context manager; nobody is looked up before a rule asks.

    Args:
        target: what was typed.
        recipe: the recipe.
        dataset: the dataset.
        yes: whether `--yes` was given.
        retry: whether answers that could not be used are asked for once more.
        as_before: whether who answered last time counts over who is named now.
    """

    def __init__(
        self, target: Target, recipe: Recipe, dataset: Dataset, yes: bool, *, retry: bool = False,
        as_before: bool = False,
    ) -> None:
        self._target, self._recipe, self._dataset = target, recipe, dataset
        self._yes, self._retry, self._as_before = yes, retry, as_before
        self._panel: Panel | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Ask:
        from pipeline.curate import Ask

        return Ask(self._writer, self._target.settings, self._agreed, self._report, self._retry)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @cached_property
    def _judges(self) -> Callable[[str | None, str], Writer]:
        from pipeline.writers import judges

        writer = _spend.writer_of(self._target, self._recipe, asks=False)
        return judges(self._recipe, self._dataset, writer, self._target.settings)

    def _writer(self, model: str | None, before: str) -> Writer:
        return self._judges(before if self._as_before and before else model, before)

    def _agreed(self, bill: AskBill) -> None:
        """Says who judges and for how much.

        Raises:
            click.exceptions.Exit: a person said no.
            RecipeError: it has to be asked, and there is no terminal to ask on; or nobody is named where a real model
                wrote or judged the rows.
        """
        introduce(bill, self._target, self._recipe)
        if not _spend.consent(bill, self._target, bill.writers[0], self._yes, known=True):
            console.say("nothing was asked, nothing was spent")
            raise click.exceptions.Exit(1)
        self._panel = self._stack.enter_context(Panel(self._target.name))

    def _report(self, progress: Progress) -> None:
        if self._panel is not None:
            self._panel.update(progress)


def foreseen(target: Target, recipe: Recipe, dataset: Dataset, writer: Writer, plan: RunPlan) -> AskBill | None:
    """What rules that ask will take of the rows of a plan; None where none asks, or nothing is left to ask."""
    from pipeline.curate import ask_ahead
    from pipeline.writers import judges

    of = judges(recipe, dataset, writer, target.settings)
    found = ask_ahead(recipe, dataset, of, _to_come(recipe, dataset, plan))
    return found if found is not None and found.new_calls else None


def _to_come(recipe: Recipe, dataset: Dataset, plan: RunPlan) -> ToCome:
    """The rows of a plan: as long as the writer's answers are thought to be; of rows that exist, as those that do."""
    from pipeline.curate import ToCome
    from pipeline.engine import output_limit

    if not recipe.asks:
        sizes = [len(str(sample.messages).encode("utf-8", "surrogatepass")) for sample in dataset.samples()]
        return ToCome(plan.wanted, "", sum(sizes) / len(sizes) / 4 if sizes else 0.0, max(sizes, default=None))
    limit = output_limit({**recipe.generate.body(), **recipe.asks[-1].body()})
    steps = plan.forecast.steps  # those of which calls are missing; where none is, an answer is as long as a guess
    tokens = steps[-1].output_tokens.middle / steps[-1].calls if steps else GUESS * (limit or LIMIT)
    return ToCome(plan.wanted + plan.surplus, plan.prompts[0] if plan.prompts else "", tokens, limit)


def as_json(bill: AskBill) -> dict[str, Any]:
    """As `plan --json` prints it."""
    return {"calls": bill.new_calls, "by_rule": bill.rules, "usd_expected": bill.usd_expected,
            "usd_worst": bill.usd_worst}


def introduce(bill: AskBill, target: Target, recipe: Recipe) -> None:
    """Who judges, and how many rows.

    Raises:
        RecipeError: nobody is named now, where a real model wrote or judged the rows.
    """
    from pipeline.writers import names_a_model

    real = [f"{each.provider.namespace}:{each.model}" for each in bill.writers if not each.provider.rehearsal]
    if not names_a_model(recipe, target.settings, target.model):
        before = next((name for name in real if name not in bill.named), None)
        if before or not real:
            _spend.require_named(target, recipe, bill.writers[0], before)
    rehearsed = any(writer.provider.rehearsal for writer in bill.writers)
    who = ", ".join(_spend.who(writer) for writer in bill.writers)
    console.fact("judge", who, "warn" if rehearsed else "")
    by = ", ".join(f"{rule} {count:,}" for rule, count in bill.rules.items())
    known = f"; {bill.known:,} answered before" if bill.known else ""
    console.fact("rows", f"at most {console.plural(bill.new_calls, 'row')} to score ({by}){known}")


def tell(told: Told | None, name: str) -> None:
    """Who scored how many rows for how much; and why the others have no score."""
    if told is None:
        return
    for rule, who in told.who.items():
        scored, missing = told.scored[rule], told.missing.get(rule)
        if scored:
            console.fact("scored", f"{rule}: {console.plural(scored, 'row')}, {_by(who.name, who.rehearsal)}",
                         "warn" if who.rehearsal else "")
        if missing:
            why = ", ".join(f"{reason} {count:,}" for reason, count in ranked(missing).items())
            again = f"\nsynth curate {name} {ASKS_AGAIN}   asks again what could not be used" if (
                missing.keys() - {"not asked"}) else ""
            console.fact("", f"{rule}: no score of {console.plural(missing.total(), 'row')}, kept all the same "
                             f"({why}){again}", "warn")
    progress = told.progress
    if progress.answered or progress.failed:
        usd = "cost unknown" if progress.usd is None else console.money(progress.usd)
        console.fact("asked", f"{console.plural(progress.answered, 'answer')}, {progress.input_tokens:,} tokens in, "
                              f"{progress.output_tokens:,} out, {usd}")


def _by(name: str, rehearsal: bool) -> str:
    return "rehearsed: nobody real judged, and no real row is dropped by it" if rehearsal else f"by {name}"


def tell_ahead(told: Told | None) -> None:
    """What it would take to know what these bounds decide: rows that would stand and have no score."""
    if told is None or not (total := sum(why.total() for why in told.missing.values())):
        return
    bill = told.bill
    missing = f"{console.plural(total, 'row')} would stand without a score, kept all the same"
    calls = f"; to judge what was never asked takes {_spend.judged(bill)}" if bill else ""
    console.warn(f"{missing}{calls}")


def tell_otherwise(dataset: Dataset, target: Target) -> None:
    """Where the recipe asks otherwise than the last curation did: whose scores these are, and what others take."""
    from pipeline.curate import asks_otherwise

    recipe = target.recipe()
    with Judging(target, recipe, dataset, yes=False, as_before=True) as ask, suppress(RecipeError):
        if (found := asks_otherwise(dataset, recipe, ask)) is not None:
            command = target.told(f"synth curate {target.name}")
            takes = f"to judge by that takes {_spend.judged(found.bill)}" if found.bill else "that is answered already"
            console.warn("by the scores of the last curation; the recipe asks otherwise now "
                         f"({', '.join(found.options)}), {takes}\n{command}   decides by it")
