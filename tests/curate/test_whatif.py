"""What other bounds would decide: from what was measured, and written nowhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline._yaml import parse
from pipeline.curate import curate, curve, what_if
from pipeline.errors import DataError, RecipeError
from pipeline.recipe import parse_recipe
from pipeline.sections import Item
from pipeline.store import Dataset
from tests.curate.test_curate import LENGTH, OWN, STORY, dataset, fill, row, run

__all__ = ["dataset"]
LONG_GOATS = '''"""Drops short answers."""
from pipeline.rules import Decision, Measured, Options, RowRule


class Bounds(Options):
    """What is dropped."""

    min: int = 0


class Goats(RowRule[Options, Bounds]):
    """Counts characters."""

    def measure(self, sample):
        return Measured(len(sample.answer))

    def decide(self, measured):
        return Decision("keep" if measured.value >= self.bounds.min else "drop")


plugin = Goats
'''
GOLDEN = Path(__file__).parents[1] / "golden" / "dataset-v1" / "tales"


def files(found: Dataset) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in found.path.iterdir() if path.is_file()}


@pytest.mark.parametrize(("bound", "kept", "back", "gone"), [
    ("length.min=6", 3, 1, 0), ("length.min=600", 0, 0, 2), ("length.min=null", 4, 2, 0), ("length.max=91", 2, 0, 0),
    ("length.max=50", 0, 0, 2),
])
def test_a_bound_elsewhere_decides_as_a_curation_by_it_would(
    dataset: Dataset, bound: str, kept: int, back: int, gone: int,
) -> None:
    fill(dataset, [row("a", "short"), row("b", "shorter"), row("c", STORY), row("d", STORY[:60])])
    run(dataset, LENGTH, "refusal")
    before = files(dataset)
    found = what_if(dataset, [bound], None)
    assert (found.curation.tally.kept, *found.curation.changed) == (kept, back, gone)
    assert found.curation.before is not None
    assert found.curation.before.kept == 2
    assert found.curation.reused == 8
    assert files(dataset) == before
    name, _, value = bound.partition("=")
    length = {"unit": "chars", "min": 20, name.split(".")[1]: None if value == "null" else int(value)}
    really = run(dataset, {"length": length}, "refusal")
    assert really.tally.by_rule == found.curation.tally.by_rule
    assert really.changed == found.curation.changed


def test_nothing_is_measured_again(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", STORY)])
    run(dataset, LENGTH)
    path = dataset.path / "verdicts.jsonl"
    path.write_text(path.read_text().replace('"value":5', '"value":777'))  # what was measured, not the text
    assert what_if(dataset, ["length.min=700"], None).curation.tally.by_rule == {"length": 1}
    changes = what_if(dataset, ["length.min=700"], None).curation.changes
    assert [(change.sample, change.state) for change in changes] == [("a", "kept"), ("b", "dropped")]


def test_rows_that_come_back_are_compared(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", "short"), row("c", STORY)])
    run(dataset, LENGTH, {"exact_duplicate": {"over": "answer"}})
    found = what_if(dataset, ["length.min=1"], None)
    assert found.curation.tally.by_rule == {"exact-duplicate": 1}
    assert found.compared == ["exact-duplicate"]


def test_several_bounds_and_the_second_rule_of_a_kind(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", STORY)])
    run(dataset, LENGTH, {"length": {"max": 200, "unit": "bytes"}})
    found = what_if(dataset, ["length.min=3", "length_2.max=50"], None)
    assert list(map(str, found.moved)) == ["length.min 20 -> 3", "length-2.max 200 -> 50"]
    assert found.curation.tally.by_rule == {"length-2": 1}
    assert found.proposal.words == ["--rule", "length: {min: 3, unit: chars}", "--rule",
                                    "length: {max: 50, unit: bytes}"]


def test_words_are_moved_too(dataset: Dataset) -> None:
    partial = "I'm sorry, but I can't help with that. However, here is what I can say: " + "word " * 50
    fill(dataset, [row("a", partial), row("b", STORY)])
    run(dataset, "refusal")
    assert what_if(dataset, ["refusal.partial=drop"], None).curation.tally.by_rule == {"refusal": 1}
    found = curve(dataset, "refusal.partial", None)
    assert {point.at: (point.alone, point.kept, point.now) for point in found.points} == {
        "flag": (2, 2, True), "drop": (1, 1, False), "keep": (2, 2, False)}


def test_a_recipe_says_where_to_write_it(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "goats.py").write_text(OWN)
    text = ("synth: 1\nname: plots\nsource: {file: rows.jsonl}\ntrain: {user: x}\ncurate:\n  - refusal\n"
            "  - length: {min: 20, unit: chars}\n  - rule: ./goats.py\n")
    recipe = parse_recipe(text, tmp_path / "plots.yaml")
    fill(dataset, [row("a", "short"), row("b", STORY)])
    curate(dataset, recipe.curate, recipe)
    found = what_if(dataset, ["length.min=800"], recipe)
    assert found.proposal == ([("plots.yaml:7", "length: {min: 800, unit: chars}")], [
        "--set", "curate.length.min=800"])
    assert found.curation.tally.kept == 0
    assert found.curation.tally.errors_by_rule == {"goats": 1}


def test_a_rule_of_ones_own_is_proposed_by_its_path(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "long_goats.py").write_text(LONG_GOATS)
    text = ("synth: 1\nname: plots\nsource: {file: rows.jsonl}\ntrain: {user: x}\ncurate:\n"
            "  - rule: ./long_goats.py\n    min: 3\n  - rule: ./long_goats.py\n")
    recipe = parse_recipe(text, tmp_path / "plots.yaml")
    fill(dataset, [row("a", "short"), row("b", STORY)])
    curate(dataset, recipe.curate, recipe)
    assert what_if(dataset, ["long-goats-2.min=30"], recipe).proposal.lines == [
        ("plots.yaml:8", "{rule: ./long_goats.py, min: 30}")]
    given = [Item(name="./long_goats.py", options={"min": least}) for least in (4, 5)]
    curate(dataset, given, recipe, "--rule {}".format)
    found = what_if(dataset, ["long-goats-2.min=30"], recipe)
    assert found.proposal == ([], ["--rule", "{rule: ./long_goats.py, min: 4}", "--rule",
                                   "{rule: ./long_goats.py, min: 30}"])
    proposed = [Item.model_validate(parse(rule, "--rule")[0]) for rule in found.proposal.words[1::2]]
    assert curate(dataset, proposed, recipe).tally.by_rule == {"long-goats-2": 1}


@pytest.mark.parametrize(("text", "message", "hint"), [
    ("lenght.min=3", "no rule 'lenght' in the last curation", "did you mean 'length'?"),
    ("length.mn=3", "length has no bound 'mn'", "did you mean 'min'?"),
    ("length=3", "no bound in 'length=3'",
     "it moves length.min (20), length.max (none)\nsynth curate plots --what-if length.min"),
    ("length.min=abc", "length: min: a whole number is wanted here", ""),
    ("length.max=3", "length: min 20 is above max 3", ""),
    ("length.unit=words", "length.unit changes what is measured", "--rule 'length: {min: 20, unit: words}'"),
    ("exact_duplicate.keep", "compares rows, each value anew", "--what-if exact-duplicate.keep=longest"),
])
def test_what_cannot_be_moved_is_said_with_what_can(dataset: Dataset, text: str, message: str, hint: str) -> None:
    fill(dataset, [row("a", "short")])
    run(dataset, LENGTH, {"exact_duplicate": {"over": "answer"}})
    with pytest.raises(RecipeError) as error:
        (what_if if "=" in text else curve)(dataset, [text] if "=" in text else text, None)  # type: ignore[operator]
    assert message in error.value.message
    assert hint in error.value.hint


def test_where_nothing_was_curated_that_is_next(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short")])
    with pytest.raises(DataError, match="nothing was curated yet") as error:
        what_if(dataset, ["length.min=3"], None)
    assert error.value.hint == "synth curate plots"


def test_rows_kept_at_each_value_are_those_that_a_curation_keeps(dataset: Dataset) -> None:
    texts = [STORY[:length] for length in range(1, 80)]
    cut = {"finish_reason": "length"}
    fill(dataset, [row(f"r{n}", text, provenance=cut if n % 4 == 0 else {}) for n, text in enumerate(texts)])
    dataset.review("r1", "keep", "", by="eva")
    run(dataset, LENGTH, "finish_reason")
    found = curve(dataset, "length.min", None)
    assert (found.rows, found.points[0].at, found.points[-1].at) == (79, 1, 79)
    assert [point.at for point in found.points if point.now] == [20]
    assert sorted(point.kept for point in found.points) == [point.kept for point in reversed(found.points)]
    assert found.uncompared == 0
    for point in found.points:
        assert what_if(dataset, [f"length.min={point.at}"], None).curation.tally.kept == point.kept
        assert point.alone == sum(len(text) >= point.at for text in texts)


def test_rows_that_were_never_compared_are_counted_apart(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", "short"), row("c", STORY)])
    run(dataset, LENGTH, {"exact_duplicate": {"over": "answer"}})
    found = curve(dataset, "length.min", None)
    assert found.uncompared == 2
    assert found.points[0].kept == 3, "as far as it is known: one of them is a copy"


def test_a_dataset_of_the_first_version_can_be_asked(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path / "tales")
    with Dataset.open(tmp_path / "tales") as tales:
        kept = tales.manifest()["curation"]["kept"]
        found = what_if(tales, ["length.min=1"], tales.recipe())
        assert found.curation.before is not None
        assert found.curation.before.kept == kept
        assert curve(tales, "length.min", tales.recipe()).rows == 9


def test_a_new_row_is_measured_for_the_look(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short")])
    curate(dataset, [Item.model_validate(each) for each in (LENGTH,)])
    fill(dataset, [row("b", STORY)])
    found = what_if(dataset, ["length.min=2"], None).curation
    assert found.before is not None
    assert (found.before.rows, found.tally.rows, found.changed) == (1, 2, (1, 0))


def test_a_row_that_was_edited_since_is_measured_whatever_the_note_says(dataset: Dataset) -> None:
    fill(dataset, [row("a", "short"), row("b", STORY)])
    run(dataset, LENGTH)
    assert what_if(dataset, ["length.min=3"], None).curation.reused == 2
    path = dataset.path / "samples.jsonl"
    path.write_text(path.read_text().replace('"short"', '"sh"'))
    found = what_if(dataset, ["length.min=3"], None).curation
    assert (found.reused, found.tally.by_rule) == (1, {"length": 1})


def test_verdicts_of_an_earlier_text_are_not_taken_for_todays(dataset: Dataset) -> None:
    """As after a swap that was killed before it was noted."""
    fill(dataset, [row("a", "short"), row("b", STORY)])
    run(dataset, LENGTH)
    path = dataset.path / "samples.jsonl"
    path.write_text(path.read_text().replace('"short"', '"long enough to stay, by hand"'))
    run(dataset, {"length": {"min": 21, "unit": "chars"}})
    noted = dataset.manifest()
    dataset.swap_verdicts()
    dataset.notes({key: noted[key] for key in ("curation", "curation_before")})
    found = what_if(dataset, ["length.min=4"], None).curation
    assert (found.reused, found.tally.kept) == (1, 2)
