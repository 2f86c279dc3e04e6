"""What `synth curate` proposes: each command and each line comes to the rows that were counted."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.store import Dataset


def said(row: int, words: int) -> str:
    """An answer that is like no other."""
    return " ".join(f"word{row}x{number}" for number in range(words)) + "."


@pytest.fixture
def letters(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Sixty imported rows of 1 to 60 words, a third of them of kind y and short, with a score and an id."""
    rows = [{"prompt": f"What of {n}?", "completion": said(n, n % 4 + 1 if n % 3 == 0 else n + 5),
             "kind": "y" if n % 3 == 0 else "x", "score": n % 2, "key": f"k{n}"} for n in range(60)]
    (workdir / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    assert main(["import", "letters", "rows.jsonl"]) == 0
    capsys.readouterr()
    return workdir / "datasets" / "letters"


def commands(text: str) -> list[list[str]]:
    """The commands that an output proposes, as a shell would divide them, without what it takes for comments."""
    lines = [line[7:] if line.startswith(("next  ", "list  ", " " * 7)) else line for line in text.splitlines()]
    found = [shlex.split(line, comments=True) for line in lines if line.startswith("synth ")]
    assert not any("..." in word for words in found for word in words)
    return [words[1:] for words in found]


def kept(found: Path) -> int:
    noted = json.loads((found / "manifest.json").read_text())["curation"]
    assert isinstance(noted["kept"], int)
    return noted["kept"]


@pytest.mark.parametrize("words", [
    [], ["--set", "curate=[sft: {length: {min: 30, unit: chars}, pii: off}]"], ["--set", "curate.length.unit=chars"],
    ["--rule", "length: {min: 30, unit: chars}", "--rule", "refusal"], ["--against", "other.jsonl"],
    ["--set", "curate=[refusal, length: {max: 900, unit: bytes}, length: {min: 2, unit: words}]"],
])
def test_what_a_bound_decides_is_decided_by_the_proposed_command_and_by_the_proposed_line(
    letters: Path, capsys: pytest.CaptureFixture[str], words: list[str],
) -> None:
    """Each with the counts that were printed: nothing of how the last curation was asked for is lost."""
    root = letters.parent.parent
    (root / "other.jsonl").write_text(json.dumps({"prompt": "What of 59?", "completion": said(59, 64)}) + "\n")
    assert main(["curate", "letters", *words]) == 0
    bound = "length-2.min=40" if "bytes" in str(words) else "length.min=40"
    capsys.readouterr()
    assert main(["curate", "letters", "--what-if", bound, "--json"]) == 0
    then = json.loads(capsys.readouterr().out)["then"]["kept"]
    assert 0 < then < kept(letters)
    assert main(["curate", "letters", "--what-if", bound]) == 0
    told = capsys.readouterr()
    assert f"{then} then, of 60" in told.out
    assert main(commands(told.err)[-1]) == 0
    assert kept(letters) == then
    line = next((line for line in told.err.splitlines() if line.startswith("write  ")), "")
    assert bool(line) == (not words or words[0] != "--rule")
    if line:
        assert line.startswith("write  the recipe: curate: [")
        assert main(["curate", "letters", "--rule", "refusal"]) == 0
        (root / "letters.yaml").write_text((letters / "recipe.yaml").read_text().replace("../../", "")
                                           + line.removeprefix("write  the recipe: ") + "\n")
        assert main(["curate", "letters"]) == 0
        assert kept(letters) == then


def test_one_option_of_one_rule_is_set_for_a_run(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "letters", "--set", "curate.length.min=30", "--set", "curate.length.unit=chars"]) == 0
    assert "length            1" not in capsys.readouterr().out
    assert main(["curate", "letters", "--rule", "sft: {length: {min: 30, unit: chars}}", "--diff"]) == 0
    assert capsys.readouterr().out.startswith("no row would change its state")
    assert main(["curate", "letters", "--set", "length.min=30", "--diff"]) == 2
    said = capsys.readouterr().err
    assert "--set length.min=30: no key of a recipe; a plug-in is named within its list" in said
    (again,) = commands(said)
    assert again == ["curate", "letters", "--diff", "--set", "curate.length.min=30"]
    assert main(again) == 0


def test_several_values_of_a_bound_each_have_an_answer(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "letters"]) == 0
    capsys.readouterr()
    words = [part for least in (10, 1, 40) for part in ("--what-if", f"length.min={least}")]
    assert main(["curate", "letters", *words, "--what-if", "length.max=64"]) == 0
    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()]
    assert said.out.splitlines()[0] == f"{kept(letters)} rows kept now, of 60, with length.max none -> 64"
    assert [line[0] for line in lines[2:]] == ["10", "1", "40"]
    for least, line in zip((10, 1, 40), lines[2:], strict=True):
        assert main(["curate", "letters", "--what-if", f"length.min={least}", "--what-if", "length.max=64",
                     "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["then"]["kept"] == int(line[1])
    assert commands(said.err)[-1] == ["curate", "letters", "--what-if", "length.min=10", "--what-if", "length.max=64"]
    assert main(["curate", "letters", *words, "--json"]) == 0
    assert [each["moved"][0]["then"] for each in json.loads(capsys.readouterr().out)] == [10, 1, 40]


def test_a_rule_that_falls_on_one_value_of_a_column_is_told(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "letters", "--set", "curate.length.min=6"]) == 0
    said = capsys.readouterr().err
    assert "length drops 100% of kind=y, 0% of the others (p < 0.001)" in said
    assert "of key=" not in said
    assert "of score=" not in said
    assert main(["curate", "letters", "--set", "curate.length.min=6", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["axes"]["kind"]["y"] == {"rows": 20, "dropped": 20, "by_rule": {"length": 20}}
    assert sorted(told["axes"]) == ["kind", "score"], "neither ids nor texts"
    assert told["starved"] is None
    assert main(["inspect", "letters", "--axis", "kind=y"]) == 2
    said = capsys.readouterr().err
    assert "'kind' is no axis but a column" in said
    (again,) = commands(said)
    assert again == ["inspect", "letters", "--where", "kind == 'y'"]
    assert main([*again, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 20
    assert main(["inspect", "letters", "--axis", "score=1"]) == 2
    assert main([*commands(capsys.readouterr().err)[0], "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 30
    assert main(["inspect", "letters", "--axis", "knid=y"]) == 2
    assert "None" not in capsys.readouterr().err


def test_rows_that_a_person_keeps_are_told_beside_the_curve(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are why `all rules` keeps more than `this rule alone`."""
    assert main(["curate", "letters"]) == 0
    capsys.readouterr()
    assert main(["curate", "letters", "--what-if", "length.min"]) == 0
    assert "by hand" not in capsys.readouterr().err
    with Dataset.open(letters) as dataset:
        for sample in list(dataset.samples())[:3]:
            dataset.review(sample.id, "keep", sample.digest, by="eva")
    assert main(["curate", "letters"]) == 0
    for bound in ("length.min", "near-duplicate.threshold"):
        capsys.readouterr()
        assert main(["curate", "letters", "--what-if", bound]) == 0
        assert "3 rows are kept by hand, whatever the bound" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(("values", "said"), [
    ("2,5,20", ["synth curate letters --what-if length.min=2 --what-if length.min=5 --what-if length.min=20"]),
    ("0.5, 0.9", ["synth curate letters --what-if length.min=0.5 --what-if length.min=0.9"]),
    ("2,500", ["synth curate letters --what-if length.min=2 --what-if length.min=500",
               "synth curate letters --what-if length.min=2500"]),
])
def test_numbers_with_commas_are_no_number(
    letters: Path, capsys: pytest.CaptureFixture[str], values: str, said: list[str],
) -> None:
    """2,5,20 is not 2520, here or in a recipe."""
    assert main(["curate", "letters"]) == 0
    capsys.readouterr()
    assert main(["curate", "letters", "--what-if", f"length.min={values}"]) == 2
    assert [line.strip() for line in capsys.readouterr().err.splitlines()[1:]] == said
    code = main(["curate", "letters", "--set", f"curate.length.min={values}"])
    assert code == (3 if values == "2,500" else 2), "1,024 and 2,500 are what we print; 60 rows of up to 64 words"


@pytest.mark.parametrize(("words", "count"), [
    (["--set", "curate.length.max=60", "--what-if", "length.min=9"], 1), (["--calibrate", "near-duplicate"], 1),
    (["--set", "curate=[refusal]", "--what-if", "length.min=9"], 1),
    (["--calibrate", "length", "--what-if", "length.min=9"], 1), (["--what-if", "length.unit=chars"], 1),
    (["--what-if", "length.min=9", "--what-if", "length.unit=chars"], 1), (["--what-if", "length"], 1),
    (["--what-if", "length.min=9", "--what-if", "length.max"], 2), (["--rule", "refusal", "--undo"], 1),
    (["--what-if", "same-answer.act"], 1), (["--what-if", "finish-reason"], 1), (["--what-if", "lenth.min=9"], 1),
    (["--what-if", "near-duplicate.threshold"], 1), (["--what-if", "length.min"], 1), (["--diff"], 1),
])
def test_each_proposed_command_runs_as_pasted(
    letters: Path, capsys: pytest.CaptureFixture[str], words: list[str], count: int,
) -> None:
    folder = letters.parent.rename(letters.parent.parent / "elsewhere")
    assert main(["curate", "letters", "--datasets", str(folder)]) == 0
    noted = (folder / "letters" / "manifest.json").read_bytes()
    capsys.readouterr()
    main(["curate", "letters", *words, "--datasets", str(folder)])
    found = commands(capsys.readouterr().err)
    assert len(found) >= count
    for each in found:
        assert each[-2:] == ["--datasets", str(folder)] or "--datasets" in each
        (folder / "letters" / "manifest.json").write_bytes(noted)
        code = main(each)
        said = capsys.readouterr()
        assert code in (0, 4), said.err
        assert code == 0 or "--calibrate" in each or "--undo" in each, "no label yet, and nothing to undo"


def test_options_that_were_typed_with_a_measure_option_are_proposed_with_it(
    letters: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["curate", "letters"]) == 0
    capsys.readouterr()
    assert main(["curate", "letters", "--what-if", "length.min=9", "--what-if", "length.unit=chars"]) == 2
    assert commands(capsys.readouterr().err) == [["curate", "letters", "--set", "curate.length.min=9", "--set",
                                                  "curate.length.unit=chars", "--diff"]]
    assert main(["curate", "letters", "--set", "curate.length.max=60", "--what-if", "length.min=9"]) == 2
    assert commands(capsys.readouterr().err) == [["curate", "letters", "--set", "curate.length.max=60", "--set",
                                                  "curate.length.min=9", "--diff"]]


def test_bounds_of_one_rule_are_listed_and_not_of_all(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "letters"]) == 0
    capsys.readouterr()
    for words in ("length", "length.mni=3", "lenght.min=3"):
        assert main(["curate", "letters", "--what-if", words]) == 2
        said = capsys.readouterr().err
        assert "it moves length.min (1), length.max (none)\n" in said
        assert "repetition" not in said


def test_rows_that_a_review_brings_back_are_not_the_bounds(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "letters", "--set", "curate.length.min=10"]) == 0
    capsys.readouterr()
    assert main(["inspect", "letters", "--state", "dropped", "--json"]) == 0
    dropped = [row["id"] for row in json.loads(capsys.readouterr().out)]
    for each in dropped[:2]:
        assert main(["review", "letters", each, "--keep"]) == 0
    capsys.readouterr()
    assert main(["curate", "letters", "--what-if", "length.min=11"]) == 0
    said = capsys.readouterr()
    assert "length.min 10 -> 11: " in said.out
    assert "(0 back, 1 dropped)" in said.out
    assert ("review 2 rows more change by reviews made since the last curation (2 back, 0 dropped)"
            in said.err.splitlines())
    assert main(["curate", "letters", "--what-if", "length.min=10", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["changed"], told["reviewed"]) == ({"back": 0, "gone": 0}, {"back": 2, "gone": 0})
    assert main(["curate", "letters", "--what-if", "length.min=10"]) == 0
    assert "no row would change its state by it" in capsys.readouterr().out
    assert main(["curate", "letters", "--set", "curate.length.min=10", "--diff"]) == 0
    assert "2 rows would be back, 0 rows dropped (2 of them by reviews made since)" in capsys.readouterr().out
    assert main(["curate", "letters", "--set", "curate.length.min=10"]) == 0
    capsys.readouterr()
    assert main(["curate", "letters", "--what-if", "length.min=10"]) == 0
    assert "review" not in capsys.readouterr().err


@pytest.mark.parametrize(("words", "who"), [
    (["--set", "curate.length.min=10"], "--set"), (["--rule", "length: {min: 10, unit: words}"], "--rule"),
    (["--against", "rows.jsonl"], "--against"),
    (["--set", "curate.length.min=10", "--against", "rows.jsonl"], "--set and --against"),
])
def test_what_the_recipe_undoes_is_named_by_the_option_that_did_it(
    letters: Path, capsys: pytest.CaptureFixture[str], words: list[str], who: str,
) -> None:
    main(["curate", "letters", *words])
    capsys.readouterr()
    assert main(["curate", "letters"]) == 0
    assert f"rows that {who} dropped are back" in capsys.readouterr().err


def test_a_dataset_that_was_never_curated_says_so(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", "letters", "--set", "curate.length.min=10", "--diff"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("letters was never curated: ")
    assert "of 60 rows would be kept" in said.out
    assert not (letters / "verdicts.jsonl").exists()
    assert main(["curate", "letters"]) == 0
    assert main(["curate", "letters", "--rule", "length: {min: 10, unit: words}"]) == 0
    capsys.readouterr()
    assert main(["curate", "letters", "--diff"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "(length.min 1 -> 10, api-error left out, control-tokens left out and 19 more)" in first


def test_prompts_alone_are_compared_with_prompts(letters: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (letters.parent.parent / "prompts.jsonl").write_text('{"prompt": "What of 3?"}\n')
    assert main(["curate", "letters", "--against", "prompts.jsonl"]) == 0
    said = capsys.readouterr().err
    assert "against prompts.jsonl: 1 row holds its prompt; it has no answers to compare" in said
    assert "contamination: holds all of the prompt at prompts.jsonl:1: 'What of 3?'" in said
