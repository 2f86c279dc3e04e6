"""The rule `near_duplicate`: exact against brute force, order-free, nested in the threshold."""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RecipeError
from pipeline.shingles import Shingler, jaccard
from pipeline.types import Sample
from tests.rules.rows import row, rule

WORDS = [f"word{number}" for number in range(400)]


def dropped(rows: list[Sample], held: set[str] = frozenset(), **options: Any) -> dict[str, tuple[Any, str]]:  # type: ignore[assignment]
    found = rule("near-duplicate", **options).compare(rows, held)  # type: ignore[union-attr]
    return {match.sample: (match.value, match.reason) for match in found}


def corpus(seed: int, families: int = 12) -> list[Sample]:
    """Families of texts that differ by a few words; all share a third of their text with every other."""
    random = Random(seed)
    shared = random.choices(WORDS, k=40)
    rows = []
    for family in range(families):
        base = random.choices(WORDS, k=80)
        for member in range(random.randint(1, 5)):
            words = list(base)
            for _ in range(random.randint(0, 12)):
                words[random.randrange(len(words))] = random.choice(WORDS)
            if random.random() < 0.3:
                words = words[: random.randint(50, 80)]
            rows.append(row(" ".join([*shared, *words]), id=f"{random.randrange(10**6):06}-{family}-{member}"))
    return rows


def by_brute_force(rows: list[Sample], threshold: float) -> set[str]:
    """Ids that are dropped: connected components over all pairs, the longest kept, then the smallest id."""
    shingler = Shingler()
    grams = {sample.id: shingler.grams(sample.answer) for sample in rows}
    cluster = {sample.id: {sample.id} for sample in rows}
    for left, right in combinations(grams, 2):
        if jaccard(grams[left], grams[right]) >= threshold and cluster[left] is not cluster[right]:
            cluster[left] |= cluster[right]
            for member in cluster[right]:
                cluster[member] = cluster[left]
    length = {sample.id: len(sample.answer) for sample in rows}
    kept = {min(members, key=lambda name: (-length[name], name)) for members in cluster.values()}
    return set(grams) - kept


@pytest.mark.parametrize("threshold", [0.05, 0.2, 0.3, 0.5, 0.55, 0.7, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_finds_exactly_what_comparing_all_pairs_finds(seed: int, threshold: float) -> None:
    rows = corpus(seed)
    assert set(dropped(rows, threshold=threshold)) == by_brute_force(rows, threshold)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abcd ", max_size=30), max_size=12), st.sampled_from([0.2, 0.5, 0.8, 1.0]))
def test_finds_exactly_that_in_tiny_texts_too(texts: list[str], threshold: float) -> None:
    rows = [row(text, id=f"row{index:02}") for index, text in enumerate(texts)]
    assert set(dropped(rows, threshold=threshold, over="answer")) == by_brute_force(rows, threshold)


def test_order_of_rows_changes_nothing_not_even_the_reasons() -> None:
    rows = corpus(5)
    expected = dropped(rows, threshold=0.4)
    assert expected
    for seed in range(5):
        Random(seed).shuffle(rows)
        assert dropped(rows, threshold=0.4) == expected


@pytest.mark.parametrize("keep", ["longest", "first"])
def test_a_lower_threshold_keeps_a_subset(keep: str) -> None:
    rows = corpus(7, families=20)
    previous: set[str] = {sample.id for sample in rows}
    for threshold in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0):
        gone = set(dropped(rows, threshold=threshold, keep=keep))
        assert gone <= previous
        previous = gone


def test_the_reason_names_the_row_that_stays_and_the_link_of_a_chain() -> None:
    words = WORDS[:40]
    first = row(" ".join(words), id="a")
    second = row(" ".join([*words[4:], *WORDS[100:104]]), id="b")
    third = row(" ".join([*words[8:], *WORDS[100:108]]), id="c")
    found = dropped([first, second, third], threshold=0.75, keep="first")
    (cluster,) = {reason.rpartition("cluster ")[2] for _, reason in found.values()}
    assert found["b"] == (0.8, f"shares 0.80 of its runs with a, 3 rows in all, cluster {cluster}")
    assert found["c"] == (0.8, "shares 0.80 of its runs with b, which leads to a by links of 0.80 and more, 3 rows in "
                               f"all, cluster {cluster}")
    assert cluster.endswith(", weakest link 0.80")


def test_case_punctuation_and_layout_do_not_count() -> None:
    text = "The ferry leaves at six, and nobody has told the captain about the goat."
    rows = [row(text, id="a"), row(text.upper().replace(",", " --").replace(" ", "\n"), id="b")]
    assert set(dropped(rows, threshold=1.0, keep="first")) == {"b"}


def test_one_label_goes_with_many_prompts() -> None:
    prompts = ["The train was late again.", "Lovely staff, will come back.", "My parcel never came."]
    rows = [row("positive", prompt, f"r{index}") for index, prompt in enumerate(prompts)]
    assert dropped(rows) == {}
    assert set(dropped(rows, over="answer")) == {"r1", "r2"}


def test_equal_labels_of_like_prompts_stand_once_and_unequal_ones_both() -> None:
    prompt = "The train was late again, the third time this week, and nobody said a word about it to us"
    rows = [row("negative", prompt, "a"), row("Negative", prompt + ".", "b"), row("positive", prompt + "!", "c")]
    assert set(dropped(rows)) == {"a"}
    assert set(dropped(rows, keep="first")) == {"b"}


def test_short_answers_that_differ_in_one_letter_both_stand() -> None:
    rows = [row("4", "what is 2+2", "a"), row("5", "what is 2+3", "b"), row("5", "what is 2+4", "c")]
    assert dropped(rows) == {}


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    text = "昔々ある所におじいさんとおばあさんが住んでいました。おじいさんは山へ柴刈りに行きました。"
    other = "まったく別の話をここに書いておきます。海の話です。"
    rows = [row(text, id="a"), row(text.replace("柴刈り", "芝刈り"), id="b"), row(other, id="c")]
    assert set(dropped(rows, threshold=0.7)) == {"b"}


def test_empty_answers_are_like_nothing() -> None:
    assert dropped([row("", id="a"), row("  ", id="b"), row("?!", id="c")], over="answer") == {}


def test_rows_kept_by_hand_are_never_dropped_and_represent_others() -> None:
    rows = [row("a b c d e f g h i j", id="a"), row("a b c d e f g h i j!!", id="b")]
    assert set(dropped(rows)) == {"a"}
    assert set(dropped(rows, held={"a"})) == {"b"}
    assert dropped(rows, held={"a", "b"}) == {}


@pytest.mark.parametrize("options", [{"threshold": 0}, {"threshold": 1.2}, {"shingle": 0}, {"treshold": 0.8}])
def test_options_that_mean_nothing_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(RecipeError):
        rule("near-duplicate", **options)
