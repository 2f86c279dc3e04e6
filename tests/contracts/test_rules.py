"""What every rule promises, whoever wrote it: any text, never a raise, the same answer twice, JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import registry, rules
from pipeline.digest import call_id
from pipeline.rules import AnyRule, AskRule, CompareRule, Decision, Measured, Options, RowRule, open_rules
from pipeline.sections import Item
from pipeline.types import Call, Sample

OPTIONS: dict[str, dict[str, Any]] = {"length": {"unit": "words", "min": 2, "max": 50}, "turns": {"min": 2},
                                       "judge": {"rubric": "Is it funny?", "min": 3},
                                       "regex": {"pattern": "[aeiou]+", "must": "match"}}
"""What a rule cannot do without."""

texts = st.one_of(
    st.text(max_size=300),
    st.text(st.characters(categories=["Cs", "Cc", "Zs", "Mn", "So", "Lo"]), max_size=80),
    st.sampled_from(["", " ", "\x00", "I'm sorry, but I can't help with that.", "\ud800", "a" * 5000, "{}"]),
)
parts = st.builds(lambda text: {"type": "text", "text": text}, texts)
contents = st.one_of(texts, st.none(), st.lists(parts, max_size=3))
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": contents},
        optional={"tool_calls": st.just([{"id": "1"}]), "refusal": texts, "weight": st.sampled_from([0, 1])},
    ),
    max_size=5,
)
provenances = st.fixed_dictionaries({}, optional={
    "finish_reason": st.one_of(st.none(), texts), "refusal": st.one_of(st.none(), texts), "rehearsal": st.booleans()})
rows = st.builds(Sample, id=st.text("abc", min_size=1, max_size=3), messages=messages, provenance=provenances)


def rule_of(name: str) -> AnyRule:
    return open_rules([Item(name=name, options=OPTIONS.get(name, {}))])[0]


def kinds(compares: bool) -> list[str]:
    return [name for name in registry.plugins("rules")
            if registry.load("rules", name).compares is compares and name not in asking()]


def asking() -> list[str]:
    """Rules that ask a model."""
    return [name for name in registry.plugins("rules") if issubclass(registry.load("rules", name), AskRule)]


def test_the_first_line_of_a_rule_is_a_whole_sentence() -> None:
    """It is all that `synth plugins` prints."""
    folder = Path(rules.__file__).parent
    first = {name: (folder / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8").partition("\n")[0]
             for name in registry.plugins("rules")}
    assert {name for name, line in first.items() if not line.endswith(".")} == set()


def test_a_reason_that_cannot_be_told_is_an_error_on_the_row() -> None:
    class Fails(RowRule[Options, Options]):
        def measure(self, sample: Sample) -> Measured:
            return Measured(1, (5, 6))

        def decide(self, measured: Measured) -> Decision:
            return Decision("drop", "one")

        def explain(self, sample: Sample, decision: Decision, span: tuple[int, int] | None) -> str:
            return sample.answer[(span or (0, 0))[0]]

    found = Fails("fails", Options(), Options()).finding(Sample("a", []))
    assert (found.outcome, found.reason) == ("error", "IndexError: string index out of range")


@pytest.mark.parametrize("name", kinds(compares=False))
@settings(max_examples=40, deadline=None)
@given(sample=rows)
def test_a_row_rule_has_one_finding_for_any_row(name: str, sample: Sample) -> None:
    rule = rule_of(name)
    assert isinstance(rule, RowRule)
    before = orjson.dumps(sample.messages, option=orjson.OPT_PASSTHROUGH_SUBCLASS) if _is_utf8(sample) else None
    found = rule.finding(sample)
    assert found.outcome in ("keep", "drop", "flag", "not_applicable"), found
    assert found == rule_of(name).finding(sample)
    assert found == rule.finding(sample, earlier=found)
    if _is_utf8(sample):
        orjson.dumps([found.value, found.reason, found.span])
        assert orjson.dumps(sample.messages) == before, "no rule changes a row"
    assert (found.value is None) == (found.outcome == "not_applicable")
    assert found.reason or found.outcome in ("keep", "not_applicable")
    if found.span is not None:
        start, end = found.span
        assert 0 <= start < end


@pytest.mark.parametrize("name", asking())
@settings(max_examples=40, deadline=None)
@given(sample=rows, said=texts)
def test_a_rule_that_asks_measures_nothing_by_itself_and_reads_any_answer(name: str, sample: Sample, said: str) -> None:
    rule = rule_of(name)
    assert isinstance(rule, AskRule)
    before = str(sample)
    asked = rule.messages(sample)
    assert asked == rule_of(name).messages(sample)  # type: ignore[union-attr]
    assert asked is None or call_id("host", "chat", {"messages": asked, **rule.parameters()})
    unknown = rule.finding(sample)
    assert (unknown.value, unknown.outcome) == (None, "unmeasured")
    assert unknown.reason
    message = {"role": "assistant", "content": said}
    call = Call("c", "host", {}, 0, message, "stop", None, "m", 0.0, None, 1, "2026-11-28T00:00:00Z")
    found = rule.read(sample, call)
    assert (found.value is None) == (found.outcome == "unmeasured"), "what cannot be read is no score"
    assert found.reason
    assert found.calls == ("c",)
    assert rule.finding(sample, earlier=found).outcome == found.outcome
    good = rule.reader.stand_in()
    there = rule.read(sample, replace(call, message={**message, "content": good.text}))
    assert there.outcome in ("keep", "drop", "flag")
    assert there == rule.finding(sample, earlier=there), "decided anew, it says the same"
    assert str(sample) == before, "no rule changes a row"


@pytest.mark.parametrize("name", kinds(compares=True))
@settings(max_examples=40, deadline=None)
@given(samples=st.lists(rows, max_size=8, unique_by=lambda sample: sample.id), random=st.randoms())
def test_a_comparison_does_not_depend_on_the_order_of_rows(name: str, samples: list[Sample], random: Any) -> None:
    rule = rule_of(name)
    assert isinstance(rule, CompareRule)
    found = {match.sample: match for match in rule.compare(iter(samples), frozenset())}
    dropped = {name for name, match in found.items() if match.outcome == "drop"}
    assert dropped < {sample.id for sample in samples} or not dropped, "somebody is left to represent the others"
    for match in found.values():
        assert match.outcome in ("drop", "flag")
        assert match.reason
        assert match.value is not None
    random.shuffle(samples)
    assert {match.sample: match for match in rule.compare(iter(samples), frozenset())} == found
    held = frozenset(sample.id for sample in samples)
    assert not list(rule.compare(iter(samples), held)), "what a person keeps is kept"


@pytest.mark.parametrize("name", [*kinds(False), *kinds(True), *asking()])
def test_a_rule_explains_itself_and_its_options(name: str) -> None:
    kind = registry.load("rules", name)
    assert registry.plugins("rules")[name].summary
    assert isinstance(kind.version, int)
    fields = [field for model in kind.models for field in model.model_fields]
    assert len(fields) == len(set(fields)), "an option changes what is measured, or what it is compared with"
    assert all(model.model_config["frozen"] and model.model_config["extra"] == "forbid" for model in kind.models)
    assert rule_of(name).key == rule_of(name).key


def _is_utf8(sample: Sample) -> bool:
    try:
        orjson.dumps([sample.messages, sample.provenance])
    except TypeError:
        return False
    return True
