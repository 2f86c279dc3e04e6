"""`synth curate` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.commands.curate import rules_of
from pipeline.errors import RecipeError
from tests.commands.test_curate_proposed import commands
from tests.curate.test_curate import OWN

TEXTS = ["short", "I'm sorry, but I can't help with that request today.", "The ferry leaves at six, without the goat."]


@pytest.fixture
def ferry(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A dataset of three imported rows."""
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    assert main(["import", "ferry", "rows.jsonl", "--completion", "text"]) == 0
    capsys.readouterr()
    return workdir / "datasets" / "ferry"


def test_one_json_document_with_the_counts(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}", "--rule", "refusal", "--json"]) == 0
    said = capsys.readouterr()
    done = json.loads(said.out)
    assert (done["kept"], done["dropped"], done["by_rule"]) == (1, 2, {"length": 1, "refusal": 1})
    assert "synth export ferry" in said.err


def test_people_see_a_table_the_dropped_rows_and_the_next_command(
    ferry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["curate", "ferry", "--rule", "[length: {min: 10, unit: bytes}, refusal]"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "1 kept, 2 dropped, 0 flagged, of 3 rows"
    assert "5 bytes < 10" in said.err
    assert said.err.splitlines()[-1].endswith("synth export ferry")


def test_nothing_kept_is_exit_code_3_after_the_report(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 1000, unit: words}"]) == 3
    said = capsys.readouterr()
    assert "0 kept, 3 dropped" in said.out
    assert "all 3 rows are dropped" in said.err
    assert len((ferry / "verdicts.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.parametrize(("rule", "words"), [
    ("length: 1 KB", "has several meanings"), ("lenght: {min: 1}", "did you mean 'length'?"), ("[a", "not YAML"),
    ("length: {min: abc, unit: bytes}", "min: a whole number is wanted here, not 'abc'"),
    ("finish_reason: {drop: stop}", "drop: a list is wanted here"), ("3", "no rule"),
    ("length {min: 5, unit: words}", "--rule 'length: {min: 5, unit: words}'"),
    ("length:{min:5}", "--rule 'length: {min: 5}'"), ("refusal: {partial: dorp}", "did you mean 'drop'?"),
])
def test_a_rule_that_cannot_be_meant_is_exit_code_2(
    ferry: Path, capsys: pytest.CaptureFixture[str], rule: str, words: str
) -> None:
    assert main(["curate", "ferry", "--rule", rule]) == 2
    assert words in capsys.readouterr().err
    assert not (ferry / "verdicts.jsonl").exists()


def test_the_fault_names_the_rule_that_has_it(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "refusal", "--rule", "length: {min: 5}"]) == 2
    assert "--rule 2: length: which unit?" in capsys.readouterr().err


def test_where_no_rule_is_named_the_preset_decides_and_is_named(
    ferry: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["curate", "ferry"]) == 0
    captured = capsys.readouterr()
    assert "no rule is named: by the preset sft, which `synth plugins sft` shows" in captured.err.splitlines()
    assert "quiet  17 rules found nothing to drop or flag: length, " in captured.err
    assert main(["curate", "ferry", "--rule", "sft"]) == 0
    assert "no rule is named" not in capsys.readouterr().err


def test_what_an_item_of_a_preset_says_wins(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "sft: {length: {min: 10, unit: bytes}, refusal: off}", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["by_rule"] == {"length": 1}
    assert "refusal" not in [rule["rule"] for rule in value["rules"]]


def test_the_recipes_rules_can_be_set_for_a_call(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--set", "curate=[refusal]", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["by_rule"] == {"refusal": 1}


def test_rules_are_what_a_recipes_list_takes() -> None:
    found = rules_of(["refusal", "length: {min: 1, unit: bytes}", "[finish_reason, near_duplicate: {threshold: 0.7}]"])
    assert [item.name for item in found] == ["refusal", "length", "finish_reason", "near_duplicate"]
    with pytest.raises(RecipeError, match="no rule"):
        rules_of(["{length: 1, refusal: 2}"])


def test_what_would_change_is_shown_and_nothing_is_written(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    length = "length: {min: 10, unit: bytes}"
    assert main(["curate", "ferry", "--rule", length]) == 0
    before = {path: path.read_bytes() for path in ferry.iterdir() if path.is_file()}
    capsys.readouterr()
    assert main(["curate", "ferry", "--rule", "refusal", "--diff"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "1 row would be back, 1 row dropped: 2 kept of 3"
    rows = {line.split()[1]: line for line in lines[2:]}
    assert "no longer length: 5 bytes < 10" in rows["kept"]
    assert rows["kept"].endswith("short")
    assert "refusal: " in rows["dropped"]
    assert said.err.splitlines()[-1] == "next   synth curate ferry --rule refusal   # decides so"
    assert main(["curate", "ferry", "--rule", "refusal", "--diff", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changed"] == {"back": 1, "gone": 1}
    assert {change["state"] for change in told["changes"]} == {"kept", "dropped"}
    assert {path: path.read_bytes() for path in ferry.iterdir() if path.is_file()} == before
    assert main(["curate", "ferry", "--rule", length, "--diff"]) == 0
    assert capsys.readouterr().out == "no row would change its state\n"


def test_rows_that_come_back_are_counted(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}"]) == 0
    assert "change" not in capsys.readouterr().err, "the first time"
    assert main(["curate", "ferry", "--rule", "length: {min: 1, unit: bytes}"]) == 0
    assert "change since the last curation: 1 row back, 0 newly dropped" in capsys.readouterr().err


def test_a_run_says_that_it_undoes_rules_of_the_command_line(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}"]) == 0
    capsys.readouterr()
    assert main(["run", "ferry", "--set", "curate=[]"]) == 0
    told = "note   1 row that --rule dropped is back: the recipe's rules were used"
    assert told in capsys.readouterr().err.splitlines()
    assert main(["run", "ferry", "--set", "curate=[]"]) == 0
    assert "the recipe's rules were used" not in capsys.readouterr().err, "said once"


def test_equal_verdicts_leave_exports_up_to_date(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = ["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}"]
    for words in (rule, ["export", "ferry"], rule):
        assert main(words) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("next   synth inspect ferry --sample 5")
    assert main(["curate", "ferry", "--rule", "refusal"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "next   synth export ferry"


def test_hand_edits_that_nobody_decided_on_are_named(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = ferry / "samples.jsonl"
    samples.write_bytes(b"".join(samples.read_bytes().splitlines(keepends=True)[1:]))
    for words in (["curate", "ferry", "--rule", "refusal"], ["export", "ferry"]):
        assert main(words) == 0
        said = capsys.readouterr().err
        assert "1 row deleted by hand in samples.jsonl, used as it stands" in said
        assert "synth generate ferry --adopt" in said
    assert main(["generate", "ferry", "--adopt"]) == 0
    capsys.readouterr()
    assert main(["export", "ferry"]) == 0
    assert "by hand" not in capsys.readouterr().err


def test_where_all_is_dropped_one_answer_is_shown(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 1000, unit: words}"]) == 3
    assert "one trained answer: 'short' (length: 1 word < 1,000)" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["curate", "export"])
def test_a_key_that_a_verb_does_not_read_is_refused(ferry: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert main([verb, "ferry", "--set", "train.assistant={{text}}!"]) == 2
    said = capsys.readouterr().err
    looks = "`export` and `about`" if verb == "export" else f"`{verb}`"
    assert f"{verb} looks only at {looks} of the recipe" in said
    assert "synth run ferry --set 'train.assistant={{text}}!'" in said


def test_a_wide_terminal_is_used(
    ferry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    (ferry.parent.parent / "rows.jsonl").write_text(json.dumps({"text": "word " * 40}) + "\n")
    assert main(["import", "ferry", "rows.jsonl", "--completion", "text"]) == 0
    assert main(["curate", "ferry", "--rule", "length: {max: 30, unit: words}"]) == 0
    said = capsys.readouterr().err
    assert "one of the dropped rows: why, and how the trained answer begins" in said
    shown = next(line for line in said.splitlines() if line.startswith("          word"))
    assert 130 < len(shown) <= 140


def test_why_rows_are_flagged_is_shown_below_those_that_are_dropped(
    ferry: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    flags = ["--rule", "regex: {pattern: 'e', must: not_match, act: flag}"]
    assert main(["curate", "ferry", *flags]) == 0
    said = capsys.readouterr().err
    assert "dropped rows" not in said
    below = said.partition("2 of the flagged rows: why, and how the trained answer begins\n")[2].splitlines()
    assert [line.partition("  ")[2].strip() for line in below[:4]] == [
        "regex: matches 'e' 3 times: 'e'", TEXTS[1], "regex: matches 'e' 5 times: 'e'", TEXTS[2]]
    assert main(["curate", "ferry", *flags, "--rule", "refusal"]) == 0
    said = capsys.readouterr().err
    assert said.index("one of the dropped rows: why") < said.index("one of the flagged rows: why")


def test_rules_that_looked_at_no_row_are_told_apart(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = ["axis_shown: [plaice]", "outlier: {by: nosuch}", "secrets", "code_parses"]
    assert main(["curate", "ferry", *(word for rule in rules for word in ("--rule", rule))]) == 0
    said = capsys.readouterr().err.splitlines()
    at = next(place for place, line in enumerate(said) if line.startswith("quiet"))
    assert said[at:at + 4] == [
        "quiet  1 rule found nothing to drop or flag: secrets",
        "       2 rules looked at no row, as none is of their kind: axis-shown, code-parses",
        "note   axis-shown: no row has the axis 'plaice'",
        "note   outlier looked at no row: none has the axis or column 'nosuch'; known: text"]


def test_what_if_says_that_a_rule_looked_at_no_row(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "axis_shown"]) == 0
    capsys.readouterr()
    assert main(["curate", "ferry", "--what-if", "axis_shown.min"]) == 2
    assert "--what-if axis_shown.min: axis-shown looked at no row: none is of its kind" in capsys.readouterr().err


def test_a_damaged_verdict_stops_who_reads_it_and_curating_mends_it(
    ferry: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    rule = ["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}"]
    assert main(rule) == 0
    verdicts = ferry / "verdicts.jsonl"
    whole = verdicts.read_bytes()
    verdicts.write_bytes(whole.replace(b'"dropped"', b"dropped", 1))
    capsys.readouterr()
    for words in (["inspect", "ferry"], ["export", "ferry"]):
        assert main(words) == 4, "the row may have been dropped"
        said = capsys.readouterr().err
        assert "verdicts.jsonl:1: not a JSON object" in said
        assert "synth curate ferry" in said
    assert main(rule) == 0
    assert verdicts.read_bytes() == whole


def test_an_empty_answer_is_shown_as_one(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workdir / "rows.jsonl").write_text('{"text": ""}\n{"text": "a whole sentence"}\n')
    assert main(["import", "gaps", "rows.jsonl", "--completion", "text"]) == 0
    assert main(["curate", "gaps", "--rule", "length: {min: 3, unit: bytes}"]) == 0
    assert "          (empty)\n" in capsys.readouterr().err


def test_what_another_bound_would_decide(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}", "--rule", "refusal"]) == 0
    capsys.readouterr()
    assert main(["curate", "ferry", "--what-if", "length.min=5"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "length.min 10 -> 5: 1 row kept now, 2 then, of 3 (1 back, 0 dropped)"
    assert lines[2].split() == ["length", "1", "0", "1", "0"]
    assert "no longer length: 5 bytes < 10" in lines[4]
    assert said.err.splitlines()[-1] == (
        "next   synth curate ferry --rule 'length: {min: 5, unit: bytes}' --rule refusal   # decides so")
    assert main(["curate", "ferry", "--what-if", "length.min=5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["now"]["kept"], told["then"]["kept"], told["changed"]) == (1, 2, {"back": 1, "gone": 0})
    assert told["moved"] == [{"rule": "length", "bound": "min", "now": 10, "then": 5}]


def test_rows_kept_at_each_value_of_a_bound(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}"]) == 0
    capsys.readouterr()
    assert main(["curate", "ferry", "--what-if", "length.min"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["5", "10", "42", "52"]
    assert [line.split()[0] for line in lines if line.endswith(" now")] == ["10"]
    assert main(["curate", "ferry", "--what-if", "length.min", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert [(point["at"], point["kept"]) for point in told["points"]] == [(5, 3), (10, 2), (42, 2), (52, 1)]


@pytest.mark.parametrize(("words", "said"), [
    (["--what-if", "length.min=3", "--diff"], "--what-if and --diff: one at a time"),
    (["--what-if", "length.min=3", "--rule", "refusal"], "--what-if is about the last curation, and --rule about"),
    (["--undo", "--set", "curate=[refusal]"], "--undo is about the last curation, and --set about another"),
    (["--what-if", "length.min=3", "--what-if", "length.max"], "give it a value as the others"),
    (["--what-if", "lenght.min=3"], "did you mean 'length'?"),
])
def test_options_that_mean_different_things_are_refused(
    ferry: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str,
) -> None:
    assert main(["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}"]) == 0
    assert main(["curate", "ferry", *words]) == 2
    assert said in capsys.readouterr().err


def test_undo_on_the_command_line(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry", "--undo"]) == 4
    assert main(["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}"]) == 0
    assert main(["curate", "ferry", "--rule", "refusal"]) == 0
    assert main(["export", "ferry"]) == 0
    capsys.readouterr()
    assert main(["curate", "ferry", "--undo"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == ("2 kept, 1 dropped, as before the last curation: 1 row back, 1 dropped "
                                        "(length added, refusal left out)")
    assert "the exports are of the other curation" in said.err
    assert main(["status", "ferry", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["next"] == "synth export ferry"


def test_diff_with_nothing_new_shows_what_the_last_curation_changed(
    ferry: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["curate", "ferry", "--set", "curate=[refusal]"]) == 0
    recipe = ferry.parent.parent / "ferry.yaml"
    recipe.write_text((ferry / "recipe.yaml").read_text() + "curate: [{length: {min: 10, unit: bytes}}]\n")
    assert main(["curate", "ferry"]) == 0
    capsys.readouterr()
    assert main(["curate", "ferry", "--diff"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == ("2 kept, 1 dropped by the last curation: 1 row back, 1 dropped "
                                        "(length added, refusal left out)")
    assert said.err.splitlines()[-1].startswith("next   synth curate ferry --undo")


def test_diff_after_a_rule_of_the_command_line_shows_what_that_changed_and_what_the_recipe_would(
    ferry: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Not the other way round: which rows the recipe's rules would bring back."""
    assert main(["curate", "ferry", "--set", "curate=[refusal]"]) == 0
    assert main(["curate", "ferry", "--rule", "length: {min: 10, unit: bytes}", "--rule", "refusal"]) == 0
    (ferry.parent.parent / "ferry.yaml").write_text((ferry / "recipe.yaml").read_text() + "curate: [refusal]\n")
    capsys.readouterr()
    assert main(["curate", "ferry", "--diff"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == ("1 kept, 2 dropped by the last curation: 0 rows back, 1 dropped "
                                        "(length added)")
    assert "recipe its rules would bring 1 row back and drop 0: synth curate ferry" in said.err.splitlines()
    assert main(["curate", "ferry", "--diff", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["changed"], told["recipe"]) == ({"back": 0, "gone": 1}, {"back": 1, "gone": 0})
    assert main(["curate", "ferry", "--set", "curate=[refusal]", "--diff"]) == 0
    assert capsys.readouterr().out.startswith("1 row would be back, 0 rows dropped"), "rules are named: what they would"


def test_all_dropped_still_gives_the_whole_report(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, examples, verdicts, a page: exit code 3 comes last."""
    assert main(["curate", "ferry", "--rule", "length: {min: 900, unit: words}", "--rule", "refusal", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["kept"], told["dropped"], told["by_rule"]) == (0, 3, {"length": 3, "refusal": 1})
    assert told["together"] == [{"rules": ["length", "refusal"], "rows": 1}]
    assert len((ferry / "verdicts.jsonl").read_bytes().splitlines()) == 3
    assert main(["curate", "ferry", "--what-if", "length.min"]) == 0
    assert main(["report", "ferry"]) == 0
    page = (ferry / "report.html").read_text()
    assert "None was kept." in page
    assert "3 rows of 3 were dropped, all of them by length." in page
    assert "Dropped by two rules at once: length and refusal 1." in page


def test_a_rule_that_raises_on_a_row_stops_nothing(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ferry.parent.parent
    (root / "goats.py").write_text(OWN)
    (root / "ferry.yaml").write_text((ferry / "recipe.yaml").read_text() + "curate: [{rule: ./goats.py}, refusal]\n")
    assert main(["curate", "ferry"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "2 kept, 1 dropped, 1 flagged, of 3 rows"
    assert "goats raised on 1 row, kept and flagged" in said.err
    lines = [json.loads(line) for line in (ferry / "verdicts.jsonl").read_bytes().splitlines()]
    assert [line["findings"][0]["outcome"] for line in lines] == ["keep", "keep", "error"]
    assert lines[2]["findings"][0]["reason"] == "ValueError: a goat"


def test_an_empty_list_of_rules_keeps_every_row(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("curate", "run"):
        assert main([verb, "ferry", "--set", "curate=[]", "--json"]) == 0
        captured = capsys.readouterr()
        assert "the preset" not in captured.err
        done = [json.loads(line) for line in (ferry / "verdicts.jsonl").read_bytes().splitlines()]
        assert [line["state"] for line in done] == ["kept"] * 3
    assert main(["curate", "ferry", "--set", "curate=[]"]) == 0
    assert "no rule: `curate: []` of the recipe keeps every row" in capsys.readouterr().err.splitlines()


def test_a_bound_of_a_preset_is_proposed_within_the_preset(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry"]) == 0
    capsys.readouterr()
    assert main(["curate", "ferry", "--what-if", "length.min=800"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[-2] == "write  the recipe: curate: [sft: {length: {min: 800}}]"
    assert said[-1].startswith("next   synth curate ferry --set curate.length.min=800   # decides so for once")
    recipe = ferry.parent.parent / "ferry.yaml"
    recipe.write_text((ferry / "recipe.yaml").read_text()
                      + "curate: [sft: {pii: off, length: {max: 9000}}, finish_reason]\n")
    assert main(["curate", "ferry"]) == 0
    capsys.readouterr()
    assert main(["curate", "ferry", "--what-if", "length.min=800"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[-2].startswith("write  ferry.yaml:")
    assert said[-2].endswith(": curate: [sft: {pii: false, length: {max: 9000, min: 800}}, finish_reason]")


def test_rules_of_the_command_line_say_what_they_replace(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "ferry"]) == 0
    capsys.readouterr()
    assert main(["curate", "ferry", "--rule", "refusal", "--diff"]) == 0
    assert "--rule replaces 22 rules of the recipe" in capsys.readouterr().err


def test_the_rows_behind_the_table_can_be_listed(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = ["--rule", "length: {min: 30, unit: words}", "--rule", "refusal"]
    assert main(["curate", "ferry", *rules]) == 3
    said = capsys.readouterr().err
    assert "synth inspect ferry --where \"dropped_by == ['length']\"  " in said
    assert "   # those that only length drops\n" in said
    for where, count in (("dropped_by == ['length']", 2), ("'length' in dropped_by and 'refusal' in dropped_by", 1)):
        assert main(["inspect", "ferry", "--where", where, "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == count


def test_flagged_is_a_state_to_look_for(ferry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ferry.parent.parent
    (root / "goats.py").write_text(OWN)
    (root / "ferry.yaml").write_text((ferry / "recipe.yaml").read_text() + "curate: [{rule: ./goats.py}]\n")
    assert main(["curate", "ferry"]) == 0
    capsys.readouterr()
    for words, count in ((["--state", "flagged"], 1), (["--where", "state == 'flagged'"], 1),
                         (["--where", "state == 'kept'"], 3), (["--where", "state in ['flagged', 'new']"], 1),
                         (["--where", "state != 'flagged'"], 2)):
        assert main(["inspect", "ferry", *words, "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == count, words
    assert main(["inspect", "ferry", "--where", "state == 'flaged'"]) == 2
    assert "no row's state is 'flaged'" in capsys.readouterr().err


def test_rows_that_were_edited_into_another_state_are_counted_and_undone(
    ferry: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["curate", "ferry", "--set", "curate=[refusal]"]) == 0
    samples = ferry / "samples.jsonl"
    samples.write_text(samples.read_text().replace("The ferry leaves at six, without the goat.",
                                                   "I'm sorry, but I can't help with that."))
    capsys.readouterr()
    assert main(["curate", "ferry", "--set", "curate=[refusal]", "--diff"]) == 0
    assert "1 row dropped (1 of them edited by hand)" in capsys.readouterr().out
    assert main(["curate", "ferry", "--set", "curate=[refusal]"]) == 0
    told = "since the last curation: 0 rows back, 1 newly dropped (1 of them edited by hand)"
    assert told in capsys.readouterr().err
    assert main(["curate", "ferry", "--undo"]) == 0


STORY = " ".join(f"word{number}" for number in range(40))


@pytest.fixture
def copies(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Three rows, two of them alike at 0.8, and a file with a copy of the third."""
    texts = [STORY, f"{STORY} and so on to the very end of it", " ".join(f"other{number}" for number in range(40))]
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (workdir / "eval.jsonl").write_text(json.dumps({"prompt": "?", "completion": f"{texts[2]}!"}) + "\n")
    assert main(["import", "copies", "rows.jsonl", "--completion", "text"]) == 0
    capsys.readouterr()
    return workdir


def test_a_cluster_is_told_and_its_rows_are_listed(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "copies", "--rule", "near_duplicate", "--json"]) == 0
    (cluster,) = json.loads(capsys.readouterr().out)["clusters"]["near-duplicate"]
    assert (cluster["rows"], cluster["weakest"]["jaccard"]) == (2, 0.8)
    assert main(["curate", "copies", "--rule", "near_duplicate"]) == 0
    said = capsys.readouterr().err
    assert "alike  near-duplicate: 1 cluster of 2 rows, weakest link 0.80" in said
    assert f"synth inspect copies --cluster {cluster['id']}   # its rows" in said
    assert main(["inspect", "copies", "--cluster", cluster["id"][:5], "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert sorted(row["state"] for row in rows) == ["dropped", "kept"]
    assert main(["inspect", "copies", cluster["kept"], "--why"]) == 0
    assert f"stands for 2 rows in all, cluster {cluster['id']}" in capsys.readouterr().out
    assert main(["inspect", "copies", "--cluster", "nothing"]) == 2
    assert "no cluster's id begins with 'nothing'" in capsys.readouterr().err


def test_no_row_may_be_like_one_of_another_file(copies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "copies", "--against", "eval.jsonl", "--rule", "near_duplicate"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "1 kept, 2 dropped, 0 flagged, of 3 rows"
    assert "holds all of the answer at eval.jsonl:1" in said.err
    write = next(line for line in said.err.splitlines() if line.startswith("write  "))
    assert write.count("eval.jsonl]") == 2, "what makes it permanent"
    assert main(["curate", "copies", "--what-if", "near-duplicate.threshold=0.9"]) == 0
    said = capsys.readouterr()
    assert "decided by stored pairs" in said.err
    assert "eval.jsonl" in said.err.splitlines()[-1], "what is proposed keeps the file"
    assert main(["curate", "copies", "--what-if", "near-duplicate.threshold"]) == 0
    assert "rows kept of 3" in capsys.readouterr().out
    assert main(["curate", "copies", "--against", "evil.jsonl"]) == 4
    assert "evil.jsonl" in capsys.readouterr().err
    assert main(["curate", "copies", "--against", "eval.jsonl", "--undo"]) == 2


def test_rows_like_another_files_are_counted_apart_from_clusters(
    copies: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    rule = f"near_duplicate: {{threshold: 0.7, against: {copies / 'eval.jsonl'}}}"
    assert main(["curate", "copies", "--rule", rule]) == 0
    said = capsys.readouterr().err
    assert "against eval.jsonl: 1 row is like one of its rows\n" in said
    assert main(["curate", "copies", "--rule", rule, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["against"] == {"eval.jsonl": 1}
    assert main(["curate", "copies", "--what-if", "near-duplicate.threshold"]) == 0
    said = capsys.readouterr().err
    assert "pairs are stored from 0.7 on\n" in said
    lower = next(words for words in commands(said) if "near-duplicate.threshold=0.6" in words)
    assert main(lower) == 0


def test_the_links_of_all_clusters_are_told_beside_the_largest(
    workdir: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    other = " ".join(f"other{number}" for number in range(40))
    texts = [STORY, f"{STORY} and so on to the very end of it", other, f"{other} once more", f"{other} twice more"]
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert main(["import", "many", "rows.jsonl", "--completion", "text"]) == 0
    capsys.readouterr()
    assert main(["curate", "many", "--rule", "near_duplicate", "--json"]) == 0
    first, second = (each["weakest"]["jaccard"] for each in json.loads(capsys.readouterr().out)["clusters"][
        "near-duplicate"])
    assert main(["curate", "many", "--rule", "near_duplicate"]) == 0
    assert (f"2 clusters of 5 rows, weakest links from {min(first, second):.2f} to {max(first, second):.2f}; "
            f"the largest has 3 rows, weakest link {first:.2f}" in capsys.readouterr().err)
    assert first != second


@pytest.fixture
def asked(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Five rows, of which two have a prompt that the evaluation has with another answer, and one an answer of it."""
    prompts = [f"Please write a short story about the number {word}, in which nobody ever gets to count up to it"
               for word in ("one", "two", "three", "four", "five")]
    answers = [" ".join(f"{word}{place}" for place in range(20)) for word in ("baker", "farmer", "tin", "sea", "owl")]
    pairs = zip(prompts, answers, strict=True)
    Path("asked.jsonl").write_text("".join(json.dumps({"prompt": p, "completion": a}) + "\n" for p, a in pairs))
    evaluated = [{"prompt": prompts[1], "completion": "no"}, {"prompt": prompts[3], "completion": "yes"},
                 {"prompt": "Say it.", "completion": answers[4]}]
    Path("eval.jsonl").write_text("".join(json.dumps(each) + "\n" for each in evaluated))
    Path("prompts.jsonl").write_text("".join(json.dumps({"asked_for": one["prompt"]}) + "\n" for one in evaluated))
    Path("labels.jsonl").write_text('{"label": "yes"}\n{"label": "no"}\n')
    assert main(["import", "asked", "asked.jsonl"]) == 0
    capsys.readouterr()
    return workdir


def test_prompts_of_an_evaluation_count_whatever_is_answered(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "asked", "--against", "eval.jsonl", "--rule", "refusal"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "2 kept, 3 dropped, 0 flagged, of 5 rows"
    assert ("eval.jsonl: 2 rows hold one of its 3 prompts, 1 row its answer; 2 answers of a few words are not compared"
            ) in said.err
    assert main(["curate", "asked", "--against", "eval.jsonl", "--rule", "refusal", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["contaminated"]
    assert (found["file"], found["by_prompt"], found["by_answer"]) == ("eval.jsonl", 2, 1)


def test_files_that_share_texts_are_counted_each_by_itself(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever is named first; long prompts and short ones, and a text of which the other file has more."""
    lines = Path("eval.jsonl").read_text().splitlines(keepends=True)
    prompts = [json.loads(line)["prompt"] for line in Path("asked.jsonl").read_text().splitlines()]
    Path("copy.jsonl").write_text(lines[1] + lines[0] + json.dumps({"prompt": prompts[4] + " again"}) + "\n")
    Path("more.jsonl").write_text(json.dumps({"prompt": prompts[4]}) + "\n")
    told = {}
    for files in (["eval.jsonl", "copy.jsonl", "more.jsonl"], ["more.jsonl", "copy.jsonl", "eval.jsonl"]):
        words = [word for file in files for word in ("--against", file)]
        assert main(["curate", "asked", *words, "--rule", "refusal", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["contaminated"]
        told[files[0]] = {each["file"]: (each["by_prompt"], each["by_answer"]) for each in found}
    each = {"eval.jsonl": (2, 1), "copy.jsonl": (3, 0), "more.jsonl": (1, 0)}
    assert told["eval.jsonl"] == told["more.jsonl"] == each


def test_each_line_of_a_text_file_is_a_text(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first too, and whole, commas and all."""
    prompts = [json.loads(line)["prompt"] for line in Path("asked.jsonl").read_text().splitlines()]
    Path("plain.txt").write_text(f"{prompts[0]}\n\n  {prompts[2]}\nSay it, then.\n")
    assert main(["curate", "asked", "--against", "plain.txt", "--rule", "refusal"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "3 kept, 2 dropped, 0 flagged, of 5 rows"
    assert "plain.txt: 2 rows hold one of its 3 other texts" in said.err
    assert "at plain.txt:3" in said.err
    Path("plain.txt").write_text("\n")
    assert main(["curate", "asked", "--against", "plain.txt"]) == 4
    said = capsys.readouterr()
    assert "holds nothing that can be compared: no text" in said.err
    assert "permanent" not in said.err
    assert "write  " not in said.err, "not what would make an error permanent"


def test_a_file_of_prompts_alone_is_compared_and_one_of_labels_is_no_clean_bill(
    asked: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["curate", "asked", "--against", "prompts.jsonl", "--rule", "refusal"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "3 kept, 2 dropped, 0 flagged, of 5 rows"
    assert "prompts.jsonl: 2 rows hold one of its 3 other texts" in said.err
    assert "near_duplicate" not in said.err
    assert main(["curate", "asked", "--against", "labels.jsonl"]) == 4
    assert "holds nothing that can be compared: 2 answers, each under 8 words" in capsys.readouterr().err
