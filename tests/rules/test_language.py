"""The rule `language`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.types import Sample
from tests.rules.rows import judged, row, rule

ENGLISH = "The ferry leaves at six, and nobody has told the captain about the goat."
GERMAN = "Die Fähre legt um sechs Uhr ab, und niemand hat dem Kapitän von der Ziege erzählt."
ASK = "Write two sentences about the ferry and what happened on it."


@pytest.mark.parametrize(("answer", "options", "outcome", "reason"), [
    (ENGLISH, {"expect": "en"}, "keep", ""), (GERMAN, {"expect": "en"}, "flag", "answer in de, expected en"),
    (GERMAN, {"expect": ["en", "de"]}, "keep", ""), (GERMAN, {"expect": ["en", "fr"], "act": "drop"}, "drop",
    "answer in de, expected en or fr"),
    ("Paris", {"expect": "de"}, "not_applicable", ""), ("José Mourinho!", {"expect": "de"}, "keep", ""),
    ('{"name": "the one that they have"}', {"expect": "de"}, "not_applicable", ""),
    ("```python\nprint('the ferry that they have')\n```", {"expect": "de"}, "not_applicable", ""),
    ("- Ragu alla Bolognese\n- Risotto\n- Spaghetti alla Carbonara\n- Napoletana Pizza", {"expect": "en"},
    "not_applicable", ""),
])
def test_expected_languages(answer: str, options: dict[str, Any], outcome: str, reason: str) -> None:
    found = judged("language", row(answer), **options)
    assert (found.outcome, found.reason) == (outcome, reason)


@pytest.mark.parametrize(("prompt", "answer", "outcome"), [
    (ASK, ENGLISH, "keep"), (ASK, GERMAN, "flag"), ("Schreibe zwei Sätze über die Fähre und den Kapitän.", ENGLISH,
    "flag"),
    (f"{ASK} Answer in German.", GERMAN, "keep"), (f"Translate: {ENGLISH}", GERMAN, "keep"), (f"Übersetze: {GERMAN}",
    ENGLISH, "keep"),
    (f"Repeat what stands here:\n{GERMAN}", GERMAN, "keep"), ("Fähre?", ENGLISH, "keep"), (ASK, "Die Fähre.", "keep"),
    (ASK, "Паром отходит в шесть, и никто не сказал капитану.", "flag"), ("", GERMAN, "keep"),
])
def test_an_answer_has_its_prompts_language(prompt: str, answer: str, outcome: str) -> None:
    assert judged("language", row(answer, prompt)).outcome == outcome
    assert judged("language", row(answer, prompt), same_as="nothing", expect=["en", "de", "ru"]).outcome in (
        "keep", "not_applicable")


def test_what_is_shown() -> None:
    found = judged("language", row(GERMAN, ASK))
    assert (found.value, found.reason) == ("de; de to en", "answer in de, prompt in en")
    assert judged("language", row(ENGLISH, ASK)).value == "en"
    assert judged("language", row("José Mourinho!", ASK)).value == "unknown"


def test_a_system_text_may_ask_for_another_language() -> None:
    messages = [{"role": "system", "content": "You always answer in German."}, {"role": "user", "content": ASK},
                {"role": "assistant", "content": GERMAN}]
    assert judged("language", Sample("a", messages)).outcome == "keep"
    assert judged("language", Sample("a", messages[1:])).outcome == "flag"


def test_each_turn_is_compared_with_what_was_said_before_it() -> None:
    turns = [("user", ASK), ("assistant", ENGLISH), ("user", ASK), ("assistant", GERMAN), ("user", ASK), ("assistant",
        ENGLISH)]
    messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in turns]
    assert judged("language", Sample("a", messages)).reason == "answer in de, prompt in en"
    assert judged("language", Sample("a", messages), expect="en",
        same_as="nothing").reason == "answer in de, expected en"
    messages[3]["weight"] = 0
    assert judged("language", Sample("a", messages)).outcome == "keep"


@pytest.mark.parametrize(("options", "words"), [
    ({"same_as": "nothing"}, "which language is right?"), ({"expect": ["English"]}, "'English' is no code"),
    ({"same_as": "promt"}, "unknown word 'promt'"),
])
def test_options_that_cannot_be_meant(options: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        rule("language", **options)


def test_norwegian_is_not_a_truth_value() -> None:
    assert rule("language", expect=False).options["expect"] == ["no"]


def test_no_seed_task_is_called_a_mismatch(shared_data: Path) -> None:
    """Read on 2026-11-28: those in two languages are translations, and their prompts say so."""
    flagged = []
    for line in (shared_data / "seed-tasks" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines():
        task = json.loads(line)
        for each in task["instances"]:
            if judged("language", row(each["output"], f"{task['instruction']}\n\n{each['input']}")).outcome == "flag":
                flagged.append(task["id"])
    assert flagged == []


def test_a_planted_answer_in_another_language_is_found(shared_data: Path) -> None:
    """Each paragraph of the declaration, of 60 letters and more, as the answer to an English question."""
    with gzip.open(shared_data / "curation" / "base.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    planted = [row["t"] for row in rows if "l" in row and sum(map(str.isalpha, row["t"])) >= 60]
    planted = [text for text in planted if not text.endswith((";", "；"))]  # a line that ends so may be one of code
    assert len(planted) > 800
    found = sum(judged("language", row(text, ASK)).outcome == "flag" for text in planted)
    assert found >= 0.99 * len(planted), (found, len(planted))
