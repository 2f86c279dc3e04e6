"""`synth check` on what `synth export` wrote: a text is read in the format, and with the options, it was written in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import main
from pipeline.errors import RecipeError
from pipeline.export.check import check_file
from pipeline.export.check_target import target_of
from pipeline.formats import open_formats
from pipeline.sections import Item
from pipeline.types import Example, Problem
from tests import made
from tests.formats.test_chat_template import MARKED, PLAIN
from tests.formats.test_families import ONE, TWO
from tests.render.folders import folder_of

WAYS: list[dict[str, Any]] = [
    {"qwen": {"version": "3", "added": "allow"}}, {"qwen": {"added": "allow"}}, {"mistral": {"version": "tekken"}},
    {"mistral": {"version": "v1"}}, {"llama3": {"date": "26 Jul 2024"}}, {"llama2": {"bos": "leave"}}, {"phi3": {}},
    {"prompt-completion": {"separator": "\n###\n", "stop": " END"}}, {"text": {"bos": "<s>", "eos": "</s>"}},
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_an_export_is_checked_with_the_options_it_was_written_with(
    way: dict[str, Any], workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made.dataset(workdir / "datasets" / "tales", [made.sample(i) for i in range(30)])
    name = next(iter(way))
    assert main(["export", "tales", "--format", json.dumps(way)]) == 0
    capsys.readouterr()
    for more in ([], ["--for", name], ["--for", json.dumps(way)]):
        assert main(["check", "tales", *more, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        codes = {problem["code"] for problem in found["problems"] if problem["severity"] != "note"}
        assert codes <= {"goes-round"}  # the rows are made of one word


def test_a_file_is_read_as_the_text_that_is_meant(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", PLAIN, special=MARKED)
    for way, clean in (({"chat-template": {"tokenizer": str(folder)}}, True),
                       ({"qwen": {"version": "3-2507"}}, True), ({"qwen": {}}, False)):
        (plugin,) = open_formats([Item.model_validate({"qwen": {"version": "3-2507"}} if not clean else way)])
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b"\n".join(plugin.write(Example(each)) for each in (ONE, TWO)) + b"\n")
        found: list[Problem] = []
        (done,) = check_file(path, found.append, target=target_of(json.dumps(way)))
        assert done.format == plugin.name
        assert {problem.code for problem in found if problem.severity == "error"} == (
            set() if clean else {"default-system"})


def test_options_that_mean_nothing_are_named() -> None:
    for text in ("qwen: {versoin: 3}", "qwen: {version: 4}", "{qwen}: 3", "{}"):
        with pytest.raises(RecipeError):
            target_of(text)
