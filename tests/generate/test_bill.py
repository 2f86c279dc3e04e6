"""The bill before the bill: by hand on small recipes, and laid beside what runs came to."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipeline import tokens
from pipeline.errors import CapReached
from pipeline.generate import plan_run, write_down
from pipeline.generate.bill import Pace, wall_time
from pipeline.generate.history import of_mean, of_share
from pipeline.prices import Price
from pipeline.store import Dataset
from pipeline.store.foreseen import Range, Reckoning, close, count_kept, reckon
from pipeline.types import Usage
from tests.engine.scripted import answer
from tests.report import stages

from .folder import RECIPE, Folder

STEPS = """\
synth: 1
name: tales
axes: {hero: [baker, pilot, nurse], place: [Lima, Oslo, Cairo]}
steps:
  - {name: premise, user: "Who is the {{hero}}?", max_tokens: 40}
  - {name: answer, user: "{{premise}} And then in {{place}}? Again: {{premise}}", max_tokens: 100}
train: {user: "{{hero}}, {{place}}"}
generate: {model: "scripted:m"}
"""


@pytest.fixture
def tales(tmp_path: Path) -> Folder:
    return Folder(tmp_path, RECIPE)


def near(low: float, middle: float, high: float) -> object:
    return pytest.approx(Range(low, middle, high), rel=1e-6)


def told(tales: Folder) -> Reckoning | None:
    with Dataset.open(tales.home) as dataset:
        return reckon(dataset)


def noted(tales: Folder) -> None:
    """What a verb does between consent and its run."""
    with Dataset.create(tales.home) as dataset:
        write_down(plan_run(tales.recipe, dataset, tales.writer), tales.recipe, dataset, tales.writer)


# -- by hand -------------------------------------------------------------------------------------

def test_a_guess_by_hand(tales: Folder) -> None:
    tales.price = Price(1.0, 10.0, None, "2026-11", "a test", batch=0.5)
    tales.edit("generate:", "curate: []\ngenerate:")
    ahead = tales.plan().forecast
    # 12 prompts of 26 or 27 bytes: 7 tokens of text, 1 for `user`, 3 around the message, 3 that begin the reply
    assert ahead.input_tokens == near(12 * 14 * 0.46, 12 * 14, 12 * 14 * 1.26)
    assert ahead.output_tokens == near(12 * 20, 12 * 60, 12 * 100)
    assert ahead.usd == near((77 + 2400) / 1e6, (168 + 7200) / 1e6, (212 + 12000) / 1e6)
    assert ahead.batch_usd == near(0.5 * 2477 / 1e6, 0.5 * 7368 / 1e6, 0.5 * 12212 / 1e6)
    assert (ahead.calls, ahead.prompts, ahead.rows, ahead.answers, ahead.exact) == (12, 12, 12, 0, False)
    assert ahead.seconds is None, "no pace was given"
    assert ahead.kept == Range(12, 12, 12), "no rule drops any"
    assert ahead.usd_per_kept == near(2477 / 12e6, 7368 / 12e6, 12212 / 12e6)


def test_from_answers_by_hand(tales: Folder) -> None:
    outputs = iter([10, 20, 30, 40])
    tales.says = lambda prompt, turn: answer("fine", Usage(20, next(outputs)))
    tales.run(rows=4)
    ahead = tales.plan().forecast
    # mean 25, deviation 12.91, Student's 3.182 for 3 degrees: 8 to come, half = 3.182 * 12.91 * sqrt(1/4 + 1/8)
    half = 3.182 * 12.909944 * (1 / 4 + 1 / 8) ** 0.5
    assert ahead.answers == 4
    assert ahead.output_tokens == pytest.approx((8 * 5, 8 * 25, 8 * (25 + half)), rel=0.01), "half the least"
    assert ahead.input_tokens.middle == pytest.approx(8 * 20), "this host counts 20 where we count 14"
    assert ahead.calibrated
    assert ahead.input_tokens.low < 160 < ahead.input_tokens.high
    assert tales.plan().measured


def test_answers_of_another_writer_tell_nothing(tales: Folder) -> None:
    tales.run()
    tales.edit("max_tokens: 100", "max_tokens: 200")
    plan = tales.plan()
    assert (plan.measured, plan.forecast.answers, plan.forecast.judged) == (False, 0, 0)
    assert plan.forecast.output_tokens.high == 12 * 200


def test_steps_are_counted_each_and_what_they_quote_too(tmp_path: Path) -> None:
    tales = Folder(tmp_path, STEPS)
    plan = tales.plan()
    premise, last = plan.forecast.steps
    assert (premise.name, premise.calls, last.name, last.calls) == ("premise", 3, "answer", 9)
    assert premise.output_tokens == near(3 * 8, 3 * 24, 3 * 40)
    bare = 9 * (3 + 3 + 1 + tokens.count(" And then in Lima? Again: ", "m").tokens)
    assert last.input_tokens.middle == pytest.approx(bare + 9 * 2 * 24, abs=9), "each quotes the premise twice"
    assert plan.usd_worst is not None
    written = (3 * 40 + 9 * 100) * 10.0 / 1e6
    assert plan.usd_worst >= written + 9 * 2 * 40 / 1e6, "the worst case holds the longest premise, twice"
    tales.says = lambda prompt, turn: answer(f"Asked: {prompt}", Usage(20, 30))
    tales.run(rows=4)
    assert [step.answers for step in tales.plan().forecast.steps][-1] == 4


def test_repeats_are_calls_of_one_prompt(tales: Folder) -> None:
    tales.edit("train:", "sample: {repeats: 3}\ntrain:")
    ahead = tales.plan().forecast
    assert (ahead.calls, ahead.prompts) == (36, 12)


def test_without_a_price_or_a_limit(tales: Folder) -> None:
    tales.price = None
    tales.edit(", max_tokens: 100", "")
    ahead = tales.plan().forecast
    assert (ahead.usd, ahead.batch_usd, ahead.usd_per_kept) == (None, None, None)
    assert ahead.output_tokens == near(12 * 100, 12 * 300, 12 * 2000)


@pytest.mark.parametrize(("pace", "seconds"), [
    (Pace(10), 100 / 10 * 2.0), (Pace(1000), 2.0), (Pace(1000, rpm=60), 100.0), (Pace(1000, tpm=6000), 400.0),
    (Pace(10, rpm=6000, tpm=600_000), 20.0),
])
def test_time_by_the_limit_that_binds(pace: Pace, seconds: float) -> None:
    assert wall_time(100, 10_000, 30_000, 2.0, pace) == pytest.approx(seconds)


# -- kept rows -----------------------------------------------------------------------------------

def test_rows_kept_are_judged_by_row_rules_until_verdicts_are_there(tales: Folder) -> None:
    tales.edit("generate:", "curate: [{length: {min: 10, unit: chars}}, exact_duplicate]\ngenerate:")
    assert tales.plan().forecast.kept is None, "nothing tells"
    tales.says = lambda prompt, turn: answer("short" if "baker" in prompt else f"long enough: {prompt}")
    tales.run(rows=8)
    short = sum("short" in row.answer for row in tales.rows())
    assert 0 < short < 8
    ahead = tales.plan().forecast
    assert (ahead.by, ahead.judged, ahead.compares, ahead.rows) == ("rules", 8, True, 4)
    assert ahead.kept is not None
    assert ahead.kept.middle == pytest.approx(12 * (8 - short) / 8)
    assert ahead.kept.low < ahead.kept.middle < ahead.kept.high <= 12
    from pipeline.curate import curate

    with Dataset.open(tales.home) as dataset:
        curate(dataset, tales.recipe.curate, tales.recipe)
    after = tales.plan().forecast
    assert (after.by, after.compares) == ("verdicts", False)
    assert after.kept is not None
    assert after.kept.middle < ahead.kept.middle or short < 2, "of equal answers only one is kept"
    tales.edit("min: 10", "min: 1")
    assert tales.plan().forecast.by == "rules", "verdicts of other bounds are no verdicts of today"


# -- ranges --------------------------------------------------------------------------------------

def test_too_few_numbers_tell_no_range() -> None:
    assert of_mean([5.0, 6.0], 100, 0, 10) is None
    assert of_share(0, 0, 10) is None
    assert of_mean([5.0] * 5, 100, 0, 10) == pytest.approx((5 - 0.637, 5, 5 + 0.637), abs=0.01), "equal by chance"


@pytest.mark.parametrize("count", [5, 20, 100])
def test_ranges_hold_what_comes(count: int) -> None:
    """Of lengths as stories have them, and of shares: 90% of what comes lies within, at the least."""
    dice = random.Random(count)
    means = shares = 0
    for _ in range(400):
        lengths = [min(1000.0, dice.lognormvariate(5.5, 0.5)) for _ in range(count + 300)]
        found = of_mean(lengths[:count], 300, 1.0, 1000.0)
        assert found is not None
        means += found.low <= sum(lengths[count:]) / 300 <= found.high
        kept = [dice.random() < 0.8 for _ in range(count + 300)]
        share = of_share(sum(kept[:count]), count, 300)
        assert share is not None
        shares += share.low <= sum(kept[count:]) / 300 <= share.high
    assert means >= 360 if count > 5 else means >= 340
    assert shares >= 360


# -- beside what came ----------------------------------------------------------------------------

def test_what_came_is_laid_beside_the_bill(tales: Folder) -> None:
    noted(tales)
    before = told(tales)
    assert before is not None
    assert (before.came.calls, before.came.done, before.foreseen.calls) == (0, False, 12)
    tales.says = lambda prompt, turn: answer("fine", Usage(10, 50))
    tales.run()
    with Dataset.open(tales.home) as dataset:
        closed = close(dataset, "scripted:m")
        assert closed is not None
        assert (closed.came.calls, closed.came.input_tokens, closed.came.output_tokens) == (12, 120, 600)
        assert closed.came.usd == pytest.approx((120 + 6000) / 1e6)
        assert closed.foreseen.usd is not None
        assert closed.foreseen.usd.low <= closed.came.usd <= closed.foreseen.usd.high
        assert close(dataset, "scripted:m") is None, "it is closed once"
        assert count_kept(dataset, 9) is not None
    last = told(tales)
    assert last is not None
    assert (last.came.kept, last.came.done) == (9, True)


def test_a_bill_stands_until_its_run_is_done(tales: Folder) -> None:
    """Stopped by its cap and resumed: what came is all that was spent since the first bill."""
    tales.says = lambda prompt, turn: answer(prompt)
    noted(tales)
    tales.settings = tales.settings.model_copy(update={"max_usd": 0.002})
    with pytest.raises(CapReached):
        tales.run()
    so_far = told(tales)
    assert so_far is not None
    assert 0 < so_far.came.calls < 12
    noted(tales)
    tales.settings = tales.settings.model_copy(update={"max_usd": None})
    tales.run()
    with Dataset.open(tales.home) as dataset:
        done = close(dataset, "scripted:m")
    assert done is not None
    assert (done.foreseen.calls, done.came.calls) == (12, 12)
    tales.edit("Lima", "Quito")
    noted(tales)
    again = told(tales)
    assert again is not None
    assert (again.foreseen.calls, again.came.calls) == (4, 0), "a bill that is closed makes room for the next"


def test_a_cap_counts_what_tuning_cost(tales: Folder) -> None:
    tales.run(rows=1)
    stages.finetune(tales.home, cost_usd=0.5)
    tales.settings = tales.settings.model_copy(update={"max_usd": 0.5})
    with pytest.raises(CapReached):
        tales.run()
    assert tales.prompts.total() == 1
    tales.settings = tales.settings.model_copy(update={"max_usd": 1.0})
    assert tales.asked() == 11


def test_a_bill_of_a_later_version_is_passed_over(tales: Folder) -> None:
    tales.run()
    with Dataset.open(tales.home) as dataset:
        for strange in ("x", {"foreseen": {"calls": 1}}, {"foreseen": None}, {"foreseen": {"more": {}}}):
            dataset.note("bill", strange)
            assert reckon(dataset) is None
            assert close(dataset, "scripted:m") is None


def test_a_step_of_another_model_costs_what_that_one_costs(tmp_path: Path) -> None:
    tales = Folder(tmp_path, STEPS.replace("max_tokens: 100}", 'max_tokens: 100, model: "scripted:dear"}'))
    tales.price = Price(0.0, 1.0, None, "2026-11", "a test", batch=0.5)
    dear = Price(0.0, 10.0, None, "2026-11", "a test")
    writer = tales.writer._replace(named=lambda name: tales.writer._replace(model=name.partition(":")[2], price=dear))
    with Dataset(tales.home) as dataset:
        plan = plan_run(tales.recipe, dataset, writer)
    assert plan.forecast.usd == near((3 * 8 + 9 * 20 * 10) / 1e6, (3 * 24 + 9 * 60 * 10) / 1e6,
                                     (3 * 40 + 9 * 100 * 10) / 1e6)
    assert plan.usd_worst == pytest.approx((3 * 40 + 9 * 100 * 10) / 1e6)
    assert plan.forecast.batch_usd is None, "the other one is not known to take batches"
