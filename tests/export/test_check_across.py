"""What shows only over rows: twins, near twins, leaks, contradictions, drift, loops, lengths; and what does not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from pipeline.export.check import check_file
from pipeline.types import Problem

WORDS = ["plum", "fig", "apple", "pear", "quince", "grape", "melon", "lemon", "olive", "peach", "cherry", "date"]


def text(seed: int, count: int = 60) -> str:
    pick = random.Random(seed)
    return " ".join(pick.choice(WORDS) for _ in range(count))


def chat(asked: str, said: str, system: str | None = None) -> dict[str, Any]:
    told = [{"role": "system", "content": system}] if system is not None else []
    return {"messages": [*told, {"role": "user", "content": asked}, {"role": "assistant", "content": said}]}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def found(path: Path, **options: Any) -> list[tuple[str, str]]:
    problems: list[Problem] = []
    check_file(path, problems.append, groups="C", **options)
    return [(problem.code, problem.where.rpartition(":")[2]) for problem in problems if problem.code != "too-few-rows"]


def test_rows_that_differ_are_left_alone(tmp_path: Path) -> None:
    assert found(write(tmp_path / "a.jsonl", [chat(f"Q{i}", text(i), "Be kind.") for i in range(40)])) == []


def test_twins_by_what_they_say_and_not_by_their_bytes(tmp_path: Path) -> None:
    rows = [chat(f"Q{i}", text(i)) for i in range(12)]
    path = write(tmp_path / "a.jsonl", rows)
    other = json.dumps({"messages": [{"content": "Q3", "role": "user"}, {**rows[3]["messages"][1], "weight": 1}]},
                       separators=(",", ":"))
    path.write_text(path.read_text() + other + "\n")
    assert found(path) == [("duplicate-row", "13")]


def test_answers_that_are_nearly_the_same(tmp_path: Path) -> None:
    rows = [chat(f"Q{i}", text(i, 120)) for i in range(12)]
    rows.append(chat("Another question", text(4, 120).replace("plum", "Plum,") + " indeed"))
    assert found(write(tmp_path / "a.jsonl", rows)) == [("near-duplicate", "13")]
    short = [chat(f"Q{i}", "a plum") for i in range(12)]
    assert found(write(tmp_path / "b.jsonl", short)) == [], "a label goes with many prompts"


def test_one_prompt_with_two_labels(tmp_path: Path) -> None:
    rows = [chat(f"Is {i} odd?", "yes" if i % 2 else "no") for i in range(12)]
    assert found(write(tmp_path / "a.jsonl", [*rows, chat("Is 3 odd?", "no")])) == [("conflicting-answers", "13")]
    told = [*rows, chat("Is 3 odd?", "no", "Always say the opposite.")]
    assert ("conflicting-answers", "13") not in found(write(tmp_path / "b.jsonl", told)), "another system text"
    stories = [chat("Tell a story", text(i)) for i in range(12)]
    assert found(write(tmp_path / "c.jsonl", stories)) == [("several-answers", "2")]


def test_system_texts_that_drift(tmp_path: Path) -> None:
    rows = [chat(f"Q{i}", text(i), "You are a kind assistant.") for i in range(30)]
    rows[7] = chat("Q7", text(7), "You are a kind asistant.")
    rows[9] = chat("Q9", text(9))
    assert found(write(tmp_path / "a.jsonl", rows)) == [("no-system", "10"), ("system-drift", "8")]
    many = [chat(f"Q{i}", text(i), f"You are number {i}.") for i in range(30)]
    assert found(write(tmp_path / "b.jsonl", many)) == [], "each row has its own: that is no drift"


def test_answers_that_go_round_and_that_refuse(tmp_path: Path) -> None:
    rows = [chat(f"Q{i}", text(i)) for i in range(12)]
    rows[2] = chat("Q2", text(2) + " and so it was said once more, and" * 9)
    rows[5] = chat("Q5", "I'm sorry, but I can't help with that request.")
    rows[6] = chat("Q6", text(6) + "\n" + "-" * 500)
    rows[8] = chat("Q8", "\n".join(f"{i}. {text(i, 6)}" for i in range(40)))
    assert found(write(tmp_path / "a.jsonl", rows)) == [("goes-round", "3"), ("refusal", "6")]


def test_an_answer_that_stops_in_the_middle(tmp_path: Path) -> None:
    rows = [chat(f"Q{i}", text(i) + ".") for i in range(30)]
    rows[11] = chat("Q11", text(11) + " and then he bega")
    rows[12] = chat("Q12", "a plum")
    assert found(write(tmp_path / "a.jsonl", rows)) == [("seems-cut", "12")]
    open_ = [chat(f"Q{i}", text(i)) for i in range(30)]
    assert found(write(tmp_path / "b.jsonl", open_)) == [], "where most end so, it is their way"


def test_an_answer_far_longer_than_the_others(tmp_path: Path) -> None:
    rows = [chat(f"Q{i}", text(i, 12)) for i in range(20)]
    rows[4] = chat("Q4", text(4, 2000))
    assert found(write(tmp_path / "a.jsonl", rows)) == [("far-longer", "5")]


def test_pairs_that_teach_length(tmp_path: Path) -> None:
    def pair(number: int, better: str, worse: str) -> dict[str, Any]:
        outputs = {"preferred_output": better, "non_preferred_output": worse}
        asked = {"input": {"messages": [{"role": "user", "content": f"Q{number}"}]}}
        return asked | {key: [{"role": "assistant", "content": said}] for key, said in outputs.items()}

    long = [pair(i, text(i, 20), text(i + 100, 8)) for i in range(20)]
    assert [code for code, _ in found(write(tmp_path / "a.jsonl", long))] == ["length-bias"]
    mixed = [pair(i, text(i, 20 - 12 * (i % 2)), text(i + 100, 8 + 12 * (i % 2))) for i in range(20)]
    assert found(write(tmp_path / "b.jsonl", mixed)) == []


def test_train_and_validation(tmp_path: Path) -> None:
    train = write(tmp_path / "t.jsonl", [chat(f"Q{i}", text(i)) for i in range(12)])
    held = write(tmp_path / "v.jsonl", [chat("Q3", text(3)), chat(" q4 ", text(90)), chat("Q99", text(99))])
    assert found(train, validation=held) == [("in-both-files", "1"), ("prompt-in-both-files", "2")]


def test_memory_is_some_bytes_a_row(tmp_path: Path) -> None:
    """Rows of 400 characters; what is kept of each are hashes and sizes."""
    import tracemalloc

    def peak(rows: int) -> int:
        path = write(tmp_path / f"{rows}.jsonl", [chat(f"Q{i}", text(i)) for i in range(rows)])
        tracemalloc.start()
        check_file(path, lambda problem: None, groups="ABC")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    import pipeline.export.check as check

    near, check.NEAR_BYTES = check.NEAR_BYTES, 0
    try:
        peak(10)
        assert (peak(12_000) - peak(4_000)) / 8_000 < 150
    finally:
        check.NEAR_BYTES = near
