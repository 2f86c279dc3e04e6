"""`check`: each fault of a file found, counted and placed, and none hides another."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError, RecipeError
from pipeline.export import Options, export
from pipeline.export.check import Checked, check_dataset, check_file
from pipeline.store.dataset import Dataset
from pipeline.types import Problem, Sample


def chat(number: int, answer: str = "A", **more: Any) -> dict[str, Any]:
    asked = {"role": "user", "content": f"Q{number}"}
    return {"messages": [asked, {"role": "assistant", "content": answer, **more}]}


def checked(path: Path, **options: Any) -> tuple[list[Checked], list[Problem]]:
    problems: list[Problem] = []
    return check_file(path, problems.append, **options), problems


def write(path: Path, *lines: bytes | dict[str, Any]) -> Path:
    path.write_bytes(b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines))
    return path


def test_a_clean_file(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", *(chat(i) for i in range(12)))
    (done,), problems = checked(path, target="openai")
    assert problems == []
    assert (done.format, done.rows, done.errors) == ("openai-chat", 12, 0)


FAULTS: list[tuple[bytes | dict[str, Any], str, list[str]]] = [
    (chat(1), "", []),
    (b"", "note->error", ["blank-line"]),
    (b"{", "", ["json"]),
    (b"[1, 2]", "", ["not-an-object"]),
    (b'{"messages": [], "messages": []}', "", ["duplicate-key", "no-messages"]),
    ({"prompt": "p", "completion": "c"}, "", ["mixed-shapes"]),
    ({"mesages": []}, "", ["unknown-shape"]),
    (chat(8, " \n"), "", ["empty-answer"]),
    ({"messages": [{"role": "user", "content": "Q9"}]}, "", ["no-answer"]),
    ({"messages": [*chat(10)["messages"], {"role": "user", "content": "more"}]}, "", ["last-turn-not-assistant"]),
    ({"messages": [{"role": "human", "content": "Q11"}, *chat(11)["messages"]]}, "", ["unknown-role"]),
    (chat(12, weight=0), "", ["nothing-trained"]),
    (chat(13, weight=2), "", ["bad-weight"]),
    (
        {"messages": [{"role": "user", "content": "Q14", "weight": 1}, chat(14)["messages"][1]]},
        "",
        ["weight-not-on-answer"],
    ),
    (chat(15, "a<|fim_suffix|>"), "", ["special-token"]),
    (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "", ["lone-surrogate"]),
    (b'{"messages": NaN}', "", ["not-a-number"]),
    (b'{"messages": "\xff"}', "", ["encoding"]),
    (chat(1), "", ["duplicate-row"]),
    (
        chat(20, tool_calls=[{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}]),
        "",
        ["bad-arguments"],
    ),
]


def test_none_hides_another(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", *(line for line, _, _ in FAULTS))
    (done,), problems = checked(path)
    wanted = [(f"{path}:{number}", code) for number, (_, _, codes) in enumerate(FAULTS, 1) for code in codes]
    over_rows = [place for place in wanted if place[1] == "duplicate-row"]  # comes last
    assert [(p.where, p.code) for p in problems] == [place for place in wanted if place not in over_rows] + over_rows
    assert all(problem.fix and problem.message for problem in problems)
    assert done.codes == Counter(code for _, code in wanted)
    assert done.errors == len(wanted) - 1  # a duplicate row is a warning
    assert done.errors + done.warnings + done.notes == len(problems)


def test_bom_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(chat(i)).encode() for i in range(12)))
    _, problems = checked(tmp_path / "a.jsonl")
    assert [(p.code, p.severity) for p in problems] == [
        ("bom", "error"),
        ("crlf", "warning"),
        ("no-final-newline", "note"),
    ]
    (tmp_path / "pretty.jsonl").write_text(json.dumps([chat(i) for i in range(12)], indent=1))
    (done,), problems = checked(tmp_path / "pretty.jsonl")
    assert [(p.code, p.severity) for p in problems] == [("not-lines", "error")]
    assert done.rows == 12


def test_too_few_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", *(chat(i) for i in range(9)))
    assert [(p.code, p.severity) for p in checked(path)[1]] == [("too-few-rows", "warning")]
    assert [(p.code, p.severity) for p in checked(path, target="openai")[1]] == [("too-few-rows", "error")]
    assert checked(path, target="prompt-completion", groups="A")[0][0].codes["too-few-rows"] == 0
    empty = write(tmp_path / "empty.jsonl")
    assert [p.code for p in checked(empty)[1]] == ["no-rows"]


def test_train_and_validation_overlap(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", *(chat(i) for i in range(20)))
    held = write(
        tmp_path / "held.jsonl",
        chat(30),
        chat(7),
        chat(8, "other"),
        {"messages": [{"role": "user", "content": " q9 "}, {"role": "assistant", "content": "A"}]},
    )
    done, problems = checked(train, validation=held)
    assert [(p.code, p.where) for p in problems] == [
        ("in-both-files", f"{held}:2"),
        ("prompt-in-both-files", f"{held}:3"),
        ("prompt-in-both-files", f"{held}:4"),
    ]
    assert "line 8" in problems[0].message
    assert [one.errors for one in done] == [0, 1]
    again = checked(train, validation=train)[1]
    assert [p.code for p in again] == ["in-both-files"] * 20


def test_for_another_format(tmp_path: Path) -> None:
    path = write(
        tmp_path / "train.jsonl",
        chat(1),
        chat(2, "x</s>"),
        {"messages": chat(3)["messages"] * 2},
        {"messages": [{"role": "user", "content": "Q", "name": "ann"}, chat(4)["messages"][1]]},
    )
    _, problems = checked(path, target="llama2")
    assert [(p.code, p.where.rpartition(":")[2]) for p in problems if p.code != "too-few-rows"] == [
        ("control-token", "2"),
        ("holds-no-key", "4"),
        ("other-shape", "1"),
    ]
    with pytest.raises(RecipeError, match="unknown format 'lama2'"):
        checked(path, target="lama2")


def test_other_kinds_of_files(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("prompt,completion\np,c\np2,\n")
    (done,), problems = checked(tmp_path / "t.csv")
    assert (done.format, done.rows) == ("prompt-completion", 2)
    assert [(p.code, p.where) for p in problems] == [("empty-answer", f"{tmp_path / 't.csv'}:3")]
    for folder in ("prompts", "completions"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("text")
    (tmp_path / "prompts" / "b.txt").write_text("text")
    assert [p.code for p in checked(tmp_path)[1]] == ["unpaired"]


def test_the_cookbooks_file(shared_data: Path) -> None:
    """OpenAI's notebook finds no error in it and warns of the row without a user; jobs refuse five rows."""
    file = shared_data / "openai" / "toy_chat_fine_tuning.jsonl"
    (done,), problems = checked(file)
    assert [(p.code, p.where, p.severity) for p in problems] == [
        ("no-user", f"{file}:4", "warning"), ("goes-round", f"{file}:5", "warning"), ("no-system", f"{file}:3", "note"),
        ("far-longer", f"{file}:5", "note"), ("too-few-rows", str(file), "warning"),
    ]
    assert (done.errors, done.warnings) == (0, 3)
    (done,), _ = checked(file, target="openai")
    assert (done.errors, done.warnings) == (1, 2)


@pytest.fixture
def exported(tmp_path: Path) -> Dataset:
    made = Dataset.create(tmp_path / "plots")
    with made.sample_writer() as writer:
        for i in range(20):
            writer.add(Sample(id=str(i), messages=chat(i)["messages"]))
    export(made, Options(formats=("openai-chat", "llama2", "csv", "folders"), validation=0.3))
    return made


def test_every_export_of_a_dataset(exported: Dataset) -> None:
    problems: list[Problem] = []
    done = check_dataset(exported, problems.append, target=None)
    assert problems == []
    assert len(done) == 8
    assert sum(one.rows for one in done) == 80
    changed = exported.exports / "openai-chat" / "train.jsonl"
    changed.write_bytes(changed.read_bytes().replace(b'"A"', b'"B"', 1))
    check_dataset(exported, problems.append)
    assert [(p.code, p.where) for p in problems] == [("changed-file", str(changed))]


def test_nothing_exported_yet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is exported") as error:
        check_dataset(Dataset.create(tmp_path / "plots"), print)
    assert error.value.hint == "synth export plots"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    json.dumps(chat(1)).encode(),
                    b'{"text": "<s>[INST] a [/INST] b </s>"}',
                    b'{"conversations": [{}]}',
                    b'{"prompt": null, "completion": "c"}',
                    b'{"messages": [null]}',
                    b'{"messages": [{"role": []}]}',
                ]
            ),
        ),
        max_size=6,
    )
)
def test_no_file_breaks_it(tmp_path: Path, data: list[bytes]) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(b"\n".join(data))
    try:
        done, problems = checked(path, target="openai", validation=path)
    except DataError:
        return
    assert sum(one.errors + one.warnings + one.notes for one in done) == len(problems)
    assert all(problem.code and problem.where for problem in problems)
