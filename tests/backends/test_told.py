"""Metrics and faults as hosts word them: events with and without data, result files plain and in base64."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends._told import line_at_fault, line_of, rows_of, tokens_at_fault

EVENT = {
    "object": "fine_tuning.job.event", "id": "ftevent-1", "created_at": 1764000000, "level": "info", "type": "metrics",
    "message": "Step 300/300: training loss=0.15, validation loss=0.27, full validation loss=0.40",
    "data": {"step": 300, "total_steps": 300, "train_loss": 0.15, "valid_loss": 0.27, "full_valid_loss": 0.4,
             "train_mean_token_accuracy": 0.95, "valid_mean_token_accuracy": 0.91,
             "full_valid_mean_token_accuracy": 0.9},
}
CSV = b"step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,2.5,0.4,,\n2,2.25,0.5,2.4,0.45\n"


def test_data_first() -> None:
    assert line_of(EVENT) == {
        "step": 300, "steps": 300, "train_loss": 0.15, "train_token_accuracy": 0.95, "validation_batch_loss": 0.27,
        "validation_batch_token_accuracy": 0.91, "validation_loss": 0.4, "validation_token_accuracy": 0.9,
        "at": "2025-11-24T16:00:00Z"}


@pytest.mark.parametrize("data", [None, {}, {"x": 1}, "text"])
def test_the_message_where_data_has_nothing(data: object) -> None:
    assert line_of({**EVENT, "data": data}) == {
        "step": 300, "steps": 300, "train_loss": 0.15, "validation_batch_loss": 0.27, "validation_loss": 0.4,
        "at": "2025-11-24T16:00:00Z"}
    old = {"message": "Step 131/303: training loss=0.25, validation loss=0.37", "data": data}
    assert line_of(old) == {"step": 131, "steps": 303, "train_loss": 0.25, "validation_batch_loss": 0.37}


@pytest.mark.parametrize("event", [
    {}, {"message": None}, {"message": "Created fine-tuning job", "data": {}}, {"data": {"step": "soon"}},
    {"data": {"step": float("nan")}}])
def test_other_events_have_no_metrics(event: dict[str, object]) -> None:
    assert line_of(event) is None


def test_what_is_no_number_is_left_out() -> None:
    assert line_of({"data": {"step": 3, "train_loss": float("nan"), "valid_loss": None}}) == {"step": 3}


@pytest.mark.parametrize("result", [CSV, base64.b64encode(CSV), b"\n" + CSV])
def test_a_result_file_plain_or_in_base64(result: bytes) -> None:
    assert list(rows_of(result)) == [
        {"step": 1, "train_loss": 2.5, "train_token_accuracy": 0.4},
        {"step": 2, "train_loss": 2.25, "train_token_accuracy": 0.5, "validation_batch_loss": 2.4,
         "validation_batch_token_accuracy": 0.45}]


@given(st.binary(max_size=200))
def test_any_bytes_for_a_result_file(data: bytes) -> None:
    for part in (data, b"step," + data, base64.b64encode(b"step,x\n" + data)):
        assert all(isinstance(line["step"], int) for line in rows_of(part))


@pytest.mark.parametrize(("message", "line"), [
    ("invalid file format. Example 6174 message contains an invalid token: <|fim_suffix|>", 6174),
    ('Expected file to have JSONL format. Line 1 is not a dictionary (HINT: line starts with: "{...").', 1),
    ("Row #12 is too long", 12), ("Training file has 7 example(s), but must have at least 10 examples", None),
    ("The job failed due to an internal error", None), ("line 0 is odd", None)])
def test_the_line_that_is_meant(message: str, line: int | None) -> None:
    assert line_at_fault(message) == line


def test_tokens_that_a_message_names() -> None:
    assert tokens_at_fault("contains an invalid token: <|fim_suffix|>.") == ["<|fim_suffix|>"]
    assert tokens_at_fault("nothing <| here |>") == []
