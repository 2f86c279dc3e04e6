"""The rule `repetition`: loops are found, and what rightly comes again is not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from pipeline.rules.repetition import RUNS
from pipeline.types import Sample
from pipeline.views import words

from .rows import judged, row

STORY = (
    "The ferry left at six with nobody but the goat on board. By noon the captain had stopped pretending that he "
    "knew the way, and the goat, which had made the crossing before, took the wheel. They reached the island late, "
    "in good spirits, and agreed to tell the owner that there had been fog. He believed it until the goat coughed.")
LOOPS = {
    "a sentence, many times": STORY + " And then he looked out at the sea." * 41,
    "a phrase without an end": STORY + " and the captain and the goat" * 30,
    "a word": "very " * 200,
    "lines": "I do not know.\n" * 30,
    "a paragraph twice and a half": f"{STORY}\n\n{STORY}\n\n{STORY[:150]}",
    "items that differ by number": "\n".join(f"{n}. Check the engine oil level of the car" for n in range(1, 40)),
    "Chinese": "船长在六点离开了港口。" + "他再次看向大海，心里想着那只山羊。" * 20,
    "a late loop of a long text": " ".join(f"w{n}" for n in range(2000)) + " and so it went on" * 40,
    "code": "def f(x):\n" + "    x = x + 1\n    y = x * 2\n    print(x, y)\n    return x\n" * 40,
    "JSON": json.dumps([{"name": "Ada", "born": "London", "died": "London"}] * 60),
}
CHORUS = ("Oh carry me over the water,\nOh carry me over the sea,\nThe captain has only a daughter,\n"
          "And she will be waiting for me.\n")
GOOD = {
    "prose": STORY,
    "a song with a chorus": "\n".join(
        f"{verse}\n{CHORUS}" for verse in (
            "The harbour was empty at seven,\nThe lamps on the quay had gone out,\nA bell rang as if out of heaven,\n"
            "And nobody answered my shout.",
            "I asked every man at the corner,\nI asked every boat in the bay,\nThey told me of nothing but water,\n"
            "And turned with a nod and away.")),
    "a table": "| city | rain |\n|---|---|\n" + "\n".join(f"| town {n} | {n * 3} mm |" for n in range(40)),
    "JSON records": json.dumps([{"name": f"n{n}", "age": n, "city": f"c{n % 7}"} for n in range(40)]),
    "a matrix of zeros": json.dumps([[0] * 20] * 20),
    "code of one shape": "\n".join(
        f"    def test_{n}(self):\n        self.assertEqual(f({n}), {n * n})" for n in range(20)),
    "a label": "no", "a refrain": "No. No, no, no!", "nothing": "",
    "an itinerary": "\n".join(f"Day {n}: Visit the {place} and have dinner at the hotel." for n, place in enumerate(
        ("market", "castle", "harbour", "museum", "old mill", "lighthouse"), 1)),
}


@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_is_dropped(kind: str) -> None:
    found = judged("repetition", row(LOOPS[kind]))
    assert found.outcome == "drop", found
    assert "stood before" in found.reason


@pytest.mark.parametrize("kind", GOOD)
def test_what_rightly_comes_again_is_kept(kind: str) -> None:
    assert judged("repetition", row(GOOD[kind])).outcome in ("keep", "not_applicable"), judged(
        "repetition", row(GOOD[kind]))


def test_the_span_is_what_stood_before() -> None:
    answer = LOOPS["a sentence, many times"]
    found = judged("repetition", row(answer))
    assert found.span is not None
    start, end = found.span
    assert len(words(answer[start:end])) == 100, "as the reason says"
    assert answer[start:end] in answer[: end - 1], "it stands earlier, too"
    assert found.value == 1.0


def test_sentences_said_twice_are_flagged_and_no_loop() -> None:
    text = " ".join(f"w{n}" for n in range(90))
    found = judged("repetition", row(f"{text} {' '.join(text.split()[:60])}"))
    assert found.outcome == "flag"
    assert found.reason == "says things twice: 60% of a stretch of 100 words stood before > 50%"
    assert judged("repetition", row("船长在六点离开了港口。" + "他再次看向大海，心里想着那只山羊。" * 20)).span


def test_the_bound_only_compares_and_the_act_is_asked_for() -> None:
    loop = row(LOOPS["a paragraph twice and a half"])
    share = judged("repetition", loop).value
    assert isinstance(share, float)
    assert judged("repetition", loop, max=share, flag=share).outcome == "keep", "the bound itself is kept"
    assert judged("repetition", loop, act="flag").outcome == "flag"
    assert judged("repetition", row(STORY), max=0).outcome == "keep"


def test_every_answer_that_is_trained_on_is_looked_at() -> None:
    turns = [LOOPS["a word"], STORY]
    messages = [{"role": role, "content": said}
                for text in turns for role, said in (("user", "?"), ("assistant", text))]
    assert judged("repetition", Sample("a", messages)).outcome == "drop"
    messages[1]["weight"] = 0
    assert judged("repetition", Sample("a", messages)).outcome == "keep"


def test_every_kind_but_labels_has_a_run() -> None:
    assert {*RUNS, "label"} == {"label", "json", "code", "list", "table", "verse", "dialogue", "prose"}


@pytest.mark.parametrize("period", [1, 3, 12, 40, 90])
def test_loops_of_every_period(period: int) -> None:
    text = " ".join(islice(cycle([f"word{n}" for n in range(period)]), 300))
    assert judged("repetition", row(text)).outcome == "drop"


def test_real_text(shared_data: Path) -> None:
    """No passage goes round in circles; three say the same twice: two photo captions, a census that answers itself."""
    base = gzip.decompress((shared_data / "curation" / "base.jsonl.gz").read_bytes()).splitlines()
    rows = [json.loads(line) for line in base]
    passages = [each["t"] for each in rows if each["k"] in ("passage", "lang")]
    assert len(passages) == 6681
    assert (len(list(hits(passages))), len(list(hits(passages, "flag")))) == (0, 3)
    lines = (shared_data / "synopses" / "synopses.jsonl").read_text(encoding="utf-8").splitlines()
    stories = [json.loads(line)["text"] for line in lines]
    assert (len(list(hits(stories))), len(list(hits(stories, "flag")))) == (8, 5)


def hits(texts: list[str], outcome: str = "drop") -> Iterator[str]:
    return (text for text in texts if judged("repetition", row(text)).outcome == outcome)
