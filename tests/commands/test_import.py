"""`synth import` as it is typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import main


@pytest.fixture
def typed(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*args: str, code: int = 0) -> tuple[str, str]:
        assert main(["import", *args]) == code
        done = capsys.readouterr()
        return done.out, done.err

    (workdir / "rows.csv").write_bytes("question,answer\nWie groß?,Größer.\nWarum?,Darum.\n".encode())
    (workdir / "talk.csv").write_bytes("title,body\nWie groß denn?,Größer als das.\nWarum?,Darum auch.\n".encode())
    return run


def test_what_it_says(typed: Any) -> None:
    out, err = typed("mine", "rows.csv", "--prompt", "question", "--completion", "answer")
    assert out == ""
    assert err.splitlines() == [
        "rows   2 rows, all new; user = question, assistant = answer", "user   Wie groß?", "answer Größer.",
        "wrote  datasets/mine/samples.jsonl", "wrote  datasets/mine/recipe.yaml",
        "next   synth curate mine   # measure every row and decide"]
    _, err = typed("mine", "rows.csv", "--prompt", "question", "--completion", "answer")
    assert "2 rows, 0 new, 2 there already" in err


def test_json_is_all_of_stdout(typed: Any, workdir: Path) -> None:
    (workdir / "rows.jsonl").write_bytes(
        b'{"prompt":"a","completion":"b"}\n\n{"prompt":"a",\n{"prompt":"c","prompt":"d","completion":"e"}\n')
    out, err = typed("mine", "rows.jsonl", "--json")
    assert json.loads(out) == {
        "dataset": "datasets/mine", "rows": 2, "added": 2, "changed": 0, "there": 0, "refused": 1,
        "shape": "prompt-completion", "problems": {"json": 1, "duplicate-key": 1}}
    assert "error  rows.jsonl:3: ends in the middle of a value" in err
    assert "warn   rows.jsonl:4: 'prompt' stands twice" in err
    assert "note   a blank line, skipped\n" in err


def test_many_problems_are_named_and_counted(typed: Any, workdir: Path) -> None:
    rows = [b'{"prompt":"a","completion":"b"}', *[b"nonsense"] * 7, *[b'{"prompt":"a","completion":3}'] * 2]
    (workdir / "rows.jsonl").write_bytes(b"\n".join(rows))
    _, err = typed("mine", "rows.jsonl")
    assert [f"error  rows.jsonl:{line}:" in err for line in range(2, 12)] == [True] * 9 + [False]
    assert "9 in all, left out: json 7, not-a-text 2" in err
    assert "'completion' is a number, not a text" in err
    (workdir / "rows.jsonl").write_bytes(b"\n".join([rows[0], *[b"nonsense"] * 30]))
    _, err = typed("mine", "rows.jsonl")
    assert err.count("error  ") == 20
    assert "30 in all, left out: json 30" in err


@pytest.mark.parametrize(("last", "said"), [
    (b'{"prompt":"c","completion":"d"}', "the last line has no line break; it is read all the same"),
    (b'{"prompt":"c","compl', "the last line has no line break and cannot be read: the file may be cut off"),
])
def test_what_is_said_of_the_last_line_is_true(typed: Any, workdir: Path, last: bytes, said: str) -> None:
    (workdir / "rows.jsonl").write_bytes(b'{"prompt":"a","completion":"b"}\n' + last)
    _, err = typed("mine", "rows.jsonl")
    assert f"note   {said}\n" in err
    assert ("error  rows.jsonl:2: ends in the middle of a value" in err) == ("cannot" in said)
    assert f"rows   {1 if 'cannot' in said else 2} row" in err


ROWS = [{"prompt": "a", "completion": "b"}, {"prompt": None, "completion": "c"}, {"completion": "d"},
        {"prompt": "", "completion": "e"}]


@pytest.mark.parametrize("columns", [[], ["--prompt", "prompt", "--completion", "completion"]])
def test_a_row_without_a_prompt_among_others_is_refused_or_named(typed: Any, workdir: Path, columns: list[str]) -> None:
    (workdir / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    _, err = typed("mine", "rows.jsonl", *columns)
    assert "rows   2 rows, all new" in err
    assert [line for line in ("2", "3", "4") if f"error  rows.jsonl:{line}:" in err] == ["2", "3"]
    assert "warn   rows.jsonl:4: its prompt is empty: an answer alone" in err
    assert main(["check", "rows.jsonl", "--json"]) == 4, "the same lines, as heavy"
    found = {problem["where"]: problem["severity"] for problem in problems_of(workdir)}
    assert {line: found.get(f"rows.jsonl:{line}") for line in (1, 2, 3, 4)} == {
        1: None, 2: "error", 3: "error", 4: "warning"}


def problems_of(workdir: Path) -> list[dict[str, Any]]:
    """What `check` finds in rows.jsonl."""
    from dataclasses import asdict

    from pipeline.export.check import check_file

    found: list[dict[str, Any]] = []
    check_file(Path("rows.jsonl"), lambda problem: found.append(asdict(problem)))
    return found


def test_answers_alone_are_no_news_of_any_row(typed: Any, workdir: Path) -> None:
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"prompt": "", "completion": f"{n}"}) + "\n"
                                                for n in range(9)))
    _, err = typed("mine", "rows.jsonl")
    assert "warn" not in err
    assert "note   every prompt is empty: rows of answers alone\n" in err
    assert "empty-prompt" not in {problem["code"] for problem in problems_of(workdir)}


@pytest.mark.parametrize(("args", "code", "words"), [
    (["talk.csv"], 2, ["cannot tell question and answer apart; its columns are: title, body",
                       "synth import mine talk.csv --prompt "]),
    (["rows.csv", "--completion", "anwser"], 2, ["rows.csv: no column 'anwser'", "did you mean 'answer'?"]),
    (["rwos.csv"], 4, ["rwos.csv: no such file", "did you mean 'rows.csv'?"]),
    ([], 2, ["a FILE, or two folders", "synth import mine rows.jsonl"]),
    (["rows.csv", "--prompts", "a", "--completions", "b"], 2, ["without a FILE"]),
    (["--prompts", "a"], 2, ["go together"]),
    (["rows.csv", "--completion", "answer", "--order", "name"], 2, ["of two folders", "export mine --order name"]),
    (["rows.csv", "--from", "other"], 2, ["--from takes the rows of a dataset"]),
    (["--from", "other"], 4, ["no dataset"]),
    (["rows.csv", "--adopt", "--restore"], 2, ["exclude each other"]),
    (["rows.csv", "--encoding", "utf9"], 2, ["unknown encoding 'utf9'"]),
    (["rows.csv", "--order", "size"], 2, ["'size' is not one of"]),
])
def test_what_cannot_be_meant(typed: Any, workdir: Path, args: list[str], code: int, words: list[str]) -> None:
    _, err = typed("mine", *args, code=code)
    for word in words:
        assert word in err, err
    assert not (workdir / "datasets").exists()


def test_another_encoding_is_said_with_the_whole_command(typed: Any, workdir: Path) -> None:
    (workdir / "rows.csv").write_bytes("question,answer\nWie groß?,Größer.\n".encode("cp1252"))
    _, err = typed("mine", "rows.csv", "--completion", "{{answer}}", code=4)
    assert "error  rows.csv:2: byte 0xDF at column 8 is not utf-8; in cp1252 it reads “Wie groß?,Größer.”" in err
    assert "synth import mine rows.csv --completion '{{answer}}' --encoding cp1252" in err
    typed("mine", "rows.csv", "--completion", "{{answer}}", "--encoding", "cp1252")


def test_two_folders_and_another_dataset(typed: Any, workdir: Path) -> None:
    for folder in ("prompts", "completions"):
        (workdir / folder).mkdir()
        (workdir / folder / "1.txt").write_text(f"{folder}\n")
    _, err = typed("mine", "--prompts", "prompts/", "--completions", "completions/", "--order", "name-ignorecase")
    assert "1 row, all new" in err
    _, err = typed("other", "--from", "mine")
    assert "rows of mine" in err
    assert (workdir / "datasets/other/samples.jsonl").read_bytes().count(b"\n") == 1


def command_of(err: str) -> list[str]:
    """The command that was printed, less `synth`."""
    line = next(line for line in err.splitlines() if " synth " in line)
    return shlex.split(line[line.index("synth ") :], comments=True)[1:]


def test_the_next_command_works_as_it_is_printed(typed: Any, workdir: Path) -> None:
    _, err = typed("mine", "rows.csv", "--prompt", "question", "--completion", "answer")
    assert main(command_of(err)) == 0


def test_the_next_command_is_the_recipes_own_where_it_names_rules(typed: Any, workdir: Path) -> None:
    (workdir / "mine.yaml").write_text(
        "synth: 1\nname: mine\nsource: {file: rows.csv}\ntrain: {user: '{{question}}', assistant: '{{answer}}'}\n"
        "curate: [refusal]\n")
    _, err = typed("mine", "rows.csv", "--prompt", "question", "--completion", "answer")
    assert command_of(err) == ["curate", "mine"]


def test_the_command_that_is_probably_meant_keeps_the_encoding(typed: Any, workdir: Path) -> None:
    (workdir / "my rows.csv").write_bytes("frage,antwort\nWie groß ist es?,Größer als man denkt.\n".encode("cp1252"))
    _, err = typed("mine", "my rows.csv", "--encoding", "cp1252", code=2)
    again = command_of(err)
    assert again[:5] == ["import", "mine", "my rows.csv", "--encoding", "cp1252"]
    assert main(again) == 0


def test_a_stray_line_in_a_file_of_utf8_is_left_out_and_the_rest_comes_in(typed: Any, workdir: Path) -> None:
    line = '{"prompt": "%s", "completion": "b"}\n'
    texts = [line.encode() % "é".encode(), line.encode() % b"\xff\xfe", line.encode() % b"a"]
    (workdir / "rows.jsonl").write_bytes(b"".join(texts))
    _, err = typed("mine", "rows.jsonl")
    assert "2 rows, all new" in err
    assert "rows.jsonl:2: byte 0xFF at column 13 is not utf-8   # mend these bytes; --encoding " in err


TASKS = [{"instruction": f"Do the thing {n}.", "instances": [{"input": f"in {n}", "output": f"Done it {n}."}]}
         for n in range(3)]


def test_backslashes_of_a_template_are_line_breaks_and_said(typed: Any, workdir: Path) -> None:
    (workdir / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TASKS))
    _, err = typed("tasks", "tasks.jsonl", "--prompt", r"{{instruction}}\n{{instances[0].input}}\t\\n",
                   "--completion", "{{instances[0].output}}")
    assert r"note   --prompt: \n is read as a line break" in err.splitlines()
    assert r"note   --prompt: \t is read as a tab" in err.splitlines()
    row = json.loads((workdir / "datasets/tasks/samples.jsonl").read_text().splitlines()[0])
    assert [m["content"] for m in row["messages"]] == ["Do the thing 0.\nin 0\t\\n", "Done it 0."]


def test_a_column_of_objects_is_guessed_by_its_parts(typed: Any, workdir: Path) -> None:
    (workdir / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TASKS))
    _, err = typed("tasks", "tasks.jsonl", code=2)
    assert "--prompt $'{{instruction}}\\n{{instances[0].input}}' --completion '{{instances[0].output}}'" in err
    _, err = typed("tasks", "tasks.jsonl", "--prompt", "instruction", "--completion", "instances", code=4)
    assert "say how it is written: {{instances[0].output}}" in err
