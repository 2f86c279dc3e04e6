"""The rewrite `fill_sections`: only what is missing is asked for, and what is there stays."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.digest import call_id
from pipeline.engine.protocol import CallFailed
from pipeline.errors import RecipeError
from pipeline.headings import missing_sections
from pipeline.providers.rehearsal import Rehearsal
from pipeline.rewrites import AnyRewrite, Refused, open_rewrites
from pipeline.sections import Item
from pipeline.types import CallRequest, Sample
from tests import made

NAMES = ("Setup", "Catalyst", "Debate", "Midpoint", "Finale")
SAYS = ("A ferry waits at the quay.", "A goat comes aboard at night.", "The crew asks what to do with it.",
        "It eats the only map there is.", "The captain steers by the stars.")
PROMPT = "A tale in five beats:\n" + "\n".join(f"{number}. {name}" for number, name in enumerate(NAMES, 1))
FORMS = {"plain": "{n}. {name}: {text}", "bold": "**{n}. {name}:** {text}", "lines": "## {name}\n{text}",
         "bare": "{name} - {text}"}


def told(gone: set[int], form: str = "plain", gap: str = "\n\n") -> str:
    return gap.join(FORMS[form].format(n=number + 1, name=name, text=SAYS[number])
                    for number, name in enumerate(NAMES) if number not in gone)


def fill(**options: Any) -> AnyRewrite:
    return open_rewrites([Item(name="fill-sections", options=options)])[0]


def row(answer: str, prompt: str = PROMPT, **provenance: Any) -> Sample:
    return Sample("parent", [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}],
                  provenance=provenance)


def outcome(answer: str, new: str, **options: Any) -> str:
    found = fill(**options).child(row(answer), made.call(7, new))
    return f"{found.code}: {found.reason}" if isinstance(found, Refused) else found.answer


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("gone", [{4}, {0}, {1, 2}, {0, 2, 4}])
def test_missing_sections_come_to_their_places_in_the_form_of_the_others(form: str, gone: set[int]) -> None:
    old = told(gone, form)
    options = {"sections": list(NAMES)}
    assert fill(**options).applies(row(old))
    asked = fill(**options).messages(row(old))
    assert asked is not None
    wish = asked[-1]["content"]
    for number, name in enumerate(NAMES):
        assert (name in wish) is (number in gone), "only the missing ones are asked for"
    new = "\n".join(f"{number + 1}. {NAMES[number]}: {SAYS[number]}" for number in sorted(gone))
    assert outcome(old, new, **options) == told(set(), form)
    assert outcome(old, f"Certainly!\n\n{told(set())}\n\nI hope this helps!", **options) == told(set(), form)


def test_the_prompts_list_is_taken_where_none_is_named() -> None:
    old = told({3, 4}, gap="\n")
    assert outcome(old, told({0, 1, 2})) == told(set(), gap="\n")
    assert not fill().applies(row(old, "A tale."))
    assert not fill().applies(row(told(set())))
    assert not fill().applies(row("No beats at all."))
    assert not fill().applies(row(old, augmentation="fill-sections"))


def test_of_a_talk_sections_may_stand_in_several_answers() -> None:
    turns = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": told({3, 4})},
             {"role": "user", "content": "And then?"}, {"role": "assistant", "content": told({0, 1, 2})}]
    assert not fill(sections=list(NAMES)).applies(Sample("parent", turns))


def test_sections_may_be_numbered_only() -> None:
    old = "1. A ferry waits.\n2. A goat comes.\n4. It eats a map."
    assert fill(value=4).applies(row(old))
    assert outcome(old, "3. The crew asks why.", value=4) == old.replace("\n4.", "\n3. The crew asks why.\n4.")


def test_an_empty_section_is_filled_where_it_stands() -> None:
    old = told({3, 4}) + "\n\n4. Midpoint: N/A\n\n5. Finale:\n"
    assert outcome(old, told({0, 1, 2})) == told(set()) + "\n"


def test_the_text_of_the_only_one_needs_no_heading() -> None:
    assert outcome(told({4}), SAYS[4]) == told(set())


@pytest.mark.parametrize(("new", "code"), [
    ("", "still-missing: lacks 2 sections: Midpoint, Finale"), ("4. Midpoint: It eats a map.", "still-missing"),
    ("4. Midpoint: N/A\n5. Finale: The end is near.", "still-missing"), ("Two beats.", "still-missing"),
    (f"4. Midpoint: {SAYS[0]}\n5. Finale: The end is near.", "near-copy: Midpoint shares 1.00"),
    ("4. Midpoint: It is the end of it.\n5. Finale: It is the end of it.", "near-copy"),
])
def test_what_is_no_gain_is_refused(new: str, code: str) -> None:
    assert outcome(told({3, 4}), new).startswith(code)


@pytest.mark.parametrize(("answer", "provenance", "code"), [
    (told({3, 4}), {"finish_reason": "length"}, "was-cut"), (told({3, 4})[:-3].rstrip() + " the", {}, "was-cut"),
    (told({1}).replace("3. Debate", "2. Debate"), {}, "other-numbers"),
])
def test_nobody_is_asked_about_a_text_that_cannot_be_filled(answer: str, provenance: Any, code: str) -> None:
    sample = row(answer, **provenance)
    assert fill().applies(sample)
    assert fill().messages(sample) is None
    found = fill().child(sample)
    assert isinstance(found, Refused)
    assert found.code == code


def test_a_filtered_text_is_not_said_to_be_cut() -> None:
    sample = row(told({3, 4})[:-3].rstrip() + " the", finish_reason="content_filter")
    assert fill().messages(sample) is not None


@pytest.mark.parametrize("options", [
    {"sections": ["Setup"], "count": 3}, {"sections": ["/^set/"]}, {"sections": [" "]}, {"count": 0}, {"sections": []},
])
def test_options_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        fill(**options)


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, 4), min_size=1, max_size=4), st.sampled_from(sorted(FORMS)), st.text(max_size=40),
       st.sampled_from(["", "\n", " \n\n"]))
def test_what_is_there_stays_to_the_character(gone: set[int], form: str, text: str, end: str) -> None:
    old = told(gone, form) + end
    new = "\n\n".join(f"{number + 1}. {NAMES[number]}: {SAYS[number]} {text}" for number in sorted(gone))
    found = fill(sections=list(NAMES)).child(row(old), made.call(7, new))
    if not isinstance(found, Refused):
        assert missing_sections(found.answer, NAMES) == []
        at = 0
        for number, name in enumerate(NAMES):
            if number not in gone:
                block = FORMS[form].format(n=number + 1, name=name, text=SAYS[number])
                at = found.answer.index(block, at) + len(block)


@pytest.mark.parametrize("form", FORMS)
async def test_a_rehearsal_fills_what_it_is_asked_for(form: str) -> None:
    """But for the faults that a rehearsal has."""
    writer, old, full = Rehearsal(), row(told({1, 2}, form)), 0
    body = writer.body("rehearsal", fill().messages(old) or [], {"max_tokens": 1000})
    for repeat in range(20):
        with suppress(CallFailed):  # the rehearsed rate limit
            said = await writer.ask(CallRequest(call_id("rehearsal", "chat", body, repeat), "rehearsal", body, repeat))
            full += not isinstance(fill().child(old, made.call(7, said.message["content"] or "")), Refused)
    assert full >= 16
