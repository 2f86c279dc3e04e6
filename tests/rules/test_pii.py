"""The rule `pii`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import RecipeError
from pipeline.types import Sample
from tests.rules.rows import judged, row, rule

CARD = "4716402611454369"


def test_a_row_with_personal_data_is_flagged_with_kinds_and_ends() -> None:
    found = judged("pii", row(f"Sure: eva.holm@holm.io, card {CARD}."))
    assert (found.outcome, found.value) == ("flag", "2: email e…@….io, card …69")
    assert found.reason == "email e…@….io, card …69"
    assert found.span == (6, 22)
    assert CARD not in json.dumps([found.value, found.reason])


def test_prompts_are_looked_at_and_named() -> None:
    sample = row("Done.", "Charge 4716402611454369, please.")
    assert judged("pii", sample).reason == "card …69 in the prompt"
    assert judged("pii", sample).span is None
    assert judged("pii", sample, over="answer").outcome == "keep"
    assert judged("pii", row(f"It is {CARD}.", "Which card?"), over="prompt").outcome == "keep"


def test_system_texts_tools_and_turns_that_are_not_trained_on_are_prompt() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "pay", "arguments": f'{{"card": "{CARD}"}}'}}
    messages = [{"role": "system", "content": "You are eva.holm@holm.io."}, {"role": "user", "content": "Pay."},
                {"role": "assistant", "content": "SSN 531-21-7351", "weight": 0}, {"role": "user", "content": "And?"},
                {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "assistant", "content": "Paid."}]
    found = judged("pii", Sample("a", messages))
    assert found.reason == "email e…@….io in the prompt, ssn …51 in the prompt"
    assert judged("pii", Sample("a", messages[:2])).outcome == "flag"


@pytest.mark.parametrize(("options", "outcome"), [
    ({}, "flag"), ({"act": "drop"}, "drop"), ({"max": 1}, "keep"), ({"kinds": "email"}, "keep"), ({"kinds": ["card",
    "ip"]}, "flag"),
])
def test_what_becomes_of_it_is_said(options: dict[str, object], outcome: str) -> None:
    assert judged("pii", row(f"card {CARD}"), **options).outcome == outcome


def test_a_bound_is_moved_without_measuring_again() -> None:
    assert rule("pii", max=3, act="drop").key == rule("pii").key
    assert rule("pii", kinds=["card"]).key != rule("pii").key


def test_examples_of_nobody_count_where_one_asks() -> None:
    sample = row("Write to eva@example.com or call (202) 555-0143.")
    assert judged("pii", sample).outcome == "keep"
    assert judged("pii", sample, reserved="count").value == "2: email e…@….com, phone …43"


def test_many_are_counted_and_some_shown() -> None:
    found = judged("pii", row(" ".join(f"eva{number}@holm.io" for number in range(9))))
    assert found.value == "9: email e…@….io, email e…@….io, email e…@….io, email e…@….io, email e…@….io, 4 more email"


def test_a_row_without_a_text_is_none_of_its_business() -> None:
    assert judged("pii", Sample("a", [])).outcome == "not_applicable"
    assert judged("pii", row("A ferry is late.")).value == "none"


@pytest.mark.parametrize(("options", "words"), [
    ({"kinds": ["emial"]}, "unknown word 'emial'"), ({"regions": ["UK"]}, "'UK' is no country's code"),
    ({"act": "mask"}, "unknown word"),
])
def test_options_that_cannot_be_meant(options: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        rule("pii", **options)


def test_of_175_seed_tasks_the_two_with_mail_addresses_are_flagged(shared_data: Path) -> None:
    flagged = []
    for line in (shared_data / "seed-tasks" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines():
        task = json.loads(line)
        for each in task["instances"]:
            if judged("pii", row(each["output"], f"{task['instruction']}\n\n{each['input']}")).outcome != "keep":
                flagged.append(task["id"])
    assert flagged == ["seed_task_74", "seed_task_166"], "a letter with its sender's address, and a mail of a bank"


def test_a_stories_corpus_has_none(shared_data: Path) -> None:
    stories = (shared_data / "synopses" / "synopses.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(stories) == 386
    assert {judged("pii", row(json.loads(line)["text"])).outcome for line in stories} == {"keep"}
