"""The rules for web pages decide as datatrove's filters of the same names, and tell every reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules import _web, open_rules
from pipeline.sections import Item
from pipeline.types import Sample

from .rows import judged, row

WEB = ("gopher_quality", "gopher_repetition", "c4_quality", "fineweb_quality")
PROSE = (
    "The keeper of the lighthouse had not spoken to anyone for the whole of the winter, and when the boat came with "
    "the first letters of spring he did not know what to say. He took the bag with both hands. He nodded to the men "
    "and went back up the stairs. It was there, among the lamps, that he read that his brother had died in autumn. "
    "He sat with the letter until the light had to be lit. Then he lit it.")


def cases(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        (folder / "quality-rules" / "datatrove_cases.json").read_text(encoding="utf-8"))["cases"]
    return found


def test_they_decide_as_datatrove_does(shared_data: Path) -> None:
    told = []
    for case in cases(shared_data):
        found = judged(case["rule"], row(case["text"]), **case["params"])
        first = "pass" if found.outcome == "keep" else found.reason.partition(":")[0]
        if case["rule"] == "c4_paragraph":
            first = "pass" if found.outcome == "keep" else "dropped"
        told.append((case["rule"], case["expect"], first))
    assert len(told) == 23
    assert [each for each in told if each[1] != each[2]] == []


@pytest.mark.parametrize("name", WEB)
def test_good_prose_is_kept_and_nothing_is_dropped(name: str) -> None:
    assert judged(name, row(PROSE)).outcome == "keep", judged(name, row(PROSE)).reason
    assert judged(name, row("")).outcome in ("drop", "keep")


def test_all_reasons_are_told_not_the_first_alone() -> None:
    found = judged("gopher_quality", row("# ... # ..."))
    assert [each.partition(":")[0] for each in found.reason.split("; ")] == [
        "gopher_short_doc", "gopher_too_many_hashes", "gopher_too_many_ellipsis", "gopher_too_many_end_ellipsis",
        "gopher_below_alpha_threshold", "gopher_enough_stop_words"]
    assert "0 words < 50" in found.reason


@pytest.mark.parametrize(("name", "bound", "moved"), [
    ("gopher_quality", "min_doc_words", 5), ("gopher_repetition", "top_2_gram", 0.01),
    ("c4_quality", "min_num_sentences", 9),
    ("fineweb_quality", "min_chars", 5000)])
def test_a_bound_moves_without_measuring_again(name: str, bound: str, moved: float) -> None:
    (before,), (after,) = (open_rules([Item(name=name, options=options)]) for options in ({}, {bound: moved}))
    assert before.key == after.key
    sample = row(PROSE)
    finding = before.finding(sample)  # type: ignore[union-attr]
    again = after.finding(Sample("other", []), earlier=finding)  # type: ignore[union-attr]
    assert again.value == finding.value
    assert again == after.finding(sample)  # type: ignore[union-attr]
    assert (again.outcome == "keep") == (name == "gopher_quality")


def test_a_bound_moves_between_the_answers_of_a_conversation() -> None:
    """The answer that is worst by other bounds speaks, though it was not the worst where the row was measured."""
    messages = [{"role": "user", "content": "Tell me."}, {"role": "assistant", "content": "# ... # ..."},
                {"role": "user", "content": "Now more."}, {"role": "assistant", "content": PROSE}]
    other = dict.fromkeys(("min_doc_words", "max_symbol_word_ratio", "max_ellipsis_lines_ratio",
                           "max_non_alpha_words_ratio", "min_stop_words"))
    (before,), (after,) = (open_rules([Item(name="gopher_quality", options=options)])
                           for options in ({}, {**other, "max_doc_words": 50}))
    sample = Sample("a", messages)
    finding = before.finding(sample)  # type: ignore[union-attr]
    assert (finding.outcome, finding.reason.partition(":")[0]) == ("drop", "gopher_short_doc")
    again = after.finding(sample, earlier=finding)  # type: ignore[union-attr]
    assert again == after.finding(sample)  # type: ignore[union-attr]
    assert (again.outcome, again.reason.partition(":")[0]) == ("drop", "gopher_long_doc")


def test_null_switches_a_bound_off_and_an_act_flags() -> None:
    short = row("The cat sat with the dog.")
    assert judged("gopher_quality", short).outcome == "drop"
    assert judged("gopher_quality", short, min_doc_words=None).outcome == "keep"
    assert judged("gopher_quality", short, act="flag").outcome == "flag"


def test_lines_that_c4_would_delete_do_not_count() -> None:
    lines = ["We use cookies on this page.", "Please enable JavaScript in your browser.", "Too short.",
             "Not a sentence", "It goes on...",
             "a" * 1001 + " is no word.", "This is one. This is two!", "And this is three [3]."]
    assert json.loads(str(judged("c4_quality", row("\n".join(lines))).value)) == {
        "lorem_ipsum": 0, "curly_bracket": 0, "sentences": 3}


@pytest.mark.parametrize("preset", ["gopher", "c4", "fineweb"])
def test_presets_drop_what_sft_keeps(preset: str) -> None:
    def dropped(name: str, answer: str) -> bool:
        rules = [rule for rule in open_rules([Item(name=name)]) if not rule.compares]
        return any(rule.finding(row(answer)).outcome == "drop" for rule in rules)  # type: ignore[union-attr]

    for good in ("positive", '{"name": "Ada", "born": 1815}', "- eggs\n- flour\n- milk"):
        assert dropped(preset, good)
        assert not dropped("sft", good)
    assert not dropped(preset, PROSE)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["a", "bb", "ccc", "d"]), max_size=40).map(tuple))
def test_runs_are_those_that_counting_all_of_them_finds(words: tuple[str, ...]) -> None:
    found = _web.runs(words, (2, 3, 4), (5, 6, 7))
    for size in range(2, 8):
        grams = [words[at:at + size] for at in range(len(words) - size + 1)]
        if size < 5:
            most = max(map(grams.count, grams), default=0)
            first = next((gram for gram in grams if grams.count(gram) == most), ())
            assert found.top[size] == (len(" ".join(first)) * most if grams else 0)
        else:
            seen, at, chars = set(), 0, 0
            while at < len(grams):
                again = grams[at] in seen
                chars += len("".join(grams[at])) if again else 0
                seen.add(grams[at])
                at += size if again else 1
            assert found.doubled[size] == chars
