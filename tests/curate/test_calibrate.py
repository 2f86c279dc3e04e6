"""A rule beside people's labels. Labels here are planted: they prove the arithmetic and nothing of any rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipeline import strata
from pipeline.curate import calibrate
from pipeline.curate.calibrate import _length
from pipeline.curate.labelled import Gathered, Label, Labels
from pipeline.curate.threshold import chosen_of, points_of, stands
from pipeline.errors import DataError, RecipeError
from pipeline.recipe import parse_recipe
from pipeline.store import Dataset
from tests.curate.test_curate import dataset, fill, row, run

__all__ = ["dataset"]


def labelled(dataset: Dataset, good: str, *, rows: int = 40, every: int = 2, by: str = "eva") -> None:
    """Rows of 1 to `rows` words; every second one is labelled, those of `good` as to be kept."""
    keep = set(map(int, good.split()))
    for number, sample in enumerate(dataset.samples(), 1):
        if number % every == 0 and number <= rows:
            dataset.review(sample.id, "keep" if number in keep else "drop", sample.digest, by=by,
                           drawn={"by": "length", "blind": True})


@pytest.fixture
def words(dataset: Dataset) -> Dataset:
    """Forty rows of 1 to 40 words, curated by `length: {min: 20}` in words."""
    fill(dataset, [row(f"r{number:02}", "word " * number) for number in range(1, 41)])
    run(dataset, {"length": {"min": 20, "unit": "words"}}, "refusal", {"repetition": {}})
    return dataset


def test_what_a_bound_would_keep_and_how_well_the_rule_does_now(words: Dataset) -> None:
    labelled(words, " ".join(map(str, range(12, 41))))
    found = calibrate(words, "length", None)
    assert (found.rule, found.bound, found.higher, found.by, found.now) == ("length", "min", True, "bounds", 20)
    assert (found.labels.used, found.labels.keep, found.labels.picked, found.labels.seen) == (20, 15, 0, 0)
    assert found.right == 16, "12, 14, 16 and 18 words are good, and dropped"
    assert found.agreement.value == pytest.approx(31 / 40), "these four speak for nine rows: 18 alone for 17 to 19"
    assert found.auc.value == 1
    assert (found.chosen.at.at, found.chosen.why, found.chosen.all) == (12, "precision", False)
    assert found.chosen.at.precision.value == found.chosen.at.recall.value == 1
    assert found.chosen.at.kept == 29
    assert found.chosen.at.precision.low < 0.85, "15 of 15 is no proof"
    assert found.chosen.low <= 12 <= found.chosen.high
    assert found.wrong == []
    assert found.move == "length.min=12"
    assert found.words[:2] == ["--rule", "length: {min: 12, unit: words}"]
    assert found.length is not None
    assert found.length.verdict == "itself"
    assert sum(part.rows for part in found.strata) == 40
    assert sum(part.labelled for part in found.strata) == 20
    now = [point for point in found.points if point.now]
    assert [(point.at, point.kept) for point in now] == [(20, 21)]
    assert now[0].recall.value == pytest.approx(21 / 30)


def test_the_bound_goes_the_way_that_the_labels_go_where_the_rule_has_none(dataset: Dataset) -> None:
    fill(dataset, [row(f"r{number:02}", "word " * number) for number in range(1, 41)])
    run(dataset, {"length": {"unit": "words"}})
    labelled(dataset, " ".join(map(str, range(1, 21))))
    found = calibrate(dataset, "length", None)
    assert (found.bound, found.higher, found.by, found.now, found.kappa) == ("max", False, "labels", None, None)
    assert (found.chosen.at.at, found.chosen.at.precision.value) == (20, 1)
    other = calibrate(dataset, "length.min", None)
    assert (other.bound, other.higher, other.by) == ("min", True, "bounds")
    assert (other.chosen.why, other.chosen.at.at, other.chosen.all) == ("f1", 2, True), "no least length helps"


def test_a_rule_whose_smaller_values_are_better(dataset: Dataset) -> None:
    lines = ["The ferry leaves at six and nobody told the captain about the goat",
             "Rain fell on the harbour while two porters argued over a trunk of letters",
             "A clockmaker in the valley mends only what was broken by children there"]
    texts = [" ".join(lines[n % 3].replace("the", f"the {word}") for n in range(times))
             for times in range(1, 9) for word in ("old", "red", "far")]
    fill(dataset, [row(f"r{number:02}", text) for number, text in enumerate(texts)])
    run(dataset, "repetition")
    for sample in dataset.samples():
        number = int(sample.id[1:])
        dataset.review(sample.id, "keep" if number < 12 else "drop", sample.digest, by="eva")
    found = calibrate(dataset, "repetition", None)
    assert (found.bound, found.higher, found.by, found.now) == ("max", False, "bounds", 0.9)
    assert found.auc.value > 0.9
    assert found.labels.picked == 24
    assert all(one.at > other.at for one, other in zip(found.points, found.points[1:])), "the loosest comes first"


def test_the_recipes_line_is_named(words: Dataset, tmp_path: Path) -> None:
    labelled(words, " ".join(map(str, range(12, 41))))
    text = ("synth: 1\nname: plots\nsource: {file: rows.jsonl}\ntrain: {user: x}\ncurate:\n  - refusal\n"
            "  - length: {min: 20, unit: words}\n  - repetition\n")
    recipe = parse_recipe(text, tmp_path / "plots.yaml")
    from pipeline.curate import curate

    curate(words, recipe.curate, recipe)
    ((place, line),) = calibrate(words, "length", recipe).decides
    assert place.endswith("plots.yaml:7")
    assert line == "length: {min: 12, unit: words}"


@pytest.mark.parametrize(("text", "words_", "hint"), [
    ("lenght", "no rule 'lenght' in the last curation", "did you mean 'length'?"),
    ("refusal", "refusal measured no number", "these did: length"),
    ("length.unit", "changes what is measured", "--diff"), ("length.most", "has no bound 'most'", "length.min"),
])
def test_what_cannot_be_calibrated(words: Dataset, text: str, words_: str, hint: str) -> None:
    labelled(words, "2 4 6")
    with pytest.raises(RecipeError, match=words_) as error:
        calibrate(words, text, None)
    assert hint in error.value.hint


def test_a_rule_that_compares_rows_has_no_value_of_one_row(dataset: Dataset) -> None:
    fill(dataset, [row("a", "x")])
    run(dataset, {"near_duplicate": {"threshold": 0.8}})
    with pytest.raises(RecipeError, match="near-duplicate compares rows"):
        calibrate(dataset, "near_duplicate", None)


def test_too_few_labels_or_all_of_one_kind_is_an_error_with_the_next_command(words: Dataset) -> None:
    labelled(words, "12 14", rows=14)
    with pytest.raises(DataError, match="7 of the rows that length measured are labelled, and at least 8") as error:
        calibrate(words, "length", None)
    assert error.value.hint == "synth review plots --by length"
    labelled(words, "", rows=40)
    with pytest.raises(DataError, match="all 20 labels say drop"):
        calibrate(words, "length", None)


def test_labels_that_do_not_count_are_counted(words: Dataset) -> None:
    labelled(words, " ".join(map(str, range(12, 41))))
    words.review("r02", "keep", "digest of an earlier text", by="bob")
    words.review("gone", "drop", "", by="eva")
    words.review("r03", "drop", "", by="eva")
    words.review("r05", "drop", "", by="eva", drawn={"blind": False, "filter": "--where x"})
    counts = calibrate(words, "length", None).labels
    assert (counts.used, counts.stale, counts.unmeasured) == (21, 1, 1)
    assert (counts.picked, counts.part, counts.seen) == (1, 1, 1)


def test_two_people_on_the_same_rows_are_the_ceiling(words: Dataset) -> None:
    labelled(words, " ".join(map(str, range(12, 41))))
    labelled(words, " ".join(map(str, range(16, 41))), rows=24, by="bob")
    found = calibrate(words, "length", None)
    ((one, other, agreement, kappa),) = found.people
    assert (one, other, agreement.rows, round(agreement.value, 3)) == ("bob", "eva", 12, 0.833)
    assert kappa is not None
    assert kappa.value < agreement.value
    assert found.chosen.at.at == 16, "the last person's word decides"


def test_whether_a_rule_goes_by_length() -> None:
    """Planted: a rule that likes long answers, people who do or do not care, 20 labels, thirty times."""
    verdicts = dict[str, Counter[str]]()
    for seed in range(30):
        dice = np.random.default_rng(seed)
        lengths, noise = dice.integers(100, 2000, size=300), dice.normal(size=300) * 400
        long_ones = dice.random(300) < 1 / (1 + np.exp(-(lengths - 1000) / 250))
        by_length = lengths + noise
        for key, values, good in (("do not care", by_length, noise > 0), ("like them long", by_length, long_ones),
                                  ("rule does not", noise, long_ones), ("itself", lengths, long_ones)):
            labels = [Label("", float(values[n]), bool(good[n]), True, int(lengths[n])) for n in range(20)]
            found = _length(Gathered(measured=list(map(float, values)), lengths=list(map(int, lengths)), labels=labels,
                                     counts=Labels(20, int(good[:20].sum()))), True)
            assert found is not None
            verdicts.setdefault(key, Counter())[found.verdict] += 1
    assert verdicts["do not care"]["bias"] >= 24
    assert verdicts["do not care"]["people"] <= 2
    assert verdicts["like them long"]["people"] >= 24
    assert verdicts["like them long"]["bias"] <= 2
    assert verdicts["rule does not"] == {"none": 30}
    assert verdicts["itself"] == {"itself": 30}


def test_labels_drawn_unevenly_tell_of_the_dataset_when_weighted() -> None:
    """Planted: 2,000 values, a person keeps more of the larger ones; 48 labels, most of them from near the bound."""
    dice = np.random.default_rng(11)
    values = np.round(dice.normal(50, 15, size=2000))
    keeps = dice.random(2000) < 1 / (1 + np.exp(-(values - 50) / 8))
    population, cuts = Counter(map(float, values)), strata.edges(Counter(map(float, values)), [60.0])
    places = np.array([strata.stratum(cuts, value) for value in values])
    inside = [np.flatnonzero(places == part) for part in range(len(cuts) + 1)]
    sizes = [4, 4, 4, 16, 16, 4][: len(inside)]
    truth = float(keeps[values >= 40].mean())
    weighted, plain, held = [], [], 0
    for _ in range(120):
        chosen = np.concatenate([dice.choice(rows, min(size, len(rows)), replace=False)
                                 for rows, size in zip(inside, sizes, strict=False)])
        labels = [Label("", float(values[n]), bool(keeps[n]), True, 1) for n in chosen]
        heavy = strata.weights(cuts, population, [each.value for each in labels])
        (at,) = [p for p in points_of(population, labels, heavy, True, 40.0) if p.now]
        weighted.append(at.precision.value)
        held += at.precision.low <= truth <= at.precision.high
        plain.append(np.mean([each.good for each in labels if each.value >= 40]))
    assert at.kept == int((values >= 40).sum()), "what passes is counted, not estimated"
    assert abs(np.mean(weighted) - truth) < 0.015
    assert abs(np.mean(plain) - truth) > 0.04, "without weights it is off"
    assert held / 120 > 0.92


def test_the_optimism_of_a_bound_chosen_on_its_own_rows_is_taken_off() -> None:
    """Planted: 20 labels, a weak rule. The precision at the chosen bound is told too high; less so in the end."""
    dice, told, honest, truth = np.random.default_rng(2), [], [], []
    values = dice.normal(size=4000)
    keeps = dice.random(4000) < 1 / (1 + np.exp(-1.2 * values - 0.6))
    for _ in range(40):
        rows = dice.choice(4000, 20, replace=False)
        labels = [Label("", float(values[n]), bool(keeps[n]), True, 1) for n in rows]
        if len({each.good for each in labels}) < 2:
            continue
        heavy = [1.0] * 20
        points = points_of(Counter(), labels, heavy, True, None)
        found = chosen_of(points, labels, heavy, True, 0.9)
        told.append(found.at.precision.value)
        honest.append(found.precision)
        truth.append(keeps[[stands(value, found.at.at, True) for value in values]].mean())
    assert np.mean(told) - np.mean(truth) > 0.1
    assert abs(np.mean(honest) - np.mean(truth)) < 0.6 * (np.mean(told) - np.mean(truth))
