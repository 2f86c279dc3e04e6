"""A fault of a recipe or a command line: one clear sentence with file and line, a cure, exit code 2, nothing made."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.made import TALES

pytestmark = pytest.mark.forked
GOOD = TALES + "generate: {max_tokens: 2000}\nexport: {formats: [openai-chat]}\n"
RECIPE, DATA = 2, 4
TYPOS = yaml.safe_load((Path(__file__).parent / "typos.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", TYPOS)
def test_a_fault_of_the_recipe_names_file_line_and_cure(synth, name: str) -> None:
    typo = TYPOS[name]
    assert typo["old"] in GOOD
    synth.write("tales.yaml", GOOD.replace(typo["old"], typo["new"], 1))
    ran = synth("run", "tales", code=RECIPE)
    for word in typo["words"]:
        assert word in ran.said, ran.err
    assert ran.out == ""
    assert not (synth.dataset("tales") / "samples.jsonl").exists(), "nothing was made"


def test_all_unknown_variables_are_named_at_once(synth) -> None:
    synth.write("tales.yaml", GOOD.replace("{{hero}}", "{{heroo}}").replace("{{place}}", "{{palace}}"))
    ran = synth("plan", "tales", code=RECIPE)
    assert ran.said.count("heroo") >= 2, "in the prompt and in train"
    assert ran.said.count("palace") >= 2
    assert "tales.yaml:6" in ran.said
    assert "tales.yaml:7" in ran.said


def test_a_grid_too_large_to_list_is_drawn_from_at_once(synth) -> None:
    axes = "".join(f"  a{i}: {{numbers: {{min: 1, max: 100}}}}\n" for i in range(6))
    text = GOOD.replace("  hero:", axes + "  hero:").replace("prompt:", "sample: {rows: 20, how: random}\nprompt:")
    synth.write("tales.yaml", text)
    ran = synth("run", "tales", timeout=60)
    assert ran.seconds < 30
    assert len(synth.rows(synth.dataset("tales") / "samples.jsonl")) == 20


def test_all_cells_of_a_grid_too_large_to_list_are_refused(synth) -> None:
    axes = "".join(f"  a{i}: {{numbers: {{min: 1, max: 100}}}}\n" for i in range(6))
    synth.write("tales.yaml", GOOD.replace("  hero:", axes + "  hero:"))
    ran = synth("run", "tales", code=RECIPE, timeout=60)
    assert "6,000,000,000,000" in ran.said, "how many there are"
    assert "sample" in ran.said
    assert "rows" in ran.said


def test_an_unknown_recipe_and_verb(synth) -> None:
    synth.write("tales.yaml", GOOD)
    assert "'tales'" in synth("run", "tale", code=RECIPE).said
    assert "'generate'" in synth("genrate", "tales", code=2).said
    assert "synth" in synth("inspect", "tales", code=DATA).said, "no dataset yet: the command that makes one"
