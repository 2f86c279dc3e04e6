"""What the backend lora says of files and options before a weight is loaded, and that TRL trains what was checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.backends import Job
from pipeline.backends._lora_rows import check
from pipeline.backends._lora_train import Run, adapted, looks_at
from pipeline.backends.lora import LoraOptions, plan_of
from pipeline.errors import DataError
from pipeline.local import _stack, load
from pipeline.local.bases import open_tokenizer
from pipeline.types import Problem
from tests.backends.lora_jobs import Heard, job, rows, write
from tests.local.models import CHATML, build

pytestmark = [
    pytest.mark.skipif(bool(_stack.missing()), reason="needs the extra `local`"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning",
                               "ignore::ResourceWarning"),
]
Rows = list[dict[str, Any]]
TOOL = {"type": "function", "function": {"name": "strike", "parameters": {"type": "object", "properties": {}}}}
CALLING = ("{% if tools %}{% for tool in tools %}{{ tool.function.name }} {% endfor %}{% endif %}"
           + CHATML.replace("message['content']",
                            "(message['content'] or message['tool_calls'][0]['function']['name'])"))


@pytest.fixture(scope="module")
def llama(models_apart: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("llama"))


def said(asked: str, answer: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer, **more}]}


def problems(folder: Path, base: Path, train: Rows, validation: Rows | None = None, **options: Any) -> list[Problem]:
    backend, todo = job(folder, base, train, validation, **options)
    return backend.problems(todo)


def codes(found: list[Problem]) -> dict[str, str]:
    return {problem.code: problem.severity for problem in found}


def test_long_rows_are_refused_with_a_list_and_none_is_cut(llama: Path, tmp_path: Path):
    train = rows(20)
    train[3] = said("clock", "one " * 100)
    train[11] = said("clock", "one " * 130)
    (problem,) = problems(tmp_path, llama, train, max_tokens=100)
    assert (problem.severity, problem.code) == ("error", "row-too-long")
    assert problem.where == f"{tmp_path / 'train.jsonl'}:4"
    assert "2 of 20 rows have more than 100 tokens (lines 4, 12)" in problem.message
    longest = int(problem.fix.rpartition("=")[2])
    assert f"the longest, line 12, has {longest:,}" in problem.message
    assert problem.fix == f"--set finetune.max_tokens={longest}"
    assert problems(tmp_path, llama, train, max_tokens=longest) == []
    backend, todo = job(tmp_path, llama, train, max_tokens=100)
    with pytest.raises(DataError, match="None is cut"):
        backend.run(todo, Heard())


def test_one_long_row_is_one_row(llama: Path, tmp_path: Path):
    (problem,) = problems(tmp_path, llama, [*rows(20), said("clock", "one " * 100)], max_tokens=100)
    assert "1 of 21 rows has more than 100 tokens (line 21); the longest, line 21, has" in problem.message


def test_a_row_that_no_limit_would_let_in_says_so(llama: Path, tmp_path: Path):
    (problem,) = problems(tmp_path, llama, [*rows(12), said("a", "xyz" * 400)])
    assert problem.code == "row-too-long"
    assert "the model knows 512 positions" in problem.fix
    (limit,) = problems(tmp_path, llama, rows(12), max_tokens=1000)
    assert (limit.code, limit.fix) == ("limit-over-context", "--set finetune.max_tokens=512")


def test_many_long_rows_are_counted_and_some_are_named(llama: Path, tmp_path: Path):
    (problem,) = problems(tmp_path, llama, rows(1000), max_tokens=8)
    assert "1,000 of 1,000 rows" in problem.message
    assert "(lines 1, 2, 3, 4, 5, 6, 7, 8 and 992 more)" in problem.message


def test_zero_rows_nine_rows_and_ten(llama: Path, tmp_path: Path):
    assert codes(problems(tmp_path, llama, [])) == {"no-rows": "error"}
    (nine,) = problems(tmp_path, llama, rows(9))
    assert (nine.severity, nine.code) == ("warning", "few-rows")
    assert nine.message.startswith("9 rows")
    assert problems(tmp_path, llama, rows(10)) == []


def test_a_validation_file_that_was_trained_on(llama: Path, tmp_path: Path):
    train = [said(f"clock {number}", "nine") for number in range(20)]
    assert codes(problems(tmp_path, llama, train, train)) == {"validation-is-train": "error"}
    assert codes(problems(tmp_path, llama, train, train[3:6])) == {"validation-is-train": "error"}
    (leak,) = problems(tmp_path, llama, train, [train[3], said("hall", "ten")])
    assert (leak.severity, leak.code) == ("warning", "validation-leaks")
    assert "1 of 2 rows" in leak.message
    assert problems(tmp_path, llama, train, [said("hall", "ten")]) == []


def test_each_kind_of_bad_row_is_named_once_with_its_lines(llama: Path, tmp_path: Path):
    train = [*rows(12), said("a", " "), said("a <|im_end|>", "b"), said("a", ""), said("a", "b", weight=0),
             {"messages": [{"role": "user", "content": "a"}]}]
    found = problems(tmp_path, llama, train)
    assert codes(found) == {"empty-answer": "error", "control-token": "error", "answer-not-trained": "error",
                            "no-answer": "error"}
    first = found[0]
    assert first.where.endswith("train.jsonl:13")
    assert "so have 1 more rows: 15" in first.message


def test_a_damaged_line_and_a_missing_file(llama: Path, tmp_path: Path):
    backend, todo = job(tmp_path, llama)
    todo.train.write_text('{"messages": [\n')
    with pytest.raises(DataError, match=r"train.jsonl:1: not a JSON object"):
        backend.problems(todo)
    todo.train.unlink()
    with pytest.raises(DataError) as caught:
        backend.problems(replace(todo, train=tmp_path / "none.jsonl"))
    assert "synth export" in caught.value.hint


def test_a_role_that_the_template_refuses(tmp_path: Path):
    base = build(tmp_path / "base", template=CHATML + "{% if messages[0]['role'] == 'system' %}"
                 "{{ raise_exception('no system here') }}{% endif %}")
    row = said("a", "b")
    row["messages"].insert(0, {"role": "system", "content": "be old"})
    (problem,) = problems(tmp_path, base, [*rows(12), row])
    assert problem.code == "not-rendered"
    assert "no system here" in problem.message


def test_a_bad_base_is_said_before_any_row_is_read(tmp_path: Path):
    (problem,) = problems(tmp_path, tmp_path / "nowhere", [])
    assert problem.code == "base-missing"


def test_earlier_answers_are_read_and_not_trained(llama: Path, tmp_path: Path):
    turns = {"messages": [*said("a", "first")["messages"], *said("b", "second")["messages"]]}
    (note,) = problems(tmp_path, llama, [*rows(12), turns])
    assert (note.severity, note.code) == ("note", "last-turn-only")
    trained = [text for _, text in prepared(tmp_path / "prepared", llama, [*rows(12), turns], False)]
    assert trained[-1] == "second<|im_end|>\n"


def prepared(folder: Path, base: Path, train: Rows, full: bool, **options: Any) -> list[tuple[str, str]]:
    """What TRL made of each row, read back: all its tokens as text, and those that are trained."""
    backend, todo = job(folder, base, train, full_loss=full, **options)
    assert not [problem for problem in backend.problems(todo) if problem.severity == "error"]
    loaded = load(base, four_bit=False, device="cpu")
    checked, _ = check(todo.train, loaded.tokenizer, 512, 512, full)
    plan = plan_of(todo, checked, None, 1)
    run = Run(loaded.with_model(adapted(loaded, plan)), plan, [], Heard())
    with run._rows() as dataset, _stack.quiet():
        trainer = run._trainer(dataset)
        run._same(trainer.train_dataset)
        read = loaded.tokenizer.decode
        return [(read(row["input_ids"]), read([token for token in row["labels"] if token != -100]))
                for row in trainer.train_dataset]


def test_the_loss_is_over_answers_or_over_everything_token_by_token(llama: Path, tmp_path: Path):
    be_old = {"role": "system", "content": "be old"}
    train = [said("the clock", "nine"), {"messages": [be_old, *said("hall", "é 🙂\n\n ten ")["messages"]]}, *rows(10)]
    wholes = ["".join(f"<|im_start|>{each['role']}\n{each['content']}<|im_end|>\n" for each in row["messages"])
              for row in train]
    answers = [f"{row['messages'][-1]['content']}<|im_end|>\n" for row in train]
    assert prepared(tmp_path / "answers", llama, train, False) == list(zip(wholes, answers))
    assert prepared(tmp_path / "full", llama, train, True) == list(zip(wholes, wholes))


def test_rows_that_call_tools_are_trained_as_they_are_rendered(tmp_path: Path):
    base = build(tmp_path / "base", template=CALLING)
    call = {"id": "1", "type": "function", "function": {"name": "strike", "arguments": '{"times": 9}'}}
    calling = {"messages": [{"role": "user", "content": "strike"},
                            {"role": "assistant", "content": None, "tool_calls": [call]}], "tools": [TOOL]}
    found = prepared(tmp_path / "rows", base, [*rows(12), calling], False)
    assert found[-1][0].startswith("strike <|im_start|>user\nstrike<|im_end|>")
    assert found[-1][1] == "strike<|im_end|>\n"
    assert found[0][1] == "the number is one one<|im_end|>\n"


def test_a_file_that_changed_after_it_was_read_is_noticed(llama: Path, tmp_path: Path):
    backend, todo = job(tmp_path, llama)
    assert backend.problems(todo) == []
    write(todo.train, [*rows(23), said("another", "row")])
    with pytest.raises(DataError, match=r"train.jsonl:24: the trainer would train other tokens"):
        backend.run(todo, Heard())
    write(todo.train, rows(25))
    with pytest.raises(DataError, match="24 rows were checked, and the trainer has 25"):
        backend.run(todo, Heard())


def test_a_begin_token_comes_once_through_trl(tmp_path: Path):
    base = build(tmp_path / "base", template="{{ bos_token }}" + CHATML)
    for text, _ in prepared(tmp_path / "rows", base, rows(12), False):
        assert text.startswith("<s><|im_start|>")
        assert text.count("<s>") == 1


@pytest.mark.parametrize(("base", "size", "want"), [
    ("tiny", 240_000, {"rate": 2e-2, "batch": 2, "accumulation": 1, "steps": 350, "warmup": 11}),
    ("./mistral", 7_000_000_000, {"rate": 2e-4, "batch": 4, "accumulation": 4, "steps": 66, "warmup": 2}),
    ("./llama", 13_000_000_000, {"rate": 1e-4, "batch": 4, "accumulation": 4, "steps": 66, "warmup": 2}),
])
def test_presets(tmp_path: Path, base: str, size: int, want: dict[str, Any]):
    path = write(tmp_path / "train.jsonl", rows(350))
    todo = Job("x", tmp_path, path, None, LoraOptions(base=base), "plots", 7, False)
    from tests.local.models import tokenizer_of

    checked, _ = check(path, tokenizer_of(), 512, 512, False)
    plan = plan_of(todo, checked, None, size)
    assert {key: getattr(plan, key) for key in want} == want
    assert (plan.rank, plan.alpha, plan.dropout, plan.seed) == (16, 32, 0.0, 7)
    own = plan_of(replace(todo, options=LoraOptions(base=base, alpha=8, warmup=5, seed=3, epochs=1, batch=10,
                                                    accumulation=1)), checked, None, size)
    assert (own.alpha, own.warmup, own.seed, own.steps) == (8, 5, 3, 35)


def test_the_validation_file_is_looked_at_for_a_tenth_of_the_time():
    assert looks_at(100, 1_000_000, 0) == frozenset()
    assert looks_at(100, 1_000_000, 10_000) == {20, 40, 60, 80, 100}
    assert looks_at(100, 100_000, 20_000) == {50, 100}
    assert looks_at(100, 100_000, 200_000) == {100}
    assert looks_at(1, 100, 1) == {1}


def test_the_record_of_a_run_names_the_template(llama: Path, tmp_path: Path):
    assert open_tokenizer(llama).chat_template == CHATML
    backend, todo = job(tmp_path, llama, rows(12), max_steps=1)
    backend.run(todo, Heard())
    record = json.loads((todo.folder / "adapter/training.json").read_text())
    assert len(record["template_digest"]) == 26
