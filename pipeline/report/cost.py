"""What was spent, what may have been, and what a kept row costs."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.store.foreseen import Reckoning
from pipeline.words import money, number, plural

from .material import Material


class Cost(NamedTuple):
    """The section: a sentence, and names with amounts and what they mean."""

    lead: str
    facts: list[tuple[str, str, str]]


def cost(material: Material) -> Cost | None:
    """The section; None where nothing was asked."""
    spent, kept = material.spent, material.rows.kept
    if not spent.answered + spent.failed + spent.copied and not material.tuning_usd:
        return None
    facts = [("Answers", _sum(spent.usd, bool(spent.unpriced)), plural(spent.answered, "answer"))]
    if material.tuning_usd:
        facts.append(("Tuning", money(material.tuning_usd), plural(len(material.finetunes), "model")))
    if spent.unconfirmed_usd:
        facts.append(("Unconfirmed", money(spent.unconfirmed_usd), "the most that requests without an answer may cost"))
    if kept:
        facts.append(("Per kept row", per_kept(material), f"all that answers cost, over {plural(kept, 'row')}"))
    lost = material.rows.usd.get("dropped")
    if lost:
        facts.append(("On dropped rows", money(lost), plural(material.rows.dropped, "row")))
    facts += [("Tokens in", number(spent.input_tokens), "prompts"),
              ("Tokens out", number(spent.output_tokens), "answers")]
    facts += _foreseen(material.bill)
    if spent.copied:
        facts.append(("Copied", number(spent.copied), "answers that another dataset paid for"))
    if spent.failed:
        kinds = [f"{kind.replace('_', ' ')} {number(count)}" for kind, count in material.failures.most_common()]
        facts.append(("Failed", number(spent.failed), ", ".join(kinds)))
    return Cost(_lead(material), facts)


def _foreseen(bill: Reckoning | None) -> list[tuple[str, str, str]]:
    """What the last run was thought to cost before it, beside what it came to."""
    if bill is None:
        return []
    foreseen, came = bill
    so_far = "" if came.done else " so far"
    written = f"tokens of answers; {number(came.output_tokens)} came{so_far}"
    facts = [("Foreseen out", foreseen.output_tokens.told(), written)]
    if foreseen.usd is not None:
        calls = f"for {plural(foreseen.calls, 'call')} of the last run; {number(came.calls)} came{so_far}"
        facts.insert(0, ("Foreseen", foreseen.usd.told(money), f"{calls}, for {money(came.usd)}"))
    if foreseen.kept is not None and came.kept is not None:
        facts.append(("Foreseen kept", foreseen.kept.told(), f"rows; {number(came.kept)} were kept"))
    return facts


def total(material: Material) -> float:
    """What was spent on answers and on tuning, US dollars."""
    return material.spent.usd + material.tuning_usd


def per_kept(material: Material) -> str:
    """What a kept row costs, with the answers that were not kept."""
    spent, kept = material.spent, material.rows.kept
    if not kept or (spent.unpriced and not spent.usd):
        return "unknown"
    return money(spent.usd / kept)


def _sum(usd: float, unknown: bool) -> str:
    return "unknown" if unknown and not usd else f"at least {money(usd)}" if unknown else money(usd)


def _lead(material: Material) -> str:
    spent = material.spent
    if not total(material) and not spent.unconfirmed_usd and not spent.unpriced:
        return "A rehearsal costs nothing: nobody real was asked." if material.rows.rehearsed else "Nothing was spent."
    said = f"{_sum(total(material), bool(spent.unpriced)).capitalize()} for {plural(spent.answered, 'answer')}"
    said += " and tuning." if material.tuning_usd else "."
    if spent.unpriced:
        said += f" Of {plural(spent.unpriced, 'answer')} no price was known."
    if spent.unconfirmed_usd:
        said += f" Up to {money(spent.unconfirmed_usd)} more for requests that never answered."
    return said
