"""`synth finetune` and `synth models` as they are typed, against the loopback server."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.backends import Parameters, TuneProgress
from pipeline.commands import _console as console
from pipeline.commands import main
from pipeline.commands._tuning import TuningPanel, _drawn
from pipeline.store.finetunes import Finetune, folder_of, save
from pipeline.types import Problem
from tests import made
from tests.servers import Server

Start = Callable[..., Server]
KEY = "sk-very-secret-key-0123456789"
BASE = "gpt-4.1-mini-2025-04-14"
RECIPE = f"""synth: 1
name: tales
axes: {{genre: [a]}}
prompt: '{{{{genre}}}}'
train: {{user: '{{{{genre}}}}'}}
export: {{formats: [openai-chat], validation: 0.2}}
finetune: {{backend: openai, base: {BASE}, n_epochs: 2}}
"""


@pytest.fixture
def tales(workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """30 rows, 3 of them dropped, exported."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    path = made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(30)])
    (workdir / "tales.yaml").write_text(RECIPE)
    assert main(["export", "tales"]) == 0
    capsys.readouterr()
    return path


@pytest.mark.parametrize(("columns", "gone"), [
    (140, []), (110, ["made"]), (80, ["made", "data", "by", "train loss"])])
def test_ids_and_losses_are_whole_on_a_narrow_terminal(
    tales: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, gone: list[str]
) -> None:
    losses = {f"{first}{side}_loss": 6.25 for first in ("", "first_") for side in ("train", "validation")}
    record = Finetune("abcdefghij", "lora", "./a-folder-of-a-long-name", "succeeded", "2026-11-28", metrics=losses,
                      data={"train": {"path": "t", "sha256": "4c6ed342ff", "rows": 170}})
    save(folder_of(tales, "abcdefghij"), record)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("pipeline.commands._console.screen", lambda: True)
    assert main(["models"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert max(map(len, (head, line))) <= columns
    assert [name for name in ("made", "data", "by", "train loss") if f" {name} " not in f"{head} "] == gone
    assert "abcdefghij" in line
    assert "6.250 -> 6.250" in line


def test_what_a_flag_says_wrong_is_said_of_the_flag(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", "tales", "--backend", "lorra"]) == 2
    assert "error  --backend: unknown backend 'lorra'\n" in capsys.readouterr().err
    assert main(["finetune", "tales", "--set", "finetune.n_epoch=3"]) == 2
    said = capsys.readouterr().err
    assert "error  --set finetune.n_epoch: openai: unknown option 'n_epoch'" in said
    assert "'n_epochs'" in said


def test_options_of_a_host_are_not_proposed_for_this_machine(
    openai_server: Start, tales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = openai_server(key=KEY, tune={"barred": True})
    assert main(["finetune", "tales", "--base-url", server.base_url, "--set", "finetune.suffix=x"]) == 5
    lines = [line.strip() for line in capsys.readouterr().err.splitlines() if "synth finetune tales" in line]
    local = next(line for line in lines if "--backend lora" in line)
    assert server.base_url not in local
    assert any(server.base_url in line for line in lines)


def test_the_road_and_what_is_said(openai_server: Start, tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = openai_server(key=KEY)
    assert main(["finetune", "tales", "--base-url", server.base_url]) == 0
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert lines[0] == f"tune   {BASE} by openai on 22 rows, 5 held out"
    (bill,) = (line for line in lines if line.startswith("bill   about "))
    assert "in 2 epochs, about $0." in bill
    assert "cap none ($5 for a million tokens, as of 2026-05)" in bill
    assert "uploading: train.jsonl" in shown.err
    assert any(line.startswith("model  ft:") for line in lines)
    assert lines[-1].startswith("next   synth evaluate tales")
    assert [line.split()[:2] for line in shown.out.splitlines()] == [
        ["first", "last"], ["train", "loss"], ["validation", "loss"], ["train", "token"], ["validation", "token"]]
    (record,) = tales.glob("finetunes/*/finetune.json")
    assert f"wrote  datasets/tales/finetunes/{record.parent.name}/finetune.json" in lines
    assert KEY not in shown.err + shown.out

    assert main(["finetune", "tales", "--base-url", server.base_url, "--json"]) == 0
    shown = capsys.readouterr()
    value = json.loads(shown.out)
    assert (value["found"], value["state"], value["id"]) == (True, "succeeded", record.parent.name)
    assert "--again repeats it" in shown.err
    assert len(server.made("job")) == 1

    assert main(["models"]) == 0
    shown = capsys.readouterr()
    head, line = shown.out.splitlines()
    assert head.split()[:6] == ["dataset", "id", "by", "base", "state", "rows"]
    assert line.split()[:6] == ["tales", record.parent.name, "openai", BASE, "succeeded", "22"]
    assert main(["models", "tales"]) == 0
    assert "n_epochs=2" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)
    assert model["data"]["train"]["sha256"] == value["data"]["train"]["sha256"]
    assert (model["dataset"], model["now"]) == ("tales", "succeeded")
    assert model["settings"]["n_epochs"] == 2
    assert model["metrics"]["train_loss"] < model["metrics"]["first_train_loss"]


def test_left_alone_listed_cancelled(openai_server: Start, tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = openai_server(tune={"pace_s": 0.3})
    where = ["--base-url", server.base_url]
    assert main(["finetune", "tales", *where, "--detach"]) == 0
    (record,) = tales.glob("finetunes/*/finetune.json")
    name = record.parent.name
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"next   synth finetune tales --follow {name}")
    assert main(["models", "tales", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["now"] == "validating_files at openai"
    assert main(["finetune", "tales", *where, "--list", "--json"]) == 0
    (job,) = json.loads(capsys.readouterr().out)
    assert (job["id"], job["finetune"], job["dataset"]) == ("ftjob-0001", name, "tales")
    assert main(["finetune", "tales", *where, "--list"]) == 0
    assert "ftjob-0001" in capsys.readouterr().out
    assert main(["finetune", "tales", *where, "--cancel", "ftjob-0001"]) == 0
    assert "state  cancelled" in capsys.readouterr().err
    assert main(["finetune", "tales", *where, "--follow", name]) == 5
    assert "was cancelled" in capsys.readouterr().err
    assert main(["finetune", "tales", *where, "--set", "finetune.n_epochs=1"]) == 0
    assert main(["finetune", "tales", *where, "--list", "--follow", "x"]) == 2


def test_flags_name_another_backend_and_base(openai_server: Start, tales: Path, workdir: Path) -> None:
    """Options of the recipe's backend do not follow to another one; what --set adds does."""
    (workdir / "tales.yaml").write_text(RECIPE.replace("{backend: openai, base: " + BASE + ", n_epochs: 2}",
                                                       "{backend: lora, base: tiny, rank: 4}"))
    server = openai_server(tune={"pace_s": 0.01, "steps": 3})
    assert main(["finetune", "tales", "--base-url", server.base_url, "--backend", "openai",
                 "--set", "finetune.n_epochs=1"]) == 0
    (job,) = server.made("job")
    assert job["request"]["model"] == BASE
    assert job["request"]["method"]["supervised"]["hyperparameters"]["n_epochs"] == 1
    assert main(["finetune", "tales", "--base-url", server.base_url, "--backend", "openai", "--base", "gpt-4.1",
                 "--yes"]) == 0
    assert server.made("job")[1]["request"]["model"] == "gpt-4.1"


def test_more_than_a_dollar_is_asked_about(
    openai_server: Start, tales: Path, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = openai_server(tune={"pace_s": 0.01, "steps": 3})
    (workdir / "synth.toml").write_text(
        f"base_url = '{server.base_url}'\n[prices.'{BASE}']\ninput = 1\noutput = 1\ntraining = 5000\n")
    assert main(["finetune", "tales"]) == 2
    said = capsys.readouterr().err
    assert "this could cost up to $" in said
    assert "--yes" in said
    assert not server.made("file")
    assert main(["finetune", "tales", "--max-usd", "1"]) == 5
    assert "over the cap" in capsys.readouterr().err
    assert main(["finetune", "tales", "--yes"]) == 0


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--set", "finetune.n_epoch=3"], 2, "did you mean 'n_epochs'?"),
    (["--set", "finetune.n_epochs=500"], 2, "less than or equal to 50"),
    (["--backend", "opanai"], 2, "did you mean 'openai'?"), (["--base", "opanai:x"], 2, "did you mean 'openai'?"),
    (["--base", "rehearsal"], 2, "tunes nothing"), (["--follow", "zzz"], 4, "no fine-tune 'zzz'"),
    (["--base-url", "http://127.0.0.1:9/v1"], 5, "--base-url URL"),
    (["--base", "together:m"], 5, "export TOGETHER_API_KEY"),
])
def test_what_cannot_be_understood(
    tales: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYNTH_RETRIES", "0")
    assert main(["finetune", "tales", *words]) == code
    assert said in capsys.readouterr().err
    assert not (tales / "finetunes").exists()


def test_no_dataset_no_export_no_model(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "tales.yaml").write_text(RECIPE)
    assert main(["finetune", "tales"]) == 4
    assert "no dataset" in capsys.readouterr().err
    made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(30)])
    assert main(["finetune", "tales"]) == 4
    assert capsys.readouterr().err.splitlines()[-1].strip() == "synth export tales"
    assert main(["models"]) == 0
    shown = capsys.readouterr()
    assert "no model was tuned yet" in shown.err
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_models_of_all_states(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = Finetune("aaaaaaaaaa", "lora", "tiny", "running", "2026-11-21T08:00:00Z", settings={"rank": 4, "seed": 7},
                   data={"train": {"path": "x", "sha256": "0123456789", "rows": 5}},
                   parameters={"total": 1000, "trainable": 10}, metrics={"steps": 3, "first_train_loss": 3.0,
                                                                         "train_loss": 1.0})
    save(folder_of(tales, one.id), one)
    save(folder_of(tales, "bbbbbbbbbb"), replace(
        one, id="bbbbbbbbbb", state="failed", cost_usd=None, usd_worst=2.5, problems=[
            {"severity": "error", "code": "nan", "where": "step 3", "message": "no number", "fix": ""}]))
    (tales / "finetunes" / "torn").mkdir()
    (tales / "finetunes" / "torn" / "finetune.json").write_text("{")
    assert main(["models", "tales"]) == 0
    shown = capsys.readouterr()
    for words in ("stopped", "failed", "3.000 -> 1.000", "01234567", "10 of 1,000 trained", "$2.50 at most",
                  "step 3: no number"):
        assert words in shown.out
    assert "torn" in shown.err
    assert shown.err.splitlines()[-1].startswith("next   synth finetune tales")


def test_a_panel_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    known = Problem("warning", "few-rows", "train.jsonl", "12 rows")
    with TuningPanel("tales", [known], live=False, clock=lambda: now[0]) as panel:
        panel.update(TuneProgress("loading", parameters=Parameters(1_000_000, 12_000)))
        panel.update(TuneProgress("loading", warning=known))
        for warning in (replace(known, code="pickles"), replace(known, code="pickles")):
            panel.update(TuneProgress("loading", warning=warning))
        for step in range(1, 31):
            now[0] += 1.0
            panel.update(TuneProgress("running", step=step, steps=30, train_loss=3.0 / step, validation_loss=1.0,
                                      seconds_left=30.0 - step))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "tunes  12,000 of 1,000,000 parameters (1%)"
    assert lines[1:4] == ["loading", "note   train.jsonl: 12 rows", "running"], "a warning is said once"
    assert lines[4] == "step 2 of 30, train loss 1.500, validation loss 1.000, 28 s left"
    assert len(lines) == 10


def test_a_panel_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", lambda: 80)
    shown = Console(width=80, file=io.StringIO(), highlight=False)
    for progress in (TuneProgress("queued", "waiting [bold]for a machine"),
                     TuneProgress("running", step=3, steps=30, train_loss=1.0, seconds_left=70.0)):
        shown.print(_drawn("tales", progress))
    assert isinstance(shown.file, io.StringIO)
    lines = shown.file.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].split()[-1] == "queued"
    assert lines[1].strip() == "waiting [bold]for a machine"
    assert "step 3 of 30" in lines[2]
    assert lines[2].rstrip().endswith("1 min 10 s left")
    assert lines[3].strip() == "train loss 1.000"
    monkeypatch.setenv("TERM", "xterm")
    with TuningPanel("tales", live=True) as panel:
        panel.update(TuneProgress("loading", parameters=Parameters(1_000_000, 12_000)))
