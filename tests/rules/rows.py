"""Rows for the tests of rules."""

from __future__ import annotations

from typing import Any

from pipeline.rules import AnyRule, open_rules
from pipeline.sections import Item
from pipeline.types import Finding, Sample


def row(answer: Any, prompt: str = "", id: str = "row", **fields: Any) -> Sample:  # noqa: A002
    messages = [{"role": "user", "content": prompt}] if prompt else []
    return Sample(id=id, messages=[*messages, {"role": "assistant", "content": answer}], **fields)


def rule(name: str, **options: Any) -> AnyRule:
    return open_rules([Item(name=name, options=options)])[0]


def judged(name: str, sample: Sample, **options: Any) -> Finding:
    found: Finding = rule(name, **options).finding(sample)  # type: ignore[union-attr]
    return found
