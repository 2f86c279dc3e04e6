"""`synth review` and `synth curate --calibrate` as they are typed."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.commands._reviewing import Session
from pipeline.rows import read
from pipeline.store import Dataset


@pytest.fixture
def words(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Forty imported rows of 1 to 40 words, curated by `length: {min: 20}` in words; line N has N words."""
    lines = [json.dumps({"prompt": f"About {n}", "completion": "word " * (n - 1) + f"end{n}"}) for n in range(1, 41)]
    (workdir / "rows.jsonl").write_text("\n".join(lines))
    assert main(["import", "words", "rows.jsonl"]) == 0
    assert main(["curate", "words", "--rule", "length: {min: 20, unit: words}", "--rule", "repetition"]) == 0
    capsys.readouterr()
    return workdir / "datasets" / "words"


def lines(folder: Path) -> list[dict]:  # type: ignore[type-arg]
    path = folder / "reviews.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ids(folder: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (folder / "samples.jsonl").read_text().splitlines()]


def label_all(folder: Path, least: int, by: str = "eva", step: int = 2) -> None:
    """A file of labels: rows of at least so many words are good."""
    rows = [f"{name},{'keep' if number >= least else 'drop'}" for number, name in enumerate(ids(folder), 1)]
    Path("labels.csv").write_text("id,label\n" + "\n".join(rows[step - 1 :: step]))
    assert main(["review", "words", "--labels", "labels.csv", "--who", by]) == 0


def test_one_decision_and_back(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = ids(words)[0]
    assert main(["review", "words", first[:9], "--keep", "--note", "short and right", "--who", "eva"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{first[:8]}  keep, by eva\n"
    assert said.err.splitlines()[-1] == "next   synth curate words   # decides so"
    assert main(["inspect", "words", first]) == 0
    assert "decided by eva: keep; `synth curate words` applies it" in capsys.readouterr().out
    assert main(["curate", "words", "--rule", "length: {min: 20, unit: words}"]) == 0
    assert main(["inspect", "words", first, "--why"]) == 0
    out = capsys.readouterr().out
    assert "decided by eva: keep (short and right)" in out
    assert "applies it" not in out
    assert main(["review", "words", first, "--clear", "--who", "bob"]) == 4
    assert f"bob decided nothing on {first[:8]}, eva did" in capsys.readouterr().err
    assert main(["review", "words", first, "--clear", "--who", "eva"]) == 0
    capsys.readouterr()
    assert main(["review", "words", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert [line["action"] for line in lines(words)] == ["keep", "undo"]


def test_without_a_terminal_the_ways_are_named(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "words"]) == 2
    err = capsys.readouterr().err
    assert "this is none" in err
    assert "synth review words ROW --keep" in err
    assert "synth review words --labels labels.csv" in err


@pytest.mark.parametrize(("words_", "told"), [
    (["--keep"], "--keep of which row?"), (["a", "--keep", "--drop"], "--keep and --drop: one at a time"),
    (["a", "--note", "x"], "--note goes with --keep or --drop"), (["a", "--keep", "--who", "hand"], "name the person"),
    (["a", "--labels", "x.csv"], "the rows that the file names"),
])
def test_what_does_not_go_together(
    words: Path, capsys: pytest.CaptureFixture[str], words_: list[str], told: str,
) -> None:
    assert main(["review", "words", *words_]) == 2
    assert told in capsys.readouterr().err
    assert lines(words) == []


def test_labels_of_a_file_and_all_decisions(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label_all(words, 12)
    said = capsys.readouterr()
    assert said.out == "15 keep, 5 drop, of labels.csv\n"
    assert main(["review", "words", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 20
    assert {(each["by"], each["counts"], each["stale"]) for each in found} == {("eva", True, False)}


def session(folder: Path, keys: str, *, blind: bool = False) -> tuple[Session, dict[str, int]]:
    with Dataset.open(folder) as dataset:
        rows = list(read(dataset))[:3]
        typed = iter(keys)
        drawn = {"by": "length", "blind": blind}
        done = Session(dataset, rows, "eva", drawn, blind, lambda: next(typed))
        return done, dict(done.run())


def test_keys_decide_and_each_decision_is_written_at_once(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done, counts = session(words, "kdsk")
    assert counts == {"keep": 1, "drop": 1, "skip": 1}
    first, second, third = (row.sample.id for row in done.rows)
    assert [(line["sample"], line["action"]) for line in lines(words)] == [(first, "keep"), (second, "drop")]
    assert lines(words)[0]["drawn"] == {"by": "length", "blind": False}
    said = capsys.readouterr()
    assert said.out == "", "talk is on stderr"
    assert "3 of 3" in said.err
    assert "length: 1 word < 20" in said.err
    assert third not in (line["sample"] for line in lines(words))


def test_undo_goes_back_a_row_and_takes_its_label_back(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, counts = session(words, "uksuudk" + "k")
    assert "there is nothing to undo" in capsys.readouterr().err
    assert counts == {"drop": 1, "keep": 2}
    assert [line["action"] for line in lines(words)] == ["keep", "undo", "drop", "keep", "keep"]
    with Dataset.open(words) as dataset:
        assert [line["action"] for line in dataset.reviews().values()] == ["drop", "keep", "keep"]


def test_what_rules_found_is_hidden_from_who_labels_blindly(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session(words, "k?xq", blind=True)
    err = capsys.readouterr().err
    assert "word < 20" not in err
    assert "\nanswer\n" in err
    assert "1 byte" not in err
    assert "1 word" not in err, "that is what the rule measured"
    assert "that key means nothing here" in err
    assert "u  undo: back to the row before" in err
    assert len(lines(words)) == 1


def test_a_terminal_and_ctrl_c(words: Path) -> None:
    """The whole verb on a terminal of 80 columns; Ctrl-C loses nothing of what was decided."""
    leader, follower = pty.openpty()
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "pipeline", "review", "words", "--by", "length", "--sample", "5", "--who", "eva"]
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=env) as process:
        os.close(follower)
        shown, keys = b"", [b"k", b"d", b"\x03"]
        while process.poll() is None or select.select([leader], [], [], 0)[0]:
            if select.select([leader], [], [], 0.1)[0]:
                try:
                    shown += os.read(leader, 4096)
                except OSError:  # the other end is closed: the process has ended
                    break
            elif shown.endswith(b"q quit  ") and keys:  # it has been quiet for a while: it waits for a key by now
                os.write(leader, keys.pop(0))
        assert process.wait(30) == 0
    os.close(leader)
    text = shown.decode().replace("\r\n", "\n")
    assert "what rules found is hidden" in text
    assert "1 of 5" in text
    assert "word < 20" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "done   1 keep, 1 drop, 0 skipped; 2 rows labelled in all" in text
    assert [(line["action"], line["drawn"]) for line in lines(words)] == [
        ("keep", {"by": "length", "blind": True}), ("drop", {"by": "length", "blind": True})]


# -- curate --calibrate --------------------------------------------------------------------------


def test_a_rule_beside_the_labels(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label_all(words, 12)
    capsys.readouterr()
    before = {path: path.read_bytes() for path in words.iterdir() if path.is_file()}
    assert main(["curate", "words", "--calibrate", "length"]) == 0
    said = capsys.readouterr()
    out = said.out.splitlines()
    assert out[0] == "length beside 20 labels (15 keep, 5 drop), of 40 rows that it measured"
    assert "16 of 20 rows as they are: too few to tell" in out[1]
    assert any("12    29     72%  1.00" in line and line.endswith("suggested") for line in out), out
    assert any(line.endswith("  now") for line in out)
    assert "20 labels on rows that a person picked or a file named" in said.err
    assert said.err.splitlines()[-1] == "next   synth curate words --what-if length.min=12   # which rows that changes"
    assert before == {path: path.read_bytes() for path in words.iterdir() if path.is_file()}, "nothing is written"
    assert main(["curate", "words", "--calibrate", "length.min", "--precision", "0.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["want"], found["labels"]["used"], found["chosen"]["at"]["at"]) == (0.5, 20, 12)
    assert found["agreement"].keys() == {"value", "low", "high", "rows"}


def test_two_people_and_rows_that_the_bound_gets_wrong(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    label_all(words, 12)
    label_all(words, 30, by="bob", step=4)
    assert main(["review", "words", ids(words)[39], "--drop", "--who", "eva"]) == 0
    capsys.readouterr()
    assert main(["curate", "words", "--calibrate", "length"]) == 0
    out = capsys.readouterr().out
    assert "bob and eva agree 0.40" in out
    assert f"{ids(words)[39][:8]}  40  people drop it" in out


def test_no_bound_is_suggested_where_all_may_pass(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{name},{int(number < 39)}" for number, name in enumerate(ids(words), 1)]
    Path("labels.csv").write_text("id,label\n" + "\n".join(rows))
    assert main(["review", "words", "--labels", "labels.csv"]) == 0
    capsys.readouterr()
    assert main(["curate", "words", "--calibrate", "length"]) == 0
    said = capsys.readouterr()
    assert "no bound of length: where every row passes, precision is 0.95, which is enough" in said.out
    assert not any(line.endswith("suggested") for line in said.out.splitlines())
    assert "length.min=" not in said.out, "one story: no bound is named beside it"
    assert "where every row passes it differs from the labels on 2 rows:" in said.out
    assert "a person picked" not in said.err, "all rows are labelled: none is left that could be otherwise"
    assert said.err.splitlines()[-1].startswith("next   synth review words --by length")


def test_where_no_bound_is_better_than_none_the_table_and_the_rows_say_the_same(
    words: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [f"{name},{int(number == 1 or number % 3 != 1)}" for number, name in enumerate(ids(words), 1)]
    Path("labels.csv").write_text("id,label\n" + "\n".join(rows))
    assert main(["review", "words", "--labels", "labels.csv"]) == 0
    capsys.readouterr()
    assert main(["curate", "words", "--calibrate", "length", "--precision", "1"]) == 0
    said = capsys.readouterr()
    assert "no bound of length: where every row passes, precision is 0.68, and no bound reaches 1 or" in said.out
    assert "suggested" not in said.out.replace("  suggested  no bound", "")
    assert "where every row passes it differs from the labels on 13 rows" in said.out
    assert main(["curate", "words", "--calibrate", "length", "--precision", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["chosen"]["all"], found["move"], found["decides"]) == (True, "", [])


def test_the_next_command_where_labels_are_missing(words: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "words", "--calibrate", "length"]) == 4
    assert "synth review words --by length" in capsys.readouterr().err
    assert main(["curate", "words", "--precision", "0.8"]) == 2
    assert "--precision goes with --calibrate" in capsys.readouterr().err
    assert main(["curate", "words", "--calibrate", "length", "--diff"]) == 2
    assert "one at a time" in capsys.readouterr().err
