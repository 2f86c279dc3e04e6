"""`synth augment` as it is typed, on a rehearsal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.commands import main

SHORT = "In Egypt, a piano tuner finds a letter in a piano. Nobody has played it for forty years."
LENGTHEN = "augment=[expand: {below: 400}]"


@pytest.fixture
def tales(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A dataset of three imported rows, two of them short."""
    texts = [SHORT, SHORT.replace("Egypt", "Japan"), " ".join(f"Scene {number} is told." for number in range(40))]
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert main(["import", "tales", "rows.jsonl", "--completion", "text"]) == 0
    capsys.readouterr()
    return workdir / "datasets" / "tales"


def test_rows_and_price_first_then_what_was_gained(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "tales", "--set", LENGTHEN]) == 0
    said = capsys.readouterr().err
    lines = said.splitlines()
    assert lines[0] == "rows   2 rows to rewrite (expand 2)"
    order = ("rehearsal: nobody real answers", "2 new calls, $0", "gained 2 rows of 2")
    assert sorted(order, key=said.index) == list(order)
    assert lines[-1].startswith("next   synth augment tales --model openai:gpt-4.1-mini --set ")
    rows = [json.loads(line) for line in (tales / "samples.jsonl").read_bytes().splitlines()]
    assert [len(row["messages"][-1]["content"]) >= 400 for row in rows] == [False, False, True, True, True]
    assert {row["parent"] for row in rows[3:]} == {row["id"] for row in rows[:2]}
    assert all(row["provenance"]["rehearsal"] for row in rows[3:])


def test_a_second_time_there_is_nothing_to_do(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["augment", "tales", "--set", LENGTHEN])
    data = (tales / "samples.jsonl").read_bytes()
    capsys.readouterr()
    assert main(["augment", "tales", "--set", LENGTHEN]) == 0
    assert "no row to rewrite" in capsys.readouterr().err
    assert (tales / "samples.jsonl").read_bytes() == data


def test_without_rewrites_one_is_named(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "tales"]) == 2
    assert "--with 'expand: {below: 1024}'" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "words"), [
    ("[expnd: {below: 3}]", "did you mean 'expand'?"), ("[expand]", "'below' is missing"),
    ("[expand: 1024]", "expand: {below: 1024}"),
])
def test_a_rewrite_that_cannot_be_meant(
    tales: Path, capsys: pytest.CaptureFixture[str], value: str, words: str
) -> None:
    assert main(["augment", "tales", "--set", f"augment={value}"]) == 2
    assert words in capsys.readouterr().err


def test_masking_asks_nobody_and_says_so(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales.parent.parent / "more.jsonl").write_text(json.dumps({"text": f"{SHORT} Write to eva@holm.io."}) + "\n")
    assert main(["import", "mails", "more.jsonl", "--completion", "text"]) == 0
    capsys.readouterr()
    assert main(["augment", "mails", "--set", "augment=[mask]"]) == 0
    said = capsys.readouterr().err
    assert said.splitlines()[0] == "rows   1 row to rewrite (mask 1); nobody is asked"
    assert "bill   0 new calls, $0" in said
    assert "rehearsal" not in said
    assert "gained 1 row of 1\n" in said
    rows = [json.loads(line) for line in (tales.parent / "mails" / "samples.jsonl").read_bytes().splitlines()]
    assert "@example." in rows[1]["messages"][-1]["content"]
    assert rows[1]["provenance"]["changed"] == "1 email"
    assert rows[1]["provenance"]["rehearsal"] is False


# -- a look before -------------------------------------------------------------------------------


@pytest.fixture
def many(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A dataset of seven imported rows, all of them short."""
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": f"{SHORT} So it was in {year}."}) + "\n"
                                                for year in range(1920, 1927)))
    assert main(["import", "tales", "rows.jsonl", "--completion", "text"]) == 0
    capsys.readouterr()
    return workdir / "datasets" / "tales"


def held(folder: Path) -> dict[str, bytes]:
    """What the dataset's files hold; the index of calls can be made anew, and every verb touches it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix != ".sqlite"}


def test_a_dry_run_lists_every_row_and_the_bill_and_leaves_all_as_it_was(
    many: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = held(many)
    typed = ["augment", "tales", "--set", LENGTHEN, "--set", "generate.max_tokens=200"]
    assert main([*typed, "--model", "openai:gpt-4.1-mini", "--dry-run"]) == 0
    told, said = capsys.readouterr()
    ids = [json.loads(line)["id"] for line in (many / "samples.jsonl").read_bytes().splitlines()]
    rows = [line.split()[:2] for line in told.splitlines()]
    assert rows == [["row", "rewrite"], *([each[:8], "expand"] for each in ids)]
    assert all("In Egypt, a piano tuner" in line for line in told.splitlines()[1:])
    assert "rows   7 rows to rewrite (expand 7)\n" in said
    assert "bill   7 new calls, " in said
    assert ", at most $" in said
    assert said.splitlines()[-1] == ("next   synth augment tales --model openai:gpt-4.1-mini "
                                     f"--set '{LENGTHEN}' --set generate.max_tokens=200   # does it")
    assert held(many) == before, "no key was needed, and nothing was written"


def test_a_dry_run_as_json(many: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "tales", "--set", LENGTHEN, "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["new_calls"], found["rehearsed"]) == ({"expand": 7}, 7, 7)
    assert [set(row) for row in found["touched"]] == [{"id", "rewrite", "text", "bytes", "begins", "times"}] * 7
    assert found["touched"][0]["begins"] == f"{SHORT} So it was in 1920."


def test_the_preview_says_how_many_it_does_not_show(many: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["augment", "tales", "--set", LENGTHEN]) == 0
    said = capsys.readouterr().err
    assert said.splitlines()[4] == "       and 4 more; --dry-run lists them"


# -- rehearsed beside real -----------------------------------------------------------------------


def test_rehearsed_rewrites_of_real_rows_are_announced_and_do_not_stand_in_the_way_of_real_ones(
    many: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["augment", "tales", "--set", LENGTHEN]) == 0
    said = capsys.readouterr().err
    before, after = (line for line in said.splitlines() if "stand aside" in line)
    real = "--model openai:gpt-4.1-mini makes real ones"
    assert before == f"note   rehearsed rewrites of real rows stand aside (7 here): {real}"
    assert after == f"note   rehearsed rewrites of real rows stand aside, 7 of these: {real}"
    assert said.index(before) < said.index("bill ") < said.index("gained ") < said.index(after)
    assert main(["augment", "tales", "--set", LENGTHEN]) == 0
    said = capsys.readouterr().err
    assert "no row to rewrite" in said, "the same rehearsal would make the same rows"
    real_ones = f"next   synth augment tales --model openai:gpt-4.1-mini --set '{LENGTHEN}'   # makes real ones"
    assert said.splitlines()[-1].startswith(real_ones), "they stand aside: curating takes none"
    assert main(["augment", "tales", "--set", LENGTHEN, "--diff"]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith(real_ones)
    assert main(["augment", "tales", "--set", LENGTHEN, "--model", "openai:gpt-4.1-mini", "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "rows   7 rows to rewrite" in said
    assert "stand aside" not in said


@pytest.mark.parametrize(("rewrite", "gone"), [("mask", "eva@holm.io"), ("strip_opener", "Certainly!")])
def test_what_asks_nobody_counts_beside_real_rows(
    workdir: Path, capsys: pytest.CaptureFixture[str], rewrite: str, gone: str
) -> None:
    text = f"Certainly! Here is the tale:\n\n{SHORT} Write to eva@holm.io."
    (workdir / "rows.jsonl").write_text(json.dumps({"text": text}) + "\n")
    assert main(["import", "mails", "rows.jsonl", "--completion", "text"]) == 0
    assert main(["augment", "mails", "--set", f"augment=[{rewrite}]"]) == 0
    said = capsys.readouterr().err
    assert "stand aside" not in said
    assert said.splitlines()[-1].startswith("next   synth curate mails")
    assert main(["curate", "mails"]) == 0
    capsys.readouterr()
    assert main(["inspect", "mails", "--state", "kept", "--json"]) == 0
    (kept,) = json.loads(capsys.readouterr().out)
    assert kept["parent"]
    assert gone not in kept["answer"]


def test_a_real_model_is_not_paid_to_rewrite_what_a_rehearsal_wrote(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "plots", "--set", "sample.rows=8", "--no-tune", "--yes"]) == 0
    typed = ["augment", "plots", "--with", "expand: {below: 9000}", "--dry-run"]
    capsys.readouterr()
    assert main(typed) == 0
    rehearsed = re.search(r"rows   (\d+) rows to rewrite", capsys.readouterr().err)
    assert rehearsed is not None, "a rehearsal goes on with them"
    assert main([*typed, "--model", "openai:gpt-4.1-mini"]) == 0
    said = capsys.readouterr().err
    assert "rows   no row to rewrite\n" in said
    assert f"note   {rehearsed[1]} rehearsed rows left alone" in said
    assert "bill   0 new calls" in said
    assert main(["augment", "plots", "--with", "expand: {below: 9000}", "--diff"]) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith(
        "next   synth augment plots --with 'expand: {below: 9000}' --dry-run ")


# -- rows that are left alone, and lists of prompts -----------------------------------------------


def test_why_a_row_is_left_alone_is_said(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short, long = [json.loads(line)["id"] for line in (tales / "samples.jsonl").read_bytes().splitlines()][1:]
    assert main(["review", "tales", "--drop", short]) == 0
    capsys.readouterr()
    assert main(["augment", "tales", short, "--with", "expand: {below: 400}", "--dry-run"]) == 0
    assert "no row to rewrite: dropped by review\n" in capsys.readouterr().err, "curated since or not"
    assert main(["curate", "tales", "--rule", "refusal"]) == 0
    capsys.readouterr()
    told = {}
    for name in (short, long):
        assert main(["augment", "tales", name, "--with", "expand: {below: 400}", "--dry-run"]) == 0
        told[name] = capsys.readouterr().err.splitlines()[0]
    assert told == {short: "rows   no row to rewrite: dropped by review",
                    long: "rows   no row to rewrite: expand does not apply"}
    assert main(["augment", "tales", "--with", "expand: {below: 400}"]) == 0
    said = capsys.readouterr().err
    assert "       2 rows left alone: dropped by review 1, expand does not apply 1\n" in said
    assert main(["augment", "tales", "--with", "expand: {below: 400}", "--dry-run"]) == 0
    whys = "dropped by review 1, expand does not apply 1, rewritten by expand before 1, standing aside (rehearsed"
    assert f"       4 rows left alone: {whys}" in capsys.readouterr().err


def test_a_list_of_prompts_shows_them_and_each_row_once(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "rows.jsonl").write_text("".join(
        json.dumps({"prompt": f"Why is the sea salty near {place}?", "completion": SHORT}) + "\n"
        for place in ("Oslo", "Lima")))
    assert main(["import", "seas", "rows.jsonl"]) == 0
    capsys.readouterr()
    assert main(["augment", "seas", "--with", "paraphrase: {times: 2}", "--dry-run"]) == 0
    out, said = capsys.readouterr()
    head, *lines = out.splitlines()
    assert head.split() == ["row", "rewrite", "size", "prompt"]
    assert [line.split(None, 5)[1:] for line in lines] == [
        ["paraphrase", "x2", "31", "B", f"Why is the sea salty near {place}?"] for place in ("Oslo", "Lima")]
    assert said.splitlines()[0] == "rows   2 rows to rewrite (paraphrase 2), 4 calls"


# -- what was refused ----------------------------------------------------------------------------


def test_what_was_refused_is_named(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tales.parent.parent / "refuses.py").write_text(REFUSES)
    (tales.parent.parent / "tales.yaml").write_text(RECIPE)
    assert main(["augment", "tales"]) == 0
    said = capsys.readouterr().err
    ids = [json.loads(line)["id"] for line in (tales / "samples.jsonl").read_bytes().splitlines()]
    assert f"3 rows refused: no-luck, as {ids[0][:8]} by refuses: {len(SHORT)} letters; " \
           f"also {ids[1][:8]}, {ids[2][:8]}\n" in said
    assert main(["augment", "tales", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["refused"] == {"no-luck": 3}
    assert [row["id"] for row in found["refusals"]] == ids
    assert found["refusals"][0] == {"id": ids[0], "rewrite": "refuses", "code": "no-luck",
                                    "reason": f"{len(SHORT)} letters"}


REFUSES = '''"""Refuses every row."""

from pipeline.rewrites import LocalRewrite, Options, Refused


class Refuses(LocalRewrite[Options]):
    def applies(self, sample):
        return True

    def change(self, sample):
        return Refused("no-luck", f"{len(sample.answer)} letters")


plugin = Refuses
'''
RECIPE = """
synth: 1
name: tales
source: {file: rows.jsonl}
train: {assistant: "{{text}}"}
augment: [{rewrite: ./refuses.py}]
"""


@pytest.fixture
def broken(workdir: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Four imported rows that were curated, three of them broken by a wrong encoding; their ids."""
    texts = [f"In the cafÃ© of {place} nobody speaks before noon, and the cups are blue."
             for place in ("Lima", "Oslo", "Cork")]
    (workdir / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in [*texts, SHORT]))
    assert main(["import", "tales", "rows.jsonl", "--completion", "text"]) == 0
    assert main(["curate", "tales", "--rule", "mojibake"]) == 0
    capsys.readouterr()
    return [json.loads(line)["id"] for line in (workdir / "datasets/tales/samples.jsonl").read_bytes().splitlines()]


def test_one_row_is_repaired_and_then_all_with_that_finding(
    broken: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The diff of the one, the price for the others, the command that does it, and the diff of them all."""
    assert main(["augment", "tales", broken[0][:8], "--with", "mend_text"]) == 0
    shown, said = capsys.readouterr()
    assert "mend-text, in its place" in shown
    assert "In the [-cafÃ©-]{+café+} of Lima" in shown
    assert "others 2 rows that mojibake found: 0 new calls, $0" in said
    assert said.splitlines()[-1].startswith("next   synth augment tales --with mend_text --rule mojibake   #")
    assert main(["augment", "tales", "--rule", "mojibake", "--with", "mend_text"]) == 0
    assert "gained 2 rows of 2" in capsys.readouterr().err
    assert main(["augment", "tales", "--rule", "mojibake", "--diff"]) == 0
    shown, said = capsys.readouterr()
    assert shown.count("[-cafÃ©-]{+café+}") == 3
    assert "3 rows that a rewrite made" in said
    assert main(["augment", "tales", broken[1][:8], "--diff", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["parent"], found["rewrite"]) == (broken[1], "mend-text")
    spans = found["changes"][0]["spans"]
    assert [text for what, text in spans if what != "same"] == ["cafÃ©", "café"]


def test_a_dry_run_is_of_the_rows_that_are_meant_and_names_its_command(
    broken: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--rule", "mojibake", "--text", "oslo", "--with", "mend_text", "--with", "expand: {below: 10}"]
    assert main(["augment", "tales", *words, "--dry-run"]) == 0
    shown, said = capsys.readouterr()
    assert [line.split()[0] for line in shown.splitlines()[1:]] == [broken[1][:8]]
    assert said.splitlines()[-1].startswith(
        "next   synth augment tales --with mend_text --with 'expand: {below: 10}' --rule mojibake --text oslo   #")


@pytest.mark.parametrize(("words", "told"), [
    (["--with", "mendtext"], "error  --with: unknown rewrite 'mendtext'"),
    (["--with", "expand {below: 3}"], "--with 'expand: {below: 3}'"),
    (["--with", "mask", "--rule", "mojibak"], "did you mean 'mojibake'?"),
    (["--with", "mask", "--where", "bites > 3"], "did you mean 'bytes'?"),
    (["nosuchrow", "--with", "mask"], "no row's id begins with 'nosuchrow'"),
    (["--diff", "--dry-run"], "one at a time"),
])
def test_what_cannot_be_meant(
    broken: list[str], capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["augment", "tales", *words]) in (2, 4)
    assert told in capsys.readouterr().err


def test_rehearsed_rows_are_added_beside_rehearsed_ones_and_kept(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole road offline: the demo's rows, more ways of asking for them, harder ones, curated."""
    assert main(["run", "plots", "--set", "sample.rows=24", "--set", "augment=[]", "--no-tune", "--yes"]) == 0
    capsys.readouterr()
    assert main(["augment", "plots", "--with", "paraphrase: {times: 2}", "--with", "evolve"]) == 0
    said = capsys.readouterr().err
    assert "stand aside" not in said
    assert main(["curate", "plots"]) == 0
    lines = (workdir / "datasets/plots/samples.jsonl").read_bytes().splitlines()
    rows = {row["id"]: row for row in map(json.loads, lines)}
    verdicts = map(json.loads, (workdir / "datasets/plots/verdicts.jsonl").read_bytes().splitlines())
    kept = [rows[verdict["sample"]] for verdict in verdicts if verdict["state"] == "kept"]
    added = [row["provenance"].get("added") for row in kept]
    assert min(added.count("prompt"), added.count("both"), added.count(None)) > 2
    assert all(row["provenance"]["rehearsal"] for row in kept)
