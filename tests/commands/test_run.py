"""`synth run`: the road in one command; the lines it prints, its JSON, and its exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import main
from tests.servers import Server

RECIPE = """\
synth: 1
name: tales
axes: {hero: [baker, pilot, nurse, judge], place: [Lima, Oslo, Cairo]}
prompt: {user: "A tale of a {{hero}} in {{place}}."}
train: {user: "{{hero}} in {{place}}", assistant: "{{answer}}"}
generate: {max_tokens: 500}
curate: [{length: {min: 10, unit: chars}}]
"""


def real(server: Server, *more: str) -> list[str]:
    return ["--model", "openai:story-small", "--base-url", server.base_url, "--yes", *more]


def test_a_shipped_recipe_is_copied_first(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "plots", "--no-tune", "--set", "sample.rows=40"]) == 0
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "wrote  plots/recipe.yaml"
    assert (workdir / "plots" / "prompts" / "plot.md").is_file()
    assert any(line.startswith("writer rehearsal: nobody real answers; --model ") for line in err)
    assert any(line.startswith("rows   40 of 40, 40 new") for line in err)
    assert any(line.startswith("kept   ") for line in err)
    assert err[-1].startswith("next   synth inspect plots --sample 5")
    assert main(["run", "plots", "--no-tune", "--set", "sample.rows=40"]) == 0
    again = capsys.readouterr().err
    assert "recipe.yaml" not in again, "a recipe that is here is not written again"
    assert "bill   0 new calls, $0" in again


def test_json_is_all_that_stands_on_stdout(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "tales", "--json", *real(server)]) == 0
    value = json.loads(capsys.readouterr().out)
    assert list(value) == ["generate", "curate", "export"]
    assert (value["generate"]["wanted"], value["generate"]["standing"], value["generate"]["added"]) == (12, 12, 12)
    assert value["curate"]["kept"] == 12
    assert value["export"]["formats"][0]["format"] == "openai-chat"
    assert len(server.received()) == 12


def test_an_edit_pays_only_for_what_is_new(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "tales", *real(server)]) == 0
    (tales / "tales.yaml").write_text(RECIPE.replace("Cairo", "Cairo, Turin"))
    capsys.readouterr()
    assert main(["run", "tales", *real(server)]) == 0
    assert "4 new calls" in capsys.readouterr().err
    assert len(server.received()) == 16


def test_totals_are_explained_and_nothing_is_said_twice(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE + "sample: {rows: 6}\nexport: {formats: [openai-chat, llama2]}\n")
    assert main(["run", "tales"]) == 0
    said = capsys.readouterr().err
    assert "kept   6 of 6\n" in said
    assert "wrote  datasets/tales/samples.jsonl\n" in said
    assert "wrote  datasets/tales/exports/{openai-chat,llama2}\n" in said
    (tales / "tales.yaml").write_text(RECIPE.replace("nurse", "tailor").replace("min: 10", "min: 1200")
                                      + "sample: {rows: 4}\nexport: {formats: [openai-chat, llama2]}\n")
    assert main(["run", "tales"]) == 0
    told = capsys.readouterr()
    kept = next(line for line in told.err.splitlines() if line.startswith("kept"))
    assert "(4 asked for, " in kept
    assert "no longer asked for), " in kept
    assert "dropped (length " in kept
    assert "dropped by curation" not in told.err, "the line above says it"
    assert main(["run", "tales"]) == 0
    assert "samples.jsonl" not in capsys.readouterr().err, "no row was added"


def test_a_floor_that_is_missed_ends_the_road(tales: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("A tale of", "[[fault:content_filter]] A tale of"))
    assert main(["run", "tales", *real(server)]) == 3
    assert "0 of 12 rows" in capsys.readouterr().err
    assert not list((tales / "datasets/tales/exports").glob("*"))


def test_rules_that_drop_everything_are_no_success(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "tales", "--set", "curate=[{length: {min: 900000, unit: chars}}]"]) == 3
    assert "synth inspect tales --rule length" in capsys.readouterr().err


def test_an_unknown_rule_is_said_before_anything_is_asked(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (tales / "tales.yaml").write_text(RECIPE.replace("length:", "lenght:"))
    assert main(["run", "tales", *real(server)]) == 2
    err = capsys.readouterr().err
    assert "tales.yaml:7" in err
    assert "did you mean 'length'?" in err
    assert server.received() == []
    assert not (tales / "datasets").exists()


def test_a_name_that_is_nothing(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "plotts"]) == 2
    err = capsys.readouterr().err
    assert "did you mean 'plots'?" in err
    assert list(workdir.iterdir()) == []


@pytest.mark.parametrize("verb", ["run", "generate", "plan"])
def test_templates_that_imported_conversations_do_not_heed_are_refused(
    workdir: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    (workdir / "chat.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    assert main(["import", "chat", "chat.jsonl"]) == 0
    assert main([verb, "chat", "--set", "train.system=Be brief."]) == 2
    assert "are trained as they stand" in capsys.readouterr().err
    mended = (workdir / "datasets/chat/recipe.yaml").read_text().replace(", format: openai-chat", "")
    (workdir / "talk.yaml").write_text(mended.replace("../../", "").replace("name: chat", "name: talk"))
    assert main(["run", "talk", "--set", "train.system=Be brief."]) == 0
    (line,) = (workdir / "datasets/talk/exports/openai-chat/train.jsonl").read_text().splitlines()
    assert json.loads(line)["messages"][0] == {"role": "system", "content": "Be brief."}


def test_flagged_rows_are_said_and_the_preset_that_flagged_them(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("How do I reach the shop?", "Write to jane.doe@acme-shop.com and wait for a day."),
            ("Whom do I call?", "Call Jane at +49 30 901820 before noon, she will help you out."),
            ("How do I log in?", "Log in with AKIAIOSFODNN7EXAMPLQ as your key, and with nothing else."),
            ("What is a key?", "A key is a small piece of metal that opens a lock.")]
    (workdir / "talk.jsonl").write_text("".join(
        json.dumps({"prompt": prompt, "completion": answer}) + "\n" for prompt, answer in rows))
    assert main(["import", "talk", "talk.jsonl"]) == 0
    capsys.readouterr()
    assert main(["run", "talk"]) == 0
    err = capsys.readouterr().err
    assert "no rule is named: by the preset sft, which `synth plugins sft` shows\n" in err
    flags = "flags  3 kept rows (pii 2, secrets 1): synth inspect talk --state flagged\n"
    assert err.count(flags) == 1
    assert main(["export", "talk", "--json"]) == 0
    out, err = capsys.readouterr()
    assert flags not in err, "what is read by a program is in the object"
    assert (json.loads(out)["flagged"], json.loads(out)["flagged_by_rule"]) == (3, {"pii": 2, "secrets": 1})
    assert main(["export", "talk"]) == 0
    assert flags in capsys.readouterr().err
    assert main(["run", "talk", "--set", "curate=[pii]"]) == 0
    err = capsys.readouterr().err
    assert "preset" not in err, "rules are named"
    assert "flags  2 kept rows (pii): synth inspect talk --state flagged\n" in err


HOSTED = RECIPE + "export: {formats: [openai-chat], validation: 0.2}\nfinetune: {backend: openai, base: mini}\n"


def test_rehearsed_rows_do_not_go_to_a_host_and_the_run_ends_with_its_files(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (tales / "tales.yaml").write_text(HOSTED)
    assert main(["run", "tales", "--base-url", server.base_url]) == 0
    said = capsys.readouterr().err.splitlines()
    at = said.index("note   not tuned: tales: its rows are a rehearsal, and would go to a host")
    assert said[at + 1].split(None, 1)[0] == "synth"
    assert "--model openai:" in said[at + 1]
    assert said[at + 2].split("  ")[-1].strip() == "# sends them as they are"
    assert "synth finetune tales --allow-rehearsal" in said[at + 2]
    assert (tales / "datasets/tales/exports/openai-chat/train.jsonl").is_file()
    assert (tales / "datasets/tales/report.html").is_file()
    assert not list(tales.glob("datasets/tales/finetunes/*"))
    assert server.received() == [], "nothing went to the host"


def test_real_rows_are_tuned_at_the_host_and_judging_is_the_next_command(
    tales: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    (tales / "tales.yaml").write_text(HOSTED.replace("base: mini", "base: gpt-4.1-mini-2025-04-14"))
    assert main(["run", "tales", *real(server)]) == 0, capsys.readouterr().err
    said = capsys.readouterr().err.splitlines()
    assert any(line.startswith("model  ft:") for line in said)
    assert said[-1].startswith("next   synth evaluate tales")


def test_rows_that_are_rewritten_count_as_kept(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of each round what is dropped is rewritten before more is drawn: nothing is paid beyond the goal."""
    given = ["run", "plots", "--no-tune", "--keep", "40", "--set", "curate=[length: {min: 2200, unit: chars}]"]
    grown = ["--set", "augment=[expand: {below: 2200}]", "--set", "generate.max_tokens=2000"]
    assert main([*given, *grown, "--json"]) == 0
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert value["keep"]["kept"] == value["curate"]["kept"] in range(40, 45), "a round may gain a few over"
    gained = value["augment"]["added"]
    assert gained > 5
    assert value["keep"]["asked"] < 60, "with nothing rewritten some 90 are asked for"
    assert value["augment"]["touched"] == gained + sum(value["augment"]["refused"].values())
    assert err.count("rows to rewrite (expand") == 1, "what is rewritten is listed once, not in each round"
    assert main([*given, *grown]) == 0
    assert "rows   " + str(value["keep"]["asked"]) in capsys.readouterr().err, "and again: nothing new"


def test_a_real_model_is_not_paid_to_rewrite_rehearsed_rows(
    workdir: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the way to so many kept rows the first look finds rehearsed rows only: they are about to stand aside."""
    given = ["run", "plots", "--no-tune", "--set", "augment=[expand: {below: 1024}]"]
    assert main([*given, "--set", "sample.rows=8", "--set", "augment.expand.below=10"]) == 0
    rehearsed = {row["id"] for row in rows_of(workdir / "datasets/plots/samples.jsonl")}
    capsys.readouterr()
    assert main([*given, "--keep", "6", *real(server)]) == 0
    said = capsys.readouterr().err
    assert re.search(r"note   \d+ rehearsed rows? left alone", said)
    rows = rows_of(workdir / "datasets/plots/samples.jsonl")
    assert not [row for row in rows if row.get("parent") in rehearsed]
    short = [row for row in rows if row["id"] not in rehearsed and not row.get("parent")
             and len(row["messages"][-1]["content"].encode()) < 1024]
    assert sum("too short" in request["text"] for request in server.received()) == len(short)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_rewrites_are_in_the_plan_and_in_what_was_asked(
    workdir: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bound before, the whole sum after, and a plan that counts a rewritten row as kept wherever it counts."""
    rules = ["--set", "augment=[expand: {below: 1500}]", "--set", "curate=[length: {min: 1500, unit: bytes}]"]
    given = ["plots", *rules, "--model", "openai:gpt-4.1-mini", "--base-url", server.base_url]
    assert main(["plan", *given, "--keep", "20"]) == 0
    told = capsys.readouterr().out
    (rows,) = re.findall(r"bill +(\d+) new calls", told)
    assert re.search(rf"rewrites +at most {rows} calls \(expand 1 a row\), at most \$\d", told)

    assert main(["run", *given, "--no-tune", "--keep", "20", "--yes"]) == 0
    said = capsys.readouterr().err
    (own,) = re.findall(r"asked  (\d+) answers in ", said)
    ((rewrites, whole),) = re.findall(r"asked  (\d+) answers for rewrites .*; in all (\d+), \$", said)
    assert int(rewrites) > 0
    assert int(own) + int(rewrites) == int(whole) == len(server.received())
    assert f"came   {own} calls" in said or "came   $" in said, "the bill of rows beside what rows came to"

    assert main(["plan", *given, "--keep", "30", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    kept, asked = value["keep"]["kept"], value["keep"]["asked"]
    middle = value["forecast"]["kept"]["middle"]
    assert kept > 20 - 1
    assert middle == pytest.approx(kept + (value["wanted"] - asked) * kept / asked, abs=1)
    assert value["rewrites"]["calls"] >= value["new_calls"]
