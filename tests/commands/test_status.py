"""`synth status`, and `synth` alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.curate import curate
from pipeline.export import Options, export
from pipeline.sections import Item
from pipeline.store import Dataset
from pipeline.store.finetunes import Finetune, folder_of, save
from pipeline.store.plan import WANTED
from pipeline.store.reviews import Reviews, decision
from pipeline.types import Draw, Failure, FailureClass
from tests import made

RECIPE = """\
synth: 1
name: tales
axes: {genre: [horror, romance]}
prompt: "A {{genre}} tale"
train: {user: "{{genre}}"}
curate: [refusal]
"""


def status(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    assert main(["status", *words]) == 0
    return capsys.readouterr()


@pytest.fixture
def tales(workdir: Path) -> Path:
    return made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(6)])


def test_nothing_yet(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = status(capsys)
    assert out == ""
    assert err.splitlines()[-1].split("   #")[0] == "next   synth run plots"


def test_a_line_per_dataset_and_the_next_command(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made.dataset(tales.parent / "other", [made.sample(0)], curated=False)
    out, err = status(capsys)
    lines = [line.split("  ") for line in out.splitlines()]
    assert [part.strip() for part in lines[1] if part.strip()] == [
        "other", "1", "not curated", "not yet", "$0.01",
    ]
    assert "3 of 6" in out.splitlines()[2]
    assert "synth" not in out, "the next command is said once"
    assert err.splitlines()[-1] == "next   synth curate other --rule refusal"


def test_one_dataset_in_full(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tales / "exports" / "openai-chat" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"format": "openai-chat", "files": [{"name": "train.jsonl", "rows": 3}]}')
    out, err = status(capsys, "tales")
    for told in ("3 kept, 3 dropped", "length 3", "openai-chat: 3 lines in 1 file", "$0.21 for 6 answers"):
        assert told in out, told
    assert err.splitlines()[-1] == "next   synth inspect tales --sample 5"
    value = json.loads(status(capsys, "tales", "--json")[0])
    assert (value["rows"], value["kept"], value["dropped"], value["by_rule"]) == (6, 3, 3, {"length": 3})
    assert value["spent"]["answered"] == 6


def test_an_export_is_called_old_once_rows_verdicts_or_reviews_are_newer(
    tales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Dataset.open(tales) as dataset:
        export(dataset, Options())
    assert "older" not in status(capsys, "tales")[0]
    stamp = (tales / "exports" / "openai-chat" / "manifest.json").stat().st_mtime_ns
    for name, told in (("samples.jsonl", "older than the rows: synth curate tales"),
                       ("verdicts.jsonl", "older than the last curation: synth export tales")):
        stamp += 10**9
        os.utime(tales / name, ns=(stamp, stamp))
        out, err = status(capsys, "tales")
        assert f"3 lines in 1 file, {told}" in " ".join(out.split())
    assert err.splitlines()[-1] == "next   synth export tales"
    assert "openai-chat, older" in status(capsys)[0]
    assert json.loads(status(capsys, "tales", "--json")[0])["exports"][0]["older_than"] == "curation"
    with Dataset.open(tales) as dataset:
        export(dataset, Options())
    os.utime(tales / "exports" / "openai-chat" / "manifest.json", ns=(stamp + 1, stamp + 1))
    out, err = status(capsys, "tales")
    assert "older" not in out
    assert err.splitlines()[-1] == "next   synth inspect tales --sample 5"


def test_decisions_that_no_curation_has_seen_are_what_comes_next(
    tales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Dataset.open(tales) as dataset:
        row = next(iter(dataset.samples()))
        export(dataset, Options())
        Reviews(tales / "reviews.jsonl").append([decision(row.id, "keep", row.digest, "ann")])
        out, err = status(capsys, "tales")
        assert "3 lines in 1 file, older than your reviews: synth curate tales" in " ".join(out.split())
        assert err.splitlines()[-1] == "next   synth curate tales"
        curate(dataset, [Item(name="refusal")])
        os.utime(tales / "reviews.jsonl")
        out, err = status(capsys, "tales")
        assert "older than the last curation: synth export tales" in " ".join(out.split()), "it has seen it"


def test_cost(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = status(capsys, "--cost")
    assert [line.split() for line in out.splitlines()[:2]] == [
        ["dataset", "answered", "tokens", "in", "tokens", "out", "cost"], ["tales", "6", "240", "531", "$0.21"]]
    assert "total  $0.21\n" in err
    with Dataset.open(tales) as dataset:
        dataset.calls.record(replace(made.call(900, ""), message=None, failure=Failure("refused", "no")))
    out, _ = status(capsys, "--cost")
    heads = [line.split()[:3] for line in out.splitlines()[:2]]
    assert heads == [["dataset", "answered", "failed"], ["tales", "6", "1"]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("wanted", "synth generate tales"),
        ("uncurated", "synth curate tales"),
        ("edited", "synth generate tales --adopt"),
        ("busy", "synth inspect tales --follow"),
        ("curated", "synth export tales"),
        ("adopted", "synth curate tales"),
        ("none kept", "synth inspect tales --state dropped"),
        ("exported", "synth inspect tales --sample 5"),
    ],
)
def test_what_is_next(tales: Path, capsys: pytest.CaptureFixture[str], change: str, expected: str) -> None:
    (tales / "recipe.yaml").write_text(RECIPE)
    with Dataset.open(tales) as dataset:
        dataset.plan.append(
            (Draw({"genre": "horror", "n": n}), WANTED) for n in range(8 if change == "wanted" else 6)
        )
        if change == "uncurated":
            (tales / "verdicts.jsonl").unlink()
        if change == "none kept":
            dataset.write_verdicts(replace(verdict, state="dropped") for verdict in list(dataset.verdicts()))
        if change in ("edited", "adopted"):
            path = tales / "samples.jsonl"
            path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
        if change == "adopted":  # five rows of six wanted, and the sixth is never asked for again
            dataset.adopt()
            (tales / "verdicts.jsonl").unlink()
        if change == "exported":
            export(dataset, Options())
        if change == "busy":
            with dataset.lock("samples", "generate"):
                value = json.loads(status(capsys, "tales", "--json")[0])
            assert value["busy"].startswith("generate (pid ")
        else:
            value = json.loads(status(capsys, "tales", "--json")[0])
    assert value["next"] == expected


def test_a_file_that_was_emptied_or_deleted(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "recipe.yaml").write_text(RECIPE)
    (tales / "samples.jsonl").write_text("")
    out, err = status(capsys)
    assert "0 (changed by hand)" in out
    assert "tales: 6 rows deleted by hand: synth generate tales --adopt keeps that, --restore brings" in err
    assert err.splitlines()[-1] == "next   synth generate tales --adopt"
    (tales / "samples.jsonl").unlink()
    out, err = status(capsys, "tales")
    assert "0 (samples.jsonl is gone: 6 rows will be made again for nothing)" in out
    assert err.splitlines()[-1] == "next   synth generate tales"
    assert json.loads(status(capsys, "tales", "--json")[0])["gone"] == 6


def test_a_run_that_was_killed_is_not_at_work(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = ("import os, signal, sys; from pathlib import Path; from pipeline.store.locks import lock\n"
            "with lock(Path(sys.argv[1]), 'samples', 'run'): os.kill(os.getpid(), signal.SIGKILL)")
    subprocess.run([sys.executable, "-c", code, str(tales)], check=False)
    assert (tales / ".locks" / "samples.lock").exists()
    out, err = status(capsys, "tales")
    assert "at work" not in out
    assert "--follow" not in err


def failed(dataset: Dataset, kind: FailureClass, count: int) -> None:
    for number in range(count):
        dataset.calls.record(replace(made.call(900 + number, ""), message=None, failure=Failure(kind, "no")))


@pytest.mark.parametrize(("kind", "rows", "expected"), [
    ("connection", 6, "synth generate tales"), ("content_filter", 6, "synth curate tales"),
    ("content_filter", 0, "synth generate tales --retry"),
])
def test_what_failed_for_good_is_not_asked_for_again(
    tales: Path, capsys: pytest.CaptureFixture[str], kind: FailureClass, rows: int, expected: str
) -> None:
    shutil.rmtree(tales)
    made.dataset(tales, [made.sample(i) for i in range(rows)], curated=False)
    (tales / "recipe.yaml").write_text(RECIPE)
    with Dataset.open(tales) as dataset:
        dataset.plan.append((Draw({"genre": "horror", "n": n}), WANTED) for n in range(8))
        failed(dataset, kind, 8 - rows)
    assert status(capsys, "tales")[1].splitlines()[-1] == f"next   {expected}"


@pytest.mark.parametrize(("noted", "toml", "expected"), [
    ("openai:gpt-4.1-mini", "", "synth generate tales --model openai:gpt-4.1-mini"),
    ("local:mine", "", "synth generate tales --model local:mine --base-url URL"),
    ("openai:gpt-4.1-mini", 'model = "openai:gpt-4.1"\n', "synth generate tales"),
    ("rehearsal:rehearsal", "", "synth generate tales"),
])
def test_the_next_command_names_the_model_that_wrote_the_rows(
    tales: Path, capsys: pytest.CaptureFixture[str], noted: str, toml: str, expected: str
) -> None:
    (tales / "recipe.yaml").write_text(RECIPE)
    Path("synth.toml").write_text(toml)
    with Dataset.open(tales) as dataset:
        dataset.plan.append((Draw({"genre": "horror", "n": n}), WANTED) for n in range(8))
        dataset.note("generate", {"model": noted})
    assert status(capsys, "tales")[1].splitlines()[-1] == f"next   {expected}"


def test_alone_in_an_empty_folder(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    for command in ("synth run plots", "synth init NAME --idea", "synth init NAME --from rows.csv"):
        assert command in out
    assert list(workdir.iterdir()) == []


def test_alone_beside_a_recipe_and_datasets(tales: Path, workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "mine.yaml").write_text(RECIPE)
    (workdir / "compose.yaml").write_text("services: {}\n")
    assert main([]) == 0
    captured = capsys.readouterr()
    assert "tales" in captured.out
    assert captured.out.splitlines()[-1] == "recipes that were not run yet: mine"
    assert captured.err.splitlines()[-1] == "next   synth export tales"


def test_alone_beside_a_recipe_only(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "mine").mkdir()
    (workdir / "mine" / "recipe.yaml").write_text(RECIPE)
    assert main([]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "next   synth plan mine"


def test_a_damaged_dataset_does_not_hide_the_others(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = made.dataset(tales.parent / "other", [made.sample(0)])
    (other / "manifest.json").write_text("{")
    out, err = status(capsys)
    assert "tales" in out
    assert f"{other.name}/manifest.json: not JSON" in err
    assert main([]) == 0
    assert "tales" in capsys.readouterr().out
    assert main(["status", "other"]) == 4


def test_no_such_dataset(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "nothing"]) == 4
    assert "nothing: no dataset" in capsys.readouterr().err


def test_a_tuned_model_is_counted_and_judging_it_is_next(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Dataset.open(tales) as dataset:
        export(dataset, Options())
    assert "tuned" not in status(capsys)[0]
    save(folder_of(tales, "one"), Finetune("one", "lora", "tiny", "succeeded", "2026-11-28", model="adapter"))
    save(folder_of(tales, "two"), Finetune("two", "openai", "m", "failed", "2026-11-29", cost_usd=2.0))
    out, err = status(capsys)
    assert [line.split()[-3:] for line in out.splitlines()] == [["exported", "tuned", "cost"], ["1", "model", "$2.21"]]
    assert err.splitlines()[-1] == "next   synth evaluate tales"
    (tales / "evaluations" / "e").mkdir(parents=True)
    (tales / "evaluations" / "e" / "evaluation.json").write_text('{"finetune": "one"}')
    out, err = status(capsys, "tales")
    assert "1 model, judged   (synth models tales)" in out
    assert "$2.00 for tuning" in out
    assert "total  $2.21" in status(capsys, "--cost")[1]
    out, err = status(capsys, "tales")
    assert err.splitlines()[-1] == "next   synth report tales --open"


def test_answers_that_cannot_be_used_are_not_asked_for_again(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(tales)
    made.dataset(tales, [made.sample(i) for i in range(6)], curated=False)
    (tales / "recipe.yaml").write_text(RECIPE)
    with Dataset.open(tales) as dataset:
        draws = [Draw({"genre": "horror", "n": n}) for n in range(9)]
        dataset.plan.append((draw, WANTED) for draw in draws)
        dataset.write_failures([], [{"id": f"c{n}", "draw": draws[n].key} for n in (6, 7)])
        dataset.note("generate", {**(dataset.manifest().get("generate") or {}), "unpaired": 1})
    assert status(capsys, "tales")[1].splitlines()[-1] == "next   synth curate tales"
