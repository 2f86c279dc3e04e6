"""The bill as its user sees it: a table before the run, a line after it, and both in status and report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.commands import main
from tests.servers import Server

RECIPE = """\
synth: 1
name: tales
axes: {who: {numbers: {min: 1, max: 40}}, what: [sea, road, war, love]}
sample: {rows: 40}
prompt: {user: "Tale {{who}} of {{what}}.", salt: true}
train: {user: "{{what}}"}
generate: {max_tokens: 800}
curate: [{length: {min: 600, unit: bytes}}]
"""


@pytest.fixture
def tales(tales: Path) -> Path:
    (tales / "synth.toml").write_text('[prices."story-small"]\ninput = 1\noutput = 10\n')
    return tales


def line(out: str, title: str) -> str:
    return next(line for line in out.splitlines() if line.strip().startswith(title))


def test_a_plan_shows_money_without_a_key(workdir: Path, capsys: pytest.CaptureFixture[str],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (workdir / "tales.yaml").write_text(RECIPE)
    assert main(["plan", "tales", "--model", "openai:gpt-4.1-mini"]) == 0
    captured = capsys.readouterr()
    # 40 answers of 160, 480 or 800 tokens at $1.60 a million, and prompts for less than a tenth of a cent
    assert line(captured.out, "tokens out").split()[2:5] == ["6,400", "19,200", "32,000"]
    assert line(captured.out, "cost, live").split()[2:5] == ["$0.01", "$0.03", "$0.05"]
    assert line(captured.out, "cost, batch").split()[2:5] == ["$0.005", "$0.02", "$0.03"]
    assert line(captured.out, "cost, live").endswith("a guess")
    assert line(captured.out, "rows kept").endswith("synth preview tales -n 20 tells")
    assert "preview tales -n 20" in captured.err.splitlines()[-1]


def test_a_rehearsal_counts_tokens_and_pays_nobody(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "tales.yaml").write_text(RECIPE)
    assert main(["plan", "tales"]) == 0
    out = capsys.readouterr().out
    assert "40 new calls, $0: a rehearsal pays nobody" in out
    assert "tokens in" in out
    assert "cost, live" not in out


def test_what_came_stands_beside_the_bill(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    real = ["tales", "--model", "openai:story-small", "--base-url", server.base_url]
    assert main(["preview", *real, "-n", "20", "--yes"]) == 0
    assert "bill" not in json.loads((tales / "datasets/tales/manifest.json").read_bytes()), "a preview foresees no run"
    capsys.readouterr()
    assert main(["plan", *real]) == 0
    out = capsys.readouterr().out
    assert line(out, "tokens out").endswith("as 20 answers were")
    assert line(out, "rows kept").endswith("of 40, by rules on 20 rows")
    assert line(out, "per kept row").endswith("live")
    assert main(["run", *real, "--yes"]) == 0
    err = capsys.readouterr().err
    told = line(err, "came")
    assert told.index("$") < told.index("tokens in") < told.index("rows kept")
    assert main(["status", "tales", "--cost"]) == 0
    out = capsys.readouterr().out
    assert " ".join(line(out, "last run").split()) == "last run calls tokens in tokens out cost rows kept"
    assert line(out, "tales     foreseen").split()[2] == line(out, "came").split()[1] == "20"
    assert main(["status", "tales", "--json"]) == 0
    bill = json.loads(capsys.readouterr().out)["bill"]
    assert bill["came"]["done"]
    assert bill["came"]["calls"] == bill["foreseen"]["calls"] == 20
    assert bill["foreseen"]["usd"]["low"] <= bill["came"]["usd"] <= bill["foreseen"]["usd"]["high"]
    assert main(["report", "tales"]) == 0
    page = (tales / "datasets/tales/report.html").read_text()
    assert "Foreseen" in page
    assert "for 20 calls of the last run; 20 came" in page
    capsys.readouterr()
    assert main(["generate", *real]) == 0
    assert "came " not in capsys.readouterr().err, "nothing was asked, nothing is told"


@pytest.mark.parametrize("verb", [["generate", "tales"], ["run", "tales", "--no-tune"]])
def test_a_rehearsal_is_not_laid_beside_the_bill_of_another_model(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    real = ["--model", "openai:story-small", "--base-url", server.base_url]
    assert main([*verb, *real, "--max-usd", "0.0000001"]) == 5, "its bill is written down, and nothing was asked"
    assert "came" not in capsys.readouterr().err
    assert main([*verb, "--model", "rehearsal"]) == 0
    assert "came " not in capsys.readouterr().err
    assert main(["status", "tales", "--cost"]) == 0
    assert "foreseen" not in capsys.readouterr().out
    assert main([*verb, *real]) == 0
    assert "came " in capsys.readouterr().err
