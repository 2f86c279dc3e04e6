"""Lines of verdicts.jsonl: a row's state, and what every rule found on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from ..types import Finding, Verdict
from .files import jsonl_bytes

_NOTHING = (b"not_applicable", b"unmeasured")
_OPTIONAL = ("reason", "span", "key", "calls", "cluster")


def findings_bytes(findings: Iterable[Finding]) -> bytes:
    """Findings as JSON objects, a comma between two: they can be put together without being read again."""
    lines = []
    for found in findings:
        line: dict[str, Any] = {"rule": found.rule, "outcome": found.outcome, "value": found.value}
        for key in _OPTIONAL:
            if told := getattr(found, key):
                line[key] = told
        lines.append(line)
    try:
        return orjson.dumps(lines)[1:-1]
    except TypeError:  # a lone surrogate, or a number over 64 bits
        return b",".join(jsonl_bytes(line)[:-1] for line in lines)


def verdict_line(sample: str, digest: str, state: str, findings: Iterable[bytes]) -> bytes:
    """One line, with its line break. `findings`: parts as `findings_bytes` writes them; empty ones are left out."""
    try:
        head = orjson.dumps({"sample": sample, "state": state, "digest": digest})
    except TypeError:  # a lone surrogate
        head = jsonl_bytes({"sample": sample, "state": state, "digest": digest})[:-1]
    return b'%b,"findings":[%b]}\n' % (head[:-1], b",".join(filter(None, findings)))


def silent(path: Path, rules: Iterable[str]) -> set[str]:
    """Those of some rules that had nothing to say about any row of a file of verdicts: none is of their kind, or none
    was asked about. Reads it until each of the others has spoken."""
    heads = {rule: b'{"rule":%b,"outcome":"' % orjson.dumps(rule) for rule in rules}
    with path.open("rb") as lines:
        for line in lines:
            if not heads:
                break
            for rule, head in list(heads.items()):
                at = line.find(head)
                if at < 0 or not line.startswith(_NOTHING, at + len(head)):
                    del heads[rule]
    return set(heads)


def line_of(verdict: Verdict) -> bytes:
    """A verdict as its line."""
    return verdict_line(verdict.sample, verdict.digest, verdict.state, [findings_bytes(verdict.findings)])


def verdict_of(line: dict[str, Any]) -> Verdict:
    """A verdict from its line."""
    return Verdict(line["sample"], line["digest"], line["state"], tuple(map(_finding, line["findings"])))


def _finding(line: dict[str, Any]) -> Finding:
    span = line.get("span")
    return Finding(
        rule=line["rule"], value=line.get("value"), outcome=line["outcome"], reason=line.get("reason", ""),
        span=(span[0], span[1]) if span else None, key=line.get("key", ""), calls=tuple(line.get("calls", ())),
        cluster=line.get("cluster", ""),
    )
