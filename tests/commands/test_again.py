"""What is proposed next does what is meant: with the options that were typed, and never a rehearsal in silence."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.commands import main
from tests.servers import Server, running

RECIPE = """\
synth: 1
name: tales
axes: {hero: [baker, pilot, nurse], place: [Lima, Oslo]}
prompt: {user: "A tale of a {{hero}} in {{place}}."}
train: {user: "{{hero}} in {{place}}"}
generate: {max_tokens: 500}
curate: [{length: {min: 10, unit: chars}}]
export: {formats: [openai-chat]}
"""


def flags(server: Server) -> list[str]:
    return ["--model", "openai:story-small", "--base-url", server.base_url]


def following(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words after `synth` of the last line, which is the next command."""
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("next   synth "), line
    return shlex.split(line.removeprefix("next   synth ").partition("   #")[0])


def test_every_next_line_of_the_road_can_be_followed(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """From `plan` on, with a folder that has a space in its name: always one model, one dataset, one payment."""
    words = ["plan", "tales", *flags(server), "--max-usd", "2.5", "--concurrency", "2", "--timeout", "60", "--set",
             "sample.rows=4", "--datasets", "my sets"]
    walked = []
    while words[0] not in walked:
        walked.append(words[0])
        assert main(words) == 0
        words = following(capsys)
    assert walked == ["plan", "preview", "run", "inspect"]
    assert len(server.received()) == 4
    rows = [json.loads(line) for line in (tales / "my sets/tales/samples.jsonl").read_text().splitlines()]
    assert len(rows) == 4
    assert not any(row["provenance"]["rehearsal"] for row in rows)
    assert not (tales / "datasets").exists()


def test_an_option_goes_to_the_verbs_that_take_it(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--set", "generate.temperature=0.5", "--set", "curate=[refusal]", "--max-usd", "2"]
    assert main(["generate", "tales", *flags(server), *more]) == 0
    assert following(capsys) == ["curate", "tales", "--set", "curate=[refusal]"]
    assert main(["plan", "tales", *flags(server), *more]) == 0
    assert following(capsys) == ["run", "tales", *flags(server)[:4], "--max-usd", "2", *more[:4]]


def test_what_an_error_proposes_has_them_too(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("A tale of", "[[fault:content_filter]] A tale of"))
    assert main(["generate", "tales", *flags(server)]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert f"synth generate tales --retry --model openai:story-small --base-url {server.base_url} # or see" in said
    (tales / "tales.yaml").write_text(RECIPE)
    assert main(["generate", "tales", *flags(server)]) == 0
    path = tales / "datasets/tales/samples.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    capsys.readouterr()
    assert main(["run", "tales", *flags(server)]) == 4
    said = " ".join(capsys.readouterr().err.split())
    for way in ("adopt", "restore"):
        assert f"synth generate tales --{way} --model openai:story-small --base-url {server.base_url}" in said


def test_a_placeholder_gets_the_name(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("generate: {max_tokens: 500}\n", ""))
    priced = ["--model", "openai:gpt-4.1-mini", "--max-usd", "1"]
    assert main(["generate", "tales", *priced]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.split() == ["synth", "generate", "tales", "--set", "generate.max_tokens=1000", *priced]


def test_options_of_another_verb_and_a_quote_survive(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "it's").mkdir()
    assert main(["generate", "tales", "--datasets", "it's/d"]) == 0
    words = following(capsys)
    assert words == ["curate", "tales", "--datasets", "it's/d"]
    assert main(words) == 0
    assert main(following(capsys)) == 0
    assert (tales / "it's/d/tales/exports/openai-chat/train.jsonl").is_file()


# -- no rehearsal in silence -----------------------------------------------------------------------

@pytest.mark.parametrize("verb", ["generate", "run", "preview", "augment"])
def test_rows_of_a_real_model_are_not_rehearsed_beside_in_silence(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    (tales / "tales.yaml").write_text(RECIPE + "augment: [expand: {below: 10000}]\n")
    assert main(["preview", "tales", "-n", "2", *flags(server)]) == 0
    before = (tales / "datasets/tales/samples.jsonl").read_bytes()
    capsys.readouterr()
    assert main([verb, "tales"]) == 2
    error, *ways = capsys.readouterr().err.splitlines()
    assert error == "error  tales: openai:story-small wrote rows of it, and no model is named now"
    assert [way.split() for way in ways] == [
        ["synth", verb, "tales", "--model", "openai:story-small", "#", "goes", "on"],
        ["synth", verb, "tales", "--model", "rehearsal", "#", "rehearses", "beside", "them"],
    ]
    assert (tales / "datasets/tales/samples.jsonl").read_bytes() == before


def test_a_rehearsal_that_is_asked_for_stands_beside_them(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", "tales", "-n", "2", *flags(server)]) == 0
    assert main(["generate", "tales", "--model", "rehearsal"]) == 0
    assert "rows of a rehearsal stand aside" in capsys.readouterr().err
    assert main(["generate", "tales"]) == 2, "the real rows are the set"


@pytest.mark.parametrize("where", ["recipe", "environment", "synth.toml"])
def test_a_model_may_be_named_anywhere(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    assert main(["preview", "tales", "-n", "2", *flags(server)]) == 0
    monkeypatch.setenv("SYNTH_BASE_URL", server.base_url)
    if where == "recipe":
        (tales / "tales.yaml").write_text(RECIPE.replace("generate: {", "generate: {model: 'openai:story-small', "))
    elif where == "environment":
        monkeypatch.setenv("SYNTH_MODEL", "openai:story-small")
    else:
        (tales / "synth.toml").write_text('model = "openai:story-small"\n')
    assert main(["generate", "tales"]) == 0
    assert len(server.received()) == 6


def test_plan_and_status_say_it_too(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "tales", "-n", "2", *flags(server)]) == 0
    capsys.readouterr()
    assert main(["plan", "tales"]) == 0
    err = capsys.readouterr().err
    assert "note   openai:story-small wrote rows of it, and no model is named now: --model" in err
    assert err.splitlines()[-1] == "next   synth run tales --model openai:story-small"
    assert main(["generate", "tales", "--set", "sample.rows=4", *flags(server)]) == 0
    path = tales / "datasets/tales/samples.jsonl"
    path.unlink()
    assert main(["generate", "tales"]) == 2, "answers are there, though no row is"
    capsys.readouterr()
    assert main(["status", "tales"]) == 0
    captured = capsys.readouterr()
    assert "0 of 4 (samples.jsonl is gone: 4 rows will be made again for nothing)" in captured.out
    assert captured.err.splitlines()[-1] == "next   synth generate tales --model openai:story-small"


def test_rows_that_a_person_brought_are_no_reason(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "q.csv").write_text("q,a\nWhy?,Because it is so.\n")
    assert main(["import", "mine", "q.csv", "--prompt", "q", "--completion", "a"]) == 0
    assert main(["augment", "mine", "--set", "augment=[expand: {below: 1000}]"]) == 0
    assert "rehearsal" in capsys.readouterr().err


# -- addresses and keys ----------------------------------------------------------------------------

def test_a_name_of_ones_own_for_a_base_url(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """README: `synth run plots --model local:my-model --base-url http://localhost:8000/v1`, with no word more."""
    assert main(["run", "tales", "--model", "local:my-model", "--base-url", server.base_url]) == 0
    said = capsys.readouterr().err
    assert "writer local:my-model" in said
    assert "bill   6 new calls, about $0, at most $0, cap none\nnote   no price: an address on this machine" in said
    row = json.loads((tales / "datasets/tales/samples.jsonl").read_text().splitlines()[0])
    assert (row["provenance"]["namespace"], row["provenance"]["cost_usd"]) == ("local", 0.0)
    assert main(["status", "tales", "--cost"]) == 0
    assert main(["plan", "tales", "--model", "local:other", "--base-url", server.base_url, "--max-usd", "1"]) == 0
    assert "no price: an address on this machine counts as free" in capsys.readouterr().out


def test_a_variable_that_is_named_and_not_set(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK_KEY", "sk-planted-bank")
    for verb in ("generate", "preview", "run"):
        assert main([verb, "tales", *flags(server), "--key-env", "BANK_KYE"]) == 2
        said = capsys.readouterr().err
        assert "error  BANK_KYE is not set" in said
        assert "export BANK_KYE=..." in said
        assert "did you mean 'BANK_KEY'?" in said
        assert "sk-planted" not in said
    assert server.received() == []
    assert main(["plan", "tales", *flags(server), "--key-env", "BANK_KYE"]) == 0, "a plan needs no key"
    assert main(["generate", "tales", "--key-env", "BANK_KYE"]) == 0, "nor does a rehearsal"
    assert main(["doctor", *flags(server), "--key-env", "BANK_KYE"]) == 1
    out = capsys.readouterr().out
    assert out.count("BANK_KYE is not set") == 2
    assert "export BANK_KYE=..." in out
    assert "OPENAI_API_KEY" not in out


def test_a_variable_that_synth_toml_names_for_a_server_here(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (tales / "synth.toml").write_text(f'[providers.bank]\nbase_url = "{server.base_url}"\nkey_env = "BANK_KYE"\n')
    assert main(["generate", "tales", "--model", "bank:m"]) == 5
    assert "BANK_KYE is not set" in capsys.readouterr().err
    assert server.received() == [], "not even with an empty key"


def test_a_wrong_address_is_said_at_once_and_the_right_one_asks_for_all(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["--model", "openai:story-small", "--base-url", server.base_url.removesuffix("/v1")]
    assert main(["generate", "tales", *wrong]) == 5
    said = capsys.readouterr().err
    assert "most base URLs end in /v1" in said
    assert "--base-url URL" in said
    assert main(["status", "tales"]) == 0
    assert "next   synth generate tales" in capsys.readouterr().err
    assert main(["generate", "tales", *flags(server)]) == 0
    assert len(server.answered()) == 6


# -- who is at work --------------------------------------------------------------------------------

def test_a_run_is_told_as_a_run_and_a_closed_terminal_stops_it_with_a_word(
    tales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OPENAI_API_KEY": "sk-loopback"}
    with running(latency_s=0.5) as server:
        command = [sys.executable, "-m", "pipeline", "run", "tales", *flags(server), "--concurrency", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
            while not server.answered():
                time.sleep(0.05)
            assert main(["status", "tales", "--json"]) == 0
            assert json.loads(capsys.readouterr().out)["busy"].startswith(f"run (pid {process.pid} on ")
            assert main(["generate", "tales", *flags(server)]) == 4
            assert "in use by `synth run` (pid" in capsys.readouterr().err
            process.send_signal(signal.SIGHUP)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 130, err
    assert "everything that came is kept" in err
    again = f"next   synth run tales --model openai:story-small --base-url {server.base_url} --concurrency 1"
    assert err.splitlines()[-1].startswith(again)


@pytest.mark.parametrize(("words", "again"), [
    (["generate", "tales", "--retry", "--class", "parse", "--class", "length"],
     "generate tales --retry --class parse --class length"),
    (["plan", "tales", "--more", "place=3", "--write"], "plan tales --more place=3 --write"),
])
def test_a_verbs_own_options_are_proposed_again(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str], words: list[str], again: str
) -> None:
    assert main(["preview", "tales", "-n", "2", *flags(server)]) == 0
    capsys.readouterr()
    assert main([*words, "--max-usd", "0.5"]) == 2
    first, second = capsys.readouterr().err.splitlines()[-2:]
    assert first.strip() == f"synth {again} --model openai:story-small --max-usd 0.5   # goes on"
    assert second.index("rehearses beside them") == first.index("goes on"), "comments stand below each other"


def test_a_key_that_was_never_sent_is_said_to_be_none(tales: Path, capsys: pytest.CaptureFixture[str],
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    with running(key="sk-right-6f1d77") as server:
        (tales / "synth.toml").write_text(f'[providers.mine]\nbase_url = "{server.base_url}"\n')
        assert main(["generate", "tales", "--model", "mine:story-small", "--yes"]) == 5
        assert "(none was sent: --key-env VARIABLE, or key_env in synth.toml, says where it is)" in " ".join(
            capsys.readouterr().err.split())
        monkeypatch.setenv("MINE", "sk-right-6f1d77")
        assert main(["generate", "tales", "--model", "mine:story-small", "--yes", "--key-env", "MINE"]) == 0


def test_a_shipped_recipe_is_planned_before_anything_is_written(workdir: Path,
                                                                capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "plots", "--model", "openai:gpt-4.1-mini"]) == 0
    captured = capsys.readouterr()
    assert "396 new calls, about $0.40" in captured.out
    assert "synth init plots, then synth preview plots -n 20 tells" in captured.out
    assert "synth init plots writes it" in " ".join(captured.err.split())
    assert captured.err.splitlines()[-1].startswith("next   synth run plots --model openai:gpt-4.1-mini")
    assert main(["plan", "plots", "--more", "place=3", "--write", "--yes"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].strip() == "synth init plots", "ours is not edited"
    assert list(workdir.iterdir()) == []
    assert main(["init", "plots"]) == 0
    assert main(["plan", "plots"]) == 0
    assert "nothing of this name is here" not in capsys.readouterr().err
