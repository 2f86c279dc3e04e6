"""`synth curate` with a judge as it is typed, against a host on loopback that says what a test wants it to say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import main
from pipeline.store import Dataset
from tests.servers import Server, running

PRICE = '[prices."story-small"]\ninput = 1\noutput = 10\n'
RUBRIC = """\
about: Jokes for an almanac.
criteria:
  - {name: wit, ask: "Does it surprise?", weight: 2}
  - {name: style, ask: "Is it plain?"}
"""
RECIPE = """\
synth: 1
name: jokes
source: {file: rows.jsonl}
train: {user: "{{ask}}", assistant: "{{told}}"}
curate:
  - length: {min: 12, unit: chars}
  - judge: {rubric: wit.yaml, min: 3, max_tokens: 200}
"""
SAYS = {
    "gem": '{"reason": "It turns at the end.", "wit": 5, "style": 4}',
    "fine": '```json\n{"reason": "One sees it coming.", "wit": 3, "style": 3}\n```',
    "dull": '{"reason": "No joke.", "wit": 1, "style": 5}',
    "odd": "I would say four out of five.",
}
ROWS = {"gem": 4, "fine": 4, "dull": 3, "odd": 1}


@pytest.fixture
def jokes(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve rows that stand and one that is too short, the recipe, its rubric and a price."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    rows = [{"ask": f"A joke, number {n}.", "told": f"Number {n} of the {word} ones, told at length."}
            for word, count in ROWS.items() for n in range(count)]
    rows.append({"ask": "x", "told": "dull"})
    (workdir / "rows.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    (workdir / "wit.yaml").write_text(RUBRIC)
    (workdir / "jokes.yaml").write_text(RECIPE)
    (workdir / "synth.toml").write_text(PRICE)
    return workdir


@pytest.fixture
def host() -> Iterator[Server]:
    with running(script={f" {word} ones": said for word, said in SAYS.items()}, keep=True) as server:
        yield server


def options(host: Server) -> list[str]:
    return ["--model", "openai:story-small", "--base-url", host.base_url]


def made(jokes: Path) -> Path:
    assert main(["generate", "jokes"]) == 0
    return jokes / "datasets" / "jokes"


def verdicts(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "verdicts.jsonl").read_text().splitlines()]


def scores(path: Path) -> list[Any]:
    return [each["value"] for line in verdicts(path) for each in line["findings"] if each["rule"] == "judge"]


def test_the_bill_first_then_scores_and_nothing_twice(
    jokes: Path, host: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made(jokes)
    capsys.readouterr()
    assert main(["curate", "jokes", *options(host)]) == 0
    out, err = capsys.readouterr()
    assert "judge  openai:story-small\nrows   at most 12 rows to score (judge 12)\nbill   12 new calls, " in err
    assert ", cap none\n" in err
    assert "scored judge: 11 rows, by openai:story-small" in err
    assert "judge: no score of 1 row, kept all the same (parse 1)" in err.replace("\n       ", " ")
    assert "synth curate jokes --retry" in err
    assert "asked  12 answers, " in err
    assert out.startswith("9 kept, 4 dropped, 0 flagged, of 13 rows")
    assert sorted(map(str, scores(path))) == sorted(map(str, [4.67] * 4 + [3] * 4 + [2.33] * 3 + [None] * 2))
    found = next(each for line in verdicts(path) for each in line["findings"] if each["value"] == 2.33)
    assert found["reason"] == "2.33 < 3: wit 1, style 5. No joke."
    assert len(found["calls"]) == 1
    assert len(host.received()) == 12

    assert main(["curate", "jokes"]) == 0
    err = capsys.readouterr().err
    assert "bill" not in err
    assert "scored judge: 11 rows, by openai:story-small" in err, "nobody is named now, and the scores hold"
    assert len(host.received()) == 12

    (jokes / "wit.yaml").write_text(RUBRIC.replace("surprise", "astonish"))
    assert main(["curate", "jokes"]) == 2
    err = capsys.readouterr().err
    assert "jokes: openai:story-small judged rows of it, and no model is named now" in err
    assert "synth curate jokes --model openai:story-small" in err
    assert len(host.received()) == 12, "who judged before is not paid in silence"
    assert main(["curate", "jokes", *options(host), "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["asked"]["calls"] == 12
    assert told["asked"]["missing"] == {"judge": {"parse": 1}}
    assert len(host.received()) == 24


def test_what_if_says_calls_and_dollars_and_asks_nothing(
    jokes: Path, host: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    made(jokes)
    main(["curate", "jokes", *options(host)])
    capsys.readouterr()
    assert main(["curate", "jokes", "--what-if", "judge.min=4"]) == 0
    out, err = capsys.readouterr()
    assert "9 rows kept now, 5 then, of 13 (0 back, 4 dropped)" in out
    assert "1 row would stand without a score, kept all the same\n" in err, "the one that could not be read"
    assert main(["curate", "jokes", "--what-if", "length.min=2"]) == 0
    err = capsys.readouterr().err
    assert "2 rows would stand without a score, kept all the same; to judge what was never asked takes at most 1" in err
    assert "by openai:story-small, about $0.0009, at most $0.003\n" in err
    assert main(["curate", "jokes", "--what-if", "judge.min"]) == 0
    assert "judge.min: rows kept of 13" in capsys.readouterr().out
    assert len(host.received()) == 12


def test_the_cap_ends_it_as_other_verbs_and_scores_stay(
    jokes: Path, host: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made(jokes)
    capsys.readouterr()
    assert main(["curate", "jokes", *options(host), "--max-usd", "0.004", "--concurrency", "1"]) == 5
    err = capsys.readouterr().err
    assert "the cap of $0.004 is reached" in err
    there = sum(value is not None for value in scores(path))
    asked = len(host.received())
    assert 0 < there <= asked < 12
    assert main(["curate", "jokes", *options(host)]) == 0
    assert len(host.received()) == 12


def test_a_price_over_a_dollar_wants_a_cap_or_a_yes(
    jokes: Path, host: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    made(jokes)
    (jokes / "synth.toml").write_text(PRICE.replace("10", "2000"))
    capsys.readouterr()
    assert main(["curate", "jokes", *options(host)]) == 2
    err = capsys.readouterr().err
    assert "nobody is here to be asked" in err
    assert "--max-usd" in err
    assert host.received() == []
    assert not (jokes / "datasets" / "jokes" / "verdicts.jsonl").exists()
    assert main(["curate", "jokes", *options(host), "--yes"]) == 0


def test_no_output_limit_says_where_it_is_set(jokes: Path, host: Server, capsys: pytest.CaptureFixture[str]) -> None:
    made(jokes)
    (jokes / "jokes.yaml").write_text(RECIPE.replace(", max_tokens: 200", ""))
    capsys.readouterr()
    assert main(["curate", "jokes", *options(host)]) == 2
    assert "an output limit, as max_tokens: 400 in the options of the rule" in capsys.readouterr().err
    assert main(["curate", "jokes", *options(host), "--max-usd", "1"]) == 2
    assert "the rule judge sets none" in capsys.readouterr().err


def test_without_a_model_it_is_a_rehearsal_that_drops_no_real_row(
    jokes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made(jokes)
    capsys.readouterr()
    assert main(["curate", "jokes"]) == 0
    out, err = capsys.readouterr()
    assert "judge  rehearsal: nobody real answers" in err
    assert "no real row is dropped by it" in err
    assert out.startswith("12 kept, 1 dropped")
    assert any("rehearsed" in each.get("reason", "") for line in verdicts(path) for each in line["findings"])


def test_a_diff_after_the_recipe_changed_begins_with_the_recipe(
    jokes: Path, host: Server, capsys: pytest.CaptureFixture[str],
) -> None:
    """A judge was added, and no row changes its state before it is asked: not what an earlier experiment changed."""
    made(jokes)
    rules = RECIPE.partition("  - judge")[0]
    for bound in ("12", "20"):
        (jokes / "jokes.yaml").write_text(rules.replace("12", bound))
        assert main(["curate", "jokes"]) == 0
    (jokes / "jokes.yaml").write_text(RECIPE.replace("min: 12", "min: 20"))
    capsys.readouterr()
    assert main(["curate", "jokes", *options(host), "--diff"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == ["by the recipe as it is now (judge added):", "no row would change its state"]
    assert "by the last curation" in out.splitlines()[3]
    assert "12 rows would stand without a score" in err
    assert "takes at most 12 calls by openai:story-small" in err
    assert err.splitlines()[-1].startswith("next   synth curate jokes --model")
    assert main(["curate", "jokes", *options(host), "--diff", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["recipe_changed"], told["asked"]["ahead"]["calls"]) == (["judge added"], 12)
    assert host.received() == []


def test_a_plan_asks_again_for_no_answer_that_curate_does_not(
    jokes: Path, host: Server, capsys: pytest.CaptureFixture[str],
) -> None:
    """One answer of twelve could not be read, which only --retry asks for again; the short row is not known."""
    made(jokes)
    assert main(["curate", "jokes", *options(host)]) == 0
    capsys.readouterr()
    assert main(["plan", "jokes", *options(host), "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)["judge"]["calls"]
    assert planned == 1, "at most: the short one, should it stand"
    assert main(["curate", "jokes", *options(host)]) == 0
    assert len(host.received()) == 12


@pytest.mark.parametrize(("rubric", "told", "hint"), [
    ("criteria:\n  - {nam: wit, ask: Is it}\n", "wit.yaml: unknown key 'nam' in criteria.0", "did you mean 'name'?"),
    ("criterea:\n  - {name: wit, ask: Is it}\n", "wit.yaml: unknown key 'criterea'", "did you mean 'criteria'?"),
    ("criteria:\n  - {name: wit}\n", "wit.yaml: 'criteria.0.ask' is missing", ""),
])
def test_a_fault_of_a_rubrics_file_names_the_file_and_the_key(
    jokes: Path, capsys: pytest.CaptureFixture[str], rubric: str, told: str, hint: str,
) -> None:
    made(jokes)
    (jokes / "wit.yaml").write_text(rubric)
    capsys.readouterr()
    assert main(["curate", "jokes"]) == 2
    err = capsys.readouterr().err
    assert f": judge: {told}\n" in err + "\n"
    assert hint in err


@pytest.mark.parametrize("asked", ["judge.min=4", "judge.min"])
def test_scores_by_another_rubric_are_told_as_such_with_the_bill(
    jokes: Path, host: Server, capsys: pytest.CaptureFixture[str], asked: str,
) -> None:
    made(jokes)
    assert main(["curate", "jokes", *options(host)]) == 0
    capsys.readouterr()
    assert main(["curate", "jokes", "--what-if", asked]) == 0
    assert "otherwise" not in capsys.readouterr().err
    (jokes / "wit.yaml").write_text(RUBRIC.replace("surprise", "astonish"))
    assert main(["curate", "jokes", "--what-if", asked]) == 0
    err = capsys.readouterr().err
    assert "by the scores of the last curation; the recipe asks otherwise now (judge.rubric), " in err
    assert "takes at most 12 calls by openai:story-small" in err
    assert len(host.received()) == 12, "nothing is sent"
    assert main(["export", "jokes"]) == 0
    assert "decided by other rules than jokes.yaml has now (judge.rubric changed)" in capsys.readouterr().err


def test_what_a_rehearsed_judge_would_drop_it_only_flags(jokes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the curve nor a bound counts it as dropped, and no bound is proposed from it."""
    path = made(jokes)
    assert main(["curate", "jokes"]) == 0
    capsys.readouterr()
    assert main(["curate", "jokes", "--what-if", "judge.min"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) > 4, "several bounds"
    assert {line.split()[3] for line in out.splitlines()[2:]} == {"12"}, "all but the short one, whatever the bound"
    assert "rehearsed scores only flag real rows, " in err
    assert main(["curate", "jokes", "--what-if", "judge.min=5"]) == 0
    assert "judge: rehearsed scores only flag real rows (" in capsys.readouterr().err
    with Dataset.open(path) as dataset:
        for number, sample in enumerate(dataset.samples()):
            dataset.review(sample.id, "keep" if number % 2 else "drop", sample.digest, by="eva")
    assert main(["curate", "jokes", "--calibrate", "judge"]) == 0
    out, err = capsys.readouterr()
    assert "REHEARSED" in out.splitlines()[0]
    assert "suggested" not in out
    assert "write  " not in err
    assert "--what-if" not in err


def test_faults_of_a_host_are_no_scores(jokes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (jokes / "jokes.yaml").write_text(RECIPE.replace("200", "2000"))
    path = made(jokes)
    rates = {"refusal": 0.25, "length": 0.25, "content_filter": 0.25}
    with running(answer=SAYS["gem"], rates=rates, seed=3) as host:
        assert main(["curate", "jokes", *options(host)]) == 0
        kinds = host.kinds()
    capsys.readouterr()
    found = [each for line in verdicts(path) for each in line["findings"] if each["rule"] == "judge"]
    by = [each["reason"].partition(":")[0] for each in found if each["outcome"] == "unmeasured"]
    assert by.count("refused") == kinds["refusal"]
    assert by.count("length") == kinds["length"]
    assert by.count("content_filter") == kinds["content_filter"]
    assert kinds["ok"] == sum(each["value"] == 4.67 for each in found)
    assert min(kinds[kind] for kind in (*rates, "ok")) >= 1
    assert {line["state"] for line in verdicts(path)} == {"kept", "dropped"}
    assert sum(line["state"] == "dropped" for line in verdicts(path)) == 1, "the short one"


def test_ctrl_c_keeps_what_was_scored(jokes: Path) -> None:
    path = made(jokes)
    with running(answer=SAYS["gem"], latency_s=0.3) as host:
        line = [sys.executable, "-m", "pipeline", "curate", "jokes", *options(host), "--concurrency", "2"]
        process = subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                   env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
        deadline = time.monotonic() + 60
        while len(host.answered()) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "stopped; everything that came is kept" in err
        paid = len(host.answered())
        there = sum(value is not None for value in scores(path))
        assert 3 <= there == paid < 12
        assert main(["curate", "jokes", *options(host)]) == 0
        assert len(host.received()) == 12


def test_labels_of_a_file_beside_scores(jokes: Path, host: Server, capsys: pytest.CaptureFixture[str]) -> None:
    made(jokes)
    main(["curate", "jokes", *options(host)])
    rows = [json.loads(line) for line in (jokes / "datasets/jokes/samples.jsonl").read_text().splitlines()]
    lines = ["id,label"] + [f"{row['id']},{'drop' if 'dull' in row['messages'][-1]['content'] else 'keep'}"
                            for row in rows]
    (jokes / "labels.csv").write_text("\n".join(lines) + "\n")
    assert main(["review", "jokes", "--labels", "labels.csv"]) == 0
    capsys.readouterr()
    assert main(["curate", "jokes", "--calibrate", "judge", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chosen"]["at"]["at"] == 3
    assert found["labels"]["used"] == 11, "the one without a score is not compared"
    assert main(["curate", "jokes"]) == 0
    capsys.readouterr()
    assert main(["curate", "jokes", "--calibrate", "judge"]) == 0, "also once the labels have decided"
    assert len(host.received()) == 12


WRITES = """\
synth: 1
name: tales
axes: {who: {numbers: {min: 1, max: 9}}, what: [sea, road]}
sample: {rows: 6}
prompt: {user: "Tale {{who}} of {{what}}."}
train: {user: "{{what}}"}
generate: {model: "openai:story-small", max_tokens: 150}
curate: [judge: {rubric: "Is it a tale?", min: 3, max_tokens: 100}]
export: {formats: [openai-chat]}
"""


@pytest.fixture
def tales(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A host that writes tales and judges them: those of number 2 badly."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    (workdir / "tales.yaml").write_text(WRITES)
    (workdir / "synth.toml").write_text(PRICE)
    script = {r"You judge.*told by (2|4|6|8)\b": '{"reason": "no", "score": 1}',
              "You judge": '{"reason": "yes", "score": 4}'}
    script |= {f"Tale {n} of": f"A tale told by {n} and no other, of which much could be said." for n in range(1, 10)}
    with running(script=script) as server:
        yield server


def test_plan_and_run_count_the_judge(tales: Server, workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["--base-url", tales.base_url]
    assert main(["plan", "tales", *base]) == 0
    assert "judge   at most 6 calls by openai:story-small, about $0.006, at most $0.01" in capsys.readouterr().out
    assert main(["plan", "tales", *base, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["judge"]["calls"] == 6
    assert 0 < told["judge"]["usd_expected"] < told["judge"]["usd_worst"]
    assert main(["run", "tales", *base]) == 0
    err = capsys.readouterr().err
    assert "judge  at most 6 calls by openai:story-small" in err
    assert "scored judge: 6 rows, by openai:story-small" in err
    assert len(tales.received()) == 12
    kept = sum(line["state"] == "kept" for line in verdicts(workdir / "datasets/tales"))
    assert f"kept   {kept} of 6" in err
    assert main(["run", "tales", *base]) == 0
    assert len(tales.received()) == 12


def test_a_run_over_a_dollar_by_its_judge_alone_is_asked_about(
    tales: Server, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "tales.yaml").write_text(WRITES.replace('"Is it', '"[judge] Is it').replace(
        "min: 3, max_tokens: 100", "min: 3, max_tokens: 100, model: 'openai:story-large'"))
    (workdir / "synth.toml").write_text(PRICE + PRICE.replace("small", "large").replace("10", "9000"))
    assert main(["run", "tales", "--base-url", tales.base_url]) == 2
    assert "nobody is here to be asked" in capsys.readouterr().err
    assert tales.received() == []


def test_on_until_so_many_pass_the_judge(tales: Server, workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["generate", "tales", "--keep", "5", "--base-url", tales.base_url]
    assert main(line) == 0
    err = capsys.readouterr().err
    assert "judge  at most " in err
    found = verdicts(workdir / "datasets/tales")
    kept = [each for each in found if each["state"] == "kept"]
    assert len(kept) >= 5
    assert all(any(each["rule"] == "judge" and each["value"] == 4 for each in line["findings"]) for line in kept)
    asked = len(tales.received())
    assert asked == 2 * len(found), "each row is written once and judged once"
    assert f"came   {len(found)} calls" in err or "came   " in err
    assert main(line) == 0
    assert len(tales.received()) == asked
