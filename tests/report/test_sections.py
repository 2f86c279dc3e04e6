"""What single sections count and say: coverage and its flags, lengths and bounds, curves, picks, what comes next."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.curate import curate
from pipeline.recipe import load_recipe
from pipeline.report._svg import Line, curves, histogram
from pipeline.report._text import brief, cut
from pipeline.report.comparison import judgement
from pipeline.report.coverage import coverage
from pipeline.report.drops import drops
from pipeline.report.following import following
from pipeline.report.gather import DROPPED, KEPT, Gathered, chosen, gather
from pipeline.report.lengths import _bars, _top, lengths
from pipeline.report.material import POINTS, Material, _thinned, collect
from pipeline.rows import Row
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.types import CallRef, Draw, Finding, Sample, Verdict
from tests import made
from tests.report import stages
from tests.report.reading import Page

GENRES, PLACES = ("horror", "fantasy", "romance"), ("Kyoto", "Lagos", "Oaxaca", "Lisbon")
RECIPE = """
synth: 1
name: grid
axes: {genre: [horror, fantasy, romance], place: [Kyoto, Lagos, Oaxaca, Lisbon]}
where: ["not (genre == 'romance' and place == 'Lisbon')"]
sample: {how: product}
prompt: "Write a {{genre}} plot set in {{place}}."
train: {user: "{{genre}}, {{place}}"}
curate: [refusal]
"""


def grid(path: Path, drops: Callable[[str, str, int], bool], repeats: int = 8) -> Path:
    """A curated dataset over RECIPE's grid, `repeats` rows per legal cell; `drops` says which rows refusal took."""
    rows, verdicts = list[Sample](), list[Verdict]()
    for number, (genre, place, repeat) in enumerate(itertools.product(GENRES, PLACES, range(repeats))):
        if (genre, place) == ("romance", "Lisbon"):
            continue
        row = replace(made.sample(number, f"{genre} {place} {repeat}"), cell={"genre": genre, "place": place})
        gone = drops(genre, place, repeat)
        finding = Finding("refusal", "whole", "drop", "refuses") if gone else Finding("refusal", "none", "keep")
        rows.append(row)
        verdicts.append(Verdict(row.id, row.digest, "dropped" if gone else "kept", (finding,)))
    (path.parent / "recipe.yaml").write_text(RECIPE)
    made.dataset(path, rows, curated=False)
    with Dataset.open(path) as dataset:
        dataset.save_recipe(load_recipe(path.parent / "recipe.yaml"))
        dataset.plan.append((Draw(row.cell, number % repeats), "wanted") for number, row in enumerate(rows))
        dataset.write_verdicts(verdicts)
    return path


@pytest.fixture
def material() -> Iterator[Callable[[Path], Material]]:
    opened: list[Dataset] = []

    def collected(path: Path) -> Material:
        opened.append(Dataset.open(path))
        return collect(opened[-1])

    yield collected
    for dataset in opened:
        dataset.close()


def test_a_rule_that_takes_most_of_one_value_is_flagged(tmp_path: Path, material: Callable[[Path], Material]) -> None:
    found = material(grid(tmp_path / "grid", lambda genre, place, repeat: genre == "horror" and repeat > 1))
    covered = coverage(found)
    assert covered is not None
    assert [(flag.axis, flag.value, flag.rule) for flag in covered.halved] == [("genre", "horror", "refusal")]
    genre, place = covered.axes
    assert [(value.name, value.rows, value.kept, value.flag) for value in genre.values] == [
        ("horror", 32, 8, "refusal"), ("fantasy", 32, 32, ""), ("romance", 24, 24, "")]
    assert "depends strongly on genre" in genre.test
    assert "no more than by chance" in place.test
    assert not any(value.flag for value in place.values)
    assert "Of genre “horror”, half as much is kept as of the rest, or less, mostly by refusal." in covered.lead
    dropped = drops(found)
    assert dropped is not None
    assert [(fall.rule, fall.axis, fall.most, fall.least) for fall in dropped.falls] == [
        ("refusal", "genre", "horror, 24 of 32", "fantasy, 0 of 32")]
    commands = [each.command for each in following(found, covered)]
    assert "synth inspect grid --rule refusal --axis genre=horror" in commands


def test_losses_by_chance_are_not_flagged(tmp_path: Path, material: Callable[[Path], Material]) -> None:
    found = material(grid(tmp_path / "grid", lambda genre, place, repeat: repeat % 2 == 0))
    covered = coverage(found)
    assert covered is not None
    assert covered.halved == []
    assert all("chance" in axis.test for axis in covered.axes)
    dropped = drops(found)
    assert dropped is not None
    assert dropped.falls == []
    assert "(2 tests)" in dropped.even


def test_the_map_tells_what_was_drawn_what_is_left_and_what_cannot_be(
    tmp_path: Path, material: Callable[[Path], Material]
) -> None:
    path = grid(tmp_path / "grid", lambda genre, place, repeat: (genre, place) == ("fantasy", "Lagos"))
    covered = coverage(material(path))
    assert covered is not None
    assert covered.map is not None
    assert (covered.map.down, covered.map.across) == ("place", "genre")
    assert covered.map.columns == list(GENRES)
    (drawn, before), (kept, after) = covered.map.sides
    assert (drawn, kept) == ("Drawn", "Kept")
    assert [(line, [one.rows for one in fields]) for line, fields in before] == [
        ("Kyoto", [8, 8, 8]), ("Lagos", [8, 8, 8]), ("Oaxaca", [8, 8, 8]), ("Lisbon", [8, 8, 0])]
    assert dict(after)["Lagos"][1] == (0, "h0")
    assert dict(after)["Lisbon"][2].kind == "out", "the recipe rules the pair out"
    assert "Curation emptied 1 of these 11 pairs." in covered.map.note
    assert covered.lead.startswith("All 11 pairs of values were drawn; 10 of them still have a row")


def _row(sample: Sample, state: str, *findings: Finding) -> Row:
    return Row(sample, Verdict(sample.id, sample.digest, "kept" if state == "kept" else "dropped", findings))


def test_a_row_whose_rewrite_stands_counts_as_kept_in_the_grid_and_as_dropped_by_itself() -> None:
    found, parent = Gathered(), made.sample(0)
    child = replace(made.sample(1), parent=parent.id, cell=parent.cell)
    against = (Finding("length", 3, "drop"), Finding("rewritten", child.id, "drop"))
    found.add(_row(parent, "dropped", *against), frozenset())
    found.add(_row(child, "kept"), frozenset())
    assert (found.rows, found.rewrites, found.kept, found.dropped) == (2, 1, 1, 1)
    assert found.fates["genre"] == {"horror": (1, 1)}
    assert found.by_rule == {"length": 1, "rewritten": 1}
    assert not found.only_by_rule
    assert not found.lost


def test_rules_that_drop_alone_and_together_and_rules_that_flag() -> None:
    found = Gathered()
    length, refusal = Finding("length", 3, "drop"), Finding("refusal", "soft", "drop")
    for number, findings in enumerate([(length,), (length, refusal), (replace(refusal, outcome="flag"), length)]):
        found.add(_row(made.sample(number), "dropped", *findings), frozenset())
    found.add(_row(made.sample(9), "kept", replace(refusal, outcome="flag")), frozenset())
    assert found.by_rule == {"length": 3, "refusal": 1}
    assert found.only_by_rule == {"length": 2}
    assert found.flagged_by_rule == {"refusal": 1}


def test_the_rows_to_show_are_the_same_in_any_order_and_of_every_rule(tmp_path: Path) -> None:
    rows = [_row(made.sample(number), "kept") for number in range(20)]
    rows += [_row(made.sample(number), "dropped", Finding("length", 1, "drop")) for number in range(20, 60)]
    rows += [_row(made.sample(number), "dropped", Finding("refusal", "x", "drop")) for number in range(60, 63)]
    shown = []
    for order in (rows, rows[::-1]):
        found = Gathered()
        for row in order:
            found.add(row, frozenset())
        shown.append([[row.sample.id for row in chosen(found, *of)] for of in (("kept", KEPT), ("dropped", DROPPED))])
        assert all(len(queue) <= max(KEPT, DROPPED) for kinds in found.shown.values() for queue in kinds.values())
        rules = Counter(row.against[0].rule for row in chosen(found, "dropped", DROPPED))
        assert rules == {"length": 2, "refusal": 2}
    assert shown[0] == shown[1]


def test_memory_does_not_grow_with_the_rows() -> None:
    found = Gathered()
    for number in range(3_000):
        row = made.sample(number % 26, "x" * number)
        found.add(_row(replace(row, id=f"{number:026d}", cell={"genre": "horror", "name": f"name {number}"}), "kept"),
                  frozenset())
    assert "name" not in found.fates, "an axis of so many values says nothing by value"
    assert not found.pairs
    assert found.fates["genre"]["horror"] == (3_000, 3_000)
    wide = Gathered()
    for length in range(10_000, 60_000, 7):
        wide.add(Row(made.sample(0, "y" * length), None), frozenset())
    assert len(wide.lengths[""]) <= 5_000
    assert wide.extremes[""] == (10_000, 59_994)


kinds = st.tuples(st.sampled_from(["kept", "dropped", "new"]), st.integers(0, 5_000))
counts = st.dictionaries(kinds, st.integers(1, 90), min_size=1, max_size=80)


@given(counts, st.lists(st.integers(1, 5_000), max_size=2))
def test_every_row_is_in_a_bar_and_the_first_bound_is_between_two(
    counted: dict[tuple[str, int], int], bounds: list[int]
) -> None:
    by_length: Counter[int] = Counter()
    for (_, length), rows in counted.items():
        by_length[length] += rows
    top = _top(by_length, [])
    bars, beyond = _bars(Counter(counted), min(by_length), top, [float(bound) for bound in bounds])
    assert sum(bar.rows for bar in bars) == sum(counted.values())
    assert beyond == sum(rows for length, rows in by_length.items() if length >= bars[-1].high)
    assert all(one.high == other.low for one, other in itertools.pairwise(bars))
    assert len(bars) <= 60
    if bounds and bars[0].low < bounds[0] < bars[-1].high:
        assert bounds[0] in {bar.low for bar in bars}
    picture = str(histogram(bars, [], "lengths"))
    assert "NaN" not in picture
    assert "inf" not in picture


def test_a_rows_length_is_its_measurement_and_its_bound_is_drawn(
    plots: Path, material: Callable[[Path], Material]
) -> None:
    found = material(plots)
    chart, = lengths(found)
    assert chart.unit == "bytes"
    assert "at least 1,024" in chart.chart
    verdicts = [json.loads(line) for line in (plots / "verdicts.jsonl").read_bytes().splitlines()]
    measured = sorted(one["findings"][0]["value"] for one in verdicts)
    assert f"the shortest has {measured[0]:,}, the longest {measured[-1]:,}" in chart.lead
    assert found.rows.lengths["length"].total() == len(measured)


numbers = st.floats(-1e6, 1e6) | st.integers(0, 10**9).map(float)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30))
def test_a_curve_stays_in_its_frame(points: list[tuple[float, float]]) -> None:
    picture = str(curves([Line("train", sorted(points))], "loss"))
    drawn = re.search(r'points="([^"]*)"', picture)
    assert drawn
    for point in drawn[1].split():
        assert all(-0.1 <= float(each) <= 1000.1 for each in point.split(","))
    assert all(-0.01 <= float(each) <= 100.01 for each in re.findall(r'[xy]\d?="(-?[\d.]+)%"', picture))


@pytest.mark.parametrize(("lines", "rare"), [(10_000, 1_000), (10_000, 3), (700, 1), (5, 2), (1, 1)])
def test_a_long_log_is_thinned_and_keeps_its_ends(lines: int, rare: int) -> None:
    log = [{"step": step, "train_loss": 1.0} | ({"validation_loss": 2.0} if step % rare == 0 else {})
           for step in range(lines)]
    kept = list(_thinned(iter(log)))
    assert (kept[0], kept[-1]) == (log[0], log[-1])
    assert [line["step"] for line in kept] == sorted({line["step"] for line in kept})
    assert len(kept) <= 3 * POINTS + 1
    if lines <= POINTS:
        assert kept == log
    if lines // rare <= POINTS:
        assert sum("validation_loss" in line for line in kept) == sum("validation_loss" in line for line in log)


def test_a_step_that_was_logged_again_counts_as_it_was_logged_last(
    plots: Path, report: Callable[[Path], Page]
) -> None:
    folder = stages.finetune(plots)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": stages.STEPS, "validation_loss": 1.5}) + "\n" + '{"step": 61, "validation_lo')
    assert "validation 1.50" in report(plots).sections["tuning"]


@given(st.text(max_size=400), st.integers(10, 200))
def test_a_cut_text_says_how_much_follows(text: str, limit: int) -> None:
    found = cut(text, limit)
    assert len(text) - found.more <= limit + limit // 4
    assert bool(found.rest) == bool(found.more)
    assert "\n" not in brief(text, limit)


def test_nothing_is_judged_that_was_not_measured_on_both(plots: Path, material: Callable[[Path], Material]) -> None:
    stages.finetune(plots)
    assert judgement(material(plots)) is None
    folder = stages.evaluation(plots)
    told = json.loads((folder / "evaluation.json").read_bytes())
    told["base"]["loss"] = None
    (folder / "evaluation.json").write_text(json.dumps(told))
    assert judgement(material(plots)) is None


def test_calls_sources_parents_and_hands_are_in_the_lineage(tmp_path: Path, report: Callable[[Path], Page]) -> None:
    rows = [made.sample(number) for number in range(7)]  # three are dropped and four kept, so all are shown
    child = rows[6]
    rows[6] = replace(
        child, source={"file": "tickets.csv", "number": 12}, parent=rows[0].id,
        calls=(*child.calls, CallRef("f" * 26, "step:premise")),
        provenance={**child.provenance, "augmentation": "expand"},
    )
    path = made.dataset(tmp_path / "rows", rows)
    samples = (path / "samples.jsonl").read_bytes()
    (path / "samples.jsonl").write_bytes(samples.replace(b"Act 5.", b"Scene 5."))
    with Dataset.open(path) as dataset:
        dataset.write_verdicts(made.verdict(row) for row in dataset.samples())
    told = report(path).sections["samples"]
    assert all(row.id in told for row in rows)
    assert "Read from tickets.csv, row 12" in told
    assert f"Rewritten from {rows[0].id[:8]} by expand" in told
    assert "Asked for premise call ffffffff, of which nothing is known here" in told
    assert "Asked writer-1-2026, 2026-11-21 08:00 UTC, 40 tokens in and" in told
    assert told.count("By hand changed or added after it was written") == 1
    assert "sent 2 times" in told


def test_gather_counts_lines_that_are_no_rows(tmp_path: Path, report: Callable[[Path], Page]) -> None:
    path = made.dataset(tmp_path / "rows", [made.sample(number) for number in range(4)])
    with (path / "samples.jsonl").open("ab") as file:
        file.write(b"{not json}\n")
    with Dataset.open(path) as dataset:
        assert gather(dataset, frozenset()).broken == 1
    assert "1 line cannot be read" in report(path).sections["road"]


def test_rows_that_are_alike_are_shown_by_cluster_and_quiet_rules_in_a_line(
    tmp_path: Path, material: Callable[[Path], Material],
) -> None:
    long = "The ferry leaves at six, and nobody has told the captain, who sleeps beside a goat in the engine room. " * 2
    texts = [long, f"{long} Nobody wakes him.", f"{long} Somebody does.", "A wholly different tale of nine words."]
    made.dataset(tmp_path / "grid", [made.sample(number, text) for number, text in enumerate(texts)], curated=False)
    with Dataset.open(tmp_path / "grid") as dataset:
        curate(dataset, [Item(name="refusal"), Item(name="near_duplicate")])
    found = drops(material(tmp_path / "grid"))
    assert found is not None
    assert [rule.rule for rule in found.rules] == ["near-duplicate"]
    assert found.quiet == "1 rule found nothing to drop or flag: refusal."
    (alike,) = found.clusters
    assert alike.lead == "near-duplicate found 1 cluster of rows that are alike, 3 rows in all"
    (cluster,) = alike.largest
    assert (cluster.rows, len(cluster.id)) == (3, 8)
    assert 0.8 <= float(cluster.weakest) < 1
    assert cluster.text.startswith("The ferry leaves at six")
