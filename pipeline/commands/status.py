"""`synth status`: where everything stands, what it cost, what is next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import click

from pipeline import status as status_
from pipeline.commands import _bill, _decided
from pipeline.commands import _console as console
from pipeline.commands._options import Target, json_option, target
from pipeline.errors import SynthError
from pipeline.settings import Settings
from pipeline.status import Standing

SPARE = ("failed", "copied", "unconfirmed", "no price", "tuning")
"""Columns of what was paid that are shown where a dataset has something in them."""


@click.command("status")
@target(optional=True)
@click.option("--cost", is_flag=True, help="What was paid: answers, tokens, dollars.")
@json_option
def command(target: Target, cost: bool, json_: bool) -> None:
    """Shows where every dataset stands, what it cost and what is next."""
    if target.name:
        found, broken = [status_.standing(target.made, target.settings)], list[Broken]()
    else:
        found, broken = known(target.settings)
    if json_:
        console.as_json(status_.as_dict(found[0]) if target.name else [status_.as_dict(one) for one in found])
        tell_broken(broken)
        return
    tell_broken(broken)
    if not found and broken:
        return
    if not found:
        console.fact("none", f"no dataset in {console.near(target.settings.datasets)}")
        console.next_command("synth run plots", "a demo in a minute, offline")
        return
    if cost:
        _costs(found)
    elif target.name:
        _whole(found[0])
        _tell_otherwise(target)
    else:
        overview(found)
    console.next_command(next((one.next for one in found if not one.busy), found[0].next))


def _tell_otherwise(target: Target) -> None:
    """Says where the last curation is not the recipe's; a recipe that cannot be read is for other verbs to tell of."""
    with suppress(SynthError), target.dataset() as dataset:
        if otherwise := _decided.otherwise(dataset, target.recipe(), target):
            console.warn(otherwise)


OLDER = {
    "": "", "curation": ", older than the last curation: synth export {name}",
    "rows": ", older than the rows: synth curate {name}", "reviews": ", older than your reviews: synth curate {name}",
}
"""What is newer than an export -> what a person reads of it."""


class Broken(NamedTuple):
    """A dataset that cannot be read, and why."""

    name: str
    error: SynthError


def known(settings: Settings) -> tuple[list[Standing], list[Broken]]:
    """Where the datasets stand; one that is damaged does not hide the others."""
    found, broken = [], []
    for path in status_.datasets(settings):
        try:
            found.append(status_.standing(path, settings))
        except SynthError as error:
            broken.append(Broken(path.name, error))
    return found, broken


def tell_broken(broken: list[Broken]) -> None:
    """Names the datasets that cannot be read."""
    for one in broken:
        console.warn(f"{one.error.message}\n{one.error.hint}".rstrip())


def overview(found: list[Standing]) -> None:
    """A line per dataset. What is next is said once, behind it."""
    cells: dict[str, Callable[[Standing], str]] = {
        "dataset": lambda one: one.name, "rows": progress, "kept": _kept, "exported": _formats, "tuned": _tuned,
        "cost": _cost}
    if not any(one.tuned for one in found):
        del cells["tuned"]
    rows = [tuple(cell(one) for cell in cells.values()) for one in found]
    for line in console.table(rows, tuple(cells), right=("cost",)):
        console.out(line)
    for one in found:
        if one.edits:
            console.warn(f"{one.name}: {one.edits}: {ways(one)}")


def _kept(one: Standing) -> str:
    """`375 of 562`; of the rows that were judged."""
    judged = one.kept + one.dropped
    return f"{one.kept:,} of {judged:,}" if judged else "not curated"


def _formats(one: Standing) -> str:
    names = [export.format for export in one.exports]
    older = ", older" if any(export.older_than for export in one.exports) else ""
    return (names[0] if len(names) == 1 else f"{len(names)} formats") + older if names else "not yet"


def _tuned(one: Standing) -> str:
    """`1 model, judged`; of the one that was tuned last."""
    return f"{console.plural(one.tuned, 'model')}{', judged' if one.judged else ''}" if one.tuned else ""


def _cost(one: Standing) -> str:
    return "rehearsal" if one.rehearsal and not one.spent.usd + one.tuned_usd else cost_short(one)


def _whole(one: Standing) -> None:
    rewritten = " rewritten" if one.rewrites else ""
    earlier = f", and {one.earlier:,} of an earlier prompt or model" if one.earlier else ""
    rows = [("rows", progress(one, rewritten) + earlier), ("writer", writer(one)), ("curated", curated(one))]
    if one.skipped:
        rows.insert(1, ("skipped", console.causes(one.skipped)))
    if one.by_rule:
        rows.append(("dropped by", ", ".join(f"{rule} {count:,}" for rule, count in one.by_rule.items())))
    for export in one.exports:
        files = console.plural(len(export.files), "file")
        rows.append(("exported", f"{export.format}: {console.plural(export.rows, 'line')} in {files}"
                                 f"{OLDER[export.older_than].format(name=one.name)}"))
    if one.tuned:
        rows.append(("tuned", f"{_tuned(one)}   (synth models {one.name})"))
    rows.append(("cost", cost_of(one)))
    if one.edits:
        rows.append(("by hand", f"{one.edits}, not decided on: {ways(one)}"))
    if one.batched:
        rows.append(("batches", f"{console.plural(one.batched, 'question')} on their way"))
    if one.busy:
        rows.append(("at work", one.busy))
    console.out(f"{console.styled(one.name, 'bold')}  {console.styled(console.near(one.path), 'dim')}")
    console.block(rows)


def _costs(found: list[Standing]) -> None:
    rows = [
        (one.name, spent.answered, spent.failed, spent.copied, spent.input_tokens, spent.output_tokens,
         console.money(spent.usd), console.money(spent.unconfirmed_usd), spent.unpriced, console.money(one.tuned_usd))
        for one in found for spent in [one.spent]
    ]
    columns: tuple[str, ...] = ("dataset", "answered", "failed", "copied", "tokens in", "tokens out", "cost",
                                "unconfirmed", "no price", "tuning")
    shown = [index for index, name in enumerate(columns)
             if name not in SPARE or any(row[index] not in (0, "$0") for row in rows)]
    columns = tuple(columns[index] for index in shown)
    for line in console.table([[row[index] for index in shown] for row in rows], columns, right=columns[1:]):
        console.out(line)
    if bills := [(one.name, one.bill) for one in found if one.bill]:
        console.out()
        for line in _bill.reckoned(bills):
            console.out(line)
    total = console.money(sum(one.spent.usd + one.tuned_usd for one in found))
    console.say()
    unsure = "; unconfirmed: the most that requests without an answer may have cost" if "unconfirmed" in columns else ""
    console.fact("total", f"{total}{unsure}")


def ways(one: Standing) -> str:
    """What may be done about a hand's changes that nobody decided on."""
    return f"{one.next} keeps that, --restore brings ours back"  # edits are what comes next wherever there are some


def progress(one: Standing, rewritten: str = "") -> str:
    """`212 of 396`, `396 + 166` with 166 rewrites, and what is going on."""
    drawn = one.rows - one.rewrites
    count = f"{drawn:,}" if one.wanted is None or drawn >= one.wanted else f"{drawn:,} of {one.wanted:,}"
    count += f" + {one.rewrites:,}{rewritten}" if one.rewrites else ""
    gone = f"samples.jsonl is gone: {console.plural(one.gone, 'row')} will be made again for nothing"
    batched = f"{one.batched:,} in batches"
    notes = {batched: one.batched, "at work": one.busy, "changed by hand": one.edits, gone: one.gone}
    told = ", ".join(note for note, holds in notes.items() if holds)
    return f"{count} ({told})" if told else count


def writer(one: Standing) -> str:
    """Who writes the rows."""
    if one.model is None:
        return "nobody: rows that exist already" if one.rows or one.gone else "nobody yet"
    return "rehearsal: nobody real answers" if one.rehearsal else one.model


def curated(one: Standing) -> str:
    """`277 kept, 119 dropped`."""
    if not one.kept + one.dropped:
        return "not yet"
    more = f", {one.uncurated:,} not yet" if one.uncurated else ""
    return f"{one.kept:,} kept, {one.dropped:,} dropped{more}"


def cost_short(one: Standing) -> str:
    """`$0.22`; `unknown` where no answer had a price."""
    paid = one.spent.usd + one.tuned_usd
    return "unknown" if one.spent.unpriced and not paid else console.money(paid)


def cost_of(one: Standing) -> str:
    """`$0.22 for 396 answers, $0.01 unconfirmed`."""
    spent = one.spent
    if not spent.answered + spent.failed + spent.copied:
        return f"{console.money(one.tuned_usd)} for tuning" if one.tuned_usd else "nothing was asked"
    paid = cost_short(one._replace(tuned_usd=0.0))
    parts = [f"{paid} for {console.plural(spent.answered, 'answer')}"]
    parts += [f"{console.money(one.tuned_usd)} for tuning"] if one.tuned_usd else []
    parts += [f"{console.money(spent.unconfirmed_usd)} unconfirmed"] if spent.unconfirmed_usd else []
    parts += [f"{console.plural(spent.unpriced, 'answer')} without a known price"] if spent.unpriced else []
    parts += [f"{spent.failed:,} failed"] if spent.failed else []
    parts += [f"{spent.copied:,} copied from other datasets"] if spent.copied else []
    return ", ".join(parts)
