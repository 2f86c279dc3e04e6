"""Shows what rewrites changed: a diff by words of each child against its parent, in its context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.commands import _console as console

if TYPE_CHECKING:
    from pipeline.augment import Made
    from pipeline.word_diff import Span

AROUND = 60
"""Characters of what is the same that are shown before and behind a change."""
LIMIT = 20
"""Diffs that are printed; --json has all."""


def show(found: list[Made]) -> None:
    """Prints the diffs: `[-what was-]` and `{+what is+}`."""
    from pipeline.rewrites import made_by

    for pair in found[:LIMIT]:
        name, added, _ = made_by(pair.child)
        cost = pair.child.provenance.get("cost_usd")
        price = f"  {console.money(cost)}" if cost else ""
        way = "beside it" if added else "in its place"
        console.out(f"{console.styled(pair.parent.id[:8], 'bold')} -> {console.styled(pair.child.id[:8], 'bold')}"
                    f"  {name}, {way}{price}")
        for role, spans in pair.changes:
            console.out(f"  {console.styled(role, 'dim')}  {line(spans)}")
    if len(found) > LIMIT:
        console.say(f"       and {len(found) - LIMIT:,} more; --json has all", "dim")


def line(spans: list[Span]) -> str:
    """The changes of a text in a few words of context; line breaks as they are."""
    told = []
    for number, span in enumerate(spans):
        text = console.shown(span.text)
        if span.what == "old":
            told.append(console.styled(f"[-{text}-]", "bad"))
        elif span.what == "new":
            told.append(console.styled(f"{{+{text}+}}", "good"))
        else:
            told.append(_context(text, first=number == 0, last=number == len(spans) - 1))
    return "".join(told)


def _context(text: str, first: bool, last: bool) -> str:
    """The ends of a stretch that is the same."""
    head, tail = "" if first else text[:AROUND], "" if last else text[-AROUND:]
    if len(text) <= len(head) + len(tail):
        return text
    return f"{head} … {tail}"
