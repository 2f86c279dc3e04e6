"""`skip_when`: rows that are lost already are not paid for any further, and are neither failures nor rows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.errors import RecipeError, YieldError
from pipeline.grid.axes import load_axes
from pipeline.grid.draws import wanted
from pipeline.run import Kept, keep_rows
from pipeline.store import Dataset
from pipeline.store.foreseen import Range
from pipeline.types import Draw
from tests.engine.scripted import no
from tests.generate.folder import RECIPE as PLAIN
from tests.generate.folder import Folder
from tests.generate.test_pairs import PAIRS, Court
from tests.generate.test_steps import kinds

RECIPE = PLAIN.replace('prompt: {user: "A tale of a {{hero}} in {{place}}."}', """\
steps:
  - {name: premise, user: "PREMISE of a {{hero}} in {{place}}.", max_tokens: 40}
  - {name: answer, user: "PLOT of {{premise}}", skip_when: "premise|length < 20"}""")
RECIPE = RECIPE.replace("100}", "100, floor: 0.9}")
KEPT = RECIPE + "curate: []\n"
REFUSAL = "I'm sorry, but I can't help with that."


def says(prompt: str, turn: int) -> str:
    """Premises of bakers are short, those of pilots refuse."""
    if not prompt.startswith("PREMISE"):
        return f"plot: {prompt}"
    place = prompt.split()[-1]
    if "baker" in prompt:
        return f"no {place[0]}"
    return f"{REFUSAL} {place[0]}" if "pilot" in prompt else f"A long premise, and longer still: {prompt}"


def wanted_by(tales: Folder) -> Iterator[Draw]:
    """The draws of its recipe, in order."""
    return wanted(tales.recipe, load_axes(tales.recipe))


def keeping(path: Path) -> Folder:
    """Goes on until 20 rows are kept; premises of odd numbers are short."""
    tales = Folder(path, RECIPE.replace("[baker, pilot, nurse, judge]", "{numbers: {min: 1, max: 60}}").replace(
        "train:", "sample: {keep: 20}\ntrain:"))
    tales.says = lambda prompt, turn: (
        "short" if "PREMISE" in prompt and int(re.search(r"\d+", prompt)[0]) % 2 else f"{prompt} {'x' * 20}")
    return tales


@pytest.fixture
def tales(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path, RECIPE)
    folder.says = says
    return folder


def test_a_draw_that_is_skipped_is_no_row_no_failure_and_pays_for_nothing_more(tales: Folder) -> None:
    done = tales.run()
    assert kinds(tales) == {"PREMISE": 12, "PLOT": 9}
    assert (done.standing, done.added) == (9, 9)
    assert "of 12 draws skipped 3 by premise|length < 20" in done.notes
    assert tales.failures() == []
    assert {row.cell["hero"] for row in tales.rows()} == {"pilot", "nurse", "judge"}
    plan = tales.plan()
    assert (plan.new_calls, plan.reused, plan.barren, plan.skipped) == (0, 9, 0, {"premise|length < 20": 3})
    with Dataset.open(tales.home) as dataset:
        assert dataset.manifest()["generate"]["skipped"] == {"premise|length < 20": 3}
    assert tales.asked() == 0


def test_loosened_only_what_is_missing_is_paid_and_tightened_its_rows_stand_aside(tales: Folder) -> None:
    tales.run()
    tales.edit("length < 20", "length < 3")
    assert tales.plan().new_calls == 3
    assert tales.asked() == 3
    assert kinds(tales) == {"PREMISE": 12, "PLOT": 12}
    assert len(tales.standing()) == 12
    tales.edit("length < 3", "length < 45")
    plan = tales.plan()
    assert plan.aside == {"skipped": 6}
    assert plan.skipped == {"premise|length < 45": 6}
    assert tales.asked() == 0
    assert {row.cell["hero"] for row in tales.standing()} == {"nurse", "judge"}
    tales.edit("length < 45", "length < 3")
    assert tales.plan().aside == {}
    assert tales.asked() == 0
    assert len(tales.standing()) == 12, "they come back for nothing"


def why_aside(tales: Folder) -> Counter[str | None]:
    with Dataset.open(tales.home) as dataset:
        aside = dataset.aside()
        return Counter(aside(row) for row in dataset.samples())


def test_rows_that_are_skipped_now_are_not_called_those_of_an_earlier_prompt(tales: Folder) -> None:
    tales.edit("length < 20", "length < 3")
    tales.run()
    tales.edit("length < 3", "length < 20")
    assert tales.plan().aside == {"skipped": 3}
    tales.run(rows=5)
    assert why_aside(tales)["skipped"] == 0, "what is skipped of the others is not known yet"
    tales.run()
    assert why_aside(tales) == {None: 9, "skipped": 3}
    tales.run()
    assert why_aside(tales) == {None: 9, "skipped": 3}, "and it stays known"
    tales.edit("length < 20", "length < 45")
    tales.run()
    assert why_aside(tales) == {None: 6, "skipped": 6}
    tales.edit("length < 45", "length < 3")
    tales.run()
    assert why_aside(tales) == {None: 12}
    tales.edit("PLOT of", "PLOT anew of", "length < 3", "length < 20")
    tales.run()
    assert why_aside(tales) == {None: 9, "earlier": 12}, "the prompt is another: that is why"


def test_a_condition_where_there_was_none_and_a_cell_that_is_gone(tales: Folder) -> None:
    tales.edit(', skip_when: "premise|length < 20"', "")
    tales.run()
    tales.edit('"PLOT of {{premise}}"', '"PLOT of {{premise}}", skip_when: refusal', ", Cairo]", "]")
    tales.run()
    assert why_aside(tales) == {None: 6, "skipped": 2, "illegal": 4}


def test_a_preset_is_no_rule_of_skip_when(tmp_path: Path) -> None:
    tales = Folder(tmp_path, RECIPE.replace('"premise|length < 20"', "{sft: {refusal: off}}"))
    with pytest.raises(RecipeError, match="skip_when: sft is a preset, and one rule goes here"):
        tales.run()


def test_every_verb_says_that_skip_when_skips_them(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = KEPT.replace('model: "scripted:m", ', "").replace("premise|length < 20", "hero == 'nobody'")
    (workdir / "tales.yaml").write_text(recipe)
    assert main(["run", "tales", "--no-tune"]) == 0
    (workdir / "tales.yaml").write_text(recipe.replace("nobody", "baker"))
    for verb in (["plan", "tales"], ["run", "tales", "--no-tune"], ["export", "tales"]):
        capsys.readouterr()
        assert main(verb) == 0
        shown = capsys.readouterr()
        told = " ".join((shown.out + shown.err).split())
        assert "skipped by today's `skip_when`" in told, verb
        assert "earlier prompt" not in told, verb
    (row, *_) = [row for row in Folder(workdir, (workdir / "tales.yaml").read_text()).rows()
                 if row.cell["hero"] == "baker"]
    for more in ([], ["--why"]):
        assert main(["inspect", "tales", row.id, *more]) == 0
        assert "stands aside: skipped by today's `skip_when`" in capsys.readouterr().out


def test_a_rule_judges_the_answer_before_with_its_own_code_and_options(tales: Folder) -> None:
    tales.edit('"premise|length < 20"', "[refusal, {length: {min: 10, unit: chars}}, \"place == 'Oslo'\"]")
    done = tales.run()
    (note,) = [note for note in done.notes if "skipped" in note]
    assert note == "of 12 draws skipped 8: 3 by length, 3 by refusal, 2 by place == 'Oslo'"
    assert kinds(tales)["PLOT"] == 4
    assert {row.cell["hero"] for row in tales.rows()} == {"nurse", "judge"}


def test_finish_reason_and_the_refusal_field_of_the_call_before_are_seen(tales: Folder) -> None:
    from pipeline.engine import Answer
    from pipeline.types import Usage

    def script(prompt: str, turn: int) -> object:
        if prompt.startswith("PREMISE") and "nurse" in prompt:
            cut = {"role": "assistant", "content": "A long premise that ends in the mid"}
            return Answer(cut, "length", Usage(9, 9), "m")
        if prompt.startswith("PREMISE") and "judge" in prompt:
            return Answer({"role": "assistant", "content": None, "refusal": "No."}, "stop", Usage(9, 9), "m")
        return says(prompt, turn)

    tales.says = script
    tales.edit('"premise|length < 20"', "[finish_reason, refusal]")
    done = tales.run()
    assert "of 12 draws skipped 9: 6 by refusal, 3 by finish_reason" in done.notes


def test_before_the_first_step_axes_decide_and_the_plan_knows(tales: Folder) -> None:
    tales.edit("max_tokens: 40", "max_tokens: 40, skip_when: \"hero == 'judge'\"")
    plan = tales.plan()
    assert plan.skipped == {"hero == 'judge'": 3}
    assert plan.new_calls == 18
    tales.run()
    assert kinds(tales) == {"PREMISE": 9, "PLOT": 6}


def test_the_bill_learns_from_preview_how_many_are_skipped(tmp_path: Path) -> None:
    recipe = RECIPE.replace("hero: [baker, pilot, nurse, judge]", "hero: {numbers: {min: 1, max: 200}}").replace(
        "place: [Lima, Oslo, Cairo]", "place: [Lima]")
    tales = Folder(tmp_path, recipe)
    tales.says = lambda prompt, turn: (
        "short" if "PREMISE" in prompt and int(re.search(r"\d+", prompt)[0]) % 4 == 0 else f"{prompt} {'x' * 20}")
    ahead = tales.plan().forecast
    assert ahead.decided == 0
    assert ahead.skipped == Range(0, 0, 100), "a guess: at most half"
    assert ahead.calls == 400
    tales.run(rows=40)
    plan = tales.plan()
    gone = plan.skipped["premise|length < 20"]
    assert 4 <= gone <= 16
    assert plan.forecast.decided == 40
    assert plan.forecast.skipped.middle == pytest.approx(160 * gone / 40)
    assert plan.forecast.skipped.low < 40 < plan.forecast.skipped.high
    assert plan.new_calls == 320, "at most"
    assert plan.forecast.calls == round(160 + 160 * (1 - gone / 40))
    assert plan.forecast.usd.high < plan.usd_worst
    assert not plan.forecast.exact
    spent = tales.spent()
    tales.run()
    usd = plan.forecast.usd
    assert usd.low <= tales.spent() - spent <= usd.high
    assert kinds(tales)["PLOT"] == 150


def test_what_the_axes_skip_tells_nothing_of_what_an_answer_will(tmp_path: Path) -> None:
    """A third are skipped by their cell alone: of the others it is as open as before how many will refuse."""
    tales = Folder(tmp_path, RECIPE.replace('"premise|length < 20"', "[refusal, \"hero == 'baker'\"]"))
    ahead = tales.plan().forecast
    assert tales.plan().skipped == {"hero == 'baker'": 3}
    assert ahead.decided == 0
    assert ahead.skipped is not None
    assert ahead.skipped.middle == 0, "a guess, as before"
    tales.says = says
    tales.run(rows=6)
    there = tales.plan()
    open_ = {row.cell["hero"] for row in tales.rows()}
    assert "baker" not in open_
    assert there.forecast.decided == 6 - sum(
        draw.cell["hero"] == "baker" for draw in list(wanted_by(tales))[:6]), "bakers who were asked tell nothing"


def test_a_later_step_that_the_axes_skip_tells_nothing_of_the_one_before(tmp_path: Path) -> None:
    recipe = RECIPE.replace("  - {name: answer", """\
  - {name: middle, user: "MIDDLE of {{premise}}", skip_when: refusal}
  - {name: answer""").replace("premise|length < 20", "hero == 'baker'")
    ahead = Folder(tmp_path, recipe).plan().forecast
    assert ahead.decided == 0


def test_a_refusal_of_a_draw_that_the_axes_skip_as_well_is_no_sample_of_the_others(tmp_path: Path) -> None:
    tales = Folder(tmp_path, RECIPE.replace('"premise|length < 20"', "[refusal, \"hero == 'pilot'\"]"))
    tales.says = says
    tales.run(rows=8)
    pilots = sum(draw.cell["hero"] == "pilot" for draw in list(wanted_by(tales))[:8])
    assert pilots > 0
    ahead = tales.plan().forecast
    assert ahead.decided == 8 - pilots
    assert ahead.skipped is not None
    assert ahead.skipped.middle == 0, "none but pilots refuse"


def test_what_preview_told_stays_known_when_a_condition_is_written_down(tales: Folder) -> None:
    tales.edit(', skip_when: "premise|length < 20"', "")
    tales.run(rows=6)
    assert tales.plan().forecast.answers == 6
    tales.edit('"PLOT of {{premise}}"', '"PLOT of {{premise}}", skip_when: refusal')
    assert tales.plan().forecast.answers == 6


def test_all_skipped_is_no_success(tales: Folder) -> None:
    tales.edit("length < 20", "length < 2000")
    with pytest.raises(YieldError, match=r"of 12 draws skipped 12 by premise\|length < 2000; no row is left"):
        tales.run()


def test_skipped_draws_do_not_count_under_the_floor_and_failures_do(tales: Folder) -> None:
    tales.run()
    tales.edit("length < 20", "length < 19")
    failing = tales.says
    tales.says = lambda prompt, turn: no("content_filter") if "PLOT" in prompt else failing(prompt, turn)
    tales.edit("PLOT of", "PLOT anew of")
    with pytest.raises(YieldError, match="0 of 9 rows got an answer"):
        tales.run()


@pytest.mark.parametrize(("skip", "words", "hint"), [
    ('"premis|length < 80"', "'premis' in skip_when 'premis|length < 80' is not known", "did you mean 'premise'?"),
    ("refusl", "'refusl' in skip_when 'refusl' is not known", "did you mean 'refusal'?"),
    ('"answer|length < 80"', "'answer' in skip_when 'answer|length < 80' is not answered by then", ""),
    ("near_duplicate", "near-duplicate compares rows, and here is one alone", "curate"),
    ("{judge: {rubric: Funny}}", "judge asks a model, on rows that are there", "curate"),
    ("{length: {min: 80}}", "which unit?", ""),
    ("{lenght: {min: 80, unit: chars}}", "unknown rule 'lenght'", "did you mean 'length'?"),
    ('"premise|length <"', "unexpected 'end'", ""),
    ('"premise.__class__ == 1"', "cannot be used", ""),
    ("[[1]]", "skip_when", ""),
])
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    tales: Folder, skip: str, words: str, hint: str
) -> None:
    tales.edit('"premise|length < 20"', skip)
    if "__class__" in skip:
        with pytest.raises(YieldError):
            tales.run()
        return
    for what in (tales.plan, tales.run):
        with pytest.raises(RecipeError) as caught:
            what()
        assert words in caught.value.message
        assert hint in caught.value.hint
        assert not tales.prompts
    assert "tales.yaml:9" in caught.value.message


def test_a_rule_before_the_first_step_has_nothing_to_judge(tales: Folder) -> None:
    tales.edit('max_tokens: 40}', 'max_tokens: 40, skip_when: refusal}')
    with pytest.raises(RecipeError, match="'refusal' is a rule, and there is no answer before this step"):
        tales.plan()


def test_a_word_that_is_a_rule_and_a_step_means_neither(tales: Folder) -> None:
    tales.edit("name: premise", "name: refusal", "PLOT of {{premise}}", "PLOT of {{refusal}}",
               '"premise|length < 20"', "refusal")
    with pytest.raises(RecipeError, match="'refusal' is a rule, and refusal is an axis, a column or a step"):
        tales.plan()
    tales.edit("skip_when: refusal", "skip_when: {refusal: {}}")
    tales.run()
    assert {row.cell["hero"] for row in tales.rows()} == {"baker", "nurse", "judge"}


def test_columns_of_a_source_decide(tmp_path: Path) -> None:
    tales = Folder(tmp_path, RECIPE)
    tales.edit(RECIPE[RECIPE.index("axes:"):RECIPE.index("steps:")], "source: {file: rows.jsonl}\n",
               "PREMISE of a {{hero}} in {{place}}.", "PREMISE of {{topic}}.", "{{hero}}, {{place}}", "{{topic}}",
               '"premise|length < 20"', "\"topic == 'law' or 'sea' in premise\"")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"topic": t}) + "\n" for t in ("law", "sea", "snow")))
    done = tales.run()
    assert [row.fields["topic"] for row in tales.rows()] == ["snow"]
    assert "of 3 draws skipped 2 by topic == 'law' or 'sea' in premise" in done.notes
    (tmp_path / "rows.jsonl").write_text('{"topic": "snow"}\n{"topic": "ice", "note": "x"}\n{"note": "no topic"}\n')
    tales.edit("topic == 'law' or 'sea' in premise", "note|default('') == 'x'")
    done = tales.run()
    assert any("1 row is left out" in note for note in done.notes)
    assert any("1 by note|default('') == 'x'" in note for note in done.notes)


def test_keep_goes_on_past_skipped_draws(tmp_path: Path) -> None:
    tales = keeping(tmp_path)
    from pipeline.generate import Options

    with Dataset.create(tales.home) as dataset:
        *_, kept = keep_rows(tales.recipe, dataset, tales.writer, tales.settings, Options())
    assert isinstance(kept, Kept)
    assert kept.ahead.kept >= 20
    assert len(tales.rows()) == kept.ahead.kept
    assert kinds(tales)["PREMISE"] > kinds(tales)["PLOT"] >= 20
    (told,) = (note for note in kept.made.notes if "skipped" in note)
    assert told.startswith(f"of {kept.made.wanted} draws skipped"), "said once, of all rounds"


def test_keep_sends_no_more_calls_than_a_bill_said(tmp_path: Path) -> None:
    """Half are skipped, which nobody knew: what goes beyond the bill is a bill of its own, and asked about."""
    from pipeline.generate import Options

    tales = keeping(tmp_path)
    bills = [(0, tales.plan().new_calls)]

    def agreed() -> bool:
        bills.append((tales.prompts.total(), tales.plan().new_calls))
        return True

    with Dataset.create(tales.home) as dataset:
        *_, kept = keep_rows(tales.recipe, dataset, tales.writer, tales.settings, Options(), agreed=agreed)
    assert isinstance(kept, Kept)
    assert kept.ahead.kept >= 20
    assert bills[0] == (0, 58)
    assert len(bills) > 1
    for (sent, bill), (later, _) in zip(bills, [*bills[1:], (tales.prompts.total(), 0)], strict=True):
        assert later - sent <= bill


def test_more_calls_that_nobody_agreed_to_are_not_sent(tmp_path: Path) -> None:
    from pipeline.generate import Options

    tales = keeping(tmp_path)
    with Dataset.create(tales.home) as dataset:
        *_, kept = keep_rows(tales.recipe, dataset, tales.writer, tales.settings, Options(), agreed=lambda: False)
    assert isinstance(kept, Kept)
    assert kept.declined
    assert tales.prompts.total() <= 58


def test_the_opening_guess_of_keep_counts_what_the_axes_skip(tmp_path: Path) -> None:
    from pipeline.generate import outlook_of

    tales = Folder(tmp_path, RECIPE.replace("premise|length < 20", "hero == 'baker'").replace(
        "train:", "sample: {keep: 21}\ntrain:"))
    with Dataset(tales.home) as dataset:
        whole, a_round = (outlook_of(tales.recipe, None, dataset, tales.writer, whole=each)[1]
                          for each in (True, False))
    assert whole.share == a_round.share == pytest.approx(0.7 * 0.75, abs=0.06), "one in four heroes is a baker"
    assert whole.more == pytest.approx(40, abs=4)
    assert not whole.measured


def test_rows_that_nobody_judged_are_no_sign_that_none_is_kept(tmp_path: Path) -> None:
    """Of 12 draws 3 were skipped and 9 are rows that wait for a verdict: 9 * 70 % of them, not next to none."""
    from pipeline.generate import outlook_of

    tales = Folder(tmp_path, RECIPE.replace("train:", "curate: [exact_duplicate]\ntrain:"))
    tales.says = says
    tales.run()
    tales.edit("train:", "sample: {keep: 12}\ntrain:")
    with Dataset(tales.home) as dataset:
        ahead = outlook_of(tales.recipe, None, dataset, tales.writer, whole=True)[1]
    assert (ahead.kept, ahead.waiting, ahead.measured) == (0, 9, False)
    assert ahead.share == pytest.approx(0.7 * 0.75)
    assert ahead.more == 11, "12 less 6.3, at 52.5 % each"


def test_of_a_pair_the_second_answer_and_the_judge_are_saved(tmp_path: Path) -> None:
    court = Court(tmp_path, PAIRS.replace("pairs: {second", "pairs: {skip_when: \"'baker' in answer\", second"))
    assert court.plan().forecast.skipped == Range(0, 0, 6)
    assert court.count() == 12 + 2 * 9
    assert len(court.rows()) == 9
    assert court.plan().skipped == {"'baker' in answer": 3}
    assert court.plan().new_calls == 0


def test_plan_and_status_say_it_in_one_line(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "tales.yaml").write_text(RECIPE.replace('model: "scripted:m", ', "").replace(
        "premise|length < 20", "hero == 'baker'"))
    assert main(["plan", "tales"]) == 0
    assert "  skipped  3 by hero == 'baker'\n" in capsys.readouterr().out
    assert main(["generate", "tales"]) == 0
    assert "of 12 draws skipped 3 by hero == 'baker'" in " ".join(capsys.readouterr().err.split())
    assert main(["status", "tales"]) == 0
    shown = capsys.readouterr()
    assert "skipped  3 by hero == 'baker'" in shown.out
    assert "synth generate tales" not in shown.err + shown.out, "nothing is missing"


def test_keep_ends_where_all_are_skipped_and_says_why(tmp_path: Path) -> None:
    from pipeline.generate import Options

    tales = keeping(tmp_path)
    tales.says = lambda prompt, turn: f"no {prompt.split()[3]}"
    with Dataset.create(tales.home) as dataset, pytest.raises(YieldError) as caught:
        list(keep_rows(tales.recipe, dataset, tales.writer, tales.settings, Options()))
    assert re.search(r"skipped: \d+ by premise\|length < 20", caught.value.message)
    assert kinds(tales)["PREMISE"] < 120
    assert kinds(tales)["PLOT"] == 0


def test_where_all_is_skipped_status_sends_to_the_plan(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = RECIPE.replace('model: "scripted:m", ', "")
    (workdir / "tales.yaml").write_text(recipe.replace("length < 20", "length > 0"))
    assert main(["generate", "tales"]) == 3
    assert "of 12 draws skipped 12 by premise|length > 0; no row is left" in " ".join(capsys.readouterr().err.split())
    assert main(["status", "tales"]) == 0
    assert "next   synth plan tales" in capsys.readouterr().err


def test_a_condition_that_no_row_can_decide_is_told_with_the_bill_and_at_the_end(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = RECIPE.replace('model: "scripted:m", ', "")
    lines = text.replace('"premise|length < 20"', "\"premise|length < '20'\"").splitlines()
    (workdir / "tales.yaml").write_text("\n".join(lines))
    at = next(number for number, line in enumerate(lines, 1) if "skip_when" in line)
    assert main(["generate", "tales"]) == 3
    told = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert f"note tales.yaml:{at}: the condition" in told.split("bill")[0]
    assert "could be made: 12 rows are left out" in told
    assert "synth plan tales" in told
