"""What a run will cost, said in one line first, and asked about where it could be more than a little."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from pipeline.commands import _console as console
from pipeline.commands._options import LITTLE_USD, Target
from pipeline.errors import RecipeError, did_you_mean
from pipeline.hosts import REHEARSAL, options_of
from pipeline.hosts.access import SECRET_NAME
from pipeline.prices import FREE_HERE, free_here

if TYPE_CHECKING:
    from pipeline.curate import AskBill
    from pipeline.engine import Writer as Who
    from pipeline.generate import RunPlan, Writer
    from pipeline.generate.bill import Pace
    from pipeline.recipe import Recipe
    from pipeline.store.standing import Aside

NAMES_A_REAL_ONE = "--model openai:gpt-4.1-mini"


class Bill(Protocol):
    """What a plan says of its price: of `generate`, or of `augment`."""

    @property
    def new_calls(self) -> int:
        """Calls that would be sent."""

    @property
    def usd_expected(self) -> float | None:
        """None without a price."""

    @property
    def usd_worst(self) -> float | None:
        """None without a price or an output limit."""


def writer_of(target: Target, recipe: Recipe, *, asks: bool = True) -> Writer:
    """Who writes.

    Args:
        target: what was typed.
        recipe: the recipe.
        asks: whether the verb asks questions; `plan` does not.

    Raises:
        RecipeError: an unknown host, rule, rewrite or format. Of verbs that ask: the variable that was named for the
            key is not set, or nobody named a model where a real one wrote rows: that would be a rehearsal in silence.
    """
    from pipeline.run import check_plugins
    from pipeline.writers import writer_for

    check_plugins(recipe)
    writer = writer_for(recipe, target.settings, os.environ, target.model)
    if asks:
        require_named(target, recipe, writer)
    return writer


def require_named(target: Target, recipe: Recipe, writer: Who, judged: str | None = None) -> None:
    """What must be there before somebody is asked.

    Args:
        target: what was typed.
        recipe: the recipe.
        writer: who would be asked.
        judged: the model that judged the rows, where nobody names one now.

    Raises:
        RecipeError: the variable that was named for the key is not set, or nobody named a model where a real one wrote
            rows: that would be a rehearsal in silence.
    """
    variable = target.settings.key_env
    if variable and not writer.provider.rehearsal and not os.environ.get(variable, "").strip():
        raise RecipeError(f"{variable} is not set: it was named as the variable of the key", _set(variable))
    if model := judged or unnamed(target, recipe):
        again = target.again()
        ways = [f"{again} {options_of(each, target.settings)}" for each in (model, REHEARSAL)]
        width = max(map(len, ways))
        raise RecipeError(
            f"{target.name}: {model} {'judged' if judged else 'wrote'} rows of it, and no model is named now",
            f"{ways[0]:<{width}}   goes on\n{ways[1]:<{width}}   rehearses beside them",
        )


def unnamed(target: Target, recipe: Recipe) -> str | None:
    """The model that wrote rows of the dataset, where nobody names one now; None where that is no question."""
    from pipeline.store import Dataset
    from pipeline.writers import names_a_model, wrote

    if names_a_model(recipe, target.settings, target.model):
        return None
    with Dataset(target.path) as dataset:
        return wrote(dataset)


def _set(variable: str) -> str:
    near = did_you_mean(variable, sorted(name for name in os.environ if SECRET_NAME.search(name)))
    return f"export {variable}=..." + (f"\n{near}" if near.startswith("did you mean") else "")


def who(writer: Who) -> str:
    """The line that says who writes; a rehearsal says that it is one, and how to get a real one."""
    if writer.provider.rehearsal:
        return f"rehearsal: nobody real answers; {NAMES_A_REAL_ONE} asks a real model"
    return f"{writer.provider.namespace}:{writer.model}"


def bill(plan: Bill, target: Target, writer: Who) -> str:
    """`34 new calls, about $0.02, at most $0.11, cap none`."""
    calls = console.plural(plan.new_calls, "new call")
    if getattr(getattr(plan, "forecast", None), "skipped", None):
        calls = f"at most {calls}"
    if repairs := getattr(plan, "repairs", 0):
        calls = f"{calls} and at most {console.plural(repairs, getattr(plan, 'further', 'repair'))}"
    if writer.provider.rehearsal or not plan.new_calls:
        return f"{calls}, $0"
    cap = "none" if target.settings.max_usd is None else console.money(target.settings.max_usd)
    return f"{calls}, {priced(plan)}, cap {cap}"


def priced(plan: Bill) -> str:
    """`about $0.02, at most $0.11`."""
    if plan.usd_expected is None:
        return "cost unknown (no price is known)"
    worst = console.money(plan.usd_worst) if plan.usd_worst is not None else "unknown"
    about = console.money(plan.usd_expected)
    return f"{'' if about.startswith('under') else 'about '}{about}, at most {worst}"


def pace(target: Target, writer: Writer) -> Pace:
    """How fast the host may be asked from here."""
    from pipeline.engine import Limits
    from pipeline.generate.bill import Pace

    limits = Limits.of(target.settings, writer.provider, writer.price)
    return Pace(limits.concurrency, limits.rpm, limits.tpm)


def foresee(plan: RunPlan, doubts: list[str], writer: Writer) -> None:
    """Says what is probably not meant, and which rows would leave the set."""
    for doubt in doubts:
        console.warn(doubt)
    if plan.aside:
        console.warn(aside(plan, writer))


TO_COME: dict[Aside, str] = {"rehearsed": "rehearsed, once the first real row is there"}
"""Why rows will stand aside, where it reads otherwise before it has come to that."""


def aside(plan: RunPlan, writer: Writer) -> str:
    """`548 paid rows will stand aside: cell is no longer in the recipe`."""
    from pipeline.store.standing import WHY

    total = sum(plan.aside.values())
    paid = "" if writer.provider.rehearsal or "rehearsed" in plan.aside else "paid "
    many = len(plan.aside) > 1
    words = {**WHY, **TO_COME}
    why = ", ".join((f"{count:,} " if many else "") + words[each] for each, count in plan.aside.items())
    return f"{console.plural(total, f'{paid}row')} will stand aside: {why}"


def consent(
    plan: Bill, target: Target, writer: Who, yes: bool, *, known: bool = False, beside: AskBill | None = None
) -> bool:
    """Says the bill, and asks where the worst case is over a dollar, or not known, and no cap is set.

    Args:
        plan: what would be asked.
        target: holds the cap.
        writer: who would be asked.
        yes: whether `--yes` was given.
        known: who writes was said before.
        beside: what rules that ask will take of the rows behind it.

    Raises:
        RecipeError: it has to be asked, and there is no terminal to ask on.
    """
    whole = _together(plan, beside)
    if not known:
        console.fact("writer", who(writer), "warn" if writer.provider.rehearsal else "")
    console.fact("bill", bill(plan, target, writer))
    if beside is not None:
        console.fact("judge", judged(beside))
    if plan.new_calls and free_here(writer.price):
        console.warn(FREE_HERE)
    little = whole.usd_worst is not None and whole.usd_worst <= LITTLE_USD
    free = writer.provider.rehearsal and (beside is None or all(each.provider.rehearsal for each in beside.writers))
    if yes or little or not whole.new_calls or free or target.settings.max_usd is not None:
        return True
    if not console.terminal():
        raise RecipeError(
            f"this could cost {_worst(whole)}, there is no cap, and nobody is here to be asked",
            _ways_on(whole if beside is None or plan.usd_worst is not None else plan, writer),
        )
    return console.confirmed("Go on?")


def judged(bill: AskBill) -> str:
    """`at most 24 calls by openai:gpt-4.1-mini, about $0.02, at most $0.05`."""
    calls = f"at most {console.plural(bill.new_calls, 'call')}"
    if all(writer.provider.rehearsal for writer in bill.writers):
        return f"{calls}, rehearsed, $0"
    return f"{calls} by {', '.join(map(who, bill.writers))}, {priced(bill)}"


def _together(plan: Bill, beside: AskBill | None) -> Bill:
    """Both as one bill."""
    if beside is None:
        return plan
    from pipeline.engine import Bill as Both

    expected, worst = ([plan.usd_expected, beside.usd_expected], [plan.usd_worst, beside.usd_worst])
    return Both(plan.new_calls + beside.new_calls, *(None if None in each else sum(map(float, each))  # type: ignore[arg-type]
                                                     for each in (expected, worst)))


def _worst(plan: Bill) -> str:
    return "an unknown amount" if plan.usd_worst is None else f"up to {console.money(plan.usd_worst)}"


def _ways_on(plan: Bill, writer: Who) -> str:
    """What to type: a cap where one can be kept, else the lines that make it possible; or consent."""
    if plan.usd_worst is not None:
        cap = f"--max-usd {max(1, round(plan.usd_worst + 0.5)):g}"
        return f"{cap:<14} never spends more than that\n{'--yes':<14} spends what it takes"
    if writer.price is None:
        missing = f'in synth.toml, in dollars per million tokens: [prices."{writer.model}"] input = ... output = ...'
    else:
        missing = f"an output limit, as {getattr(plan, 'limited', '--set generate.max_tokens=1000')}"
    return f"--yes          spends what it takes\nfor a bill, and for --max-usd to hold: {missing}"
