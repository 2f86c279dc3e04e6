"""Pairs of rows: stored once, asked at any threshold, against other files too."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from pipeline.curate import curate, curve, undo, what_if, with_against
from pipeline.errors import DataError, RecipeError
from pipeline.rules.near_duplicate import NearDuplicate
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.types import Sample
from tests.curate.test_curate import dataset, fill, items, row, run, verdicts

__all__ = ["dataset"]
WORDS = [f"word{number}" for number in range(300)]
BASE = WORDS[:60]


def changed(*at: int) -> str:
    """The text with some words changed: of its 56 runs each change takes five."""
    return " ".join(f"new{place}" if place in at else word for place, word in enumerate(BASE))


ROWS = [row("a", changed()), row("b", changed(10)), row("c", changed(10, 30)), row("z", " ".join(WORDS[100:160]))]
"""b is a at 51/61 = .836, c is b at .836 and a at 46/66 = .697."""
NEAR = "near_duplicate"


def near(**options: Any) -> dict[str, Any]:
    return {NEAR: options}


def stored(dataset: Dataset) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (dataset.path / "pairs.jsonl").read_bytes().splitlines()]


@pytest.fixture
def shingled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rows that are taken apart, as they are."""
    found: list[str] = []
    pairs = NearDuplicate.pairs

    def noted(self: NearDuplicate, standing: Any, foreign: Any = ()) -> Any:
        rows = list(standing)
        found.extend(sample.id for sample in rows)
        return pairs(self, rows, foreign)

    monkeypatch.setattr(NearDuplicate, "pairs", noted)
    return found


def test_pairs_are_stored_with_their_jaccard(dataset: Dataset) -> None:
    fill(dataset, ROWS)
    done = run(dataset, near(keep="first"))
    head, *pairs = stored(dataset)
    assert (head["rule"], head["floor"], head["links"], head["foreign"]) == ("near-duplicate", 0.7, 2, 0)
    assert pairs == [{"left": left, "right": right, "jaccard": 51 / 61} for left, right in (("a", "b"), ("b", "c"))]
    (cluster,) = done.clusters["near-duplicate"]
    assert (cluster.rows, cluster.kept, cluster.weakest[:2]) == (3, "a", ("a", "b"))
    found = {name: verdict.findings[0] for name, verdict in verdicts(dataset).items()}
    assert {name: each.cluster for name, each in found.items()} == {**dict.fromkeys("abc", cluster.id), "z": ""}
    of = f"3 rows in all, cluster {cluster.id}, weakest link 0.84"
    assert found["c"].reason == f"shares 0.84 of its runs with b, which leads to a by links of 0.84 and more, {of}"
    assert found["a"].reason == f"stands for {of}"


def test_another_threshold_or_keep_compares_nothing_anew(dataset: Dataset, shingled: list[str]) -> None:
    fill(dataset, ROWS)
    run(dataset, near(threshold=0.9))
    assert shingled == list("abcz")
    before = (dataset.path / "pairs.jsonl").read_bytes()
    done = run(dataset, near(threshold=0.75, keep="first"))
    assert (done.tally.dropped, done.stored) == (2, ["near-duplicate"])
    assert shingled == list("abcz")
    assert (dataset.path / "pairs.jsonl").read_bytes() == before
    undo(dataset)
    assert all(verdict.state == "kept" for verdict in dataset.verdicts())
    found = what_if(dataset, ["near-duplicate.threshold=0.8"], None)
    assert (found.curation.tally.kept, found.stored, found.compared) == (2, ["near-duplicate"], [])
    assert shingled == list("abcz")


@pytest.mark.parametrize("then", [
    (near(threshold=0.6),), (near(over="both"),), ({"length": {"max": 450, "unit": "chars"}}, near()),
])
def test_what_no_stored_pair_answers_is_compared_anew(dataset: Dataset, shingled: list[str], then: Any) -> None:
    fill(dataset, ROWS)
    run(dataset, near())
    shingled.clear()
    assert run(dataset, *then).stored == []
    assert shingled


def test_an_edited_row_is_compared_anew(dataset: Dataset, shingled: list[str]) -> None:
    fill(dataset, ROWS)
    run(dataset, near())
    path = dataset.path / "samples.jsonl"
    path.write_bytes(path.read_bytes().replace(b"word50", b"goat50", 1))
    assert run(dataset, near()).stored == []
    assert len(shingled) == 8


def test_a_damaged_file_of_pairs_is_made_anew(dataset: Dataset) -> None:
    fill(dataset, ROWS)
    run(dataset, near())
    path = dataset.path / "pairs.jsonl"
    whole = path.read_bytes()
    for damaged in (whole[:-30], b"{]\n" + whole, whole.replace(b'"jaccard"', b'"j"', 1)):
        path.write_bytes(damaged)
        assert run(dataset, near()).stored == []
        assert path.read_bytes() == whole


def test_nothing_is_written_by_a_look(dataset: Dataset) -> None:
    fill(dataset, ROWS)
    curate(dataset, items(near()), diff=True)
    assert not (dataset.path / "pairs.jsonl").exists()
    run(dataset, near())
    what_if(dataset, ["near-duplicate.threshold=0.5"], None)
    assert stored(dataset)[0]["floor"] == 0.7
    run(dataset, "exact_duplicate")
    assert not (dataset.path / "pairs.jsonl").exists(), "they answer nothing of these verdicts"


def test_two_rules_have_pairs_of_their_own(dataset: Dataset, shingled: list[str]) -> None:
    fill(dataset, ROWS)
    rules = (near(threshold=0.99), near(over="both"))
    run(dataset, *rules)
    assert [line["rule"] for line in stored(dataset) if "rule" in line] == ["near-duplicate", "near-duplicate-2"]
    shingled.clear()
    assert run(dataset, *rules).stored == ["near-duplicate", "near-duplicate-2"]
    assert not shingled


def test_rows_kept_at_each_threshold(dataset: Dataset, shingled: list[str]) -> None:
    fill(dataset, [*ROWS, row("short", "no")])
    run(dataset, {"length": {"min": 20, "unit": "chars"}}, near(threshold=0.83))
    shingled.clear()
    found = curve(dataset, "near-duplicate.threshold", None)
    assert {point.at: (point.alone, point.kept, point.now) for point in found.points} == {
        0.7: (3, 2, False), 0.75: (3, 2, False), 0.8: (3, 2, False), 0.83: (3, 2, True), 0.85: (5, 4, False),
        0.9: (5, 4, False), 0.95: (5, 4, False), 1.0: (5, 4, False)}
    assert not shingled
    for point in found.points:
        then = what_if(dataset, [f"near-duplicate.threshold={point.at}"], None)
        assert then.curation.tally.kept == point.kept
    (dataset.path / "pairs.jsonl").unlink()
    with pytest.raises(RecipeError, match="no pairs are stored"):
        curve(dataset, "near-duplicate.threshold", None)


def test_the_best_by_a_rule_stands_for_the_others(dataset: Dataset) -> None:
    fill(dataset, [*ROWS[:2], row("c", changed(10, 30) + " and more"), ROWS[3]])
    rules = ({"length": {"min": 20, "unit": "chars"}}, near(keep="best", by="length"))
    run(dataset, *rules)
    assert {name for name, each in verdicts(dataset).items() if each.state == "kept"} == {"c", "z"}
    with pytest.raises(RecipeError, match="no rule 'lenght' measures rows here"):
        run(dataset, rules[0], near(keep="best", by="lenght"))
    for wrong in (near(keep="best"), near(by="length")):
        with pytest.raises(RecipeError, match="keep: best"):
            run(dataset, rules[0], wrong)
    done = run(dataset, "refusal", near(keep="best", by="refusal"))
    assert done.tally.errors_by_rule == {"near-duplicate": 4}, "what it measures is no number"


def jsonl(path: Path, *answers: str) -> Path:
    lines = [orjson.dumps({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": each}]})
             for each in answers]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_a_row_that_is_like_a_text_of_another_file_is_dropped_and_its_neighbour_is_not(
    dataset: Dataset, tmp_path: Path, shingled: list[str],
) -> None:
    fill(dataset, ROWS)
    path = jsonl(tmp_path / "eval.jsonl", "something else altogether, and quite long", changed())
    rule = near(against=str(path), threshold=0.8)
    run(dataset, rule)
    found = {name: verdict.findings[0] for name, verdict in verdicts(dataset).items()}
    assert {name: each.outcome for name, each in found.items()} == {"a": "drop", "b": "drop", "c": "keep", "z": "keep"}
    assert found["b"].reason == "shares 0.84 of its runs with eval.jsonl:2"
    assert found["b"].value == round(51 / 61, 4)
    shingled.clear()
    run(dataset, near(against=str(path), threshold=0.9))
    assert {name for name, each in verdicts(dataset).items() if each.state == "dropped"} == {"a"}
    assert not shingled
    jsonl(path, "now it says something else, which no row of ours does")
    assert run(dataset, rule).stored == [], "the file is another"
    assert {name for name, each in verdicts(dataset).items() if each.state == "dropped"} == {"b", "c"}


def test_a_row_kept_by_hand_stays_whatever_it_is_like(dataset: Dataset, tmp_path: Path) -> None:
    fill(dataset, ROWS)
    dataset.review("a", "keep", "", by="me")
    run(dataset, near(against=[str(jsonl(tmp_path / "eval.jsonl", changed()))]))
    assert {name for name, each in verdicts(dataset).items() if each.state == "kept"} == {"a", "z"}


@pytest.mark.parametrize(("name", "text", "error"), [
    ("none.jsonl", None, DataError), ("empty.jsonl", "", DataError), ("odd.jsonl", '{"x": 1}\n', RecipeError),
])
def test_a_file_that_cannot_be_read_is_named_before_anything_is_measured(
    dataset: Dataset, tmp_path: Path, name: str, text: str | None, error: type[Exception],
) -> None:
    fill(dataset, ROWS)
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(error, match=name) as raised:
        run(dataset, near(against=[str(tmp_path / name)]))
    assert raised.value.hint  # type: ignore[attr-defined]
    assert not (dataset.path / "verdicts.jsonl").exists()


@pytest.mark.parametrize(("given", "expected"), [
    (["refusal"], [{"refusal": {}}, {"near-duplicate": {"against": ["e"]}}]),
    ([near(threshold=0.9, against="d")], [{NEAR: {"threshold": 0.9, "against": ["d", "e"]}}]),
    (["sft"], [{"sft": {"near-duplicate": {"against": ["e"]}}}]),
    ([{"sft": {NEAR: {"threshold": 0.9}}}], [{"sft": {NEAR: {"threshold": 0.9, "against": ["e"]}}}]),
    ([{"sft": {NEAR: False}}], [{"sft": {NEAR: False}}, {"near-duplicate": {"against": ["e"]}}]),
])
def test_against_is_an_option_of_the_rule(given: list[Any], expected: list[Any]) -> None:
    held = {"contamination": {"against": ["e"]}}
    assert with_against(items(*given), ["e"], ["e"]) == [Item.model_validate(each) for each in [*expected, held]]


@pytest.mark.parametrize(("given", "expected"), [
    (["sft"], ["sft", {"contamination": {"against": ["e"]}}]),
    ([{"decontaminate": "d"}], [{"decontaminate": {"against": ["d", "e"]}}]),
    ([{"contamination": {"against": "d", "act": "flag"}}], [{"contamination": {"against": ["d", "e"], "act": "flag"}}]),
])
def test_a_file_without_answers_is_compared_by_what_it_asks(given: list[Any], expected: list[Any]) -> None:
    assert with_against(items(*given), ["e"], []) == items(*expected)


def test_the_same_whatever_the_order_of_rows(tmp_path: Path) -> None:
    random, seen = Random(4), set()
    rows = [row(f"r{number:02}", changed(*random.sample(range(60), random.randint(0, 3)))) for number in range(40)]
    for turn in range(3):
        random.shuffle(rows)
        with Dataset.create(tmp_path / f"plots{turn}") as dataset:
            fill(dataset, rows)
            run(dataset, near())
            lines = sorted((dataset.path / "verdicts.jsonl").read_bytes().splitlines())
            seen.add(((dataset.path / "pairs.jsonl").read_bytes(), b"\n".join(lines)))
    assert len(seen) == 1


def test_a_thousand_copies_of_a_template_have_a_thousand_links(dataset: Dataset) -> None:
    fill(dataset, (Sample(f"r{number:04}", [{"role": "assistant", "content": f"{changed()} {number} x{number}"}])
                   for number in range(1000)))
    done = run(dataset, near())
    assert done.tally.kept == 1
    assert len(stored(dataset)) == 1000
