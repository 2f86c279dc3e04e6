"""The rule `contamination`: rows that hold texts of evaluation files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DataError
from pipeline.read.texts import Spoken, spoken
from pipeline.rules import RowRule, open_rules
from pipeline.rules.contamination import Contamination, told_in
from pipeline.sections import Item
from pipeline.types import Finding, Sample
from tests.rules.rows import row

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
           "thirteen", "fourteen", "fifteen", "sixteen"]
LONG = " ".join(NUMBERS)
OTHER = "the quick brown fox jumps over the lazy dog while the cat sleeps in the warm afternoon sun"


@pytest.fixture
def rule_on(tmp_path: Path) -> Any:
    def opened(*values: Any, **options: Any) -> Contamination:
        path = tmp_path / "eval.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in values), encoding="utf-8")
        (rule,) = open_rules([Item(name="contamination", options={"against": str(path), **options})])
        assert isinstance(rule, Contamination)
        return rule
    return opened


def judged(rule: RowRule[Any, Any], answer: str, prompt: str = "Say it.") -> Finding:
    return rule.finding(row(answer, prompt))


@pytest.mark.parametrize(("values", "said"), [
    ({"prompt": "a?", "completion": "b"}, [("prompt", "a?"), ("answer", "b")]),
    ({"instruction": "Do", "input": "it", "output": "Done"}, [("prompt", "Do\nit"), ("answer", "Done")]),
    ({"instruction": "Do", "instances": [{"input": "it", "output": "Ok"}]}, [("prompt", "Do\nit"), ("answer", "Ok")]),
    ({"messages": [{"role": "system", "content": "Be."}, {"role": "user", "content": [{"type": "text", "text": "a"}]},
                   {"role": "assistant", "content": "b"}]}, [("prompt", "a"), ("answer", "b")]),
    ({"messages": '[{"role": "user", "content": "a"}]'}, [("prompt", "a")]),
    ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
     [("prompt", "a"), ("answer", "b")]),
    ({"custom_id": "x-1", "body": {"model": "m", "messages": [{"role": "user", "content": "a"}]}}, [("prompt", "a")]),
    ({"question": "q", "context": "a long passage", "answers": {"text": ["x y"], "start": [1]}, "id": "77"},
     [("prompt", "q"), ("answer", "x y"), ("text", "a long passage")]),
    ({"text": "some words"}, [("text", "some words")]),
    ({"sentence": "great movie", "label": 1}, [("text", "great movie")]),
    ({"id": 3, "name": "x", "empty": " "}, []),
])
def test_what_a_row_asks_and_answers_is_told_by_names(values: dict[str, Any], said: list[tuple[str, str]]) -> None:
    assert spoken(values) == [Spoken(*each) for each in said]  # type: ignore[arg-type]


def test_a_prompt_word_for_word_is_found_whatever_the_answer(rule_on: Any) -> None:
    rule = rule_on({"prompt": OTHER, "completion": "x"}, {"prompt": LONG.title() + "?", "completion": "another"})
    found = judged(rule, "An answer of its own.", f"Please: {LONG}!")
    assert (found.outcome, found.value, found.span) == ("drop", 1.0, None)
    assert found.reason == f"holds all of the prompt at eval.jsonl:2: '{LONG}'"
    assert judged(rule, "An answer of its own.", " ".join(reversed(NUMBERS))).outcome == "keep"


def test_an_answer_is_found_with_its_place(rule_on: Any) -> None:
    rule = rule_on({"completion": LONG})
    found = judged(rule, f"Well: {LONG}. So it is.")
    assert (found.outcome, found.span) == ("drop", (6, 6 + len(LONG)))
    assert [*map(tuple, told_in(found.reason))] == [("answer", "eval.jsonl")]


def test_prompt_and_answer_are_told_both(rule_on: Any) -> None:
    found = judged(rule_on({"prompt": OTHER, "completion": LONG}), LONG, OTHER)
    assert found.reason == (
        f"holds all of the prompt at eval.jsonl:1 and all of the answer at eval.jsonl:1: '{OTHER}'")
    assert [told.part for told in told_in(found.reason)] == ["prompt", "answer"]


def test_the_share_is_of_the_evaluation_text(rule_on: Any) -> None:
    """Of the 4 runs of 13 words that 16 words have, a row with the first 14 has two."""
    found = judged(rule_on({"prompt": LONG}, max=0.5), "x", " ".join(NUMBERS[:14]))
    assert (found.value, found.outcome) == (0.5, "keep")
    assert judged(rule_on({"prompt": LONG}, max=0.4, act="flag"), "x", " ".join(NUMBERS[:14])).outcome == "flag"
    assert judged(rule_on({"prompt": LONG}, max=1.0), "x", LONG).outcome == "keep"


def test_a_template_around_all_prompts_says_little(rule_on: Any) -> None:
    ask = f"{OTHER}. Answer in one word, and in no other: "
    rule = rule_on(*({"prompt": f"{ask}{word} and its like"} for word in NUMBERS))
    own = judged(rule, "x", f"{ask}zebra and its like")
    assert own.outcome == "keep"
    assert 0 < float(own.value or 0) < 0.3
    assert judged(rule, "x", f"{ask}seven and its like").reason.startswith("holds all of the prompt at eval.jsonl:7")


@pytest.mark.parametrize(("values", "answer", "prompt", "outcome"), [
    ({"prompt": "Who was Ada Lovelace?"}, "A mathematician.", "who was  Ada Lovelace", "drop"),
    ({"prompt": "Who was Ada Lovelace?"}, "A mathematician.", "Tell me: who was Ada Lovelace?", "keep"),
    ({"prompt": "2+2?"}, "4", "2-2?", "keep"),
    ({"prompt": "?", "completion": "yes"}, "yes", "Is it?", "keep"),
    ({"prompt": "?", "completion": "positive"}, "positive", "The film was good.", "keep"),
    ({"completion": "She wrote the first program for it"}, "She wrote the first program for it.", "", "keep"),
    ({"completion": "She wrote the first program for an engine"}, "she wrote the first program for an engine.", "",
     "drop"),
    ({"prompt": "エイダ・ラブレスは誰ですか"}, "x", "エイダ・ラブレスは誰ですか", "drop"),
])
def test_short_texts_are_compared_whole(
    rule_on: Any, values: dict[str, Any], answer: str, prompt: str, outcome: str,
) -> None:
    assert judged(rule_on(values, {"prompt": OTHER}), answer, prompt).outcome == outcome


def test_a_file_with_nothing_to_compare_is_no_clean_bill(rule_on: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"eval\.jsonl: holds nothing that can be compared: 2 answers, each under 8"):
        rule_on({"label": "yes"}, {"label": "no"}).ready()
    with pytest.raises(DataError, match="no text"):
        rule_on({"x": 1}).ready()
    (rule,) = open_rules([Item(name="decontaminate", options={"against": str(tmp_path / "none.jsonl")})])
    with pytest.raises(DataError, match=r"none\.jsonl"):
        rule.ready()


def test_what_was_compared_is_counted(rule_on: Any) -> None:
    rule = rule_on({"prompt": "a b", "label": "yes"}, {"prompt": "a b", "completion": LONG}, {"text": OTHER})
    (found,) = rule.compared
    assert tuple(found) == ("eval.jsonl", 2, 1, 1, 1)


def test_a_measurement_is_of_a_file_as_it_is(rule_on: Any) -> None:
    first = rule_on({"prompt": LONG})
    found = judged(first, LONG)
    other = rule_on({"prompt": OTHER})
    assert first.key != other.key
    assert other.finding(row(LONG, "Say it."), earlier=found).value == 0.0


def test_without_a_file_it_has_nothing_to_say() -> None:
    (rule,) = open_rules([Item(name="contamination")])
    assert judged(rule, LONG).outcome == "not_applicable"  # type: ignore[arg-type]


def test_real_texts_in_another_template_meet_and_other_articles_do_not(shared_data: Path, tmp_path: Path) -> None:
    """Halves of a third of data/curation: one question of seven is there again in other words around it (see SHARE),
    and no passage is, although many are asked about by the same template."""
    with gzip.open(shared_data / "curation" / "base.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for kind, least, most in (("q", 280, 360), ("passage", 0, 1)):
        texts = [each["t"] for each in rows if each["k"] == kind][::3]
        path = tmp_path / f"{kind}.jsonl"
        path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts[::2]), encoding="utf-8")
        (rule,) = open_rules([Item(name="contamination", options={"against": str(path)})])
        assert isinstance(rule, RowRule)
        found = [rule.finding(Sample("a", [{"role": "user", "content": text}])) for text in texts[1::2]]
        assert least <= sum(each.outcome == "drop" for each in found) <= most
