"""What every metric promises, whoever wrote it: any text, never a raise, finite, the same answer twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import registry
from pipeline.metrics import Metric, Output, open_metrics, summary

NAMES = list(registry.plugins("metrics"))
texts = st.one_of(
    st.text(max_size=300),
    st.text(st.characters(categories=["Cs", "Cc", "Zs", "Mn", "So", "Lo"]), max_size=80),
    st.sampled_from(["", " ", "\x00", "\ud800", "positive", " Negative.", "word " * 400, "go on and on " * 9]),
)
outputs = st.builds(
    Output, text=texts, tokens=st.one_of(st.none(), st.integers(0, 10_000)),
    stopped=st.sampled_from([None, True, False]), loss=st.one_of(st.none(), st.floats(0, 50)),
    trained=st.integers(0, 1000))
rows = st.lists(st.tuples(texts, outputs), min_size=1, max_size=6)


def opened(name: str) -> Metric:
    made = registry.load("metrics", name)(name)
    assert isinstance(made, Metric)
    return made


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(rows=rows, training=st.lists(texts, max_size=8))
def test_a_number_or_nothing_for_any_text(name: str, rows: list[tuple[str, Output]], training: list[str]) -> None:
    metric, again = opened(name), opened(name)
    references, written = [row[0] for row in rows], [row[1] for row in rows]
    for each in (metric, again):
        each.prepare(written, lambda: iter(training))
    values = [metric.measure(output.text, reference, output) for reference, output in rows]
    assert values == [again.measure(output.text, reference, output) for reference, output in rows]
    for value in values:
        assert value is None or (isinstance(value, float) and math.isfinite(value))
        assert not metric.share or value in (None, 0.0, 1.0)
    weights = metric.weights(references, written)
    assert len(weights) == len(rows)
    assert all(weight > 0 and math.isfinite(weight) for weight in weights)
    found = summary(metric, values, weights, seed=0)
    assert found == summary(metric, values, weights, seed=0)
    assert found.rows + found.missing == len(rows)
    if found.mean is not None and found.low is not None and found.high is not None:
        known = [value for value in values if value is not None]
        assert found.low <= found.high
        assert min(known) - 1e-4 * abs(min(known)) <= found.mean <= max(known) + 1e-4 * abs(max(known))


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_says_what_it_is(name: str) -> None:
    metric = opened(name)
    assert registry.plugins("metrics")[name].summary
    assert type(metric).__doc__
    assert metric.name == name
    assert metric.key == name.replace("-", "_")
    assert metric.better in ("higher", "lower", "neither")
    assert metric.of in ("generation", "answer")


def test_all_of_them_are_opened_by_name() -> None:
    assert [metric.name for metric in open_metrics()] == NAMES
    ours = {"stop-rate", "mean-tokens", "mean-bytes", "repetition", "copied", "loss", "accuracy", "macro-recall"}
    assert ours <= set(NAMES)
