"""A handful of rows, kept and dropped, each with all that is behind it."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from pipeline.rows import Row
from pipeline.types import Call, Finding
from pipeline.views import asked
from pipeline.words import money, number, plural

from ._text import Cut, brief, cut, moment
from .gather import DROPPED, KEPT, chosen
from .material import Material

PROMPT, ANSWER = 600, 900
"""Characters of a prompt and an answer that are shown: a page of text, not a book."""
PAIRS = 12
"""Values of a cell, and measurements, that are shown."""


class Measured(NamedTuple):
    """What one rule found: outcome is one of types.Outcome."""

    rule: str
    value: str
    outcome: str
    reason: str


class Shown(NamedTuple):
    """A row on the page.

    Attributes:
        id: whole; the beginning of it is what people type.
        cell: axis -> value.
        reason: why it was dropped, or what it was flagged for.
        lineage: what happened to it, in order, as (what, how).
        command: what shows the rest.
    """

    id: str
    state: str
    cell: list[tuple[str, str]]
    prompt: Cut
    answer: Cut
    rejected: Cut
    reason: str
    lineage: list[tuple[str, str]]
    measured: list[Measured]
    command: str


class Samples(NamedTuple):
    """The section."""

    lead: str
    kept: list[Shown]
    dropped: list[Shown]


def samples(material: Material) -> Samples | None:
    """The section; None where no row was curated."""
    found = material.rows
    kept = [_shown(material, row) for row in chosen(found, "kept", KEPT)]
    dropped = [_shown(material, row) for row in chosen(found, "dropped", DROPPED)]
    if not kept and not dropped:
        return None
    told = [f"{number(len(rows))} of the {plural(of, 'row')} {word}"
            for rows, of, word in ((kept, found.kept, "kept"), (dropped, found.dropped, "dropped")) if rows]
    return Samples(f"{' and '.join(told)}, picked by a seed: the same rows each time.", kept, dropped)


def _shown(material: Material, row: Row) -> Shown:
    sample = row.sample
    reasons = [f"{found.rule}: {found.reason}" if found.reason else found.rule for found in _speaking(row)]
    return Shown(
        id=sample.id, state=row.state,
        cell=[(brief(axis), brief(value)) for axis, value in list(sample.cell.items())[:PAIRS]],
        prompt=cut(asked(sample), PROMPT), answer=cut(sample.answer or _tools(sample.messages), ANSWER),
        rejected=cut(sample.rejected[-1].get("content") if sample.rejected else "", PROMPT),
        reason=cut("; ".join(reasons), 200).text, lineage=_lineage(material, row),
        measured=[_measured(found) for found in (row.verdict.findings if row.verdict else ())[:PAIRS]],
        command=f"synth inspect {material.typed} {sample.id[:8]}",
    )


def _speaking(row: Row) -> list[Finding]:
    """The findings that dropped a row; of a kept one those that flagged it."""
    dropped = row.dropped_by
    return [found for found in row.against if not dropped or found.outcome == "drop"]


def _tools(messages: list[dict[str, Any]]) -> str:
    """The tools that an answer calls, where it has no words."""
    calls = messages[-1].get("tool_calls") if messages else None
    return orjson.dumps(calls, option=orjson.OPT_INDENT_2).decode() if calls else ""


def _lineage(material: Material, row: Row) -> list[tuple[str, str]]:
    """Where a row came from: the source, the row before it, every call, the hand."""
    sample, told = row.sample, list[tuple[str, str]]()
    if sample.source:
        place = sample.source.get("number", sample.source.get("row"))
        file = str(sample.source.get("file", "a file"))
        told.append(("Read from", brief(f"{file}, row {place}" if place else file, 90)))
    if sample.parent:
        how = sample.provenance.get("augmentation")
        told.append(("Rewritten from", f"{sample.parent[:8]}" + (f" by {brief(how)}" if how else "")))
    for ref in sample.calls[:PAIRS]:
        call = material.call(ref.id)
        told.append((_role(ref.role), _call(call) if call else f"call {ref.id[:8]}, of which nothing is known here"))
    if material.by_hand(sample.id, sample.digest):
        told.append(("By hand", "changed or added after it was written"))
    return told


def _role(role: str) -> str:
    """`Asked`, `Asked for premise`, `Repair`, `Turn 2`."""
    kind, _, step = brief(role).partition(":")
    if kind != "step":
        return f"{kind.capitalize()} {step}".strip()
    return "Asked" if step in ("answer", "") else f"Asked for {step}"


def _call(call: Call) -> str:
    """`writer-1-2026, 2026-11-21 08:00, 40 tokens in and 120 out, $0.02`."""
    parts = ["a rehearsal" if call.rehearsal else brief(call.model or call.namespace), moment(call.at)]
    if call.usage:
        parts.append(f"{number(call.usage.input_tokens)} tokens in and {number(call.usage.output_tokens)} out")
    parts.append("paid by " + brief(call.copied_from) if call.copied_from else money(call.cost_usd))
    if call.attempts > 1:
        parts.append(f"sent {call.attempts} times")
    return f"{', '.join(part for part in parts if part)} (call {call.id[:8]})"


def _measured(found: Finding) -> Measured:
    value = "" if found.value is None else number(found.value)
    return Measured(brief(found.rule), brief(value), found.outcome.replace("_", " "), brief(found.reason, 160))
