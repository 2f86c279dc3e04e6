"""The rule `prompt-echo`: answers that open with what was asked."""

from __future__ import annotations

import pytest

from pipeline.types import Sample
from tests.rules.rows import judged, row

ASK = "Write a story about a dragon who loves tea."


@pytest.mark.parametrize(("text", "prompt", "value"), [
    (f"{ASK}\n\nOnce upon a time", ASK, 1.0), (f"**{ASK}**\nOnce", f"{ASK}\nUse 300 words.", 1.0),
    (f"Instruction: {ASK} Once", f"{ASK}\nUse 300 words.", 1.0), (ASK.upper() + " Once", ASK, 1.0),
    ("a b c d", "a b c d", 1.0), ("一个很长的问题", "一个很长的问题", 1.0),
    ("What is the capital of the old empire of Peru? Cusco.", "What is the capital of the old empire of Peru?", 1.0),
])
def test_an_echo_is_found_with_its_share(text: str, prompt: str, value: float) -> None:
    found = judged("prompt-echo", row(text, prompt))
    assert (found.outcome, found.value) == ("drop", value), found
    assert found.span is not None
    assert judged("prompt-echo", row(text, prompt), max=1.0).outcome == "keep"
    assert judged("prompt-echo", row(text, prompt), act="flag").outcome == "flag"


@pytest.mark.parametrize(("text", "prompt"), [
    ("The capital of the old empire of Peru is Cusco.", "What is the capital of the old empire of Peru?"),
    ("She goes home every day of the week.", "Correct this: She goes home every day of the week"),
    ("Hello!", "Hello!"), ("Once upon a time", ASK), ("Write a story? No.", ASK),
    ("The old man sat by the sea, and he sang.", "Continue: The old man sat by the sea, and he"),
    ("def add(a, b):\n    return a + b", "def add(a, b):\n    return"),
])
def test_restating_and_asked_for_copies_are_none(text: str, prompt: str) -> None:
    assert judged("prompt-echo", row(text, prompt)).outcome == "keep"


def test_an_answer_that_is_the_prompt_is_one_whatever_was_asked() -> None:
    assert judged("prompt-echo", row("Repeat this line for me.", "Repeat this line for me.")).value == 1.0
    assert judged("prompt-echo", row("Fix it.\n\nx  = 1;", "fix it. x = 1;")).outcome == "drop"


def test_the_span_is_the_echo_and_each_turn_has_its_own_prompt() -> None:
    text = f"{ASK}\n\nOnce upon a time"
    found = judged("prompt-echo", row(text, ASK))
    assert found.span is not None
    assert text[slice(*found.span)].startswith("Write a story")
    assert "Once" not in text[slice(*found.span)]
    talk = [("user", "Hi"), ("assistant", "Hello, what is it?"), ("user", ASK), ("assistant", f"{ASK} So be it.")]
    assert judged("prompt-echo", Sample("x", [{"role": who, "content": what} for who, what in talk])).value == 1.0
    assert judged("prompt-echo", row("Nobody asked.")).outcome == "not_applicable"
