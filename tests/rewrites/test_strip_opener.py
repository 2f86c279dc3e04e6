"""The rewrite `strip_opener`: the opener, the offer, and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rewrites import AnyRewrite, Refused, open_rewrites
from pipeline.sections import Item
from pipeline.types import Sample

BODY = "The goat sleeps on the ferry.\n\nNobody  wakes it \u2014 \u00e9\u0301."
OPENERS = ["", "Certainly! ", "Sure! Here is the tale:\n\n", "Of course. ", "Here is the tale you asked for:\n\n"]
OFFERS = ["", "\n\nI hope this helps!", " Let me know if you need more. "]


def strip(**options: Any) -> AnyRewrite:
    return open_rewrites([Item(name="strip-opener", options=options)])[0]


def row(answer: Any, prompt: str = "A goat.", **fields: Any) -> Sample:
    return Sample("parent", [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}], **fields)


def stripped(sample: Sample, **options: Any) -> Sample:
    rewrite = strip(**options)
    assert rewrite.applies(sample)
    child = rewrite.child(sample)
    assert isinstance(child, Sample)
    assert not rewrite.applies(child)
    return child


def test_exactly_the_opener_and_the_offer() -> None:
    parent = row(f"Certainly! Here is the tale:\n\n{BODY}\n\nI hope this helps!", provenance={"finish_reason": "stop"})
    child = stripped(parent)
    assert child.answer == BODY
    assert child.messages[0] == parent.messages[0]
    assert child.provenance["changed"] == "2 courtesies, as “Certainly! Here is the tale:”"
    assert (child.provenance["cost_usd"], child.provenance["replaces"]) == (0.0, "parent")


def test_what_is_taken_is_the_recipes_choice() -> None:
    whole = f"Certainly! {BODY} I hope this helps!"
    assert stripped(row(whole), what="opener").answer == f"{BODY} I hope this helps!"
    assert stripped(row(whole), what=["offer"]).answer == f"Certainly! {BODY}"


def test_each_answer_that_is_trained_on() -> None:
    say = f"Certainly! {BODY}"
    turns = [{"role": "user", "content": "1"}, {"role": "assistant", "content": say, "weight": 0},
             {"role": "user", "content": "2"}, {"role": "assistant", "content": say},
             {"role": "user", "content": "3"}, {"role": "assistant", "content": say}]
    child = stripped(Sample("parent", turns))
    assert [turn["content"] for turn in child.messages] == ["1", say, "2", BODY, "3", BODY]


def test_rows_without_one_are_left_alone() -> None:
    assert not strip().applies(row(BODY))
    assert not strip().applies(row("Certainly! It is late today.", "Is it late?"))
    found = strip().child(row(BODY))
    assert isinstance(found, Refused)
    assert found.code == "unchanged"


texts = st.one_of(st.just(BODY), st.text(max_size=120))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(OPENERS), texts, st.sampled_from(OFFERS))
def test_what_is_left_stood_there_to_the_character(opener: str, text: str, offer: str) -> None:
    """What is taken is at the ends; from a text of ours, it is what was put there."""
    whole = opener + text + offer
    child = strip().child(row(whole))
    if isinstance(child, Refused):
        assert text != BODY or not (opener or offer)
        return
    assert child.answer in whole
    at = whole.index(child.answer)
    assert child.answer == whole[at:at + len(child.answer)] != whole
    if text == BODY:
        assert child.answer == BODY + (offer if not offer.strip() else "")
