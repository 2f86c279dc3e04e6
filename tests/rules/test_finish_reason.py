"""The rule `finish_reason`."""

from __future__ import annotations

import pytest

from tests.rules.rows import judged, row


@pytest.mark.parametrize(("reason", "outcome"), [
    ("stop", "keep"), ("length", "drop"), ("content_filter", "drop"), ("tool_calls", "keep"), ("eos", "keep"),
    (None, "not_applicable"),
])
def test_what_the_host_says(reason: str | None, outcome: str) -> None:
    found = judged("finish-reason", row("A text.", provenance={"finish_reason": reason}))
    assert (found.outcome, found.value) == (outcome, reason)
    assert not found.reason.startswith("length"), "that is another rule's name"


def test_rows_that_no_model_wrote_say_nothing() -> None:
    assert judged("finish_reason", row("A text.")).outcome == "not_applicable"


def test_the_list_can_be_another() -> None:
    cut = row("A text", provenance={"finish_reason": "length"})
    assert judged("finish_reason", cut, drop=["content_filter"]).outcome == "keep"
    other = row("A text", provenance={"finish_reason": "repetition"})
    assert judged("finish_reason", other, drop=["repetition"]).outcome == "drop"
