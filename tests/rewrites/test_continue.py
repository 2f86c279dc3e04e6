"""The rewrite `continue`: what was cut goes on, and what both texts have at the joint stands once."""

from __future__ import annotations

import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.digest import call_id
from pipeline.engine.protocol import CallFailed
from pipeline.providers.rehearsal import Rehearsal
from pipeline.rewrites import AnyRewrite, Refused, open_rewrites
from pipeline.sections import Item
from pipeline.types import CallRequest, Sample
from tests import made

WHOLE = ("The ferry leaves at six, and nobody has told the captain. He sleeps beside a goat in the engine room. "
         "When it wakes him, the ferry is far out, and the harbour pilot waves from another ship.")
CUT = WHOLE[:WHOLE.index("tain. He")]


def go_on() -> AnyRewrite:
    return open_rewrites([Item(name="continue")])[0]


def row(answer: Any = CUT, reason: str | None = "length", **provenance: Any) -> Sample:
    messages = [{"role": "user", "content": "A ferry."}, {"role": "assistant", "content": answer}]
    return Sample("parent", messages, provenance={"finish_reason": reason, **provenance})


def outcome(old: str, new: str, reason: str = "stop") -> str:
    """The joined text, or the code of why there is none."""
    found = go_on().child(row(old), replace(made.call(7, new), finish_reason=reason))
    return found.code if isinstance(found, Refused) else found.answer


@pytest.mark.parametrize(("answer", "reason", "applies"), [
    (CUT, "length", True), (WHOLE, "length", True), (CUT, "stop", False), (CUT, "content_filter", False),
    (f"{WHOLE} It is the", None, True), (WHOLE, None, False), ("", "length", False), (" ", "length", False),
])
def test_it_is_for_answers_that_were_cut(answer: str, reason: str | None, applies: bool) -> None:
    assert go_on().applies(row(answer, reason)) is applies
    assert not go_on().applies(row(answer, reason, augmentation="continue"))


def test_the_writer_sees_the_cut_answer_and_its_last_words() -> None:
    asked = go_on().messages(row())
    assert asked is not None
    assert [turn["role"] for turn in asked] == ["user", "assistant", "user"]
    assert asked[1]["content"] == CUT
    assert "\n\nat six, and nobody has told the cap\n" in asked[2]["content"]


@pytest.mark.parametrize("new", [
    WHOLE[WHOLE.index("leaves at"):], WHOLE[WHOLE.index("captain"):], WHOLE[WHOLE.index("told the"):], WHOLE,
    "Certainly! Here is the rest:\n\n" + WHOLE[WHOLE.index("nobody"):], f"  {WHOLE[WHOLE.index('the captain'):]}\n",
])
def test_the_joint_is_found(new: str) -> None:
    assert outcome(CUT, new) == WHOLE


@pytest.mark.parametrize(("old", "new", "whole"), [
    ("A goat, and then a goat wakes the", "wakes the man.", "A goat, and then a goat wakes the man."),
    ("He sleeps. ", "It wakes him.", "He sleeps. It wakes him."),
    ("He sleeps.", "It wakes him.", "He sleeps. It wakes him."),
    ("He sleeps", ", and it wakes.", "He sleeps, and it wakes."),
    ("He sleeps", " and it wakes.", "He sleeps and it wakes."),
    ("1. One.\n\n2. Two.", "3. Three.", "1. One.\n\n2. Two.\n\n3. Three."), ("a goa", "goat wakes.", "a goat wakes."),
    ("The goat and the go", "at wakes the goat.", "The goat and the goat wakes the goat."),
    ("In the dark the goat", "the goat wakes a man.", "In the dark the goat wakes a man."),
    ("the captain", "’s goat wakes.", "the captain’s goat wakes."),
])
def test_words_spaces_and_items(old: str, new: str, whole: str) -> None:
    assert outcome(old, new) == whole


@pytest.mark.parametrize(("new", "reason", "code"), [
    ("", "stop", "nothing-added"), (CUT, "stop", "nothing-added"), ("the cap", "stop", "nothing-added"),
    ("captain. He", "length", "cut-again"),
    ("captain. The ferry leaves at six, and nobody has told the captain.", "stop", "repeats"),
    ("captain. Nobody tells a pilot about it. A second goat, which is grey, eats a rope,", "stop", "cut-again"),
    ("The ferry leaves at seven, and all is well.", "stop", "begins-again"), ("qua wax.", "stop", "no-joint"),
])
def test_what_is_no_gain_is_refused(new: str, reason: str, code: str) -> None:
    assert outcome(CUT, new, reason) == code


@st.composite
def cut_and_continued(draw: st.DrawFn) -> tuple[str, str, str]:
    """Words, what a writer went on with (from a word before the cut, or with whatever it liked), and the whole."""
    said = draw(st.lists(st.text(st.characters(categories=["L"]), min_size=1, max_size=6), min_size=9, max_size=20))
    text = " ".join(said) + "."
    cut = draw(st.integers(len(text) // 2, len(text) - 1))
    starts = [at for at in range(cut) if at == 0 or text[at - 1] == " "]
    new = text[starts[-draw(st.integers(1, min(4, len(starts))))]:]
    return text[:cut], draw(st.just(new) | st.text(max_size=80)), text


def test_what_was_there_stays() -> None:
    """And a writer that took up its own words restored the text, nearly always: half of those drawn do."""
    ends = Counter[str]()

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(cut_and_continued())
    def holds(drawn: tuple[str, str, str]) -> None:
        old, new, whole = drawn
        assert go_on().applies(row(old))
        found = go_on().child(row(old), made.call(7, new))
        assert isinstance(found, Refused) or found.answer.startswith(old.rstrip())
        ends[found.code if isinstance(found, Refused) else "whole" if found.answer == whole else "joined"] += 1

    holds()
    assert ends["whole"] >= ends.total() // 4, ends
    assert ends.total() - ends["whole"] - ends["joined"] >= 5, "what is no continuation is refused"


@settings(max_examples=200, deadline=None)
@given(st.integers(5, len(WHOLE) - 5), st.integers(1, 60))
def test_a_writer_that_begins_with_a_word_before_the_cut_restores_the_text(cut: int, back: int) -> None:
    old = WHOLE[:cut]
    at = max((i for i in range(cut) if i <= max(0, cut - back) and (i == 0 or WHOLE[i - 1] == " ")), default=0)
    assert outcome(old, WHOLE[at:]) == WHOLE


def test_real_texts_cut_anywhere(shared_data: Path) -> None:
    """What is refused repeats itself: so do these texts."""
    chance, exact, refused = random.Random(5), 0, 0
    for line in (shared_data / "outlines" / "outlines.jsonl").read_text(encoding="utf-8").splitlines()[::4]:
        text = json.loads(line)["outline"].strip()
        old = text[:chance.randrange(len(text) // 4, len(text) * 9 // 10)]
        wish = go_on().messages(row(old))
        assert wish is not None
        tail = wish[-1]["content"].partition("\n\n")[2].partition("\n\nBegin with")[0]
        found = outcome(old, tail + text[len(old.rstrip()):])
        exact += found == text
        refused += found in ("repeats", "cut-again")
        assert found == text or found in ("repeats", "cut-again")
    assert (exact, refused) == (57, 6)


async def test_a_rehearsal_begins_with_the_last_words(shared_data: Path) -> None:
    """Real texts, cut anywhere; what it refuses are the faults that a rehearsal has, and limits that it runs into."""
    chance, writer, codes = random.Random(11), Rehearsal(), Counter[str]()
    for line in (shared_data / "outlines" / "outlines.jsonl").read_text(encoding="utf-8").splitlines()[::4]:
        text = json.loads(line)["outline"].strip()
        old = row(text[:chance.randrange(len(text) // 4, len(text) * 9 // 10)])
        body = writer.body("rehearsal", go_on().messages(old) or [], {"max_tokens": 1000})
        request = CallRequest(call_id("rehearsal", "chat", body, 0), "rehearsal", body, 0)
        with suppress(CallFailed):  # the rehearsed rate limit
            said = await writer.ask(request)
            call = replace(made.call(7, said.message["content"] or ""), finish_reason=said.finish_reason)
            found = go_on().child(old, call)
            codes[found.code if isinstance(found, Refused) else "joined"] += 1
    assert codes["joined"] >= 0.85 * codes.total() > 50, codes
