"""`synth evaluate` and `synth try` as they are typed, against a host on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands import _console, main, try_
from pipeline.commands._doing import Doing
from tests.evaluate import tuned
from tests.servers import Server

FT = "ft:gpt-4.1-mini:org::abc"
RECIPE = """\
synth: 1
name: plots
axes: {genre: [crime & mystery, horror], year: [1900, 1990]}
prompt: {user: "x {{genre}}"}
train: {user: "Genre: {{genre}}\\nYear: {{year}}\\n\\nPLOT OUTLINE:"}
"""


@pytest.fixture
def plots(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset with a model that was tuned at a host."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    (workdir / "plots.yaml").write_text(RECIPE)
    rows = [tuned.row(number) for number in range(60)]
    return tuned.dataset(workdir / "datasets" / "plots", rows[:40], rows[40:], backend="openai", base="gpt-4.1-mini",
                         model=FT, remote={"host": "openai"})


def test_people_see_a_table_an_example_and_the_verdict(
    plots: Path, capsys: pytest.CaptureFixture[str], openai_server: Callable[..., Server]
) -> None:
    server = openai_server(answer="A clerk finds a key that fits no door in the town, and keeps it.")
    words = ["evaluate", "plots", "--base-url", server.base_url, "--yes"]
    assert main(words) == 0
    said = capsys.readouterr()
    table = said.out.splitlines()
    assert table[0].split() == ["held-out", "base", "tuned", "change", "95%", "interval"]
    assert table[1].startswith("stop rate")
    assert table[1].split()[2:6] == ["-", "100%", "100%", "0%"]
    assert "base: gpt-4.1-mini" in said.out
    assert f"tuned: {FT}" in said.out
    assert said.out.count("fits no door") == 2, "one prompt, both sides"
    assert "10 new calls" in said.err
    assert "5 prompts are too few" in said.err.replace("\n       ", " ")
    assert said.err.splitlines()[-1].endswith("synth report plots")
    assert main(words) == 0
    assert "made before, on 20" in capsys.readouterr().err
    assert len(server.answered()) == 10


def test_one_json_document(
    plots: Path, capsys: pytest.CaptureFixture[str], openai_server: Callable[..., Server]
) -> None:
    server = openai_server()
    assert main(["evaluate", "plots", "--base-url", server.base_url, "--prompts", "3", "--seed", "2", "--yes",
                 "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["prompts"], len(value["sides"]), value["decoding"]["seed"]) == (3, 3, 2)
    assert value["options"]["prompts"] == 3


def test_the_recipe_says_how_and_its_faults_have_a_line(
    plots: Path, capsys: pytest.CaptureFixture[str], openai_server: Callable[..., Server]
) -> None:
    recipe = Path("plots.yaml")
    recipe.write_text(f"{RECIPE}evaluate:\n  prompts: 2\n  temprature: 0\n")
    for verb in ("evaluate", "run"):  # run says it before the first call
        assert main([verb, "plots"]) == 2
        said = capsys.readouterr().err
        assert "plots.yaml:8: evaluate: unknown option 'temprature'" in said
        assert "did you mean 'temperature'?" in said
    recipe.write_text(f"{RECIPE}evaluate: {{prompts: 2, temperature: 0, max_tokens: 20}}\n")
    server = openai_server()
    assert main(["evaluate", "plots", "--base-url", server.base_url, "--yes", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["decoding"] == {"temperature": 0.0, "top_p": 1.0, "max_tokens": 20, "seed": 0}


def test_a_price_that_nobody_knows_is_asked_about(plots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = plots / "finetunes" / "t1tuned0aa" / "finetune.json"
    record.write_text(record.read_text().replace("gpt-4.1-mini", "own-7b"))
    for verb in ("evaluate", "try"):
        assert main([verb, "plots", "--base-url", "https://models.invalid/v1"]) == 2
        assert "there is no cap, and nobody is here to be asked" in capsys.readouterr().err
    assert not list((plots / "calls").glob("*.jsonl")), "nothing was sent"


@pytest.mark.parametrize("verb", ["evaluate", "try"])
def test_no_tuned_model_names_the_verb_that_makes_one(
    workdir: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    (workdir / "plots.yaml").write_text(RECIPE)
    from pipeline.store import Dataset

    Dataset.create(workdir / "datasets" / "plots").close()
    assert main([verb, "plots"]) == 4
    assert "synth finetune plots" in capsys.readouterr().err


def test_try_fills_the_training_prompt_and_says_what_it_drew(
    plots: Path, capsys: pytest.CaptureFixture[str], openai_server: Callable[..., Server]
) -> None:
    server = openai_server(keep=True)
    assert main(["try", "plots", "--axis", "genre=crime", "--seed", "3", "-n", "2", "--base-url", server.base_url,
                 "--yes"]) == 0
    said = capsys.readouterr()
    assert said.out.count("Genre: crime & mystery") == 2
    assert said.out.count("PLOT OUTLINE:") == 2
    assert "drawn  year=19" in said.err
    assert "(seed 3)" in said.err
    assert "(seed 4)" in said.err
    assert len(server.answered()) == 4
    assert said.err.splitlines()[-1].strip().startswith("next   synth evaluate plots")


def test_try_as_json_with_a_prompt_of_ones_own(
    plots: Path, capsys: pytest.CaptureFixture[str], openai_server: Callable[..., Server]
) -> None:
    server = openai_server()
    assert main(["try", "plots", "--prompt", "Once", "--max-tokens", "30", "--base-url", server.base_url, "--yes",
                 "--json"]) == 0
    (trial,) = json.loads(capsys.readouterr().out)
    assert trial["messages"] == [{"role": "user", "content": "Once"}]
    assert trial["models"] == {"base": "gpt-4.1-mini", "tuned": FT}
    assert trial["decoding"]["max_tokens"] == 30
    assert trial["trained_on"] is False
    assert trial["base"]["stopped"] is False, "cut at thirty tokens"


def test_words_that_try_cannot_mean(plots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "plots", "--axis", "genre"]) == 2
    assert "--axis genre=VALUE" in capsys.readouterr().err
    assert main(["try", "plots", "--axis", "gerne=x"]) == 2
    assert "did you mean 'genre'?" in capsys.readouterr().err


def test_on_a_terminal_values_are_asked_for(
    plots: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    openai_server: Callable[..., Server],
) -> None:
    server = openai_server()
    said = iter(["2", ""])
    monkeypatch.setattr(_console, "terminal", lambda: True)
    monkeypatch.setattr(try_.click, "prompt", lambda text, **_: next(said))
    assert main(["try", "plots", "--base-url", server.base_url, "--yes"]) == 0
    shown = capsys.readouterr()
    assert "   1  crime & mystery" in shown.err
    assert "Genre: horror" in shown.out
    assert "drawn  year=19" in shown.err


@pytest.mark.parametrize(("room", "height"), [(100, 4), (200, 2), (10, 24)])
def test_values_are_offered_in_columns_and_long_lists_are_cut(room: int, height: int) -> None:
    lines = try_.offered([f"value {number}" for number in range(1, 31)], room)
    assert lines[-1].strip() == "and 6 more"
    assert len(lines) == height + 1
    assert lines[0].strip().startswith("1  value 1")
    assert max(map(len, lines)) <= max(room, 20)


def test_without_a_terminal_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 1.0, 6.0, 6.1, 12.0, 18.0])
    with Doing(live=False, clock=lambda: next(clock)) as doing:
        for what, done in (("a", 0), ("b", 1), ("c", 2), ("d", 3), ("d", 3)):
            doing.tell(what, done, 5)
    assert capsys.readouterr().err.splitlines() == ["b, 1 of 5", "d, 3 of 5"]
