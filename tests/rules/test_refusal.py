"""The rule `refusal`: phrases of our own, and every real text at hand, none of which refuses."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules import refusal
from tests.rules.rows import judged, row, rule

REFUSED = [
    "I'm sorry, but I can't assist with that.",
    "I’m sorry, but I can’t help with that request.",
    "**I'm sorry, I cannot comply with that.**",
    "I cannot fulfill this request.",
    "I can't help with that.",
    "As an AI language model, I cannot create content that shows cruelty to animals.",
    "As an AI I do not have access to the internet.",
    "I am an AI language model and do not promote any illegal activities.",
    "I am unable to provide instructions for picking locks.",
    "I'm not able to help with this request because it involves minors.",
    "I'm really sorry to hear that, but I'm unable to provide the help that you need. Please talk to a friend.",
    "I apologize, but I cannot write that story.",
    "Unfortunately, I can't create that kind of scene.",
    "I must decline this request.",
    "I have to respectfully decline.",
    "I won't be able to help with this.",
    "This request goes against our usage policies.",
    "That's not something I can help with.",
    "I'm not comfortable writing content of this kind.",
    "I'd rather not write that story.",
    "I refuse to write this story.",
    "My guidelines prevent me from writing explicit scenes.",
    "Assistant: I cannot assist with that request.",
    "I understand that you're looking for a thriller, but I can't write content that shows this.",
    "It is against my programming to provide such material.",
    "I’m afraid I can’t do that.",
    "Thank you for your message. However, I cannot provide assistance with that.",
    "I will not generate hateful content.",
    "I cannot engage in that conversation.",
    "As a large language model, I am unable to write limericks about animals.",
    "As an AI language model, I can’t write limericks about animals.",
    "I'm just an AI, and I can't write limericks about animals.",
]
STORIES_AND_ANSWERS = [
    "As an AI of the year 3000, I cannot love, and I cannot write limericks either.",
    "I cannot believe he left me. The house is empty, and the kettle is cold.",
    "I can't help but notice how the sea has changed.",
    "“I’m sorry, but I can’t do this anymore,” she said, and left the room.",
    "\"I can't help you with that,\" said the clerk, and he shut the window.",
    "I'm sorry I never wrote. The war took my hands and my paper.",
    "I cannot describe the scene that met my eyes in the cellar.",
    "Unfortunately, the train was late, and Maria missed her own wedding.",
    "I can't write. My fingers are frozen to the pen.",
    "I won't be home for supper, Ma.",
    "I refuse to die in this town, thought Ana.",
    "I must decline, thought the duke; but he accepted.",
    "As an AI engineer in Lagos, Tunde cannot afford a mistake.",
    "As an assistant to the king, I could not refuse.",
    "As an AI, I don't have personal opinions. However, the joke is that beans are no persons.",
    "The passage does not say.",
    "I don't know.",
    "No.",
    "I am unable to sleep.",
    "I cannot tell you how happy we were that summer.",
    "Sorry seems to be the hardest word, and Jack cannot say it.",
    "I'm an AI. They built me in a cellar in Kyiv, and I cannot feel the rain.",
    "Unable to help him, Rosa watches her brother leave.",
    "I do not support this policy, for three reasons.",
    "While I cannot change the past, I can plant a tree.",
    "{\"error\": null, \"answer\": \"I cannot help with that\"}",
    "",
]
STORY = "The ferry leaves at six, and nobody has told the captain. " * 30


@pytest.mark.parametrize("text", REFUSED)
def test_refusals_are_dropped_with_their_words(text: str) -> None:
    found = judged("refusal", row(text))
    assert found.outcome == "drop", found
    assert str(found.value).startswith("full: ")
    assert found.span is not None
    words = text[slice(*found.span)]
    assert words
    assert " ".join(words.split()) in found.reason


@pytest.mark.parametrize("text", STORIES_AND_ANSWERS)
def test_stories_and_short_answers_are_no_refusals(text: str) -> None:
    found = judged("refusal", row(text))
    assert (found.outcome, found.value) == ("keep", "none")


@pytest.mark.parametrize("text", REFUSED)
def test_a_refusal_in_the_mouth_of_a_character_is_none(text: str) -> None:
    for said in (f"“{text}”", f'"{text}"', f"He looked up. {text}", f"{STORY}\n\n{text}"):
        assert judged("refusal", row(said)).outcome == "keep", said


@pytest.mark.parametrize("turn", ["However, here is a gentler version:", "That said, the plot could be this:", ""])
def test_one_that_goes_on_to_do_it_is_partial(turn: str) -> None:
    text = f"I'm sorry, but I can't write explicit scenes. {turn}\n\n{STORY}"
    assert judged("refusal", row(text)).outcome == "flag"
    assert str(judged("refusal", row(text)).value).startswith("partial: ")
    assert judged("refusal", row(text), partial="drop").outcome == "drop"
    assert judged("refusal", row(text), partial="keep").outcome == "keep"


def test_advice_after_a_refusal_does_not_make_it_partial() -> None:
    advice = "It is important to talk to someone you trust. Consider a doctor, a friend, or a helpline near you. " * 6
    assert judged("refusal", row(f"I cannot provide guidance on that. {advice}")).outcome == "drop"


@pytest.mark.parametrize(("message", "provenance", "words"), [
    ({"role": "assistant", "content": None, "refusal": "Not with me."}, {}, "Not with me."),
    ({"role": "assistant", "content": "Well."}, {"refusal": "No, sir."}, "No, sir."),
    ({"role": "assistant", "content": "Well"}, {"finish_reason": "content_filter"}, "content_filter"),
])
def test_the_host_is_heard_first(message: dict[str, Any], provenance: dict[str, Any], words: str) -> None:
    found = judged("refusal", row("", provenance=provenance).with_messages([message]))
    assert found.outcome == "drop"
    assert found.reason == f"refused, as the host says: {words}"


def test_a_call_of_tools_refuses_nothing() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert judged("refusal", row("").with_messages([message])).outcome == "not_applicable"


@pytest.mark.parametrize("opener", ["i know ", "I see that I know ", "sorry for ", "As an AI ", "I cannot provide "])
def test_an_opening_that_never_ends_costs_no_time(opener: str) -> None:
    started = time.process_time()
    judged("refusal", row(opener * 5000))
    assert time.process_time() - started < 0.2


def real_texts(data: Path) -> Iterator[str]:
    """Every text of the real inputs that could stand as an answer; none of them is a model's refusal."""
    for line in (data / "synopses" / "synopses.jsonl").read_bytes().splitlines():
        yield json.loads(line)["text"]
    for line in (data / "outlines" / "outlines.jsonl").read_bytes().splitlines():
        yield json.loads(line)["outline"]
    for line in (data / "seed-tasks" / "seed_tasks.jsonl").read_bytes().splitlines():
        task = json.loads(line)
        yield from (task["instruction"], *(text for one in task["instances"] for text in one.values()))
    with gzip.open(data / "curation" / "base.jsonl.gz") as file:
        for line in file:
            found = json.loads(line)
            yield from (found["t"], found["t"].lstrip("\"“"), found.get("q", ""))


def test_no_real_text_is_taken_for_a_refusal(shared_data: Path) -> None:
    refusal = rule("refusal")
    fired = [text for text in real_texts(shared_data) if refusal.finding(row(text)).outcome != "keep"]
    assert fired == []


class _Everything(frozenset):
    def __contains__(self, _: object) -> bool:
        return True


_SAID = st.sampled_from([
    "I", "I'm", "I am", "can't", "cannot", "won't", "not able to", "unable to", "sorry", "Unfortunately", "as an AI",
    "The", "assist", "help", "with", "that", "this request", "write", "content", "harmful", "do not", "decline to",
    "It's", "my", "guidelines", "do not", "Thank you", "No", "Hello", "Although", "Prices", "Bread", "ſorry", ",",
    ".", "but", "\n", "**"])


@settings(max_examples=200, deadline=None)
@given(st.lists(_SAID, min_size=1, max_size=9).map(" ".join))
def test_the_first_word_rules_out_no_refusal(text: str) -> None:
    quick = refusal.refusal_in(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusal, "_OPENS", _Everything())
        assert refusal.refusal_in(text) == quick
