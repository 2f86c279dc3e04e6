"""What a run did, in a few lines: rows, failures, money, time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.commands import _console as console
from pipeline.commands._panel import kinds
from pipeline.errors import SynthError
from pipeline.words import ranked

if TYPE_CHECKING:
    from pipeline.commands._options import Target
    from pipeline.engine import Progress
    from pipeline.generate import Generated, Outlook
    from pipeline.recipe import Recipe
    from pipeline.run import Kept, Round
    from pipeline.store import Dataset
    from pipeline.store.foreseen import Reckoning

INTERRUPTED = 130
PROBLEMS_SHOWN = 5
DAMAGED_SHOWN = 5
LOST_SHOWN = 5


def tell(done: Generated, dataset: Dataset) -> None:
    """Says what one run of `generate` did."""
    for note in done.notes:
        console.warn(note)
    damaged = dataset.calls.problems()
    for problem in damaged[:DAMAGED_SHOWN]:
        console.warn(f"{console.near(problem.where)}: {problem.message}")
    if len(damaged) > DAMAGED_SHOWN:
        console.warn(f"{len(damaged) - DAMAGED_SHOWN:,} more damaged lines")
    console.fact("rows", _rows(done))
    progress = done.progress
    for problem in dataset.calls.problems()[:PROBLEMS_SHOWN]:
        console.warn(f"{problem.where}: {problem.message}; {problem.fix}")
    tell_noticed(progress)
    if progress.failed:
        where = console.near(dataset.path / "failures.jsonl")
        console.fact("failed", f"{kinds(progress)}; {where} holds them, "
                               f"synth generate {dataset.name} --retry asks again", "warn")
    if progress.elsewhere:
        console.warn(f"{console.plural(progress.elsewhere, 'row')} wait for a batch that is on its way\n"
                     f"synth generate {dataset.name} --batch   fetches it")
    if progress.answered:
        console.fact("asked", asked(progress))


def tell_cap(dataset: Dataset, cap: float | None) -> None:
    """Says that the cap is passed: by a host that heeds no limit, or since it was lowered."""
    if cap is not None and (spent := dataset.calls.spent().usd) > cap:
        console.warn(f"{console.money(spent)} are spent, over the cap of {console.money(cap)}: nothing more is "
                     "sent under it")


def tell_noticed(progress: Progress) -> None:
    """Says once what the host ignored, and in how many answers."""
    for note, count in progress.noticed.items():
        console.warn(f"{note} ({count:,} of {console.plural(progress.answered, 'answer')})")


def tell_bill(dataset: Dataset, kept: int | None, closed: Reckoning | None) -> None:
    """Says what a run came to beside its bill.

    Args:
        dataset: where the bill was written down.
        kept: rows that are kept; None where rows were rewritten since, which no bill of `generate` foresees.
        closed: the bill as it was closed; None where there was none, as for a rehearsal.
    """
    from pipeline.commands import _bill
    from pipeline.store.foreseen import count_kept

    if closed is not None:
        told = count_kept(dataset, kept) if kept is not None else closed
        console.fact("came", _bill.came(told or closed))


def tell_round(found: Round) -> None:
    """One round on the way to so many kept rows: `24 of 200 after 50 rows`."""
    console.fact("kept", f"{found.kept:,} of {found.goal:,} after {console.plural(found.rows, 'row')} more")


def tell_kept(kept: Kept) -> None:
    """Says how many rows are kept."""
    ahead = kept.ahead
    console.fact("kept", f"{ahead.kept:,} of {ahead.goal:,} wanted, {console.percent(ahead.kept, ahead.asked)} of "
                         f"{console.plural(ahead.asked, 'row')}")
    tell_lost(kept)


def tell_lost(kept: Kept) -> None:
    """Says which values and cells were given up, since nearly nothing of them was kept."""
    if lost := kept.ahead.lost:
        some = "; ".join(lost[:LOST_SHOWN]) + ("; ..." if len(lost) > LOST_SHOWN else "")
        console.warn(f"nearly nothing was kept of {some}: given up, the others took that share")


def outlook(ahead: Outlook) -> str:
    """`189 of 200, about 24 rows more (48% of 396 were kept)`."""
    known = (f"{console.percent(ahead.kept, ahead.asked)} of {ahead.asked:,} were kept" if ahead.measured
             else f"a guess: {console.percent(round(ahead.share * 100), 100)} are kept")
    waiting = f", {ahead.waiting:,} not judged by these rules yet" if ahead.waiting else ""
    more = f"about {console.plural(ahead.more, 'row')} more ({known})" if ahead.more else "no more rows"
    return f"{ahead.kept:,} of {ahead.goal:,} rows{waiting}, {more}" + (f": {ahead.ended}" if ahead.ended else "")


def tell_default(recipe: Recipe) -> None:
    """Says by which rules rows are judged where the recipe names none, in one line."""
    from pipeline.rules import DEFAULT

    if "curate" not in recipe.model_fields_set:
        console.say(f"no rule is named: by the preset {DEFAULT}, which `synth plugins {DEFAULT}` shows", "dim")


def tell_flagged(rows: int, by_rule: Mapping[str, int], name: str) -> None:
    """Says that kept rows carry a flag, which drops none of them, and how they are listed."""
    if rows:
        rules = ", ".join(f"{rule} {count:,}" if len(by_rule) > 1 else rule for rule, count in ranked(by_rule).items())
        console.fact("flags", f"{console.plural(rows, 'kept row')} ({rules}): synth inspect {name} --state flagged",
                     "warn")


def tell_edits(dataset: Dataset, target: Target) -> None:
    """Says that a hand changed rows and nobody decided on it: they are used as they stand."""
    from pipeline.store.locks import holder

    if holder(dataset.path, "samples"):
        return  # a row that is being written is no edit
    if edits := dataset.hand_edits():
        adopt = f"synth generate {dataset.name} --adopt{named(dataset, target)}"
        console.warn(f"{edits} in samples.jsonl, used as it stands and not decided on\n"
                     f"{adopt} keeps that, --restore brings ours back")


def named(dataset: Dataset, target: Target) -> str:
    """The option that names who wrote the rows, where nobody names a model now."""
    from pipeline.hosts import options_of
    from pipeline.writers import names_a_model, wrote

    with suppress(SynthError):  # without a recipe that can be read, `generate` has more to say than this
        if not names_a_model(target.recipe(), target.settings, target.model) and (model := wrote(dataset)):
            return f" {options_of(model, target.settings)}"
    return ""


def _rows(done: Generated) -> str:
    parts = [f"{done.standing:,} of {done.wanted:,}"]
    if done.added > done.again:
        parts.append(f"{done.added - done.again:,} new")
    if done.rendered:
        parts.append(f"{done.rendered:,} rendered anew for nothing, since the training prompt changed")
    return ", ".join(parts)


def asked(progress: Progress, what: str = "") -> str:
    """`75 answers in 2.7 s, 10,448 tokens in, 20,346 out, $0.04`. `what`: said behind the answers."""
    seconds = max(0.0, time.monotonic() - progress.started)
    usd = "cost unknown" if progress.usd is None else console.money(progress.usd)
    retried = f", {progress.retried:,} tried again" if progress.retried else ""
    return (
        f"{console.plural(progress.answered, 'answer')}{what} in {console.duration(seconds)}{retried}, "
        f"{progress.input_tokens:,} tokens in, {progress.output_tokens:,} out, {usd}"
    )


def stopped(again: str) -> None:
    """What a person reads after Ctrl-C."""
    console.warn("stopped; everything that came is kept")
    console.next_command(again, "goes on where it stopped")
