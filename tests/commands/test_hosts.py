"""What a person reads of a host that takes parameters in its own way: before a run, when it refuses, after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands import main
from tests.servers import Server

RECIPE = """\
synth: 1
name: tales
axes: {hero: [baker, pilot, nurse], place: [Lima, Oslo]}
prompt: {user: "A tale of a {{hero}} in {{place}}."}
train: {user: "{{hero}}"}
generate: {max_tokens: 5000, temperature: 0.5}
"""
Start = Callable[..., Server]
Synth = Callable[..., tuple[int, str, str]]


@pytest.fixture
def synth(workdir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Synth:
    """The command line where a recipe `tales` is: exit code, stdout, and stderr with single spaces."""
    (workdir / "tales.yaml").write_text(RECIPE)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789abcdef")
    monkeypatch.setenv("COLUMNS", "140")

    def call(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        captured = capsys.readouterr()
        return code, captured.out, " ".join(captured.err.split())

    return call


def test_plan_says_what_is_sent_in_another_way_before_anything_is_asked(synth: Synth) -> None:
    code, _, talk = synth("plan", "tales", "--model", "openai:o3-mini")
    assert code == 0
    assert talk.count("max_tokens is sent as max_completion_tokens, temperature is left out") == 1
    code, data, _ = synth("plan", "tales", "--model", "openai:o3-mini", "--json")
    assert "temperature is left out" in json.loads(data)["doubts"][0]
    assert "is sent as" not in synth("plan", "tales", "--model", "openai:gpt-4.1-mini")[2]


def test_a_refused_key_stops_the_run_and_the_line_it_names_mends_it(synth: Synth, openai_server: Start) -> None:
    server = openai_server(refuses={"max_tokens": "max_completion_tokens"})
    asked = ("generate", "tales", "--model", "mine:m", "--yes", "--concurrency", "1")
    code, _, talk = synth(*asked, "--base-url", server.base_url)
    assert (code, len(server.received())) == (5, 1)
    line = '[providers.mine.parameters] max_tokens = "max_completion_tokens"'
    assert line in talk
    table, _, value = line.partition(" max")
    Path("synth.toml").write_text(f'[providers.mine]\nbase_url = "{server.base_url}"\n{table}\nmax{value}\n')
    code, _, _ = synth(*asked)
    assert (code, sum(server.paid().values())) == (0, 6)


def test_what_a_host_ignored_is_said_once_with_its_count(synth: Synth, openai_server: Start) -> None:
    server = openai_server(answer="One. ### Two.")
    asked = ("--model", "mine:story", "--base-url", server.base_url, "--yes", "--set", "generate.stop='###'")
    code, _, talk = synth("generate", "tales", *asked)
    assert code == 0
    assert talk.count("the host ignored stop") == 1
    assert "(6 of 6 answers)" in talk
    _, data, _ = synth("run", "tales", *asked, "--json", "--set", "prompt.user=Of {{hero}} and {{place}}")
    assert json.loads(data)["generate"]["noticed"] == {"the host ignored stop: answers go on after it": 6}
