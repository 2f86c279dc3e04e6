"""What every rewrite promises: any row, any answer, never a raise, and the parent as it was."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import registry
from pipeline.rewrites import AnyRewrite, Refused, open_rewrites
from pipeline.sections import Item
from pipeline.types import Call, Sample

OPTIONS: dict[str, dict[str, Any]] = {"expand": {"below": 40, "unit": "chars"}}
"""What a rewrite cannot do without."""

texts = st.one_of(st.text(max_size=200), st.text(st.characters(categories=["Cs", "Lo", "Zs"]), max_size=60))
parts = st.builds(lambda text: {"type": "text", "text": text}, texts)
contents = st.one_of(texts, st.none(), st.lists(parts, max_size=2))
messages = st.lists(st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": contents},
    optional={"tool_calls": st.just([{"id": "1"}])}), max_size=5)


def rewrite_of(name: str) -> AnyRewrite:
    return open_rewrites([Item(name=name, options=OPTIONS.get(name, {}))])[0]


def answered(text: str) -> Call:
    return Call(
        id="call", namespace="openai", body={}, repeat=0, message={"role": "assistant", "content": text},
        finish_reason="stop", usage=None, model=None, latency_s=0.0, cost_usd=None, attempts=1,
        at="2026-11-21T08:00:00Z",
    )


@pytest.mark.parametrize("name", registry.plugins("rewrites"))
@settings(max_examples=100, deadline=None)
@given(turns=messages, answer=texts)
def test_any_row_and_any_answer(name: str, turns: list[dict[str, Any]], answer: str) -> None:
    rewrite, sample = rewrite_of(name), Sample("parent", deepcopy(turns))
    if not rewrite.applies(sample):
        return
    asked = rewrite.messages(sample)
    assert asked == rewrite.messages(sample)
    if asked is not None:
        assert all(isinstance(turn["content"], str) for turn in asked)
        assert {turn["role"] for turn in asked} <= {"system", "user", "assistant"}
        assert asked[-1]["role"] == "user"
    assert not (rewrite.local and asked), "a local rewrite asks nobody"
    calls = [answered(answer)] if asked is not None else []
    further = rewrite.further(sample, calls) if calls else None
    while isinstance(further, list):
        assert further[-1]["role"] == "user"
        assert len(calls) <= len(rewrite.ahead(sample)), "what is asked is in the price"
        calls.append(answered(answer))
        further = rewrite.further(sample, calls)
    child = further or rewrite.child(sample, *calls)
    assert child == (further or rewrite.child(sample, *calls))
    assert sample.messages == turns, "the parent is left as it is"
    if isinstance(child, Refused):
        assert child.code
        assert child.reason
    else:
        assert child.id != sample.id
        assert (child.parent, child.provenance["augmentation"]) == ("parent", name)
        assert (child.provenance.get("replaces") == "parent") == (not rewrite.adds)
        assert not rewrite.applies(child), "a rewrite ends"


@pytest.mark.parametrize("name", registry.plugins("rewrites"))
def test_a_rewrite_says_what_it_is_and_what_it_cures(name: str) -> None:
    assert registry.plugins("rewrites")[name].summary
    kind = registry.load("rewrites", name)
    assert kind.cures <= set(registry.plugins("rules"))
