"""What assistants say around an answer."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.openers import offer_of, opener_of

BODY = "The goat sleeps on the ferry.\n\nNobody wakes it."


@pytest.mark.parametrize("opener", [
    "Certainly! ", "Sure! Here is the tale you asked for:\n\n", "Of course. ", "Sure, here's a tale:\n\n",
    "Great question! ", "That's a great question! ", "I'd be happy to help with that! Here you go:\n\n",
    "Here is the tale you asked for:\n\n", "Absolutely! I'd be happy to help. ", "\n Certainly!\n\n",
])
def test_openers(opener: str) -> None:
    assert opener_of(opener + BODY, "A goat on a ferry.") == len(opener)


@pytest.mark.parametrize(("answer", "asked"), [
    ("Certainly! It leaves at six.", "Does the ferry leave at six?"), ("Absolutely!", "Is it late?"),
    ("Sure, ferries leave at six.", "When?"), ("Certainly! said the goat, and slept.", "A tale."),
    ("Certainly! The goat sleeps.", "Begin with the word Certainly."),
    ("Sure! I will be there at six.", "Write a reply."),
    ("Here are some tips:\n\n- Sleep well.\n- Eat late.\n- Read on.", "Tips"), ("Surely! It sleeps all day.", "x"),
    ("Here is where it sleeps.\n\nAnd here it eats.", "x"), ("Of course the goat sleeps.", "x"), ("Sure! Yes.", "x"),
    ("Great questions! They come late.", "x"),
])
def test_what_is_none(answer: str, asked: str) -> None:
    assert opener_of(answer, asked) == 0


@pytest.mark.parametrize("asked", ["Can you tell me a tale?", "Could you write about a goat?"])
def test_a_wish_is_no_question_of_yes_or_no(asked: str) -> None:
    assert opener_of(f"Certainly! {BODY}", asked) == len("Certainly! ")


@pytest.mark.parametrize("offer", [
    "\n\nI hope this helps!", " I hope this helps! Let me know if you have any questions.",
    "\n\nWould you like me to go on?", "\n\nIf you have any other questions, feel free to ask!\n",
    "\n\nIs there anything else I can help you with?", " Please don't hesitate to ask.",
])
def test_offers(offer: str) -> None:
    assert offer_of(BODY + offer, "A goat on a ferry.") == len(BODY)


@pytest.mark.parametrize(("answer", "asked"), [
    ("Let me know if you have any questions.", "x"), (f"{BODY} Let me know if it wakes.", "Write an email."),
    (f"{BODY} Let me know if it wakes.\n\nBest, Eva", "x"),
    (BODY, "x"), (f"{BODY}\n\nIs there anything it wants?", "x"),
])
def test_what_is_no_offer(answer: str, asked: str) -> None:
    assert offer_of(answer, asked) == len(answer)


@given(st.text(max_size=300), st.text(max_size=60))
def test_any_text(text: str, asked: str) -> None:
    assert 0 <= opener_of(text, asked) <= len(text)
    assert 0 <= offer_of(text, asked) <= len(text)


def test_real_text_has_none_and_planted_ones_are_found(shared_data: Path) -> None:
    found = missed = 0
    with gzip.open(shared_data / "curation" / "base.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            text = row["t"].strip()
            assert (opener_of(text, ""), offer_of(text, "")) == (0, len(text)), text
            if row["k"] != "passage" or number % 5:
                continue
            head, tail = "Certainly! Here is the passage:\n\n", "\n\nI hope this helps!"
            whole = head + text + tail
            cut = opener_of(whole, ""), offer_of(whole, "")
            assert cut[0] in (0, len(head)), "never more than was planted"
            assert cut[1] in (len(head + text), len(whole))
            missed += cut != (len(head), len(head + text))
            found += cut == (len(head), len(head + text))
    assert found >= 1000
    assert missed <= 10
