"""Small datasets for tests, made through the store as a run makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.store import Dataset
from pipeline.types import Call, CallRef, Finding, Sample, Usage, Verdict

TALES = """\
synth: 1
name: tales
axes:
  hero: [baker, pilot, nurse]
  place: [Lima, Oslo]
prompt: {user: "A tale of a {{hero}} in {{place}}."}
train: {user: "{{hero}} in {{place}}"}
"""
"""A recipe of six rows; tests add what else they need."""
TWELVE = """\
synth: 1
name: tales
seed: 3
axes:
  hero: [baker, pilot, nurse, judge]
  place: [Lima, Oslo, Cairo]
prompt: {user: "A tale of a {{hero}} in {{place}}."}
"""
"""The same of twelve, without what is trained on."""
GENRES = ("horror", "high fantasy", "romance & comedy")


def call(number: int, text: str, *, namespace: str = "openai") -> Call:
    """A paid answer of 10 cents per 1,000 characters."""
    return Call(
        id=f"call{number:022d}", namespace=namespace, body={"model": "writer-1", "messages": []}, repeat=0,
        message={"role": "assistant", "content": text}, finish_reason="stop", usage=Usage(40, len(text) // 4),
        model="writer-1-2026", latency_s=1.25, cost_usd=len(text) / 10_000, attempts=1 + number % 2,
        at="2026-11-21T08:00:00Z",
    )


def sample(number: int, answer: str = "") -> Sample:
    """Row `number`: its genre goes round, its answer grows by 100 characters a row."""
    text = answer or f"Act {number}. " + "word " * (20 * (number + 1))
    made = call(number, text)
    return Sample(
        id=f"{'abcdefghijklmnopqrstuvwxyz'[number % 26]}{number:07d}{'0' * 18}",
        cell={"genre": GENRES[number % 3], "year": 1900 + number},
        fields={"premise": f"premise {number}"},
        messages=[{"role": "user", "content": f"Genre: {GENRES[number % 3]}"}, {"role": "assistant", "content": text}],
        calls=(CallRef(made.id, "step:answer"),),
        provenance={
            "namespace": "openai", "model": made.model, "finish_reason": "stop", "rehearsal": False,
            "input_tokens": 40, "output_tokens": len(text) // 4, "cost_usd": made.cost_usd, "created": made.at,
        },
    )


def verdict(row: Sample, least: int = 400) -> Verdict:
    """Length in bytes and refusal, as curating with `length: {min: 400, unit: bytes}` finds them."""
    size = len(row.answer.encode())
    short = size < least
    length = Finding("length", size, "drop" if short else "keep", f"{size} bytes < {least}" if short else "")
    findings = (length, Finding("near-duplicate", 0.1, "keep"))
    return Verdict(row.id, row.digest, "dropped" if short else "kept", findings)


def dataset(path: Path, rows: Sequence[Sample], *, curated: bool = True) -> Path:
    """A dataset of these rows, each call in the journal."""
    with Dataset.create(path) as made:
        with made.lock("samples"), made.sample_writer() as writer:
            for number, row in enumerate(rows):
                if row.calls:
                    made.calls.record(call(number, row.answer))
                writer.add(row)
        if curated:
            made.write_verdicts(verdict(row) for row in rows)
    return path
