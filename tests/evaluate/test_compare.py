"""The numbers of both models, and a verdict that claims no more than they show."""

from __future__ import annotations

import random
from collections.abc import Sequence

import orjson

from pipeline.evaluate.compare import ALWAYS, Compared, Judged, as_json, compare, verdict
from pipeline.metrics import Output

PROSE = ("The ferry left at six without the goat, and nobody on the quay said a word about it until the keeper of the "
         "light came down and asked who had tied the rope so badly.")
STUCK = "and then and then " * 12


def outputs(texts: Sequence[str], stopped: bool) -> list[Output]:
    return [Output(text, len(text) // 4, stopped) for text in texts]


def losses(values: Sequence[float]) -> list[Output]:
    return [Output("", loss=value, trained=50) for value in values]


def of(count: int, base: str = STUCK, tuned: str = PROSE, fall: float = 1.0) -> list[Compared]:
    """`count` prompts and held-out answers; the tuned model's loss is lower by about `fall`."""
    dice = random.Random(count)
    before = [4 + dice.random() for _ in range(count)]
    after = [value - fall * (0.5 + dice.random()) for value in before]
    references = [f"{PROSE} {number}" for number in range(count)]
    texts = [Output(text, len(text) // 4) for text in references]
    written = Judged(texts, outputs([base] * count, base == PROSE), outputs([tuned] * count, tuned == PROSE))
    scored = Judged(texts, losses(before), losses(after))
    return compare(written, scored, lambda: ["an answer", PROSE[:20]], 0, lambda note: None)


def test_the_keys_that_are_always_there() -> None:
    value = as_json(of(12))
    assert set(ALWAYS) <= set(value["base"])
    assert set(ALWAYS) <= set(value["tuned"])
    assert value["tuned"]["stop_rate"] == 1.0
    assert value["base"]["stop_rate"] == 0.0
    assert value["base"]["repetition"] > 0.8
    assert value["tuned"]["repetition"] == 0.0
    assert value["reference"]["mean_bytes"] > len(PROSE)
    assert "accuracy" not in value["base"], "prose has no labels"
    low, high = value["intervals"]["tuned"]["stop_rate"]
    assert low < 0.8 < high <= 1.0
    assert value["changes"]["stop_rate"] == {
        "mean": 1.0, "low": value["changes"]["stop_rate"]["low"], "high": 1.0, "rows": 12, "up": 12, "down": 0,
        "p": 0.000488281, "better_is": "higher", "better": True, "sure": True}
    assert 0.5 < value["changes"]["stop_rate"]["low"] < 1
    orjson.dumps(value)


def test_a_loss_that_is_not_known_is_null() -> None:
    written = Judged([Output(PROSE)], [Output(PROSE, 40, True)], [Output(PROSE, 40, True)])
    value = as_json(compare(written, Judged(), lambda: [], 0, lambda note: None))
    assert value["base"]["loss"] is None
    assert value["tuned"]["loss"] is None


def test_few_prompts_say_that_they_are_few_and_claim_nothing_of_the_writing() -> None:
    found = of(5)
    assert not any(each.sure for each in found)
    said = verdict(found, 5, False)
    assert said.startswith("Held-out loss fell from 4.")
    assert "lower on 5 of 5 held-out answers, which chance could do as well." in said
    assert "5 prompts are too few to say more about what it writes: read them." in said
    assert "better" not in said


def test_what_many_prompts_show_is_said() -> None:
    said = verdict(of(30), 30, False)
    assert "Held-out loss fell from" in said
    assert "chance" not in said
    assert "Stop rate is better: 0% to 100%." in said
    assert "Repetition is better: 0.96 to 0.00." in said
    assert "few" not in said
    assert "the base model's 216, the held-out ones" in said


def test_a_model_that_became_worse_is_said_to_be_worse() -> None:
    said = verdict(of(30, base=PROSE, tuned=STUCK, fall=-1.0), 30, False)
    assert "Held-out loss rose from" in said
    assert "higher on 30 of 30 held-out answers." in said
    assert "Stop rate is worse: 100% to 0%." in said


def test_no_difference_is_no_claim() -> None:
    said = verdict(of(30, base=PROSE, tuned=PROSE, fall=0.0), 30, False)
    assert "Held-out loss stayed at" in said
    assert "What it writes to 30 prompts differs in no measure by more than chance would." in said


def test_a_rehearsal_says_so() -> None:
    assert "rehearsed rows: this shows that the road works, not that the model is good." in verdict(of(5), 5, True)


def test_one_held_out_answer_claims_nothing() -> None:
    said = verdict(of(1), 1, False)
    assert "on 1 held-out answer, which chance could do as well." in said
    assert "1 prompt is too few" in said


def test_nothing_measured() -> None:
    assert verdict([], 0, False) == "Nothing could be measured."


def test_a_metric_that_raises_is_a_note() -> None:
    from pipeline.metrics.repetition import Repetition

    notes: list[str] = []
    original = Repetition.measure
    try:
        Repetition.measure = lambda *_: 1 / 0  # type: ignore[assignment,method-assign]
        written = Judged([Output(PROSE)], [Output(PROSE)], [Output(PROSE)])
        found = compare(written, Judged(), lambda: [], 0, notes.append)
    finally:
        Repetition.measure = original  # type: ignore[method-assign]
    assert notes == ["metric repetition raised ZeroDivisionError: division by zero"]
    assert {each.metric.key for each in found} >= {"mean_bytes"}
