"""The rule `cut-ending`: where texts of all kinds end, and where they were cut."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from pipeline.endings import ending_of
from tests.rules.rows import judged, row

PROSE = "The ferry leaves at six. Nobody has told the captain, who sleeps. The rain begins to fall on the pier. "
LONG = PROSE * 3
CUT = [
    f"{LONG}And then the old man turned to the", f"{LONG}And then he opened the old door and",
    f"{LONG}He saw the sea, the sky,", f"{LONG}And then the old man turned and walked slowly home",
    f"{LONG}They were three (the cook, the maid and the old man", "Use this:\n```python\nprint(1)",
    '{"title": "A plot", "beats": ["one", "tw', '{"title": "A plot",', "1. Bread\n2. Milk\n3.", "- Bread\n- Milk\n-",
    "1. It rains.\n2. Ann goes out.\n3. She comes home.\n4. Mid", "1. It rains.\n2. It snows.\n3. It hails.\n\n4",
    "I went to the old house of the", f"{LONG}\n\nThese are the three reasons:", f"{LONG}He said “and then we go",
    "Der Hund lief durch den alten Wald und sah dort einen Fuchs. Dann ging er weiter zu der",
]
DOUBTS = [
    f"{LONG}These are the three reasons:",
    "It rained. And so we went home early that day",
    "Considering that it is essential to promote friendly relations,",
]
WHOLE = [
    "positive", "New York City", "The capital is Canberra", "42", LONG, f"{LONG}“And then?”", f"{LONG}The end…",
    "これは終わりです。", "यह अंत है।", "هل هذه النهاية؟", "สวัสดีครับ ผมชื่อสมชาย" * 20, "1. Bread\n2. Milk\n3. Eggs",
    "- a cup\n- a bowl", "| a | b |\n|---|---|\n| 1 | 2 |",
    "The chill, worming in\nShock, pleasure, bursting within\nSummer tongue awakes\nAnd all is well", '{"a": [1, 2]}',
    f"{LONG}\n\nBest regards,\nEbony Moore", f"{LONG}\n\nYours sincerely,", f"{LONG} See https://example.com/a",
    f"{LONG} 😀", f"{LONG}#hope", "def f(x):\n    return x + 1", "```\nx = 1\n```", "What you see is what you get",
    "Genre: crime\nHero: Ann\nPlace: Rome, in the rain", "He asked: (A) the hall (B) the garden",
    f"{LONG}— Mark Twain", "Vitamin A", "N/A", "She is who I am talking to", "SELECT a FROM b",
    "1. Werewolf 2. Who Am I?  3. Charades 4. Two Truths and a Lie 5. Kubb", "1. Werewolf\n2. Who Am I?\n3. Kubb",
    "… water from a hose, ice cubes, cold meat", "Roses are red,\nViolets are blue,",
    "الجميلون لم يولدوا بعد. This is standard Arabic",
]


@pytest.mark.parametrize("text", CUT)
def test_what_was_begun_and_not_ended_is_dropped(text: str) -> None:
    found = judged("cut-ending", row(text, "Tell me."))
    assert (found.outcome, str(found.value)[:5]) == ("drop", "cut: "), found
    assert found.span is not None
    assert found.span[1] == len(text.rstrip())
    assert judged("cut-ending", row(text), act="flag").outcome == "flag"


@pytest.mark.parametrize("text", DOUBTS)
def test_a_missing_end_mark_alone_is_flagged(text: str) -> None:
    assert judged("cut-ending", row(text)).outcome == "flag"
    assert judged("cut-ending", row(text), maybe="keep").outcome == "keep"


@pytest.mark.parametrize("text", WHOLE)
def test_every_kind_has_endings_of_its_own(text: str) -> None:
    assert judged("cut-ending", row(text)).value == "whole"


def test_where_the_host_says_stop_it_is_less_likely() -> None:
    for reason, outcomes in (("stop", ["flag", "keep"]), ("length", ["drop", "flag"]), (None, ["drop", "flag"])):
        rows = [row(text, provenance={"finish_reason": reason}) for text in (CUT[0], DOUBTS[1])]
        assert [judged("cut-ending", each).outcome for each in rows] == outcomes, reason


@pytest.mark.parametrize("head", ["[" * 5000, '{"a":' * 5000, '{"a": "' + "b" * 200_000, "((((" * 5000, "```" * 9999])
def test_no_ending_costs_much_time(head: str) -> None:
    import time

    started = time.process_time()
    judged("cut-ending", row(head))
    assert time.process_time() - started < 0.3


def test_numbered_outlines_cut_anywhere(shared_data: Path) -> None:
    """Real outlines cut within a sentence are nearly all found; as they stand, those alone that end in empty beats."""
    chance, found, whole = random.Random(3), Counter[str](), Counter[str]()
    for line in (shared_data / "outlines" / "outlines.jsonl").read_text(encoding="utf-8").splitlines():
        text = json.loads(line)["outline"].strip()
        whole[ending_of(text).grade] += 1
        for _ in range(4):
            cut = text[:chance.randrange(len(text) // 4, len(text) * 9 // 10)].rstrip()
            if cut[-1] not in ".!?":
                found[ending_of(cut).grade] += 1
    assert whole == {"whole": 243, "cut": 9}
    assert found == {"cut": 947, "whole": 32}, "two beats before it are too few to tell"
