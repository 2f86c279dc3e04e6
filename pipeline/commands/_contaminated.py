"""Prints how many rows hold texts of evaluation files, and what they were compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.commands import _console as console

if TYPE_CHECKING:
    from pipeline.curate import Contaminated, Curation


def show(done: Curation) -> None:
    """A line for each file: rows that hold some of it or are like one of its rows, and what there was to compare."""
    alike = dict(done.foreign)
    for each in done.contaminated:
        parts = ((each.by_prompt, each.prompts, "prompt"), (each.by_answer, each.answers, "answer"),
                 (each.by_text, each.texts, "other text"))
        told = [_part(*part, first=not at) for at, part in enumerate(part for part in parts if part[1])]
        like = alike.pop(each.file, 0)
        held = each.by_prompt or each.by_answer or each.by_text or like
        if like:
            told.append(f"{console.plural(like, 'further row')} {'is' if like == 1 else 'are'} like one of its rows")
        console.fact("against", "; ".join([f"{each.file}: {', '.join(told)}", *_notes(each)]), "warn" if held else "")
    for file, count in alike.items():
        are = f"{console.plural(count, 'row')} {'is' if count == 1 else 'are'}"
        console.fact("against", f"{file}: {are} like one of its rows", "dim")


def _part(rows: int, there: int, what: str, first: bool) -> str:
    """`10 rows hold one of its 35 prompts`."""
    count = console.plural(rows, "row") if rows else "no row"
    verb = (" holds" if rows < 2 else " hold") if first else ""
    return f"{count}{verb} one of its {console.plural(there, what)}" if there > 1 else f"{count}{verb} its {what}"


def _notes(each: Contaminated) -> list[str]:
    """What could not be compared."""
    notes = [] if each.prompts or each.texts else ["it has no prompts to compare"]
    if each.short:
        is_not = "is" if each.short == 1 else "are"
        return [*notes, f"{console.plural(each.short, 'answer')} of a few words {is_not} not compared"]
    return notes if each.answers or each.texts else [*notes, "it has no answers to compare"]
