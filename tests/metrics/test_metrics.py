"""Each metric on outputs whose number is known."""

from __future__ import annotations

import pytest

from pipeline import registry
from pipeline.metrics import Metric, Output, summary

STORY = "the ferry left at six without the goat and nobody on the quay said one word about it"
LABELS = ["positive"] * 6 + ["neutral"] * 3 + ["negative"] * 3


def number(
    name: str, text: str, reference: str = "", training: list[str] | None = None, **known: object
) -> float | None:
    metric: Metric = registry.load("metrics", name)(name)
    output = Output(text, **known)  # type: ignore[arg-type]
    metric.prepare([output], lambda: training or [])
    return metric.measure(text, reference, output)


def test_stop_rate_is_about_the_end_of_an_output() -> None:
    assert number("stop-rate", "a", stopped=True) == 1.0
    assert number("stop-rate", "a", stopped=False) == 0.0
    assert number("stop-rate", "a") is None


def test_lengths() -> None:
    assert number("mean-bytes", "naïve") == 6
    assert number("mean-tokens", "naïve", tokens=3) == 3
    assert number("mean-tokens", "naïve") is None


@pytest.mark.parametrize(("text", "share"), [
    ("one two three four five six", 0.0),
    ("a b c d a b c d", 1 / 5),           # runs: abcd bcda cdab dabc abcd
    ("no no no no no no no no no no no no no", 9 / 10),
    ("only three words", None),
    ("The cat sat down. the cat, sat DOWN!", 1 / 5),
])
def test_repetition(text: str, share: float | None) -> None:
    assert number("repetition", text) == (None if share is None else pytest.approx(share))


def test_copied_needs_thirteen_words_in_a_row() -> None:
    thirteen = " ".join(STORY.split()[:13])
    assert number("copied", f"Well: {thirteen.upper()}!", training=["other", f"Once {STORY}."]) == 1.0
    assert number("copied", STORY, training=[STORY.replace("goat", "sheep")]) == 0.0
    assert number("copied", "too short", training=["too short"]) is None
    assert number("copied", STORY) == 0.0


def test_copied_streams_the_training_answers_once() -> None:
    reads = 0

    def training() -> list[str]:
        nonlocal reads
        reads += 1
        return [STORY]

    metric: Metric = registry.load("metrics", "copied")("copied")
    metric.prepare([Output(STORY), Output(STORY), Output("short")], training)
    assert reads == 1
    assert metric.measure(STORY, "", Output(STORY)) == 1.0


@pytest.mark.parametrize(("text", "right", "none"), [
    ("positive", 1.0, 0.0), (" Positive.\n", 1.0, 0.0), ("“positive”", 1.0, 0.0), ("negative", 0.0, 0.0),
    ("positive or negative", 0.0, 1.0), ("It is positive", 0.0, 1.0), ("", 0.0, 1.0), ("posit", 0.0, 1.0),
])
def test_a_label_is_the_whole_output_and_is_never_guessed(text: str, right: float, none: float) -> None:
    assert number("accuracy", text, "positive", LABELS) == right
    assert number("macro-recall", text, "positive", LABELS) == right
    assert number("unparseable", text, "positive", LABELS) == none


@pytest.mark.parametrize("training", [
    [], ["yes"] * 9, [STORY, *LABELS], [f"answer {i}" for i in range(50)], ["", "yes", "yes", "", "yes", ""],
], ids=["none", "one label", "prose", "all different", "empty"])
def test_what_is_no_label_set_has_no_accuracy(training: list[str]) -> None:
    assert number("accuracy", "yes", "yes", training) is None
    assert number("macro-recall", "yes", "yes", training) is None
    assert number("unparseable", "yes", "yes", training) is None


def test_macro_recall_counts_a_rare_label_as_much_as_a_common_one() -> None:
    """8 of 9 common ones right, the rare one wrong: accuracy 0.8, macro recall (8/9 + 0) / 2."""
    metric: Metric = registry.load("metrics", "macro-recall")("macro-recall")
    references = ["positive"] * 9 + ["negative"]
    said = ["positive"] * 8 + ["neither", "positive"]
    outputs = [Output(text) for text in said]
    metric.prepare(outputs, lambda: LABELS)
    values = [metric.measure(text, reference, Output(text)) for text, reference in zip(said, references)]
    found = summary(metric, values, metric.weights(references, outputs), seed=1)
    assert found.mean == pytest.approx((8 / 9 + 0) / 2, rel=1e-5)
    accuracy: Metric = registry.load("metrics", "accuracy")("accuracy")
    accuracy.prepare(outputs, lambda: LABELS)
    right = [accuracy.measure(text, reference, Output(text)) for text, reference in zip(said, references)]
    assert summary(accuracy, right, [1.0] * 10, seed=1).mean == pytest.approx(0.8)


def test_loss_is_weighted_by_tokens() -> None:
    metric: Metric = registry.load("metrics", "loss")("loss")
    outputs = [Output("", loss=2.0, trained=30), Output("", loss=5.0, trained=10)]
    values = [metric.measure("", "", output) for output in outputs]
    assert summary(metric, values, metric.weights(["", ""], outputs), seed=0).mean == pytest.approx(2.75)
