"""The rule `placeholder`: places that nobody filled, labels that leaked, and braces that are right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules import placeholder
from tests.rules.rows import judged, row

PLOT = "Genre: crime\nPlace: Rome\n\nPLOT OUTLINE:"
SLOTS = [
    "These Terms are governed by the laws of [Insert Jurisdiction], subject to law.",  # from a published page
    "Hello {{name}}, welcome.", "In a {genre} story, a man walks.", "[INSERT NAME] went home.", "<your text here>",
    "Lorem ipsum dolor sit amet", "${amount} is due on Monday.", "[Insert your favourite ending here]",
    "Dear {{ user.name }}!",
]
MAYBE = ["Dear [Your Name],", "It ends.\n\n[TODO: write the end]", "Answer: Paris", "Signed, [Company Name]",
         "Dear [Manager’s Name],", "[Date]"]
RIGHT = [
    "The fraction \\frac{{a}}{b} and x_{max}", "Print `{name}` now", "def f():\n    return f'{name} {age}'",
    '{"a": {"name": 1}}', "[the car] was red", "As shown before [1], it cites.", "TODO hombre es mortal",
    "Please put [object] down", "See [Name](http://x)", "Oslo grew.[citation needed]", "Use {} and {0}",
    "```\nHello {{name}}\n```", "{x, y} and {red, blue}", "She said: an answer: none.", "",
]


@pytest.mark.parametrize("text", SLOTS)
def test_open_places_are_dropped(text: str) -> None:
    found = judged("placeholder", row(text, "Tell me of Rome."))
    assert (found.outcome, str(found.value)[:6]) == ("drop", "slot: "), found
    assert found.span is not None
    assert text[slice(*found.span)] in found.reason
    assert judged("placeholder", row(text, "Give me a template."), act="drop").outcome == "keep", "asked for"
    assert judged("placeholder", row(text, f"Do not change this: {text}")).outcome == "keep", "it is the prompt's"


@pytest.mark.parametrize("text", MAYBE)
def test_what_letters_have_is_flagged_whether_or_not_a_letter_was_asked_for(text: str) -> None:
    assert judged("placeholder", row(text, "Tell me of Rome.")).outcome == "flag"
    assert judged("placeholder", row(text, "Tell me of Rome."), maybe="drop").outcome == "drop"
    if "[" in text:
        assert judged("placeholder", row(text, "Write a letter to my boss.")).outcome == "flag"
        assert judged("placeholder", row(text, "Write a template of a letter.")).outcome == "keep"


@pytest.mark.parametrize("text", RIGHT)
def test_braces_and_brackets_of_other_kinds_are_none(text: str) -> None:
    assert judged("placeholder", row(text, "Tell me of Rome.")).outcome in ("keep", "not_applicable")


@pytest.mark.parametrize(("text", "prompt", "outcome"), [
    ("PLOT OUTLINE: A thief returns.", PLOT, "drop"), ("**Plot outline:** A thief returns.", PLOT, "drop"),
    ("### Response: Paris", "The capital?", "drop"), ("Assistant: Paris", "The capital?", "drop"),
    ("Assistant: Hi.\nUser: Hi.", "Write a dialogue.", "keep"), ("Answer: Paris", "The form is Answer: CITY", "keep"),
    ("A thief returns.", PLOT, "keep"), ("Genre: crime", PLOT, "keep"),
])
def test_labels_of_the_prompt_that_leaked(text: str, prompt: str, outcome: str) -> None:
    assert judged("placeholder", row(text, prompt)).outcome == outcome


_PIECES = st.sampled_from([
    "{", "}", "{{", "}}", "[", "]", "<", ">", "$", "${", "\\", "name", "genre", "Your Name", "your text here", "here",
    "insert ", "INSERT_NAME", "TODO", "TODO: ", "FIXME(me): ", "XXXXX", "_______", "Lorem ipsum dolor",
    "LOREM IPSUM DOLOR", " ", "\n", "a"])


@settings(max_examples=300)
@given(st.lists(_PIECES, max_size=14).map("".join))
def test_places_are_found_as_the_patterns_find_them(text: str) -> None:
    both = (placeholder._SLOT, placeholder._SLOT_BEGINS), (placeholder._MAYBE, placeholder._MAYBE_BEGINS)
    for pattern, begins in both:
        quick = [found.span() for found in placeholder._places(pattern, begins, text)]
        assert quick == [found.span() for found in pattern.finditer(text)]
