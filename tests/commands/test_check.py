"""`synth check` as it is typed: who reads it, tokens and money, `--fix`, and exit statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import main


def chat(number: int, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"Q{number}"}, {"role": "assistant", "content": "A", **more}]}


@pytest.fixture
def train(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(workdir))
    (workdir / "train.jsonl").write_text("".join(json.dumps(chat(i)) + "\n" for i in range(12)))
    return workdir / "train.jsonl"


def test_tokens_limit_and_bill_for_a_model(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "train.jsonl", "--for", "gpt-4.1-mini"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in said[:3]] == ["read", "tokens", "an"]
    assert "about 180 for gpt-4.1-mini (o200k_base): a row 15 to 15, median 15; answers 12" in said[1]
    assert "tiktoken.get_encoding('o200k_base')" in said[2], "and how to count exactly"
    assert said[3] == "limit  65,536 tokens a row, none over it"
    assert "8 epochs by OpenAI's rule, about 1,440 tokens, 96 steps of one row, about $0.007, at most" in said[4]
    assert "$5.00 for a million, as of 20" in said[4]
    assert said[-1].startswith("next ")


def test_a_limit_of_ones_own(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train.write_text(train.read_text() + json.dumps(chat(0, content="long " * 50)) + "\n")
    assert main(["check", "train.jsonl", "--for", "llama2", "--limit", "60"]) == 4
    shown = capsys.readouterr()
    assert "train.jsonl:13  maybe-too-long: about" in shown.out
    assert "mend these, then: synth check train.jsonl --for llama2 --limit 60" in shown.err
    assert "--for llama2:PATH" in shown.err, "who counts exactly"
    assert main(["check", "train.jsonl", "--limit", "60"]) == 2
    assert "synth check train.jsonl --for gpt-4.1-mini --limit 60" in capsys.readouterr().err
    assert main(["check", "train.jsonl", "--for", "gpt4o"]) == 2
    assert "did you mean 'gpt-4o'?" in capsys.readouterr().err


def test_what_is_mended_is_shown_and_the_rest_is_checked(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = train.read_bytes()
    human = {"messages": [{"role": "human", "content": "Q"}, {"role": "assistant", "content": "A"}]}
    bad = [json.dumps(row).encode() + b"\n" for row in (human, chat(20, content=" "))]
    train.write_bytes(b"\xef\xbb\xbf" + clean + b"\n" + b"".join(bad))
    whole = train.read_bytes()
    assert main(["check", "train.jsonl", "--fix"]) == 4
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert "mended  train.jsonl  the byte order mark is gone" in lines
    assert "mended  train.jsonl:13  a blank line is gone" in lines
    at = lines.index("mended  train.jsonl:14  the role 'human' is now 'user'")
    assert '- {"messages": [{"role": "human", "con' in lines[at + 1]
    assert '+ {"messages": [{"role": "user", "con' in lines[at + 2]
    assert "error   train.jsonl:14  empty-answer" in shown.out, "as it is numbered now"
    assert "wrote  train.jsonl" in shown.err
    assert "kept   train.jsonl.orig, the file as it was" in shown.err
    assert "then: synth check train.jsonl" in shown.err
    assert "--fix" not in shown.err
    assert Path("train.jsonl.orig").read_bytes() == whole
    assert train.read_bytes().startswith(clean)
    assert main(["check", "train.jsonl", "--fix"]) == 4
    assert "nothing in it has a certain cure" in capsys.readouterr().err


def test_as_json(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train.write_bytes(b"\xef\xbb\xbf" + train.read_bytes())
    assert main(["check", "train.jsonl", "--fix", "--json", "--for", "gpt-4.1-mini"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fixed"] == [{"path": "train.jsonl", "kept": "train.jsonl.orig", "changes": [
        {"line": 0, "done": ["the byte order mark is gone"], "before": None, "after": None}]}]
    (file,) = found["files"]
    assert file["facts"] == {"without_system": 12, "without_user": 0, "messages": {
        "min": 2, "p10": 2.0, "median": 2.0, "mean": 2.0, "p90": 2.0, "max": 2}}
    assert file["tokens"]["job"]["epochs"] == 8


def test_exports_are_not_mended(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "plots", "--fix"]) == 4
    assert "synth export plots" in capsys.readouterr().err


def test_what_every_export_has_is_said_once(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [chat(1 if i == 9 else i, content=f"The answer number {1 if i == 9 else i}.") for i in range(12)]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["import", "dup", "train.jsonl"]) == 0
    formats = ["openai-chat", "llama2", "gemma", "chatml", "prompt-completion", "folders"]
    assert main(["export", "dup", *(word for each in formats for word in ("--format", each))]) == 0
    capsys.readouterr()
    assert main(["check", "dup"]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if "duplicate-row" in line]
    assert [line.split()[1].split("exports/")[1].partition("/")[0] for line in told] == ["chatml", "folders"]
    assert "        and in 4 more exports" in lines
    place, _, message = told[1].partition("  duplicate-row: ")
    assert Path(place.split()[1]).is_file(), "a text of a folder is named, and can be opened"
    assert message.endswith(".txt")
    assert main(["check", "dup", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 6, "--json lists each"


def test_what_is_next_depends_on_whose_file_it_is(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "train.jsonl"]) == 0
    assert "next   synth import train train.jsonl" in capsys.readouterr().err
    assert main(["import", "mine", "train.jsonl"]) == 0
    assert main(["export", "mine", "--format", "llama2"]) == 0
    capsys.readouterr()
    assert main(["check", "datasets/mine/exports/llama2/train.jsonl"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "next   synth inspect mine --sample 5"
    (train.parent / "empty.jsonl").touch()
    assert main(["check", "empty.jsonl"]) == 4
    assert "a training file holds a JSON object on every line" in capsys.readouterr().out


@pytest.mark.parametrize("args", [["inspect", "tarin.jsonl"], ["export", "tarin.jsonl", "--to", "gemma"],
                                  ["check", "tarin.jsonl"], ["curate", "tarin.jsonl"]])
def test_a_file_that_is_not_here_is_called_a_file(
    train: Path, capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    assert main(args) in (2, 4)
    said = capsys.readouterr().err
    assert "tarin.jsonl: no such file" in said
    assert "did you mean 'train.jsonl'?" in said
    assert "datasets/" not in said


def test_a_file_where_a_dataset_is_wanted(train: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "train.jsonl"]) == 4
    said = capsys.readouterr().err
    assert "train.jsonl: a file, and a dataset" in said
    assert "synth import train train.jsonl" in said


# -- a validation file beside it -----------------------------------------------------------------


def beside(workdir: Path, held: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, Any]:
    """What is said of a validation file with these answers, and the same as JSON."""
    texts = [" ".join(f"word{n}x{i}" for i in range(100)) for n in range(4)]
    for name, answers in (("train.jsonl", texts), ("held.jsonl", [text.format(*texts) for text in held])):
        rows = [{"prompt": f"{name} {n}", "completion": answer} for n, answer in enumerate(answers)]
        (workdir / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["check", "train.jsonl", "--validation", "held.jsonl"]) == code
    said = capsys.readouterr().err
    assert main(["check", "train.jsonl", "--validation", "held.jsonl", "--json"]) == code
    return said, json.loads(capsys.readouterr().out)["most_alike"]


def test_nothing_shared_is_said_too(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, most = beside(workdir, [" ".join(f"other{i}" for i in range(60))], capsys)
    assert "split  no row of held.jsonl is in train.jsonl; they have no run of words in common\n" in said
    assert most == {"jaccard": 0.0, "validation": "", "train": "", "validation_begins": "", "train_begins": ""}


def test_the_most_alike_are_named_with_their_lines(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = " ".join(f"other{i}" for i in range(300))
    said, most = beside(workdir, [told, f"{told} {{2}}"], capsys)
    assert round(most["jaccard"], 4) == round(96 / (96 + 300), 4)
    assert ("split  no row of held.jsonl is in train.jsonl; the most alike share 24% of their runs of words: "
            "train.jsonl:3, held.jsonl:2\n") in said
    assert (most["train"], most["validation"]) == ("train.jsonl:3", "held.jsonl:2")
    assert most["train_begins"].startswith("word2x0 word2x1")


def test_the_same_as_the_export_found(workdir: Path, capsys: pytest.CaptureFixture[str], shared_data: Path) -> None:
    outlines = (shared_data / "outlines" / "outlines.jsonl").read_text().splitlines()[:60]
    rows = [json.dumps({"prompt": row["name"], "completion": row["outline"]}) for row in map(json.loads, outlines)]
    (workdir / "rows.jsonl").write_text("\n".join(rows) + "\n")
    assert main(["export", "rows.jsonl", "--to", "openai-chat", "--split", "0.2"]) == 0
    folder = workdir / "rows-exports" / "openai-chat"
    noted = json.loads((folder / "manifest.json").read_text())["leak"]
    capsys.readouterr()
    assert main(["check", str(folder / "train.jsonl"), "--validation", str(folder / "validation.jsonl"), "--json"]) == 0
    most = json.loads(capsys.readouterr().out)["most_alike"]
    assert most["jaccard"] == noted["largest_jaccard"] > 0
    assert most["train_begins"] == noted["pairs"][0]["train_begins"]


def test_a_shared_row_is_an_error_and_no_such_line(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = json.dumps({"prompt": "p", "completion": "c"}) + "\n"
    for name in ("train.jsonl", "held.jsonl"):
        (workdir / name).write_text(row)
    assert main(["check", "train.jsonl", "--validation", "held.jsonl"]) == 4
    shown = capsys.readouterr()
    assert "in-both-files" in shown.out
    assert "no row of" not in shown.err
