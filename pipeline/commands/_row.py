"""One row in full: what will be trained on, what every rule found, which calls made it, where it came from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands import _console as console
from pipeline.rows import REVIEW, Row, children
from pipeline.store.standing import WHY

if TYPE_CHECKING:
    from pipeline.store import Dataset
    from pipeline.types import Call, CallRef, Finding, Sample

OUTCOME_STYLES = {"drop": "bad", "flag": "warn", "error": "warn", "keep": ""}
STATE_STYLES = {"dropped": "bad", "kept": "good", "new": "warn", "aside": "dim"}


def summary(row: Row) -> dict[str, Any]:
    """A row as `--json` lists it."""
    from pipeline.rows import measures

    sample = row.sample
    return {
        "id": sample.id, "state": row.state, "cell": sample.cell, "fields": sample.fields,
        "measure": measures(row.verdict), "prompt": sample.prompt, "answer": sample.answer,
        **{key: sample.provenance.get(key) for key in ("cost_usd", "model", "finish_reason")},
        "rehearsal": sample.rehearsal, "parent": sample.parent,
        "why": {found.rule: found.reason for found in row.against},
    }


def everything(dataset: Dataset, row: Row) -> dict[str, Any]:
    """A row as `inspect NAME ID --json` prints it: calls, findings, relatives and source included."""
    sample = row.sample
    calls = [(ref, dataset.calls.get(ref.id)) for ref in sample.calls]
    return {
        **summary(row), "digest": sample.digest, "messages": sample.messages, "rejected": sample.rejected,
        "label": sample.label, "tools": sample.tools, "changed_by_hand": by_hand(dataset, row),
        "findings": [asdict(found) for found in row.verdict.findings] if row.verdict else [],
        "calls": [{"role": ref.role, **(asdict(call) if call else {"id": ref.id})} for ref, call in calls],
        "children": [child.id for child in children(dataset, sample.id)],
        "source": sample.source, "provenance": sample.provenance,
    }


def by_hand(dataset: Dataset, row: Row) -> bool:
    """Whether someone changed the row, or added it, after we wrote it."""
    known = dataset.calls.index.sample(row.sample.id)
    return known is None or known[1] == "edited" or known[0] != row.sample.digest


def show(dataset: Dataset, row: Row) -> None:
    """Prints a row in full on stdout."""
    sample = row.sample
    console.out(f"{console.styled(sample.id, 'bold')}  {console.styled(row.state, STATE_STYLES[row.state])}")
    notes = ["written by a rehearsal: nobody real answered"] if sample.rehearsal else []
    notes += ["changed by hand"] if by_hand(dataset, row) else []
    notes += [f"stands aside: {WHY[row.aside]}"] if row.aside else []
    notes += pending(dataset, row)
    for note in notes:
        console.out(note, "warn")
    _values("cell", sample.cell)
    _values("fields", {key: found for key, found in sample.fields.items() if found not in (None, "")})
    tools(sample)
    for turn in sample.messages:
        message(turn)
    for turn in sample.rejected or []:
        message(turn, "rejected ")
    _findings(row)
    _calls(dataset, row)
    _lineage(dataset, row)


def pending(dataset: Dataset, row: Row) -> list[str]:
    """What a person decided on a row that no curation has applied yet."""
    line = dataset.reviews().get(row.sample.id)
    findings = row.verdict.findings if row.verdict else ()
    if line is None or any(found.rule == REVIEW and found.value == line["action"] for found in findings):
        return []
    return [f"decided by {line.get('by')}: {line['action']}; `synth curate {dataset.name}` applies it"]


def why(row: Row, name: str) -> None:
    """Prints the verdict only, and why the row is no part of the set where it is none."""
    if row.aside:
        console.out(f"stands aside: {WHY[row.aside]}", "warn")
    if row.verdict is None:
        console.out("new: not curated, or changed since")
        console.next_command(f"synth curate {name}")
        return
    console.out(row.state, STATE_STYLES[row.state])
    for line in _finding_lines(row.verdict.findings):
        console.out(line)


def _heading(title: str, beside: str = "") -> None:
    console.out()
    console.out(f"{console.styled(title, 'bold')}{'   ' + console.styled(beside, 'dim') if beside else ''}")


def _values(title: str, values: dict[str, Any]) -> None:
    if not values:
        return
    _heading(title)
    console.block((key, console.plain(found)) for key, found in values.items())


def message(turn: dict[str, Any], before: str = "", instead: str = "") -> None:
    """Prints a message: who says it, how long it is, what it says, and whatever else it carries.

    Args:
        turn: the message.
        before: put before the role.
        instead: printed in place of a text that the reader has just seen.
    """
    content = turn.get("content")
    text = content if isinstance(content, str) else "" if content is None else console.plain(content)
    count = len(text.encode("utf-8", "surrogatepass"))
    beside = f"{console.plural(count, 'byte')}, {console.plural(len(text.split()), 'word')}"
    if turn.get("weight") == 0:
        beside += ", not trained on"
    calls = [_called(call) for call in turn.get("tool_calls") or []]
    _heading(before + str(turn.get("role")), beside if text or not calls else "")
    if text or not calls:
        console.out(instead or console.shown(text), "dim" if instead else "")
    for call in calls:
        console.out(f"{console.styled('calls', 'dim')}  {console.shown(call)}")
    for key, found in turn.items():
        if key not in ("role", "content", "weight", "tool_calls", "tool_call_id") and found:
            console.out(f"{console.styled(key, 'dim')}  {console.shown(console.plain(found))}")


def _called(call: Any) -> str:
    """`look_up({"order": 7})`; as it stands where it is no such call."""
    function = call.get("function") if isinstance(call, dict) else None
    return f"{function.get('name')}({function.get('arguments')})" if isinstance(function, dict) else str(call)


def tools(sample: Sample) -> None:
    """Prints the tools that a row is trained with: what each is called with, and what it is for."""
    found = [tool.get("function") for tool in sample.tools or [] if isinstance(tool, dict)]
    rows = []
    for function in found:
        if isinstance(function, dict):
            parts = (function.get("parameters") or {}).get("properties") or {}
            rows.append((f"{function.get('name')}({', '.join(parts)})", str(function.get("description") or "")))
    if rows:
        _heading("tools")
        console.block(rows)


def asked(dataset: Dataset, sample: Sample) -> None:
    """Prints what was asked for a row: of a dialogue what each side was told, since the rest is the conversation."""
    told = set[str]()
    for ref in sample.calls:
        call = dataset.calls.get(ref.id)
        messages = call.body.get("messages", []) if call else []
        if ref.role.startswith("turn:"):
            says = next((at for at, message in enumerate(messages) if message["role"] == "assistant"), len(messages))
            begins = ref.role == "turn:1"
            messages = [turn for turn in messages[:says] if turn["role"] == "system" or begins]
            side = str(int(ref.role[5:]) % 2) if ref.role[5:].isdigit() else ref.role
            messages = [] if side in told else messages
            told.add(side)
        for turn in messages:
            message(turn, f"asked by {ref.role}, ")


def _findings(row: Row) -> None:
    if row.verdict is None:
        _heading("findings", "none: not curated, or changed since")
        return
    _heading("findings")
    for line in _finding_lines(row.verdict.findings):
        console.out(line)


def _finding_lines(findings: tuple[Finding, ...]) -> list[str]:
    rows = []
    for found in findings:
        place = f" (characters {found.span[0]} to {found.span[1]})" if found.span else ""
        value = console.one_line(found.value, 16) if isinstance(found.value, str) else found.value
        rows.append((found.rule, found.outcome.replace("_", " "), value, console.short_ids(found.reason) + place))
    lines = console.table(rows, ("", " ", "  ", "   "), right=("  ",), wide="   ", indent=2)
    styles = [OUTCOME_STYLES.get(found.outcome, "dim") for found in findings]
    return [console.styled(line, style) for line, style in zip(lines, styles, strict=True)]


def _calls(dataset: Dataset, row: Row) -> None:
    refs = row.sample.calls
    if not refs:
        return
    known = [(ref, dataset.calls.get(ref.id)) for ref in refs]
    _heading("calls")
    for line in console.table([_call(ref, call) for ref, call in known], ("",) * 8, indent=2):
        console.out(line)
    asked(dataset, row.sample)


def _call(ref: CallRef, call: Call | None) -> tuple[Any, ...]:
    if call is None:
        return (ref.role, ref.id[:8], "not in this dataset's calls", None, None, None, None, None)
    usage = f"{call.usage.input_tokens:,} in, {call.usage.output_tokens:,} out" if call.usage else "tokens unknown"
    outcome = call.failure.kind if call.failure else call.finish_reason or "no finish reason"
    paid = console.money(call.cost_usd) + (f", paid by {call.copied_from}" if call.copied_from else "")
    return (
        ref.role, call.id[:8], call.model or str(call.body.get("model")), outcome, usage, paid,
        f"{call.latency_s:.2f} s", console.plural(call.attempts, "attempt"),
    )


def _lineage(dataset: Dataset, row: Row) -> None:
    sample = row.sample
    rows: list[tuple[str, str]] = []
    if sample.parent:
        rows.append(("rewritten from", f"{sample.parent[:8]} by {sample.provenance.get('augmentation', 'a rewrite')}"))
    rows += [
        ("rewritten as", f"{child.id[:8]} by {child.provenance.get('augmentation', 'a rewrite')}")
        for child in children(dataset, sample.id)
    ]
    if sample.source:
        rows.append(("from", _source(sample.source)))
    for step, refs in sample.provenance.get("examples", {}).items():
        lines = ", ".join(f"{console.near(Path(str(ref.get('file'))))}:{ref.get('number')}" for ref in refs)
        rows.append((f"{step} was shown", lines))
    if sample.provenance.get("created"):
        rows.append(("made", str(sample.provenance["created"])))
    if not rows:
        return
    _heading("lineage")
    console.block(rows)


def _source(source: dict[str, Any]) -> str:
    place = console.near(Path(str(source.get("file", "?"))))
    number = f", line {source['number']:,}" if isinstance(source.get("number"), int) else ""
    span = f", bytes {source['start']:,} to {source['end']:,}" if source.get("end") else ""
    return f"{place}{number}{span}"
