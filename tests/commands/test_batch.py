"""`--batch`: what it says, what it asks, what a person finds the day after."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import main
from pipeline.engine import batch as engine
from tests.servers import Server

RECIPE = """\
synth: 1
name: tales
axes: {hero: [baker, pilot, nurse, judge], place: [Lima, Oslo, Cairo]}
steps:
  - {name: premise, user: "A premise about a {{hero}} in {{place}}."}
  - {name: answer, user: "Write it: {{premise}}"}
train: {user: "{{hero}} in {{place}}"}
generate: {max_tokens: 400}
"""
SETTINGS = """\
model = "local:m"
[providers.local]
base_url = "URL"
[prices.m]
input = 1.0
output = 2.0
batch = 0.5
"""
Begin = Callable[..., Server]


@pytest.fixture
def begin(workdir: Path, openai_server: Callable[..., Server]) -> Begin:
    """A folder with a recipe, and a server that takes batches."""
    (workdir / "tales.yaml").write_text(RECIPE)

    def start(**batch: Any) -> Server:
        server = openai_server(batch={"pace_s": 0.001, **batch})
        (workdir / "synth.toml").write_text(SETTINGS.replace("URL", server.base_url))
        return server

    return start


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return re.sub(r"\s+", " ", captured.out + captured.err)


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("datasets/tales/samples.jsonl").read_text().splitlines()]


def test_rows_of_two_steps_at_half_the_price(begin: Begin, capsys: pytest.CaptureFixture[str],
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PAUSES_S", (0.02, 0.05))
    server = begin()
    assert main(["generate", "tales", "--batch"]) == 0
    assert "12 of 12, 12 new" in said(capsys)
    assert len(server.made("batch")) == 2
    made = rows()
    assert len(made) == 12
    for row in made:
        made_of = row["provenance"]
        assert made_of["cost_usd"] == pytest.approx((made_of["input_tokens"] + 2 * made_of["output_tokens"]) / 2e6)
    assert main(["generate", "tales"]) == 0
    assert len(rows()) == 12
    assert sum(server.paid().values()) == 24, "live and batch share their answers"


def test_the_day_after(begin: Begin, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Left while it is on its way; status says so, a live run leaves it alone, and the same command fetches it."""
    server = begin(pace_s=0.5)

    def leave(_seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(engine.time, "sleep", leave)
        assert main(["generate", "tales", "--batch"]) == 130
    told = said(capsys)
    assert "12 rows wait for a batch that is on its way synth generate tales --batch # fetches it" in told
    assert "synth generate tales --batch" in told.split("next")[-1]
    assert main(["status", "tales"]) == 0
    told = said(capsys)
    assert "12 questions on their way" in told
    assert "next synth generate tales --batch" in told
    assert main(["generate", "tales"]) == 0
    assert "12 rows wait for a batch" in said(capsys)
    assert not server.paid(), "a live run asks nothing that is on its way"
    monkeypatch.setattr(engine, "PAUSES_S", (0.05, 0.1))
    assert main(["generate", "tales", "--batch"]) == 0
    assert len(rows()) == 12
    assert max(server.paid().values()) == 1


def test_what_takes_no_batches(begin: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    begin()
    assert main(["generate", "tales", "--batch", "--model", "rehearsal"]) == 2
    assert "rehearsal takes no batches" in said(capsys)
    Path("tales.yaml").write_text(RECIPE.replace('{{premise}}"}', '{{premise}}", model: "ollama:other"}'))
    assert main(["generate", "tales", "--batch"]) == 2
    assert "asks ollama, too" in said(capsys)


def test_answers_of_a_batch_that_cannot_be_used_count_as_failed_once(
    begin: Begin, workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PAUSES_S", (0.02, 0.05))
    begin()
    (workdir / "tales.yaml").write_text("""\
synth: 1
name: tales
axes: {hero: [baker, pilot, nurse, judge]}
prompt: {user: "Is a {{hero}} good or bad?", answer: {labels: [good, bad]}}
train: {user: "{{hero}}"}
generate: {max_tokens: 400}
""")
    assert main(["generate", "tales", "--batch"]) == 3
    told = re.search(r"0 of 4 rows got an answer.*?\((.*?)\)", said(capsys))
    assert told is not None
    assert sum(map(int, re.findall(r"\d+", told[1]))) == 4
    assert main(["generate", "tales", "--batch"]) == 3
    assert "(no new failure)" in said(capsys)


def test_draws_that_are_skipped_are_in_no_later_batch(
    workdir: Path, openai_server: Callable[..., Server], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "PAUSES_S", (0.02, 0.05))
    (workdir / "tales.yaml").write_text(RECIPE.replace(
        'user: "Write it: {{premise}}"', 'user: "Write it: {{premise}}", skip_when: [refusal, "place == \'Lima\'"]'))
    server = openai_server(batch={}, script={"A premise about a baker": "I'm sorry, but I can't help with that.",
                                             "A premise": "A long road.", ".": "The whole story."})
    (workdir / "synth.toml").write_text(SETTINGS.replace("URL", server.base_url))
    assert main(["plan", "tales"]) == 0
    assert "at most 20 new calls" in said(capsys), "12 premises, and 8 that Lima alone does not rule out"
    assert main(["generate", "tales", "--batch"]) == 0
    assert "of 12 draws skipped 6: 3 by place == 'Lima', 3 by refusal" in said(capsys)
    assert len(rows()) == 6
    assert sum(server.paid().values()) == 12 + 1, "the six tell the same, which is asked once"
    assert main(["generate", "tales"]) == 0
    assert sum(server.paid().values()) == 13
