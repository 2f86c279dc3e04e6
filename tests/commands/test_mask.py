"""`synth inspect --mask`: a row token by token, with colours and without, by its file, its format or the recipe."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

import pytest

from pipeline.commands import main
from pipeline.export import Options, export
from pipeline.sections import Item
from pipeline.store import Dataset
from tests import made
from tests.render.folders import folder_of

ROWS = [made.sample(number, f"Act {number}.\n" + "A baker bakes. " * 40) for number in range(12)]
GEMMA = ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")
TEMPLATE = """{{ bos_token }}{% for m in messages %}{% set who = 'model' if loop.index0 % 2 else 'user' -%}
<start_of_turn>{{ who }}
{{ m['content'] | trim }}<end_of_turn>
{% endfor %}{% if add_generation_prompt %}<start_of_turn>model
{% endif %}"""


@pytest.fixture
def tales(workdir: Path) -> Path:
    path = made.dataset(workdir / "datasets" / "tales", ROWS)
    with Dataset.open(path) as dataset:
        export(dataset, Options(formats=(Item(name="llama2"), Item(name="openai-chat")), validation=0.0))
    return path


def look(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    assert main(["inspect", "tales", "--mask", *words]) == 0
    return capsys.readouterr()


def test_a_line_of_an_export_is_masked_as_its_format_writes_it(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = look(capsys, "llama2/train.jsonl:1")
    line = json.loads((tales / "exports" / "llama2" / "train.jsonl").read_text().splitlines()[0])["text"]
    assert out.replace("⏎", "").replace("⟦", "").replace("⟧", "") == line + "\n"
    assert out.startswith("<s>[INST] Genre: ")
    assert re.search(r" \[/INST\]⟦ Act \d+\.⏎\nA baker bakes\. .* </s>⟧\n$", out, re.DOTALL)
    assert "for    llama2 (words, not tokens)" in err
    assert "stop token </s> trained: yes" in err
    assert "--for llama2:FOLDER" in err


def test_a_folder_makes_tokens_of_it(tales: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "gemma-2b", TEMPLATE, special=GEMMA)
    out, err = look(capsys, ROWS[3].id[:8], "--for", f"gemma:{folder}", "--json")
    tokens = json.loads(out)
    assert [set(token) for token in tokens] == [{"id", "text", "trained", "special", "heading"}] * len(tokens)
    assert "".join(token["text"] for token in tokens if token["trained"]) == ROWS[3].answer.strip() + "<end_of_turn>"
    assert [token["id"] for token in tokens if token["special"]] == [0, 2, 3, 2, 3], "ids of the folder's vocabulary"
    assert err == ""
    _, err = look(capsys, ROWS[3].id[:8], "--for", f"gemma:{folder}")
    count = sum(token["trained"] for token in tokens)
    assert f"mask   trained {count} of {len(tokens)} tokens; stop token <end_of_turn> trained: yes" in err


def test_without_more_it_is_masked_as_the_recipes_tuning_takes_it(
    tales: Path, capsys: pytest.CaptureFixture[str], tiny_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTH_CACHE", str(tiny_cache))
    for row in (ROWS[4].id[:8], "openai-chat/train.jsonl:1"):
        out, err = look(capsys, row)
        assert out.startswith("<s><|user|>Genre: ")
        assert out.endswith("<|end|>⟧\n")
        assert "for    the tuning of tiny on this machine" in err
        assert "tokens; stop token <|end|> trained: yes" in err


def test_a_terminal_shows_it_in_colours_and_within_its_width(
    tales: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out, _ = look(capsys, ROWS[5].id[:8], "--for", "llama2")
    assert "⟦" not in out
    assert "\x1b[32m\x1b[7m</s>" in out, "the stop token stands out"
    assert "\x1b[36m<s>" in out
    bare = re.sub(r"\x1b\[\d+m", "", out)
    assert max(map(len, bare.splitlines())) <= 80
    monkeypatch.setenv("NO_COLOR", "1")
    out, _ = look(capsys, ROWS[5].id[:8], "--for", "llama2")
    assert "\x1b" not in out
    assert "⟦" in out


def test_messages_stand_below_headings_where_the_file_has_no_rendering(
    tales: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = look(capsys, ROWS[3].id[:8], "--for", "alpaca")
    lines = out.splitlines()
    assert [line for line in lines if line in ("user", "assistant")] == ["user", "assistant"]
    assert lines[lines.index("assistant") + 1].startswith("⟦Act 3.")
    assert lines[-1].endswith("⟧")
    assert "<|" not in out
    assert "stop token" not in err
    assert "the trainer's own chat template sets roles and the end token" in err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out, _ = look(capsys, ROWS[3].id[:8], "--for", "alpaca")
    assert "\x1b[36massistant\x1b[0m\n" in out, "a heading has a line of its own"


def test_an_answer_with_weight_0_stands_as_not_trained(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = [{"role": "user", "content": "Capital of Peru?"}, {"role": "assistant", "content": "Lama.", "weight": 0},
            {"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "Lima.", "weight": 1}]
    row = dataclasses.replace(ROWS[0], messages=said)
    made.dataset(workdir / "datasets" / "tales", [row])
    out, err = look(capsys, row.id[:8], "--for", "openai-chat")
    assert out == "user\nCapital of Peru?\nassistant (not trained)\nLama.\nuser\nSure?\nassistant\n⟦Lima.⟧\n"
    assert re.search(r"mask +trained \d of \d+ (words|tokens)\n", err)


def test_what_cannot_be_masked_is_said(tales: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "tales", "--for", "llama2"]) == 2
    assert "--mask ID --for llama2" in capsys.readouterr().err
    assert main(["inspect", "tales", "--mask", ROWS[1].id[:8], "--for", "lama2"]) == 2
    assert "llama2" in capsys.readouterr().err
    assert main(["inspect", "tales", "--mask", ROWS[1].id[:8], "--for", "trl-dpo"]) == 4
    assert "trl-dpo refuses it" in capsys.readouterr().err
    assert main(["inspect", "tales", "--mask", "zzzz"]) == 4
