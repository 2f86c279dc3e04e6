"""What a model is judged by was never trained on, whatever happened to the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.evaluate.finetunes import tuned_model
from pipeline.evaluate.held_out import HeldOut, held_out, rows_of, training_answers
from pipeline.store import Dataset
from tests.evaluate import tuned


def choose(path: Path, prompts: int = 5, answers: int = 50, seed: int = 0) -> HeldOut:
    with Dataset.open(path) as dataset:
        return held_out(dataset, tuned_model(dataset), prompts, answers, seed)


@pytest.fixture
def plots(tmp_path: Path) -> Path:
    rows = [tuned.row(number) for number in range(60)]
    return tuned.dataset(tmp_path / "plots", rows[:40], rows[40:], [tuned.sample(number) for number in range(60)])


def test_prompts_are_of_the_validation_file_each_once_with_the_row_that_they_come_from(plots: Path) -> None:
    found = choose(plots)
    assert (found.rows, len(found.prompts), len(found.answers), found.notes) == (20, 5, 20, [])
    numbers = [int(row.sample[3:]) for row in (*found.prompts, *found.answers) if row.sample]
    assert len(numbers) == 25
    assert set(numbers) <= set(range(40, 60))
    assert len({row.asked for row in found.prompts}) == 5
    for row in found.prompts:
        assert row.messages[:-1] == row.prompt
        assert row.messages[-1]["content"] == row.reference
        assert row.shown.endswith("PLOT OUTLINE:")


def test_a_seed_chooses_the_same_rows_whatever_the_order_and_another_seed_others(plots: Path, tmp_path: Path) -> None:
    there = [row.key for row in choose(plots).prompts]
    assert there == [row.key for row in choose(plots).prompts]
    assert there != [row.key for row in choose(plots, seed=1).prompts]
    rows = [tuned.row(number) for number in range(60)]
    other = tuned.dataset(tmp_path / "other", rows[:40], rows[:39:-1])
    assert there == [row.key for row in choose(other).prompts]


def test_rows_and_prompts_that_were_trained_on_are_left_out_and_counted(tmp_path: Path) -> None:
    train = [tuned.row(number) for number in range(40)]
    held = [tuned.row(1), tuned.row(2, "Another answer to a prompt that was trained on."), tuned.row(50), tuned.row(51)]
    found = choose(tuned.dataset(tmp_path / "plots", train, held))
    assert {row.line for row in found.prompts} == {3, 4}
    assert {row.line for row in found.answers} == {2, 3, 4}, "its own answer is new all the same"
    assert found.notes == [
        "1 of 4 held-out rows stand in the training file too, and were left out",
        "2 of 4 held-out prompts stand in the training file too, and were not asked",
        "2 prompts are held out, 5 were asked for",
    ]


def test_a_validation_file_equal_to_the_training_file_judges_nothing(tmp_path: Path) -> None:
    rows = [tuned.row(number) for number in range(12)]
    with pytest.raises(DataError, match="every row of it stands in"):
        choose(tuned.dataset(tmp_path / "plots", rows, rows))


def test_nothing_held_out_is_said_with_the_way_on(tmp_path: Path) -> None:
    path = tuned.dataset(tmp_path / "plots", [tuned.row(number) for number in range(12)], [])
    with pytest.raises(DataError, match="nothing was held out") as error:
        choose(path)
    assert "export.validation=0.1" in error.value.hint


@pytest.mark.parametrize("side", ["train", "validation"])
def test_files_that_changed_since_the_tuning_prove_nothing(plots: Path, side: str) -> None:
    path = plots / "exports" / "openai-chat" / f"{side}.jsonl"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(DataError, match=f"{side}.jsonl: changed since t1tuned0aa was tuned"):
        choose(plots)
    path.unlink()
    with pytest.raises(DataError, match="No such file"):
        choose(plots)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tuned.dataset(tmp_path / "plots", [tuned.row(1)], [tuned.row(2)])
    file = path / "exports" / "openai-chat" / "validation.jsonl"
    file.write_text('{"messages": 3}\n')
    with pytest.raises(DataError, match=r"validation.jsonl:1: cannot be read back"):
        list(rows_of(file))


def test_the_last_answer_that_is_trained_on_counts(tmp_path: Path) -> None:
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "Two.", "weight": 0}, {"role": "user", "content": "Three?"},
            {"role": "assistant", "content": "Four.", "weight": 1}, {"role": "user", "content": "Five?"},
            {"role": "assistant", "content": "Six.", "weight": 0}]
    calls = [{"role": "user", "content": "Call."},
             {"role": "assistant", "content": None,
              "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]
    alone = [{"role": "assistant", "content": "An answer alone."}]
    file = tmp_path / "train.jsonl"
    tuned.write(file, [{"messages": talk}, {"messages": calls}, {"messages": alone}])
    first, last = rows_of(file)
    assert (first.reference, first.shown, first.line) == ("Four.", "Three?", 1)
    assert [message["role"] for message in first.prompt] == ["system", "user", "assistant", "user"]
    assert "weight" not in str(first.messages)
    assert (last.reference, last.prompt, last.line) == ("An answer alone.", [], 3)
    assert list(training_answers(file)) == ["Four.", "An answer alone."]


def test_answers_without_a_prompt_have_a_loss_and_nothing_to_ask(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "assistant", "content": f"Quote {number}."}]} for number in range(20)]
    found = choose(tuned.dataset(tmp_path / "quotes", rows[:15], rows[15:]))
    assert (len(found.prompts), len(found.answers)) == (0, 5)
    assert "nothing was written" in found.notes[0]


def test_a_tuned_model_is_found_by_the_beginning_of_its_id_or_is_the_last_one(plots: Path) -> None:
    data = {"train": {"path": "a", "sha256": "b", "rows": 1}, "validation": None}
    tuned.finetune(plots, "t2later0bb", data, finished="2026-11-22T08:00:00Z")
    tuned.finetune(plots, "t3failed0c", data, finished="2026-11-23T08:00:00Z", state="failed", model=None)
    with Dataset.open(plots) as dataset:
        assert tuned_model(dataset).id == "t2later0bb"
        assert tuned_model(dataset, "t1").id == "t1tuned0aa"
        with pytest.raises(DataError, match="begins several ids: t1tuned0aa, t2later0bb"):
            tuned_model(dataset, "t")
        with pytest.raises(DataError, match="no tuned model's id begins with 't1tunedOaa'") as error:
            tuned_model(dataset, "t1tunedOaa")
        assert error.value.hint == "did you mean 't1tuned0aa'?"


def test_no_tuned_model_yet(tmp_path: Path) -> None:
    with Dataset.create(tmp_path / "plots") as dataset, pytest.raises(DataError, match="no model was tuned") as error:
        tuned_model(dataset)
    assert error.value.hint == "synth finetune plots"
