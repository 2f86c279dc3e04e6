"""The rule `regex`: patterns of one's own."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from pipeline.errors import RecipeError
from pipeline.rules import RowRule, open_rules
from pipeline.sections import Item
from pipeline.types import Finding, Sample
from tests.rules.rows import judged, row


def test_matches_are_counted_and_the_first_is_shown() -> None:
    found = judged("regex", row("Pay 12 euros, or 13 euros."), pattern=r"\d+ euros?", must="not_match")
    assert (found.outcome, found.value, found.span) == ("drop", 2, (4, 12))
    assert found.reason == r"matches '\d+ euros?' 2 times: '12 euros'"


@pytest.mark.parametrize(("options", "outcome"), [
    ({"pattern": "a"}, "drop"), ({"pattern": "a", "must": "match"}, "keep"), ({"pattern": "z"}, "keep"),
    ({"pattern": "z", "must": "match"}, "drop"), ({"pattern": "b", "full": True}, "keep"), ({"pattern": 12}, "keep"),
    ({"pattern": "[a-c ]+", "full": True}, "drop"), ({"pattern": "(?i)A", "act": "flag"}, "flag"),
    ({"pattern": "q", "of": "prompt"}, "drop"), ({"pattern": "q", "of": "both"}, "drop"),
    ({"pattern": "a", "of": "prompt"}, "keep"), ({"value": "a"}, "drop"), ({"pattern": "^$", "full": True}, "keep"),
])
def test_what_a_text_must_do(options: dict[str, Any], outcome: str) -> None:
    assert judged("regex", row("a b c", "q"), **{"must": "not_match", **options}).outcome == outcome


def test_what_a_match_means_is_not_guessed() -> None:
    with pytest.raises(RecipeError) as raised:
        open_rules([Item(name="matches", options={"value": "it's"})])
    assert "must a text match, or not?" in str(raised.value)
    assert "- regex: {pattern: 'it''s', must: not_match}" in str(raised.value.hint)


def test_which_texts() -> None:
    talk = Sample("a", [{"role": "user", "content": "1"}, {"role": "assistant", "content": "one"},
                        {"role": "user", "content": "2"}, {"role": "assistant", "content": "two"}])
    assert judged("regex", talk, pattern="o", must="match").value == 1
    assert judged("regex", talk, pattern="o", must="match", of="answers").value == 2
    assert judged("regex", talk, pattern="1", must="match", of="prompt").value == 1
    assert judged("regex", row("a"), pattern="a", must="match", of="prompt").outcome == "not_applicable"
    assert judged("regex", row(""), pattern="a", must="match").outcome == "drop"


@pytest.mark.parametrize(("pattern", "message"), [
    ("(a", "plots.yaml:7: regex: pattern: '(a' is no regular expression: missing ), unterminated subpattern at "),
    ("a**", "multiple repeat at character 3, '*'"), ("a*", "matches the empty text"),
    ("(?<n", "is no regular expression"),
])
def test_a_pattern_that_is_none_is_told_with_its_line(pattern: str, message: str) -> None:
    with pytest.raises(RecipeError) as raised:
        open_rules([Item(name="regex", options={"pattern": pattern, "must": "match"})], lambda _: "plots.yaml:7")
    assert message in str(raised.value)
    assert raised.value.hint


def test_a_search_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.rules.regex.SECONDS", 0.05)
    monkeypatch.setattr("pipeline.rules.regex.SLOW", 2)
    (regex,) = open_rules([Item(name="regex", options={"pattern": "(a+)+$", "must": "match"})])
    assert isinstance(regex, RowRule)
    started = perf_counter()
    found = [regex.finding(row("a" * 60 + "b", id=name)) for name in "abcd"]
    assert perf_counter() - started < 2
    assert {each.outcome for each in found} == {"error"}
    assert "'(a+)+$' takes over 0.05 s: it repeats what repeats, as (a+)+ does" in found[0].reason
    assert "this one was not searched" in found[3].reason
    assert judged("regex", row("b a"), pattern="(a+)+$", must="match").outcome == "keep"


def test_in_a_thread_nothing_is_timed() -> None:
    """A timer of the system belongs to the main thread."""
    found: list[Finding] = []
    thread = threading.Thread(target=lambda: found.append(judged(
        "regex", row("a b"), pattern="b", must="match")))
    thread.start()
    thread.join()
    assert found[0].value == 1


def test_on_answers_that_people_wrote(shared_data: Path) -> None:
    """Answers that begin with a number."""
    tasks = [json.loads(line) for line in (shared_data / "seed-tasks" / "seed_tasks.jsonl").read_text(
        encoding="utf-8").splitlines()]
    found = [judged("regex", row(task["instances"][0]["output"]), pattern=r"^\d", must="not_match")
             for task in tasks]
    begins = [task["instances"][0]["output"][:1].isdecimal() for task in tasks]
    assert [each.outcome == "drop" for each in found] == begins
    assert sum(begins) > 10
