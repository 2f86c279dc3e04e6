"""`plan`, `preview`, `generate`: the bill before the bill, consent, what a run says, and what it leaves."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.recipe import parse_recipe
from tests.commands.conftest import KEY
from tests.made import TWELVE
from tests.servers import Server, running

RECIPE = TWELVE + """\
train: {user: "{{hero}} in {{place}}", assistant: "{{answer}}"}
generate: {max_tokens: 500}
curate: [{length: {min: 10, unit: chars}}]
"""
PRICES = '[prices."story-small"]\ninput = 1000\noutput = {output}\n'


def real(server: Server, *more: str) -> list[str]:
    return ["--model", "openai:story-small", "--base-url", server.base_url, *more]


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_plan_of_a_rehearsal(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "tales"]) == 0
    captured = capsys.readouterr()
    for told in (
        "rehearsal: nobody real answers", "--model openai:", "12 cells", "12 wanted, none asked for yet",
        "12 new calls, $0", "the writer is asked (user)", "A tale of a ", "the tuned model sees (assistant)",
    ):
        assert told in captured.out, told
    assert captured.out.count("the writer is asked") == 2
    assert captured.err.splitlines()[-1].startswith("next   synth preview tales -n 3")
    assert [path.name for path in tales.iterdir()] == ["tales.yaml"], "a plan writes nothing"


def test_plan_as_json(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "synth.toml").write_text(PRICES.format(output=2000))
    assert main(["plan", "tales", "--json", *real(server)]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["cells"], plan["wanted"], plan["reused"], plan["surplus"], plan["new_calls"]) == (12, 12, 0, 0, 12)
    assert plan["usd_worst"] >= 12 * 500 * 2000 / 1e6
    assert 0 < plan["usd_expected"] < plan["usd_worst"]
    assert (plan["model"], plan["rehearsal"], plan["max_usd"]) == ("openai:story-small", False, None)
    assert server.received() == []


def test_plan_says_what_the_upper_sum_takes_for_granted(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (tales / "synth.toml").write_text(PRICES.format(output=2000))
    assert main(["plan", "tales", *real(server)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    most = re.search(r"at most (\$[\d.]+), cap none", out)
    assert most
    assert f"at most {most[1]} where every answer fills its max_tokens" in out
    assert main(["plan", "tales", "--set", "prompt.answer={labels: [a, b]}", *real(server)]) == 0
    assert "fills its max_tokens, and 12 repairs too" in " ".join(capsys.readouterr().out.split())
    assert main(["plan", "tales"]) == 0
    assert "max_tokens" not in capsys.readouterr().out, "a rehearsal pays nobody"


def test_plan_with_coverage_and_defaults(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "tales", "--axes", "--explain"]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["hero", "4", "0", "3", "baker,", "3", "judge", "3", "pilot,", "3", "nurse"] in lines
    assert ["hero", "x", "place", "12", "12", "100%"] in lines
    assert any(line[:1] == ["sample.how"] for line in lines)
    assert any(line[:1] == ["concurrency"] for line in lines)
    assert main(["plan", "tales", "--axes", "--explain", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["coverage"]["values"]["place"] == {"Lima": 4, "Oslo": 4, "Cairo": 4}
    assert {default["key"] for default in value["defaults"]} > {"sample.rows", "retries"}


def test_the_rules_in_force_are_listed_with_their_lines(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tales / "tales.yaml"
    rest = "".join(line for line in recipe.read_text().splitlines(True) if not line.startswith("curate"))
    for text, title, lines in (
        (rest, "rules in force, by the preset sft, as the recipe names none", ["  refusal  "]),
        ("curate:\n  - length: {min: 10, unit: chars}\n  - refusal\n", "rules in force",
         ["  length   {min: 10, unit: chars}   tales.yaml:2", "   tales.yaml:3"]),
        ("curate:\n  - sft: {pii: off}\n  - refusal\n", "rules in force, by sft (tales.yaml:2)",
         ["  identity  ", "   tales.yaml:3"]),
        ("curate: []\n", "rules in force: none, every row is kept", []),
    ):
        recipe.write_text(rest if text == rest else text + rest)
        assert main(["plan", "tales", "--explain"]) == 0
        out = capsys.readouterr().out.splitlines()
        held = out[out.index(title):]
        assert all(any(each in line for line in held) for each in lines), held
        assert not any("pii" in line for line in held) or text == rest
    assert main(["plan", "tales", "--explain", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rules"] == []
    recipe.write_text("curate: [refusal]\n" + rest)
    assert main(["plan", "tales", "--explain", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rules"] == [
        {"rule": "refusal", "options": {}, "at": "tales.yaml:1", "preset": None}]


def test_no_number_of_the_coverage_is_cut_on_a_narrow_screen(
    tales: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "action-packed and exciting beyond all measure"
    (tales / "tales.yaml").write_text((tales / "tales.yaml").read_text().replace("baker", long))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("pipeline.commands._console.screen", lambda: True)
    assert main(["plan", "tales", "--axes"]) == 0
    hero = next(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("hero"))
    assert hero[:3] == ["hero", "4", "0"]
    assert [word for word in hero[3:] if word.isdigit()] == ["3", "3"]


def test_axes_of_rows_that_exist(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "t.csv").write_text("q,a\nWhy?,So.\n")
    (workdir / "t.yaml").write_text(
        "synth: 1\nname: t\nsource: {file: t.csv}\ntrain: {user: '{{q}}', assistant: '{{a}}'}\n"
    )
    assert main(["plan", "t", "--axes"]) == 2
    assert "t.yaml:3" in said(capsys)
    assert main(["plan", "t"]) == 0
    out = capsys.readouterr().out
    assert "nobody: the rows exist already" in out
    assert "Why?" in out
    assert main(["generate", "t"]) == 0
    assert "1 of 1, 1 new" in said(capsys)


def test_preview_shows_the_row_that_rules_measure(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (tales / "tales.yaml").read_text()
    assert main(["preview", "tales", "-n", "1"]) == 0
    shown = capsys.readouterr().out
    assert "trained on, user" in shown
    assert shown.rstrip().endswith("the answer above"), "a long text is not shown twice"
    assert "assistant: \"{{answer}}\"" in text
    (tales / "tales.yaml").write_text(text.replace("assistant: \"{{answer}}\"", "assistant: \"the {{hero}}\""))
    assert main(["preview", "tales", "-n", "1"]) == 0
    assert capsys.readouterr().out.rstrip().splitlines()[-1].startswith("the "), "the label, not what the writer said"


def test_preview_rows_are_real_rows(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "tales", "-n", "2", *real(server, "--yes")]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("asked by step:answer, user") == 2
    assert captured.out.count("answer of the assistant") == 2
    assert len(server.received()) == 2
    assert main(["preview", "tales", "-n", "3", "--json", *real(server, "--yes")]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 3
    assert len(server.received()) == 3, "two of the three were there"
    assert main(["generate", "tales", *real(server, "--yes")]) == 0
    assert len(server.received()) == 12
    text = said(capsys)
    assert "9 new calls" in text
    assert "12 of 12, 9 new" in text
    drawn = [json.loads(line)["id"] for line in (tales / "datasets/tales/samples.jsonl").read_text().splitlines()]
    assert drawn[:2] == [row["id"] for row in rows[:2]]


def test_generate_ends_with_what_it_wrote_and_one_next_command(
    tales: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "tales"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-2:] == [
        "wrote  datasets/tales/samples.jsonl", "next   synth curate tales",
    ]
    assert main(["generate", "tales"]) == 0
    assert "bill   0 new calls, $0" in said(capsys)


def test_over_a_dollar_somebody_has_to_agree(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "synth.toml").write_text(PRICES.format(output=2000))
    assert main(["generate", "tales", *real(server)]) == 2
    text = said(capsys)
    assert "12 new calls, about $" in text
    assert "cap none" in text
    assert "--max-usd " in text
    assert "--yes" in text
    assert server.received() == []
    assert not (tales / "datasets").exists(), "nothing is made before a person agreed"


def test_a_cent_is_not_asked_about(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "synth.toml").write_text('[prices."story-small"]\ninput = 0.1\noutput = 0.1\n')
    assert main(["generate", "tales", *real(server)]) == 0
    assert len(server.received()) == 12


def test_a_cap_is_consent_and_holds(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "synth.toml").write_text(PRICES.format(output=2000))
    assert main(["generate", "tales", *real(server, "--max-usd", "2.5", "--concurrency", "1")]) == 5
    text = said(capsys)
    assert "cap $2.50" in text
    assert "--max-usd" in text.splitlines()[-1]
    assert 1 <= len(server.received()) < 12


def test_an_unknown_price_is_asked_about(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.root)  # so that it is no address of this machine, and answers
    elsewhere = ["--model", "openai:story-small", "--base-url", "http://elsewhere.example/v1"]
    assert main(["generate", "tales", *elsewhere]) == 2
    text = said(capsys)
    assert "12 new calls, cost unknown (no price is known), cap none" in text
    assert "an unknown amount" in text
    assert main(["generate", "tales", *elsewhere, "--yes"]) == 0
    assert "cost unknown" in said(capsys)


@pytest.mark.parametrize(("answer", "code", "asked"), [("y", 0, 12), ("n", 1, 0), ("", 1, 0)])
def test_a_person_on_a_terminal_is_asked(tales: Path, server: Server, answer: str, code: int, asked: int) -> None:
    (tales / "synth.toml").write_text(PRICES.format(output=2000))
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "pipeline", "generate", "tales", *real(server)]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", "COLUMNS": "90"}
    with subprocess.Popen(command, stdin=follower, stdout=subprocess.PIPE, stderr=follower, env=env) as process:
        os.close(follower)
        shown = b""
        while b"Go on?" not in shown:
            shown += os.read(leader, 4096)
        os.write(leader, answer.encode() + b"\n")
        while True:
            try:
                shown += os.read(leader, 4096)
            except OSError:  # the other end is closed: the process has ended
                break
        assert process.wait(30) == code
    os.close(leader)
    assert len(server.received()) == asked
    assert KEY.encode() not in shown
    if not asked:
        assert b"nothing was asked, nothing was spent" in shown


def test_failures_are_told_kept_and_tried_again_on_request(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("pilot", '"pilot [[fault:content_filter]]"'))
    assert main(["generate", "tales", *real(server, "--yes")]) == 0
    text = said(capsys)
    assert "9 of 12, 9 new" in text
    assert "failed 3 content_filter; datasets/tales/failures.jsonl holds them" in text
    assert len((tales / "datasets/tales/failures.jsonl").read_text().splitlines()) == 3
    assert main(["generate", "tales", *real(server, "--yes")]) == 0
    assert len(server.received()) == 12, "final failures are left alone"
    assert main(["generate", "tales", *real(server, "--yes", "--retry")]) == 0
    assert len(server.received()) == 15


def test_a_run_without_rows_is_no_success(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("A tale of", "[[fault:content_filter]] A tale of"))
    assert main(["generate", "tales", *real(server, "--yes")]) == 3
    assert "0 of 12 rows got an answer" in said(capsys)


def test_a_key_that_is_refused_stops_the_run(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("A tale of", "[[fault:auth]] A tale of"))
    assert main(["generate", "tales", *real(server, "--yes", "--concurrency", "2")]) == 5
    text = said(capsys)
    assert "synth doctor" in text
    assert len(server.received()) <= 3
    for path in (tales / "datasets").rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path


def test_both_ways_with_hand_edits_exclude_each_other(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "tales", "--adopt", "--restore"]) == 2
    assert "give one of the two" in said(capsys)


def test_ctrl_c_keeps_what_came(tales: Path) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("[Lima, Oslo, Cairo]", "{numbers: {min: 1, max: 200}}"))
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OPENAI_API_KEY": KEY}
    with running(latency_s=0.2) as server:
        command = [sys.executable, "-m", "pipeline", "generate", "tales", *real(server, "--yes", "--concurrency", "4")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
            while len(server.answered()) < 8:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 130, err
        answered = len(server.answered())
    assert "Traceback" not in err
    assert "everything that came is kept" in err
    again = f"next   synth generate tales --model openai:story-small --base-url {server.base_url} --concurrency 4"
    assert err.splitlines()[-1].startswith(again), "what goes on is this run, and no rehearsal"
    assert len((tales / "datasets/tales/samples.jsonl").read_text().splitlines()) == answered


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plan", "tale"], "did you mean 'tales'?"),
        (["plan", "tales", "--set", "generate.max_token=3"], "did you mean 'max_tokens'?"),
        (["plan", "tales", "--model", "opena:x"], "did you mean 'openai'?"),
        (["generate", "tales", "--concurrency", "0"], "--concurrency"),
        (["generate", "tales", "--timeout", "-1"], "--timeout"),
        (["preview", "tales", "-n", "0"], "-n"),
    ],
)
def test_what_cannot_be_understood(
    tales: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(words) == 2
    assert told in said(capsys)


def test_the_recipe_of_these_tests_is_one() -> None:
    assert parse_recipe(RECIPE).name == "tales"


def test_what_failed_for_good_is_in_no_bill(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("pilot", '"pilot [[fault:content_filter]]"'))
    assert main(["generate", "tales", *real(server, "--yes")]) == 0
    assert "synth generate tales --retry asks again" in said(capsys)
    assert main(["plan", "tales", *real(server)]) == 0
    captured = capsys.readouterr()
    assert "12 wanted, 9 paid already, 3 asked for and without a row" in captured.out
    assert "bill    0 new calls, $0" in captured.out
    assert captured.err.splitlines()[-1].startswith("next   synth generate tales --retry --model")
    assert main(["generate", "tales", *real(server)]) == 0
    text = said(capsys)
    assert "0 new calls, $0" in text
    assert "wrote" not in text, "there is no new row"
    assert main(["generate", "tales", *real(server, "--retry")]) == 0
    assert "3 new calls, " in said(capsys)


@pytest.mark.parametrize("verb", [["generate"], ["run"], ["preview", "-n", "2"]])
def test_a_cap_that_is_passed_is_said(tales: Path, server: Server, capsys: pytest.CaptureFixture[str],
                                      verb: list[str]) -> None:
    (tales / "synth.toml").write_text(PRICES.format(output=1000))
    assert main(["generate", "tales", *real(server, "--yes")]) == 0
    assert "over the cap" not in said(capsys)
    sent = len(server.received())
    assert main([verb[0], "tales", *verb[1:], *real(server, "--max-usd", "0.01")]) == 0
    assert "are spent, over the cap of $0.01: nothing more is sent under it" in said(capsys)
    assert len(server.received()) == sent
