"""Rows from a recipe: what is there costs nothing, what fails is a row, and a run says how it ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.engine import Progress
from pipeline.errors import CapReached, DataError, ProviderError, RecipeError, YieldError
from pipeline.generate import Options, generate
from pipeline.store import Dataset
from tests.engine.scripted import answer, no
from tests.generate.folder import PRICE, RECIPE, Folder


@pytest.fixture
def tales(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_run_makes_the_rows_and_a_rerun_costs_nothing(tales: Folder) -> None:
    done = tales.run()
    assert (done.wanted, done.standing, done.added, done.interrupted) == (12, 12, 12, False)
    assert set(tales.prompts.values()) == {1}
    row = next(row for row in tales.rows() if row.cell == {"hero": "pilot", "place": "Oslo"})
    assert row.messages == [
        {"role": "user", "content": "pilot, Oslo"},
        {"role": "assistant", "content": "story: A tale of a pilot in Oslo."},
    ]
    assert row.provenance["cost_usd"] == pytest.approx((10 + 200) / 1e6)
    promised = {"writer", "train", "draw", "repeat", "model", "namespace", "finish_reason", "rehearsal", "created"}
    assert promised <= set(row.provenance)
    before = tales.file.read_bytes()
    again = tales.run()
    assert (again.wanted, again.standing, again.added) == (12, 12, 0)
    assert again.progress.reused == 12
    assert tales.prompts.total() == 12
    assert tales.file.read_bytes() == before
    assert tales.failures() == []


def test_three_rows_first_and_then_all(tales: Folder) -> None:
    assert tales.asked(rows=3) == 3
    three = {row.id for row in tales.rows()}
    assert tales.plan().new_calls == 9
    assert tales.asked() == 9
    assert three < {row.id for row in tales.rows()}
    assert tales.asked(rows=3) == 0
    assert tales.states() == {"wanted": 12}, "a preview withdraws nothing"


def test_a_deleted_file_is_made_again_without_a_call(tales: Folder) -> None:
    tales.run()
    before = {row.id: row.messages for row in tales.rows()}
    tales.file.unlink()
    assert tales.asked() == 0
    assert {row.id: row.messages for row in tales.rows()} == before


def test_everything_but_the_calls_can_be_deleted(tales: Folder) -> None:
    tales.run()
    before = {row.id: row.messages for row in tales.rows()}
    for path in list(tales.home.iterdir()):
        if path.is_file():
            path.unlink()
    (tales.home / "calls" / "index.sqlite").unlink()
    assert tales.asked() == 0
    assert {row.id: row.messages for row in tales.rows()} == before


def test_machines_merge_by_copying_their_calls(tales: Folder, tmp_path: Path) -> None:
    tales.run(rows=7)
    (tmp_path / "there").mkdir()
    other = Folder(tmp_path / "there")
    other.run()
    for path in (other.home / "calls").glob("*.jsonl"):
        (tales.home / "calls" / f"there-{path.name}").write_bytes(path.read_bytes())
    assert tales.plan().new_calls == 0
    assert tales.asked() == 0, "no row passes for deleted by hand"
    assert len(tales.rows()) == 12


def test_repeats_and_salt(tmp_path: Path) -> None:
    recipe = RECIPE.replace("prompt:", "sample: {repeats: 3, rows: 30}\nprompt:")
    tales = Folder(tmp_path, recipe.replace("}}.\"}", "}}.\", salt: true}"))
    assert tales.plan().new_calls == 30
    tales.run()
    assert len(tales.prompts) == 30, "salt tells equal cells apart"
    assert len({row.id for row in tales.rows()}) == 30
    assert tales.asked() == 0
    tales.edit("seed: 3", "seed: 4")
    assert tales.plan().reused == 0, "the seed is in the salt"


def test_repeats_without_salt_are_separate_questions(tmp_path: Path) -> None:
    tales = Folder(tmp_path, RECIPE.replace("prompt:", "sample: {repeats: 2}\nprompt:"))
    tales.says = lambda prompt, turn: f"take {turn} of {prompt}"
    assert tales.plan().new_calls == 24
    tales.run()
    assert set(tales.prompts.values()) == {2}
    assert len(tales.rows()) == 24
    assert tales.asked() == 0


def test_equal_questions_of_different_cells_are_asked_and_counted_once(tmp_path: Path) -> None:
    tales = Folder(tmp_path, RECIPE.replace(" in {{place}}.", "."))
    plan = tales.plan()
    assert (plan.wanted, plan.new_calls) == (12, 4)
    worst = plan.usd_worst
    tales.run()
    assert tales.prompts.total() == 4
    assert worst is not None
    assert tales.spent() <= worst
    assert len(tales.rows()) == 12


STEPS = RECIPE.replace('prompt: {user: "A tale of a {{hero}} in {{place}}."}', """\
steps:
  - {name: premise, user: "A premise about a {{hero}}."}
  - {name: answer, user: "A tale from: {{premise}}", system: "In {{place}}.", max_tokens: 50}
""")


def test_several_steps(tmp_path: Path) -> None:
    tales = Folder(tmp_path, STEPS)
    plan = tales.plan()
    assert plan.new_calls == 4 + 12, "premises are shared by the places, tales are not"
    tales.run()
    assert tales.prompts.total() == 16
    row = next(row for row in tales.rows() if row.cell["hero"] == "judge")
    assert row.fields == {"premise": "story: A premise about a judge."}
    assert row.answer == "story: A tale from: story: A premise about a judge."
    assert [ref.role for ref in row.calls] == ["step:premise", "step:answer"]
    assert row.provenance["output_tokens"] == 40
    assert tales.asked() == 0
    tales.edit("A tale from:", "A long tale from:")
    assert tales.plan().new_calls == 12, "the premises stand"
    assert tales.asked() == 12


def test_a_step_that_fails_makes_no_row_and_costs_only_itself_again(tmp_path: Path) -> None:
    tales = Folder(tmp_path, STEPS)
    tales.says = lambda prompt, turn: no("server", status=500) if prompt.startswith("A tale") else prompt
    with pytest.raises(YieldError):
        tales.run()
    assert tales.rows() == []
    premises = sum(count for prompt, count in tales.prompts.items() if prompt.startswith("A premise"))
    tales.says = lambda prompt, turn: prompt
    tales.run()
    assert len(tales.rows()) == 12
    assert sum(count for prompt, count in tales.prompts.items() if prompt.startswith("A premise")) == premises == 4


# -- failures ------------------------------------------------------------------------------------

def test_failures_are_rows_and_are_tried_again_by_class(tales: Folder) -> None:
    kinds = {"baker": "refused", "pilot": "length", "nurse": "server"}

    def says(prompt: str, turn: int):
        kind = next((kind for hero, kind in kinds.items() if hero in prompt), None)
        return no(kind, f"no: {kind}") if kind else "fine"  # type: ignore[arg-type]

    tales.says = says
    tales.edit("max_tokens: 100", "max_tokens: 100, floor: 0.2")
    done = tales.run()
    assert (done.wanted, done.standing, done.added) == (12, 3, 3)
    assert done.progress.failures == {"refused": 3, "length": 3, "server": 3}
    failed = sorted(row["failure"]["kind"] for row in tales.failures())
    assert failed == ["length"] * 3 + ["refused"] * 3 + ["server"] * 3
    assert all(row["failure"]["message"].startswith("no: ") for row in tales.failures())
    assert tales.asked() == 6, "the server's fault is tried again, with one retry each; the others would be the same"
    assert tales.asked(retry=("length",)) == 3 + 6
    kinds.clear()
    assert tales.asked(retry=("refused",)) == 3 + 3
    assert [row["failure"]["kind"] for row in tales.failures()] == ["length"] * 3
    assert tales.asked(retry=()) == 3
    assert tales.failures() == []
    assert len(tales.rows()) == 12


def test_under_the_floor_is_an_exit_of_its_own_and_keeps_what_came(tales: Folder) -> None:
    tales.says = lambda prompt, turn: "fine" if "baker" in prompt else no("refused")
    with pytest.raises(YieldError) as caught:
        tales.run()
    assert caught.value.exit_code == 3
    for word in ("3 of 12", "50%", "9 refused"):
        assert word in caught.value.message
    assert "failures.jsonl" in caught.value.hint
    assert len(tales.rows()) == 3
    with pytest.raises(YieldError, match="no new failure"):
        tales.run()
    tales.edit("max_tokens: 100", "max_tokens: 100, floor: 0.25")
    tales.run()


def test_zero_rows_are_never_a_success(tales: Folder) -> None:
    tales.says = lambda prompt, turn: no("refused")
    tales.edit("max_tokens: 100", "max_tokens: 100, floor: 0")
    with pytest.raises(YieldError, match="0 of 12"):
        tales.run()


def test_rows_deleted_by_hand_do_not_count_as_failures(tales: Folder) -> None:
    tales.run()
    tales.file.write_bytes(b"".join(tales.file.read_bytes().splitlines(keepends=True)[:2]))
    done = tales.run(adopt=True)
    assert (done.standing, done.wanted) == (2, 12)
    assert tales.run().standing == 2, "a decision, not a low yield"


@pytest.mark.parametrize("failure", [no("quota", "no credit left"), no("auth", "wrong key")])
def test_what_stops_a_run_keeps_everything(tales: Folder, failure) -> None:
    tales.says = lambda prompt, turn: failure if tales.prompts.total() > 5 else "fine"
    with pytest.raises(ProviderError, match=failure.message):
        tales.run()
    assert len(tales.rows()) == 5
    assert {row["failure"]["kind"] for row in tales.failures()} == {failure.kind}
    tales.says = lambda prompt, turn: "fine"
    assert tales.asked() == 7
    assert tales.failures() == []


# -- money ---------------------------------------------------------------------------------------

def test_the_plan_says_what_the_run_does(tales: Folder) -> None:
    plan = tales.plan()
    assert (plan.cells, plan.wanted, plan.reused, plan.new_calls, plan.measured) == (12, 12, 0, 12, False)
    assert plan.usd_expected is not None
    assert plan.usd_worst is not None
    assert plan.usd_expected < plan.usd_worst
    assert len(plan.prompts) == 2
    assert not tales.home.exists(), "planning writes nothing"
    tales.run()
    assert tales.spent() <= plan.usd_worst
    after = tales.plan()
    assert (after.reused, after.new_calls, after.usd_expected, after.usd_worst, after.measured) == (12, 0, 0, 0, True)
    tales.price = None
    assert (tales.plan().usd_expected, tales.plan().usd_worst) == (0, 0), "nothing to pay has a price"
    tales.edit("Lima", "Quito")
    assert (tales.plan().usd_expected, tales.plan().usd_worst) == (None, None)


def test_the_cap_keeps_everything_and_holds_over_runs(tales: Folder) -> None:
    tales.says = lambda prompt, turn: answer(prompt)
    tales.settings = tales.settings.model_copy(update={"max_usd": 0.002})
    with pytest.raises(CapReached):
        tales.run()
    made = len(tales.rows())
    assert 0 < made < 12
    assert tales.spent() <= 0.002
    for _ in range(5):
        with pytest.raises(CapReached):
            tales.run()
    assert tales.spent() <= 0.002
    tales.settings = tales.settings.model_copy(update={"max_usd": 1.0})
    tales.run()
    assert len(tales.rows()) == 12
    assert set(tales.prompts.values()) == {1}


def test_a_cap_that_cannot_be_kept_is_refused_before_anything_is_sent(tales: Folder) -> None:
    tales.settings = tales.settings.model_copy(update={"max_usd": 1.0})
    tales.price = None
    with pytest.raises(RecipeError, match="price"):
        tales.run()
    tales.price = PRICE
    tales.edit(", max_tokens: 100", "")
    with pytest.raises(RecipeError, match="output limit"):
        tales.run()
    assert tales.prompts.total() == 0


# -- hands ---------------------------------------------------------------------------------------

def by_hand(tales: Folder) -> bytes:
    lines = tales.file.read_bytes().splitlines(keepends=True)
    row = json.loads(lines[4])
    row["messages"][-1]["content"] = "my own"
    mine = b"".join([*lines[:2], *lines[3:4], json.dumps(row).encode() + b"\n", *lines[5:]])
    tales.file.write_bytes(mine)
    return mine


def test_a_changed_file_is_named_with_the_two_ways_on(tales: Folder) -> None:
    tales.run()
    mine = by_hand(tales)
    with pytest.raises(DataError) as caught:
        tales.run()
    assert "1 row deleted, 1 edited by hand" in caught.value.message
    assert "--adopt" in caught.value.hint
    assert "--restore" in caught.value.hint
    assert tales.file.read_bytes() == mine


def test_adopt(tales: Folder) -> None:
    tales.run()
    mine = by_hand(tales)
    assert tales.asked(adopt=True) == 0
    assert tales.asked() == 0
    assert tales.file.read_bytes() == mine


def test_restore(tales: Folder) -> None:
    tales.run()
    before = {row.id: row.messages for row in tales.rows()}
    mine = by_hand(tales)
    assert tales.asked(restore=True) == 0
    assert {row.id: row.messages for row in tales.rows()} == before
    assert any(path.read_bytes() == mine for path in tales.home.glob("samples.by-hand-*.jsonl"))


# -- in use, damaged -----------------------------------------------------------------------------

def test_what_was_adopted_outlives_the_file(tales: Folder) -> None:
    tales.run()
    lines = tales.file.read_bytes().splitlines(keepends=True)
    lines[0] = lines[0].replace(b"story: A tale", b"mine: A tale")
    added = b'{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"added"}]}\n'
    tales.file.write_bytes(b"".join(lines[:-2]) + added)
    tales.run(adopt=True)
    before = {(row.id, row.answer) for row in tales.rows()}
    tales.file.unlink()
    done = tales.run()
    assert {(row.id, row.answer) for row in tales.rows()} == before
    assert done.notes == (
        "samples.jsonl was gone; rows: 9 made again for nothing, 2 edited by hand are back, 2 stay deleted",)
    assert len(tales.standing()) == 11
    assert tales.prompts.total() == 12
    tales.run(restore=True)
    assert sorted(row.answer for row in tales.rows()) == sorted(f"story: {prompt}" for prompt in tales.prompts)
    assert tales.run().added == 0


def test_in_use_by_another(tales: Folder) -> None:
    with (
        Dataset.create(tales.home) as dataset, dataset.lock("samples", "augment"),
        pytest.raises(DataError, match="in use by `synth augment`"),
    ):
        tales.run()
    assert tales.prompts.total() == 0


def test_a_damaged_answer_is_asked_again_and_no_other(tales: Folder) -> None:
    tales.run()
    (path,) = (tales.home / "calls").glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    hurt = next(number for number, line in enumerate(lines) if b'"answered"' in line)
    lines[hurt] = lines[hurt].replace(b"story", b"glory")
    path.write_bytes(b"".join(lines))
    assert tales.asked() == 1
    assert len(tales.rows()) == 12
    with Dataset.open(tales.home) as dataset:
        assert [problem.where for problem in dataset.calls.problems()] == [f"{path}:{hurt + 1}"]


def test_a_full_disk_is_not_a_row_that_was_left_out(tales: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from pipeline.store.writer import SampleWriter

    real = SampleWriter._ready

    def ready(writer: SampleWriter) -> int:
        if writer.added == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(writer)

    monkeypatch.setattr(SampleWriter, "_ready", ready)
    with pytest.raises(DataError, match="No space left"):
        tales.run()
    assert tales.prompts.total() < 12, "the run stopped"
    monkeypatch.undo()
    tales.run()
    assert len(tales.rows()) == 12
    assert set(tales.prompts.values()) == {1}


def test_a_row_whose_template_fails_on_its_own_values_is_a_record(tmp_path: Path) -> None:
    recipe = RECIPE.replace("hero: [baker, pilot, nurse, judge]", "n: [0, 1, 2, 4]")
    recipe = recipe.replace("a {{hero}}", "{{ 8 / n }}").replace("{{hero}}", "{{n}}")
    tales = Folder(tmp_path, recipe)
    done = tales.run()
    assert (done.wanted, done.standing) == (12, 9)
    assert any("3 rows are left out" in note for note in done.notes), done.notes


def test_nothing_is_left_open_when_a_run_is_refused(tales: Folder) -> None:
    tales.write(RECIPE.replace("{{hero}} in", "{{hreo}} in"))
    with pytest.raises(RecipeError, match="hreo"):
        tales.run()
    tales.write(RECIPE)
    tales.run()


def test_the_panel_counts_rows_that_rules_keep(tales: Folder) -> None:
    with Dataset.create(tales.home) as dataset:
        keeps = Options(keeps=lambda sample: sample.cell["hero"] == "baker")
        seen: list[tuple[int, int | None]] = []

        def report(progress: Progress) -> None:
            seen.append((progress.done, progress.kept))

        done = generate(tales.recipe, dataset, tales.writer, tales.settings, keeps, report)
    assert (done.progress.done, done.progress.kept, done.progress.total) == (12, 3, 12)
    assert seen[-1] == (12, 3)


def test_many_draws_are_made_anew_rather_than_held(tales: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.generate import run

    monkeypatch.setattr(run, "HELD", 5)
    assert tales.asked() == 12
    assert tales.asked() == 0
    assert tales.states() == {"wanted": 12}
