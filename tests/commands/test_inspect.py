"""`synth inspect`: table, order, filters, one row in full, following a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.store import Dataset
from pipeline.store.samples import to_row
from pipeline.types import Sample
from tests import made


@pytest.fixture
def tales(workdir: Path) -> Path:
    return made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(30)])


def ids(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()[1:]]


def look(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["inspect", "tales", *words]) == 0
    return capsys.readouterr().out


def test_a_table_of_the_first_rows(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "tales"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split() == ["row", "state", "length", "genre", "year", "answer"]
    assert lines[1].split()[:6] == ["a0000000", "dropped", "length", "107", "horror", "1900"]
    assert ids(captured.out) == [made.sample(i).id[:8] for i in range(20)]
    assert captured.err.splitlines()[-2:] == [
        "rows   the first 20; --limit 0 shows all, --sort length the shortest",
        "next   synth inspect tales a0000000   # one row in full",
    ]


def test_rows_that_were_rewritten_from_a_row(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *others = (made.sample(i) for i in range(4))
    rows = [first, replace(others[0], parent=first.id), replace(others[1], parent=others[0].id), others[2]]
    made.dataset(workdir / "datasets" / "tales", rows)
    for name in (first.id, first.id[:8]):
        assert ids(look(capsys, "--where", f"parent == '{name}'")) == [rows[1].id[:8]]
        assert ids(look(capsys, "--where", f"id == '{name}'")) == [first.id[:8]]
        assert len(ids(look(capsys, "--where", f"parent != '{name}'"))) == 3
    assert look(capsys, "--where", f"parent == '{first.id[:7]}'") == ""
    assert ids(look(capsys, "--sort", "parent", "--limit", "1")) == [rows[1].id[:8]]


def test_a_column_of_a_source_alone_and_in_its_family(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = ({"kind": "tale"}, {}, {"kind": "ode"})
    rows = [replace(made.sample(i), fields=fields) for i, fields in enumerate(kinds)]
    made.dataset(workdir / "datasets" / "tales", rows)
    for name in ("kind", "fields.kind", "fields['kind']"):
        assert ids(look(capsys, "--where", f"{name} == 'ode'")) == [rows[2].id[:8]]
    assert ids(look(capsys, "--where", "fields.kind < 'p'")) == [rows[2].id[:8]], "a row without it is neither"


def test_a_column_that_is_a_text_is_cut_as_the_answer_is(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [replace(made.sample(i), fields={"premise": f"{i} " + "premise " * 200},
                    cell={"genre": "a genre that goes on " * 40}) for i in (2, 1)]
    made.dataset(workdir / "datasets" / "tales", rows)
    out = look(capsys, "--sort", "premise")
    assert ids(out) == [row.id[:8] for row in rows[::-1]]
    assert max(map(len, out.splitlines())) < 360
    head, first, _ = out.splitlines()
    assert head.index("premise") == first.index("1 premise premise"), "a text stands at the left"
    assert "…" in first


def test_what_is_no_text_is_shown_as_json(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {"date": None, "sure": True, "who": ["Zo\u00eb", 2]}
    more = [{"kind": "note", "from": None}]
    parts = [{"type": "text", "text": "Look: it's"}]
    row = made.sample(1)
    row = replace(row, cell={"genre": "horror", "open": False}, fields={"answer": found, "place": "Oslo", "year": 1900},
                  messages=[{"role": "user", "content": parts}, {"role": "assistant", "content": "Yes.",
                                                                 "annotations": more}])
    made.dataset(workdir / "datasets" / "tales", [row])
    out = look(capsys, row.id)
    assert f"answer  {json.dumps(found, ensure_ascii=False)}" in out
    assert "place   Oslo" in out
    assert "year    1900" in out
    assert "open   false" in out
    assert f"annotations  {json.dumps(more)}" in out
    assert json.dumps(parts) in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--sort", "length", "--limit", "3"), [0, 1, 2]),
        (("--sort", "length", "--desc", "--limit", "2"), [29, 28]),
        (("--sort", "cost", "--desc", "--limit", "1"), [29]),
        (("--sort", "tokens", "--desc", "--limit", "1"), [29]),
        (("--sort", "cell.genre", "--limit", "2"), [1, 4]),
        (("--sort", "genre", "--desc", "--limit", "2"), [2, 5]),
        (("--axis", "genre=horror", "--state", "dropped"), [0]),
        (("--axis", "year=1904"), [4]),
        (("--rule", "length"), [0, 1, 2]),
        (("--state", "kept", "--limit", "2"), [3, 4]),
        (("--text", "ACT 7."), [7]),
        (("--text", "act 7", "--text", "nowhere"), []),
        (("--where", "length < 400 and genre == 'horror'"), [0]),
        (("--where", "cost_usd > 0.29"), [28, 29]),
        (("--where", "measure.length < 400 and cell.genre == 'horror'"), [0]),
        (("--where", "dropped_by == ['length'] and cell['genre'] == 'horror'"), [0]),
    ],
)
def test_order_and_filters(
    tales: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: list[int]
) -> None:
    assert ids(look(capsys, *words)) == [made.sample(i).id[:8] for i in expected]
    value = json.loads(look(capsys, *words, "--json"))
    assert [row["id"] for row in value] == [made.sample(i).id for i in expected]


def test_a_random_few_are_the_same_for_a_seed_and_stay_when_rows_arrive(
    tales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = ids(look(capsys, "--sample", "8", "--seed", "2"))
    assert two == ids(look(capsys, "--sample", "8", "--seed", "2"))
    assert two != ids(look(capsys, "--sample", "8", "--seed", "3"))
    made.dataset(tales, [made.sample(i) for i in range(30, 33)], curated=False)
    assert len({*two} & {*ids(look(capsys, "--sample", "8", "--seed", "2"))}) >= 5


def test_length_without_a_verdict_is_bytes(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.dataset(workdir / "datasets" / "tales", [made.sample(3), made.sample(1, "äöü")], curated=False)
    out = look(capsys, "--sort", "length")
    assert out.splitlines()[0].split()[2] == "bytes"
    assert [line.split()[2] for line in out.splitlines()[1:]] == ["6", "407"]


def test_rows_that_no_rule_measured_are_neither_more_nor_less(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.dataset(tales, [made.sample(30)], curated=False)
    with Dataset.open(tales) as dataset:
        dataset.write_verdicts(made.verdict(made.sample(i)) for i in range(30))
    assert made.sample(30).id[:8] not in look(capsys, "--where", "length > 0", "--limit", "0")
    assert ids(look(capsys, "--state", "new")) == [made.sample(30).id[:8]]


def test_rows_of_an_earlier_prompt_stand_aside(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = made.sample(40)
    made.dataset(tales, [replace(row, provenance={**row.provenance, "writer": "earlier"})], curated=False)
    with Dataset.open(tales) as dataset:
        dataset.note("generate", {"writer": "today"})
    assert ids(look(capsys, "--state", "aside")) == [row.id[:8]]
    assert "aside earlier" in look(capsys, "--state", "aside")
    assert "stands aside: made by an earlier prompt or model" in look(capsys, row.id)
    assert row.id[:8] not in look(capsys, "--state", "new")


def test_imported_rows_show_their_prompt(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = Sample(id="r1", messages=[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}])
    made.dataset(workdir / "datasets" / "tales", [row], curated=False)
    lines = look(capsys).splitlines()
    assert lines[0].split() == ["row", "state", "bytes", "prompt", "answer"]
    assert lines[1].split() == ["r1", "new", "3", "Why?", "So."]


def test_one_row_in_full(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parent = made.sample(1)
    child = Sample(
        id="child001", messages=[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "longer"}],
        parent=parent.id, provenance={"augmentation": "expand"},
        source={"file": "rows.csv", "digest": "d", "row": "k3", "number": 12, "start": 812, "end": 1033},
    )
    made.dataset(tales, [child], curated=False)
    with Dataset.open(tales) as dataset:
        dataset.write_verdicts(made.verdict(made.sample(i)) for i in range(30))
    out = look(capsys, "b0000001")
    for told in (
        f"{parent.id}  dropped", "high fantasy", "premise 1", "Genre: high fantasy", parent.answer.strip(),
        "length", "207 bytes < 400", "step:answer", "writer-1-2026", "40 in, 51 out", "$0.02", "1.25 s", "2 attempts",
        "rewritten as", "child001 by expand",
    ):
        assert told in out, told
    out = look(capsys, "child")
    assert "b0000001 by expand" in out
    assert "rows.csv, line 12, bytes 812 to 1,033" in out
    value = json.loads(look(capsys, "b0000001", "--json"))
    assert value["children"] == ["child001"]
    assert value["calls"][0]["cost_usd"] == parent.provenance["cost_usd"]
    assert value["findings"][0]["reason"] == "207 bytes < 400"
    assert value["changed_by_hand"] is False


@pytest.mark.parametrize(("columns", "hidden"), [(60, "hidden year: no room"), (140, "")])
def test_columns_without_room_are_named(
    tales: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, hidden: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("pipeline.commands._console.screen", lambda: True)
    assert main(["inspect", "tales"]) == 0
    said = capsys.readouterr()
    assert ("year" in said.out.splitlines()[0]) == (not hidden)
    assert hidden in said.err
    assert ("hidden" in said.err) == bool(hidden)
    assert said.err.splitlines()[-1].startswith("next   synth inspect tales ")


def test_an_exported_file_is_found_by_its_name_alone(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "tales", "train.jsonl:3"]) == 4
    assert "synth export tales" in capsys.readouterr().err
    for form in ("openai-chat", "llama2"):
        assert main(["export", "tales", "--format", form, "--order", "given"]) == 0
    capsys.readouterr()
    for name in ("train.jsonl:3", "llama2/train.jsonl:3"):
        assert look(capsys, name).startswith(made.sample(5).id)
    assert main(["inspect", "tales", "tran.jsonl:3"]) == 4
    assert "did you mean 'train.jsonl'?" in capsys.readouterr().err
    assert main(["export", "tales", "--format", "alpaca", "--order", "shuffled", "--seed", "3"]) == 0
    capsys.readouterr()
    assert main(["inspect", "tales", "train.jsonl:3"]) == 4
    assert "synth inspect tales llama2/train.jsonl:3" in capsys.readouterr().err, "which one is asked"


@pytest.mark.parametrize("form", ["openai-chat", "prompt-completion", "llama2", "gemma", "sharegpt", "alpaca"])
def test_the_row_behind_a_training_line(tales: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert main(["export", "tales", "--format", form, "--split", "none", "--order", "given"]) == 0
    capsys.readouterr()
    path = next((tales / "exports" / form).glob("train.jsonl"))
    assert look(capsys, f"{path}:3").startswith(f"{made.sample(5).id}  kept")
    assert json.loads(look(capsys, f"{path}:1", "--json"))["id"] == made.sample(3).id
    for text, told in ((f"{path}:99", "no such line"), ("gone.jsonl:1", "no such file")):
        assert main(["inspect", "tales", text]) == 4
        assert told in capsys.readouterr().err
    foreign = tales / "foreign.jsonl"
    foreign.write_text('{"prompt": "Why?", "completion": "So."}\n{"x": 1}\n')
    for line, told in ((1, "no row of tales reads like it"), (2, "of no format")):
        assert main(["inspect", "tales", f"{foreign}:{line}"]) == 4
        assert told in capsys.readouterr().err


def test_what_a_rule_has_against_rows_stands_beside_them(
    workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = ["The ferry leaves at six.", "no goat", "A goat, a goat and a wolf, and nobody who would row them over."]
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert main(["import", "tales", "rows.jsonl", "--completion", "text"]) == 0
    rules = ["regex: {pattern: 'goat', must: not_match, act: flag}", "length: {min: 10, unit: bytes}"]
    assert main(["curate", "tales", "--rule", rules[0], "--rule", rules[1]]) == 0
    capsys.readouterr()
    header, _, row = look(capsys, "--rule", "regex").splitlines()
    assert header.split() == ["row", "state", "length", "regex", "why", "answer"]
    assert "  2  matches 'goat' 2 times: 'goat'  " in row
    _, *both = look(capsys, "--rule", "regex", "--rule", "length").splitlines()
    assert ["regex: matches 'goat' 1 time: 'goat'; length: 7 bytes < 10  " in line for line in both] == [True, False]
    told = json.loads(look(capsys, "--json"))
    assert [row["why"] for row in told] == [
        {}, {"regex": "matches 'goat' 1 time: 'goat'", "length": "7 bytes < 10"},
        {"regex": "matches 'goat' 2 times: 'goat'"}]
    monkeypatch.setattr("pipeline.commands._console.screen", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    narrow = look(capsys, "--rule", "regex", "--rule", "length").splitlines()
    assert max(map(len, narrow)) <= 80
    assert "regex: matches 'g" in narrow[1]


def test_why_is_the_verdict_only(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split() for line in look(capsys, "b0000001", "--why").splitlines()] == [
        ["dropped"], ["length", "drop", "207", "207", "bytes", "<", "400"], ["near-duplicate", "keep", "0.1"],
    ]


def test_a_row_changed_by_hand_says_so(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tales / "samples.jsonl"
    path.write_text(path.read_text().replace("Act 7.", "Act seven."))
    assert "changed by hand" in look(capsys, "h")
    assert "not curated, or changed since" in look(capsys, "h")


def test_escapes_in_an_answer_steer_nothing(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = Sample(id="r1", messages=[{"role": "assistant", "content": "a\x1b]0;title\x07b"}])
    made.dataset(workdir / "datasets" / "tales", [row], curated=False)
    for words in ((), ("r1",)):
        out = look(capsys, *words)
        assert "\x1b" not in out
        assert "a\\x1b]0;title\\x07b" in out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("zzz",), 4, "no row's id begins with 'zzz'"),
        (("--sort", "lenght"), 2, "did you mean 'length'?"),
        (("--axis", "gener=horror"), 2, "did you mean 'genre'?"),
        (("--axis", "genre=horor"), 2, "did you mean 'horror'?"),
        (("--axis", "genre"), 2, "write it as NAME=VALUE"),
        (("--rule", "lenght"), 2, "did you mean 'length'?"),
        (("--where", "lenght > 3"), 2, "did you mean 'length'?"),
        (("--where", "length >"), 2, "--where"),
        (("--where", "cell.gener == 'horror'"), 2, "did you mean 'genre'?"),
        (("--where", "genre == horror"), 2, "a text stands in quotes: 'horror'"),
        (("--where", "dropped_by == [length]"), 2, "--where \"dropped_by == ['length']\""),
        (("--where", "length in dropped_by"), 2, "'length' stands without quotes"),
        (("--why",), 2, "--why is about one row"),
        (("--state", "gone"), 2, "'gone' is not one of"),
    ],
)
def test_what_is_not_there(
    tales: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, told: str
) -> None:
    assert main(["inspect", "tales", *words]) == code
    assert told in capsys.readouterr().err


def test_a_rule_of_a_condition_that_there_is_not(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": f"Row {n}."}) + "\n" for n in range(30)))
    assert main(["import", "tales", "rows.jsonl", "--completion", "text"]) == 0
    assert main(["curate", "tales", "--rule", "length: {min: 7, unit: chars}", "--rule", "near_duplicate"]) == 0
    for where, meant in (("dropped_by == ['lenght']", "length"), ("'near_duplicate' in dropped_by", "near-duplicate")):
        capsys.readouterr()
        assert main(["inspect", "tales", "--where", where]) == 2
        assert f"did you mean '{meant}'?" in capsys.readouterr().err
    assert main(["inspect", "tales", "--where", "dropped_by == ['length']"]) == 0
    assert main(["inspect", "tales", "--where", "'rewritten' in dropped_by"]) == 0, "no rule, and decides all the same"


def test_an_id_that_begins_several_rows(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.dataset(workdir / "datasets" / "tales", [made.sample(0), made.sample(26)])
    assert main(["inspect", "tales", "a00000"]) == 4
    assert "begins several ids: a000000000, a000002600" in capsys.readouterr().err


def test_broken_lines_are_named_and_the_rest_is_shown(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tales / "samples.jsonl").open("a") as file:
        file.write("{torn\n")
    assert main(["inspect", "tales", "--limit", "0"]) == 0
    captured = capsys.readouterr()
    assert len(ids(captured.out)) == 30
    assert "samples.jsonl:31" in captured.err


def test_follow_prints_rows_as_they_arrive(tales: Path) -> None:
    command = [sys.executable, "-m", "pipeline", "inspect", "tales", "--follow"]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        stood = [process.stdout.readline().split()[0] for _ in range(5)]
        assert stood == [made.sample(i).id[:8] for i in range(25, 30)]
        row = json.dumps(to_row(made.sample(30)))
        with (tales / "samples.jsonl").open("a") as file:
            file.write(row[:50])
            file.flush()
            time.sleep(0.6)
            file.write(row[50:] + "\n")
        assert process.stdout.readline().split()[0] == made.sample(30).id[:8]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0
    said_first = "follow datasets/tales/samples.jsonl; nobody is at work on it yet; Ctrl-C ends it"
    assert said.splitlines() == [said_first, ""]


def test_follow_ends_with_the_run(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        with Dataset.open(tales) as dataset, dataset.lock("samples", "generate"), dataset.sample_writer() as rows:
            begun.set()
            time.sleep(0.7)
            rows.add(made.sample(31))

    begun = threading.Event()
    with ThreadPoolExecutor() as pool:
        written = pool.submit(write)
        begun.wait()
        assert main(["inspect", "tales", "--follow"]) == 0
        written.result()
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1].split()[0] == made.sample(31).id[:8]
    assert captured.err.splitlines()[-2:] == [
        "ended  nobody is at work on it any more", "next   synth status tales"]


def test_a_line_is_read_with_the_options_it_was_written_with(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(3, 9)], curated=False)
    for options in ('eos: "<|endoftext|>"', 'bos: "<s>", eos: "</s>"', 'template: "A: {{answer}}"'):
        assert main(["export", "tales", "--format", f"text: {{{options}}}", "--order", "given"]) == 0
        assert main(["export", "tales", "--format", "openai-chat", "--order", "given"]) == 0
        capsys.readouterr()
        assert main(["inspect", "tales", "train.jsonl:2", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["id"] == made.sample(4).id
